//! Rows, small and indexed: by id, and by pair within each endpoint.

use std::collections::HashMap;

use jiff::Timestamp;

use super::changes::Changes;
use super::clock::{ListInfo, Lists, Seq};
use super::names::{Names, Pair};
use crate::provider::model::home::{fingerprint_of, same_url};
use crate::provider::model::{RemoteId, RemoteRow, RowKey};

/// Everything known about rows. Its lists are applied in `row_lists`, its writes in `row_writes`.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) names: Names,
    /// One per endpoint ever named. Rows refer to it by place, so it only grows.
    targets: Vec<Target>,
    places: HashMap<RemoteId, u32>,
    pub(super) by_id: HashMap<RemoteId, Row>,
    /// Rows that went, and when, for as long as a list under way could show them again.
    pub(super) graves: HashMap<RemoteId, Seq>,
    /// Writes without an answer yet.
    pub(super) writes: HashMap<RemoteId, RowWrite>,
    /// Lists of the whole account (fused shape).
    pub(super) account: Lists,
}

/// A row without its id, which is its key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) target: u32,
    pub(super) pair: Pair,
    /// Microseconds; `i64::MIN` where the provider says nothing. Half the size of an `Option<Timestamp>`.
    created: i64,
    /// Our last write to it, or the start of the last list that showed it, whichever is later.
    pub(super) stamp: Seq,
    pub(super) active: bool,
}

/// The rows of one endpoint.
pub(super) struct Target {
    pub(super) id: RemoteId,
    /// The lowest id of each pair; pairs without a row have no entry.
    lowest: HashMap<Pair, RemoteId>,
    /// The other ids of pairs that have several, sorted.
    others: HashMap<Pair, Vec<RemoteId>>,
    /// Pairs of which more is known than their rows.
    pub(super) states: HashMap<Pair, PairState>,
    pub(super) lists: Lists,
    /// Lists that started at or before this are of an endpoint that has gone since.
    pub(super) gone: Seq,
    /// Lists that started at or before this prove no absence.
    pub(super) stale: Seq,
    /// Our last write to a row here.
    pub(super) written: Seq,
    /// When this process saw the endpoint being made, which is as good as an empty list.
    pub(super) created: Option<Seq>,
    total: usize,
    active: usize,
}

/// What is known of a pair besides its rows.
#[derive(Clone, Copy, Default)]
pub(super) struct PairState {
    /// Lists that started at or before this prove nothing about the pair.
    pub(super) stamp: Seq,
    /// A POST for it has no answer yet.
    pub(super) creating: bool,
    /// Writes without an answer to rows that have, had or may get this pair.
    pub(super) busy: u32,
    /// A write to it may still take effect.
    pub(super) doubt: Option<Doubt>,
    /// Start of the first of the good lists in a row that lack it, if it was known before.
    pub(super) gone_at: Option<Timestamp>,
    /// Start of the last good list that showed it.
    pub(super) seen_at: Option<Timestamp>,
}

/// An answer was lost.
#[derive(Clone, Copy)]
pub(super) struct Doubt {
    pub(super) look_after: Timestamp,
    pub(super) since: Seq,
}

/// Writes under way to one row.
#[derive(Default)]
pub(super) struct RowWrite {
    pub(super) count: u32,
    pub(super) pairs: Vec<(u32, Pair)>,
}

/// How many rows an endpoint has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RowCounts {
    /// All of them.
    pub total: usize,
    /// Those switched on.
    pub active: usize,
}

impl PairState {
    pub(super) fn is_settled(&self) -> bool {
        !self.creating && self.busy == 0 && self.doubt.is_none()
    }
}

impl Target {
    fn new(id: RemoteId) -> Self {
        Self {
            id,
            lowest: HashMap::new(),
            others: HashMap::new(),
            states: HashMap::new(),
            lists: Lists::default(),
            gone: Seq::default(),
            stale: Seq::default(),
            written: Seq::default(),
            created: None,
            total: 0,
            active: 0,
        }
    }

