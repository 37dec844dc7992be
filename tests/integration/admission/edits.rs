//! Edits of what cannot be edited, and of what can.

use serde_json::{Value, json};

use super::{ACCOUNT, Court, ENDPOINT, SUBSCRIPTION, account, endpoint, lacking, subscription, with};

async fn refused(court: &Court, kind: &str, name: &str, cases: &[(&str, Value, &[&str])]) {
    let mut complaints = Vec::new();
    for (case, spec, words) in cases {
        complaints.extend(lacking(case, court.edit(kind, name, spec.clone()).await, words));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

async fn accepted(court: &Court, kind: &str, name: &str, edits: &[Value]) {
    for edit in edits {
        let answer = court.edit(kind, name, edit.clone()).await;
        assert!(answer.is_ok(), "{edit}: {answer:?}");
    }
}

#[tokio::test]
async fn endpoints() {
    let court = Court::new().await;
    let named = with(endpoint(), json!({"signingSecret": {"name": "old"}}));
    court.create(ENDPOINT, "plain", &endpoint(), true).await.unwrap();
    court.create(ENDPOINT, "named", &named, true).await.unwrap();
    let secret: &[&str] = &["spec.signingSecret.name is immutable", "create a second WebhookEndpoint"];
    let account: &[&str] = &["spec.accountRef is immutable", "create a second WebhookEndpoint", "endpointRef"];
    refused(
        &court,
        ENDPOINT,
        "plain",
        &[
            ("a name set", json!({"signingSecret": {"name": "new"}}), secret),
            ("another account", json!({"accountRef": {"name": "other"}}), account),
        ],
    )
    .await;
    refused(
        &court,
        ENDPOINT,
        "named",
        &[
            ("a name changed", json!({"signingSecret": {"name": "new"}}), secret),
            ("a name unset", json!({"signingSecret": {"name": null}}), secret),
            ("the block unset", json!({"signingSecret": null}), secret),
        ],
    )
    .await;
    accepted(
        &court,
        ENDPOINT,
        "named",
        &[
            json!({"targetUrl": "https://other.example.com/x?y=z"}),
            json!({"active": false, "deletionPolicy": "Orphan"}),
            json!({"signingSecret": {"template": {"labels": {"a": "b"}}}}),
            json!({"accountRef": null}),
        ],
    )
    .await;
}

#[tokio::test]
async fn accounts() {
    let court = Court::new().await;
    court.create(ACCOUNT, "plain", &account(), true).await.unwrap();
    refused(
        &court,
        ACCOUNT,
        "plain",
        &[
            (
                "another version",
                json!({"nexHealth": {"apiVersion": "v4.0.0"}}),
                &["spec.nexHealth.apiVersion is immutable", "create another account"],
            ),
            (
                "another provider",
                json!({"nexHealth": null, "heroHealth": {"apiKeySecretRef": {"name": "hero"}, "practiceGroupId": "1"}}),
                &["the provider of an account is immutable", "create another"],
            ),
            ("no provider", json!({"nexHealth": null}), &["exactly one provider block", "spec.nexHealth"]),
        ],
    )
    .await;
    accepted(
        &court,
        ACCOUNT,
        "plain",
        &[
            json!({"nexHealth": {"apiKeySecretRef": {"name": "other", "key": "k"}}}),
            json!({"baseUrl": "https://sandbox.nexhealth.info", "allowInsecureTargets": true}),
            json!({"observeInterval": "1m", "rateLimit": {"burst": 1, "requestsPerMinute": 1}}),
        ],
    )
    .await;
}

#[tokio::test]
async fn subscriptions() {
    let court = Court::new().await;
    court.create(SUBSCRIPTION, "plain", &subscription(), true).await.unwrap();
    refused(
        &court,
        SUBSCRIPTION,
        "plain",
        &[(
            "a second scope",
            json!({"accountWide": {}}),
            &["exactly one of spec.practices, spec.allPractices and spec.accountWide"],
        )],
    )
    .await;
    accepted(
        &court,
        SUBSCRIPTION,
        "plain",
        &[
            json!({"endpointRef": {"name": "other"}}),
            json!({"practices": null, "allPractices": {"except": ["demo"]}}),
            json!({"events": [{"event": "x"}, {"event": "y", "resourceType": "Z"}], "active": false}),
        ],
    )
    .await;
}
