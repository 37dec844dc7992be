//! Looks at the remote side of one realm again and again: one round per interval, whatever the number of objects.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rand::RngExt;
use tokio::sync::broadcast::error::RecvError;
use tracing::{debug, info, warn};

use super::accounts::{RealmHandle, Trouble};
use super::context::Context;
use super::wakes;
use crate::provider::CallError;
use crate::provider::realm::Health;

/// Starts the tasks of a realm. They end with the realm or with the process.
pub fn start(context: &Arc<Context>, handle: &Arc<RealmHandle>) {
    let (observing, realm) = (context.clone(), handle.clone());
    context.spawn(async move { observe(&observing, &realm).await });
    let (measuring, realm) = (context.clone(), handle.clone());
    context.spawn(async move { measure(&measuring, &realm).await });
    let (forwarding, realm) = (context.clone(), handle.clone());
    context.spawn(async move { forward(&forwarding, &realm).await });
}

/// One round now; answers whether the trouble of the realm has changed.
pub async fn round(handle: &RealmHandle) -> bool {
    let outcome = handle.realm.round().await;
    let trouble = outcome.err().and_then(|error| match error {
        CallError::Unavailable { cause, .. } => {
            Some(Trouble::Unavailable { since: Timestamp::now(), cause: cause.to_string() })
        }
        CallError::CredentialsRejected => Some(Trouble::CredentialsRejected),
        CallError::Rejected { status } => Some(Trouble::Refused { status }),
        CallError::NotFound => Some(Trouble::Refused { status: 404 }),
        // The gate waits; the account stays as it was (rules.md *Outcomes*, 429).
        CallError::RateLimited { .. } => handle.trouble(),
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

async fn observe(context: &Arc<Context>, handle: &Arc<RealmHandle>) {
    let mut health = handle.realm.watch_health();
    let mut probe = context.timing.probe.0;
    loop {
        let wait = match handle.trouble() {
            None => jittered(handle.interval()),
            Some(Trouble::CredentialsRejected | Trouble::Refused { .. }) => context.timing.credentials_retry,
            Some(Trouble::Unavailable { .. }) => {
                let wait = probe;
                probe = (probe * 2).min(context.timing.probe.1);
                jittered(wait)
            }
        };
        tokio::select! {
            () = handle.end.cancelled() => return,
            () = context.shutdown.cancelled() => return,
            () = handle.look.notified() => {}
            // A failed call of an object is confirmed by a round before the account says anything.
            changed = health.changed() => {
                if changed.is_err() {
                    return;
                }
                let failing = !matches!(*health.borrow_and_update(), Health::Healthy);
                if failing == handle.trouble().is_some() {
                    continue;
                }
            }
            () = tokio::time::sleep(wait) => {}
        }
        if round(handle).await {
            wakes::accounts_of(context, handle);
        }
        if handle.trouble().is_none() {
            probe = context.timing.probe.0;
        }
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
        let name = handle.members().into_iter().min().map(|(namespace, name)| format!("{namespace}/{name}"));
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
        let total = handle.gate.throttled_total();
        context.metrics.throttled(provider, total.saturating_sub(counted));
        counted = total;
    }
}

/// Up to a tenth earlier, so that the realms of many accounts do not look at the same moment.
fn jittered(interval: Duration) -> Duration {
    interval.mul_f64(rand::rng().random_range(0.9..=1.0))
}
