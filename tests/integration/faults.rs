//! What goes wrong at the provider, and changes behind the operator's back.

use std::time::Duration;

use external_webhooks::controller::Timing;
use testbed::nexhealth::{Fault, HookAction, MadeUp, Mark, Matcher, When};

use crate::support::{LAKESIDE, SUNSHINE, World, describe, endpoint, events, pairs, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_down_at_the_start() {
    let mut world = World::named("down-at-start").prepare().await;
    world.provider.go_down().await;
    world.start_operator();
    world.apply([world.secret(), world.account("default"), endpoint("intake")]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.says("ProviderAccount", "default", "False/ProviderUnavailable").await;
    world.says("WebhookEndpoint", "intake", "Unknown/Progressing").await;
    world.provider.come_back().await.unwrap();
    world.all_ready().await;
    world.assert_writes(Mark::default(), [("POST endpoint", 1), ("POST row", 2)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_leaves_objects_as_they_are() {
    let world = World::named("outage").start().await;
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.all_ready().await;
    world.rounds(2).await;
    let mark = world.provider.mark();
    let versions = |world: &World| {
        let kinds = [("WebhookEndpoint", "intake"), ("WebhookSubscription", "one")];
        kinds.map(|(kind, name)| world.recorder.get(kind, name).map(|object| object.version()))
    };
    let before = versions(&world);
    world.provider.go_down().await;
    world.says("ProviderAccount", "default", "False/ProviderUnavailable").await;
    world.provider.come_back().await.unwrap();
    world.says("ProviderAccount", "default", "True/Authenticated").await;
    world.rounds(2).await;
    assert_eq!(versions(&world), before, "an outage of less than ten minutes is no news to objects");
    world.assert_writes(mark, []);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expired_tokens_cost_one_sign_in() {
    let world = World::named("token").start().await;
    let all = events(30);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &all[..1])]).await;
    world.all_ready().await;
    let signed_in = |world: &World| world.provider.calls("POST", "/authenticates").len();
    assert_eq!(signed_in(&world), 1);
    world.provider.expire_tokens();
    world.apply([subscription("one", "intake", &[SUNSHINE], &all)]).await;
    world.ready("WebhookSubscription", "one").await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &all)));
    assert_eq!(signed_in(&world), 2, "{}", world.report());
    world.finish().await;
}

