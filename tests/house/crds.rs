//! The CRDs against the contract: what is committed is what the code says, and the schema keeps its promises.

use external_webhooks::api::all_crds;
use serde_json::{Value, json};

use crate::refuse;
use crate::scan::root;

/// Bounds that an unbounded string or list would break: the API server's estimate of CEL costs, and etcd's 1.5 MB.
const KINDS: &[(&str, &str, &str)] = &[
    ("ProviderAccount", "provideraccounts", "pacct"),
    ("ClusterProviderAccount", "clusterprovideraccounts", "cpacct"),
    ("WebhookEndpoint", "webhookendpoints", "whe"),
    ("WebhookSubscription", "webhooksubscriptions", "whs"),
    ("PracticeSyncMonitor", "practicesyncmonitors", "psm"),
];

fn crds() -> Vec<Value> {
    all_crds().iter().map(|crd| serde_json::to_value(crd).unwrap()).collect()
}

fn crd(kind: &str) -> Value {
    crds().into_iter().find(|crd| crd["spec"]["names"]["kind"] == kind).unwrap()
}

/// The schema at a path such as `spec.events[].event`.
fn field(kind: &str, path: &str) -> Value {
    let crd = crd(kind);
    let mut schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for part in path.split('.') {
        let name = part.trim_end_matches("[]");
        schema = &schema["properties"][name];
        if part.ends_with("[]") {
            schema = &schema["items"];
        }
    }
    assert!(!schema.is_null(), "{kind} has no {path}");
    schema.clone()
}

/// Calls `visit` with every schema below a root, and its path.
fn walk(path: &str, schema: &Value, visit: &mut dyn FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], visit);
    }
    if schema["additionalProperties"].is_object() {
        walk(&format!("{path}{{}}"), &schema["additionalProperties"], visit);
    }
}

fn unbounded(root: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk("", root, &mut |path, schema| {
        // Kubernetes' own type; its sizes are set where ours decide.
        let theirs = path.contains(".conditions[]");
        let needs = match schema["type"].as_str() {
            Some("string") if schema["enum"].is_null() && schema["format"] != "date-time" => "maxLength",
            Some("array") => "maxItems",
            Some("object") if schema["additionalProperties"].is_object() => "maxProperties",
            _ => return,
        };
        if !theirs && !schema[needs].is_u64() {
            found.push(format!("{path} has no {needs}"));
        }
    });
    found
}

#[test]
fn the_committed_definitions_are_what_the_code_says() {
    for crd in all_crds() {
        let path = root().join("crds").join(format!("{}.yaml", crd.spec.names.plural));
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let committed: Value = serde_saphyr::from_str(&text).unwrap_or_default();
        let same = committed == serde_json::to_value(&crd).unwrap();
        assert!(same, "crds/{}.yaml is out of date: run make crds and commit it", crd.spec.names.plural);
    }
    let files = std::fs::read_dir(root().join("crds")).unwrap().count();
    assert_eq!(files, KINDS.len(), "crds/ holds something that is generated from nothing: run make crds");
}

#[test]
fn names_are_the_contract() {
    assert_eq!(crds().len(), KINDS.len());
    for (kind, plural, short) in KINDS {
        let crd = crd(kind);
        let spec = &crd["spec"];
        assert_eq!(crd["metadata"]["name"], format!("{plural}.external-webhooks.io"));
        assert_eq!(spec["group"], "external-webhooks.io");
        assert_eq!(spec["scope"], if *kind == "ClusterProviderAccount" { "Cluster" } else { "Namespaced" });
        assert_eq!(spec["names"]["plural"], *plural);
        assert_eq!(spec["names"]["shortNames"], json!([short]));
        assert_eq!(spec["names"]["categories"], json!(["hooks"]));
        let versions = spec["versions"].as_array().unwrap();
        assert_eq!(versions.len(), 1);
        assert_eq!(versions[0]["name"], "v1alpha1");
        assert_eq!(versions[0]["subresources"], json!({"status": {}}));
    }
}

#[test]
fn a_fresh_object_is_never_read_as_ready() {
    for (kind, ..) in KINDS {
        assert_eq!(field(kind, "status")["default"], json!({"observedGeneration": -1}), "{kind}");
    }
}

#[test]
fn everything_is_bounded() {
    for (kind, ..) in KINDS {
        let crd = crd(kind);
        refuse(kind, unbounded(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]));
    }
    let planted = json!({"properties": {
        "a": {"type": "string"}, "b": {"type": "array", "items": {"type": "string", "maxLength": 1}},
        "c": {"type": "object", "additionalProperties": {"type": "string"}}
    }});
    assert_eq!(unbounded(&planted).len(), 4, "the walk sees what is missing");
}

