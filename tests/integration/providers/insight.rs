//! Insight Health: nothing is registered. The account proves its keys, and the endpoint publishes one for what is pushed.

use std::sync::Arc;

use serde_json::json;
use testbed::insighthealth::{EmptyBatch, SimConfig, Simulator};

use super::{endpoint_at, events_at, insight_account, insight_secret};
use crate::support::World;

async fn with_insight(name: &'static str) -> (World, Arc<Simulator>) {
    let insight = Arc::new(Simulator::start(SimConfig::default()).await.unwrap());
    let mut world = World::named(name).prepare().await;
    world.settings.allowed_base_urls.push(insight.base_url());
    let secrets = insight.clone();
    world.secrets_elsewhere.push(Box::new(move || secrets.secrets()));
    world.start_operator();
    world.apply([insight_secret(), insight_account(&insight.base_url())]).await;
    (world, insight)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_proven_once_and_no_data_is_created() {
    for (name, empty_batch) in [("insight", EmptyBatch::Refused), ("insight-accepts", EmptyBatch::Accepted)] {
        let (world, insight) = with_insight(name).await;
        insight.switch(|switches| switches.empty_batch = empty_batch);
        let account = world.ready("ProviderAccount", "insight").await;
        assert_eq!(account.said("Ready"), "True/Authenticated");
        let first = insight.ledger().len();
        assert!((1..=2).contains(&first), "{:?}", insight.ledger());
        assert!(insight.appointments().is_empty());
        assert!(insight.ledger().iter().all(|call| call.body == Some(json!([]))), "{:?}", insight.ledger());
        // A change of the spec proves them again; time alone does not, within a day.
        let mut changed = insight_account(&insight.base_url());
        changed["spec"]["outagePercent"] = json!(31);
        world.apply([changed]).await;
        assert!(insight.wait_for(|calls| calls.len() > first, crate::support::PATIENCE).await, "{}", world.report());
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_shape_of_a_refusal_is_read_right() {
    let (world, insight) = with_insight("insight-refusals").await;
    world.ready("ProviderAccount", "insight").await;
    // 401, without a code: the signing key is wrong.
    let mut secret = insight_secret();
    secret["stringData"]["signing-key"] = json!("wrong-signing-key-0001");
    world.apply([secret]).await;
    let account = world.says("ProviderAccount", "insight", "False/CredentialsRejected").await;
    let message = account.message("Ready");
    assert!(message.contains("the signing key in the Secret \"insight\""), "{message}");
    // Right again, at once.
    world.apply([insight_secret()]).await;
    world.ready("ProviderAccount", "insight").await;
    // 403: the key is for another EHR.
    insight.edit().revoke_key(SimConfig::API_KEY);
    insight.edit().add_key(testbed::insighthealth::ApiKey {
        label: "other".into(),
        value: "another-api-key-0000001".into(),
        signing_key: SimConfig::SIGNING_KEY.into(),
        organisation: SimConfig::ORGANISATION.into(),
        ehr: "epic".into(),
    });
    let mut secret = insight_secret();
    secret["stringData"]["api-key"] = json!("another-api-key-0000001");
    world.apply([secret]).await;
    let account = world.says("ProviderAccount", "insight", "False/CredentialsRejected").await;
    let message = account.message("Ready");
    assert!(message.contains("spec.insightHealth.ehr \"athena\""), "{message}");
    // A missing key names the field.
    let mut elsewhere = insight_account(&insight.base_url());
    elsewhere["spec"]["insightHealth"]["signingKeySecretRef"]["key"] = json!("another");
    world.apply([elsewhere]).await;
    let missing = |object: &crate::support::Object| {
        object.message("Ready").contains("spec.insightHealth.signingKeySecretRef.key")
    };
    world.wait("ProviderAccount", "insight", "the field is named", missing).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_is_unmanaged_and_says_what_people_must_arrange() {
    let (world, insight) = with_insight("insight-endpoint").await;
    world.apply([endpoint_at("insight", "notes"), events_at("none", "notes", &["anything"])]).await;
    let endpoint = world.says("WebhookEndpoint", "notes", "True/Unmanaged").await;
    let message = endpoint.message("Ready");
    for part in ["https://hooks.example.com/notes", "\"current\" of the Secret \"notes-signing\"", "Insight Health"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(endpoint.said("SecretPublished"), "True/Published");
    assert_eq!(endpoint.said("Active"), "-/-", "nothing tells whether anything is delivered");
    assert_eq!(endpoint.status()["remoteId"], json!(null));
    assert!(endpoint.value["metadata"]["finalizers"].is_null(), "nothing there has to be deleted");
    world.says("WebhookSubscription", "none", "False/NotSupportedByProvider").await;
    let monitor = json!({
        "kind": "PracticeSyncMonitor", "metadata": {"name": "sync"},
        "spec": {"accountRef": {"name": "insight"}, "practice": "north", "read": {"staleAfter": "60m"}},
    });
    world.apply([monitor]).await;
    world.says("PracticeSyncMonitor", "sync", "False/NotSupportedByProvider").await;

    // A rotation on request: both keys for the overlap, then the new one alone.
    let first = world.secret_value("notes-signing", "current").await.unwrap();
    let mut rotated = endpoint_at("insight", "notes");
    rotated["spec"]["signingSecret"] = json!({"rotation": {"requestId": "one", "publishDelay": "0s", "overlap": "2s"}});
    world.apply([rotated]).await;
    let draining =
        world.wait("WebhookEndpoint", "notes", "draining", |object| object.said("Rotating") == "True/Draining").await;
    assert!(draining.message("Rotating").contains("give the provider the new one"), "{}", draining.message("Rotating"));
    let second = world.secret_value("notes-signing", "current").await.unwrap();
    assert_ne!(first, second);
    assert_eq!(world.secret_value("notes-signing", "previous").await.as_ref(), Some(&first));
    let done = |object: &crate::support::Object| object.said("Rotating") == "-/-" && object.is_ready();
    world.wait("WebhookEndpoint", "notes", "rotated", done).await;
    assert_eq!(world.secret_value("notes-signing", "previous").await, None);
    assert_eq!(world.secret_value("notes-signing", "current").await, Some(second));
    world.delete("WebhookEndpoint", "notes").await;
    world.gone("WebhookEndpoint", "notes").await;
    assert!(insight.appointments().is_empty());
    world.delete("ProviderAccount", "insight").await;
    world.gone("ProviderAccount", "insight").await;
    world.finish().await;
}
