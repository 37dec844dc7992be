//! An object whose key we make, whatever happens in whatever order: receivers can verify what is delivered, no event is ever
//! without a webhook, none has more than two, and in the end everything stands under one key at one URL.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::fixtures::{Endpoint, at};
use super::realm::Rows;
use crate::api::REMOTE_FINALIZER;
use crate::plan::PlanTiming;
use crate::plan::endpoint::{EndpointInput, EndpointMemory, EndpointPlan, EndpointStep, RemoteSide, SecretView};
use crate::plan::own_key::{self, OwnKeyInput};
use crate::plan::rotation::{Publish, Source};
use crate::plan::row_calls::RowCall;
use crate::provider::model::home::fingerprint_of;
use crate::provider::model::{RemoteId, RemoteRow};
use crate::signing::SecretText;

const EVENTS: [&str; 3] = ["appointment.confirmed", "prescription.issued", "patient.added-to-sequence"];

/// What people, networks and time do.
#[derive(Clone, Copy, Debug)]
pub(super) enum Harm {
    /// So many steps of the operator.
    Steps(usize),
    /// Another target URL.
    Url(u8),
    /// A new request.
    Request(u8),
    /// Switched off or on by the spec.
    Active(bool),
    /// Suspended or not.
    Suspend(bool),
    /// The Secret is deleted.
    LoseSecret,
    /// Somebody writes another key into it.
    Tamper,
    /// The process ends: what it remembered is forgotten.
    Crash,
    /// The process ends between the two calls of the next move.
    CrashInMove,
    /// A webhook is deleted by hand.
    Forget(usize),
    /// Time passes, in seconds.
    Wait(i64),
}

/// The object, its Secret and the provider.
pub(super) struct World {
    pub(super) endpoint: Endpoint,
    pub(super) rows: Rows,
    pub(super) registers: bool,
    /// Lists show keys.
    shows_keys: bool,
    /// Every key there ever was, by fingerprint.
    keys: HashMap<String, SecretText>,
    remembered: BTreeSet<RemoteId>,
    made: usize,
    dies_in_move: bool,
    /// A key was lost, by which receivers cannot verify until it is replaced.
    pub(super) lost: bool,
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<String> =
            self.rows.rows.iter().map(|row| format!("{} {} {}", row.id, row.event, row.endpoint)).collect();
        write!(
            f,
            "{:#?}\nspec {:?}\nrows {rows:#?}\nsecret {:?}",
            self.endpoint.object.status,
            self.endpoint.object.spec,
            self.fingerprints()
        )
    }
}

impl World {
    pub(super) fn new(registers: bool, shows_keys: bool) -> Self {
        let mut endpoint = Endpoint::new();
        endpoint.remote = RemoteSide::default();
        endpoint.object.metadata.finalizers = None;
        let rows = Rows { practices: Some(Vec::new()), listed_at: Some(at(endpoint.now)), ..Rows::default() };
        let (keys, remembered) = (HashMap::new(), BTreeSet::new());
        Self { endpoint, rows, registers, shows_keys, keys, remembered, made: 0, dies_in_move: false, lost: false }
    }

    pub(super) fn fingerprints(&self) -> [Option<String>; 2] {
        match &self.endpoint.secret {
            SecretView::Ours { current, previous, .. } => {
                [current, previous].map(|key| key.as_ref().map(SecretText::fingerprint))
            }
            SecretView::Missing | SecretView::Foreign => [None, None],
        }
    }

    pub(super) fn status(&self) -> crate::api::WebhookEndpointStatus {
        self.endpoint.object.status.clone().unwrap_or_default()
    }

    fn known(&self) -> Vec<RemoteId> {
        let listed = self.rows.rows.iter().filter(|_| self.shows_keys).map(|row| row.endpoint.clone());
        self.remembered.iter().cloned().chain(listed).collect()
    }

    pub(super) fn plan(&self) -> EndpointPlan {
        let (world, timing) = (&self.endpoint, PlanTiming::default());
        let plan = own_key::plan(&OwnKeyInput {
            endpoint: EndpointInput {
                object: &world.object,
                account: world.account.clone(),
                remote: world.remote.clone(),
                secret: world.secret.clone(),
                rival: world.rival.clone(),
                policy: world.policy,
                share: world.share.clone(),
                applied: &world.applied,
                leaving_subscriptions: world.leaving,
                unsettled_subscriptions: world.unsettled,
                losses: &world.losses,
                last_alive: at(world.now - 100),
                memory: world.memory.clone(),
                process_started: at(world.started),
                predecessor: Duration::from_secs(15),
                now: at(world.now),
                timing: &timing,
            },
            provider: "Hero Health",
            registers: self.registers,
            rows: &self.rows,
            known: self.known(),
        });
        if matches!(plan.step, EndpointStep::Acknowledge | EndpointStep::Rest) {
            let generation = world.object.metadata.generation.unwrap();
            super::rules::check(&plan.status.conditions, plan.status.observed_generation, generation);
        }
        plan
    }

