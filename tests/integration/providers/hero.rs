//! Hero Health: one webhook per event, made with a key that is in the Secret first; nothing there can be changed.

use serde_json::json;
use testbed::herohealth::{Change, EventList, KeyOnList, LiveQuery, SimConfig, Simulator};

use super::{HERO, endpoint_at, events_at, with_hero};
use crate::support::{Object, World};

const ALL: [&str; 8] = [
    "appointment.confirmed",
    "appointment.rescheduled",
    "appointment.cancelled",
    "prescription.issued",
    "patient.medical-record-updated",
    "patient.added-to-sequence",
    "write-to-record.succeeded",
    "write-to-record.failed",
];

/// Events, URLs and keys of the webhooks that are there.
fn webhooks(hero: &Simulator) -> Vec<(String, String, Option<String>)> {
    let mut found: Vec<_> = hero.webhooks().into_iter().map(|one| (one.event_type, one.url, one.signing_key)).collect();
    found.sort();
    found
}

fn has_exactly(hero: &Simulator, events: &[&str], url: &str, key: &str) -> bool {
    let mut wanted: Vec<_> =
        events.iter().map(|event| ((*event).to_owned(), url.to_owned(), Some(key.to_owned()))).collect();
    wanted.sort();
    webhooks(hero) == wanted
}