    pub(super) fn has(&self, pair: Pair) -> bool {
        self.lowest.contains_key(&pair)
    }

    pub(super) fn state(&self, pair: Pair) -> PairState {
        self.states.get(&pair).copied().unwrap_or_default()
    }

    /// Ids of a pair, lowest first.
    pub(super) fn ids(&self, pair: Pair) -> impl Iterator<Item = &RemoteId> {
        self.lowest.get(&pair).into_iter().chain(self.others.get(&pair).into_iter().flatten())
    }

    /// Ids of all rows, in no order.
    pub(super) fn all_ids(&self) -> impl Iterator<Item = &RemoteId> {
        self.lowest.values().chain(self.others.values().flatten())
    }

    pub(super) fn counts(&self) -> RowCounts {
        RowCounts { total: self.total, active: self.active }
    }

    /// Whether a write to a row here has no answer yet.
    pub(super) fn is_busy(&self) -> bool {
        self.states.values().any(|state| state.creating || state.busy > 0)
    }

    /// When the last of the writes here whose answers were lost may be looked for.
    pub(super) fn doubt(&self) -> Option<Timestamp> {
        self.states.values().filter_map(|state| state.doubt.map(|doubt| doubt.look_after)).max()
    }

    fn add(&mut self, id: RemoteId, pair: Pair, active: bool) {
        self.total += 1;
        self.active += usize::from(active);
        if let Some(state) = self.states.get_mut(&pair) {
            state.gone_at = None;
        }
        let Some(lowest) = self.lowest.get_mut(&pair) else {
            self.lowest.insert(pair, id);
            return;
        };
        let other = if id < *lowest { std::mem::replace(lowest, id) } else { id };
        let others = self.others.entry(pair).or_default();
        let place = others.partition_point(|known| *known < other);
        others.insert(place, other);
    }

    fn remove(&mut self, id: &RemoteId, pair: Pair, active: bool) {
        self.total = self.total.saturating_sub(1);
        self.active = self.active.saturating_sub(usize::from(active));
        let mut others = self.others.remove(&pair).unwrap_or_default();
        if self.lowest.get(&pair) != Some(id) {
            others.retain(|known| known != id);
        } else if others.is_empty() {
            self.lowest.remove(&pair);
        } else {
            self.lowest.insert(pair, others.remove(0));
        }
        if !others.is_empty() {
            self.others.insert(pair, others);
        }
    }
}

impl Rows {
    /// The place of an endpoint, made on first use.
    pub(super) fn place(&mut self, id: &RemoteId) -> u32 {
        if let Some(place) = self.places.get(id) {
            return *place;
        }
        let place = u32::try_from(self.targets.len()).unwrap_or(u32::MAX);
        self.targets.push(Target::new(id.clone()));
        self.places.insert(id.clone(), place);
        place
    }

    pub(super) fn at(&self, place: u32) -> Option<&Target> {
        self.targets.get(place as usize)
    }

    pub(super) fn at_mut(&mut self, place: u32) -> Option<&mut Target> {
        self.targets.get_mut(place as usize)
    }

    pub(super) fn target(&self, id: &RemoteId) -> Option<&Target> {
        self.at(*self.places.get(id)?)
    }

    pub(super) fn target_mut(&mut self, id: &RemoteId) -> Option<&mut Target> {
        let place = self.place(id);
        self.at_mut(place)
    }

    /// See [`super::Mirror::homes`].
    pub(super) fn homes(&self, fingerprint: &str) -> Vec<RemoteId> {
        let ours = |target: &&Target| target.total > 0 && fingerprint_of(&target.id).as_deref() == Some(fingerprint);
        self.targets.iter().filter(ours).map(|target| target.id.clone()).collect()
    }

