//! One snapshot of the remote side of a realm (rules.md *Mirror*, *Absence*, *Create*).
//!
//! Plain data: no calls, no clock, no randomness, so that every interleaving of lists and writes can be tried by a
//! property test. Whoever makes the calls says when a list starts ([`Mirror::tick`]) and hands the list or the answer in;
//! what comes out is knowledge that is safe to act on:
//!
//! * every entry carries the moment of our last write to it, and a list that started before proves nothing about it;
//! * a pair is *missing* only by [`Mirror::is_missing`], and a POST needs a claim ([`Mirror::begin_row_create`]);
//! * a row is *one too many* only by [`Mirror::twins`].
//!
//! A change of credentials begins a new mirror: no knowledge survives it.

mod absence;
mod changes;
mod clock;
mod endpoints;
mod names;
mod practices;
mod reads;
mod row_lists;
mod row_writes;
mod rows;
mod view;

#[cfg(test)]
mod property;
#[cfg(test)]
mod property_ops;
#[cfg(test)]
mod reads_tests;
#[cfg(test)]
mod rotation_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod world_tests;
#[cfg(test)]
mod writes_tests;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

pub use absence::{Absence, Run, Witnesses, World};
pub use changes::Changes;
pub use clock::{ListInfo, Seq};
pub use rows::RowCounts;

use crate::provider::model::{Practice, RemoteEndpoint, RemoteId, RemoteRow, RowKey, RowScope};

/// How a write failed, in so far as it matters to what is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It did not happen and never will.
    Refused,
    /// 404: orders a list.
    NotFound,
    /// It may have happened or may still happen; a list that starts at `look_after` or later knows.
    Uncertain {
        /// When to look.
        look_after: Timestamp,
    },
}

/// Whether something may be POSTed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CreateState {
    /// No POST of ours is outstanding.
    Free,
    /// A POST has no answer yet.
    InFlight,
    /// A write may still take effect: no POST before a good list that started at `look_after` or later.
    Uncertain {
        /// When to look.
        look_after: Timestamp,
    },
}

/// One snapshot of the remote side.
#[derive(Default)]
pub struct Mirror {
    clock: clock::Clock,
    endpoints: endpoints::Endpoints,
    rows: rows::Rows,
    practices: practices::Practices,
    scope: absence::Scope,
}

impl Mirror {
    /// Knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, with another time for which a suspect world is held (rules.md *Absence*).
    pub fn holding(suspect: Duration) -> Self {
        let mut mirror = Self::default();
        mirror.scope.hold = absence::Hold(SignedDuration::try_from(suspect).unwrap_or(SignedDuration::MAX));
        mirror
    }

    // === lists ===

    /// The moment a list starts. Each must end, in one of the `apply_` functions or in [`Mirror::list_failed`], because
    /// what has gone is remembered for as long as a list under way could show it again.
    pub fn tick(&mut self) -> Seq {
        self.clock.open()
    }

    /// Rows may stand here from now on (fused shape): the account's lists speak for this place too.
    pub fn expect_place(&mut self, home: &RemoteId) {
        self.rows.place(home);
    }

    /// The present moment: whatever starts from here on is later.
    pub fn now(&self) -> Seq {
        self.clock.now()
    }

    /// A list ended without a good answer.
    pub fn list_failed(&mut self, started: Seq) {
        self.clock.close(started);
    }

    /// Whether a plain endpoint list lacks something that is held or known, so that it has to be looked for among the
    /// inactive too before the list says anything about its absence.
    pub fn needs_second_look(&self, list: &[RemoteEndpoint]) -> bool {
        let listed: HashSet<_> = list.iter().map(|remote| &remote.id).collect();
        let mut expected = self.scope.held.iter().chain(self.endpoints.ids());
        expected.any(|id| !listed.contains(id))
    }

