//! Objects as users write them, to be changed by the test that needs another shape.

use serde_json::{Value, json};
use testbed::nexhealth::SimConfig;
use testbed::nexhealth::catalogue::{self, Pair};

/// Practices of the usual provider.
pub const SUNSHINE: &str = SimConfig::SUBDOMAINS[0];
/// See [`SUNSHINE`].
pub const LAKESIDE: &str = SimConfig::SUBDOMAINS[1];
/// See [`SUNSHINE`].
pub const HILLTOP: &str = SimConfig::SUBDOMAINS[2];

/// The first events of practices.
pub fn events(count: usize) -> Vec<Pair> {
    let events: Vec<Pair> = catalogue::pairs().filter(Pair::institution_scoped).take(count).collect();
    assert_eq!(events.len(), count, "the catalogue has no more events of practices");
    events
}

/// Practices times events.
pub fn pairs<'a>(practices: &[&'a str], events: &[Pair]) -> Vec<(&'a str, &'static str)> {
    practices.iter().flat_map(|practice| events.iter().map(|pair| (*practice, pair.event))).collect()
}

/// The Secret with an API key.
pub fn secret(name: &str, key: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"api-key": key}})
}

/// An account that reads its key from the Secret `nexhealth`, without a limit that would slow tests down.
pub fn account(name: &str, base_url: &str) -> Value {
    json!({
        "kind": "ProviderAccount",
        "metadata": {"name": name},
        "spec": {
            "nexHealth": {"apiKeySecretRef": {"name": "nexhealth"}},
            "baseUrl": base_url,
            "rateLimit": {"requestsPerMinute": 1_000_000, "burst": 10_000},
        },
    })
}

/// An endpoint that delivers to a URL of its own.
pub fn endpoint(name: &str) -> Value {
    json!({
        "kind": "WebhookEndpoint",
        "metadata": {"name": name},
        "spec": {"targetUrl": format!("https://hooks.example.com/{name}")},
    })
}

/// Events of practices.
pub fn subscription(name: &str, endpoint: &str, practices: &[&str], events: &[Pair]) -> Value {
    let mut object = shaped(name, endpoint, events);
    object["spec"]["practices"] = json!(practices);
    object
}

/// Events of every practice.
pub fn all_practices(name: &str, endpoint: &str, except: &[&str], events: &[Pair]) -> Value {
    let mut object = shaped(name, endpoint, events);
    object["spec"]["allPractices"] = json!({"except": except});
    object
}

/// Events without a practice.
pub fn account_wide(name: &str, endpoint: &str, events: &[Pair]) -> Value {
    let mut object = shaped(name, endpoint, events);
    object["spec"]["accountWide"] = json!({});
    object
}

fn shaped(name: &str, endpoint: &str, events: &[Pair]) -> Value {
    let event = |pair: &Pair| json!({"resourceType": pair.resource_type, "event": pair.event});
    json!({
        "kind": "WebhookSubscription",
        "metadata": {"name": name},
        "spec": {"endpointRef": {"name": endpoint}, "events": events.iter().map(event).collect::<Vec<_>>()},
    })
}

/// A monitor of one practice that is always open and turns at once.
pub fn monitor(name: &str, practice: &str) -> Value {
    json!({
        "kind": "PracticeSyncMonitor",
        "metadata": {"name": name},
        "spec": {
            "practice": practice,
            "read": {"staleAfter": "60m"},
            "write": {"staleAfter": "60m"},
            "confirm": "0s",
            "recover": "0s",
        },
    })
}

/// A monitor of every practice.
pub fn fleet(name: &str) -> Value {
    let mut object = monitor(name, "");
    if let Some(spec) = object["spec"].as_object_mut() {
        spec.remove("practice");
        spec.insert("allPractices".to_owned(), json!({}));
    }
    object
}

/// A ConfigMap with office hours.
pub fn office_hours(name: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"hours": text}})
}
