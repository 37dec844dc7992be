//! The provider's objects, as it stores them.

use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// An API key, which its support hands out for certain functions and practice groups.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// How ledger and journal call it; the key itself is never recorded.
    pub label: String,
    /// What the client sends.
    pub value: String,
    /// The practice groups it reaches.
    pub groups: BTreeSet<String>,
    /// Whether webhooks are among its functions.
    pub webhooks: bool,
}

impl ApiKey {
    /// A key for the webhooks of one practice group.
    pub fn new(label: &str, value: &str, group: &str) -> Self {
        let groups = BTreeSet::from([group.to_owned()]);
        Self { label: label.to_owned(), value: value.to_owned(), groups, webhooks: true }
    }
}

/// A webhook: endpoint and subscription in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Webhook {
    /// Text.
    pub id: String,
    /// Whose it is; not in answers.
    pub group: String,
    /// What it hears of.
    pub event_type: String,
    /// Where deliveries go.
    pub url: String,
    /// As given; not in answers.
    pub description: Option<String>,
    /// The key that signs deliveries, as given.
    pub signing_key: Option<String>,
    /// What deliveries carry besides.
    pub headers: BTreeMap<String, String>,
    /// Set once. Nothing can change afterwards, so `updated_at` is the same.
    pub created_at: Timestamp,
}