    fn key(&self, source: &Source) -> Option<SecretText> {
        let SecretView::Ours { current, previous, .. } = &self.endpoint.secret else {
            return match source {
                Source::Home(home) => self.keys.get(&fingerprint_of(home)?).cloned(),
                _ => None,
            };
        };
        match source {
            Source::Current => current.clone(),
            Source::Previous => previous.clone(),
            Source::Home(home) => self.keys.get(&fingerprint_of(home)?).cloned(),
            Source::New | Source::Remote(_) => None,
        }
    }

    fn publish(&mut self, publish: &Publish) {
        let current = match publish.current {
            Source::New => {
                self.made += 1;
                let key = SecretText::new(format!("key number {:060}", self.made));
                self.keys.insert(key.fingerprint(), key.clone());
                Some(key)
            }
            ref source => self.key(source),
        };
        assert!(current.is_some(), "{publish:?} of what is not at hand\n{self:?}");
        let previous = publish.previous.as_ref().map(|source| self.key(source).expect("at hand"));
        let rotated_at = Some(at(self.endpoint.now));
        self.endpoint.secret = SecretView::Ours { current, previous, dressed: true, owned: true, rotated_at };
    }

    fn make(&mut self, event: &str, home: &RemoteId) {
        self.rows.made += 1;
        self.rows.rows.push(RemoteRow {
            id: RemoteId::new(format!("wh_{}", self.rows.made)),
            endpoint: home.clone(),
            practice: None,
            resource_type: "".into(),
            event: event.into(),
            active: true,
            created_at: None,
        });
    }

    /// What subscription objects do: declared events that have no row, here or on a home that they move from.
    fn subscribe(&mut self) {
        let status = self.status();
        let Some(home) = status.home.as_ref().map(RemoteId::new).filter(|_| self.endpoint.object.spec.active) else {
            return;
        };
        let key = fingerprint_of(&home);
        if !self.fingerprints().contains(&key) {
            return;
        }
        let held =
            |row: &RemoteRow| row.endpoint == home || status.removing.iter().any(|id| id == row.endpoint.as_str());
        for event in EVENTS {
            let there = |row: &RemoteRow| *row.event == *event && held(row);
            if !self.rows.rows.iter().any(there) {
                self.make(event, &home);
            }
        }
    }

    /// One step of the operator; whether it rests.
    pub(super) fn step(&mut self) -> bool {
        let secret = self.fingerprints();
        let url = self.endpoint.object.spec.target_url.clone();
        self.remembered.extend(secret.into_iter().flatten().map(|key| crate::provider::model::home::home(&url, &key)));
        let plan = self.plan();
        match &plan.step {
            EndpointStep::AddFinalizer => {
                self.endpoint.object.metadata.finalizers = Some(vec![REMOTE_FINALIZER.to_owned()]);
            }
            EndpointStep::Acknowledge | EndpointStep::Rest => self.endpoint.object.status = Some(plan.status.clone()),
            EndpointStep::PublishSecret(publish) => self.publish(publish),
            EndpointStep::Rows(calls) => self.rows_called(calls),
            EndpointStep::ListRows(_) => {}
            other => panic!("{other:?}\n{self:?}"),
        }
        plan.step == EndpointStep::Rest
    }

    fn rows_called(&mut self, calls: &[RowCall]) {
        for call in calls {
            match call {
                RowCall::Move { row, to, .. } => {
                    let key = fingerprint_of(to).expect("a home of ours");
                    assert!(
                        self.fingerprints().contains(&Some(key)),
                        "made with a key that is not published\n{self:?}"
                    );
                    self.make(&row.event, to);
                    self.check();
                    if std::mem::take(&mut self.dies_in_move) {
                        return self.harm(Harm::Crash);
                    }
                    self.rows.rows.retain(|other| other.id != row.id);
                }
                RowCall::Delete { row } => self.rows.rows.retain(|other| other.id != row.id),
                other => panic!("{other:?}"),
            }
            self.check();
        }
    }

