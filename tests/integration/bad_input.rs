//! Bad input that only shows at run time: a condition with a reason and the field to change, no remote call that cannot
//! succeed, and recovery as soon as the cause is gone. Nothing here waits for a timer: the operator looks at the provider
//! once an hour.

use serde_json::{Value, json};
use testbed::nexhealth::{ApiKey, Mark, Mode};

use crate::support::{LAKESIDE, SUNSHINE, World, account, endpoint, events, secret, subscription};

/// An account and an endpoint, with this instead of the usual Secret.
async fn with_secret(name: &'static str, secret: Option<Value>) -> World {
    let mut world = World::named(name).watches_only().prepare().await;
    world.start_operator();
    world.apply(secret).await;
    world.apply([world.account("default"), endpoint("intake")]).await;
    world
}

/// The usual Secret makes everything well.
async fn healed_by_the_secret(world: World) {
    world.apply([world.secret()]).await;
    world.all_ready().await;
    world.assert_writes(Mark::default(), [("POST endpoint", 1)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_secret() {
    let world = with_secret("no-secret", None).await;
    let object = world.says("ProviderAccount", "default", "False/SecretMissing").await;
    assert!(object.message("Ready").contains("spec.nexHealth.apiKeySecretRef"), "{}", object.value);
    world.says("WebhookEndpoint", "intake", "Unknown/AccountNotReady").await;
    assert!(world.provider.ledger().is_empty());
    healed_by_the_secret(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_key_in_the_secret() {
    let mut wrong = secret("nexhealth", "");
    wrong["stringData"] = json!({"another": "x"});
    let world = with_secret("no-key", Some(wrong)).await;
    let object = world.says("ProviderAccount", "default", "False/CredentialsRejected").await;
    assert_eq!(object.said("Stalled"), "True/CredentialsRejected");
    assert!(object.message("Ready").contains("spec.nexHealth.apiKeySecretRef.key"), "{}", object.value);
    assert!(world.provider.ledger().is_empty());
    healed_by_the_secret(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_key() {
    let world = with_secret("empty-key", Some(secret("nexhealth", ""))).await;
    let object = world.says("ProviderAccount", "default", "False/CredentialsRejected").await;
    assert!(object.message("Ready").contains("\"nexhealth\""), "{}", object.value);
    assert!(world.provider.ledger().is_empty());
    healed_by_the_secret(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn key_that_ends_in_a_newline() {
    let world = World::named("newline").watches_only().prepare().await;
    let key = format!("{}\n", world.api_key());
    drop(world);
    let world = with_secret("newline", Some(secret("nexhealth", &key))).await;
    let object = world.says("ProviderAccount", "default", "False/CredentialsRejected").await;
    assert!(object.message("Ready").contains("line break"), "{}", object.value);
    assert!(world.provider.ledger().is_empty());
    healed_by_the_secret(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_key() {
    let world = with_secret("wrong-key", Some(secret("nexhealth", "a-key-that-nobody-knows"))).await;
    let object = world.says("ProviderAccount", "default", "False/CredentialsRejected").await;
    assert_eq!(object.said("Stalled"), "True/CredentialsRejected");
    world.says("WebhookEndpoint", "intake", "Unknown/AccountNotReady").await;
    let calls = world.provider.ledger();
    assert!(calls.iter().all(|call| call.path == "/authenticates"), "{}", world.report());
    assert!(calls.len() <= 2, "{}", world.report());
    healed_by_the_secret(world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_target_where_the_account_does_not_allow_it() {
    let sandbox = |config: &mut testbed::nexhealth::SimConfig| config.organisations[0].keys[0].mode = Mode::Sandbox;
    let world = World::named("http-target").watches_only().provider(sandbox).start().await;
    let mut plain = endpoint("intake");
    plain["spec"]["targetUrl"] = json!("http://hooks.example.com/intake");
    world.apply([plain]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/InsecureTarget").await;
    assert_eq!(object.said("Stalled"), "True/InsecureTarget");
    for field in ["spec.targetUrl", "spec.allowInsecureTargets"] {
        assert!(object.message("Ready").contains(field), "{}", object.value);
    }
    world.assert_writes(Mark::default(), []);
    let mut account = world.account("default");
    account["spec"]["allowInsecureTargets"] = json!(true);
    world.apply([account]).await;
    world.all_ready().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unknown_practice_fails_alone() {
    let world = World::named("no-practice").watches_only().start().await;
    let events = events(2);
    world.apply([endpoint("intake")]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE, "no-such-dental"], &events)]).await;
    let object = world.says("WebhookSubscription", "one", "False/PartlyRejected").await;
    assert!(object.message("Ready").contains("spec.practices"), "{}", object.value);
    let failures = object.status()["failures"].as_array().unwrap();
    assert!(failures.iter().all(|one| one["reason"] == "PracticeNotFound" && one["practice"] == "no-such-dental"));
    assert_eq!((failures.len(), &object.status()["failed"], &object.status()["active"]), (2, &json!(2), &json!(2)));
    world.assert_writes(Mark::default(), [("POST endpoint", 1), ("POST row", 2)]);
    world.apply([subscription("one", "intake", &[SUNSHINE, LAKESIDE], &events)]).await;
    world.all_ready().await;
    world.assert_writes(Mark::default(), [("POST endpoint", 1), ("POST row", 4)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_ref_to_nothing() {
    let world = World::named("no-endpoint").watches_only().start().await;
    world.apply([subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    let object = world.says("WebhookSubscription", "one", "False/EndpointNotFound").await;
    assert!(object.message("Ready").contains("spec.endpointRef"), "{}", object.value);
    assert_eq!(object.said("Reconciling"), "True/EndpointNotFound");
    world.assert_writes(Mark::default(), []);
    world.apply([endpoint("intake")]).await;
    world.all_ready().await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_of_another_namespace() {
    let elsewhere = World::named("elsewhere").watches_only().start().await;
    elsewhere.apply([elsewhere.account("shared")]).await;
    elsewhere.all_ready().await;
    let world = World::named("no-account").watches_only().start().await;
    let mut intake = endpoint("intake");
    intake["spec"]["accountRef"] = json!({"name": "shared"});
    world.apply([intake, subscription("one", "intake", &[SUNSHINE], &events(1))]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/AccountNotFound").await;
    assert!(object.message("Ready").contains("spec.accountRef"), "{}", object.value);
    assert_eq!(object.said("Reconciling"), "True/AccountNotFound");
    world.assert_writes(Mark::default(), []);
    world.apply([world.account("shared")]).await;
    world.all_ready().await;
    elsewhere.assert_writes(Mark::default(), []);
    world.finish().await;
    elsewhere.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn base_url_outside_the_allow_list() {
    let mut world = World::named("base-url").watches_only().prepare().await;
    let stranger = testbed::nexhealth::Simulator::start(Default::default()).await.unwrap();
    world.start_operator();
    world.apply([world.secret(), account("default", &stranger.base_url()), endpoint("intake")]).await;
    let object = world.says("ProviderAccount", "default", "False/BaseUrlNotAllowed").await;
    assert_eq!(object.said("Stalled"), "True/BaseUrlNotAllowed");
    assert!(object.message("Ready").contains("spec.baseUrl"), "{}", object.value);
    world.says("WebhookEndpoint", "intake", "Unknown/AccountNotReady").await;
    assert!(stranger.ledger().is_empty(), "no key goes to a stranger");
    world.apply([world.account("default")]).await;
    world.all_ready().await;
    assert!(stranger.ledger().is_empty());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn foreign_secret_of_the_wanted_name() {
    let world = World::named("foreign-secret").watches_only().start().await;
    world.apply([secret("intake-signing", "somebody's own"), endpoint("intake")]).await;
    let object = world.says("WebhookEndpoint", "intake", "False/SecretConflict").await;
    assert_eq!(object.said("Stalled"), "True/SecretConflict");
    assert!(object.message("Ready").contains("spec.signingSecret.name"), "{}", object.value);
    assert_eq!(object.said("SecretPublished"), "False/SecretConflict");
    world.assert_writes(Mark::default(), []);
    assert_eq!(world.secret_value("intake-signing", "api-key").await.as_deref(), Some("somebody's own"));
    world.secrets().delete("intake-signing", &Default::default()).await.unwrap();
    world.all_ready().await;
    world.assert_writes(Mark::default(), [("POST endpoint", 1)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_replaced_begins_with_lists_only() {
    let world = World::named("new-key").watches_only().start().await;
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    let next = format!("{}-next", world.api_key());
    world.provider.add_key(testbed::nexhealth::SimConfig::ORGANISATION, ApiKey::new("next", &next, Mode::Production));
    world.apply([secret("nexhealth", &next)]).await;
    world
        .until("the new key is used", |world| {
            world
                .provider
                .calls_since(mark)
                .iter()
                .any(|call| call.caller.as_deref() == Some("next") && call.path == "/institutions")
        })
        .await;
    world.all_ready().await;
    world.assert_writes(mark, []);
    world.finish().await;
}
