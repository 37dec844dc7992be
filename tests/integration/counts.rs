//! What a converge costs, and what an idle cluster costs.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{HILLTOP, LAKESIDE, OPERATORS, SUNSHINE, World, endpoint, events, pairs, subscription, tally};

const PRACTICES: [&str; 3] = [SUNSHINE, LAKESIDE, HILLTOP];
const EVENTS: usize = 40;
const ENDPOINTS: [&str; 3] = ["a", "b", "c"];
const SUBSCRIPTIONS: usize = PRACTICES.len() * EVENTS;

/// One practice on each endpoint, in one object or in one object per pair.
fn objects(one_each: bool) -> Vec<Value> {
    let mut objects: Vec<Value> = ENDPOINTS.iter().map(|name| endpoint(name)).collect();
    let all = events(EVENTS);
    for (name, practice) in ENDPOINTS.iter().zip(PRACTICES) {
        if one_each {
            let one = |(number, event)| {
                subscription(&format!("{name}-{number}"), name, &[practice], std::slice::from_ref(event))
            };
            objects.extend(all.iter().enumerate().map(one));
        } else {
            objects.push(subscription(name, name, &[practice], &all));
        }
    }
    objects
}

async fn converged(name: &'static str, one_each: bool) {
    let mut world = World::named(name).watches_only().prepare().await;
    world.apply([world.secret(), world.account("default")]).await;
    world.apply(objects(one_each)).await;
    world.start_operator();
    world.all_ready().await;
    assert!(world.has_exactly(&pairs(&PRACTICES, &events(EVENTS))));
    let calls = world.provider.ledger();
    let limit = SUBSCRIPTIONS + 2 * ENDPOINTS.len() + 5;
    assert!(calls.len() <= limit, "{} calls, at most {limit}: {:?}", calls.len(), tally(&calls));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_converge_of_few_objects() {
    converged("few-objects", false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_converge_of_many_objects() {
    converged("many-objects", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_cluster_only_lists_and_writes_nothing() {
    let interval = Duration::from_millis(300);
    let world = World::named("idle").timing(|timing| timing.observe_interval = Some(interval)).start().await;
    world.apply(objects(false)).await;
    world.all_ready().await;
    // Counters may follow a moment later.
    world.rounds(3).await;
    let (mark, audit, began) = (world.provider.mark(), world.cluster.audit().mark(), Instant::now());
    // A whole minute: slower things than rounds could write, such as a token's end or a counter.
    while began.elapsed() < Duration::from_secs(60) {
        world.rounds(8).await;
    }
    let (calls, took) = (world.provider.calls_since(mark), began.elapsed());
    assert!(calls.iter().all(|call| call.method == "GET"), "{}", world.report());
    // A round comes up to a tenth earlier than the interval, and one may have begun before.
    let rounds = (took.as_secs_f64() / (interval.as_secs_f64() * 0.9)).ceil() + 1.0;
    let limit = rounds * (ENDPOINTS.len() + 2) as f64;
    assert!(calls.len() as f64 <= limit, "{} calls in {took:?}, at most {limit}", calls.len());
    let user = format!("system:serviceaccount:{OPERATORS}:");
    let requests = world.cluster.audit().requests(&user, audit).unwrap();
    let reads = ["get", "list", "watch"];
    let written = requests
        .iter()
        .filter(|request| request.namespace == world.namespace.name() && !reads.contains(&request.verb.as_str()));
    assert_eq!(written.collect::<Vec<_>>(), Vec::<&_>::new());
    world.finish().await;
}
