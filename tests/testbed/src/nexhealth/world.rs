//! The provider's whole state and the only functions that change it. Each change leaves a journal entry.

use super::{
    auth::Token,
    config::{Organisation, SimConfig},
    journal::{Actor, Change, Entry},
    model::{ApiKey, Endpoint, Institution, Row},
    switches::{Deactivation, Switches},
};
use crate::sim::{Bucket, Records};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    time::Instant,
};

/// Live ids seen in published material; counting starts there so that ids look real.
const FIRST_ENDPOINT_ID: i64 = 16_271;
const FIRST_ROW_ID: i64 = 51_664;

/// Everything the provider knows, and the records tests read.
#[derive(Clone)]
pub struct World {
    pub switches: Switches,
    pub organisations: Vec<Organisation>,
    pub endpoints: BTreeMap<i64, Endpoint>,
    pub rows: BTreeMap<i64, Row>,
    pub tokens: HashMap<String, Token>,
    pub buckets: HashMap<String, Bucket>,
    /// Since when deliveries to an endpoint have been failing.
    pub failing_since: HashMap<i64, Instant>,
    pub journal: Vec<Entry>,
    pub records: Records,
    pub nonce: String,
    pub answers: usize,
    next_endpoint_id: i64,
    next_row_id: i64,
    secrets_made: u64,
}

/// What a `PATCH` may set.
#[derive(Clone, Debug, Default)]
pub struct EndpointPatch {
    /// New target.
    pub target_url: Option<String>,
    /// On or off.
    pub active: Option<bool>,
}

/// What a row's `PATCH` may set.
#[derive(Clone, Copy, Debug, Default)]
pub struct RowPatch {
    /// On or off.
    pub active: Option<bool>,
    /// Move to this endpoint.
    pub new_endpoint_id: Option<i64>,
}

/// What a new row is made of.
#[derive(Clone, Debug)]
pub struct NewRow {
    pub endpoint_id: i64,
    pub institution: Option<(i64, String)>,
    pub resource_type: String,
    pub event: String,
    pub active: bool,
    pub version: Option<String>,
}

impl World {
    pub fn new(config: &SimConfig, nonce: String) -> Self {
        Self {
            switches: config.switches.clone(),
            organisations: config.organisations.clone(),
            endpoints: BTreeMap::new(),
            rows: BTreeMap::new(),
            tokens: HashMap::new(),
            buckets: HashMap::new(),
            failing_since: HashMap::new(),
            journal: Vec::new(),
            records: Records::default(),
            nonce,
            answers: 0,
            next_endpoint_id: FIRST_ENDPOINT_ID,
            next_row_id: FIRST_ROW_ID,
            secrets_made: 0,
        }
    }

    pub fn next_seq(&mut self) -> u64 {
        self.records.next_seq()
    }

    /// The provider's clock.
    pub fn now(&self) -> Timestamp {
        Timestamp::now().saturating_add(self.switches.clock_offset).unwrap_or(Timestamp::MAX)
    }

    fn note(&mut self, actor: &Actor, change: Change) {
        let seq = self.next_seq();
        self.journal.push(Entry { seq, at: Timestamp::now(), actor: actor.clone(), change });
    }