fn lost_answers() -> Vec<Fault> {
    vec![
        Fault::Reset(When::After),
        Fault::Close(When::After),
        Fault::Status(When::After, MadeUp::status(500)),
        Fault::EmptyBody,
        Fault::TruncatedBody(20),
        Fault::Hang(When::After),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_an_endpoint_leaves_no_twin() {
    let world = World::named("lost-endpoint").start().await;
    for (number, fault) in lost_answers().into_iter().enumerate() {
        let (name, mark) = (format!("intake-{number}"), world.provider.mark());
        let rule = world.provider.faults().on(Matcher::new("POST", "/webhook_endpoints").once(), fault.clone());
        world.apply([endpoint(&name)]).await;
        let object = world.ready("WebhookEndpoint", &name).await;
        assert_eq!(world.provider.faults().hits(rule), 1);
        world.assert_writes(mark, [("POST endpoint", 1)]);
        let url = format!("https://hooks.example.com/{name}");
        let remotes: Vec<_> = world.provider.endpoints().into_iter().filter(|one| one.target_url == url).collect();
        assert_eq!(remotes.len(), 1, "{fault:?}");
        assert_eq!(object.status()["remoteId"], remotes[0].id.to_string());
        let key = world.secret_value(&format!("{name}-signing"), "current").await;
        assert_eq!(key.as_ref(), Some(&remotes[0].secret_key), "{fault:?}");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_to_a_row_leaves_no_twin() {
    let world = World::named("lost-row").start().await;
    let all = events(24);
    world.apply([endpoint("intake")]).await;
    world.ready("WebhookEndpoint", "intake").await;
    for (number, fault) in lost_answers().into_iter().enumerate() {
        let (wanted, mark) = (&all[..(number + 1) * 4], world.provider.mark());
        let path = "/webhook_endpoints/*/webhook_subscriptions";
        let rule = world.provider.faults().on(Matcher::new("POST", path).nth(2).times(2), fault.clone());
        world.apply([subscription("one", "intake", &[SUNSHINE], wanted)]).await;
        world.ready("WebhookSubscription", "one").await;
        assert_eq!(world.provider.faults().hits(rule), 2, "{fault:?}");
        world.assert_writes(mark, [("POST row", 4)]);
        assert!(world.has_exactly(&pairs(&[SUNSHINE], wanted)), "{fault:?}");
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_connections_are_tried_again() {
    let world = World::named("reset-before").start().await;
    let path = "/webhook_endpoints/*/webhook_subscriptions";
    for matcher in [Matcher::new("POST", "/webhook_endpoints"), Matcher::new("POST", path).nth(3)] {
        world.provider.faults().on(matcher.times(2), Fault::Status(When::Before, MadeUp::status(503)));
    }
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(6))]).await;
    world.all_ready().await;
    assert_eq!(world.provider.endpoints().len(), 1);
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events(6))));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_deleted_by_hand_is_made_again() {
    let world = World::named("row-by-hand").start().await;
    let events = events(3);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let (mark, row) = (world.provider.mark(), world.provider.rows().remove(1));
    assert!(world.provider.edit().delete_row(row.id));
    world.until("healed", |world| world.has_exactly(&pairs(&[SUNSHINE], &events))).await;
    world.rounds(2).await;
    world.assert_writes(mark, [("POST row", 1)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_rows_deleted_by_hand_are_made_again_after_a_second_look() {
    let world = World::named("rows-by-hand").timing(wide_gap).start().await;
    let events = events(12);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    // Rows that a list has shown, not only our own answers.
    world.rounds(1).await;
    // No list is answered before all of them are gone.
    let (done, wait) = tokio::sync::watch::channel(false);
    world.provider.on_request(move |call| match describe(call).as_str() {
        "GET row" => {
            let mut wait = wait.clone();
            HookAction::wait(async move { drop(wait.wait_for(|done| *done).await) })
        }
        _ => HookAction::Proceed,
    });
    world
        .until("every list waits", |world| {
            world.provider.ledger().last().is_some_and(|call| describe(call) == "GET row" && call.status.is_none())
        })
        .await;
    let mark = Mark(world.provider.ledger().last().unwrap().seq - 1);
    for row in world.provider.rows() {
        world.provider.edit().delete_row(row.id);
    }
    done.send_replace(true);
    world.until("healed", |world| world.has_exactly(&pairs(&[SUNSHINE], &events))).await;
    world.all_ready().await;
    world.assert_writes(mark, [("POST row", 12)]);
    assert_looked_twice(&world, mark, "GET row", "POST row");
    world.finish().await;
}

/// Wide enough to be told from the time that calls take on a loaded machine.
fn wide_gap(timing: &mut Timing) {
    timing.plan.absence_gap = Duration::from_millis(700);
}

/// Before the first call of a kind, two lists that were at least the gap of *Absence* apart.
fn assert_looked_twice(world: &World, since: Mark, look: &str, made: &str) {
    let calls = world.provider.calls_since(since);
    let first = calls.iter().position(|call| describe(call) == made).expect(made);
    let looks: Vec<_> = calls[..first].iter().filter(|call| describe(call) == look).collect();
    assert!(!looks.is_empty(), "{:?}\n{}", calls, world.report());
    // The operator counts from when a list starts, the provider from when it arrives.
    let gap = world.settings.timing.plan.absence_gap - Duration::from_millis(100);
    let between = Duration::try_from(looks.last().unwrap().at.duration_since(looks[0].at)).unwrap();
    assert!(looks.len() >= 2 && between >= gap, "{} looks in {between:?}\n{}", looks.len(), world.report());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_deleted_by_hand_is_made_again_after_a_second_look() {
    let world = World::named("endpoint-by-hand").timing(wide_gap).start().await;
    let events = events(3);
    world.apply([endpoint("intake"), endpoint("other")]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.apply([subscription("two", "other", &[LAKESIDE], &events)]).await;
    world.all_ready().await;
    let (intake, mark) = (world.remote_of("intake"), world.provider.mark());
    assert!(world.provider.edit().delete_endpoint(intake.id));
    world.until("healed", |world| world.has_exactly(&pairs(&[SUNSHINE, LAKESIDE], &events))).await;
    world.all_ready().await;
    world.assert_writes(mark, [("POST endpoint", 1), ("POST row", 3)]);
    assert_looked_twice(&world, mark, "GET endpoint", "POST endpoint");
    world.assert_unbroken(mark, &pairs(&[LAKESIDE], &events));
    let key = world.secret_value("intake-signing", "current").await;
    assert_eq!(key, Some(world.remote_of("intake").secret_key));
    world.finish().await;
}