    pub(super) fn harm(&mut self, harm: Harm) {
        let spec = &mut self.endpoint.object.spec;
        match harm {
            Harm::Steps(count) => {
                for _ in 0..count {
                    self.step();
                    self.check();
                    self.subscribe();
                }
                return;
            }
            Harm::Url(number) => spec.target_url = format!("https://hooks.example.com/{number}"),
            Harm::Request(number) => spec.signing_secret.rotation.request_id = format!("request-{number}"),
            Harm::Active(active) => spec.active = active,
            Harm::Suspend(suspend) => spec.suspend = suspend,
            Harm::LoseSecret => {
                self.endpoint.secret = SecretView::Missing;
                self.lost = true;
            }
            Harm::Tamper => {
                if let SecretView::Ours { current, dressed, .. } = &mut self.endpoint.secret {
                    *current = Some(SecretText::new("tampered with by somebody"));
                    *dressed = false;
                    self.lost = true;
                }
            }
            Harm::Crash => {
                self.remembered.clear();
                self.endpoint.memory = EndpointMemory::default();
            }
            Harm::CrashInMove => self.dies_in_move = true,
            Harm::Forget(which) => {
                let count = self.rows.rows.len();
                if count > 0 {
                    self.rows.rows.remove(which % count);
                }
            }
            Harm::Wait(seconds) => self.endpoint.now += seconds,
        }
        let generation = self.endpoint.object.metadata.generation.get_or_insert(1);
        *generation += 1;
        self.rows.listed_at = Some(at(self.endpoint.now));
    }

    /// What holds at any moment.
    fn check(&self) {
        let published = self.fingerprints();
        let mut per_event: BTreeMap<&str, usize> = BTreeMap::new();
        for row in &self.rows.rows {
            *per_event.entry(&row.event).or_default() += 1;
            let verifies = published.contains(&fingerprint_of(&row.endpoint));
            assert!(self.lost || verifies, "{} is signed with a key that nobody can verify\n{self:?}", row.id);
        }
        assert!(per_event.values().all(|count| *count <= 2), "{per_event:?}\n{self:?}");
    }

    /// Nothing happens any more.
    pub(super) fn come_to_rest(&mut self) {
        self.harm(Harm::Suspend(false));
        self.dies_in_move = false;
        for _ in 0..400 {
            let rests = self.step();
            self.check();
            self.subscribe();
            let status = self.status();
            let runs = status.rotation.as_ref().is_some_and(|rotation| rotation.phase.is_some());
            if rests && !runs && status.removing.is_empty() {
                return;
            }
            if rests {
                self.harm(Harm::Wait(3600));
                if !runs {
                    self.lost = false;
                }
            }
        }
        panic!("never comes to rest\n{self:?}\n{:?}", self.plan());
    }
}

fn any_harm() -> impl Strategy<Value = Harm> {
    prop_oneof![
        6 => (1..6usize).prop_map(Harm::Steps),
        2 => (0..3u8).prop_map(Harm::Url),
        2 => (0..4u8).prop_map(Harm::Request),
        1 => any::<bool>().prop_map(Harm::Active),
        1 => any::<bool>().prop_map(Harm::Suspend),
        1 => Just(Harm::LoseSecret),
        1 => Just(Harm::Tamper),
        2 => Just(Harm::Crash),
        2 => Just(Harm::CrashInMove),
        1 => (0..9usize).prop_map(Harm::Forget),
        3 => (1..200_000i64).prop_map(Harm::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_it_ends_under_one_key_at_one_url(
        shows_keys in any::<bool>(),
        harms in proptest::collection::vec(any_harm(), 1..40),
    ) {
        let mut world = World::new(true, shows_keys);
        world.endpoint.object.spec.signing_secret.rotation = serde_json::from_value(json!({
            "publishDelay": "60s", "overlap": "49h",
        })).unwrap();
        world.harm(Harm::Steps(8));
        for harm in harms {
            world.harm(harm);
        }
        world.harm(Harm::Active(true));
        world.come_to_rest();
        world.harm(Harm::Steps(3));
        let status = world.status();
        let home = RemoteId::new(status.home.clone().unwrap());
        let events: Vec<&str> = world.rows.rows.iter().map(|row| &*row.event).collect();
        prop_assert_eq!(events.iter().copied().collect::<BTreeSet<_>>(), EVENTS.into_iter().collect());
        prop_assert_eq!(events.len(), EVENTS.len(), "{:?}", world);
        prop_assert!(world.rows.rows.iter().all(|row| row.endpoint == home), "{:?}", world);
        prop_assert_eq!(world.fingerprints(), [fingerprint_of(&home), None], "{:?}", world);
        prop_assert_eq!(status.signing_secret.map(|known| known.fingerprint), fingerprint_of(&home));
    }

    /// Without anybody's harm to Secret or webhooks no event is ever without one.
    #[test]
    fn no_event_is_ever_without_a_webhook(
        shows_keys in any::<bool>(),
        harms in proptest::collection::vec(any_harm(), 1..40),
    ) {
        let mut world = World::new(true, shows_keys);
        world.harm(Harm::Steps(8));
        for harm in harms {
            if matches!(harm, Harm::LoseSecret | Harm::Tamper | Harm::Forget(_) | Harm::Active(_)) {
                continue;
            }
            world.harm(harm);
            for event in EVENTS {
                prop_assert!(world.rows.rows.iter().any(|row| *row.event == *event), "{event}\n{:?}", world);
            }
        }
    }
}
