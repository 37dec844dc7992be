//! What the owner of the account sees, and nobody else.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::ListParams;
use serde_json::json;
use testbed::nexhealth::SimConfig;

use super::Town;
use crate::support::{CLUSTER_ACCOUNT, PATIENCE, SUNSHINE, endpoint, events, monitor, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_account_tells_its_owner_and_waits_for_its_tenants() {
    let town = Town::new("owner").await;
    let (world, name) = (&town.world, town.account());
    town.lends(json!([town.grant(json!({"practices": [SUNSHINE]}))])).await;
    world.apply([town.tenant(endpoint("intake")), subscription("one", "intake", &[SUNSHINE], &events(1))]).await;
    world.all_ready().await;
    let stranger =
        world.provider.edit().create_endpoint(SimConfig::ORGANISATION, "https://secret.example.com/x?token=1");
    let unclaimed = json!([{"id": stranger.id.to_string(), "targetUrl": "https://secret.example.com/x"}]);
    world.wait(CLUSTER_ACCOUNT, &name, "the unclaimed", |account| account.status()["unclaimed"] == unclaimed).await;
    assert!(!town.seen_by_tenant().await.contains("secret.example.com"));
    let hooks = world.kubectl(&["get", "hooks"]).await;
    assert!(hooks.contains(&format!("clusterprovideraccount.external-webhooks.io/{name}")), "{hooks}");
    assert!(world.metrics_page().contains(&format!("kind=\"ClusterProviderAccount\",namespace=\"\",name=\"{name}\"")));

    // Its own trouble is said to its owner; tenants hear that there is some.
    town.apply_in(&town.platform, [crate::support::secret("nexhealth", "canary-key-that-is-not-accepted")]).await;
    let account = world.says(CLUSTER_ACCOUNT, &name, "False/CredentialsRejected").await;
    assert!(account.message("Ready").contains(&format!("{}/nexhealth", town.platform.name())));
    let told = world.says("WebhookEndpoint", "intake", "Unknown/AccountNotReady").await;
    assert!(told.message("Ready").contains(&format!("ClusterProviderAccount \"{name}\"")), "{}", told.message("Ready"));
    assert!(!town.seen_by_tenant().await.contains(town.platform.name()));
    let events: Api<Event> = Api::namespaced(world.client.clone(), "default");
    let began = std::time::Instant::now();
    loop {
        let all = events.list(&ListParams::default()).await.unwrap().items;
        let ours = all.iter().filter(|event| {
            event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(&name))
                && event.reason.as_deref() == Some("CredentialsRejected")
        });
        if ours.count() == 1 {
            break;
        }
        assert!(began.elapsed() < PATIENCE, "no Event about the account\n{}", world.report());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    town.apply_in(&town.platform, [crate::support::secret("nexhealth", &world.api_key())]).await;
    world.all_ready().await;

    let secrets: Api<Secret> = Api::namespaced(world.client.clone(), town.platform.name());
    let held = secrets.get("nexhealth").await.unwrap().metadata.finalizers.unwrap();
    assert_eq!(held, ["external-webhooks.io/in-use"]);
    world.delete(CLUSTER_ACCOUNT, &name).await;
    let account = world.says(CLUSTER_ACCOUNT, &name, "False/Deleting").await;
    let whose = format!("{}/intake", world.namespace.name());
    assert!(account.message("Ready").contains(&whose), "{}", account.message("Ready"));
    world.delete("WebhookSubscription", "one").await;
    world.delete("WebhookEndpoint", "intake").await;
    world.gone("WebhookEndpoint", "intake").await;
    world.gone(CLUSTER_ACCOUNT, &name).await;
    assert!(secrets.get("nexhealth").await.unwrap().metadata.finalizers.is_none(), "the Secret is let go");
    world.apply([town.tenant(endpoint("late")), town.tenant(monitor("late", SUNSHINE))]).await;
    for kind in ["WebhookEndpoint", "PracticeSyncMonitor"] {
        let late = world.says(kind, "late", "False/AccountNotFound").await;
        assert!(late.message("Ready").contains("not in the cluster"), "{}", late.message("Ready"));
    }
    town.world.finish().await;
}
