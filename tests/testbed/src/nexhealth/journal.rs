//! Every change of the provider's state, whoever made it, and what can be proved from it.

use super::model::{Endpoint, Row};
pub use crate::sim::Actor;
use crate::sim::Mark;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// What changed. Objects are as they were after the change, and for deletions before it.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new endpoint.
    EndpointCreated(Endpoint),
    /// `target_url` or `active` were set.
    EndpointPatched {
        /// Before.
        before: Endpoint,
        /// After.
        after: Endpoint,
    },
    /// An endpoint is gone.
    EndpointDeleted(Endpoint),
    /// A new row.
    RowCreated(Row),
    /// `active` was set.
    RowPatched {
        /// Before.
        before: Row,
        /// After.
        after: Row,
    },
    /// The row is now on another endpoint (and `active` may have been set as well).
    RowMoved {
        /// Before.
        before: Row,
        /// After.
        after: Row,
    },
    /// A row is gone.
    RowDeleted(Row),
    /// The organisation reaches this subdomain from now on.
    InstitutionAdded(String),
    /// It no longer does.
    InstitutionRemoved(String),
}

/// One change.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Place in the common order of calls and journal entries.
    pub seq: u64,
    /// When, by the real clock.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub change: Change,
}

/// Which rows a question is about.
#[derive(Clone, Debug)]
pub struct LiveQuery {
    /// The institution; `None` for Onboarding.
    pub subdomain: Option<String>,
    /// The event; event names are unique over resource types.
    pub event: String,
    /// Only rows whose endpoint has this `target_url` at the time.
    pub target_url: Option<String>,
    /// Only endpoints of this organisation.
    pub organisation: Option<String>,
}

impl LiveQuery {
    /// Every row of this event and institution.
    pub fn new(subdomain: &str, event: &str) -> Self {
        Self { subdomain: Some(subdomain.to_owned()), event: event.to_owned(), target_url: None, organisation: None }
    }

    /// Every row of this Onboarding event.
    pub fn onboarding(event: &str) -> Self {
        Self { subdomain: None, ..Self::new("", event) }
    }

    /// Only on endpoints with this URL.
    pub fn on_url(mut self, target_url: &str) -> Self {
        self.target_url = Some(target_url.to_owned());
        self
    }

    /// Only on endpoints of this organisation.
    pub fn of(mut self, organisation: &str) -> Self {
        self.organisation = Some(organisation.to_owned());
        self
    }
}

/// How many live rows there were from one change to the next. A row is live if it and its endpoint are active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The journal entry (or mark) it begins with.
    pub from: u64,
    /// The number of live rows until the next stretch.
    pub live: usize,
}

/// The number of live rows at `since` and after each later change of it.
pub fn timeline(journal: &[Entry], query: &LiveQuery, since: Mark) -> Vec<Stretch> {
    let mut state = State::default();
    let split = journal.partition_point(|entry| entry.seq <= since.0);
    let (past, later) = journal.split_at(split);
    past.iter().for_each(|entry| state.apply(&entry.change));
    let mut stretches = vec![Stretch { from: since.0, live: state.live(query) }];
    for entry in later {
        state.apply(&entry.change);
        let live = state.live(query);
        if stretches.last().is_none_or(|last| last.live != live) {
            stretches.push(Stretch { from: entry.seq, live });
        }
    }
    stretches
}

#[derive(Default)]
struct State {
    endpoints: BTreeMap<i64, Endpoint>,
    rows: BTreeMap<i64, Row>,
}

impl State {
    fn apply(&mut self, change: &Change) {
        match change {
            Change::EndpointCreated(after) | Change::EndpointPatched { after, .. } => {
                self.endpoints.insert(after.id, after.clone());
            }
            Change::EndpointDeleted(before) => {
                self.endpoints.remove(&before.id);
            }
            Change::RowCreated(after) | Change::RowPatched { after, .. } | Change::RowMoved { after, .. } => {
                self.rows.insert(after.id, after.clone());
            }
            Change::RowDeleted(before) => {
                self.rows.remove(&before.id);
            }
            Change::InstitutionAdded(_) | Change::InstitutionRemoved(_) => {}
        }
    }

    fn live(&self, query: &LiveQuery) -> usize {
        self.rows
            .values()
            .filter(|row| row.active && row.event == query.event && row.subdomain == query.subdomain)
            .filter_map(|row| self.endpoints.get(&row.endpoint_id))
            .filter(|endpoint| endpoint.active)
            .filter(|endpoint| query.target_url.as_ref().is_none_or(|url| *url == endpoint.target_url))
            .filter(|endpoint| query.organisation.as_ref().is_none_or(|name| *name == endpoint.organisation))
            .count()
    }
}
