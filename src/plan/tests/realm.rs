//! Subscription objects, a fake of the rows of a realm, and the inputs of their plans.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::fixtures::{NOW, at, changed, id, object, ready, said};
use super::rules;
use crate::api::WebhookSubscription;
use crate::api::endpoint::{AccountRef, Reactivation};
use crate::api::subscription::Applied;
use crate::plan::grants::Reach;
use crate::plan::pairs::Sibling;
use crate::plan::row_calls::RowCall;
use crate::plan::subscription::{
    self, EndpointLink, OldEndpoints, OldRow, SubscriptionInput, SubscriptionMemory, SubscriptionPlan, SubscriptionStep,
};
use crate::plan::{AccountPolicy, AccountView, PlanTiming};
use crate::provider::model::home::{fingerprint_of, same_url};
use crate::provider::model::{Catalogue, KnownEvent, RemoteId, RemoteRow, RemoteRows, RowCreateState, RowKey};

/// Two known events of practices, one of the account.
pub fn catalogue() -> Catalogue {
    let known = |resource_type: &str, event: &str, practice_scoped| KnownEvent {
        resource_type: resource_type.into(),
        event: event.into(),
        practice_scoped,
        delivered: Vec::new(),
    };
    Catalogue {
        provider: "NexHealth",
        name_alone: false,
        events: vec![
            known("Appointment", "appointment_insertion", true),
            known("Patient", "patient_created", true),
            known("Account", "account_changed", false),
        ],
    }
}

pub fn row(id: &str, endpoint: &str, practice: &str, event: &str) -> RemoteRow {
    let resource_type = catalogue().find(event).map_or_else(|| Arc::from("Made"), |known| known.resource_type.clone());
    RemoteRow {
        id: RemoteId::new(id),
        endpoint: RemoteId::new(endpoint),
        practice: (!practice.is_empty()).then(|| Arc::from(format!("#{practice}"))),
        resource_type,
        event: event.into(),
        active: true,
        created_at: None,
    }
}

/// A realm's rows, as a plan may ask about them.
#[derive(Debug, Default)]
pub struct Rows {
    pub rows: Vec<RemoteRow>,
    pub practices: Option<Vec<String>>,
    pub unknown: HashSet<RemoteId>,
    pub unsettled: HashSet<RemoteId>,
    pub states: HashMap<RowKey, RowCreateState>,
    pub listed_at: Option<Timestamp>,
    /// How many rows were made; ids are never used twice.
    pub made: usize,
    /// Practices that the key no longer reaches.
    pub former: Vec<String>,
    /// Pairs that an earlier list has shown.
    pub once_listed: HashSet<RowKey>,
    /// Endpoints that are gone for good.
    pub vanished: Vec<RemoteId>,
}

impl RemoteRows for Rows {
    fn rows(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        let mut found: Vec<_> =
            self.rows.iter().filter(|row| row.endpoint == *endpoint && row.key() == *key).cloned().collect();
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }

    fn twins(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        self.rows(endpoint, key).into_iter().skip(1).collect()
    }

    fn row(&self, id: &RemoteId) -> Option<RemoteRow> {
        self.rows.iter().find(|row| row.id == *id).cloned()
    }

    fn known(&self, endpoint: &RemoteId) -> bool {
        !self.unknown.contains(endpoint)
    }

    fn settled(&self, endpoint: &RemoteId) -> bool {
        !self.unsettled.contains(endpoint)
    }

    fn missing(&self, endpoints: &[RemoteId], key: &RowKey) -> bool {
        endpoints.iter().all(|id| self.settled(id) && self.rows(id, key).is_empty())
    }

    fn vanished(&self, endpoint: &RemoteId, _: Duration) -> bool {
        self.vanished.contains(endpoint)
    }

    fn create_state(&self, _: &RemoteId, key: &RowKey) -> RowCreateState {
        self.states.get(key).copied().unwrap_or(RowCreateState::Free)
    }

    fn last_seen(&self, _: &RemoteId, key: &RowKey) -> Option<Timestamp> {
        self.listed_at.filter(|_| self.once_listed.contains(key))
    }

    fn seen_before(&self, _: &RemoteId) -> Option<Timestamp> {
        self.listed_at
    }

    fn all_rows(&self, endpoint: &RemoteId) -> Vec<RemoteRow> {
        self.rows.iter().filter(|row| row.endpoint == *endpoint).cloned().collect()
    }

    fn strangers(&self, home: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        let other = |row: &&RemoteRow| row.endpoint != *home && same_url(&row.endpoint, home) && row.key() == *key;
        self.rows.iter().filter(other).cloned().collect()
    }

    fn homes(&self, fingerprint: &str) -> Vec<RemoteId> {
        let ours = self.rows.iter().filter(|row| fingerprint_of(&row.endpoint).as_deref() == Some(fingerprint));
        ours.map(|row| row.endpoint.clone()).collect::<std::collections::BTreeSet<_>>().into_iter().collect()
    }

