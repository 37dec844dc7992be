//! The provider's limits, through the whole operator (rules.md *Gate*, *Outcomes*).

use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use rand::RngExt;
use serde_json::json;
use testbed::nexhealth::{Call, Fault, HookAction, MadeUp, RateLimit, When};

use crate::support::{HILLTOP, LAKESIDE, SUNSHINE, World, describe, endpoint, events, pairs, subscription};

/// Calls that arrived within two seconds of the first refused one.
fn soon_after_refusal(calls: &[Call]) -> usize {
    let refused = calls.iter().find(|call| call.status == Some(429)).expect("a 429");
    let pause = Duration::from_millis(1990);
    calls.iter().filter(|call| call.at > refused.at && call.at < refused.at + pause).count()
}

async fn a_429_is_obeyed(name: &'static str, retry_after: fn() -> String) {
    let world = World::named(name).start().await;
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.all_ready().await;
    let (mark, seen) = (world.provider.mark(), world.recorder.count());
    let rows = AtomicI32::new(0);
    world.provider.on_request(move |call| {
        if describe(call) != "POST row" || rows.fetch_add(1, Ordering::SeqCst) != 2 {
            return HookAction::Proceed;
        }
        HookAction::Inject(Fault::Status(When::Before, MadeUp::retry_after(429, &retry_after())))
    });
    world.apply([subscription("one", "intake", &[SUNSHINE], &events(8))]).await;
    world.ready("WebhookSubscription", "one").await;
    let soon = soon_after_refusal(&world.provider.calls_since(mark));
    assert!(soon <= 7, "{soon} calls besides those that were under way\n{}", world.report());
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events(8))));
    world.rounds(1).await;
    assert_eq!(world.recorder.get("ProviderAccount", "default").unwrap().said("Ready"), "True/Authenticated");
    for object in &world.recorder.versions()[seen..] {
        let said = object.said("Ready");
        let calm = ["True/InSync", "True/Authenticated", "Unknown/Progressing", "False/Progressing", "-/-"];
        assert!(calm.contains(&said.as_str()), "{} {}: {said}", object.kind, object.name());
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seconds_of_a_429_are_obeyed() {
    a_429_is_obeyed("retry-after-seconds", || "2".to_owned()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_date_of_a_429_is_obeyed() {
    // Dates have whole seconds: two and a bit of them pass before this one.
    let later = || httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(3));
    a_429_is_obeyed("retry-after-date", later).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_with_exactly_the_declared_bucket_never_refuses() {
    let (rate, burst) = (3_000, 30);
    let limit = RateLimit { per_minute: rate, burst };
    let mut world = World::named("bucket").provider(|config| config.switches.rate_limit = Some(limit)).prepare().await;
    // Calls that left one by one arrive in heaps.
    world.provider.on_request(|_| {
        let late = Duration::from_millis(rand::rng().random_range(0..60));
        HookAction::wait(tokio::time::sleep(late))
    });
    let mut account = world.account("default");
    account["spec"]["rateLimit"] = json!({"requestsPerMinute": rate, "burst": burst});
    world.apply([world.secret(), account]).await;
    let (practices, events) = ([SUNSHINE, LAKESIDE, HILLTOP], events(40));
    let mut objects = Vec::new();
    for (name, practice) in ["a", "b", "c"].into_iter().zip(practices) {
        objects.push(endpoint(name));
        for (number, event) in events.iter().enumerate() {
            let name_of = format!("{name}-{number}");
            objects.push(subscription(&name_of, name, &[practice], std::slice::from_ref(event)));
        }
    }
    world.apply(objects).await;
    world.start_operator();
    world.all_ready().await;
    assert!(world.has_exactly(&pairs(&practices, &events)));
    let calls = world.provider.ledger();
    let refused = calls.iter().filter(|call| call.status == Some(429)).count();
    assert_eq!(refused, 0, "of {} calls", calls.len());
    assert!(calls.len() > 2 * burst as usize, "the burst alone would not have done");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_no_stampede() {
    let mut world = World::named("start").prepare().await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let highest = most.clone();
    world.provider.on_request(move |_| {
        let (now, most) = (now.clone(), most.clone());
        HookAction::wait(async move {
            let here = now.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(here, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        })
    });
    world.apply([world.secret(), world.account("default"), endpoint("a")]).await;
    let all = events(45);
    let object = |(number, event): (usize, _)| {
        let practices = [SUNSHINE, LAKESIDE, HILLTOP];
        subscription(&format!("s-{number}"), "a", &practices, std::slice::from_ref(event))
    };
    world.apply(all.iter().enumerate().map(object)).await;
    world.start_operator();
    world.all_ready().await;
    assert!(highest.load(Ordering::SeqCst) <= 8, "eight in flight at most");
    // Counters may follow a moment later.
    world.rounds(3).await;
    world.kill_operator().await;
    // A start over what is in place: lists only, however many objects there are.
    let (mark, versions) = (world.provider.mark(), world.recorder.count());
    world.start_operator();
    world.until("lists", |world| world.provider.calls_since(mark).iter().any(|call| describe(call) == "GET row")).await;
    world.rounds(2).await;
    world.assert_writes(mark, []);
    assert_eq!(world.recorder.count(), versions, "and no write to the cluster");
    world.finish().await;
}
