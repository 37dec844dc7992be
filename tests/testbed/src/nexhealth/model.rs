//! The provider's objects, as it stores them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};
use std::{collections::BTreeSet, time::Duration};

/// Which of an organisation's environments a key belongs to. One host serves both; the key decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Live practices; target URLs must be https.
    Production,
    /// Test practices; target URLs may be http.
    Sandbox,
}

/// An API key.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// How ledger and journal call it; the key itself is never recorded.
    pub label: String,
    /// What the client sends.
    pub value: String,
    /// Its environment.
    pub mode: Mode,
    /// The subdomains it reaches; `None`: all of its organisation.
    pub reaches: Option<BTreeSet<String>>,
}

impl ApiKey {
    /// A key that reaches everything its organisation has.
    pub fn new(label: &str, value: &str, mode: Mode) -> Self {
        Self { label: label.to_owned(), value: value.to_owned(), mode, reaches: None }
    }

    /// The same key, limited to these subdomains.
    pub fn reaching<'a>(mut self, subdomains: impl IntoIterator<Item = &'a str>) -> Self {
        self.reaches = Some(subdomains.into_iter().map(str::to_owned).collect());
        self
    }
}

/// A webhook endpoint: belongs to an organisation, has no name, labels or subdomain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Global counter.
    pub id: i64,
    /// Whose it is.
    pub organisation: String,
    /// Where deliveries go.
    pub target_url: String,
    /// Signing key, chosen by the provider.
    pub secret_key: String,
    /// Whether anything is delivered.
    pub active: bool,
    /// Set once.
    pub created_at: Timestamp,
    /// Set by every change.
    pub updated_at: Timestamp,
}

/// A webhook subscription ("row"): one event of one institution, on one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Global counter.
    pub id: i64,
    /// The endpoint it is on; changes only by `new_endpoint_id`.
    pub endpoint_id: i64,
    /// `None` only for Onboarding.
    pub institution_id: Option<i64>,
    /// The institution's subdomain; not on the wire.
    pub subdomain: Option<String>,
    /// Cannot be changed.
    pub resource_type: String,
    /// Cannot be changed.
    pub event: String,
    /// Whether deliveries are made.
    pub active: bool,
    /// Payload version, shown by v3.1.0 only.
    pub version: Option<String>,
    /// Set once.
    pub created_at: Timestamp,
    /// Set by every change.
    pub updated_at: Timestamp,
}

/// A place of an institution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Global id.
    pub id: i64,
    /// Shown name.
    pub name: String,
    /// IANA time zone.
    pub tz: String,
    /// Id in the practice's own system.
    pub foreign_id: Option<String>,
    /// Closed places stay listed.
    pub inactive: bool,
}

/// When a sync last did something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyncTime {
    /// This long before each look, so that the data never grows old.
    Ago(Duration),
    /// This instant.
    At(Timestamp),
    /// These characters, right or wrong.
    Text(String),
    /// `null`
    Null,
}

/// One practice database that is kept in step.
#[derive(Clone, Debug)]
pub struct SyncSource {
    /// Only `DataSource` has ever been seen.
    pub source_type: String,
    /// The only thing that names a sync; there is no id.
    pub source_name: String,
    /// The practice system: `{id, name, display_name, type}`; `type` is a string or an array.
    pub emr: Value,
    /// `green` or `red`, but a test may say anything.
    pub read_status: String,
    /// As `read_status`.
    pub write_status: String,
    /// Last read from the practice's system.
    pub read_status_at: SyncTime,
    /// Last write to it.
    pub write_status_at: SyncTime,
    /// Ids of the locations covered; `None` shows `null`.
    pub location_ids: Option<Vec<i64>>,
    /// Fields laid over the finished object, for shapes no document names.
    pub overlay: Map<String, Value>,
}

impl SyncSource {
    /// A sync in order, five minutes fresh, covering every location of its institution.
    pub fn healthy(location_ids: Vec<i64>) -> Self {
        Self {
            source_type: "DataSource".to_owned(),
            source_name: "Practice Management System Integration".to_owned(),
            emr: json!({"id": 10, "name": "eaglesoft", "display_name": "Eaglesoft", "type": "onprem"}),
            read_status: "green".to_owned(),
            write_status: "green".to_owned(),
            read_status_at: SyncTime::Ago(Duration::from_secs(300)),
            write_status_at: SyncTime::Ago(Duration::from_secs(300)),
            location_ids: Some(location_ids),
            overlay: Map::new(),
        }
    }
}

/// A practice group.
#[derive(Clone, Debug)]
pub struct Institution {
    /// Global id.
    pub id: i64,
    /// What every request names it by.
    pub subdomain: String,
    /// Shown name.
    pub name: String,
    /// Its places.
    pub locations: Vec<Location>,
    /// Its syncs; none is possible.
    pub syncs: Vec<SyncSource>,
}

impl Institution {
    /// One location in New York and one healthy sync.
    pub fn new(id: i64, subdomain: &str, name: &str) -> Self {
        let location = Location {
            id: id * 10 + 1,
            name: format!("{name} Main"),
            tz: "America/New_York".to_owned(),
            foreign_id: Some("1".to_owned()),
            inactive: false,
        };
        let syncs = vec![SyncSource::healthy(vec![location.id])];
        Self { id, subdomain: subdomain.to_owned(), name: name.to_owned(), locations: vec![location], syncs }
    }
}

/// ISO-8601, UTC, milliseconds, as every time on the wire.
pub fn wire_time(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

impl SyncTime {
    /// The wire value at `now`.
    pub(crate) fn to_value(&self, now: Timestamp) -> Value {
        match self {
            Self::Ago(age) => {
                let age = SignedDuration::try_from(*age).unwrap_or(SignedDuration::MAX);
                json!(wire_time(now.saturating_sub(age).unwrap_or(Timestamp::MIN)))
            }
            Self::At(at) => json!(wire_time(*at)),
            Self::Text(text) => json!(text),
            Self::Null => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_carry_exactly_three_decimals() {
        let whole: Timestamp = "2024-03-21T17:52:47Z".parse().unwrap();
        assert_eq!(wire_time(whole), "2024-03-21T17:52:47.000Z");
        let fine: Timestamp = "2024-03-21T17:52:47.824999Z".parse().unwrap();
        assert_eq!(wire_time(fine), "2024-03-21T17:52:47.824Z");
    }
}
