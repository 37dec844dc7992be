//! What changes at the provider behind the operator's back: seen within an interval, told, repaired, remembered.

use std::time::Duration;

use serde_json::json;
use testbed::nexhealth::{Deactivation, EndpointPatch, SimConfig};

use crate::support::{LAKESIDE, SUNSHINE, World, all_practices, endpoint, events, pairs, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drift_is_told_and_repaired() {
    let world = World::named("drift").start().await;
    let events = events(2);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let (held, mark) = (world.remote_of("intake"), world.provider.mark());
    let moved = EndpointPatch { target_url: Some("https://elsewhere.example.com/".into()), active: None };
    world.provider.edit().patch_endpoint(held.id, &moved).unwrap();
    world.until("put back", |world| world.remote_of("intake").target_url == held.target_url).await;
    world.until_event("intake", "DriftCorrected").await;
    world.assert_writes(mark, [("PATCH endpoint", 1)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fight_is_left_after_three_corrections() {
    let world = World::named("contended").start().await;
    world.apply([endpoint("intake")]).await;
    let held = world.ready("WebhookEndpoint", "intake").await.status()["remoteId"].as_str().unwrap().parse().unwrap();
    let mark = world.provider.mark();
    let moved = EndpointPatch { target_url: Some("https://elsewhere.example.com/".into()), active: None };
    for _ in 0..3 {
        world.provider.edit().patch_endpoint(held, &moved).unwrap();
        world.until("put back", |world| world.remote_of("intake").target_url.contains("hooks")).await;
    }
    world.provider.edit().patch_endpoint(held, &moved).unwrap();
    world.says("WebhookEndpoint", "intake", "False/Contended").await;
    world.rounds(2).await;
    world.assert_writes(mark, [("PATCH endpoint", 3)]);
    let mut edited = endpoint("intake");
    edited["spec"]["signingSecret"] = json!({"template": {"labels": {"team": "a"}}});
    world.apply([edited]).await;
    world.ready("WebhookEndpoint", "intake").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_rows_leave_a_gap_that_names_what_to_fetch() {
    let world = World::named("gap-rows").start().await;
    let events = events(3);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE, LAKESIDE], &events)]).await;
    world.all_ready().await;
    world.rounds(2).await;
    let lost = world.provider.rows().remove(0);
    let deleted = jiff::Timestamp::now();
    assert!(world.provider.edit().delete_row(lost.id));
    let closed = |object: &crate::support::Object| !object.status()["deliveryGaps"][0]["to"].is_null();
    let object = world.wait("WebhookEndpoint", "intake", "the gap is over", closed).await;
    let gap = &object.status()["deliveryGaps"][0];
    assert_eq!((&gap["cause"], &gap["pairs"]), (&json!("SubscriptionsMissing"), &json!(1)), "{gap}");
    assert_eq!(gap["practices"], json!([lost.subdomain.unwrap()]));
    let time = |name: &str| gap[name].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert!(time("from") <= deleted, "doubt makes it longer: {gap}, deleted at {deleted}");
    assert!(time("to").as_second() >= deleted.as_second(), "{gap}");
    assert!(world.has_exactly(&pairs(&[SUNSHINE, LAKESIDE], &events)));
    world.until_event("intake", "DeliveryGap").await;
    world.rounds(2).await;
    assert_eq!(
        world.recorder.get("WebhookEndpoint", "intake").unwrap().status()["deliveryGaps"].as_array().unwrap().len(),
        1
    );
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_provider_switched_off_is_switched_on_again_with_its_rows() {
    let brief = |timing: &mut external_webhooks::controller::Timing| {
        timing.plan.reactivation = [400, 60_000, 60_000, 60_000].map(Duration::from_millis);
    };
    let both = |config: &mut SimConfig| {
        config.switches.deactivation = Deactivation::WithSubscriptions;
    };
    let world = World::named("reactivate").timing(brief).provider(both).start().await;
    let events = events(2);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    world
        .until("the count is written", |world| {
            world.recorder.get("WebhookEndpoint", "intake").unwrap().status()["subscriptions"]["active"] == 2
        })
        .await;
    let held = world.remote_of("intake");
    world.provider.edit().deactivate(held.id);
    let off = world.has_said("WebhookEndpoint", "intake", "False/SwitchedOffRemotely").await;
    assert_eq!(off.said("Active"), "False/SwitchedOffRemotely");
    world.until_event("intake", "SwitchedOffRemotely").await;
    world.has_said("WebhookSubscription", "one", "False/EndpointInactive").await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    assert_eq!(object.status()["reactivation"]["attempts"], 1);
    world.ready("WebhookSubscription", "one").await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)), "rows follow their endpoint");
    let closed = |object: &crate::support::Object| !object.status()["deliveryGaps"][0]["to"].is_null();
    let object = world.wait("WebhookEndpoint", "intake", "the gap is over", closed).await;
    let gap = &object.status()["deliveryGaps"][0];
    let from: jiff::Timestamp = gap["from"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(from).as_hours() >= 47, "deliveries had failed for two days: {gap}");
    assert_eq!(gap["pairs"], 2);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_declares_is_deleted_slowly_and_only_in_scope() {
    let world = World::named("undeclared").start().await;
    let all = events(16);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &all[..1])]).await;
    world.apply([subscription("two", "intake", &[SUNSHINE], &all[1..2])]).await;
    world.all_ready().await;
    let held = world.remote_of("intake");
    for pair in &all[2..] {
        world.provider.edit().create_row(held.id, SUNSHINE, pair.resource_type, pair.event).unwrap();
    }
    world.provider.edit().create_row(held.id, LAKESIDE, all[2].resource_type, all[2].event).unwrap();
    world
        .until("reported", |world| {
            world.recorder.get("WebhookEndpoint", "intake").unwrap().status()["subscriptions"]["undeclared"] == 15
        })
        .await;
    let mark = world.provider.mark();
    let mut object = subscription("one", "intake", &[SUNSHINE], &all[..1]);
    object["spec"]["undeclared"] = "Delete".into();
    world.apply([object]).await;
    world.until("the first few are gone", |world| world.provider.rows().len() < 17).await;
    world.until("only what is declared, and what is not in scope", |world| world.provider.rows().len() == 3).await;
    world.assert_writes(mark, [("DELETE row", 14)]);
    let deletes: Vec<_> = world.provider.calls_since(mark).into_iter().filter(|call| call.method == "DELETE").collect();
    let apart = deletes[10].at.duration_since(deletes[0].at);
    assert!(apart.as_millis() >= 250, "ten per interval: the eleventh came after {apart:?}");
    world.rounds(2).await;
    assert_eq!(world.provider.rows().len(), 3);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_practice_that_left_keeps_its_rows_for_a_while() {
    let world = World::named("practice-left")
        .timing(|timing| timing.plan.unreachable = Duration::from_millis(1500))
        .start()
        .await;
    let events = events(2);
    world.apply([endpoint("intake"), all_practices("fleet", "intake", &[], &events)]).await;
    world.all_ready().await;
    assert_eq!(world.provider.rows().len(), 6);
    world.provider.edit().remove_institution(LAKESIDE).unwrap();
    world.until_event("fleet", "PracticeUnreachable").await;
    assert_eq!(world.provider.rows().len(), 6, "nothing is lost at once");
    world.until("its rows are taken back", |world| world.provider.rows().len() == 4).await;
    world.until_event("fleet", "Pruned").await;
    world.all_ready().await;
    world.finish().await;
}
