//! What plans see of the mirror.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::{CreateState, Mirror};
use crate::provider::model::{RemoteId, RemoteRow, RemoteRows, RowCreateState, RowKey};

impl RemoteRows for Mirror {
    fn rows(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        Mirror::rows(self, endpoint, key)
    }

    fn row(&self, id: &RemoteId) -> Option<RemoteRow> {
        Mirror::row(self, id)
    }

    fn twins(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        Mirror::twins(self, endpoint, key)
    }

    fn known(&self, endpoint: &RemoteId) -> bool {
        self.row_list_known(endpoint)
    }

    fn settled(&self, endpoint: &RemoteId) -> bool {
        self.row_list(endpoint).is_some_and(|list| list.started > self.last_row_write(endpoint))
    }

    fn missing(&self, endpoints: &[RemoteId], key: &RowKey) -> bool {
        self.is_missing(endpoints, key)
    }

    fn vanished(&self, endpoint: &RemoteId, gap: Duration) -> bool {
        if self.endpoint(endpoint).is_some() {
            return false;
        }
        let run = self.absence(endpoint).and_then(|absence| absence.witnessed_run);
        let gap = SignedDuration::try_from(gap).unwrap_or(SignedDuration::MAX);
        self.endpoint_deleted_by_us(endpoint) || run.is_some_and(|run| run.spans(gap))
    }

    fn create_state(&self, endpoint: &RemoteId, key: &RowKey) -> RowCreateState {
        match self.row_create_state(endpoint, key) {
            CreateState::Free => RowCreateState::Free,
            CreateState::InFlight => RowCreateState::InFlight,
            CreateState::Uncertain { look_after } => RowCreateState::Uncertain { look_after },
        }
    }

    fn listed_at(&self, endpoint: &RemoteId) -> Option<Timestamp> {
        self.row_list(endpoint).map(|list| list.at)
    }

    fn last_seen(&self, endpoint: &RemoteId, key: &RowKey) -> Option<Timestamp> {
        Mirror::last_seen(self, endpoint, key)
    }

    fn seen_before(&self, endpoint: &RemoteId) -> Option<Timestamp> {
        self.row_list_before(endpoint)
    }

    fn all_rows(&self, endpoint: &RemoteId) -> Vec<RemoteRow> {
        let mut rows: Vec<RemoteRow> = self.rows_of(endpoint).collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows
    }

    fn former_practice(&self, key: &str) -> Option<Arc<str>> {
        Mirror::former_practice(self, key).cloned()
    }

    fn former_key(&self, name: &str) -> Option<Arc<str>> {
        Mirror::former_key(self, name).cloned()
    }

    fn strangers(&self, home: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        Mirror::strangers(self, home, key)
    }

    fn homes(&self, fingerprint: &str) -> Vec<RemoteId> {
        Mirror::homes(self, fingerprint)
    }

    fn in_doubt(&self, endpoint: &RemoteId) -> Option<Timestamp> {
        Mirror::in_doubt(self, endpoint)
    }

    fn practice_name(&self, key: &str) -> Option<Arc<str>> {
        self.practice_by_key(key).map(|practice| practice.name.clone())
    }

    fn practice_key(&self, name: &str) -> Option<Arc<str>> {
        self.practice_by_name(name).map(|practice| practice.key.clone())
    }

    fn practice_names(&self) -> Option<Vec<Arc<str>>> {
        self.practice_list()?;
        // One without a name is a witness of the world like any other, but nobody can subscribe to it.
        let named = self.practices().iter().filter(|practice| !practice.name.is_empty());
        Some(named.map(|practice| practice.name.clone()).collect())
    }
}
