//! The objects of one case: N subscriptions on E endpoints, in as many objects or in as few as possible.

use serde_json::{Value, json};
use testbed::nexhealth::catalogue;
pub use testbed::nexhealth::catalogue::Pair as Event;
use testbed::nexhealth::{ApiKey, Institution, Mode, RateLimit, SimConfig};

/// Practices that the provider usually has.
pub const PRACTICES: usize = 60;
/// Events of one practice that are subscribed to.
const EVENTS: usize = 25;
/// The API key.
pub const API_KEY: &str = "bench-key-00000000000000000001";

/// One case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Remote subscriptions.
    pub rows: usize,
    /// Endpoints.
    pub endpoints: usize,
    /// Whether each row has an object of its own; else one object per endpoint.
    pub one_each: bool,
}

impl Shape {
    /// The usual number of endpoints for this many rows.
    pub fn new(rows: usize, one_each: bool) -> Self {
        let endpoints = if rows < 1_000 { 3 } else { 10 };
        Self { rows, endpoints, one_each }
    }

    /// Subscription objects.
    pub fn objects(&self) -> usize {
        if self.one_each { self.rows } else { self.endpoints }
    }

    /// Rows of one endpoint.
    fn rows_each(&self) -> usize {
        self.rows / self.endpoints
    }

    /// The pairs of one endpoint.
    pub fn pairs(&self) -> Vec<(String, Event)> {
        let events: Vec<Event> = catalogue::pairs().filter(Event::institution_scoped).take(EVENTS).collect();
        (0..self.rows_each()).map(|row| (practice(row / EVENTS), events[row % EVENTS])).collect()
    }

    /// The endpoint objects.
    pub fn endpoint_objects(&self) -> Vec<Value> {
        (0..self.endpoints).map(endpoint).collect()
    }

    /// The subscription objects.
    pub fn subscription_objects(&self) -> Vec<Value> {
        let pairs = self.pairs();
        let mut objects = Vec::new();
        for number in 0..self.endpoints {
            if self.one_each {
                let one = |(row, (practice, event)): (usize, &(String, Event))| {
                    subscription(&format!("one-{number}-{row}"), number, std::slice::from_ref(practice), &[*event])
                };
                objects.extend(pairs.iter().enumerate().map(one));
            } else {
                let practices: Vec<String> = (0..self.rows_each() / EVENTS).map(practice).collect();
                let events: Vec<Event> = pairs.iter().take(EVENTS).map(|(_, event)| *event).collect();
                objects.push(subscription(&format!("all-{number}"), number, &practices, &events));
            }
        }
        objects
    }
}

/// The subdomain of a practice.
fn practice(number: usize) -> String {
    format!("practice-{number:03}")
}

/// An endpoint object.
pub fn endpoint(number: usize) -> Value {
    json!({
        "apiVersion": "external-webhooks.io/v1alpha1",
        "kind": "WebhookEndpoint",
        "metadata": {"name": format!("endpoint-{number}")},
        "spec": {"targetUrl": format!("https://hooks.example.com/{number}")},
    })
}

/// A subscription object on an endpoint object.
pub fn subscription(name: &str, endpoint: usize, practices: &[String], events: &[Event]) -> Value {
    let event = |pair: &Event| json!({"resourceType": pair.resource_type, "event": pair.event});
    json!({
        "apiVersion": "external-webhooks.io/v1alpha1",
        "kind": "WebhookSubscription",
        "metadata": {"name": name},
        "spec": {
            "endpointRef": {"name": format!("endpoint-{endpoint}")},
            "practices": practices,
            "events": events.iter().map(event).collect::<Vec<_>>(),
        },
    })
}

/// A monitor of one practice, on the usual office hours in the zone of its location.
pub fn monitor(number: usize) -> Value {
    json!({
        "apiVersion": "external-webhooks.io/v1alpha1",
        "kind": "PracticeSyncMonitor",
        "metadata": {"name": format!("monitor-{number}")},
        "spec": {
            "practice": practice(number),
            "read": {"staleAfter": "60m"},
            "write": {"staleAfter": "30m"},
            "officeHours": {
                "weekly": [{"days": ["Mon", "Tue", "Wed", "Thu", "Fri"], "open": "08:00", "close": "17:00"}],
            },
        },
    })
}

/// The account, with the key's Secret. Without a limit it may ask as fast as it can.
pub fn account(base_url: &str, limit: Option<RateLimit>) -> [Value; 2] {
    let limit = limit.unwrap_or(RateLimit { per_minute: 1_000_000, burst: 10_000 });
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "nexhealth"}, "stringData": {"api-key": API_KEY},
    });
    let account = json!({
        "apiVersion": "external-webhooks.io/v1alpha1",
        "kind": "ProviderAccount",
        "metadata": {"name": "default"},
        "spec": {
            "nexHealth": {"apiKeySecretRef": {"name": "nexhealth"}},
            "baseUrl": base_url,
            "observeInterval": "30s",
            "rateLimit": {"requestsPerMinute": limit.per_minute, "burst": limit.burst},
        },
    });
    [secret, account]
}

/// The provider.
pub fn provider(limit: Option<RateLimit>, practices: usize) -> SimConfig {
    let mut config = SimConfig::default();
    config.switches.rate_limit = limit;
    let organisation = &mut config.organisations[0];
    organisation.keys = vec![ApiKey::new("main", API_KEY, Mode::Production)];
    organisation.institutions = (0..practices)
        .zip(1_i64..)
        .map(|(number, id)| Institution::new(id, &practice(number), &format!("Practice {number}")))
        .collect();
    config
}
