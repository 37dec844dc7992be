//! A monitor in a test: what it is given, pass by pass, and what is stored of what it says.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::clinic::hours;
use crate::api::PracticeSyncMonitor;
use crate::api::monitor_status::PracticeCounts;
use crate::plan::AccountView;
use crate::plan::grants::Share;
use crate::plan::monitor::{HoursTrouble, MonitorInput, MonitorMemory, MonitorPlan, plan};
use crate::provider::model::Practice;
use crate::provider::model::sync::{Colour, Direction, Place, Sync, Syncs};

/// A monitor and what it sees.
pub struct Desk {
    pub object: PracticeSyncMonitor,
    pub memory: MonitorMemory,
    pub view: AccountView,
    pub practices: Vec<Practice>,
    pub syncs: HashMap<Arc<str>, Vec<Sync>>,
    pub places: Option<Vec<Place>>,
    pub hours: Option<&'static str>,
    pub trouble: Option<HoursTrouble>,
    pub named: HashSet<String>,
    pub outage: Option<Timestamp>,
    pub share: Share,
    pub now: Timestamp,
    pub looked: Timestamp,
    pub writes: usize,
    /// Whether the provider has answered yet.
    pub answered: bool,
}

pub fn sync(name: &str, read: Colour, minutes_ago: i64, now: Timestamp) -> Sync {
    let at = Some(now - SignedDuration::from_mins(minutes_ago));
    let direction = |colour| Direction { colour, word: Some("word".into()), at };
    Sync { name: name.into(), read: direction(read), write: direction(Colour::Green), ..Sync::default() }
}

pub fn single() -> Value {
    json!({"practice": "aspen", "read": {"staleAfter": "60m"}, "write": {"staleAfter": "30m"}})
}

pub fn fleet() -> Value {
    json!({"allPractices": {"except": ["cedar"]}, "read": {"staleAfter": "60m"}})
}

impl Desk {
    pub fn new(spec: Value) -> Self {
        let object = json!({
            "apiVersion": "external-webhooks.io/v1alpha1", "kind": "PracticeSyncMonitor",
            "metadata": {"name": "m", "namespace": "clinics", "uid": "u", "generation": 1}, "spec": spec,
        });
        let names = ["aspen", "birch", "cedar"];
        let practice = |(number, name): (usize, &&str)| Practice {
            name: Arc::from(*name),
            key: (101 + number).to_string().into(),
        };
        // A Wednesday at noon, UTC.
        let now: Timestamp = "2026-05-06T12:00:00Z".parse().unwrap();
        let mut desk = Self {
            object: serde_json::from_value(object).unwrap(),
            memory: MonitorMemory::default(),
            view: AccountView::Ready { allow_insecure: false },
            practices: names.iter().enumerate().map(practice).collect(),
            syncs: HashMap::new(),
            places: None,
            hours: None,
            trouble: None,
            named: HashSet::new(),
            outage: None,
            share: Share::Whole,
            now,
            looked: now,
            writes: 0,
            answered: true,
        };
        for key in ["101", "102", "103"] {
            desk.shows(key, vec![sync("main", Colour::Green, 3, now)]);
        }
        desk
    }

    pub fn shows(&mut self, key: &str, syncs: Vec<Sync>) {
        self.syncs.insert(key.into(), syncs);
    }

    /// One pass; what it says is stored, as the API server would.
    pub fn pass(&mut self) -> MonitorPlan {
        let places = self.places.clone();
        let of = |key: &str| Some(places.as_ref()?.iter().filter(|place| *place.practice == *key).cloned().collect());
        let hours = match &self.trouble {
            Some(trouble) => Err(trouble.clone()),
            None => Ok(self.hours.map(hours)),
        };
        let input = MonitorInput {
            object: &self.object,
            account: (self.view.clone(), crate::api::endpoint::AccountRef::default()),
            share: self.share.clone(),
            practices: Some(self.practices.clone()),
            syncs: self.answered.then(|| Arc::new(Syncs { at: self.looked, of: self.syncs.clone() })),
            interval: Duration::from_secs(60),
            hours,
            places: &of,
            named: &self.named,
            outage: self.outage,
            now: self.now,
        };
        let plan = plan(&input, &mut self.memory);
        if let Some(status) = plan.status.clone().filter(|status| self.object.status.as_ref() != Some(status)) {
            self.object.status = Some(status);
            self.writes += 1;
        }
        plan
    }

    /// Minutes go by, with a look each and fresh times but for what `edit` does.
    pub fn minutes(&mut self, count: i64, edit: impl Fn(&mut Self)) -> Vec<MonitorPlan> {
        let mut plans = Vec::new();
        for _ in 0..count {
            self.now += SignedDuration::from_mins(1);
            self.looked = self.now;
            for syncs in self.syncs.values_mut().flatten() {
                (syncs.read.at, syncs.write.at) = (Some(self.now), Some(self.now));
            }
            edit(self);
            plans.push(self.pass());
        }
        plans
    }

    pub fn said(&self, kind: &str) -> String {
        let conditions = &self.object.status.as_ref().unwrap().conditions;
        let condition = conditions.iter().find(|condition| condition.type_ == kind);
        condition.map_or("-".to_owned(), |condition| format!("{}/{}", condition.status, condition.reason))
    }

    pub fn message(&self, kind: &str) -> &str {
        let conditions = &self.object.status.as_ref().unwrap().conditions;
        conditions.iter().find(|condition| condition.type_ == kind).map(|condition| condition.message.as_str()).unwrap()
    }

    /// The counts of the status.
    pub fn counts(&self) -> PracticeCounts {
        self.object.status.as_ref().and_then(|status| status.practices.clone()).unwrap()
    }

    /// The same objects and the same provider, for a process that remembers nothing.
    pub fn restart(&mut self) {
        self.memory = MonitorMemory::default();
    }
}
