//! O6: at every instant, whichever endpoint has subscriptions or had them, receivers have its key; and a key is out for
//! `publishDelay` before anything is signed with it.
//!
//! Read from the provider's journal and the writes to the Secret, in one order. Deliveries themselves are watched only where
//! the operator does no more than die.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use serde_json::Value;
use testbed::nexhealth::{Change, Entry};

use super::rig::Rig;
use super::scenario::Scenario;

const SECRET: &str = "intake-signing";
/// `publishDelay` of the scenarios.
const PUBLISH_DELAY: Duration = Duration::from_secs(1);

/// What the Secret holds, written by the operator alone.
#[derive(Default)]
struct Published {
    data: BTreeMap<String, String>,
    /// Since when each key has been in it.
    since: BTreeMap<String, Timestamp>,
}

impl Published {
    /// Takes over what a write says, a create or a merge patch.
    fn write(&mut self, what: &str, body: &Value, at: Timestamp) {
        if !what.starts_with("PATCH") {
            self.data.clear();
        }
        for (name, value) in body["data"].as_object().into_iter().flatten() {
            match value.as_str().and_then(|text| BASE64_STANDARD.decode(text).ok()).map(String::from_utf8) {
                Some(Ok(key)) => drop(self.data.insert(name.clone(), key)),
                _ => drop(self.data.remove(name)),
            }
        }
        self.since.retain(|key, _| self.data.values().any(|held| held == key));
        for key in self.data.values() {
            self.since.entry(key.clone()).or_insert(at);
        }
    }
}

enum Step<'a> {
    Journal(&'a Entry),
    Write(&'a str, Value, Timestamp),
}

/// Everything that receivers could not have verified, in words.
pub fn unverifiable(rig: &Rig) -> Vec<String> {
    if !rig.plan.scenario.rotates() {
        return Vec::new();
    }
    let (journal, writes) = (rig.world.provider.journal(), rig.injector.kube_writes());
    let mut steps: Vec<(u64, Step<'_>)> = journal.iter().map(|entry| (entry.seq, Step::Journal(entry))).collect();
    for write in &writes {
        let (Some(done), Some(at)) = (write.done, write.at) else { continue };
        let body: Value = serde_json::from_str(&write.body).unwrap_or_default();
        let named = body["metadata"]["name"] == SECRET || write.what.ends_with(&format!("secrets/{SECRET}"));
        if named && write.what.contains(" secrets") && !write.what.starts_with("DELETE") {
            steps.push((done.0, Step::Write(&write.what, body, at)));
        }
    }
    // A write stands behind what had happened when its answer was there.
    steps.sort_by_key(|(at, step)| (*at, matches!(step, Step::Write(..))));
    let mut replay = Replay::new(rig);
    steps.into_iter().for_each(|(seq, step)| replay.take(seq, step));
    replay.broken.into_iter().collect()
}

struct Replay<'a> {
    rig: &'a Rig,
    published: Published,
    /// Keys of our endpoints that are there.
    there: BTreeMap<i64, String>,
    /// Those of them that have or had rows.
    signing: BTreeSet<i64>,
    first: Option<i64>,
    /// A list that lies makes an endpoint seem gone, and then nothing waits (rules.md *Rotation*).
    waits: bool,
    broken: BTreeSet<String>,
}

impl<'a> Replay<'a> {
    fn new(rig: &'a Rig) -> Self {
        let lies = rig.plan.shots.iter().any(|shot| shot.trouble.name == "nothing-listed");
        Self {
            rig,
            published: Published::default(),
            there: BTreeMap::new(),
            signing: BTreeSet::new(),
            first: None,
            waits: !lies && rig.plan.scenario != Scenario::LostKey,
            broken: BTreeSet::new(),
        }
    }

    fn take(&mut self, seq: u64, step: Step<'_>) {
        match step {
            Step::Write(what, body, at) => self.published.write(what, &body, at),
            Step::Journal(entry) => match &entry.change {
                Change::EndpointCreated(one) if !self.rig.foreign.has_endpoint(one.id) => {
                    self.first.get_or_insert(one.id);
                    self.there.insert(one.id, one.secret_key.clone());
                }
                Change::EndpointDeleted(one) => drop(self.there.remove(&one.id)),
                Change::RowCreated(row) | Change::RowMoved { after: row, .. }
                    if self.there.contains_key(&row.endpoint_id) && !self.rig.foreign.has_row(row.id) =>
                {
                    let first = self.signing.insert(row.endpoint_id);
                    self.receives(seq, row.endpoint_id, entry.at, first);
                }
                _ => {}
            },
        }
        for (id, key) in self.there.iter().filter(|(id, _)| self.signing.contains(id)) {
            // The key that was lost is in no list and in no Secret: that is what the scenario is about.
            let lost = self.rig.plan.scenario == Scenario::LostKey && self.first == Some(*id);
            if !lost && !self.published.since.contains_key(key) {
                self.broken.insert(format!("endpoint {id} signs at {seq} or later, and its key is not in the Secret"));
            }
        }
    }

    /// An endpoint gets a row, its first or another.
    fn receives(&mut self, seq: u64, id: i64, at: Timestamp, first: bool) {
        // Before the first endpoint nobody was listening: rules.md *Create*.
        if !first || self.first == Some(id) || !self.waits {
            return;
        }
        let since = self.there.get(&id).and_then(|key| self.published.since.get(key));
        let out = since.map(|since| at.duration_since(*since).unsigned_abs()).unwrap_or_default();
        if out < PUBLISH_DELAY {
            self.broken.insert(format!("endpoint {id} signs at {seq}, {} ms after its key was out", out.as_millis()));
        }
    }
}

#[test]
fn a_secret_is_what_was_written_to_it() {
    let text = |key: &str| BASE64_STANDARD.encode(key);
    let at = |second| Timestamp::from_second(second).unwrap();
    let mut published = Published::default();
    published.write("POST secrets", &serde_json::json!({"data": {"current": text("a")}}), at(1));
    let both = serde_json::json!({"data": {"current": text("b"), "previous": text("a")}});
    published.write("PATCH secrets/x", &both, at(2));
    published.write("PATCH secrets/x", &serde_json::json!({"metadata": {}}), at(3));
    assert_eq!(published.since, BTreeMap::from([("a".to_owned(), at(1)), ("b".to_owned(), at(2))]));
    published.write("PATCH secrets/x", &serde_json::json!({"data": {"previous": null}}), at(4));
    assert_eq!(published.since, BTreeMap::from([("b".to_owned(), at(2))]));
}
