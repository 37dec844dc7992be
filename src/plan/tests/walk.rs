//! A walk through plans of one endpoint: each step is carried out on a small world, at once and without faults.

use std::sync::Arc;

use super::fixtures::*;
use crate::api::rotation::RotationPhase;
use crate::plan::create::Candidate;
use crate::plan::endpoint::{
    EndpointMemory, EndpointPlan, EndpointStep, Leaving, LeavingRow, OtherRemote, RemoteSide, SecretView, Stuck,
};
use crate::plan::rotation::{Pair, Source};
use crate::plan::row_calls::RowCall;
use crate::plan::{Note, Refusal};
use crate::provider::model::{Absence, Moved, RemoteEndpoint, RemoteId, RemoteRow};
use crate::signing::SecretText;

/// The provider, the Secret and one operator, around an endpoint object.
pub struct Walk {
    pub endpoint: Endpoint,
    pub remotes: Vec<RemoteEndpoint>,
    pub rows: Vec<RemoteRow>,
    pub steps: Vec<EndpointStep>,
    pub notes: Vec<Note>,
    /// Every version of the status that was written.
    pub written: Vec<crate::api::WebhookEndpointStatus>,
    /// Rows that the provider refuses to move; and whether it refuses to make them too.
    pub unmovable: Vec<RemoteId>,
    pub unmakeable: bool,
    /// Whether the key no longer reaches the practice of the rows.
    pub nameless: bool,
    /// The status with which a POST of an endpoint is refused.
    pub post_refused: Option<u16>,
    /// Instead of what the world shows: how far the move is proven.
    pub moved: Option<Moved>,
    /// Whether lists hide keys; the 201 shows them all the same.
    pub hides_keys: bool,
    /// Whether the operator forgets everything after each step that changes something, as if it had been killed.
    pub forgetful: bool,
    /// Ids whose absence two lists with a witness have shown.
    pub proven: Vec<RemoteId>,
    /// Whether so far one list only has shown their absence.
    pub few_lists: bool,
    /// How many remotes there may be.
    pub most: usize,
    listed_to: bool,
    next: usize,
}

pub fn key_of(id: &str) -> SecretText {
    SecretText::new(format!("signing-key-of-{id}"))
}

impl Walk {
    /// An endpoint that holds 7, with two rows on it, of which nobody declares the second.
    pub fn new(rotation: serde_json::Value) -> Self {
        let mut endpoint = Endpoint::new();
        endpoint.object = object(
            "WebhookEndpoint",
            "intake",
            &serde_json::json!({"targetUrl": URL, "signingSecret": {"rotation": rotation}}),
        );
        endpoint.object.status = Some(serde_json::from_value(serde_json::json!({"remoteId": "7"})).unwrap());
        endpoint.secret = SecretView::Ours {
            current: Some(key_of("7")),
            previous: None,
            dressed: true,
            owned: true,
            rotated_at: Some(at(NOW - 5000)),
        };
        let mut seven = remote("7");
        seven.key = Some(key_of("7"));
        let row = |id: &str, event: &str| RemoteRow {
            id: RemoteId::new(id),
            endpoint: RemoteId::new("7"),
            practice: Some("#a".into()),
            resource_type: "Patient".into(),
            event: event.into(),
            active: true,
            created_at: None,
        };
        let mut walk = Self {
            endpoint,
            remotes: vec![seven],
            rows: vec![row("1", "patient_created"), row("2", "patient_updated")],
            steps: Vec::new(),
            notes: Vec::new(),
            written: Vec::new(),
            unmovable: Vec::new(),
            unmakeable: false,
            nameless: false,
            post_refused: None,
            moved: None,
            hides_keys: false,
            forgetful: false,
            proven: Vec::new(),
            few_lists: false,
            most: 2,
            listed_to: false,
            next: 8,
        };
        walk.run();
        walk.steps.clear();
        walk
    }

    /// Changes the rotation's spec, as an edit does.
    pub fn edit(&mut self, rotation: &serde_json::Value) {
        self.endpoint.spec(serde_json::json!({"signingSecret": {"rotation": rotation}}));
        self.endpoint.memory.second_refused = None;
    }