    fn former_practice(&self, key: &str) -> Option<Arc<str>> {
        self.former.iter().find(|name| format!("#{name}") == key).map(|name| Arc::from(name.as_str()))
    }

    fn former_key(&self, name: &str) -> Option<Arc<str>> {
        self.former.iter().any(|own| own == name).then(|| Arc::from(format!("#{name}")))
    }

    fn practice_name(&self, key: &str) -> Option<Arc<str>> {
        let mut names = self.practices.iter().flatten();
        names.find(|name| format!("#{name}") == key).map(|name| Arc::from(name.as_str()))
    }

    fn listed_at(&self, _: &RemoteId) -> Option<Timestamp> {
        self.listed_at
    }

    fn practice_key(&self, name: &str) -> Option<Arc<str>> {
        self.practices.iter().flatten().any(|own| own == name).then(|| Arc::from(format!("#{name}")))
    }

    fn practice_names(&self) -> Option<Vec<Arc<str>>> {
        Some(self.practices.as_ref()?.iter().map(|name| Arc::from(name.as_str())).collect())
    }
}

/// An endpoint that delivers.
pub fn usable(remote_id: &str) -> EndpointLink {
    let reactivation = Reactivation::Auto;
    EndpointLink::Usable { remote_id: id(remote_id), leaving: None, silent: None, off_remotely: false, reactivation }
}

/// A subscription object and everything around it.
#[derive(Debug)]
pub struct Subscription {
    pub object: WebhookSubscription,
    pub link: EndpointLink,
    pub account: AccountView,
    pub policy: AccountPolicy,
    pub reach: Reach,
    /// Pairs that any other object declares or has applied, as `practice/event`.
    pub claimed: Vec<String>,
    pub paced: usize,
    pub has_realm: bool,
    pub rows: Rows,
    pub old: OldEndpoints,
    pub siblings: Vec<(WebhookSubscription, bool)>,
    pub memory: SubscriptionMemory,
    pub now: i64,
}

pub fn declaring(name: &str, practices: &[&str], events: &[&str]) -> WebhookSubscription {
    let events: Vec<Value> = events.iter().map(|event| json!({"event": event})).collect();
    let spec = json!({"endpointRef": {"name": "intake"}, "practices": practices, "events": events});
    object("WebhookSubscription", name, &spec)
}

impl Subscription {
    /// Declares these; nothing has been done. The remote endpoint is 7, the practices are a, b and c.
    pub fn new(practices: &[&str], events: &[&str]) -> Self {
        let rows = Rows {
            practices: Some(["a", "b", "c"].map(String::from).to_vec()),
            listed_at: Some(at(NOW)),
            ..Rows::default()
        };
        Self {
            object: declaring("sunshine", practices, events),
            link: usable("7"),
            account: ready(),
            policy: AccountPolicy::default(),
            reach: Reach::default(),
            claimed: Vec::new(),
            paced: 10,
            has_realm: true,
            rows,
            old: OldEndpoints::default(),
            siblings: Vec::new(),
            memory: SubscriptionMemory::default(),
            now: NOW,
        }
    }

    /// The same, with everything at the provider and applied.
    pub fn settled(practices: &[&str], events: &[&str]) -> Self {
        let mut settled = Self::new(practices, events);
        settled.acknowledge();
        settled.obey();
        settled.memory = SubscriptionMemory::default();
        settled.rows.once_listed = settled.rows.rows.iter().map(RemoteRow::key).collect();
        settled
    }

    pub fn plan(&self) -> SubscriptionPlan {
        let (timing, catalogue) = (PlanTiming::default(), catalogue());
        let claimed = |practice: Option<&str>, key: &RowKey| {
            self.claimed.contains(&format!("{}/{}", practice.unwrap_or("-"), key.event))
        };
        let plan = subscription::plan(&SubscriptionInput {
            object: &self.object,
            link: self.link.clone(),
            account: (self.account.clone(), AccountRef::default()),
            reach: &self.reach,
            catalogue: &catalogue,
            rows: self.has_realm.then_some(&self.rows),
            old: self.old.clone(),
            siblings: self.siblings.iter().map(|(object, older)| Sibling { object, older: *older }).collect(),
            policy: self.policy,
            claimed: &claimed,
            own_rows: None,
            paced: self.paced,
            observe_interval: Duration::from_secs(300),
            last_alive: at(NOW - 1000),
            memory: &self.memory,
            now: at(self.now),
            timing: &timing,
        });
        let writes = matches!(plan.step, SubscriptionStep::Acknowledge { .. } | SubscriptionStep::Rest);
        if writes && plan.status != self.object.status.clone().unwrap_or_default() {
            let generation = self.object.metadata.generation.unwrap();
            rules::check(&plan.status.conditions, plan.status.observed_generation, generation);
        }
        plan
    }

