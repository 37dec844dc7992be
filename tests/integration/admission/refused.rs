//! New objects that are refused.

use serde_json::{Value, json};

use super::{ACCOUNT, Court, ENDPOINT, SUBSCRIPTION, account, endpoint, lacking, subscription, with};

pub(super) async fn refused(kind: &str, cases: &[(&str, Value, &[&str])]) {
    let court = Court::new().await;
    let mut complaints = Vec::new();
    for (case, spec, words) in cases {
        complaints.extend(lacking(case, court.create(kind, "x", spec, false).await, words));
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[tokio::test]
async fn endpoints() {
    let url = |text: &str| with(endpoint(), json!({"targetUrl": text}));
    let secret = |change: Value| with(endpoint(), json!({"signingSecret": change}));
    let label = |name: &str, value: &str| secret(json!({"template": {"labels": {name: value}}}));
    let many: serde_json::Map<String, Value> = (0..33).map(|i| (format!("l{i}"), json!("x"))).collect();
    refused(
        ENDPOINT,
        &[
            ("no target", json!({}), &["spec.targetUrl", "Required"]),
            ("an empty target", url(""), &["spec.targetUrl"]),
            ("no URL", url("hooks.example.com/x"), &["spec.targetUrl", "absolute URL", "https://"]),
            ("a space", url("https://hooks example.com/"), &["spec.targetUrl", "absolute URL"]),
            ("no host", url("https:///x"), &["spec.targetUrl", "host"]),
            ("a path only", url("/x"), &["spec.targetUrl"]),
            ("ftp", url("ftp://hooks.example.com/x"), &["spec.targetUrl", "https://"]),
            ("javascript", url("javascript:alert(1)"), &["spec.targetUrl"]),
            (
                "a user",
                url("https://me@hooks.example.com/"),
                &["spec.targetUrl", "user name or password", "signing Secret"],
            ),
            (
                "a user and a password",
                url("https://me:pw@hooks.example.com/"),
                &["spec.targetUrl", "user name or password"],
            ),
            ("an empty user", url("https://@hooks.example.com/"), &["spec.targetUrl", "user name or password"]),
            ("a fragment", url("https://hooks.example.com/#a"), &["spec.targetUrl", "fragment", "remove it"]),
            (
                "a URL without end",
                url(&format!("https://h.example.com/{}", "x".repeat(2048))),
                &["spec.targetUrl", "2048"],
            ),
            (
                "an account without a name",
                with(endpoint(), json!({"accountRef": {"name": ""}})),
                &["spec.accountRef.name"],
            ),
            (
                "a kind of account that is not served",
                with(endpoint(), json!({"accountRef": {"kind": "Account"}})),
                &["spec.accountRef.kind", "ProviderAccount"],
            ),
            (
                "a policy that there is not",
                with(endpoint(), json!({"deletionPolicy": "Keep"})),
                &["spec.deletionPolicy", "Delete", "Orphan"],
            ),
            (
                "a self-test without an interval",
                with(endpoint(), json!({"verification": {}})),
                &["spec.verification.interval"],
            ),
            (
                "a self-test that is no duration",
                with(endpoint(), json!({"verification": {"interval": "daily"}})),
                &["spec.verification.interval", "0s to 8760h"],
            ),
            (
                "a self-test in years",
                with(endpoint(), json!({"verification": {"interval": "8760h1s"}})),
                &["spec.verification.interval", "0s to 8760h"],
            ),
            ("a Secret without a name", secret(json!({"name": ""})), &["spec.signingSecret.name"]),
            (
                "a name that no Secret can have",
                secret(json!({"name": "My Secret"})),
                &["spec.signingSecret.name", "lower case"],
            ),
            (
                "a label that no Secret can have",
                label("team", "two words"),
                &["spec.signingSecret.template.labels", "valid label"],
            ),
            (
                "a label's key that no Secret can have",
                label("-x-", "y"),
                &["spec.signingSecret.template.labels", "valid label"],
            ),
            ("a label without end", label("x", &"y".repeat(64)), &["spec.signingSecret.template.labels", "63"]),
            (
                "labels without end",
                secret(json!({"template": {"labels": many}})),
                &["spec.signingSecret.template.labels", "32"],
            ),
            (
                "an annotation's key that no Secret can have",
                secret(json!({"template": {"annotations": {"a b": "x"}}})),
                &["spec.signingSecret.template.annotations", "valid annotation"],
            ),
            (
                "an annotation without end",
                secret(json!({"template": {"annotations": {"a": "x".repeat(4097)}}})),
                &["spec.signingSecret.template.annotations", "4096"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_endpoint_whose_secret_could_not_be_named() {
    let court = Court::new().await;
    let long = "e".repeat(250);
    let answer = court.create(ENDPOINT, &long, &endpoint(), false).await;
    assert_eq!(lacking("a name too long for its Secret", answer, &["spec.signingSecret.name", "245"]), None);
    let named = with(endpoint(), json!({"signingSecret": {"name": "short"}}));
    assert!(court.create(ENDPOINT, &long, &named, false).await.is_ok());
}

#[tokio::test]
async fn subscriptions() {
    let change = |change: Value| with(subscription(), change);
    let names = |count: usize| (0..count).map(|i| format!("p{i}")).collect::<Vec<_>>();
    let events = |count: usize| (0..count).map(|i| json!({"event": format!("e{i}")})).collect::<Vec<_>>();
    let exactly_one: &[&str] = &["exactly one of spec.practices, spec.allPractices and spec.accountWide"];
    refused(
        SUBSCRIPTION,
        &[
            ("no endpoint", change(json!({"endpointRef": null})), &["spec.endpointRef", "Required"]),
            ("an endpoint without a name", change(json!({"endpointRef": {"name": ""}})), &["spec.endpointRef.name"]),
            ("no scope", change(json!({"practices": null})), exactly_one),
            ("two scopes", change(json!({"allPractices": {}})), exactly_one),
            (
                "two other scopes",
                change(json!({"practices": null, "allPractices": {}, "accountWide": {}})),
                exactly_one,
            ),
            ("three scopes", change(json!({"allPractices": {}, "accountWide": {}})), exactly_one),
            ("no practices", change(json!({"practices": []})), &["spec.practices", "at least 1"]),
            ("a practice without a name", change(json!({"practices": [""]})), &["spec.practices[0]"]),
            (
                "a practice twice",
                change(json!({"practices": ["a", "b", "a"]})),
                &["spec.practices[2]", "Duplicate", "a"],
            ),
            ("too many practices", change(json!({"practices": names(501)})), &["spec.practices", "500"]),
            ("a practice without end", change(json!({"practices": ["p".repeat(64)]})), &["spec.practices[0]", "63"]),
            (
                "an exception twice",
                change(json!({"practices": null, "allPractices": {"except": ["a", "a"]}})),
                &["spec.allPractices.except[1]", "Duplicate"],
            ),
            (
                "too many exceptions",
                change(json!({"practices": null, "allPractices": {"except": names(501)}})),
                &["spec.allPractices.except", "500"],
            ),
            ("events left out", change(json!({"events": null})), &["spec.events", "Required"]),
            ("no events", change(json!({"events": []})), &["spec.events", "at least 1"]),
            ("too many events", change(json!({"events": events(65)})), &["spec.events", "64"]),
            (
                "an event twice",
                change(json!({"events": [{"event": "a"}, {"event": "a", "resourceType": "X"}]})),
                &["spec.events[1]", "Duplicate", "a"],
            ),
            ("an event without a name", change(json!({"events": [{"event": ""}]})), &["spec.events[0].event"]),
            (
                "an event without end",
                change(json!({"events": [{"event": "e".repeat(129)}]})),
                &["spec.events[0].event", "128"],
            ),
            (
                "an empty type",
                change(json!({"events": [{"event": "a", "resourceType": ""}]})),
                &["spec.events[0].resourceType"],
            ),
            (
                "a policy that there is not",
                change(json!({"deletionPolicy": "Wait"})),
                &["spec.deletionPolicy", "Delete", "Orphan"],
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn accounts() {
    let change = |change: Value| with(account(), change);
    let interval = |text: &str| change(json!({"observeInterval": text}));
    let bounds: &[&str] = &["spec.observeInterval", "30s to 24h", "such as"];
    refused(
        ACCOUNT,
        &[
            ("no provider", json!({}), &["exactly one provider block", "spec.nexHealth"]),
            (
                "no practice group",
                json!({"heroHealth": {"apiKeySecretRef": {"name": "hero"}}}),
                &["spec.heroHealth.practiceGroupId", "Required"],
            ),
            (
                "no signing key",
                json!({"insightHealth": {"ehr": "x", "apiKeySecretRef": {"name": "insight"}}}),
                &["spec.insightHealth.signingKeySecretRef", "Required"],
            ),
            (
                "two providers",
                change(json!({"heroHealth": {"apiKeySecretRef": {"name": "hero"}, "practiceGroupId": "1"}})),
                &["exactly one provider block", "spec.nexHealth"],
            ),
            ("no Secret", json!({"nexHealth": {}}), &["spec.nexHealth.apiKeySecretRef", "Required"]),
            (
                "a Secret without a name",
                change(json!({"nexHealth": {"apiKeySecretRef": {"name": ""}}})),
                &["spec.nexHealth.apiKeySecretRef.name"],
            ),
            (
                "an empty key",
                change(json!({"nexHealth": {"apiKeySecretRef": {"key": ""}}})),
                &["spec.nexHealth.apiKeySecretRef.key"],
            ),
            (
                "no version",
                change(json!({"nexHealth": {"apiVersion": "latest"}})),
                &["spec.nexHealth.apiVersion", "such as v3.0.0"],
            ),
            (
                "a header in the version",
                change(json!({"nexHealth": {"apiVersion": "v3\r\nX: y"}})),
                &["spec.nexHealth.apiVersion"],
            ),
            ("too short", interval("29s"), bounds),
            ("too long", interval("24h1s"), bounds),
            ("nothing", interval(""), &["spec.observeInterval"]),
            ("no unit", interval("300"), bounds),
            ("words", interval("5 minutes"), bounds),
            ("days", interval("1d"), bounds),
            ("a fraction", interval("1.5h"), bounds),
            ("less than nothing", interval("-5m"), bounds),
            (
                "sync status too often",
                change(json!({"syncStatusInterval": "4s"})),
                &["spec.syncStatusInterval", "5s to 1h", "such as"],
            ),
            ("no outage", change(json!({"outagePercent": 0})), &["spec.outagePercent", "1"]),
            ("more than all", change(json!({"outagePercent": 101})), &["spec.outagePercent", "100"]),
            ("beyond every number", interval("9999999h9999999m"), bounds),
            (
                "no calls",
                change(json!({"rateLimit": {"requestsPerMinute": 0}})),
                &["spec.rateLimit.requestsPerMinute", "1"],
            ),
            (
                "too many calls",
                change(json!({"rateLimit": {"requestsPerMinute": 1_000_001}})),
                &["spec.rateLimit.requestsPerMinute", "1000000"],
            ),
            ("no burst", change(json!({"rateLimit": {"burst": 0}})), &["spec.rateLimit.burst", "1"]),
            ("too large a burst", change(json!({"rateLimit": {"burst": 10_001}})), &["spec.rateLimit.burst", "10000"]),
            ("no base URL", change(json!({"baseUrl": "nexhealth"})), &["spec.baseUrl", "absolute URL"]),
            (
                "a base URL of another scheme",
                change(json!({"baseUrl": "ftp://nexhealth.info"})),
                &["spec.baseUrl", "https://"],
            ),
            (
                "a key in the base URL",
                change(json!({"baseUrl": "https://me:key@nexhealth.info"})),
                &["spec.baseUrl", "user name or password", "Secret"],
            ),
        ],
    )
    .await;
}