    /// Letters and digits that nobody can guess and no other simulator repeats.
    fn new_secret(&mut self) -> String {
        let mut secret = String::new();
        while secret.len() < self.switches.secret_length {
            self.secrets_made += 1;
            let digest = Sha256::digest(format!("{}/{}", self.nonce, self.secrets_made));
            const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
            secret.extend(digest.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])));
        }
        secret.truncate(self.switches.secret_length);
        secret
    }

    pub fn key(&self, value: &str) -> Option<(&Organisation, &ApiKey)> {
        self.organisations.iter().find_map(|organisation| {
            organisation.keys.iter().find(|key| key.value == value).map(|key| (organisation, key))
        })
    }

    pub fn organisation_mut(&mut self, name: &str) -> Option<&mut Organisation> {
        self.organisations.iter_mut().find(|organisation| organisation.name == name)
    }

    pub fn institution(&self, subdomain: &str) -> Option<&Institution> {
        self.organisations.iter().flat_map(|one| &one.institutions).find(|one| one.subdomain == subdomain)
    }

    pub fn institution_mut(&mut self, subdomain: &str) -> Option<&mut Institution> {
        self.organisations.iter_mut().flat_map(|one| &mut one.institutions).find(|one| one.subdomain == subdomain)
    }

    pub fn rows_on(&self, endpoint_id: i64) -> impl Iterator<Item = &Row> {
        self.rows.values().filter(move |row| row.endpoint_id == endpoint_id)
    }

    pub fn create_endpoint(&mut self, actor: &Actor, organisation: &str, target_url: &str, active: bool) -> Endpoint {
        let id = self.next_endpoint_id;
        self.next_endpoint_id += 1;
        let now = self.now();
        let endpoint = Endpoint {
            id,
            organisation: organisation.to_owned(),
            target_url: target_url.to_owned(),
            secret_key: self.new_secret(),
            active,
            created_at: now,
            updated_at: now,
        };
        self.endpoints.insert(id, endpoint.clone());
        self.note(actor, Change::EndpointCreated(endpoint.clone()));
        endpoint
    }

    /// Changes an endpoint; the key stays (not documented, the likelier reading).
    pub fn patch_endpoint(&mut self, actor: &Actor, id: i64, patch: &EndpointPatch) -> Option<Endpoint> {
        let now = self.now();
        let endpoint = self.endpoints.get_mut(&id)?;
        let before = endpoint.clone();
        if let Some(url) = &patch.target_url {
            endpoint.target_url.clone_from(url);
        }
        if let Some(active) = patch.active {
            endpoint.active = active;
        }
        endpoint.updated_at = now;
        let after = endpoint.clone();
        if after.active && !before.active {
            self.failing_since.remove(&id);
        }
        self.note(actor, Change::EndpointPatched { before, after: after.clone() });
        Some(after)
    }

    /// Removes an endpoint and everything on it.
    pub fn delete_endpoint(&mut self, actor: &Actor, id: i64) -> bool {
        let rows: Vec<i64> = self.rows_on(id).map(|row| row.id).collect();
        for row in rows {
            self.delete_row(actor, row);
        }
        let Some(endpoint) = self.endpoints.remove(&id) else { return false };
        self.failing_since.remove(&id);
        self.note(actor, Change::EndpointDeleted(endpoint));
        true
    }

    pub fn create_row(&mut self, actor: &Actor, new: NewRow) -> Row {
        let id = self.next_row_id;
        self.next_row_id += 1;
        let now = self.now();
        let (institution_id, subdomain) = new.institution.unzip();
        let row = Row {
            id,
            endpoint_id: new.endpoint_id,
            institution_id,
            subdomain,
            resource_type: new.resource_type,
            event: new.event,
            active: new.active,
            version: new.version,
            created_at: now,
            updated_at: now,
        };
        self.rows.insert(id, row.clone());
        self.note(actor, Change::RowCreated(row.clone()));
        row
    }

    pub fn patch_row(&mut self, actor: &Actor, id: i64, patch: RowPatch) -> Option<Row> {
        let now = self.now();
        let row = self.rows.get_mut(&id)?;
        let before = row.clone();
        row.active = patch.active.unwrap_or(row.active);
        row.endpoint_id = patch.new_endpoint_id.unwrap_or(row.endpoint_id);
        row.updated_at = now;
        let after = row.clone();
        let change = if before.endpoint_id == after.endpoint_id {
            Change::RowPatched { before, after: after.clone() }
        } else {
            Change::RowMoved { before, after: after.clone() }
        };
        self.note(actor, change);
        Some(after)
    }

    pub fn delete_row(&mut self, actor: &Actor, id: i64) -> bool {
        let Some(row) = self.rows.remove(&id) else { return false };
        self.note(actor, Change::RowDeleted(row));
        true
    }

    pub fn add_institution(&mut self, actor: &Actor, organisation: &str, institution: Institution) -> bool {
        let Some(found) = self.organisation_mut(organisation) else { return false };
        let subdomain = institution.subdomain.clone();
        found.institutions.retain(|one| one.subdomain != subdomain);
        found.institutions.push(institution);
        self.note(actor, Change::InstitutionAdded(subdomain));
        true
    }

    pub fn remove_institution(&mut self, actor: &Actor, subdomain: &str) -> Option<Institution> {
        let found = self.organisations.iter_mut().find_map(|one| {
            let at = one.institutions.iter().position(|institution| institution.subdomain == subdomain)?;
            Some(one.institutions.remove(at))
        })?;
        self.note(actor, Change::InstitutionRemoved(subdomain.to_owned()));
        Some(found)
    }

    /// What the provider does after the failing period.
    pub fn deactivate(&mut self, endpoint_id: i64) {
        let off = EndpointPatch { target_url: None, active: Some(false) };
        self.patch_endpoint(&Actor::Provider, endpoint_id, &off);
        if self.switches.deactivation == Deactivation::WithSubscriptions {
            let rows: Vec<i64> = self.rows_on(endpoint_id).filter(|row| row.active).map(|row| row.id).collect();
            for row in rows {
                self.patch_row(&Actor::Provider, row, RowPatch { active: Some(false), new_endpoint_id: None });
            }
        }
    }
}
