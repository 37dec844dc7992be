//! Events that go on happening, each with a number of its own, and the account of where they ended.

use super::{
    catalogue,
    delivery::{self, DeliveryOutcome},
    receiver::{Received, Receiver},
    simulator::{Core, Simulator, held},
};
use serde_json::json;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

/// One event that happened.
#[derive(Clone, Debug)]
pub struct Happened {
    /// Counted from 1.
    pub number: u64,
    /// Where.
    pub practice: String,
    /// What.
    pub event: String,
    /// For how many rows the provider queued a message.
    pub rows: usize,
}

/// Things that happen again and again at practices. Ends when dropped.
pub struct Steady {
    core: Arc<Core>,
    happened: Arc<Mutex<Vec<Happened>>>,
    /// Where its own part of the log of deliveries begins.
    log_from: usize,
    stop: CancellationToken,
    _task: AbortOnDropHandle<()>,
}

/// Where the events ended.
#[derive(Clone, Debug, Default)]
pub struct Account {
    /// How many happened.
    pub happened: usize,
    /// How many deliveries receivers accepted.
    pub accepted: usize,
    /// How often a receiver accepted an event that it had accepted before.
    pub twice: usize,
    /// How often a receiver said that no key of its made the signature.
    pub unverified: usize,
    /// How often it said that it was busy.
    pub busy: usize,
    /// Events for which there was no row to tell anybody.
    pub lost: Vec<Happened>,
    /// Events that somebody was to be told of, and that nobody accepted.
    pub refused_for_good: Vec<Happened>,
    /// Messages that the provider gave up, by its reason.
    pub given_up: BTreeMap<&'static str, usize>,
}

impl Steady {
    /// Lets one thing happen every `pace`, once nothing else is on its way, going round these pairs of practice and event.
    pub fn start(simulator: &Simulator, pairs: Vec<(String, String)>, pace: Duration) -> Self {
        let (core, happened, stop) = (simulator.core().clone(), Arc::default(), CancellationToken::new());
        let log_from = held(&core.own.deliveries).len();
        let task = run(core.clone(), pairs, pace, Arc::clone(&happened));
        let task = stop.clone().run_until_cancelled_owned(task);
        let task = AbortOnDropHandle::new(tokio::spawn(async move {
            let _ = task.await;
        }));
        Self { core, happened, log_from, stop, _task: task }
    }

    /// How many have happened so far.
    pub fn count(&self) -> usize {
        held(&self.happened).len()
    }

    /// Messages on their way: queued, not yet accepted, not yet given up.
    fn under_way(&self) -> usize {
        // Counted before what has ended, so that nothing ends unseen between the two.
        let ended = |outcome: &DeliveryOutcome| {
            matches!(outcome, DeliveryOutcome::Answered(200..=299) | DeliveryOutcome::GivenUp(_))
        };
        let queued: usize = held(&self.happened).iter().map(|one| one.rows).sum();
        let ended = held(&self.core.own.deliveries)[self.log_from..].iter().filter(|one| ended(&one.outcome)).count();
        queued.saturating_sub(ended)
    }

    /// Lets nothing more happen.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops, and waits until every message has been accepted or given up.
    ///
    /// # Errors
    /// If messages are still on their way after `patience`.
    pub async fn account(&self, receiver: &Receiver, patience: Duration) -> Result<Account, String> {
        self.stop();
        let ended = async {
            // The last event may be in the making.
            tokio::time::sleep(Duration::from_millis(20)).await;
            while self.under_way() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        if tokio::time::timeout(patience, ended).await.is_err() {
            return Err(format!("{} messages are still on their way", self.under_way()));
        }
        Ok(self.tally(&receiver.received()))
    }

    /// What has become of the events so far; what is on its way counts as refused for good.
    pub fn tally(&self, received: &[Received]) -> Account {
        let happened = held(&self.happened).clone();
        let mut account = Account { happened: happened.len(), ..Account::default() };
        let mut accepted: HashMap<u64, usize> = HashMap::new();
        for one in received {
            match one.status {
                200..=299 => {
                    account.accepted += 1;
                    *accepted.entry(number(one)).or_default() += 1;
                }
                401 => account.unverified += 1,
                _ => account.busy += 1,
            }
        }
        account.twice = accepted.values().map(|times| times - 1).sum();
        for one in happened.into_iter().filter(|one| !accepted.contains_key(&one.number)) {
            let list = if one.rows == 0 { &mut account.lost } else { &mut account.refused_for_good };
            list.push(one);
        }
        for delivery in &held(&self.core.own.deliveries)[self.log_from..] {
            if let DeliveryOutcome::GivenUp(reason) = delivery.outcome {
                *account.given_up.entry(reason).or_default() += 1;
            }
        }
        account
    }
}

async fn run(core: Arc<Core>, pairs: Vec<(String, String)>, pace: Duration, happened: Arc<Mutex<Vec<Happened>>>) {
    let mut pace = tokio::time::interval(pace);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for (number, (practice, event)) in (1..).zip(pairs.iter().cycle()) {
        pace.tick().await;
        let kind = catalogue::pairs().find(|pair| pair.event == event).map_or("", |pair| pair.resource_type);
        // Held until both are written: whoever counts finds each message with its event.
        let mut happened = held(&happened);
        let rows = delivery::emit(&core, Some(practice), (kind, event, ""), json!({"number": number}));
        happened.push(Happened { number, practice: practice.clone(), event: event.clone(), rows });
    }
}

/// The number of the event that a delivery tells of.
fn number(received: &Received) -> u64 {
    received.json()["data"]["number"].as_u64().unwrap_or_default()
}

/// A receiver that verifies with the keys that it has at the moment, and is busy now and then: of every `every`th event the
/// first `times` deliveries are refused although they verify. `every` 0: never.
pub fn verifying(
    keys: impl Fn() -> Vec<String> + Send + Sync + 'static,
    every: u64,
    times: usize,
) -> impl Fn(&Received) -> u16 + Send + Sync + 'static {
    let refused: Mutex<HashMap<u64, usize>> = Mutex::default();
    move |received| {
        if !received.verifies(&keys()) {
            return 401;
        }
        let number = number(received);
        if every == 0 || !number.is_multiple_of(every) {
            return 200;
        }
        let mut refused = held(&refused);
        let count = refused.entry(number).or_default();
        *count += 1;
        if *count <= times { 503 } else { 200 }
    }
}
