//! Endpoint objects and the inputs of their plans.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::{Value, json};

use super::rules;
use crate::api::subscription::AppliedScope;
use crate::api::{REMOTE_FINALIZER, WebhookEndpoint};
use crate::plan::create::Candidate;
use crate::plan::endpoint::{self, EndpointInput, EndpointMemory, EndpointPlan, EndpointStep, RemoteSide, SecretView};
use crate::plan::gaps::Loss;
use crate::plan::grants::Share;
use crate::plan::{AccountPolicy, AccountView, PlanTiming, Refusal};
use crate::provider::model::{RemoteEndpoint, RemoteId};
use crate::signing::SecretText;

/// Now, in every test.
pub const NOW: i64 = 1_000_000;
pub const URL: &str = "https://hooks.example.com/nexhealth";

pub fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn id(id: &str) -> RemoteId {
    RemoteId::new(id)
}

pub fn key() -> SecretText {
    SecretText::new("NArWk7gdI96Bdn")
}

pub fn refusal(status: u16) -> Refusal {
    Refusal { status, at: at(NOW) }
}

pub fn ready() -> AccountView {
    AccountView::Ready { allow_insecure: false }
}

pub fn object<T: serde::de::DeserializeOwned>(kind: &str, name: &str, spec: &Value) -> T {
    let metadata =
        json!({"name": name, "namespace": "n", "uid": name, "generation": 1, "finalizers": [REMOTE_FINALIZER]});
    let object =
        json!({"apiVersion": "external-webhooks.io/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    serde_json::from_value(object).unwrap()
}

pub fn remote(id: &str) -> RemoteEndpoint {
    RemoteEndpoint {
        id: RemoteId::new(id),
        target_url: URL.into(),
        active: true,
        created_at: Some(at(NOW)),
        updated_at: None,
        key: Some(key()),
    }
}

pub fn candidate(id: &str, rows: Option<usize>) -> Candidate {
    Candidate { endpoint: remote(id), rows, taken: false, held_elsewhere: false }
}

/// One that a person made: its key is not ours.
pub fn stranger(id: &str, rows: Option<usize>) -> Candidate {
    let mut stranger = candidate(id, rows);
    stranger.endpoint.key = Some(SecretText::new(format!("key-of-{id}")));
    stranger
}

pub fn published() -> SecretView {
    SecretView::Ours { current: Some(key()), previous: None, dressed: true, owned: true, rotated_at: None }
}

/// An endpoint object and everything around it; fields are changed at will.
pub struct Endpoint {
    pub object: WebhookEndpoint,
    pub account: AccountView,
    pub policy: AccountPolicy,
    pub share: Share,
    pub applied: Vec<AppliedScope>,
    pub remote: RemoteSide,
    pub secret: SecretView,
    pub rival: Option<String>,
    pub leaving: usize,
    pub unsettled: usize,
    pub losses: Vec<Loss>,
    pub memory: EndpointMemory,
    pub started: i64,
    pub now: i64,
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = match &self.secret {
            SecretView::Missing => "missing",
            SecretView::Foreign => "foreign",
            SecretView::Ours { .. } => "ours",
        };
        let (object, remote, memory) = (&self.object, &self.remote, &self.memory);
        write!(f, "{object:#?}\n{:?}\n{remote:#?}\n{memory:#?}\nsecret {key}, now {}", self.account, self.now)
    }
}

impl Endpoint {
    /// One that has never been looked at.
    pub fn new() -> Self {
        let remote =
            RemoteSide { listed: true, listed_at: Some(at(NOW)), removing_gone: true, ..RemoteSide::default() };
        Self {
            object: object("WebhookEndpoint", "intake", &json!({"targetUrl": URL})),
            account: ready(),
            policy: AccountPolicy::default(),
            share: Share::Whole,
            applied: Vec::new(),
            remote,
            secret: SecretView::Missing,
            rival: None,
            leaving: 0,
            unsettled: 0,
            losses: Vec::new(),
            memory: EndpointMemory::default(),
            started: NOW - 10_000,
            now: NOW,
        }
    }

    /// One whose intent to make an endpoint is acknowledged; a list started after it, and this process wrote it.
    pub fn intending() -> Self {
        let mut endpoint = Self::new();
        endpoint.status(json!({"pendingCreate": {"since": "1970-01-12T13:46:40Z", "seenRemoteIds": []}}));
        endpoint.remote.listed_since_intent = true;
        endpoint.memory.intent_is_mine = true;
        endpoint
    }

    /// One that holds remote endpoint 7 and is as declared.
    pub fn held() -> Self {
        let mut held = Self::new();
        held.object.status = Some(serde_json::from_value(json!({"remoteId": "7"})).unwrap());
        held.remote.held = Some(remote("7"));
        held.secret = published();
        let plan = held.plan();
        assert_eq!(plan.step, EndpointStep::Rest);
        held.object.status = Some(plan.status);
        held
    }

    /// The step of a plan whose status keeps the rules.
    pub fn plan(&self) -> EndpointPlan {
        let timing = PlanTiming::default();
        let plan = endpoint::plan(&EndpointInput {
            object: &self.object,
            account: self.account.clone(),
            remote: self.remote.clone(),
            secret: self.secret.clone(),
            rival: self.rival.clone(),
            policy: self.policy,
            share: self.share.clone(),
            applied: &self.applied,
            leaving_subscriptions: self.leaving,
            unsettled_subscriptions: self.unsettled,
            losses: &self.losses,
            last_alive: at(NOW - 1000),
            memory: self.memory.clone(),
            process_started: at(self.started),
            predecessor: Duration::from_secs(15),
            now: at(self.now),
            timing: &timing,
        });
        let writes = plan.step == EndpointStep::Acknowledge || plan.step == EndpointStep::Rest;
        let says_something = plan.status != self.object.status.clone().unwrap_or_default();
        if writes && says_something {
            let generation = self.object.metadata.generation.unwrap();
            rules::check(&plan.status.conditions, plan.status.observed_generation, generation);
        }
        plan
    }

    pub fn step(&self) -> EndpointStep {
        self.plan().step
    }

    /// What `Ready` says after a plan that rests.
    pub fn says(&self) -> String {
        let plan = self.plan();
        assert_eq!(plan.step, EndpointStep::Rest);
        said(&plan.status.conditions, "Ready")
    }

    /// Looks again after the status was written: what it removes is nobody's to take, and is there while it is listed.
    pub fn look_again(&mut self) {
        let removing = self.object.status.iter().flat_map(|status| &status.removing).map(|own| id(own));
        let removing: Vec<RemoteId> = removing.collect();
        for candidate in &mut self.remote.same_url {
            candidate.taken |= removing.contains(&candidate.endpoint.id);
        }
        let listed = |own: &RemoteId| self.remote.same_url.iter().any(|candidate| candidate.endpoint.id == *own);
        self.remote.removing = removing.into_iter().filter(listed).collect();
        self.remote.removing_gone &= self.remote.removing.is_empty();
    }

    pub fn status(&mut self, change: Value) {
        self.object.status = Some(changed(self.object.status.clone().unwrap_or_default(), change));
    }

    pub fn spec(&mut self, change: Value) {
        self.object.spec = changed(self.object.spec.clone(), change);
        self.object.metadata.generation = self.object.metadata.generation.map(|generation| generation + 1);
    }

    pub fn delete(&mut self) {
        self.object.metadata.deletion_timestamp = Some(Time(at(NOW)));
    }
}

/// `Status/Reason` of a condition.
pub fn said(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition], kind: &str) -> String {
    let found = conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or_else(|| "absent".to_owned(), |condition| format!("{}/{}", condition.status, condition.reason))
}

pub fn changed<T: serde::Serialize + serde::de::DeserializeOwned>(value: T, change: Value) -> T {
    let mut value = serde_json::to_value(value).unwrap();
    for (name, change) in change.as_object().unwrap() {
        value[name] = change.clone();
    }
    serde_json::from_value(value).unwrap()
}
