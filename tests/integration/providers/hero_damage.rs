//! Hero Health: what people and networks do to webhooks, Secrets and statuses.

use std::collections::BTreeSet;

use serde_json::json;
use testbed::herohealth::{Fault, KeyOnList, Matcher, SimConfig, Simulator, When};

use super::{HERO, endpoint_at, events_at, with_hero};
use crate::support::{Object, PATIENCE, World};

const EVENTS: [&str; 3] = ["appointment.confirmed", "appointment.rescheduled", "prescription.issued"];

async fn key(world: &World) -> Option<String> {
    world.secret_value("intake-signing", "current").await
}

fn is_whole(hero: &Simulator, key: &str) -> bool {
    let found: BTreeSet<String> = hero.webhooks().into_iter().map(|webhook| webhook.event_type).collect();
    hero.webhooks().len() == EVENTS.len()
        && found == EVENTS.iter().map(|event| (*event).to_owned()).collect()
        && hero.webhooks().iter().all(|webhook| webhook.signing_key.as_deref() == Some(key))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_deleted_by_hand_is_made_again_and_a_twin_is_removed() {
    let (world, hero) = with_hero("hero-by-hand").await;
    world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &EVENTS)]).await;
    world.all_ready().await;
    let current = key(&world).await.unwrap();
    let gone = hero.webhooks().remove(0);
    hero.edit().delete(&gone.id);
    assert!(hero.wait_until(|hero| is_whole(hero, &current), PATIENCE).await, "{}", world.report());
    world.until_event("some", "SubscriptionMissing").await;
    hero.edit().create(SimConfig::GROUP, EVENTS[1], "https://hooks.example.com/intake", Some(&current));
    assert_eq!(hero.webhooks().len(), 4);
    assert!(hero.wait_until(|hero| is_whole(hero, &current), PATIENCE).await, "{}", world.report());
    for webhook in hero.webhooks() {
        hero.edit().delete(&webhook.id);
    }
    assert!(hero.wait_until(|hero| is_whole(hero, &current), PATIENCE).await, "all of them, after a second look");
    world.all_ready().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_answers_of_creates_and_deletes_leave_each_event_once() {
    for fault in [Fault::Reset(When::After), Fault::Reset(When::Before), Fault::TruncatedBody(20)] {
        let (world, hero) = with_hero("hero-lost").await;
        hero.faults().on(Matcher::new("POST", "/v1/webhooks").times(2), fault.clone());
        world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &EVENTS)]).await;
        world.all_ready().await;
        let current = key(&world).await.unwrap();
        assert!(is_whole(&hero, &current), "{}", world.report());
        hero.faults().on(Matcher::new("DELETE", "/v1/webhooks/*").once(), fault);
        world.delete("WebhookEndpoint", "intake").await;
        world.gone("WebhookEndpoint", "intake").await;
        assert!(hero.webhooks().is_empty());
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_secret_is_put_back_from_the_list_or_replaced_where_lists_hide_keys() {
    for (name, form) in [("hero-secret", KeyOnList::Returned), ("hero-secret-hidden", KeyOnList::Masked)] {
        let (mut world, hero) = with_hero(name).await;
        hero.switch(|switches| switches.key_on_list = form);
        let mut endpoint = endpoint_at(HERO, "intake");
        endpoint["spec"]["signingSecret"] = json!({"rotation": {"publishDelay": "0s", "overlap": "0s"}});
        world.apply([endpoint, events_at("some", "intake", &EVENTS)]).await;
        world.all_ready().await;
        let current = key(&world).await.unwrap();
        // While a process remembers the key, it is put back whatever lists show.
        world.secrets().delete("intake-signing", &Default::default()).await.unwrap();
        world.until_secret("intake-signing", |secret| secret == Some(&current)).await;
        // After a restart only the provider can know it.
        world.stop_operator().await;
        world.secrets().delete("intake-signing", &Default::default()).await.unwrap();
        world.start_operator();
        if form == KeyOnList::Returned {
            world.until_secret("intake-signing", |secret| secret == Some(&current)).await;
            assert!(is_whole(&hero, &current));
        } else {
            world.until_secret("intake-signing", |secret| secret.is_some_and(|key| *key != current)).await;
            let done = |object: &Object| object.is_ready() && object.said("Rotating") == "-/-";
            world.wait("WebhookEndpoint", "intake", "another key is in use", done).await;
            let new = key(&world).await.unwrap();
            assert!(hero.wait_until(|hero| is_whole(hero, &new), PATIENCE).await, "{}", world.report());
            let object = world.ready("WebhookEndpoint", "intake").await;
            assert_eq!(object.status()["deliveryGaps"][0]["cause"], "SigningKeyLost", "{}", object.value);
        }
        world.all_ready().await;
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_status_is_found_again_by_the_key() {
    let (mut world, hero) = with_hero("hero-status").await;
    world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &EVENTS)]).await;
    world.all_ready().await;
    let (current, mark) = (key(&world).await.unwrap(), hero.mark());
    world.stop_operator().await;
    world.write_status("WebhookEndpoint", "intake", &json!({"observedGeneration": -1})).await;
    world.write_status("WebhookSubscription", "some", &json!({"observedGeneration": -1})).await;
    world.record_anew().await;
    world.start_operator();
    world.all_ready().await;
    assert!(is_whole(&hero, &current), "{}", world.report());
    assert_eq!(hero.calls_since(mark).iter().filter(|call| call.is_write()).count(), 0, "{}", world.report());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphan_leaves_webhooks_and_a_key_that_garbage_collection_spares() {
    let (world, hero) = with_hero("hero-orphan").await;
    let mut endpoint = endpoint_at(HERO, "intake");
    endpoint["spec"]["deletionPolicy"] = json!("Orphan");
    world.apply([endpoint, events_at("some", "intake", &EVENTS)]).await;
    world.all_ready().await;
    let current = key(&world).await.unwrap();
    world.delete("WebhookEndpoint", "intake").await;
    world.gone("WebhookEndpoint", "intake").await;
    assert!(is_whole(&hero, &current));
    assert_eq!(key(&world).await.as_ref(), Some(&current));
    let secret = world.secrets().get("intake-signing").await.unwrap();
    assert!(secret.metadata.owner_references.unwrap_or_default().is_empty());
    // The same object again takes up what is there: the Secret proves possession.
    let mark = hero.mark();
    world.apply([endpoint_at(HERO, "intake")]).await;
    world.all_ready().await;
    assert!(is_whole(&hero, &current), "{}", world.report());
    assert_eq!(hero.calls_since(mark).iter().filter(|call| call.is_write()).count(), 0, "{}", world.report());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn suspended_it_says_what_it_would_do_and_does_nothing() {
    let (world, hero) = with_hero("hero-suspended").await;
    let mut suspended = endpoint_at(HERO, "intake");
    suspended["spec"]["suspend"] = json!(true);
    world.apply([suspended, events_at("some", "intake", &EVENTS)]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/Suspended").await;
    assert!(object.status()["plan"][0].as_str().unwrap().contains("make a signing key"), "{}", object.value);
    assert!(hero.webhooks().is_empty());
    world.apply([endpoint_at(HERO, "intake")]).await;
    world.all_ready().await;
    let mut moved = endpoint_at(HERO, "intake");
    moved["spec"]["suspend"] = json!(true);
    moved["spec"]["targetUrl"] = json!("https://hooks.example.com/elsewhere");
    world.apply([moved]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/Suspended").await;
    assert!(object.status()["plan"][0].as_str().unwrap().contains("https://hooks.example.com/elsewhere"));
    assert!(hero.webhooks().iter().all(|webhook| webhook.url.ends_with("/intake")));
    world.apply([endpoint_at(HERO, "intake")]).await;
    world.all_ready().await;
    world.finish().await;
}
