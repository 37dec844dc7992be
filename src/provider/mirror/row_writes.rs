//! Our writes to rows: claims before a POST, stamps around every call, doubts after a lost answer.

use jiff::Timestamp;

use super::changes::Changes;
use super::clock::{Clock, Seq};
use super::names::Pair;
use super::rows::{Doubt, Rows};
use super::{CreateState, Failure};
use crate::provider::model::{RemoteId, RemoteRow, RowKey};

impl Rows {
    pub(super) fn begin_create(&mut self, clock: &mut Clock, endpoint: &RemoteId, key: &RowKey) -> bool {
        let place = self.place(endpoint);
        let pair = self.names.intern(key);
        let taken = self.at(place).is_none_or(|target| target.has(pair) || !target.state(pair).is_settled());
        if taken {
            return false;
        }
        if let Some(target) = self.at_mut(place) {
            target.written = clock.tick();
            target.states.entry(pair).or_default().creating = true;
        }
        true
    }

    pub(super) fn created(&mut self, clock: &mut Clock, claim: (&RemoteId, &RowKey), row: &RemoteRow) -> Changes {
        let mut changes = Changes::default();
        let now = clock.tick();
        self.end_create(claim, None);
        self.stamp_pair(claim.0, claim.1, now);
        self.stamp_pair(&row.endpoint, &row.key(), now);
        // A list under way has shown the row and a later one has lost it again: then the next one decides.
        if !self.graves.contains_key(&row.id) {
            self.put(row, now, &mut changes);
        }
        changes
    }

    pub(super) fn create_failed(
        &mut self,
        clock: &mut Clock,
        claim: (&RemoteId, &RowKey),
        failure: Failure,
    ) -> Changes {
        let mut changes = Changes::default();
        let now = clock.tick();
        let doubt = match failure {
            Failure::Uncertain { look_after } => Some(Doubt { look_after, since: now }),
            Failure::Refused | Failure::NotFound => None,
        };
        self.end_create(claim, doubt);
        if failure == Failure::NotFound {
            self.mark_stale(clock, claim.0);
        }
        changes.pairs.insert((claim.0.clone(), claim.1.clone()));
        changes
    }

    fn end_create(&mut self, (endpoint, key): (&RemoteId, &RowKey), doubt: Option<Doubt>) {
        let place = self.place(endpoint);
        let pair = self.names.intern(key);
        if let Some(state) = self.state_mut(place, pair) {
            state.creating = false;
            state.doubt = later(state.doubt, doubt);
        }
    }

    pub(super) fn create_state(&self, endpoint: &RemoteId, key: &RowKey) -> CreateState {
        let Some((target, pair)) = self.find(endpoint, key) else { return CreateState::Free };
        let state = target.state(pair);
        match state.doubt {
            _ if state.creating => CreateState::InFlight,
            Some(doubt) => CreateState::Uncertain { look_after: doubt.look_after },
            None => CreateState::Free,
        }
    }

    pub(super) fn begin_write(&mut self, clock: &mut Clock, id: &RemoteId, to: Option<&RemoteId>) {
        let now = clock.tick();
        let mut pairs = Vec::new();
        if let Some(row) = self.by_id.get_mut(id) {
            row.stamp = now;
            pairs.push((row.target, row.pair));
        }
        if let (Some(to), Some((_, pair))) = (to, pairs.first().copied()) {
            let place = self.place(to);
            pairs.push((place, pair));
        }
        for (place, pair) in &pairs {
            self.touch(*place, *pair, now);
            if let Some(state) = self.state_mut(*place, *pair) {
                state.busy += 1;
            }
        }
        let write = self.writes.entry(id.clone()).or_default();
        write.count += 1;
        write.pairs.extend(pairs);
    }

    /// A row was switched or moved.
    pub(super) fn patched(&mut self, clock: &mut Clock, row: &RemoteRow) -> Changes {
        let mut changes = Changes::default();
        let now = clock.tick();
        self.end_write(&row.id, now, None, &mut changes);
        self.stamp_pair(&row.endpoint, &row.key(), now);
        if self.by_id.contains_key(&row.id) || !self.graves.contains_key(&row.id) {
            self.put(row, now, &mut changes);
        }
        changes
    }