async fn key(world: &World, name: &str) -> String {
    world.secret_value(&format!("{name}-signing"), "current").await.expect("a published key")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_a_webhook_with_the_key_of_the_secret() {
    let (world, hero) = with_hero("hero").await;
    world.apply([endpoint_at(HERO, "intake"), events_at("all", "intake", &ALL)]).await;
    world.all_ready().await;
    let current = key(&world, "intake").await;
    assert_eq!(current.len(), 64, "32 random bytes");
    assert!(has_exactly(&hero, &ALL, "https://hooks.example.com/intake", &current), "{:?}", webhooks(&hero));
    let counted = |object: &Object| object.status()["subscriptions"] == json!({"active": 8, "undeclared": 0});
    let endpoint = world.wait("WebhookEndpoint", "intake", "counted", counted).await;
    assert_eq!(endpoint.status()["remoteId"], json!(null), "the endpoint holds no id");
    assert_eq!(endpoint.said("Active"), "True/Delivering");
    let subscription = world.ready("WebhookSubscription", "all").await;
    let rows = subscription.status()["subscriptions"].as_array().unwrap().clone();
    assert_eq!(rows.len(), 8, "status lists every row");
    let fingerprint = &endpoint.status()["signingSecret"]["fingerprint"];
    assert!(rows.iter().all(|row| row["keyFingerprint"] == *fingerprint), "{rows:?}");
    assert_eq!(subscription.said("KnownEvents"), "True/AllKnown");
    let remote = json!({"endpoints": 0, "subscriptions": 8, "unclaimedEndpoints": 0});
    world.wait("ProviderAccount", HERO, "counted", |object| object.status()["remote"] == remote).await;

    // At rest nothing is written, and a restart makes nothing again.
    let (mark, mut world) = (hero.mark(), world);
    world.stop_operator().await;
    world.start_operator();
    assert!(hero.wait_for(|calls| calls.len() > 3, crate::support::PATIENCE).await);
    world.all_ready().await;
    let writes = hero.calls_since(mark).into_iter().filter(|call| call.is_write()).count();
    assert_eq!(writes, 0, "{}", world.report());

    // An event less, an event more, the object gone: exactly that.
    world.apply([events_at("all", "intake", &ALL[1..])]).await;
    let left = |hero: &Simulator| has_exactly(hero, &ALL[1..], "https://hooks.example.com/intake", &current);
    assert!(hero.wait_until(|hero| hero.webhooks().len() == 7, crate::support::PATIENCE).await, "{}", world.report());
    assert!(left(&hero), "{:?}", webhooks(&hero));
    world.delete("WebhookEndpoint", "intake").await;
    world.gone("WebhookEndpoint", "intake").await;
    assert!(hero.webhooks().is_empty(), "{:?}", webhooks(&hero));
    world.delete("WebhookSubscription", "all").await;
    world.gone("WebhookSubscription", "all").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_key_is_in_the_secret_before_the_first_webhook() {
    let (world, hero) = with_hero("hero-key-first").await;
    world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &ALL[..2])]).await;
    world.all_ready().await;
    let secret = world.secrets().get("intake-signing").await.unwrap();
    let made = hero.journal().into_iter().find(|entry| matches!(entry.change, Change::Created(_))).unwrap();
    let written = secret.metadata.creation_timestamp.unwrap().0;
    assert!(made.at.as_second() >= written.as_second(), "the Secret came first");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_url_is_made_new_before_the_former_is_deleted() {
    let (world, hero) = with_hero("hero-url").await;
    world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &ALL[..3])]).await;
    world.all_ready().await;
    let (current, mark) = (key(&world, "intake").await, hero.mark());
    let mut moved = endpoint_at(HERO, "intake");
    moved["spec"]["targetUrl"] = json!("https://hooks.example.com/elsewhere");
    world.apply([moved]).await;
    let url = "https://hooks.example.com/elsewhere";
    let done = |stand: &Simulator| has_exactly(stand, &ALL[..3], url, &current);
    assert!(hero.wait_until(done, crate::support::PATIENCE).await, "{:?}\n{}", webhooks(&hero), world.report());
    world.all_ready().await;
    for event in &ALL[..3] {
        let stretches = hero.timeline(&LiveQuery::new(SimConfig::GROUP, event), mark);
        assert!(stretches.iter().all(|stretch| stretch.live >= 1), "{event} had a gap: {stretches:?}");
    }
    assert_eq!(key(&world, "intake").await, current, "the key stays");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn off_is_gone_and_on_is_made_again() {
    let (world, hero) = with_hero("hero-off").await;
    world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &ALL[..2])]).await;
    world.all_ready().await;
    let mut off = events_at("some", "intake", &ALL[..2]);
    off["spec"]["active"] = json!(false);
    world.apply([off]).await;
    assert!(hero.wait_until(|hero| hero.webhooks().is_empty(), crate::support::PATIENCE).await, "{}", world.report());
    let object = world.ready("WebhookSubscription", "some").await;
    assert_eq!((&object.status()["desired"], &object.status()["active"]), (&json!(2), &json!(0)));
    world.apply([events_at("some", "intake", &ALL[..2])]).await;
    assert!(hero.wait_until(|hero| hero.webhooks().len() == 2, crate::support::PATIENCE).await, "{}", world.report());
    let mut off = endpoint_at(HERO, "intake");
    off["spec"]["active"] = json!(false);
    world.apply([off]).await;
    assert!(hero.wait_until(|hero| hero.webhooks().is_empty(), crate::support::PATIENCE).await, "{}", world.report());
    let endpoint = world.ready("WebhookEndpoint", "intake").await;
    assert_eq!(endpoint.said("Active"), "False/AsDeclared");
    world.says("WebhookSubscription", "some", "False/EndpointInactive").await;
    world.apply([endpoint_at(HERO, "intake")]).await;
    assert!(hero.wait_until(|hero| hero.webhooks().len() == 2, crate::support::PATIENCE).await, "{}", world.report());
    world.all_ready().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_beyond_the_catalogue_are_sent_and_reported_and_the_provider_decides() {
    let (world, hero) = with_hero("hero-unknown").await;
    hero.switch(|switches| switches.events = EventList::WithForms);
    let wanted = ["appointment.confirmed", "form-submission.created", "appointment.confirmd"];
    world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &wanted)]).await;
    let object = world.says("WebhookSubscription", "some", "False/PartlyRejected").await;
    assert_eq!(object.said("KnownEvents"), "False/UnknownEvents");
    let message = object.condition("KnownEvents")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("did you mean appointment.confirmed"), "{message}");
    assert_eq!(object.status()["failures"][0]["event"], "appointment.confirmd");
    assert_eq!(hero.webhooks().len(), 2, "{:?}", webhooks(&hero));

    // What has no meaning here is said so.
    let mut odd = events_at("odd", "intake", &["prescription.issued"]);
    odd["spec"]["events"][0]["resourceType"] = json!("Prescription");
    let mut of_practices = events_at("practices", "intake", &["prescription.issued"]);
    of_practices["spec"].as_object_mut().unwrap().remove("accountWide");
    of_practices["spec"]["practices"] = json!(["north"]);
    world.apply([odd, of_practices]).await;
    let odd = world.says("WebhookSubscription", "odd", "False/Rejected").await;
    assert!(odd.status()["failures"][0]["message"].as_str().unwrap().contains("remove resourceType"));
    let practices = world.says("WebhookSubscription", "practices", "False/Rejected").await;
    assert!(practices.status()["failures"][0]["message"].as_str().unwrap().contains("spec.accountWide"));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_webhook_with_the_same_url_and_event_is_never_doubled() {
    for (name, form) in [("hero-stranger", KeyOnList::Returned), ("hero-stranger-hidden", KeyOnList::Masked)] {
        let (world, hero) = with_hero(name).await;
        hero.switch(|switches| switches.key_on_list = form);
        let url = "https://hooks.example.com/intake";
        let theirs = hero.edit().create(SimConfig::GROUP, ALL[0], url, Some("somebody-elses-key-0001"));
        world.apply([endpoint_at(HERO, "intake"), events_at("some", "intake", &ALL[..2])]).await;
        let object = world.says("WebhookSubscription", "some", "False/RemoteExists").await;
        let failure = &object.status()["failures"][0];
        assert_eq!(failure["reason"], "RemoteExists", "{failure}");
        assert!(failure["message"].as_str().unwrap().contains(&theirs.id), "{failure}");
        assert_eq!(hero.webhooks().len(), 2, "{:?}", webhooks(&hero));
        let unclaimed = json!([{"id": theirs.id, "targetUrl": url}]);
        world.wait("ProviderAccount", HERO, "unclaimed", |object| object.status()["unclaimed"] == unclaimed).await;
        // Once it is gone ours is made by itself.
        hero.edit().delete(&theirs.id);
        world.all_ready().await;
        assert_eq!(hero.webhooks().len(), 2);
        world.finish().await;
    }
}