    pub fn phase(&self) -> Option<RotationPhase> {
        self.endpoint.object.status.as_ref()?.rotation.as_ref()?.phase
    }

    pub fn held(&self) -> Option<String> {
        self.endpoint.object.status.as_ref()?.remote_id.clone()
    }

    /// What the Secret holds: the ids whose keys they are.
    pub fn keys(&self) -> (Option<String>, Option<String>) {
        let name = |key: &Option<SecretText>| {
            let key = key.as_ref()?;
            key.expose().strip_prefix("signing-key-of-").map(str::to_owned)
        };
        match &self.endpoint.secret {
            SecretView::Ours { current, previous, .. } => (name(current), name(previous)),
            _ => (None, None),
        }
    }

    pub fn said(&self, kind: &str) -> String {
        said(&self.endpoint.object.status.as_ref().unwrap().conditions, kind)
    }

    /// Steps until a plan rests; answers when it wants to look again.
    pub fn run(&mut self) -> Option<std::time::Duration> {
        for _ in 0..60 {
            let plan = self.step();
            if plan.step == EndpointStep::Rest {
                return plan.again;
            }
        }
        panic!("no rest: {:?}", self.steps.iter().rev().take(6).collect::<Vec<_>>());
    }

    /// Runs on, and lets the time pass that a plan waits, until a phase is reached.
    pub fn until(&mut self, phase: Option<RotationPhase>) {
        for _ in 0..40 {
            if self.phase() == phase {
                return;
            }
            let plan = self.step();
            if plan.step == EndpointStep::Rest && self.phase() != phase {
                let wait = plan.again.expect("waits for something");
                self.endpoint.now += i64::try_from(wait.as_secs()).unwrap().max(1);
            }
        }
        panic!("{phase:?} is not reached: {:?}", self.steps.iter().rev().take(6).collect::<Vec<_>>());
    }

    /// One plan, carried out.
    pub fn step(&mut self) -> EndpointPlan {
        self.look();
        let plan = self.endpoint.plan();
        self.check(&plan);
        self.steps.push(plan.step.clone());
        self.act(&plan);
        let listed = matches!(
            plan.step,
            EndpointStep::ListWorld | EndpointStep::ListEndpoints | EndpointStep::ListRows(_) | EndpointStep::Rest
        );
        // A POST needs an intent of the same process.
        let intends = plan.step == EndpointStep::Acknowledge && plan.status.pending_create.is_some();
        let listed = listed || intends;
        if self.forgetful && !listed {
            self.endpoint.memory = EndpointMemory::default();
            self.endpoint.remote.leaving = None;
            self.listed_to = false;
        }
        plan
    }

    /// What holds at every step: two remotes at most, never one id twice, each row's endpoint verifies.
    fn check(&self, plan: &EndpointPlan) {
        assert!(self.remotes.len() <= self.most, "{:?}", self.remotes);
        if let Some(rotation) = &plan.status.rotation
            && rotation.to_remote_id.is_some()
        {
            assert_ne!(rotation.from_remote_id, rotation.to_remote_id);
        }
        let (current, previous) = self.keys();
        for row in self.rows.iter().filter(|_| !self.hides_keys) {
            let key = Some(row.endpoint.as_str().to_owned());
            assert!(current == key || previous == key, "row {} on {} cannot be verified", row.id, row.endpoint);
        }
    }