#[test]
fn bounds_are_the_contract() {
    for (kind, path, bound, value) in [
        ("ProviderAccount", "spec.baseUrl", "maxLength", 2048),
        ("ProviderAccount", "spec.nexHealth.apiKeySecretRef.name", "maxLength", 253),
        ("ProviderAccount", "spec.rateLimit.requestsPerMinute", "minimum", 1),
        ("ProviderAccount", "spec.rateLimit.requestsPerMinute", "maximum", 1_000_000),
        ("ProviderAccount", "spec.rateLimit.burst", "minimum", 1),
        ("ProviderAccount", "spec.rateLimit.burst", "maximum", 10_000),
        ("ProviderAccount", "status.unclaimed", "maxItems", 20),
        ("ClusterProviderAccount", "spec.grants", "maxItems", 32),
        ("ClusterProviderAccount", "spec.grants[].practices", "maxItems", 500),
        ("ClusterProviderAccount", "spec.grants[].practices[]", "maxLength", 63),
        ("ClusterProviderAccount", "spec.nexHealth.apiKeySecretRef.namespace", "maxLength", 63),
        ("ProviderAccount", "status.scope.sample", "maxItems", 32),
        ("WebhookEndpoint", "spec.targetUrl", "maxLength", 2048),
        ("WebhookEndpoint", "spec.accountRef.name", "maxLength", 253),
        ("WebhookEndpoint", "spec.signingSecret.name", "maxLength", 253),
        ("WebhookEndpoint", "status.pendingCreate.seenRemoteIds", "maxItems", 16),
        ("WebhookSubscription", "spec.practices", "maxItems", 500),
        ("WebhookSubscription", "spec.practices[]", "maxLength", 63),
        ("WebhookSubscription", "spec.allPractices.except", "maxItems", 500),
        ("WebhookSubscription", "spec.events", "maxItems", 64),
        ("WebhookSubscription", "spec.events[].event", "maxLength", 128),
        ("WebhookSubscription", "spec.events[].resourceType", "maxLength", 128),
        ("WebhookSubscription", "status.failures", "maxItems", 20),
        ("WebhookSubscription", "status.failures[].message", "maxLength", 1024),
        ("WebhookSubscription", "status.subscriptions", "maxItems", 100),
        ("ProviderAccount", "spec.outagePercent", "minimum", 1),
        ("ProviderAccount", "spec.outagePercent", "maximum", 100),
        ("PracticeSyncMonitor", "spec.practice", "maxLength", 63),
        ("PracticeSyncMonitor", "spec.allPractices.except", "maxItems", 500),
        ("PracticeSyncMonitor", "spec.locationIds", "maxItems", 64),
        ("PracticeSyncMonitor", "spec.officeHours.weekly", "maxItems", 21),
        ("PracticeSyncMonitor", "spec.officeHours.closedDates", "maxItems", 366),
        ("PracticeSyncMonitor", "status.syncs", "maxItems", 16),
        ("PracticeSyncMonitor", "status.practices.unhealthy", "maxItems", 50),
    ] {
        assert_eq!(field(kind, path)[bound].as_f64(), Some(f64::from(value)), "{kind} {path} {bound}");
    }
}

#[test]
fn lists_have_the_types_of_the_contract() {
    for (kind, ..) in KINDS {
        let conditions = field(kind, "status.conditions");
        assert_eq!(conditions["x-kubernetes-list-type"], "map");
        assert_eq!(conditions["x-kubernetes-list-map-keys"], json!(["type"]));
        assert_eq!(field(kind, "status.conditions[].message")["maxLength"], 1024);
    }
    let events = field("WebhookSubscription", "spec.events");
    assert_eq!(events["x-kubernetes-list-type"], "map");
    assert_eq!(events["x-kubernetes-list-map-keys"], json!(["event"]));
    for (kind, path) in [
        ("WebhookSubscription", "spec.practices"),
        ("WebhookSubscription", "spec.allPractices.except"),
        ("WebhookSubscription", "status.applied.events"),
        ("WebhookSubscription", "status.applied.scope.practices"),
        ("ClusterProviderAccount", "spec.grants[].practices"),
        ("ClusterProviderAccount", "spec.grants[].targetHosts"),
        ("WebhookEndpoint", "status.removing"),
        ("PracticeSyncMonitor", "spec.locationIds"),
        ("PracticeSyncMonitor", "spec.allPractices.except"),
        ("PracticeSyncMonitor", "spec.officeHours.closedDates"),
        ("WebhookEndpoint", "status.pendingCreate.seenRemoteIds"),
    ] {
        assert_eq!(field(kind, path)["x-kubernetes-list-type"], "set", "{kind} {path}");
    }
}

