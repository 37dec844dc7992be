//! Deletion when something is in the way: what is said, and every way out.

use std::time::{Duration, Instant};

use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use testbed::nexhealth::{Fault, MadeUp, Matcher, When};

use crate::support::{SUNSHINE, World, endpoint, events, secret, subscription};

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    object
}

/// The provider is gone for good, and everything is deleted at once, as by `kubectl delete -f`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_orphans_releases_everything() {
    let world = World::named("account-orphan").start().await;
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.apply([endpoint("kept"), subscription("two", "kept", &[SUNSHINE], &events(2))]).await;
    world.all_ready().await;
    world.provider.faults().on(Matcher::any(), Fault::Status(When::Before, MadeUp::status(503)));
    world.says("ProviderAccount", "default", "False/ProviderUnavailable").await;
    let mark = world.provider.mark();
    world.delete("WebhookEndpoint", "intake").await;
    world.delete("WebhookSubscription", "one").await;
    world.delete("ProviderAccount", "default").await;
    let blocked = |object: &crate::support::Object| object.said("DeletionBlocked") == "True/ProviderUnavailable";
    let object = world.wait("WebhookEndpoint", "intake", "blocked", blocked).await;
    assert!(object.condition("DeletionBlocked")["message"].as_str().unwrap().contains("on the account for all"));
    let blocked = |object: &crate::support::Object| object.said("DeletionBlocked") == "True/InUse";
    world.wait("ProviderAccount", "default", "blocked", blocked).await;
    world.apply([with(world.account("default"), "deletionPolicy", "Orphan".into())]).await;
    for (kind, name) in [("WebhookSubscription", "one"), ("WebhookEndpoint", "intake"), ("ProviderAccount", "default")]
    {
        world.gone(kind, name).await;
    }
    assert!(world.event_reasons("intake").await.contains(&"Orphaned".to_owned()));
    // What was not deleted itself stays, without a hold on anything.
    world.says("WebhookEndpoint", "kept", "False/AccountNotFound").await;
    let kept = world.recorder.get("WebhookEndpoint", "kept").unwrap();
    assert_eq!(kept.value["metadata"]["finalizers"], Value::Null);
    world.delete("WebhookSubscription", "two").await;
    world.delete("WebhookEndpoint", "kept").await;
    world.gone("WebhookSubscription", "two").await;
    world.gone("WebhookEndpoint", "kept").await;
    assert!(world.secret_value("kept-signing", "current").await.is_some());
    world.assert_writes(mark, []);
    assert_eq!(world.provider.endpoints().len(), 2);
    world.finish().await;
}

/// rules.md *Keys and the Secret*: somebody replaces the Secret; the key in memory serves deletes only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_being_replaced_is_let_go_and_deletes_go_on() {
    let world = World::named("replaced").start().await;
    let events = events(2);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.apply([endpoint("other")]).await;
    world.all_ready().await;
    world.secrets().delete("nexhealth", &DeleteParams::default()).await.unwrap();
    world.says("ProviderAccount", "default", "False/SecretMissing").await;
    let began = Instant::now();
    while world.secrets().get_opt("nexhealth").await.unwrap().is_some() {
        assert!(began.elapsed() < Duration::from_secs(20), "the Secret is not let go\n{}", world.report());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mark = world.provider.mark();
    world.apply([subscription("more", "other", &[SUNSHINE], &events)]).await;
    world.says("WebhookSubscription", "more", "Unknown/AccountNotReady").await;
    world.delete("WebhookEndpoint", "intake").await;
    world.delete("WebhookSubscription", "one").await;
    world.gone("WebhookEndpoint", "intake").await;
    world.gone("WebhookSubscription", "one").await;
    let writes = world.writes(mark);
    assert!(writes.keys().all(|what| what.starts_with("DELETE")), "deletes only: {writes:?}");
    assert_eq!(world.provider.endpoints().len(), 1);
    world.apply([secret("nexhealth", &world.api_key())]).await;
    world.all_ready().await;
    world.finish().await;
}

