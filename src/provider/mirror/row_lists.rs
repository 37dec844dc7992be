//! Lists of rows applied, and what they prove.

use std::collections::HashSet;

use jiff::{SignedDuration, Timestamp};

use super::changes::Changes;
use super::clock::{Clock, ListInfo, Seq};
use super::rows::{Rows, Target};
use crate::provider::model::{Moved, RemoteId, RemoteRow, RowKey, RowScope};

/// How long a vanished pair is remembered. Longer than any wait for a second list, short enough to stay small.
const REMEMBER_GONE: SignedDuration = SignedDuration::from_mins(15);

impl Rows {
    /// Applies a good list. A list older than one already applied says nothing new and is dropped.
    pub(super) fn apply(
        &mut self,
        clock: &mut Clock,
        scope: &RowScope,
        started: Seq,
        at: Timestamp,
        rows: &[RemoteRow],
    ) -> Changes {
        let mut changes = Changes::default();
        clock.close(started);
        let ended = clock.tick();
        let places = match scope {
            RowScope::Endpoint(id) => {
                let place = self.place(id);
                place..place.saturating_add(1)
            }
            RowScope::Account => {
                rows.iter().for_each(|row| _ = self.place(&row.endpoint));
                0..self.target_count()
            }
        };
        let outdated = match scope {
            RowScope::Endpoint(_) => {
                self.at(places.start).is_some_and(|target| target.gone >= started || target.lists.outdates(started))
            }
            RowScope::Account => self.account.outdates(started),
        };
        if !outdated {
            for row in rows {
                self.see(row, started, ended, &mut changes);
            }
            let info = ListInfo { started, ended, at };
            if *scope == RowScope::Account {
                self.account.add(info);
            }
            for place in places {
                self.forget_unseen(clock, place, info, &mut changes);
                self.settle(place, info, matches!(scope, RowScope::Endpoint(_)), &mut changes);
            }
        }
        self.graves.retain(|_, seq| clock.may_show(*seq));
        changes
    }

    /// A list shows a row. Where we know better, the list is not believed, and it is no proof for that pair either.
    fn see(&mut self, row: &RemoteRow, started: Seq, ended: Seq, changes: &mut Changes) {
        let known = self.by_id.get(&row.id);
        let newer = known.is_some_and(|known| known.stamp >= started || self.writes.contains_key(&row.id));
        let buried = self.graves.get(&row.id).is_some_and(|seq| *seq >= started);
        let gone = self.target(&row.endpoint).is_some_and(|target| target.gone >= started);
        if !newer && !buried && !gone {
            self.graves.remove(&row.id);
            return self.put(row, started, changes);
        }
        let place = self.place(&row.endpoint);
        let pair = self.names.intern(&row.key());
        if let Some(state) = self.state_mut(place, pair) {
            state.stamp = state.stamp.max(ended);
        }
    }

    /// Takes out what the list lacks. Rows it showed carry its start as their stamp, or a later one.
    fn forget_unseen(&mut self, clock: &Clock, place: u32, info: ListInfo, changes: &mut Changes) {
        let Some(target) = self.at(place) else { return };
        let seen_at = match target.lists.last {
            Some(list) => Some(list.at),
            None => self.account.before_at,
        };
        let lacks = |id: &&RemoteId| self.by_id.get(*id).is_some_and(|row| row.stamp < info.started);
        let unseen: Vec<_> =
            target.all_ids().filter(lacks).filter(|id| !self.writes.contains_key(*id)).cloned().collect();
        for id in unseen {
            let Some(row) = self.take(&id, changes) else { continue };
            if clock.may_show(info.started) {
                self.graves.insert(id, info.started);
            }
            if self.at(place).is_some_and(|target| !target.has(row.pair))
                && let Some(state) = self.state_mut(place, row.pair)
            {
                (state.gone_at, state.seen_at) = (Some(info.at), seen_at);
            }
        }
    }