    pub fn step(&self) -> SubscriptionStep {
        self.plan().step
    }

    /// What `Ready` says after a plan that rests.
    pub fn says(&self) -> String {
        let plan = self.plan();
        assert_eq!(plan.step, SubscriptionStep::Rest);
        said(&plan.status.conditions, "Ready")
    }

    /// The stored `Ready` has this reason.
    pub fn status_says(&mut self, reason: &str) {
        let conditions = self.object.status.iter_mut().flat_map(|status| &mut status.conditions);
        conditions.filter(|condition| condition.type_ == "Ready").for_each(|ready| ready.reason = reason.to_owned());
    }

    /// Stores the status of a plan that announces; answers the pairs that are new.
    pub fn acknowledge(&mut self) -> Vec<RowKey> {
        let plan = self.plan();
        let SubscriptionStep::Acknowledge { fresh } = plan.step else { panic!("{:?}", plan.step) };
        self.object.status = Some(plan.status);
        self.memory.fresh.extend(fresh.iter().cloned());
        fresh
    }

    /// Carries out calls until the plan rests; answers them as words.
    pub fn obey(&mut self) -> Vec<String> {
        let mut done = Vec::new();
        for _ in 0..20 {
            let plan = self.plan();
            match plan.step {
                SubscriptionStep::Rest => {
                    self.object.status = Some(plan.status);
                    return done;
                }
                SubscriptionStep::Acknowledge { .. } => {
                    self.acknowledge();
                }
                SubscriptionStep::Calls(calls) => calls.iter().for_each(|call| done.push(self.call(call))),
                other => panic!("{other:?}"),
            }
        }
        panic!("no rest: {done:?}")
    }

    /// Carries out one batch of moves.
    pub fn obey_moves(&mut self) {
        let SubscriptionStep::Calls(calls) = self.step() else { panic!("no calls") };
        assert!(calls.iter().all(|call| matches!(call, RowCall::Move { .. })));
        for call in &calls {
            self.call(call);
        }
    }

    /// Carries out one call; answers it as words.
    pub fn call(&mut self, call: &RowCall) -> String {
        let gone = call_row(call);
        self.rows.rows.retain(|row| Some(&row.id) != gone);
        self.old.rows.retain(|old| Some(&old.row.id) != gone);
        let name =
            |key: &RowKey| format!("{}/{}", key.practice.as_deref().unwrap_or("-").trim_start_matches('#'), key.event);
        match call {
            RowCall::Create { endpoint, key, active, .. } => {
                let id = RemoteId::new((100 + self.rows.made).to_string());
                self.rows.made += 1;
                let (practice, resource_type, event) =
                    (key.practice.clone(), key.resource_type.clone(), key.event.clone());
                let row = RemoteRow {
                    id,
                    endpoint: endpoint.clone(),
                    practice,
                    resource_type,
                    event,
                    active: *active,
                    created_at: None,
                };
                self.rows.rows.push(row);
                format!("create {}", name(key))
            }
            RowCall::Move { row, to, .. } => {
                self.rows.rows.push(RemoteRow { endpoint: to.clone(), ..row.clone() });
                format!("move {}", name(&row.key()))
            }
            RowCall::Switch { row, active, .. } => {
                self.rows.rows.push(RemoteRow { active: *active, ..row.clone() });
                format!("switch {} {active}", name(&row.key()))
            }
            RowCall::Delete { row } => format!("delete {} of {}", name(&row.key()), row.endpoint),
            RowCall::Prune { row, .. } => format!("prune {} of {}", name(&row.key()), row.endpoint),
        }
    }

    pub fn applied(&self) -> &Applied {
        self.object.status.as_ref().unwrap().applied.as_ref().unwrap()
    }

    pub fn spec(&mut self, change: Value) {
        self.object.spec = changed(self.object.spec.clone(), change);
        self.object.metadata.generation = self.object.metadata.generation.map(|generation| generation + 1);
    }

    pub fn delete(&mut self) {
        self.object.metadata.deletion_timestamp = Some(Time(at(NOW)));
    }

    /// The endpoint is another one now; the rows on the former one are as given.
    pub fn moves_to(&mut self, remote_id: &str, rows: Vec<RemoteRow>, movable: bool) {
        self.link = usable(remote_id);
        let old = |row: &RemoteRow| OldRow { practice: None, row: row.clone(), movable, declared_there: false };
        self.old.rows = rows.iter().map(old).collect();
        self.old.same_realm = if movable { vec![id("7")] } else { Vec::new() };
    }
}

fn call_row(call: &RowCall) -> Option<&RemoteId> {
    match call {
        RowCall::Create { .. } => None,
        RowCall::Move { row, .. }
        | RowCall::Switch { row, .. }
        | RowCall::Delete { row }
        | RowCall::Prune { row, .. } => Some(&row.id),
    }
}
