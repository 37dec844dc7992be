//! The practices of a realm, as far as they are lent.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Reach;
use crate::provider::model::{RemoteId, RemoteRow, RemoteRows, RowCreateState, RowKey};

/// Rows and practices of a realm, as an object sees them whom not every practice is lent: no name of another practice
/// reaches its pairs, its status or a hint. Rows are found by endpoint, and the endpoint is its own.
pub struct LentRows<'a> {
    /// All of them.
    pub rows: &'a dyn RemoteRows,
    /// What is lent.
    pub reach: &'a Reach,
}

impl RemoteRows for LentRows<'_> {
    fn practice_names(&self) -> Option<Vec<Arc<str>>> {
        let mut names = self.rows.practice_names()?;
        names.retain(|name| self.reach.practice(name));
        Some(names)
    }

    fn former_practice(&self, key: &str) -> Option<Arc<str>> {
        self.rows.former_practice(key).filter(|name| self.reach.practice(name))
    }

    fn any_practice(&self) -> Option<Arc<str>> {
        self.rows.any_practice()
    }

    fn rows(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        self.rows.rows(endpoint, key)
    }

    fn row(&self, id: &RemoteId) -> Option<RemoteRow> {
        self.rows.row(id)
    }

    fn twins(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        self.rows.twins(endpoint, key)
    }

    fn known(&self, endpoint: &RemoteId) -> bool {
        self.rows.known(endpoint)
    }

    fn settled(&self, endpoint: &RemoteId) -> bool {
        self.rows.settled(endpoint)
    }

    fn missing(&self, endpoints: &[RemoteId], key: &RowKey) -> bool {
        self.rows.missing(endpoints, key)
    }

    fn vanished(&self, endpoint: &RemoteId, gap: Duration) -> bool {
        self.rows.vanished(endpoint, gap)
    }

    fn create_state(&self, endpoint: &RemoteId, key: &RowKey) -> RowCreateState {
        self.rows.create_state(endpoint, key)
    }

    fn last_seen(&self, endpoint: &RemoteId, key: &RowKey) -> Option<Timestamp> {
        self.rows.last_seen(endpoint, key)
    }

    fn seen_before(&self, endpoint: &RemoteId) -> Option<Timestamp> {
        self.rows.seen_before(endpoint)
    }

    fn all_rows(&self, endpoint: &RemoteId) -> Vec<RemoteRow> {
        self.rows.all_rows(endpoint)
    }

    fn former_key(&self, name: &str) -> Option<Arc<str>> {
        self.rows.former_key(name)
    }

    fn listed_at(&self, endpoint: &RemoteId) -> Option<Timestamp> {
        self.rows.listed_at(endpoint)
    }

    fn practice_key(&self, name: &str) -> Option<Arc<str>> {
        self.rows.practice_key(name)
    }

    fn practice_name(&self, key: &str) -> Option<Arc<str>> {
        self.rows.practice_name(key)
    }
}