    pub(super) fn deleted(&mut self, clock: &mut Clock, id: &RemoteId) -> Changes {
        let mut changes = Changes::default();
        let now = clock.tick();
        self.end_write(id, now, None, &mut changes);
        self.bury(clock, id, now, &mut changes);
        changes
    }

    pub(super) fn write_failed(&mut self, clock: &mut Clock, id: &RemoteId, failure: Failure) -> Changes {
        let mut changes = Changes::default();
        let now = clock.tick();
        let doubt = match failure {
            Failure::Uncertain { look_after } => Some(Doubt { look_after, since: now }),
            Failure::Refused | Failure::NotFound => None,
        };
        let places = self.end_write(id, now, doubt, &mut changes);
        if failure != Failure::Refused {
            for place in places {
                if let Some(target) = self.at_mut(place) {
                    target.stale = now;
                }
            }
        }
        changes
    }

    /// Ends one write to a row; says on which endpoints it was one.
    fn end_write(&mut self, id: &RemoteId, now: Seq, doubt: Option<Doubt>, changes: &mut Changes) -> Vec<u32> {
        if let Some(row) = self.by_id.get_mut(id) {
            row.stamp = now;
        }
        let Some(mut write) = self.writes.remove(id) else { return Vec::new() };
        write.count = write.count.saturating_sub(1);
        let pairs = write.pairs.clone();
        let last = write.count == 0;
        if !last {
            self.writes.insert(id.clone(), write);
        }
        for (place, pair) in &pairs {
            self.touch(*place, *pair, now);
            let Some(state) = self.state_mut(*place, *pair) else { continue };
            state.doubt = later(state.doubt, doubt);
            if last {
                state.busy = state.busy.saturating_sub(1);
            }
            if doubt.is_some() {
                let key = self.names.key(*pair);
                changes.pairs.extend(self.at(*place).map(|target| (target.id.clone(), key)));
            }
        }
        pairs.into_iter().map(|(place, _)| place).collect()
    }

    /// Takes a row out for good: no list that started before now brings it back.
    pub(super) fn bury(&mut self, clock: &Clock, id: &RemoteId, now: Seq, changes: &mut Changes) {
        if let Some(row) = self.take(id, changes) {
            self.touch(row.target, row.pair, now);
        }
        if clock.may_show(now) {
            self.graves.insert(id.clone(), now);
        }
    }

    /// The endpoint has gone, and its rows with it.
    pub(super) fn endpoint_gone(&mut self, clock: &mut Clock, endpoint: &RemoteId, now: Seq, changes: &mut Changes) {
        let Some(target) = self.target_mut(endpoint) else { return };
        target.gone = target.gone.max(now);
        target.lists = super::clock::Lists::default();
        target.created = None;
        let ids: Vec<_> = target.all_ids().cloned().collect();
        for id in ids {
            self.bury(clock, &id, now, changes);
        }
        if let Some(target) = self.target_mut(endpoint) {
            target.states.retain(|_, state| !state.is_settled());
        }
    }

    pub(super) fn mark_stale(&mut self, clock: &mut Clock, endpoint: &RemoteId) {
        let now = clock.tick();
        if let Some(target) = self.target_mut(endpoint) {
            target.stale = now;
        }
    }

    fn stamp_pair(&mut self, endpoint: &RemoteId, key: &RowKey, now: Seq) {
        let place = self.place(endpoint);
        let pair = self.names.intern(key);
        self.touch(place, pair, now);
    }

    fn touch(&mut self, place: u32, pair: Pair, now: Seq) {
        if let Some(target) = self.at_mut(place) {
            target.written = target.written.max(now);
            let state = target.states.entry(pair).or_default();
            state.stamp = state.stamp.max(now);
        }
    }
}

fn later(one: Option<Doubt>, two: Option<Doubt>) -> Option<Doubt> {
    match (one, two) {
        (Some(one), Some(two)) => {
            Some(Doubt { look_after: Timestamp::max(one.look_after, two.look_after), since: one.since.max(two.since) })
        }
        (one, two) => one.or(two),
    }
}
