//! The provider's whole state and the only functions that change it.

use super::{
    config::{ApiKey, Destination, SimConfig},
    switches::Switches,
};
use crate::sim::{Bucket, Records};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

/// Everything the provider knows, and the records tests read.
#[derive(Clone)]
pub struct World {
    pub switches: Switches,
    pub keys: Vec<ApiKey>,
    /// By organisation.
    pub destinations: BTreeMap<String, Destination>,
    pub appointments: Vec<Appointment>,
    pub buckets: HashMap<String, Bucket>,
    pub records: Records,
    pub nonce: String,
}

/// An appointment that was taken in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// The call that brought it.
    pub call: u64,
    /// Whose it is: the key's organisation.
    pub organisation: String,
    /// Its id at the practice.
    pub id: String,
    /// `booked` where the given one is not known.
    pub status: String,
}

impl World {
    pub fn new(config: &SimConfig, nonce: String) -> Self {
        Self {
            switches: config.switches.clone(),
            keys: config.keys.clone(),
            destinations: BTreeMap::new(),
            appointments: Vec::new(),
            buckets: HashMap::new(),
            records: Records::default(),
            nonce,
        }
    }

    pub fn key(&self, value: &str) -> Option<&ApiKey> {
        self.keys.iter().find(|key| key.value == value)
    }

    /// Takes a valid item in.
    pub fn take_in(&mut self, call: u64, organisation: &str, item: &Value) {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let appointment = &item["appointment"];
        let status = text(&appointment["status"]);
        self.appointments.push(Appointment {
            call,
            organisation: organisation.to_owned(),
            id: text(&appointment["id"]),
            status: if self.switches.statuses.contains(&status) { status } else { "booked".to_owned() },
        });
    }
}
