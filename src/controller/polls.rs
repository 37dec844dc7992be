//! Reads the sync status of a realm again and again: one call per interval serves every monitor, and none is made while
//! there is no monitor.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tracing::debug;

use super::accounts::RealmHandle;
use super::context::Context;
use super::{monitor, observer};
use crate::provider::gate::Errand;

/// How old a list of places may be while it is in use. Practices hardly ever move.
const PLACES_AGE: Duration = Duration::from_secs(6 * 3600);

/// When something was last asked for, and how that went.
#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    well: bool,
}

/// Reads until the realm or the process ends.
pub async fn run(context: &Arc<Context>, handle: &Arc<RealmHandle>) {
    let (mut syncs, mut places): (Option<Asked>, Option<Asked>) = (None, None);
    loop {
        let monitors = has_monitors(context, handle);
        let wanted = monitors && handle.trouble().is_none();
        let interval = handle.sync_interval();
        let due = syncs.map_or_else(Instant::now, |asked| asked.at + pause(interval, asked.well));
        tokio::select! {
            () = handle.end.cancelled() => return,
            () = context.shutdown.cancelled() => return,
            // Somebody may be new, or wants places; the next turn of the loop sees.
            () = handle.poll.notified() => {}
            () = tokio::time::sleep_until(due), if wanted => {}
            // The trouble may be over; the rounds find out.
            () = tokio::time::sleep(interval / 4), if monitors && !wanted => {}
        }
        // What is not wanted is asked for neither by time nor on request.
        if !has_monitors(context, handle) || handle.trouble().is_some() {
            continue;
        }
        let now = Instant::now();
        let mut news = false;
        if places_due(places, handle, now) {
            let well = handle.realm.refresh_places().await;
            if let Err(error) = &well {
                debug!(%error, "the places of practices could not be read");
            }
            handle.places_asked();
            places = Some(Asked { at: now, well: well.is_ok() });
            news |= well.is_ok();
        }
        if due <= now {
            let well = read(handle, due + interval / 2).await;
            syncs = Some(Asked { at: now, well });
            news |= well;
        }
        if news {
            wake(context, handle);
        }
    }
}

/// After a good answer the next one comes up to a tenth earlier than the interval, so that two are never further apart
/// than that; after a bad one it is tried again soon enough that a single failure makes nobody late.
fn pause(interval: Duration, well: bool) -> Duration {
    if well { observer::jittered(interval) } else { interval / 4 }
}

/// Places are asked for when somebody lacks one, once in an observeInterval at most, and now and then while in use.
fn places_due(last: Option<Asked>, handle: &RealmHandle, now: Instant) -> bool {
    let age = last.map(|asked| (now.saturating_duration_since(asked.at), asked.well));
    match age {
        None => handle.places_wanted(),
        Some((age, well)) => age >= PLACES_AGE && well || handle.places_wanted() && age >= handle.interval(),
    }
}

/// One call, in the lane of reads, that goes first once `late` has come (rules.md *Gate*).
async fn read(handle: &RealmHandle, late: Instant) -> bool {
    let outcome = Errand::read_by(late, false, handle.realm.refresh_syncs()).await;
    if let Err(error) = &outcome {
        debug!(%error, "the sync status could not be read");
    }
    outcome.is_ok()
}

fn has_monitors(context: &Context, handle: &RealmHandle) -> bool {
    let judged = |account| monitor::of_account(context, &account).iter().any(|object| !object.spec.suspend);
    handle.members().into_iter().any(judged)
}

/// Every monitor is judged anew. One that fails keeps its pause.
fn wake(context: &Context, handle: &RealmHandle) {
    for account in handle.members() {
        for object in monitor::of_account(context, &account) {
            context.monitor_cache.wake(&object);
        }
    }
}
