//! Accounts of the cluster: what a grant may say, and what it must.

use serde_json::{Value, json};

use super::refused::refused;
use super::{CLUSTER_ACCOUNT, Court, ENDPOINT, MONITOR, endpoint, with};

fn account(grants: Value) -> Value {
    json!({"nexHealth": {"apiKeySecretRef": {"name": "nexhealth", "namespace": "platform"}}, "grants": grants})
}

fn grant() -> Value {
    json!({"namespaceSelector": {}, "practices": ["sunshine-dental"], "targetHosts": ["hooks.example.com"]})
}

fn changed(change: Value) -> Value {
    account(json!([with(grant(), change)]))
}

#[tokio::test]
async fn a_grant_lends_nothing_that_it_does_not_name() {
    let court = Court::new().await;
    let made = court.create(CLUSTER_ACCOUNT, "a", &account(json!([grant()])), false).await.unwrap();
    let whole = with(grant(), json!({"allowAdoption": false, "allowUndeclaredDelete": false}));
    assert_eq!(made["spec"]["grants"], json!([whole]));
    assert_eq!(made["spec"]["nexHealth"]["apiKeySecretRef"]["key"], "api-key");
    assert_eq!((&made["spec"]["observeInterval"], &made["spec"]["outagePercent"]), (&json!("5m"), &json!(30)));
    assert_eq!(made["status"]["observedGeneration"], -1, "a fresh object is not ready");
    let none = court.create(CLUSTER_ACCOUNT, "a", &with(account(json!([])), json!({"grants": null})), false).await;
    assert!(none.is_ok(), "an account that lends nothing yet: {none:?}");
}

#[tokio::test]
async fn what_may_be_lent() {
    let court = Court::new().await;
    let many = |count: usize, name: &str| (0..count).map(|i| format!("{name}-{i}")).collect::<Vec<_>>();
    let labels: serde_json::Map<String, Value> = (0..32).map(|i| (format!("l{i}"), json!("x"))).collect();
    let expression =
        |operator: &str, values: Value| json!({"key": "team.example.com/name", "operator": operator, "values": values});
    let full = json!({
        "namespaceSelector": {
            "matchLabels": labels,
            "matchExpressions": [
                expression("In", json!(["a", ""])), expression("NotIn", json!(["b"])),
                expression("Exists", Value::Null), expression("DoesNotExist", json!([])),
            ],
        },
        "practices": many(500, "practice"), "allPractices": {}, "accountWide": {},
        "targetHosts": many(64, "host"), "allowAdoption": true, "allowUndeclaredDelete": true,
    });
    for (case, spec) in [
        ("every kind of grant at once", account(json!([full]))),
        ("as many grants as there may be", account(json!(vec![grant(); 32]))),
        ("every practice", changed(json!({"practices": null, "allPractices": {}}))),
        ("the account", changed(json!({"practices": null, "accountWide": {}}))),
        ("hosts of one label below another", changed(json!({"targetHosts": ["*.clinics.example.com", "localhost"]}))),
        (
            "an address and an international name",
            changed(json!({"targetHosts": ["10.0.0.1", "xn--bcher-kva.example"]})),
        ),
        ("no host: monitors only", changed(json!({"targetHosts": []}))),
    ] {
        let answer = court.create(CLUSTER_ACCOUNT, "x", &spec, false).await;
        assert!(answer.is_ok(), "{case}: {answer:?}");
    }
    let of_cluster = json!({"kind": "ClusterProviderAccount", "name": "shared"});
    for (kind, spec) in [
        (ENDPOINT, with(endpoint(), json!({"accountRef": of_cluster}))),
        (MONITOR, json!({"practice": "sunshine-dental", "read": {"staleAfter": "1h"}, "accountRef": of_cluster})),
    ] {
        let answer = court.create(kind, "x", &spec, false).await;
        assert!(answer.is_ok_and(|made| made["spec"]["accountRef"] == of_cluster), "{kind}");
    }
}

#[tokio::test]
async fn grants_that_are_refused() {
    let host = |text: &str| changed(json!({"targetHosts": [text]}));
    let expression = |change: Value| {
        changed(json!({"namespaceSelector": {"matchExpressions": [with(json!({"key": "team"}), change)]}}))
    };
    let hosts: &[&str] = &["targetHosts", "host names", "without scheme, port and path"];
    refused(
        CLUSTER_ACCOUNT,
        &[
            (
                "no namespace of the Secret",
                json!({"nexHealth": {"apiKeySecretRef": {"name": "nexhealth"}}}),
                &["spec.nexHealth.apiKeySecretRef.namespace", "Required"],
            ),
            ("no provider", json!({"grants": []}), &["exactly one provider block"]),
            (
                "a rule that the other kind has as well",
                with(account(json!([])), json!({"observeInterval": "1s"})),
                &["spec.observeInterval", "30s to 24h"],
            ),
            ("nobody", changed(json!({"namespaceSelector": null})), &["namespaceSelector", "Required"]),
            ("no hosts", changed(json!({"targetHosts": null})), &["targetHosts", "Required"]),
            (
                "nothing",
                changed(json!({"practices": null})),
                &["practices", "allPractices: {}", "accountWide: {}", "at least one"],
            ),
            ("no practice", changed(json!({"practices": []})), &["at least one of practices"]),
            ("any host", host("*"), hosts),
            ("hosts of any length", host("**.example.com"), hosts),
            ("a part of a label", host("a*.example.com"), hosts),
            ("a label in the middle", host("a.*.example.com"), hosts),
            ("a URL", host("https://hooks.example.com"), hosts),
            ("a port", host("hooks.example.com:8443"), hosts),
            ("a path", host("hooks.example.com/x"), hosts),
            ("a user", host("me@hooks.example.com"), hosts),
            ("upper case", host("Hooks.example.com"), hosts),
            ("a dot at the end", host("hooks.example.com."), hosts),
            ("an empty label", host("hooks..example.com"), hosts),
            (
                "a host twice",
                changed(json!({"targetHosts": ["a.example", "a.example"]})),
                &["targetHosts", "Duplicate"],
            ),
            ("a practice twice", changed(json!({"practices": ["a", "a"]})), &["practices", "Duplicate"]),
            ("too many grants", account(json!(vec![grant(); 33])), &["spec.grants", "32"]),
            (
                "a label that there cannot be",
                changed(json!({"namespaceSelector": {"matchLabels": {"a b": "c"}}})),
                &["matchLabels", "valid label keys and values"],
            ),
            ("no values", expression(json!({"operator": "In"})), &["matchExpressions", "In and NotIn need values"]),
            (
                "values of nothing",
                expression(json!({"operator": "Exists", "values": ["a"]})),
                &["matchExpressions", "Exists and DoesNotExist must have none"],
            ),
            (
                "an operator of another system",
                expression(json!({"operator": "Gt", "values": ["1"]})),
                &["operator", "NotIn"],
            ),
        ],
    )
    .await;
}
