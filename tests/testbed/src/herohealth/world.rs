//! The provider's whole state and the only functions that change it. Each change leaves a journal entry.

use super::{
    config::SimConfig,
    journal::{Change, Entry},
    model::{ApiKey, Webhook},
    switches::Switches,
};
use crate::sim::{Actor, Bucket, Records};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, HashMap};

/// Everything the provider knows, and the records tests read.
#[derive(Clone)]
pub struct World {
    pub switches: Switches,
    pub keys: Vec<ApiKey>,
    /// In order of creation.
    pub webhooks: Vec<Webhook>,
    pub buckets: HashMap<String, Bucket>,
    pub records: Records,
    pub journal: Vec<Entry>,
    nonce: String,
    made: u64,
}

/// What a new webhook is made of.
#[derive(Clone, Debug, Default)]
pub struct NewWebhook {
    pub group: String,
    pub event_type: String,
    pub url: String,
    pub description: Option<String>,
    pub signing_key: Option<String>,
    pub headers: BTreeMap<String, String>,
}

impl World {
    pub fn new(config: &SimConfig, nonce: String) -> Self {
        Self {
            switches: config.switches.clone(),
            keys: config.keys.clone(),
            webhooks: Vec::new(),
            buckets: HashMap::new(),
            records: Records::default(),
            journal: Vec::new(),
            nonce,
            made: 0,
        }
    }

    pub fn key(&self, value: &str) -> Option<&ApiKey> {
        self.keys.iter().find(|key| key.value == value)
    }

    pub fn of_group<'a>(&'a self, group: &'a str) -> impl Iterator<Item = &'a Webhook> {
        self.webhooks.iter().filter(move |webhook| webhook.group == group)
    }

    pub fn create(&mut self, actor: &Actor, new: NewWebhook) -> Webhook {
        self.made += 1;
        // No order and no number to be read out of it.
        let digest = hex::encode(Sha256::digest(format!("{}/{}", self.nonce, self.made)));
        let webhook = Webhook {
            id: format!("wh_{}", &digest[..20]),
            group: new.group,
            event_type: new.event_type,
            url: new.url,
            description: new.description,
            signing_key: new.signing_key,
            headers: new.headers,
            created_at: Timestamp::now(),
        };
        self.webhooks.push(webhook.clone());
        self.note(actor, Change::Created(webhook.clone()));
        webhook
    }

    pub fn delete(&mut self, actor: &Actor, id: &str) -> Option<Webhook> {
        let at = self.webhooks.iter().position(|webhook| webhook.id == id)?;
        let webhook = self.webhooks.remove(at);
        self.note(actor, Change::Deleted(webhook.clone()));
        Some(webhook)
    }

    fn note(&mut self, actor: &Actor, change: Change) {
        let seq = self.records.next_seq();
        self.journal.push(Entry { seq, at: Timestamp::now(), actor: actor.clone(), change });
    }
}
