//! rules.md *Which remote is mine*, on the real API server: take-over, proof of possession, strangers left alone.

use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use testbed::nexhealth::{ApiKey, Mode, SimConfig};

use crate::support::{SUNSHINE, World, endpoint, events, pairs, secret, subscription};

const URL: &str = "https://hooks.example.com/intake";
const SECOND: &str = "canary-key-second-0123456789";

fn adopting(change: Value) -> Value {
    let mut object = endpoint("intake");
    for (name, value) in change.as_object().unwrap() {
        object["spec"][name] = value.clone();
    }
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_named_and_taken_over_only_when_asked() {
    let world = World::named("adopt").start().await;
    let organisation = SimConfig::ORGANISATION;
    let events = events(3);
    let stranger = world.provider.edit().create_endpoint(organisation, URL);
    for pair in &events[..2] {
        world.provider.edit().create_row(stranger.id, SUNSHINE, pair.resource_type, pair.event).unwrap();
    }
    let mark = world.provider.mark();
    world.apply([endpoint("intake")]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/RemoteExists").await;
    let message = object.condition("Ready")["message"].as_str().unwrap();
    assert!(message.contains(&stranger.id.to_string()) && message.contains("spec.adoptRemoteId"), "{message}");
    world.assert_writes(mark, []);
    world.apply([adopting(json!({"adoption": "IfUnclaimed"}))]).await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    assert_eq!(object.status()["remoteId"], stranger.id.to_string());
    let key = world.secret_value("intake-signing", "current").await;
    assert_eq!(key, Some(stranger.secret_key.clone()));
    world.apply([subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)));
    world.assert_writes(mark, [("POST row", 1)]);
    assert!(world.event_reasons("intake").await.contains(&"Adopted".to_owned()));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_candidates_a_person_chooses() {
    let world = World::named("adopt-several").start().await;
    let organisation = SimConfig::ORGANISATION;
    let first = world.provider.edit().create_endpoint(organisation, URL);
    let second = world.provider.edit().create_endpoint(organisation, URL);
    let mark = world.provider.mark();
    world.apply([adopting(json!({"adoption": "IfUnclaimed"}))]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/AmbiguousRemote").await;
    let message = object.condition("Ready")["message"].as_str().unwrap();
    assert!(message.contains(&format!("{}, {}", first.id, second.id)), "{message}");
    world.apply([adopting(json!({"adoptRemoteId": "4711"}))]).await;
    world.says("WebhookEndpoint", "intake", "False/CannotAdopt").await;
    world.apply([adopting(json!({"adoptRemoteId": second.id.to_string()}))]).await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    assert_eq!(object.status()["remoteId"], second.id.to_string());
    world
        .until("the other one is reported", |world| {
            let account = world.recorder.get("ProviderAccount", "default").unwrap();
            account.status()["unclaimed"][0]["id"] == first.id.to_string()
        })
        .await;
    world.assert_writes(mark, []);
    world.finish().await;
}

/// As after a restore that brought the objects and Secrets without their status.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_status_is_found_again_by_the_key_in_the_secret() {
    let mut world = World::named("lost-status").start().await;
    let events = events(3);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let held = world.remote_of("intake");
    world.stop_operator().await;
    for (kind, name) in [("WebhookEndpoint", "intake"), ("WebhookSubscription", "one")] {
        let gvk = GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", kind.to_lowercase()));
        let api: Api<DynamicObject> = Api::namespaced_with(world.client.clone(), world.namespace.name(), &resource);
        let lost = json!([{"op": "replace", "path": "/status", "value": {"observedGeneration": -1}}]);
        let patch: Patch<()> = Patch::Json(serde_json::from_value(lost).unwrap());
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }
    let mark = world.provider.mark();
    world.record_anew().await;
    world.start_operator();
    world.all_ready().await;
    assert_eq!(world.remote_of("intake").id, held.id);
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)));
    world.assert_writes(mark, []);
    world.finish().await;
}

/// Two accounts with different keys of one organisation: what the one holds is no reason for the other to make a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn claims_reach_over_the_accounts_of_an_origin() {
    let world = World::named("two-keys").provider(|config| {
        config.organisations[0].keys.push(ApiKey::new("second", SECOND, Mode::Production));
    });
    let world = world.start().await;
    let mut other = world.account("other");
    other["spec"]["nexHealth"]["apiKeySecretRef"]["name"] = "second".into();
    world.apply([secret("second", SECOND), other]).await;
    world.apply([endpoint("intake")]).await;
    world.ready("WebhookEndpoint", "intake").await;
    let mark = world.provider.mark();
    let mut rival = endpoint("rival");
    rival["spec"]["accountRef"] = json!({"name": "other"});
    rival["spec"]["targetUrl"] = URL.into();
    rival["spec"]["adoption"] = "IfUnclaimed".into();
    world.apply([rival]).await;
    world.says("WebhookEndpoint", "rival", "False/Conflict").await;
    world.rounds(2).await;
    world.assert_writes(mark, []);
    world.finish().await;
}
