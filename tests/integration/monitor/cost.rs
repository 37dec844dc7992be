//! One call serves all monitors, and at rest nothing is written.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{KIND, polls, read, verdict};
use crate::support::{HILLTOP, LAKESIDE, OPERATORS, SUNSHINE, World, fleet, monitor};

const INTERVAL: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_monitors_cost_one_call_per_interval_and_no_write() {
    let world = World::named("monitor-cost").timing(|timing| timing.sync_interval = Some(INTERVAL)).start().await;
    let practices = [SUNSHINE, LAKESIDE, HILLTOP];
    let mut objects: Vec<Value> =
        (0..60).map(|number| monitor(&format!("m{number}"), practices[number % practices.len()])).collect();
    objects.push(fleet("fleet"));
    // A second account with the same key is the same realm.
    objects.push(world.account("second"));
    let mut other = monitor("other", SUNSHINE);
    other["spec"]["accountRef"] = serde_json::json!({"name": "second"});
    objects.push(other);
    read(&world, HILLTOP, 90);
    world.apply(objects).await;
    verdict(&world, "m59", "SyncHealthy", "False/Stale").await;
    world.all_ready().await;
    verdict(&world, "other", "SyncHealthy", "True/Green").await;
    polls(&world, 2).await;
    let (mark, audit, began) = (world.provider.mark(), world.cluster.audit().mark(), Instant::now());
    polls(&world, 8).await;
    let took = began.elapsed();
    let calls = world.provider.calls_since(mark);
    let polled = calls.iter().filter(|call| call.path == "/sync_status").count();
    // One comes up to a tenth earlier than the interval, and one may have begun before.
    let limit = (took.as_secs_f64() / (INTERVAL.as_secs_f64() * 0.9)).ceil() + 1.0;
    assert!(polled as f64 <= limit, "{polled} calls in {took:?}, at most {limit}");
    assert!(!calls.iter().any(|call| call.path == "/locations"), "nobody needs places");
    let user = format!("system:serviceaccount:{OPERATORS}:");
    let requests = world.cluster.audit().requests(&user, audit).unwrap();
    let written: Vec<_> = requests
        .iter()
        .filter(|request| request.namespace == world.namespace.name())
        .filter(|request| !["get", "list", "watch"].contains(&request.verb.as_str()))
        .collect();
    assert_eq!(written, Vec::<&_>::new());
    assert!(world.recorder.get(KIND, "fleet").unwrap().is_ready());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_monitors_nobody_asks() {
    let world = World::named("monitor-none").start().await;
    world.apply([monitor("one", SUNSHINE)]).await;
    verdict(&world, "one", "SyncHealthy", "True/Green").await;
    world.delete(KIND, "one").await;
    world.gone(KIND, "one").await;
    world.rounds(1).await;
    let before = world.provider.calls("GET", "/sync_status").len();
    world.rounds(8).await;
    // One may have been under way.
    assert!(world.provider.calls("GET", "/sync_status").len() <= before + 1, "{}", world.report());
    assert!(!world.metrics_page().contains("external_webhooks_office_open{"), "its metrics are gone too");
    world.finish().await;
}
