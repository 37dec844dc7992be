//! What can be asked of a mirror. All of it is cheap: plans of thousands of objects ask about their own pairs only.

use std::collections::HashSet;

use std::sync::Arc;

use jiff::Timestamp;

use super::{Absence, CreateState, ListInfo, Mirror, RowCounts, Seq, Witnesses, World};
use crate::provider::model::{Moved, Practice, RemoteEndpoint, RemoteId, RemoteRow, RowKey, RowScope};

impl Mirror {
    // === endpoints ===

    /// The endpoint of an id.
    pub fn endpoint(&self, id: &RemoteId) -> Option<&RemoteEndpoint> {
        self.endpoints.get(id)
    }

    /// All endpoints, in no order.
    pub fn endpoints(&self) -> impl Iterator<Item = &RemoteEndpoint> {
        self.endpoints.all()
    }

    /// Endpoints with this canonical URL ([`crate::provider::canonical::canonical_url`]), lowest id first.
    pub fn endpoints_with_url(&self, canonical: &str) -> impl Iterator<Item = &RemoteEndpoint> {
        self.endpoints.with_url(canonical)
    }

    /// The last good endpoint list.
    pub fn endpoint_list(&self) -> Option<ListInfo> {
        self.endpoints.lists.last
    }

    /// Whether and since when an id is absent.
    pub fn absence(&self, id: &RemoteId) -> Option<Absence> {
        self.endpoints.absences.get(id)
    }

    /// Whether our DELETE of an id was answered with success, and no list has shown it since.
    pub fn endpoint_deleted_by_us(&self, id: &RemoteId) -> bool {
        self.endpoints.deleted.contains(id)
    }

    /// Whether a POST of an endpoint with this canonical URL is outstanding.
    pub fn endpoint_create_state(&self, canonical: &str) -> CreateState {
        self.endpoints.create_state(canonical)
    }

    // === the world ===

    /// Whether the account sees the world that our objects know, by the last round.
    pub fn world(&self) -> World {
        self.scope.world
    }

    /// Since when the world is [`World::Suspect`].
    pub fn suspect_since(&self) -> Option<Timestamp> {
        self.scope.suspect_since
    }

    /// Which witnesses the last round had: W2 decides when a suspect world has been held long enough.
    pub fn witnesses(&self) -> Witnesses {
        self.scope.witnesses
    }

    /// Whether the last endpoint list still lacks a witness that a list of practices could give.
    pub fn wants_sample_witness(&self, listed: &[RemoteEndpoint]) -> bool {
        let listed: HashSet<_> = listed.iter().map(|remote| remote.id.clone()).collect();
        !self.scope.sample.is_empty() && !self.scope.has_nothing_to_miss() && !self.scope.endpoint_witness(&listed)
    }

    /// The ids our objects hold, as last told.
    pub fn held(&self) -> impl Iterator<Item = &RemoteId> {
        self.scope.held.iter()
    }

    // === rows ===

    /// The row of an id.
    pub fn row(&self, id: &RemoteId) -> Option<RemoteRow> {
        self.rows.show(id)
    }

    /// The rows of a pair, lowest id first.
    pub fn rows(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        let Some((target, pair)) = self.rows.find(endpoint, key) else { return Vec::new() };
        target.ids(pair).filter_map(|id| self.rows.show(id)).collect()
    }

    /// All rows of an endpoint, in no order.
    pub fn rows_of(&self, endpoint: &RemoteId) -> impl Iterator<Item = RemoteRow> {
        let target = self.rows.target(endpoint);
        target.into_iter().flat_map(|target| target.all_ids()).filter_map(|id| self.rows.show(id))
    }

    /// Every row of the account.
    pub fn every_row(&self) -> impl Iterator<Item = RemoteRow> {
        self.rows.by_id.keys().filter_map(|id| self.rows.show(id))
    }

    /// How many rows an endpoint has.
    pub fn row_counts(&self, endpoint: &RemoteId) -> RowCounts {
        self.rows.target(endpoint).map(|target| target.counts()).unwrap_or_default()
    }

    /// Rows of a pair that deliver to the same URL as those of a home, but are none of its own (fused shape).
    pub fn strangers(&self, at: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        self.rows.strangers(at, key)
    }

    /// Homes of a key that have rows (fused shape).
    pub fn homes(&self, fingerprint: &str) -> Vec<RemoteId> {
        self.rows.homes(fingerprint)
    }

    /// When to look for what a write to a row of this endpoint may have done.
    pub fn in_doubt(&self, endpoint: &RemoteId) -> Option<Timestamp> {
        self.rows.target(endpoint)?.doubt()
    }

    /// The last good list that covers the endpoint's rows.
    pub fn row_list(&self, endpoint: &RemoteId) -> Option<ListInfo> {
        self.rows.lists(self.rows.target(endpoint)?).last
    }

