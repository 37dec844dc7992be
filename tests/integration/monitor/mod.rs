//! `PracticeSyncMonitor` on the real API server: what is said when, and how little that costs.

mod bad_input;
mod cost;
mod hours;
mod many;

use std::time::Duration;

use serde_json::{Value, json};
use testbed::nexhealth::{Fault, MadeUp, Matcher, SyncTime, When};

use crate::support::{LAKESIDE, Object, SUNSHINE, World, monitor};

const KIND: &str = "PracticeSyncMonitor";

/// Reading of a practice last worked so many minutes ago.
fn read(world: &World, practice: &str, minutes_ago: u64) {
    let ago = SyncTime::Ago(Duration::from_secs(minutes_ago * 60));
    assert!(world.provider.edit_sync(practice, |sync| sync.read_status_at = ago));
}

/// Waits until a verdict says this, such as `False/Stale`.
async fn verdict(world: &World, name: &str, kind: &str, said: &str) -> Object {
    world
        .wait(KIND, name, &format!("{kind} is {said}"), |object| object.is_current() && object.said(kind) == said)
        .await
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_practice_goes_stale_and_comes_back() {
    let world = World::named("monitor").start().await;
    world.apply([monitor("sunshine", SUNSHINE), monitor("lakeside", LAKESIDE)]).await;
    let object = verdict(&world, "sunshine", "SyncHealthy", "True/Green").await;
    assert!(object.is_ready(), "{}", object.value);
    assert_eq!(object.status()["institutionId"], 101);
    let sync = &object.status()["syncs"][0];
    assert_eq!((&sync["emr"], &sync["emrType"]), (&json!("eaglesoft"), &json!(["onprem"])));
    assert_eq!((&sync["readStatus"], &sync["locations"]), (&json!("green"), &json!(1)));
    assert_eq!(object.status()["practices"], json!({"total": 1, "healthy": 1}));
    read(&world, SUNSHINE, 90);
    let object = verdict(&world, "sunshine", "SyncHealthy", "False/Stale").await;
    assert_eq!((object.said("ReadHealthy"), object.said("WriteHealthy")), ("False/Stale".into(), "True/Green".into()));
    assert!(object.is_ready(), "a clinic that is off never blocks a rollout: {}", object.value);
    for words in ["Practice Management System Integration", "spec.read.staleAfter (60m)", "server or browser"] {
        assert!(object.message("ReadHealthy").contains(words), "{}", object.message("ReadHealthy"));
    }
    world.until_event("sunshine", "Stale").await;
    let page = world.metrics_page();
    let label = format!("kind=\"{KIND}\",namespace=\"{}\",name=\"sunshine\"", world.namespace.name());
    let line = format!("external_webhooks_sync_read_age_seconds{{{label},clock=\"live\"}} 5");
    assert!(page.lines().any(|found| found.starts_with(&line)), "90 minutes are 5400 seconds: {line} in\n{page}");
    assert!(page.contains(&format!("external_webhooks_office_open{{{label}}} 1")), "{page}");
    read(&world, SUNSHINE, 5);
    verdict(&world, "sunshine", "SyncHealthy", "True/Green").await;
    world.until_event("sunshine", "Green").await;
    assert_eq!(world.event_reasons("lakeside").await, Vec::<String>::new(), "the first good verdict is no news");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn red_turns_it_too_and_three_turns_are_flapping() {
    let world = World::named("flapping").start().await;
    world.apply([monitor("sunshine", SUNSHINE)]).await;
    let colour = |colour: &str| {
        let colour = colour.to_owned();
        assert!(world.provider.edit_sync(SUNSHINE, |sync| sync.write_status = colour));
    };
    verdict(&world, "sunshine", "WriteHealthy", "True/Green").await;
    colour("red");
    verdict(&world, "sunshine", "WriteHealthy", "False/Red").await;
    colour("green");
    verdict(&world, "sunshine", "WriteHealthy", "True/Green").await;
    colour("red");
    verdict(&world, "sunshine", "WriteHealthy", "False/Flapping").await;
    colour("green");
    polls(&world, 3).await;
    verdict(&world, "sunshine", "SyncHealthy", "False/Flapping").await;
    verdict(&world, "sunshine", "ReadHealthy", "True/Green").await;
    world.finish().await;
}

/// Waits for further polls, and until what they brought was judged.
async fn polls(world: &World, count: usize) {
    let polls = |world: &World| world.provider.calls("GET", "/sync_status").len();
    let before = polls(world);
    world.until("another poll", |world| polls(world) >= before + count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_nobodys_fault() {
    let world = World::named("own-outage").start().await;
    world.apply([monitor("sunshine", SUNSHINE)]).await;
    verdict(&world, "sunshine", "ReadHealthy", "True/Green").await;
    let broken = Fault::Status(When::Before, MadeUp::status(500));
    let rule = world.provider.faults().on(Matcher::path("/sync_status"), broken);
    let object = verdict(&world, "sunshine", "ReadHealthy", "Unknown/ObservationStale").await;
    assert_eq!(
        (object.said("Ready"), object.said("SyncHealthy")),
        ("Unknown/ObservationStale".into(), "Unknown/ObservationStale".into())
    );
    let account = world.recorder.get("ProviderAccount", "default").unwrap();
    assert_eq!(account.said("Ready"), "True/Authenticated", "everything else is answered");
    // The practice goes bad meanwhile; that is seen when we see again.
    read(&world, SUNSHINE, 90);
    world.provider.faults().remove(rule);
    let object = verdict(&world, "sunshine", "ReadHealthy", "False/Stale").await;
    assert!(object.is_ready());
    let events = world.event_reasons("sunshine").await;
    assert!(!events.iter().any(|reason| reason == "ObservationStale"), "{events:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_writes_nothing_and_a_suspended_monitor_says_so() {
    let mut world = World::named("monitor-restart").start().await;
    read(&world, LAKESIDE, 90);
    world.apply([monitor("sunshine", SUNSHINE), monitor("lakeside", LAKESIDE)]).await;
    verdict(&world, "sunshine", "SyncHealthy", "True/Green").await;
    verdict(&world, "lakeside", "SyncHealthy", "False/Stale").await;
    let versions =
        |world: &World| ["sunshine", "lakeside"].map(|name| world.recorder.get(KIND, name).unwrap().version());
    let before = versions(&world);
    world.kill_operator().await;
    world.start_operator();
    polls(&world, 3).await;
    assert_eq!(versions(&world), before, "{}", world.report());
    world.apply([with(monitor("lakeside", LAKESIDE), "suspend", json!(true))]).await;
    let object = world.says(KIND, "lakeside", "False/Suspended").await;
    assert_eq!((object.said("Stalled"), object.said("Reconciling")), ("-/-".into(), "-/-".into()));
    assert_eq!(object.said("SyncHealthy"), "Unknown/Suspended");
    world.apply([monitor("lakeside", LAKESIDE)]).await;
    verdict(&world, "lakeside", "SyncHealthy", "False/Stale").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_a_fresh_look_is_answered() {
    let world = World::named("monitor-asked")
        .timing(|timing| timing.sync_interval = Some(Duration::from_secs(3600)))
        .start()
        .await;
    world.apply([monitor("sunshine", SUNSHINE)]).await;
    verdict(&world, "sunshine", "ReadHealthy", "True/Green").await;
    read(&world, SUNSHINE, 90);
    let mut asking = monitor("sunshine", SUNSHINE);
    asking["metadata"]["annotations"] = json!({"external-webhooks.io/reconcile-requested-at": "now"});
    world.apply([asking]).await;
    let object = verdict(&world, "sunshine", "ReadHealthy", "False/Stale").await;
    assert_eq!(object.status()["lastHandledReconcileAt"], "now");
    assert_eq!(world.provider.calls("GET", "/sync_status").len(), 2);
    world.finish().await;
}
