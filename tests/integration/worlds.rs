//! rules.md *Absence*: a key that shows another world, and the two ways out.

use std::time::Duration;

use serde_json::json;
use testbed::nexhealth::{ApiKey, Institution, Mode, Organisation};

use crate::support::{SUNSHINE, World, endpoint, events, pairs, secret, subscription};

const OTHER: &str = "canary-key-other-organisation-01";

fn with_another_organisation(config: &mut testbed::nexhealth::SimConfig) {
    let mut other: Organisation = config.organisations[0].clone();
    other.name = "another".into();
    other.keys = vec![ApiKey::new("main", OTHER, Mode::Production)];
    other.institutions = vec![Institution::new(900, SUNSHINE, "Another Sunshine")];
    config.organisations.push(other);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_of_another_organisation_writes_nothing_until_a_person_accepts_it() {
    let world = World::named("other-world").provider(with_another_organisation).start().await;
    let events = events(2);
    world.apply([endpoint("a"), endpoint("b"), subscription("one", "a", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let (mark, before) = (world.provider.mark(), world.provider.endpoints().len());
    world.apply([secret("nexhealth", OTHER)]).await;
    let account = world.says("ProviderAccount", "default", "False/ScopeSuspect").await;
    let fingerprint = account.status()["scope"]["fingerprint"].as_str().unwrap().to_owned();
    assert!(account.condition("Ready")["message"].as_str().unwrap().contains(&fingerprint));
    world.says("WebhookEndpoint", "a", "Unknown/AccountNotReady").await;
    world.delete("WebhookEndpoint", "b").await;
    world.rounds(4).await;
    assert!(world.recorder.get("WebhookEndpoint", "b").is_some(), "no finalizer leaves");
    world.assert_writes(mark, []);
    let mut accepted = world.account("default");
    accepted["spec"]["acceptScope"] = json!(fingerprint);
    world.apply([accepted]).await;
    world.gone("WebhookEndpoint", "b").await;
    world.ready("WebhookEndpoint", "a").await;
    world.ready("WebhookSubscription", "one").await;
    let account = world.ready("ProviderAccount", "default").await;
    assert_ne!(account.status()["scope"]["fingerprint"], json!(fingerprint), "it counts once");
    assert_eq!(world.provider.endpoints().len(), before + 1, "one in the new world, the old ones untouched");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_gone_at_once_is_held_and_then_made_again() {
    let hold = |timing: &mut external_webhooks::controller::Timing| timing.realm.suspect = Duration::from_millis(2500);
    let world = World::named("wiped").timing(hold).start().await;
    let events = events(2);
    world.apply([endpoint("a"), endpoint("b"), subscription("one", "a", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    world.rounds(1).await;
    let mark = world.provider.mark();
    for remote in world.provider.endpoints() {
        assert!(world.provider.edit().delete_endpoint(remote.id));
    }
    let wiped = jiff::Timestamp::now();
    world.says("ProviderAccount", "default", "False/ScopeSuspect").await;
    world.until("made again", |world| world.has_exactly(&pairs(&[SUNSHINE], &events))).await;
    world.all_ready().await;
    let first = world.provider.calls_since(mark).into_iter().find(|call| call.is_write()).unwrap();
    assert!(first.at.duration_since(wiped).as_millis() >= 2300, "held: {:?}", first.at.duration_since(wiped));
    world.assert_writes(mark, [("POST endpoint", 2), ("POST row", 2)]);
    world.finish().await;
}
