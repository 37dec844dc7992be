//! Hero Health: a key is replaced by making each webhook anew and deleting the former one at once.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use testbed::herohealth::{Duplicates, Fault, KeyOnList, LiveQuery, Matcher, SimConfig, Simulator, When};

use super::{HERO, endpoint_at, events_at, with_hero};
use crate::support::{Object, PATIENCE, World};

const EVENTS: [&str; 4] =
    ["appointment.confirmed", "appointment.rescheduled", "prescription.issued", "patient.added-to-sequence"];

fn rotating(request: &str, overlap: &str) -> Value {
    let mut object = endpoint_at(HERO, "intake");
    object["spec"]["signingSecret"] =
        json!({"rotation": {"requestId": request, "publishDelay": "0s", "overlap": overlap}});
    object
}

fn keys(hero: &Simulator) -> BTreeSet<String> {
    hero.webhooks().into_iter().filter_map(|webhook| webhook.signing_key).collect()
}

fn at_rest(object: &Object) -> bool {
    object.is_ready() && object.said("Rotating") == "-/-"
}

async fn key(world: &World, name: &str) -> Option<String> {
    world.secret_value("intake-signing", name).await
}

/// No event was ever without a webhook, and none had more than two.
fn assert_bounded(hero: &Simulator, mark: testbed::herohealth::Mark) {
    for event in EVENTS {
        let stretches = hero.timeline(&LiveQuery::new(SimConfig::GROUP, event), mark);
        assert!(stretches.iter().all(|stretch| (1..=2).contains(&stretch.live)), "{event}: {stretches:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_without_a_gap_and_each_event_is_doubled_for_one_call() {
    for (name, form) in [("hero-rotation", KeyOnList::Returned), ("hero-rotation-hidden", KeyOnList::Masked)] {
        let (world, hero) = with_hero(name).await;
        hero.switch(|switches| switches.key_on_list = form);
        world.apply([rotating("", "1s"), events_at("some", "intake", &EVENTS)]).await;
        world.all_ready().await;
        let (first, mark) = (key(&world, "current").await.unwrap(), hero.mark());
        world.apply([rotating("one", "1s")]).await;
        let draining = |object: &Object| object.said("Rotating") == "True/Draining";
        world.wait("WebhookEndpoint", "intake", "everything is switched", draining).await;
        let second = key(&world, "current").await.unwrap();
        assert_ne!(first, second);
        assert_eq!(key(&world, "previous").await.as_ref(), Some(&first), "receivers verify with both");
        assert_eq!(keys(&hero), BTreeSet::from([second.clone()]), "{}", world.report());
        world.wait("WebhookEndpoint", "intake", "at rest", at_rest).await;
        assert_eq!((key(&world, "current").await, key(&world, "previous").await), (Some(second), None));
        assert_bounded(&hero, mark);
        // One call pair each, the former one deleted before the next event is begun.
        let calls: Vec<String> =
            hero.calls_since(mark).into_iter().filter(|call| call.is_write()).map(|call| call.method).collect();
        assert_eq!(calls.len(), 2 * EVENTS.len(), "{calls:?}");
        world.all_ready().await;
        let counted = format!("external_webhooks_webhooks_replaced_total{{provider=\"herohealth\"}} {}", EVENTS.len());
        assert!(world.metrics_page().contains(&counted), "{}", world.metrics_page());
        let object = world.ready("WebhookSubscription", "some").await;
        let fingerprint =
            world.ready("WebhookEndpoint", "intake").await.status()["signingSecret"]["fingerprint"].clone();
        let rows = object.status()["subscriptions"].as_array().unwrap().clone();
        assert!(rows.iter().all(|row| row["keyFingerprint"] == fingerprint), "{rows:?}");
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_at_any_call_of_a_rotation_neither_loses_nor_doubles() {
    let (mut world, hero) = with_hero("hero-kills").await;
    world.apply([rotating("", "0s"), events_at("some", "intake", &EVENTS)]).await;
    world.all_ready().await;
    for kill in 1..=2 * EVENTS.len() {
        let mark = hero.mark();
        world.apply([rotating(&format!("request-{kill}"), "0s")]).await;
        let enough = |hero: &Simulator| hero.calls_since(mark).iter().filter(|call| call.is_write()).count() >= kill;
        assert!(hero.wait_until(enough, PATIENCE).await, "{}", world.report());
        world.kill_operator().await;
        world.start_operator();
        world.wait("WebhookEndpoint", "intake", "at rest", at_rest).await;
        world.all_ready().await;
        let current = key(&world, "current").await.unwrap();
        assert_eq!(keys(&hero), BTreeSet::from([current]), "kill {kill}\n{}", world.report());
        assert_eq!(hero.webhooks().len(), EVENTS.len(), "kill {kill}\n{}", world.report());
        assert_bounded(&hero, mark);
    }
    world.finish().await;
}

/// rules.md *Providers of another shape*: where lists hide keys, ids in the status alone decide.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_keys_are_hidden_a_webhook_that_a_crash_left_unrecorded_is_named_and_left_alone() {
    let (mut world, hero) = with_hero("hero-kill-hidden").await;
    hero.switch(|switches| switches.key_on_list = KeyOnList::Absent);
    world.apply([rotating("", "0s"), events_at("some", "intake", &EVENTS[..1])]).await;
    world.all_ready().await;
    let known = hero.webhooks().remove(0).id;
    // Made, but its answer never came, and the process that asked for it is gone.
    hero.faults().on(Matcher::new("POST", "/v1/webhooks").once(), Fault::Hang(When::After));
    world.apply([rotating("one", "0s")]).await;
    assert!(hero.wait_until(|hero| hero.webhooks().len() == 2, PATIENCE).await, "{}", world.report());
    world.kill_operator().await;
    world.start_operator();
    let unrecorded = hero.webhooks().into_iter().find(|webhook| webhook.id != known).unwrap().id;
    let named = |object: &Object| {
        object.said("RotationOverdue") == "True/MoveRefused"
            && object.message("RotationOverdue").contains(&format!("delete {unrecorded} there"))
    };
    world.wait("WebhookEndpoint", "intake", "it is named", named).await;
    assert_eq!(hero.webhooks().len(), 2, "neither doubled again nor deleted");
    assert!(key(&world, "previous").await.is_some(), "both keys verify meanwhile");
    hero.edit().delete(&unrecorded);
    world.wait("WebhookEndpoint", "intake", "at rest", at_rest).await;
    let current = key(&world, "current").await.unwrap();
    assert_eq!(keys(&hero), BTreeSet::from([current]));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_in_a_rotation_makes_no_twin_that_stays() {
    let (world, hero) = with_hero("hero-lost-answer").await;
    world.apply([rotating("", "0s"), events_at("some", "intake", &EVENTS)]).await;
    world.all_ready().await;
    for (round, fault) in [Fault::Reset(When::After), Fault::TruncatedBody(20)].into_iter().enumerate() {
        let mark = hero.mark();
        hero.faults().on(Matcher::new("POST", "/v1/webhooks").times(2), fault);
        world.apply([rotating(&format!("lost-{round}"), "0s")]).await;
        world
            .wait("WebhookEndpoint", "intake", "at rest", |object| {
                at_rest(object) && object.status()["rotation"]["lastHandledRequestId"] == format!("lost-{round}")
            })
            .await;
        let current = key(&world, "current").await.unwrap();
        assert_eq!(keys(&hero), BTreeSet::from([current]), "{}", world.report());
        assert_eq!(hero.webhooks().len(), EVENTS.len(), "{}", world.report());
        assert_bounded(&hero, mark);
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_declares_is_moved_as_well() {
    let (world, hero) = with_hero("hero-undeclared").await;
    world.apply([rotating("", "0s"), events_at("some", "intake", &EVENTS)]).await;
    world.all_ready().await;
    // Made by hand with the object's own key: nobody declares it, and its key is to go all the same.
    let first = key(&world, "current").await.unwrap();
    hero.edit().create(SimConfig::GROUP, "write-to-record.failed", "https://hooks.example.com/intake", Some(&first));
    world.apply([rotating("one", "0s")]).await;
    let done = |object: &Object| at_rest(object) && object.status()["rotation"]["lastHandledRequestId"] == "one";
    world.wait("WebhookEndpoint", "intake", "at rest", done).await;
    let second = key(&world, "current").await.unwrap();
    assert_eq!(keys(&hero), BTreeSet::from([second]));
    assert_eq!(hero.webhooks().len(), EVENTS.len() + 1);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_second_webhook_with_one_url_is_refused_another_url_is_the_way_out() {
    let (world, hero) = with_hero("hero-duplicates").await;
    hero.switch(|switches| switches.duplicates = Duplicates::Refuse);
    world.apply([rotating("", "0s"), events_at("some", "intake", &EVENTS)]).await;
    world.all_ready().await;
    let mark = hero.mark();
    world.apply([rotating("one", "0s")]).await;
    let named = |object: &Object| {
        object.said("RotationOverdue") == "True/DuplicateUrlRefused"
            && object.message("RotationOverdue").contains("change spec.targetUrl")
    };
    world.wait("WebhookEndpoint", "intake", "the way out is named", named).await;
    assert!(key(&world, "previous").await.is_some(), "both keys verify meanwhile");
    let mut elsewhere = rotating("one", "0s");
    elsewhere["spec"]["targetUrl"] = json!("https://hooks.example.com/intake?key=2");
    world.apply([elsewhere]).await;
    let done = |object: &Object| at_rest(object) && object.status()["rotation"]["lastHandledRequestId"] == "one";
    world.wait("WebhookEndpoint", "intake", "at rest", done).await;
    let current = key(&world, "current").await.unwrap();
    assert_eq!(keys(&hero), BTreeSet::from([current]));
    assert!(hero.webhooks().len() == EVENTS.len() && hero.webhooks().iter().all(|one| one.url.ends_with("?key=2")));
    assert_bounded(&hero, mark);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scheduled_rotation_begins_by_itself() {
    let (world, hero) = with_hero("hero-scheduled").await;
    world.apply([rotating("", "0s"), events_at("some", "intake", &EVENTS[..1])]).await;
    world.all_ready().await;
    let first = key(&world, "current").await.unwrap();
    // As if the key were old: the status is where the age of a key is kept.
    let mut object = world.recorder.get("WebhookEndpoint", "intake").unwrap().value;
    object["status"]["signingSecret"]["lastRotationTime"] = json!("2026-01-01T00:00:00Z");
    world.write_status("WebhookEndpoint", "intake", &object["status"]).await;
    let mut scheduled = rotating("", "0s");
    scheduled["spec"]["signingSecret"]["rotation"]["interval"] = json!("720h");
    world.apply([scheduled]).await;
    let renewed = |hero: &Simulator| hero.webhooks().len() == 1 && !keys(hero).contains(&first);
    assert!(hero.wait_until(renewed, PATIENCE).await, "{}", world.report());
    world.wait("WebhookEndpoint", "intake", "at rest", at_rest).await;
    tokio::time::timeout(Duration::from_secs(60), world.finish()).await.unwrap();
}
