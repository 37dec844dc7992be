//! Bad input on a real API server: refused at once, by a message that names the field and says what would do; and what must
//! not be refused is not.

mod cluster_accounts;
mod edits;
mod examples;
mod monitors;
mod refused;
mod target_hosts;

use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use testbed::control_plane::Namespace;

use crate::support::cluster;

const ACCOUNT: &str = "ProviderAccount";
const CLUSTER_ACCOUNT: &str = "ClusterProviderAccount";
const ENDPOINT: &str = "WebhookEndpoint";
const SUBSCRIPTION: &str = "WebhookSubscription";
const MONITOR: &str = "PracticeSyncMonitor";

/// A namespace in which objects are tried.
struct Court {
    namespace: Namespace,
    client: kube::Client,
}

impl Court {
    async fn new() -> Self {
        let (cluster, _) = cluster().await;
        Self { namespace: cluster.namespace("admission").await.unwrap(), client: cluster.admin() }
    }

    fn api(&self, kind: &str) -> Api<DynamicObject> {
        let of_cluster = kind == CLUSTER_ACCOUNT;
        let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind));
        match of_cluster {
            true => Api::all_with(self.client.clone(), &kind),
            false => Api::namespaced_with(self.client.clone(), self.namespace.name(), &kind),
        }
    }

    /// Creates an object, or only asks whether it could be; answers the object, or why not.
    async fn create(&self, kind: &str, name: &str, spec: &Value, keep: bool) -> Result<Value, String> {
        let object = json!({
            "apiVersion": "external-webhooks.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec
        });
        let params = PostParams { dry_run: !keep, ..PostParams::default() };
        let object: DynamicObject = serde_json::from_value(object).unwrap();
        answer(self.api(kind).create(&params, &object).await)
    }

    /// Asks whether a change of the spec would be accepted.
    async fn edit(&self, kind: &str, name: &str, spec: Value) -> Result<Value, String> {
        let params = PatchParams { dry_run: true, ..PatchParams::default() };
        answer(self.api(kind).patch(name, &params, &Patch::Merge(json!({"spec": spec}))).await)
    }
}

fn answer(result: Result<DynamicObject, kube::Error>) -> Result<Value, String> {
    match result {
        Ok(object) => Ok(serde_json::to_value(object).unwrap()),
        Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
        Err(other) => panic!("the API server did not judge: {other}"),
    }
}

/// Complains if an answer is no refusal, or one that lacks any of the words that a person needs.
fn lacking(case: &str, answer: Result<Value, String>, words: &[&str]) -> Option<String> {
    match answer {
        Ok(_) => Some(format!("{case}: accepted")),
        Err(message) => {
            let missing: Vec<_> = words.iter().filter(|word| !message.contains(**word)).collect();
            (!missing.is_empty()).then(|| format!("{case}: {missing:?} not in: {message}"))
        }
    }
}

fn account() -> Value {
    json!({"nexHealth": {"apiKeySecretRef": {"name": "nexhealth"}}})
}

fn endpoint() -> Value {
    json!({"targetUrl": "https://hooks.example.com/nexhealth"})
}

fn subscription() -> Value {
    json!({
        "endpointRef": {"name": "intake"}, "practices": ["sunshine-dental"],
        "events": [{"event": "appointment_insertion"}]
    })
}

/// A spec with changes merged in; null takes a field out.
fn with(mut spec: Value, changes: Value) -> Value {
    json_patch(&mut spec, changes);
    spec
}

fn json_patch(target: &mut Value, changes: Value) {
    match (target, changes) {
        (Value::Object(target), Value::Object(changes)) => {
            for (name, change) in changes {
                if change.is_null() {
                    target.remove(&name);
                } else {
                    json_patch(target.entry(name).or_insert(Value::Null), change);
                }
            }
        }
        (target, change) => *target = change,
    }
}