/// With `--namespace` the rights inside a namespace end 5 s after it starts to go, while finalizers must still leave.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleting_namespace_takes_the_remote_along_with_rights_in_it_alone() {
    let world = World::named("namespaced").namespaced().start().await;
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(3))]).await;
    world.apply([with(endpoint("left"), "deletionPolicy", "Orphan".into())]).await;
    world.all_ready().await;
    // Nothing can be deleted before the rights have ended.
    let slow =
        world.provider.faults().on(Matcher::new("DELETE", "/**"), Fault::Status(When::Before, MadeUp::status(503)));
    world.namespace.delete().await.unwrap();
    let roles: Api<k8s_openapi::api::rbac::v1::RoleBinding> =
        Api::namespaced(world.client.clone(), world.namespace.name());
    let began = Instant::now();
    while roles.get_opt("external-webhooks").await.unwrap().is_some() {
        assert!(began.elapsed() < Duration::from_secs(30), "the namespace does not go");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.provider.faults().remove(slow);
    let gone = world.namespace.is_gone_within(Duration::from_secs(40)).await.unwrap();
    assert!(gone, "{}", world.report());
    let left: Vec<String> = world.provider.endpoints().into_iter().map(|endpoint| endpoint.target_url).collect();
    assert_eq!(left, ["https://hooks.example.com/left"]);
    world.finish().await;
}

/// rules.md *Deletion*: when our definitions are being removed, every object goes, and nobody meant the remote side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn removing_the_definitions_leaves_the_remote_alone() {
    let world = World::named("definitions").own_cluster().start().await;
    let events = events(2);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.apply([with(endpoint("hidden"), "targetUrl", "https://hooks.example.com/hidden".into())]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    hide_definitions(&world).await;
    world.delete("WebhookEndpoint", "hidden").await;
    world.gone("WebhookEndpoint", "hidden").await;
    world.assert_writes(mark, []);
    let definitions: Api<CustomResourceDefinition> = Api::all(world.client.clone());
    for plural in ["webhookendpoints", "webhooksubscriptions", "provideraccounts"] {
        definitions.delete(&format!("{plural}.external-webhooks.io"), &DeleteParams::default()).await.unwrap();
    }
    for (kind, name) in [("WebhookEndpoint", "intake"), ("WebhookSubscription", "one"), ("ProviderAccount", "default")]
    {
        world.gone(kind, name).await;
    }
    world.assert_writes(mark, []);
    let remotes = world.provider.endpoints();
    let remote = remotes.iter().find(|remote| remote.target_url.ends_with("/intake")).unwrap();
    assert_eq!((remotes.len(), world.provider.rows_on(remote.id).len()), (2, 2));
    assert_eq!(world.secret_value("intake-signing", "current").await.as_ref(), Some(&remote.secret_key));
}

/// Takes the right to see definitions away, and waits until the operator's own account is refused.
async fn hide_definitions(world: &World) {
    let roles: Api<ClusterRole> = Api::all(world.client.clone());
    let mut rules = roles.get("external-webhooks").await.unwrap().rules.unwrap();
    let whole = rules.len();
    rules.retain(|rule| !rule.resources.iter().flatten().any(|resource| resource == "customresourcedefinitions"));
    assert_eq!(rules.len(), whole - 1, "the chart gives the right in a rule of its own");
    let patch = Patch::Merge(json!({"rules": rules}));
    roles.patch("external-webhooks", &PatchParams::default(), &patch).await.unwrap();
    let kubeconfig = Kubeconfig::read_from(&world.kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let definitions: Api<CustomResourceDefinition> = Api::all(Client::try_from(config).unwrap());
    let began = Instant::now();
    while definitions.get_metadata("webhookendpoints.external-webhooks.io").await.is_ok() {
        assert!(began.elapsed() < crate::support::PATIENCE, "the right is still there");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