    /// Applies a good endpoint list. Without `inactive` it takes nothing away and counts no absence.
    pub fn apply_endpoints(
        &mut self,
        started: Seq,
        started_at: Timestamp,
        list: &[RemoteEndpoint],
        inactive: Option<&[RemoteEndpoint]>,
    ) -> Changes {
        let mut changes = Changes::default();
        self.clock.close(started);
        if self.endpoints.lists.outdates(started) {
            return changes;
        }
        let info = ListInfo { started, ended: self.clock.tick(), at: started_at };
        let all: Vec<_> = list.iter().chain(inactive.unwrap_or_default()).collect();
        let listed = all.iter().map(|remote| remote.id.clone()).collect();
        let witnessed = self.scope.endpoint_witness(&listed) || self.scope.accepted;
        let looked_twice = inactive.is_some() || !self.needs_second_look(list);
        let list = endpoints::EndpointList { info, all, looked_twice, held: &self.scope.held, witnessed };
        let vanished = self.endpoints.apply(&self.clock, &list, &mut changes);
        for id in vanished {
            self.rows.endpoint_gone(&mut self.clock, &id, started, &mut changes);
        }
        self.judge(&mut changes);
        changes
    }

    /// Applies a good list of rows.
    pub fn apply_rows(&mut self, scope: &RowScope, started: Seq, started_at: Timestamp, rows: &[RemoteRow]) -> Changes {
        self.rows.apply(&mut self.clock, scope, started, started_at, rows)
    }

    /// Applies a good list of practices.
    pub fn apply_practices(&mut self, started: Seq, started_at: Timestamp, list: Vec<Practice>) -> Changes {
        let mut changes = Changes::default();
        self.clock.close(started);
        if self.practices.lists.outdates(started) {
            return changes;
        }
        let info = ListInfo { started, ended: self.clock.tick(), at: started_at };
        self.practices.lists.add(info);
        changes.practices = self.practices.replace(list);
        self.judge(&mut changes);
        changes
    }

    // === the world ===

    /// What our objects hold, and the practice keys of the account's sample.
    pub fn set_expectations(&mut self, held: HashSet<RemoteId>, sample: Vec<Arc<str>>) -> Changes {
        let mut changes = Changes::default();
        self.scope.held = held;
        self.scope.sample = sample;
        self.judge(&mut changes);
        changes
    }

    /// A person says, or no longer says, that what the key shows now is right although nothing that was known is there
    /// (rules.md *Absence*, `acceptScope`).
    pub fn accept_world(&mut self, accepted: bool) -> Changes {
        let mut changes = Changes::default();
        if self.scope.accepted != accepted {
            self.scope.accepted = accepted;
            self.judge(&mut changes);
        }
        changes
    }

    /// W2 counts only in the round of the endpoint list, that is from a list of practices that started after it.
    fn judge(&mut self, changes: &mut Changes) {
        let Some(list) = self.endpoints.lists.last else { return };
        let same_round = self.practices.lists.last.is_some_and(|practices| practices.started > list.started);
        let listed = &self.endpoints.listed;
        self.scope.witnesses = Witnesses {
            endpoint: self.scope.endpoint_witness(listed),
            sample: same_round && self.practices.witnesses(&self.scope.sample),
        };
        if self.scope.witnesses.sample || self.scope.accepted {
            self.endpoints.absences.witness_last(list.at);
        }
        let before = self.scope.world;
        let endpoints = &self.endpoints;
        self.scope.judge(list.at, listed, same_round, |id| {
            endpoints.is_judged(id, list.started) && !endpoints.deleted.contains(id)
        });
        changes.world |= self.scope.world != before;
    }

    // === endpoint writes ===

    /// A PATCH or DELETE begins.
    pub fn begin_endpoint_write(&mut self, id: &RemoteId) {
        let now = self.clock.tick();
        self.endpoints.begin_write(id, now);
    }

    /// A POST begins.
    pub fn begin_endpoint_create(&mut self, canonical: &str) {
        self.endpoints.begin_create(canonical);
    }

