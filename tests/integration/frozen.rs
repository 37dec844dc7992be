//! rules.md *Suspend and Observe*, on the real API server.

use serde_json::{Value, json};
use testbed::nexhealth::EndpointPatch;

use crate::support::{SUNSHINE, World, endpoint, events, pairs, subscription};

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_observe_nothing_is_written_and_everything_is_said() {
    let world = World::named("observe").start().await;
    let events = events(2);
    world.apply([with(world.account("default"), "managementPolicy", "Observe".into())]).await;
    let mark = world.provider.mark();
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/ObserveOnly").await;
    assert_eq!((object.said("Stalled"), object.said("Reconciling")), ("absent".into(), "absent".into()));
    let plan = object.status()["plan"].to_string();
    assert!(plan.contains("create a remote endpoint that delivers to https://hooks.example.com/intake"), "{plan}");
    let object = world.says("WebhookSubscription", "one", "False/ObserveOnly").await;
    assert_eq!(object.status()["plan"].as_array().unwrap().len(), 2, "{}", object.status());
    world.rounds(2).await;
    world.assert_writes(mark, []);
    world.apply([world.account("default")]).await;
    world.all_ready().await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)));
    let object = world.recorder.get("WebhookEndpoint", "intake").unwrap();
    assert!(object.status()["plan"].is_null());
    // Back under Observe: what is as declared is ready, and deleting leaves everything there.
    world.apply([with(world.account("default"), "managementPolicy", "Observe".into())]).await;
    world.rounds(1).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    world.delete("WebhookSubscription", "one").await;
    world.delete("WebhookEndpoint", "intake").await;
    world.gone("WebhookSubscription", "one").await;
    world.gone("WebhookEndpoint", "intake").await;
    world.assert_writes(mark, []);
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)));
    assert!(world.secret_value("intake-signing", "current").await.is_some(), "the key of a live endpoint stays");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_object_looks_but_does_not_touch() {
    let world = World::named("suspend").start().await;
    let events = events(2);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events[..1])]).await;
    world.all_ready().await;
    let held = world.remote_of("intake");
    let suspended = with(endpoint("intake"), "suspend", json!(true));
    world.apply([suspended.clone()]).await;
    world.ready("WebhookEndpoint", "intake").await;
    let mark = world.provider.mark();
    let moved = EndpointPatch { target_url: Some("https://elsewhere.example.com/x?token=1".into()), active: None };
    world.provider.edit().patch_endpoint(held.id, &moved).unwrap();
    let object = world.says("WebhookEndpoint", "intake", "False/Suspended").await;
    let plan = object.status()["plan"].to_string();
    assert!(plan.contains("https://elsewhere.example.com/x to https://hooks.example.com/intake"), "{plan}");
    world.apply([with(subscription("one", "intake", &[SUNSHINE], &events), "suspend", json!(true))]).await;
    let object = world.says("WebhookSubscription", "one", "False/Suspended").await;
    assert_eq!(object.status()["plan"].as_array().unwrap().len(), 1);
    world.rounds(2).await;
    world.assert_writes(mark, []);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    world.assert_writes(mark, [("PATCH endpoint", 1), ("POST row", 1)]);
    // Deletion under suspend does what deletionPolicy says.
    world.apply([suspended]).await;
    world.delete("WebhookEndpoint", "intake").await;
    world.gone("WebhookEndpoint", "intake").await;
    assert!(world.provider.endpoints().is_empty());
    world.finish().await;
}
