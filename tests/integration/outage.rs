//! Outages of the provider: what they cost in calls and in writes (rules.md *Outcomes*), and what the lease forbids.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use external_webhooks::controller::Timing;
use external_webhooks::runtime::{Lease, LeaseTiming};
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::nexhealth::{Fault, HookAction, MadeUp, Matcher, When};
use tokio_util::sync::CancellationToken;

use crate::support::{LAKESIDE, SUNSHINE, World, describe, endpoint, events, pairs, subscription};

const OBJECTS: usize = 60;
const GRACE: Duration = Duration::from_secs(3);
/// Time between the writes that tell of a long outage.
const TURN: Duration = Duration::from_millis(50);

/// One event of one practice each, in as many objects on two endpoints.
fn many() -> Vec<Value> {
    let mut objects = vec![endpoint("a"), endpoint("b")];
    let events = events(OBJECTS / 2);
    for (number, event) in events.iter().enumerate() {
        for name in ["a", "b"] {
            let practices = if name == "a" { [SUNSHINE] } else { [LAKESIDE] };
            let name_of = format!("{name}-{number}");
            objects.push(subscription(&name_of, name, &practices, std::slice::from_ref(event)));
        }
    }
    objects
}

fn short_grace(timing: &mut Timing) {
    timing.plan.outage_grace = GRACE;
    timing.outage_writes = TURN;
}

/// How many versions each object but the account has had.
fn versions(world: &World) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for object in world.recorder.versions().iter().filter(|object| object.kind != "ProviderAccount") {
        *counts.entry(format!("{} {}", object.kind, object.name())).or_default() += 1;
    }
    counts
}