#[tokio::test]
async fn the_least_that_works_is_accepted_and_gets_the_defaults() {
    let court = Court::new().await;
    let made = court.create(ACCOUNT, "a", &account(), false).await.unwrap();
    assert_eq!(
        made["spec"],
        json!({
            "nexHealth": {"apiKeySecretRef": {"name": "nexhealth", "key": "api-key"}, "apiVersion": "v3.0.0"},
            "observeInterval": "5m", "syncStatusInterval": "1m", "outagePercent": 30, "rateLimit": {"requestsPerMinute": 1200, "burst": 50}, "allowInsecureTargets": false,
            "managementPolicy": "Manage", "deletionPolicy": "Wait"
        })
    );
    assert_eq!(made["status"]["observedGeneration"], -1, "a fresh object is not ready");
    let made = court.create(ENDPOINT, "e", &endpoint(), false).await.unwrap();
    assert_eq!(made["spec"]["accountRef"], json!({"kind": "ProviderAccount", "name": "default"}));
    assert_eq!((&made["spec"]["active"], &made["spec"]["deletionPolicy"]), (&json!(true), &json!("Delete")));
    let defaults = json!({"adoption": "Never", "reactivation": "Auto", "suspend": false});
    assert!(defaults.as_object().unwrap().iter().all(|(name, value)| made["spec"][name] == *value), "{made}");
    let made = court.create(SUBSCRIPTION, "s", &subscription(), false).await.unwrap();
    assert_eq!((&made["spec"]["undeclared"], &made["spec"]["suspend"]), (&json!("Report"), &json!(false)));
    assert_eq!((&made["spec"]["active"], &made["spec"]["deletionPolicy"]), (&json!(true), &json!("Delete")));
}

#[tokio::test]
async fn what_the_operator_or_the_provider_judges_is_accepted() {
    let court = Court::new().await;
    let many = |count: usize| (0..count).map(|i| format!("practice-{i}")).collect::<Vec<_>>();
    let events = |count: usize| (0..count).map(|i| json!({"event": format!("event_{i}")})).collect::<Vec<_>>();
    for (case, kind, spec) in [
        ("an http target", ENDPOINT, with(endpoint(), json!({"targetUrl": "http://hooks.example.com/"}))),
        (
            "a port, a query and an @ in the path",
            ENDPOINT,
            with(endpoint(), json!({"targetUrl": "https://h.example.com:8443/a@b?c=d@e"})),
        ),
        ("an IPv6 host", ENDPOINT, with(endpoint(), json!({"targetUrl": "https://[2001:db8::1]/hook"}))),
        (
            "an endpoint with explicit nulls",
            ENDPOINT,
            json!({"targetUrl": "https://h.example.com/", "active": null, "accountRef": null, "signingSecret": null, "deletionPolicy": null}),
        ),
        (
            "a Secret's name and template",
            ENDPOINT,
            with(
                endpoint(),
                json!({"signingSecret": {"name": "intake.v1", "template": {"labels": {"team.example.com/name": "clinics_1", "empty": ""}, "annotations": {"example.com/note": "any text, of course"}}}}),
            ),
        ),
        (
            "an unknown event",
            SUBSCRIPTION,
            with(
                subscription(),
                json!({"events": [{"event": "made_up"}, {"event": "other", "resourceType": "Made/Up"}]}),
            ),
        ),
        ("every practice", SUBSCRIPTION, with(subscription(), json!({"practices": null, "allPractices": {}}))),
        (
            "every practice but one",
            SUBSCRIPTION,
            with(subscription(), json!({"practices": null, "allPractices": {"except": ["demo"]}})),
        ),
        ("no practice", SUBSCRIPTION, with(subscription(), json!({"practices": null, "accountWide": {}}))),
        ("the other scopes as nulls", SUBSCRIPTION, {
            let mut spec = subscription();
            spec["allPractices"] = Value::Null;
            spec["accountWide"] = Value::Null;
            spec
        }),
        (
            "as many as there may be",
            SUBSCRIPTION,
            with(subscription(), json!({"practices": many(500), "events": events(64)})),
        ),
        ("an account with explicit nulls", ACCOUNT, {
            let mut spec = account();
            for name in
                ["heroHealth", "insightHealth", "baseUrl", "observeInterval", "rateLimit", "allowInsecureTargets"]
            {
                spec[name] = Value::Null;
            }
            spec
        }),
        ("the shortest and the longest interval", ACCOUNT, with(account(), json!({"observeInterval": "30s"}))),
        ("the longest interval", ACCOUNT, with(account(), json!({"observeInterval": "24h"}))),
        ("a compound interval", ACCOUNT, with(account(), json!({"observeInterval": "1h30m15s"}))),
        ("part of a rate limit", ACCOUNT, with(account(), json!({"rateLimit": {"burst": 1}}))),
        ("another base URL", ACCOUNT, with(account(), json!({"baseUrl": "http://127.0.0.1:8080"}))),
    ] {
        let answer = court.create(kind, "x", &spec, false).await;
        assert!(answer.is_ok(), "{case}: {answer:?}");
    }
}