    /// Lets go of what the list has settled.
    fn settle(&mut self, place: u32, info: ListInfo, own: bool, changes: &mut Changes) {
        let mut certain = Vec::new();
        if let Some(target) = self.at_mut(place) {
            if own {
                target.lists.add(info);
            }
            let mut states = std::mem::take(&mut target.states);
            states.retain(|pair, state| {
                if state.doubt.is_some_and(|doubt| info.at >= doubt.look_after && info.started > doubt.since) {
                    state.doubt = None;
                    certain.push(*pair);
                }
                if !target.has(*pair) && info.started > state.stamp {
                    state.gone_at.get_or_insert(info.at);
                }
                let remembered = state.gone_at.is_some_and(|gone| info.at.duration_since(gone) < REMEMBER_GONE);
                remembered || !state.is_settled() || state.stamp >= info.started
            });
            // Room for every pair that was ever made is not needed any more.
            states.shrink_to_fit();
            target.states = states;
        }
        for pair in certain {
            let key = self.names.key(pair);
            if let Some(target) = self.at(place) {
                changes.pairs.insert((target.id.clone(), key));
            }
        }
    }

    /// rules.md *Mirror*, "missing". See [`super::Mirror::is_missing`].
    pub(super) fn is_missing(&self, endpoints: &[RemoteId], key: &RowKey) -> bool {
        let mut source_ended = None;
        let mut named = HashSet::new();
        for id in endpoints.iter().filter(|id| named.insert(*id)) {
            let Some(target) = self.target(id) else { return false };
            let Some((started, ended)) = self.proof(target) else { return false };
            // One list of both at once is of one moment, and rows that are made before they are deleted are in it.
            let before = source_ended.replace((started, ended));
            if before.is_some_and(|before| started < before.1 && (started, ended) != before) {
                return false;
            }
            let Some(pair) = self.names.find(key) else { continue };
            let state = target.state(pair);
            if target.has(pair) || !state.is_settled() || started <= state.stamp {
                return false;
            }
        }
        !named.is_empty()
    }

    /// See [`super::Mirror::moved`].
    pub(super) fn moved(&self, from: &RemoteId, to: &RemoteId) -> Moved {
        let (Some(source), Some(destination)) = (self.target(from), self.target(to)) else { return Moved::ListFrom };
        if source.is_busy() || destination.is_busy() {
            return Moved::InFlight;
        }
        if let Some(until) = source.doubt() {
            return Moved::InDoubt { until, to: false };
        }
        if let Some(until) = destination.doubt() {
            return Moved::InDoubt { until, to: true };
        }
        let list = |target: &Target| self.fresh_list(target).filter(|list| list.started > target.written);
        let Some(source) = list(source).filter(|_| source.counts().total == 0) else { return Moved::ListFrom };
        match list(destination).filter(|list| list.started > source.ended) {
            Some(_) => Moved::Proven,
            None => Moved::ListTo,
        }
    }

    /// Start and end of what shows which rows an endpoint lacks.
    pub(super) fn proof(&self, target: &Target) -> Option<(Seq, Seq)> {
        if let Some(list) = self.fresh_list(target) {
            return Some((list.started, list.ended));
        }
        target.created.filter(|created| *created > target.stale).map(|created| (created, created))
    }

    /// Rows of a pair that are one too many. See [`super::Mirror::twins`].
    pub(super) fn twins(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        let Some((target, pair)) = self.find(endpoint, key) else { return Vec::new() };
        let mut ids = target.ids(pair);
        let (Some(kept), Some(list)) = (ids.next(), self.fresh_list(target)) else { return Vec::new() };
        let seen = self.by_id.get(kept).is_some_and(|row| row.stamp == list.started);
        if !seen || self.writes.contains_key(kept) || target.state(pair).doubt.is_some() {
            return Vec::new();
        }
        ids.filter(|id| !self.writes.contains_key(*id)).filter_map(|id| self.show(id)).collect()
    }

    /// See [`super::Mirror::last_seen`].
    pub(super) fn last_seen(&self, endpoint: &RemoteId, key: &RowKey) -> Option<Timestamp> {
        let target = self.target(endpoint)?;
        target.state(self.names.find(key)?).seen_at
    }

    /// See [`super::Mirror::missing_since`].
    pub(super) fn missing_since(&self, endpoint: &RemoteId, key: &RowKey) -> Option<Timestamp> {
        let target = self.target(endpoint)?;
        let state = self.names.find(key).map(|pair| (target.has(pair), target.state(pair).gone_at));
        match state {
            Some((true, _)) => None,
            Some((false, Some(gone))) => Some(gone),
            _ => self.lists(target).first_at,
        }
    }
}