    /// The last good list of a scope.
    pub fn scope_list(&self, scope: &RowScope) -> Option<ListInfo> {
        match scope {
            RowScope::Endpoint(id) => self.row_list(id),
            RowScope::Account => self.rows.account.last,
        }
    }

    /// Whether there is a good list and no 404 or lost answer has called it into question since.
    pub fn row_list_is_fresh(&self, endpoint: &RemoteId) -> bool {
        self.rows.target(endpoint).is_some_and(|target| self.rows.fresh_list(target).is_some())
    }

    /// Whether something shows which rows an endpoint has and lacks: a good list that nothing has called into question, or
    /// that this process saw it being made.
    pub fn rows_proven(&self, endpoint: &RemoteId) -> bool {
        self.rows.target(endpoint).is_some_and(|target| self.rows.proof(target).is_some())
    }

    /// Our last write to any row of the endpoint: rules.md *Rotation* switches on lists that started after it.
    pub fn last_row_write(&self, endpoint: &RemoteId) -> Seq {
        self.rows.target(endpoint).map(|target| target.written).unwrap_or_default()
    }

    /// Whether this process saw the endpoint's 201.
    pub fn saw_created(&self, endpoint: &RemoteId) -> bool {
        self.rows.target(endpoint).is_some_and(|target| target.created.is_some())
    }

    /// Whether the endpoint's rows are known: a good list, or this process saw it being made.
    pub fn row_list_known(&self, endpoint: &RemoteId) -> bool {
        self.saw_created(endpoint) || self.row_list(endpoint).is_some()
    }

    /// Whether a pair is missing (rules.md *Mirror*): absent from the good lists of all `endpoints`, each started after
    /// our last write that could have put it there, none called into question since, no write to it under way or in
    /// doubt. Name the endpoints in the order in which rows move, as in (from, to): each one's list must have started
    /// after the list before it had ended, or a row on its way would be in neither.
    pub fn is_missing(&self, endpoints: &[RemoteId], key: &RowKey) -> bool {
        self.rows.is_missing(endpoints, key)
    }

    /// rules.md *Rotation*: whether good lists prove that everything has moved from one endpoint to the other.
    pub fn moved(&self, from: &RemoteId, to: &RemoteId) -> Moved {
        self.rows.moved(from, to)
    }

    /// Since which list a pair without rows has been absent from every good list of the endpoint.
    pub fn missing_since(&self, endpoint: &RemoteId, key: &RowKey) -> Option<Timestamp> {
        self.rows.missing_since(endpoint, key)
    }

    /// When the last good list that showed a row of a pair started, where a later one lacks it.
    pub fn last_seen(&self, endpoint: &RemoteId, key: &RowKey) -> Option<Timestamp> {
        self.rows.last_seen(endpoint, key)
    }

    /// When the list of an endpoint's rows before the last one started.
    pub fn row_list_before(&self, endpoint: &RemoteId) -> Option<Timestamp> {
        self.rows.lists(self.rows.target(endpoint)?).before_at
    }

    /// When the endpoint list before the last one started.
    pub fn endpoint_list_before(&self) -> Option<Timestamp> {
        self.endpoints.lists.before_at
    }

    /// Rows of a pair that are one too many and may be deleted: all but the lowest id, and none at all unless the last
    /// good list, not merely an answer of ours, showed the one that stays and no write to the pair is in doubt, such as
    /// a lost DELETE that could still take it.
    pub fn twins(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        self.rows.twins(endpoint, key)
    }

    /// Whether a pair may be POSTed.
    pub fn row_create_state(&self, endpoint: &RemoteId, key: &RowKey) -> CreateState {
        self.rows.create_state(endpoint, key)
    }

    // === practices ===

    /// The name of the practice that a row is about, itself absent for rows of the account; `None` where the key no longer
    /// reaches the practice.
    pub fn practice_of(&self, key: &RowKey) -> Option<Option<&Arc<str>>> {
        match key.practice.as_deref() {
            None => Some(None),
            Some(practice) => self.practice_by_key(practice).map(|practice| Some(&practice.name)),
        }
    }

    /// The practice of a name.
    pub fn practice_by_name(&self, name: &str) -> Option<&Practice> {
        self.practices.by_name(name)
    }

    /// The practice of a key.
    pub fn practice_by_key(&self, key: &str) -> Option<&Practice> {
        self.practices.by_key(key)
    }

    /// The name under which a practice was last known that the key no longer reaches.
    pub fn former_practice(&self, key: &str) -> Option<&Arc<str>> {
        self.practices.former_by_key(key)
    }

    /// The key under which a practice was last known that the key no longer reaches.
    pub fn former_key(&self, name: &str) -> Option<&Arc<str>> {
        self.practices.former_by_name(name)
    }

    /// All practices, by key.
    pub fn practices(&self) -> &[Practice] {
        &self.practices.all
    }

    /// The last good list of practices.
    pub fn practice_list(&self) -> Option<ListInfo> {
        self.practices.lists.last
    }
}
