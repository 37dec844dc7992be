//! Five endpoints in one world, each stopped in one phase of its rotation: by a call that is held back, or by a duration
//! that does not end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use external_webhooks::controller::Timing;
use serde_json::Value;
use testbed::nexhealth::catalogue::Pair;
use testbed::nexhealth::{Call, Endpoint, HookAction, Mark, SimConfig};
use tokio::sync::watch;

use super::{phase, reaches, rotated, rotating};
use crate::support::{Object, SUNSHINE, World, describe, events, pairs, subscription};

/// The phases, in order.
pub const PHASES: [&str; 5] = ["Preparing", "Publishing", "Switching", "Draining", "Retiring"];
/// Events of each endpoint.
const EACH: usize = 3;
/// Longer than any test.
const NEVER: &str = "3600s";

/// The name of the endpoint that is stopped in a phase.
pub fn named(phase: &str) -> String {
    phase.to_lowercase()
}

/// The events of the endpoint that is stopped in a phase: its own, so that nobody confuses them.
pub fn own_events(phase: &str) -> Vec<Pair> {
    let at = PHASES.iter().position(|one| *one == phase).unwrap();
    events(PHASES.len() * EACH)[at * EACH..(at + 1) * EACH].to_vec()
}

/// Its pairs.
pub fn own_pairs(phase: &str) -> Vec<(&'static str, &'static str)> {
    pairs(&[SUNSHINE], &own_events(phase))
}

/// Its subscription.
pub fn own_subscription(phase: &str) -> Value {
    subscription(&named(phase), &named(phase), &[SUNSHINE], &own_events(phase))
}

/// The endpoint as it is stopped: its duration does not end.
pub fn held_up(phase: &str, request: &str) -> Value {
    let publish_delay = if phase == "Publishing" { NEVER } else { "0s" };
    let overlap = if phase == "Draining" { NEVER } else { "0s" };
    rotating(&named(phase), publish_delay, overlap, request)
}

/// The endpoint with durations that end. An overlap is waited for only where it began long ago: tests are many.
fn brief(phase: &str, request: &str) -> Value {
    rotating(&named(phase), "0s", if phase == "Draining" { "1s" } else { "0s" }, request)
}

/// See the module.
pub struct Stopped {
    /// Everything.
    pub world: World,
    /// The remote endpoint that each had before, by phase.
    pub from: BTreeMap<&'static str, Endpoint>,
    /// Before the rotations began.
    pub mark: Mark,
    door: watch::Sender<bool>,
}

/// A held call must not run into its own deadline.
fn patient(timing: &mut Timing) {
    timing.calls.deadline = Duration::from_secs(120);
    timing.calls.write_deadline = Duration::from_secs(120);
}

impl Stopped {
    /// Rotations begun, and each stopped in its phase.
    pub async fn start(name: &'static str) -> Self {
        Self::start_with(name, |_| (), |_| ()).await
    }

    /// With other durations, or another provider.
    pub async fn start_with(
        name: &'static str,
        timing: impl FnOnce(&mut Timing),
        provider: impl FnOnce(&mut SimConfig),
    ) -> Self {
        let world = World::named(name).brief_logs().timing(patient).timing(timing).provider(provider).start().await;
        world.apply(PHASES.map(|phase| held_up(phase, ""))).await;
        world.apply(PHASES.map(own_subscription)).await;
        world.all_ready().await;
        world.rounds(1).await;
        let from: BTreeMap<_, _> = PHASES.into_iter().map(|phase| (phase, world.remote_of(&named(phase)))).collect();
        let mark = world.provider.mark();
        let (door, closed) = watch::channel(false);
        let waiting = hold(&world, &from, closed);
        world.apply(PHASES.map(|phase| held_up(phase, "first"))).await;
        for phase in PHASES {
            reaches(&world, &named(phase), phase).await;
        }
        let caught = |_: &World| waiting.lock().unwrap().len() == 3;
        world.until("the calls that begin a phase are held", caught).await;
        Self { world, from, mark, door }
    }

    /// Lets the held calls go on; the next ones are not held.
    pub fn open(&self) {
        self.door.send_replace(true);
    }

    /// Applies the five endpoints, changed by this, while they stand still; then lets them go on.
    pub async fn edit(&self, change: impl Fn(&str, &mut Value)) {
        let edited = PHASES.map(|phase| {
            let mut object = brief(phase, "first");
            change(phase, &mut object);
            object
        });
        self.world.apply(edited).await;
        self.open();
    }

    /// Lets them go on as they are declared, but with durations that end.
    pub async fn go_on(&self) {
        self.edit(|_, _| ()).await;
    }

    /// Waits until all are at the end.
    pub async fn all_rotated(&self, request: &str) {
        for phase in PHASES {
            rotated(&self.world, &named(phase), request).await;
        }
        self.world.all_ready().await;
    }

    /// The newest version of one of the endpoints.
    pub fn object(&self, of: &str) -> Object {
        self.world.recorder.get("WebhookEndpoint", &named(of)).unwrap()
    }

    /// The remote endpoint that takes the place of the one before, if its id is known.
    pub fn to(&self, of: &str) -> Option<i64> {
        let object = self.object(of);
        let id = object.status()["rotation"]["toRemoteId"].as_str().map(str::to_owned);
        assert!(!phase(&object).is_empty(), "{of} has ended\n{}", self.world.report());
        id.and_then(|id| id.parse().ok())
    }
}

/// Holds back the first POST of `Preparing`, the second PATCH of a row of `Switching` and the DELETE of `Retiring`; says
/// which of them wait.
fn hold(
    world: &World,
    from: &BTreeMap<&'static str, Endpoint>,
    closed: watch::Receiver<bool>,
) -> Arc<Mutex<BTreeSet<&'static str>>> {
    let waiting: Arc<Mutex<BTreeSet<&str>>> = Arc::default();
    let (held, moves) = (waiting.clone(), Mutex::new(0));
    let (switching, retiring) = (from["Switching"].id, from["Retiring"].id);
    world.provider.on_request(move |call| {
        let on = |id: i64| call.path.split('/').nth(2) == Some(id.to_string().as_str());
        let phase = match describe(call).as_str() {
            "POST endpoint" if asks_for(call, "/preparing") => "Preparing",
            "DELETE endpoint" if on(retiring) => "Retiring",
            "PATCH row" if on(switching) => {
                let mut moves = moves.lock().unwrap();
                *moves += 1;
                if *moves != 2 {
                    return HookAction::Proceed;
                }
                "Switching"
            }
            _ => return HookAction::Proceed,
        };
        if !held.lock().unwrap().insert(phase) {
            return HookAction::Proceed;
        }
        let mut closed = closed.clone();
        HookAction::wait(async move { drop(closed.wait_for(|open| *open).await) })
    });
    waiting
}

fn asks_for(call: &Call, path: &str) -> bool {
    let url = call.body.as_ref().and_then(|body| body["target_url"].as_str());
    url.is_some_and(|url| url.ends_with(path))
}