/// Whether every object but the account says this.
fn all_say(world: &World, ready: &str) -> bool {
    let latest = world.recorder.latest();
    let mut objects = latest.values().filter(|object| object.kind != "ProviderAccount");
    objects.all(|object| object.said("Ready") == ready)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blip_costs_no_write_per_object_and_a_long_outage_one() {
    let world = World::named("outage-writes").timing(short_grace).start().await;
    world.apply(many()).await;
    world.all_ready().await;
    world.rounds(3).await;
    let before = versions(&world);
    assert_eq!(before.len(), OBJECTS + 2);

    world.provider.go_down().await;
    world.says("ProviderAccount", "default", "False/ProviderUnavailable").await;
    world.provider.come_back().await.unwrap();
    world.says("ProviderAccount", "default", "True/Authenticated").await;
    world.rounds(3).await;
    assert_eq!(versions(&world), before, "a blip is no news to objects, nor is its end");

    let began = Instant::now();
    world.provider.go_down().await;
    world.says("ProviderAccount", "default", "False/ProviderUnavailable").await;
    world.until("an object tells of the outage", |world| versions(world) != before).await;
    assert!(began.elapsed() >= GRACE, "told after {:?}\n{}", began.elapsed(), world.report());
    world.until("all tell", |world| all_say(world, "Unknown/ProviderUnavailable")).await;
    let turns = u32::try_from(OBJECTS + 1).unwrap();
    assert!(began.elapsed() >= GRACE + TURN * turns, "all told after {:?}", began.elapsed());
    let once: BTreeMap<_, _> = before.iter().map(|(name, count)| (name.clone(), count + 1)).collect();
    assert_eq!(versions(&world), once, "once");
    tokio::time::sleep(GRACE).await;
    assert_eq!(versions(&world), once, "and not again while it lasts");

    world.provider.come_back().await.unwrap();
    world.all_ready().await;
    world.rounds(2).await;
    let twice: BTreeMap<_, _> = before.iter().map(|(name, count)| (name.clone(), count + 2)).collect();
    assert_eq!(versions(&world), twice);
    assert!(world.has_exactly(&[pairs(&[SUNSHINE], &events(30)), pairs(&[LAKESIDE], &events(30))].concat()));
    world.finish().await;
}

/// Answers everything with 503 after a while, and counts the most calls at the same time.
fn overloaded(world: &World) -> Arc<AtomicUsize> {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = most.clone();
    world.provider.on_request(move |_| {
        let (now, most) = (now.clone(), most.clone());
        let wait = async move {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        };
        let failure = Fault::Status(When::Before, MadeUp::status(503));
        HookAction::Wait(Box::pin(wait), Box::new(HookAction::Inject(failure)))
    });
    counted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_many_objects_need_a_provider_that_is_down_it_is_probed_by_one_call_at_a_time() {
    let world = World::named("outage-probes").start().await;
    world.apply([endpoint("a"), endpoint("b")]).await;
    world.all_ready().await;
    let most = overloaded(&world);
    world.apply(many()).await;
    world.says("ProviderAccount", "default", "False/ProviderUnavailable").await;
    // What was on its way when the breaker opened ends.
    let quiet = |world: &World| {
        world.provider.ledger().iter().rev().skip(1).take(3).all(|call| describe(call) == "GET endpoint")
    };
    world.until("only probes", quiet).await;
    most.store(0, Ordering::SeqCst);
    let mark = world.provider.mark();
    // Every object is touched again, so that each has a reason to ask.
    let touched = many().into_iter().skip(2).map(|mut object| {
        object["metadata"]["annotations"] = json!({"external-webhooks.io/reconcile-requested-at": "now"});
        object
    });
    world.apply(touched).await;
    world.until("some probes", |world| world.provider.count_since(mark) >= 6).await;
    let calls = world.provider.calls_since(mark);
    let probes = calls.iter().all(|call| matches!(describe(call).as_str(), "GET endpoint" | "POST authenticates"));
    assert!(probes, "{calls:?}");
    assert_eq!(most.load(Ordering::SeqCst), 1, "one at a time");
    world.provider.clear_hooks();
    world.all_ready().await;
    assert_eq!(world.provider.rows().len(), OBJECTS);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broken_route_does_not_close_off_the_realm() {
    let world = World::named("broken-route").start().await;
    world.apply([endpoint("a"), endpoint("b")]).await;
    world.all_ready().await;
    let route = format!("/webhook_endpoints/{}/webhook_subscriptions", world.remote_of("a").id);
    let rule =
        world.provider.faults().on(Matcher::new("POST", &route), Fault::Status(When::Before, MadeUp::status(503)));
    world.apply(many()).await;
    world
        .until("those on the other endpoint are ready", |world| {
            let latest = world.recorder.latest();
            let mut others = latest.values().filter(|object| object.name().starts_with("b-"));
            others.all(|object| object.is_ready()) && world.provider.faults().hits(rule) >= OBJECTS as u64
        })
        .await;
    world.provider.faults().remove(rule);
    world.all_ready().await;
    let accounts = world.recorder.versions().into_iter().filter(|object| object.kind == "ProviderAccount");
    let told: Vec<String> = accounts.map(|object| object.said("Ready")).collect();
    assert!(!told.iter().any(|ready| ready.contains("ProviderUnavailable")), "{told:?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_lease_an_operator_writes_nothing_at_the_provider() {
    let mut world = World::named("fenced").prepare().await;
    let second = Duration::from_secs(1);
    let timing = LeaseTiming { duration: second * 60, renew: second / 5, retry: second / 10 };
    let (client, namespace) = (world.client.clone(), world.namespace.name().to_owned());
    let lease = Lease::start(client, &namespace, "leader", "under-test", timing, CancellationToken::new());
    assert!(lease.acquired().await);
    world.settings.lease = lease.clone();
    world.start_operator();
    world.apply([world.secret(), world.account("default"), endpoint("a")]).await;
    world.apply([subscription("one", "a", &[SUNSHINE], &events(2))]).await;
    world.all_ready().await;
    let leases: Api<LeaseObject> = Api::namespaced(world.client.clone(), &namespace);
    let taken = json!({"spec": {"holderIdentity": "a-stranger"}});
    leases.patch("leader", &PatchParams::default(), &Patch::Merge(taken)).await.unwrap();
    lease.lost().await;
    let mark = world.provider.mark();
    // The process would end now. One that is slow to end still sees the cluster and the provider, and does nothing.
    world.apply([subscription("one", "a", &[SUNSHINE], &events(6)), endpoint("b")]).await;
    world.rounds(3).await;
    world.assert_writes(mark, []);
    assert_eq!(world.recorder.get("ProviderAccount", "default").unwrap().said("Ready"), "True/Authenticated");
    world.kill_operator().await;
    world.settings.lease = Lease::always();
    world.start_operator();
    world.all_ready().await;
    world.assert_writes(mark, [("POST endpoint", 1), ("POST row", 4)]);
    world.finish().await;
}