#[test]
fn what_can_be_announced_can_be_stored() {
    // `applied` is the union of an old and a new spec, and names an event of an unknown type as `resourceType/event`.
    let events = field("WebhookSubscription", "status.applied.events");
    assert!(events["maxItems"].as_u64().unwrap() >= 2 * 64);
    assert!(events["items"]["maxLength"].as_u64().unwrap() >= 3 * 128 + 1 + 128);
    assert!(field("WebhookSubscription", "status.applied.scope.practices")["maxItems"].as_u64().unwrap() >= 2 * 500);
}

#[test]
fn an_account_of_the_cluster_has_all_that_another_has_and_says_where_its_secrets_are() {
    let (own, cluster) = (field("ProviderAccount", "spec"), field("ClusterProviderAccount", "spec"));
    for (name, schema) in own["properties"].as_object().unwrap().iter().filter(|(name, _)| !name.ends_with("Health")) {
        assert_eq!(&cluster["properties"][name], schema, "{name}");
    }
    assert_eq!(cluster["x-kubernetes-validations"], own["x-kubernetes-validations"]);
    assert_eq!(field("ClusterProviderAccount", "status"), field("ProviderAccount", "status"));
    for path in [
        "spec.nexHealth.apiKeySecretRef",
        "spec.heroHealth.apiKeySecretRef",
        "spec.insightHealth.apiKeySecretRef",
        "spec.insightHealth.signingKeySecretRef",
    ] {
        assert_eq!(field("ClusterProviderAccount", path)["required"], json!(["name", "namespace"]), "{path}");
        let own = field("ProviderAccount", path);
        assert_eq!((&own["required"], &own["properties"]["namespace"]), (&json!(["name"]), &Value::Null), "{path}");
    }
}

#[test]
fn columns_begin_with_ready_and_end_with_age() {
    for (kind, ..) in KINDS {
        let crd = crd(kind);
        let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
        let names: Vec<&str> = columns.iter().map(|column| column["name"].as_str().unwrap()).collect();
        assert_eq!(names[..2], ["READY", "REASON"], "{kind}");
        assert_eq!(names.last(), Some(&"AGE"), "{kind}");
    }
    let crd = crd("WebhookEndpoint");
    let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].as_array().unwrap();
    for name in ["HOST", "REMOTE-ID", "ACTIVE", "SUBS"] {
        assert!(columns.iter().any(|column| column["name"] == name), "{name}");
    }
}

#[test]
fn nothing_is_nullable_and_every_rule_says_what_to_do() {
    for crd in crds() {
        let root = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk("", root, &mut |path, schema| {
            assert_ne!(schema["nullable"], true, "{path}: has() in a rule would see an explicit null");
            for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
                assert!(rule["message"].as_str().is_some_and(|message| message.len() > 20), "{path}: {rule}");
            }
        });
    }
}

#[test]
fn defaults_are_the_contract() {
    for (kind, path, value) in [
        ("ProviderAccount", "spec.nexHealth.apiKeySecretRef.key", json!("api-key")),
        ("ProviderAccount", "spec.nexHealth.apiVersion", json!("v3.0.0")),
        ("ProviderAccount", "spec.observeInterval", json!("5m")),
        ("ProviderAccount", "spec.rateLimit", json!({"requestsPerMinute": 1200, "burst": 50})),
        ("ProviderAccount", "spec.rateLimit.requestsPerMinute", json!(1200)),
        ("ProviderAccount", "spec.rateLimit.burst", json!(50)),
        ("ProviderAccount", "spec.allowInsecureTargets", json!(false)),
        ("ClusterProviderAccount", "spec.grants[].allowAdoption", json!(false)),
        ("ClusterProviderAccount", "spec.grants[].allowUndeclaredDelete", json!(false)),
        ("WebhookEndpoint", "spec.accountRef", json!({"kind": "ProviderAccount", "name": "default"})),
        ("WebhookEndpoint", "spec.accountRef.name", json!("default")),
        ("WebhookEndpoint", "spec.active", json!(true)),
        ("WebhookEndpoint", "spec.deletionPolicy", json!("Delete")),
        ("ProviderAccount", "spec.syncStatusInterval", json!("1m")),
        ("ProviderAccount", "spec.outagePercent", json!(30)),
        ("PracticeSyncMonitor", "spec.accountRef.name", json!("default")),
        ("PracticeSyncMonitor", "spec.confirm", json!("10m")),
        ("PracticeSyncMonitor", "spec.recover", json!("5m")),
        ("PracticeSyncMonitor", "spec.officeHours.openingGrace", json!("30m")),
        ("PracticeSyncMonitor", "spec.suspend", json!(false)),
        ("WebhookSubscription", "spec.active", json!(true)),
        ("WebhookSubscription", "spec.deletionPolicy", json!("Delete")),
    ] {
        assert_eq!(field(kind, path)["default"], value, "{kind} {path}");
    }
}
