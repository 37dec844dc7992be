//! Looks at the remote side of one realm again and again: one round per interval, whatever the number of objects.
//!
//! A round is also the probe of the realm's breaker (rules.md *Outcomes*): one that the provider does not answer opens
//! it, one that it answers closes it ([`RealmHandle::set_trouble`]), and rounds never overlap. So an outage costs one
//! call at a time, however many objects need the provider. A failed call of an object opens nothing: it orders a round,
//! and rounds ordered in vain grow rarer, so that one broken route costs little as well.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::accounts::{RealmHandle, Trouble};
use super::context::Context;
use super::{polls, wakes};
use crate::provider::CallError;
use crate::provider::gate::Errand;
use crate::provider::realm::Health;

/// Starts the tasks of a realm. They end with the realm or with the process.
pub fn start(context: &Arc<Context>, handle: &Arc<RealmHandle>) {
    let (observing, realm) = (context.clone(), handle.clone());
    context.spawn(async move { observe(&observing, &realm).await });
    let (measuring, realm) = (context.clone(), handle.clone());
    context.spawn(async move { measure(&measuring, &realm).await });
    let (polling, realm) = (context.clone(), handle.clone());
    context.spawn(async move { polls::run(&polling, &realm).await });
    let (forwarding, realm) = (context.clone(), handle.clone());
    context.spawn(async move { forward(&forwarding, &realm).await });
}

/// One round now, for somebody who waits; answers whether the trouble of the realm has changed.
pub async fn round(handle: &RealmHandle) -> bool {
    round_due(handle, Instant::now()).await
}

/// One round in the lane of reads, that goes first once `late` has come (rules.md *Gate*).
async fn round_due(handle: &RealmHandle, late: Instant) -> bool {
    let asked = Instant::now();
    let mut last = handle.rounds.lock().await;
    if last.is_some_and(|began| began >= asked) {
        // The one that was waited for began after the question; it is the answer.
        return false;
    }
    *last = Some(Instant::now());
    let outcome = Errand::read_by(late, true, handle.realm.round()).await;
    let trouble = outcome.err().and_then(|error| match error {
        CallError::Unavailable { cause, .. } => {
            Some(Trouble::Unavailable { since: Timestamp::now(), cause: cause.to_string() })
        }
        CallError::CredentialsRejected => Some(Trouble::CredentialsRejected),
        CallError::OtherServer { like } => Some(Trouble::OtherServer { like }),
        CallError::Rejected { status } => Some(Trouble::Refused { status }),
        CallError::NotFound => Some(Trouble::Refused { status: 404 }),
        // The gate waits; the account stays as it was (rules.md *Outcomes*, 429). Reads meet no fence.
        CallError::RateLimited { .. } | CallError::Fenced => handle.trouble(),
    });
    let news = handle.set_trouble(trouble.clone());
    if news {
        let accounts = handle.members();
        match &trouble {
            Some(trouble) => warn!(?accounts, ?trouble, "the provider cannot be observed"),
            None => info!(?accounts, "the provider is observed again"),
        }
    }
    news
}

/// A pause that doubles.
struct Growing {
    limits: (Duration, Duration),
    next: Duration,
}

impl Growing {
    fn new(limits: (Duration, Duration)) -> Self {
        Self { limits, next: limits.0 }
    }

    fn grow(&mut self) -> Duration {
        let now = self.next;
        self.next = (now * 2).min(self.limits.1);
        now
    }

    fn reset(&mut self) {
        self.next = self.limits.0;
    }
}

