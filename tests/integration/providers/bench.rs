//! Rotations and faults over every provider by one table: what users do, times each changing call that it takes, times what
//! can happen to that call. Whatever happens, in the end each declared event is delivered once, signed with the key that the
//! Secret holds, it was never without a registration, and nothing is left behind.
//!
//! The bench of faults (`fault_bench`) knows NexHealth in every detail; this one knows no provider's details.

use futures::StreamExt;
use serde_json::json;

use super::remote::{Remote, Strike};
use crate::support::{Object, PATIENCE, World};

/// How long a call may be waited for that another order of events does without.
const CALL_COMES: std::time::Duration = std::time::Duration::from_secs(5);

/// What users do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Everything is new.
    Create,
    /// An event goes and another one comes.
    Scale,
    /// Another target URL.
    Move,
    /// Another key.
    Rotate,
    /// Everything is deleted.
    Delete,
}

impl Act {
    const ALL: [Self; 5] = [Self::Create, Self::Scale, Self::Move, Self::Rotate, Self::Delete];
}

/// One line of the table.
#[derive(Clone, Copy, Debug)]
struct Plan {
    provider: &'static str,
    act: Act,
    strike: Option<(u64, Strike)>,
}

/// Runs one plan and answers how many changing calls it took.
async fn run(plan: Plan) -> usize {
    let mut world = World::named("table").brief_logs().prepare().await;
    let remote = Remote::of(plan.provider, &mut world).await;
    let events = remote.events();
    let (declared, after) = match plan.act {
        Act::Scale => (&events[..events.len().saturating_sub(1)], &events[events.len().min(1)..]),
        _ => (&events[..], &events[..]),
    };
    world.start_operator();
    world.apply(remote.account(&world)).await;
    world.all_ready().await;
    let objects = |events: &[&str], request: &str| {
        let mut objects = vec![remote.endpoint(request)];
        objects.extend(remote.subscription(events));
        objects
    };
    if plan.act != Act::Create {
        world.apply(objects(declared, "")).await;
        world.all_ready().await;
    }
    let mark = remote.mark();
    if let Some((nth, strike)) = plan.strike {
        remote.strike(nth, strike);
    }
    let mut wanted = objects(after, if plan.act == Act::Rotate { "one" } else { "" });
    if plan.act == Act::Move {
        wanted[0]["spec"]["targetUrl"] = json!("https://hooks.example.com/moved");
    }
    match plan.act {
        Act::Delete => {
            for (kind, name) in [("WebhookSubscription", "some"), ("WebhookEndpoint", "intake")] {
                if kind == "WebhookEndpoint" || remote.subscription(&events).is_some() {
                    world.delete(kind, name).await;
                }
            }
        }
        _ => world.apply(wanted).await,
    }
    if let Some((nth, strike)) = plan.strike.filter(|(_, strike)| strike.kills()) {
        let (nth, began) = (usize::try_from(nth).unwrap(), std::time::Instant::now());
        // In another order it may take fewer calls: an endpoint that goes takes its rows along.
        let spared = || began.elapsed() > CALL_COMES;
        world.until(&format!("{plan:?}: call {nth} {strike:?}"), |_| remote.writes(mark) >= nth || spared()).await;
        // The call has its effect, or has none, before the process dies.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        world.kill_operator().await;
        world.start_operator();
    }
    if plan.act == Act::Delete {
        world.gone("WebhookEndpoint", "intake").await;
        world
            .until(&format!("{plan:?}: nothing is left"), |_| remote.live().is_empty() && remote.endpoints() == 0)
            .await;
    } else {
        let handled = if plan.act == Act::Rotate { "one" } else { "" };
        let done = |object: &Object| {
            object.is_ready()
                && object.said("Rotating") == "-/-"
                && object.status()["rotation"]["lastHandledRequestId"] == handled
        };
        world.wait("WebhookEndpoint", "intake", &format!("{plan:?}: done"), done).await;
        world.all_ready().await;
        let key = world.secret_value("intake-signing", "current").await.expect("a key");
        let url =
            if plan.act == Act::Move { "https://hooks.example.com/moved" } else { "https://hooks.example.com/intake" };
        let once = |remote: &Remote| {
            let live = remote.live();
            live.len() == after.len()
                && after.iter().all(|event| live.get(*event) == Some(&vec![(key.clone(), url.to_owned())]))
        };
        world.until(&format!("{plan:?}: each event once, with the key of the Secret"), |_| once(&remote)).await;
        world.until(&format!("{plan:?}: one endpoint"), |_| remote.endpoints() <= 1).await;
        assert_eq!(world.secret_value("intake-signing", "previous").await, None, "{plan:?}");
    }
    if matches!(plan.act, Act::Move | Act::Rotate | Act::Scale) {
        for event in after.iter().filter(|event| declared.contains(event)) {
            let (fewest, most) = remote.extent(event, mark);
            assert!(fewest >= 1, "{plan:?}: {event} had a gap\n{}", world.report());
            assert!(most <= 2, "{plan:?}: {event} arrived {most} times\n{}", world.report());
        }
    }
    let writes = remote.writes(mark);
    world.finish().await;
    writes
}

/// Every plan, as far as the calls of a quiet run tell.
async fn plans() -> Vec<Plan> {
    let mut plans = Vec::new();
    for provider in Remote::NAMES {
        for act in Act::ALL {
            let calls = run(Plan { provider, act, strike: None }).await;
            for nth in 1..=u64::try_from(calls).unwrap() {
                plans.extend(Strike::ALL.map(|strike| Plan { provider, act, strike: Some((nth, strike)) }));
            }
        }
    }
    plans
}

async fn all(plans: Vec<Plan>) {
    let done = futures::stream::iter(plans).map(|plan| async move {
        tokio::time::timeout(PATIENCE * 5, tokio::spawn(run(plan)))
            .await
            .unwrap_or_else(|_| panic!("{plan:?}"))
            .unwrap();
    });
    done.buffer_unordered(4).collect::<Vec<()>>().await;
}

/// A share of them with each commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn some_plans_of_the_table() {
    let plans = plans().await;
    assert!(plans.len() > 200, "{} plans", plans.len());
    all(plans.into_iter().enumerate().filter(|(place, _)| place % 11 == 3).map(|(_, plan)| plan).collect()).await;
}

/// All of them: `make faults`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes; run by make faults"]
async fn every_plan_of_the_table() {
    all(plans().await).await;
}