    /// A POST was answered with the endpoint. Its rows are known from here on: there are none.
    pub fn endpoint_created(&mut self, canonical: &str, remote: RemoteEndpoint) -> Changes {
        let mut changes = Changes::default();
        let now = self.clock.tick();
        self.endpoints.end_create(canonical, None);
        if let Some(target) = self.rows.target_mut(&remote.id) {
            target.created = Some(now);
        }
        self.endpoints.answered(remote, now, &mut changes);
        changes
    }

    /// A POST was refused.
    pub fn endpoint_create_failed(&mut self, canonical: &str) {
        self.endpoints.end_create(canonical, None);
    }

    /// A POST's answer was lost.
    pub fn endpoint_create_uncertain(&mut self, canonical: &str, look_after: Timestamp) {
        let since = self.clock.tick();
        self.endpoints.end_create(canonical, None);
        self.endpoints.doubt(canonical, look_after, since);
    }

    /// A PATCH was answered with the endpoint.
    pub fn endpoint_patched(&mut self, remote: RemoteEndpoint) -> Changes {
        let mut changes = Changes::default();
        let now = self.clock.tick();
        self.endpoints.answered(remote, now, &mut changes);
        changes
    }

    /// A DELETE was answered with success.
    pub fn endpoint_deleted(&mut self, id: &RemoteId) -> Changes {
        let mut changes = Changes::default();
        let now = self.clock.tick();
        self.endpoints.gone(id, now, &mut changes);
        self.scope.trusted.remove(id);
        self.rows.endpoint_gone(&mut self.clock, id, now, &mut changes);
        changes
    }

    /// A PATCH or DELETE failed, in whatever way: no list that started before now says anything about the endpoint.
    pub fn endpoint_write_failed(&mut self, id: &RemoteId) {
        let now = self.clock.tick();
        self.endpoints.write_failed(id, now);
    }

    // === row writes ===

    /// Claims the POST of a pair: `false` when it has a row, one is being made, or one may still appear.
    #[must_use]
    pub fn begin_row_create(&mut self, endpoint: &RemoteId, key: &RowKey) -> bool {
        self.rows.begin_create(&mut self.clock, endpoint, key)
    }

    /// A claimed POST was answered with the row.
    pub fn row_created(&mut self, endpoint: &RemoteId, key: &RowKey, row: &RemoteRow) -> Changes {
        self.rows.created(&mut self.clock, (endpoint, key), row)
    }

    /// A claimed POST failed. With [`Failure::Uncertain`] the pair stays closed until a list that started late enough.
    pub fn row_create_failed(&mut self, endpoint: &RemoteId, key: &RowKey, failure: Failure) -> Changes {
        self.rows.create_failed(&mut self.clock, (endpoint, key), failure)
    }

    /// A PATCH or DELETE begins; `to` is where a PATCH moves the row. A move is a write to both endpoints.
    pub fn begin_row_write(&mut self, id: &RemoteId, to: Option<&RemoteId>) {
        self.rows.begin_write(&mut self.clock, id, to);
    }

    /// A PATCH was answered with the row.
    pub fn row_patched(&mut self, row: &RemoteRow) -> Changes {
        self.rows.patched(&mut self.clock, row)
    }

    /// A DELETE was answered with success.
    pub fn row_deleted(&mut self, id: &RemoteId) -> Changes {
        self.rows.deleted(&mut self.clock, id)
    }

    /// A PATCH or DELETE failed. Unless it was refused, the lists of all endpoints it concerned are stale.
    pub fn row_write_failed(&mut self, id: &RemoteId, failure: Failure) -> Changes {
        self.rows.write_failed(&mut self.clock, id, failure)
    }

    /// The endpoint's rows are not to be relied on until a list that starts from here on.
    pub fn mark_stale(&mut self, endpoint: &RemoteId) {
        self.rows.mark_stale(&mut self.clock, endpoint);
    }
}