async fn observe(context: &Arc<Context>, handle: &Arc<RealmHandle>) {
    let mut health = handle.realm.watch_health();
    let (mut probe, mut doubt) = (Growing::new(context.timing.probe), Growing::new(context.timing.probe));
    let mut due = Instant::now() + pause(context, handle, &mut probe);
    let mut doubted = Instant::now();
    loop {
        let doubtful = in_doubt(*health.borrow_and_update(), handle.trouble().as_ref());
        let next = if doubtful { due.min(doubted) } else { due };
        tokio::select! {
            () = handle.end.cancelled() => return,
            () = context.shutdown.cancelled() => return,
            () = handle.look.notified() => {}
            // A failed call of an object is confirmed by a round before the account says anything.
            changed = health.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = tokio::time::sleep_until(next) => {}
        }
        let late = if doubtful { Instant::now() } else { due + handle.interval() / 2 };
        if round_due(handle, late).await {
            wakes::accounts_of(context, handle);
        }
        if handle.trouble().is_none() {
            probe.reset();
        }
        if doubtful {
            doubted = Instant::now() + doubt.grow();
        } else {
            doubt.reset();
        }
        due = Instant::now() + pause(context, handle, &mut probe);
    }
}

/// Whether calls of objects met something else than the last round did.
fn in_doubt(health: Health, trouble: Option<&Trouble>) -> bool {
    match trouble {
        None => matches!(health, Health::Unavailable { .. } | Health::CredentialsRejected { .. }),
        Some(Trouble::Unavailable { .. } | Trouble::CredentialsRejected) => health == Health::Healthy,
        // The refused list is an answer, and so is any other: nothing is to be learnt from it.
        Some(Trouble::Refused { .. } | Trouble::OtherServer { .. }) => false,
    }
}

/// How long until the next round by itself.
fn pause(context: &Context, handle: &RealmHandle, probe: &mut Growing) -> Duration {
    match handle.trouble() {
        None => jittered(handle.interval()),
        Some(Trouble::CredentialsRejected | Trouble::Refused { .. } | Trouble::OtherServer { .. }) => {
            context.timing.credentials_retry
        }
        Some(Trouble::Unavailable { .. }) => jittered(probe.grow()),
    }
}

async fn forward(context: &Arc<Context>, handle: &Arc<RealmHandle>) {
    let mut changes = handle.realm.changes();
    loop {
        let change = tokio::select! {
            () = handle.end.cancelled() => return,
            () = context.shutdown.cancelled() => return,
            change = changes.recv() => change,
        };
        match change {
            Ok(change) => wakes::changes(context, handle, &change),
            Err(RecvError::Closed) => return,
            Err(RecvError::Lagged(missed)) => {
                debug!(missed, "changes were missed; waking everything of the realm");
                for account in handle.members() {
                    wakes::dependants(context, &account);
                }
                wakes::accounts_of(context, handle);
            }
        }
    }
}

/// Keeps the realm's budget in the metrics, under the name of the first of its accounts.
async fn measure(context: &Context, handle: &RealmHandle) {
    let provider = handle.realm.provider().name();
    let mut counted = Duration::ZERO;
    let mut shown: Option<String> = None;
    loop {
        let over = tokio::select! {
            () = handle.end.cancelled() => true,
            () = context.shutdown.cancelled() => true,
            () = tokio::time::sleep(context.timing.measure) => false,
        };
        let name = handle.members().into_iter().min().map(|(namespace, name)| match namespace.is_empty() {
            true => name,
            false => format!("{namespace}/{name}"),
        });
        if let Some(old) = shown.take().filter(|old| over || Some(old) != name.as_ref()) {
            context.metrics.set_budget_ratio(provider, &old, None);
        }
        if over {
            return;
        }
        if let Some(name) = &name {
            context.metrics.set_budget_ratio(provider, name, Some(1.0 - handle.gate.budget_ratio()));
        }
        shown = name;
        if handle.gate.holds_calls() {
            context.health.held_up();
        }
        let total = handle.gate.throttled_total();
        context.metrics.throttled(provider, total.saturating_sub(counted));
        counted = total;
    }
}

/// Up to a tenth earlier, so that the realms of many accounts do not look at the same moment.
pub(super) fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::rng().random_range(0.9..=1.0))
}

#[cfg(test)]
#[path = "observer_tests.rs"]
mod tests;