    /// See [`super::Mirror::strangers`].
    pub(super) fn strangers(&self, home: &RemoteId, key: &RowKey) -> Vec<RemoteRow> {
        let Some(pair) = self.names.find(key) else { return Vec::new() };
        let others = self.targets.iter().filter(|target| target.id != *home && same_url(&target.id, home));
        others.flat_map(|target| target.ids(pair)).filter_map(|id| self.show(id)).collect()
    }

    pub(super) fn target_count(&self) -> u32 {
        u32::try_from(self.targets.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn state_mut(&mut self, place: u32, pair: Pair) -> Option<&mut PairState> {
        Some(self.at_mut(place)?.states.entry(pair).or_default())
    }

    /// Puts a row where it now is, wherever it was before.
    pub(super) fn put(&mut self, row: &RemoteRow, stamp: Seq, changes: &mut Changes) {
        let new = Row {
            target: self.place(&row.endpoint),
            pair: self.names.intern(&row.key()),
            created: row.created_at.map_or(i64::MIN, Timestamp::as_microsecond),
            stamp,
            active: row.active,
        };
        match self.by_id.insert(row.id.clone(), new) {
            Some(old) if (Row { stamp, ..old }) == new => return,
            Some(old) => self.unindex(&row.id, old, changes),
            None => {}
        }
        if let Some(target) = self.at_mut(new.target) {
            target.add(row.id.clone(), new.pair, new.active);
        }
        changes.pairs.insert((row.endpoint.clone(), row.key()));
    }

    /// Takes a row out.
    pub(super) fn take(&mut self, id: &RemoteId, changes: &mut Changes) -> Option<Row> {
        let row = self.by_id.remove(id)?;
        self.unindex(id, row, changes);
        Some(row)
    }

    fn unindex(&mut self, id: &RemoteId, row: Row, changes: &mut Changes) {
        let key = self.names.key(row.pair);
        if let Some(target) = self.at_mut(row.target) {
            target.remove(id, row.pair, row.active);
            changes.pairs.insert((target.id.clone(), key));
        }
    }

    /// The row in the words of the model.
    pub(super) fn show(&self, id: &RemoteId) -> Option<RemoteRow> {
        let row = self.by_id.get(id)?;
        let key = self.names.key(row.pair);
        Some(RemoteRow {
            id: id.clone(),
            endpoint: self.at(row.target)?.id.clone(),
            practice: key.practice,
            resource_type: key.resource_type,
            event: key.event,
            active: row.active,
            created_at: Some(row.created)
                .filter(|micros| *micros != i64::MIN)
                .and_then(|micros| Timestamp::from_microsecond(micros).ok()),
        })
    }

    /// The newest good list that covers an endpoint's rows: its own or one of the account.
    pub(super) fn lists(&self, target: &Target) -> Lists {
        let account = self.account.last.filter(|last| last.started > target.gone);
        match (target.lists.last, account) {
            (Some(own), Some(account)) if own.started > account.started => target.lists,
            (_, Some(_)) => self.account,
            _ => target.lists,
        }
    }

    /// Whether the last list of an endpoint still speaks for it.
    pub(super) fn fresh_list(&self, target: &Target) -> Option<ListInfo> {
        self.lists(target).last.filter(|last| last.started > target.stale)
    }

    pub(super) fn find(&self, endpoint: &RemoteId, key: &RowKey) -> Option<(&Target, Pair)> {
        Some((self.target(endpoint)?, self.names.find(key)?))
    }

    /// Bytes held per row, roughly: for the test that keeps rows small.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        let id = size_of::<RemoteId>() + 1;
        let text = 32;
        let slots: usize = self.targets.iter().map(|target| target.lowest.capacity() * 8 / 7).sum();
        let rows = self.by_id.capacity() * 8 / 7;
        rows * (id + size_of::<Row>()) + slots * (id + size_of::<Pair>() + 4) + self.by_id.len() * text
    }
}