    /// What the plan sees of the world.
    pub fn look(&mut self) {
        let status = self.endpoint.object.status.clone().unwrap();
        let get = |id: &RemoteId| {
            let found = self.remotes.iter().find(|remote| remote.id == *id)?;
            let seen = self.endpoint.memory.made.as_ref() == Some(id) || !self.hides_keys;
            Some(RemoteEndpoint { key: found.key.clone().filter(|_| seen), ..found.clone() })
        };
        let absence = |id: &RemoteId| {
            let first = if self.few_lists { at(self.endpoint.now) } else { at(NOW - 20) };
            let lists = if self.few_lists { 1 } else { 2 };
            let last = if self.few_lists { first } else { at(NOW) };
            let witnessed = Absence { first, last, lists, witnessed: true, seen: None };
            self.proven.contains(id).then_some(witnessed)
        };
        let held = status.remote_id.as_deref().map(RemoteId::new);
        let pair = Pair::of(&status);
        let other = pair.as_ref().and_then(Pair::other);
        let mut ids: Vec<&str> = status.removing.iter().map(String::as_str).collect();
        ids.extend(held.iter().chain(other).map(RemoteId::as_str));
        let free = self.remotes.iter().filter(|remote| !ids.contains(&remote.id.as_str()));
        let rows = |id: &RemoteId| self.rows.iter().filter(|row| row.endpoint == *id).count();
        let same_url = free
            .map(|remote| Candidate {
                endpoint: get(&remote.id).unwrap(),
                rows: Some(rows(&remote.id)),
                taken: false,
                held_elsewhere: false,
            })
            .collect();
        let removing: Vec<RemoteId> = status.removing.iter().map(RemoteId::new).collect();
        let leaving = pair.as_ref().filter(|pair| pair.moves()).map(|pair| self.leaving(pair));
        let left = pair.as_ref().is_some_and(|pair| rows(&pair.from) > 0);
        self.endpoint.remote = RemoteSide {
            listed: true,
            listed_since_intent: true,
            listed_at: Some(at(self.endpoint.now)),
            absence: held.as_ref().and_then(absence),
            gone: held.as_ref().is_some_and(|id| get(id).is_none() && !self.proven.contains(id)),
            held: held.as_ref().and_then(get),
            same_url,
            removing_gone: removing.iter().all(|id| get(id).is_none()),
            removing: removing.into_iter().filter(|id| get(id).is_some()).collect(),
            other: other.map(|id| OtherRemote {
                id: id.clone(),
                endpoint: get(id),
                absence: absence(id),
                gone: get(id).is_none() && !self.proven.contains(id),
            }),
            leaving,
            moved: self.moved.unwrap_or(match (left, self.listed_to) {
                (true, _) => Moved::ListFrom,
                (false, false) => Moved::ListTo,
                (false, true) => Moved::Proven,
            }),
            ..RemoteSide::default()
        };
    }

    fn leaving(&self, pair: &Pair) -> Leaving {
        let mut leaving = Leaving::default();
        for row in self.rows.iter().filter(|row| row.endpoint == pair.from) {
            let to = pair.to.as_ref().unwrap();
            let there = self.rows.iter().any(|other| other.endpoint == *to && other.key() == row.key());
            let name: Option<Arc<str>> = Some("a".into());
            let practice = name.clone().filter(|_| !self.nameless);
            let making = crate::provider::model::RowCreateState::Free;
            let row = LeavingRow { row: row.clone(), practice, any_practice: name, there, making };
            match self.endpoint.memory.stuck.get(&row.row.id) {
                Some(why) => leaving.stuck.push((row, *why)),
                None => leaving.movable.push(row),
            }
        }
        leaving
    }

