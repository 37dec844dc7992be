//! Rounds as probes of the breaker, one at a time, and their place at the gate when they are late.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;
use crate::provider::gate::{Gate, GateConfig, Lane};
use crate::provider::model::{Catalogue, KeyOrigin, Practice};
use crate::provider::realm::{Realm, RealmKey, RealmTiming};
use crate::provider::{EndpointCalls, PracticeCalls, Provider, RowCalls, Unavailable};

static NO_EVENTS: Catalogue = Catalogue { provider: "Fake", name_alone: false, events: Vec::new() };

/// A provider of practices only, so that a round is one call, which waits until it is let go.
#[derive(Default)]
struct Slow {
    errands: Mutex<Vec<Errand>>,
    go: Notify,
    answer: Mutex<Option<CallError>>,
}

impl Slow {
    fn lanes(&self) -> Vec<Lane> {
        self.errands.lock().unwrap().iter().map(Errand::lane).collect()
    }
}

#[async_trait]
impl Provider for Slow {
    fn name(&self) -> &'static str {
        "slow"
    }
    fn catalogue(&self) -> &'static Catalogue {
        &NO_EVENTS
    }
    fn recipe(&self) -> crate::signing::Recipe {
        crate::signing::NEXHEALTH
    }
    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::Provider
    }
    fn endpoints(&self) -> Option<&dyn EndpointCalls> {
        None
    }
    fn rows(&self) -> Option<&dyn RowCalls> {
        None
    }
    fn practices(&self) -> Option<&dyn PracticeCalls> {
        Some(self)
    }
    fn syncs(&self) -> Option<&dyn crate::provider::SyncCalls> {
        None
    }
    async fn authenticate(&self) -> Result<(), CallError> {
        Ok(())
    }
}

#[async_trait]
impl PracticeCalls for Slow {
    async fn list(&self) -> Result<Vec<Practice>, CallError> {
        self.errands.lock().unwrap().push(Errand::current());
        self.go.notified().await;
        let error = self.answer.lock().unwrap().clone();
        error.map_or_else(|| Ok(Vec::new()), Err)
    }
}

fn handle() -> (Arc<RealmHandle>, Arc<Slow>) {
    let slow = Arc::new(Slow::default());
    let key = RealmKey::new("slow", "https://api.example.org", [7; 32]);
    let realm = Realm::new(key, slow.clone(), RealmTiming::default());
    (Arc::new(RealmHandle::new(realm, Arc::new(Gate::new(GateConfig::default())))), slow)
}

fn begin(handle: &Arc<RealmHandle>, late: Instant) -> tokio::task::JoinHandle<bool> {
    let handle = handle.clone();
    tokio::spawn(async move { round_due(&handle, late).await })
}

async fn seconds(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_round_goes_first_once_it_is_late() {
    let (handle, slow) = handle();
    let round = begin(&handle, Instant::now() + Duration::from_secs(150));
    seconds(149).await;
    assert_eq!(slow.lanes(), [Lane::Reads]);
    seconds(2).await;
    assert_eq!(slow.lanes(), [Lane::Front]);
    assert!(slow.errands.lock().unwrap()[0].is_probe());
    slow.go.notify_one();
    round.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn rounds_never_overlap_and_those_who_wait_share_the_next() {
    let (handle, slow) = handle();
    let first = begin(&handle, Instant::now());
    seconds(1).await;
    let (second, third) = (begin(&handle, Instant::now()), begin(&handle, Instant::now()));
    seconds(1).await;
    assert_eq!(slow.lanes().len(), 1);
    slow.go.notify_one();
    first.await.unwrap();
    seconds(1).await;
    slow.go.notify_one();
    second.await.unwrap();
    third.await.unwrap();
    assert_eq!(slow.lanes().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_outage_opens_the_breaker_and_nothing_else_does() {
    let (handle, slow) = handle();
    let unavailable = || CallError::Unavailable { cause: Unavailable::Server(503), ambiguity: None };
    let limited = || CallError::RateLimited { retry_after: None };
    for (answer, open, trouble) in [
        (Some(limited()), false, false),
        (Some(CallError::CredentialsRejected), false, true),
        (None, false, false),
        (Some(unavailable()), true, true),
        (Some(limited()), true, true),
        (Some(unavailable()), true, true),
        (Some(CallError::CredentialsRejected), false, true),
        (Some(unavailable()), true, true),
        (None, false, false),
        (Some(CallError::Rejected { status: 403 }), false, true),
    ] {
        *slow.answer.lock().unwrap() = answer.clone();
        slow.go.notify_one();
        seconds(1).await;
        round(&handle).await;
        let sent_away = handle.gate.enter().await.is_err();
        assert_eq!((sent_away, handle.trouble().is_some()), (open, trouble), "{answer:?}");
    }
}

#[test]
fn what_objects_meet_is_checked_where_it_contradicts_the_last_round() {
    let failing = Health::Unavailable { since: Timestamp::UNIX_EPOCH, cause: Unavailable::Timeout };
    let outage = Trouble::Unavailable { since: Timestamp::UNIX_EPOCH, cause: String::new() };
    assert!(in_doubt(failing, None) && !in_doubt(failing, Some(&outage)));
    assert!(in_doubt(Health::Healthy, Some(&outage)) && !in_doubt(Health::Healthy, None));
    assert!(!in_doubt(Health::Unknown, None) && !in_doubt(Health::Unknown, Some(&outage)));
    assert!(!in_doubt(Health::Healthy, Some(&Trouble::Refused { status: 403 })));
}

#[test]
fn rounds_in_vain_grow_rarer() {
    let mut pause = Growing::new((Duration::from_secs(1), Duration::from_secs(5)));
    let pauses: Vec<u64> = (0..5).map(|_| pause.grow().as_secs()).collect();
    assert_eq!(pauses, [1, 2, 4, 5, 5]);
    pause.reset();
    assert_eq!(pause.grow().as_secs(), 1);
}
