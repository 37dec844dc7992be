//! The operator killed at random moments of a converge, and at the worst ones.

use std::time::Duration;

use rand::{RngExt, SeedableRng};
use testbed::nexhealth::{Fault, Institution, Matcher, SimConfig, When};

use crate::support::{HILLTOP, LAKESIDE, SUNSHINE, World, endpoint, events, pairs, subscription};

const KILLS: usize = 12;
const SEED: u64 = 20_260_726;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_again_and_again_it_leaves_no_twin_and_no_orphan() {
    let add = |config: &mut SimConfig| {
        config.organisations[0].institutions.push(Institution::new(104, "fourth-dental", "Fourth"));
        config.organisations[0].institutions.push(Institution::new(105, "fifth-dental", "Fifth"));
    };
    let mut world = World::named("crash").provider(add).prepare().await;
    let (events, mut random) = (events(40), rand::rngs::StdRng::seed_from_u64(SEED));
    let (left, right) = ([SUNSHINE, LAKESIDE], [HILLTOP, "fourth-dental", "fifth-dental"]);
    world.apply([world.secret(), world.account("default"), endpoint("left"), endpoint("right")]).await;
    world.apply([subscription("left", "left", &left, &events), subscription("right", "right", &right, &events)]).await;
    let mut survived = 0;
    for _ in 0..KILLS {
        world.start_operator();
        // Some kills are aimed at the first writes of a process, some at a moment of its life.
        let writes = |world: &World| world.provider.ledger().iter().filter(|call| call.is_write()).count();
        let (before, more) = (writes(&world), random.random_range(1..=25));
        let reached = |world: &World| writes(world) >= before + more || writes(world) >= 202;
        world.until("further writes", reached).await;
        tokio::time::sleep(Duration::from_millis(random.random_range(0..=15))).await;
        world.kill_operator().await;
        survived += usize::from(writes(&world) > before);
    }
    assert!(survived >= KILLS / 2, "most kills must fall into the work: {survived}");
    world.start_operator();
    world.all_ready().await;
    world.rounds(2).await;
    world.all_ready().await;
    assert_eq!(world.provider.endpoints().len(), 2, "{}", world.report());
    let everything = [pairs(&left, &events), pairs(&right, &events)].concat();
    assert!(world.has_exactly(&everything), "{} rows\n{}", world.provider.rows().len(), world.report());
    for name in ["left", "right"] {
        let remote = world.remote_of(name);
        assert_eq!(remote.target_url, format!("https://hooks.example.com/{name}"));
        assert_eq!(world.secret_value(&format!("{name}-signing"), "current").await, Some(remote.secret_key));
        // What was never made is not lost.
        assert!(!world.event_reasons(name).await.contains(&"SubscriptionMissing".to_owned()), "{}", world.report());
        let object = world.recorder.get("WebhookEndpoint", name).unwrap();
        assert!(object.status()["deliveryGaps"].is_null(), "{}", object.status());
    }
    world.finish().await;
}

/// The URL is edited after the POST was sent and before its answer is known: in this process, or with a crash between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_while_an_endpoint_is_made_leaves_one_endpoint() {
    for crash in [false, true] {
        let mut world = World::named("edit-in-create").start().await;
        let lost = Matcher::new("POST", "/webhook_endpoints").once();
        world.provider.faults().on(lost, Fault::Hang(When::After));
        world.apply([endpoint("intake")]).await;
        world.until("the endpoint is made", |world| world.provider.endpoints().len() == 1).await;
        if crash {
            world.kill_operator().await;
        }
        let mut edited = endpoint("intake");
        edited["spec"]["targetUrl"] = "https://hooks.example.com/edited".into();
        world.apply([edited]).await;
        if crash {
            world.start_operator();
        }
        world.all_ready().await;
        world
            .until("one endpoint, with the new URL", |world| {
                let urls: Vec<String> =
                    world.provider.endpoints().into_iter().map(|endpoint| endpoint.target_url).collect();
                urls == ["https://hooks.example.com/edited"]
            })
            .await;
        world.finish().await;
    }
}