    fn act(&mut self, plan: &EndpointPlan) {
        match &plan.step {
            EndpointStep::Acknowledge | EndpointStep::Rest => {
                let before = self.endpoint.object.status.replace(plan.status.clone());
                if plan.step == EndpointStep::Acknowledge {
                    assert_ne!(before.as_ref(), Some(&plan.status), "an acknowledgement that changes nothing");
                    let pending = plan.status.pending_create.is_some();
                    let new = before.and_then(|before| before.pending_create) != plan.status.pending_create;
                    if pending && new {
                        self.endpoint.memory = EndpointMemory { intent_is_mine: true, ..EndpointMemory::default() };
                    }
                }
                self.written.push(plan.status.clone());
                self.notes.extend(plan.notes.iter().cloned());
            }
            EndpointStep::ListWorld | EndpointStep::ListEndpoints => {}
            EndpointStep::ReleaseSecret => {
                if let SecretView::Ours { owned, .. } = &mut self.endpoint.secret {
                    *owned = false;
                }
            }
            EndpointStep::RemoveFinalizer => {
                self.notes.extend(plan.notes.iter().cloned());
                self.endpoint.object.metadata.finalizers = None;
            }
            EndpointStep::ListRows(id) => {
                self.endpoint.memory.looked_before_retiring = true;
                let pair = Pair::of(self.endpoint.object.status.as_ref().unwrap());
                self.listed_to = pair.is_some_and(|pair| pair.to.as_ref() == Some(id));
            }
            EndpointStep::Create(new) => self.create(&new.target_url, new.active),
            EndpointStep::Patch(id, patch) => {
                let remote = self.remotes.iter_mut().find(|remote| remote.id == *id).unwrap();
                remote.active = patch.active.unwrap_or(remote.active);
                remote.target_url = patch.target_url.clone().unwrap_or_else(|| remote.target_url.clone());
            }
            EndpointStep::Delete(id) => {
                let going = self.endpoint.object.metadata.deletion_timestamp.is_some();
                assert!(going || self.rows.iter().all(|row| row.endpoint != *id), "rows on {id} go with it");
                self.rows.retain(|row| row.endpoint != *id);
                self.remotes.retain(|remote| remote.id != *id);
            }
            EndpointStep::Rows(calls) => calls.iter().for_each(|call| self.call(call)),
            EndpointStep::PublishSecret(publish) => {
                let SecretView::Ours { current, previous, .. } = &self.endpoint.secret else {
                    return self.publish(self.find(&publish.current, None, None), None);
                };
                let new = self.find(&publish.current, current.as_ref(), previous.as_ref());
                let old = publish.previous.as_ref();
                let old = old.map(|source| self.find(source, current.as_ref(), previous.as_ref()).unwrap());
                self.publish(new, old);
            }
            other => panic!("{other:?}"),
        }
    }

    fn publish(&mut self, current: Option<SecretText>, previous: Option<SecretText>) {
        assert!(current.is_some());
        let rotated_at = Some(at(self.endpoint.now));
        self.endpoint.secret = SecretView::Ours { current, previous, dressed: true, owned: true, rotated_at };
    }

    fn find(&self, source: &Source, current: Option<&SecretText>, previous: Option<&SecretText>) -> Option<SecretText> {
        match source {
            Source::Remote(id) => self.remotes.iter().find(|remote| remote.id == *id)?.key.clone(),
            Source::Current => current.cloned(),
            Source::Previous => previous.cloned(),
            Source::New | Source::Home(_) => panic!("keys are the provider's here"),
        }
    }

    fn create(&mut self, url: &str, active: bool) {
        if let Some(status) = self.post_refused {
            self.endpoint.memory.second_refused = Some(Refusal { status, at: at(self.endpoint.now) });
            return;
        }
        let id = self.next.to_string();
        self.next += 1;
        let made = RemoteEndpoint {
            target_url: url.into(),
            active,
            created_at: Some(at(self.endpoint.now)),
            key: Some(key_of(&id)),
            ..remote(&id)
        };
        self.endpoint.memory.made = Some(made.id.clone());
        self.remotes.push(made);
    }

    fn call(&mut self, call: &RowCall) {
        let refusal = Refusal { status: 403, at: at(self.endpoint.now) };
        match call {
            RowCall::Move { row, to, .. } if !self.unmovable.contains(&row.id) => {
                self.rows.iter_mut().find(|own| own.id == row.id).unwrap().endpoint = to.clone();
            }
            RowCall::Move { row, .. } => _ = self.endpoint.memory.stuck.insert(row.id.clone(), Stuck::Move(refusal)),
            RowCall::Create { .. } if self.unmakeable => {
                let stuck = self.unmovable.first().cloned().unwrap();
                self.endpoint.memory.stuck.insert(stuck, Stuck::Make(refusal));
            }
            RowCall::Create { endpoint, key, active, .. } => self.rows.push(RemoteRow {
                id: RemoteId::new(format!("1{}", self.rows.len())),
                endpoint: endpoint.clone(),
                practice: key.practice.clone(),
                resource_type: key.resource_type.clone(),
                event: key.event.clone(),
                active: *active,
                created_at: None,
            }),
            RowCall::Delete { row } => self.rows.retain(|own| own.id != row.id),
            other => panic!("{other:?}"),
        }
        self.listed_to = false;
    }
}
