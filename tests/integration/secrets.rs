//! The Secret that receivers read, against other hands.

use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::json;
use testbed::nexhealth::Mark;

use crate::support::{World, endpoint};

async fn restored(world: &World) {
    let key = world.provider.endpoints().remove(0).secret_key;
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while world.secret_value("intake-signing", "current").await.as_ref() != Some(&key) {
        assert!(std::time::Instant::now() < deadline, "not restored\n{}", world.report());
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn put_back_when_tampered_with_or_deleted() {
    let world = World::named("secret").watches_only().start().await;
    world.apply([endpoint("intake")]).await;
    world.all_ready().await;
    let wrong = json!({"stringData": {"current": "somebody-else's"}});
    world.secrets().patch("intake-signing", &PatchParams::default(), &Patch::Merge(wrong)).await.unwrap();
    restored(&world).await;
    let without = json!({"data": {"current": null}});
    world.secrets().patch("intake-signing", &PatchParams::default(), &Patch::Merge(without)).await.unwrap();
    restored(&world).await;
    world.secrets().delete("intake-signing", &DeleteParams::default()).await.unwrap();
    restored(&world).await;
    world.all_ready().await;
    world.assert_writes(Mark::default(), [("POST endpoint", 1)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn carries_what_the_template_says_and_nothing_of_the_endpoint() {
    let world = World::named("secret-template").start().await;
    let mut intake = endpoint("intake");
    intake["metadata"]["labels"] = json!({"app.kubernetes.io/instance": "clinics"});
    intake["spec"]["signingSecret"] =
        json!({"name": "keys", "template": {"labels": {"team": "a"}, "annotations": {"note": "b"}}});
    world.apply([intake]).await;
    world.all_ready().await;
    let meta = world.secrets().get("keys").await.unwrap().metadata;
    let (labels, annotations) = (meta.labels.unwrap(), meta.annotations.unwrap());
    assert_eq!(labels["team"], "a");
    assert_eq!(labels["app.kubernetes.io/managed-by"], "external-webhooks");
    assert_eq!(labels.len(), 2, "{labels:?}");
    assert_eq!(annotations["note"], "b");
    assert_eq!(meta.owner_references.unwrap()[0].name, "intake");
    world.finish().await;
}
