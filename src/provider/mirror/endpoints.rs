//! Endpoints: what lists show, what our writes answered, and how long an id has been absent.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::CreateState;
use super::absence::AbsenceLog;
use super::changes::Changes;
use super::clock::{Clock, ListInfo, Lists, Seq};
use super::rows::Doubt;
use crate::provider::canonical::canonical_url;
use crate::provider::model::{RemoteEndpoint, RemoteId};

struct Entry {
    remote: RemoteEndpoint,
    canonical: Option<Arc<str>>,
    /// Start of the last list that showed it.
    seen: Seq,
}

#[derive(Default)]
pub(super) struct UrlState {
    posts: u32,
    doubt: Option<Doubt>,
}

/// Everything known about endpoints.
#[derive(Default)]
pub(super) struct Endpoints {
    by_id: HashMap<RemoteId, Entry>,
    by_url: HashMap<Arc<str>, BTreeSet<RemoteId>>,
    /// Our last write to an id, also to one that has gone.
    stamps: HashMap<RemoteId, Seq>,
    writes: HashMap<RemoteId, u32>,
    pub(super) urls: HashMap<String, UrlState>,
    /// Ids whose DELETE was answered with success: their absence is our own doing.
    pub(super) deleted: HashSet<RemoteId>,
    /// The ids of the last good list.
    pub(super) listed: HashSet<RemoteId>,
    pub(super) lists: Lists,
    pub(super) absences: AbsenceLog,
}

/// A good list of endpoints: the plain one, and the one of the inactive if it was asked for.
pub(super) struct EndpointList<'a> {
    pub(super) info: ListInfo,
    pub(super) all: Vec<&'a RemoteEndpoint>,
    pub(super) looked_twice: bool,
    pub(super) held: &'a HashSet<RemoteId>,
    /// W1 of rules.md *Absence*.
    pub(super) witnessed: bool,
}

impl Endpoints {
    pub(super) fn get(&self, id: &RemoteId) -> Option<&RemoteEndpoint> {
        self.by_id.get(id).map(|entry| &entry.remote)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &RemoteEndpoint> {
        self.by_id.values().map(|entry| &entry.remote)
    }

    pub(super) fn with_url(&self, canonical: &str) -> impl Iterator<Item = &RemoteEndpoint> {
        self.by_url.get(canonical).into_iter().flatten().filter_map(|id| self.get(id))
    }

    /// Whether a list that started then can tell whether the id is there.
    pub(super) fn is_judged(&self, id: &RemoteId, started: Seq) -> bool {
        !self.writes.contains_key(id) && self.stamps.get(id).is_none_or(|stamp| *stamp < started)
    }

    /// Applies a list; answers the ids that vanished.
    pub(super) fn apply(&mut self, clock: &Clock, list: &EndpointList<'_>, changes: &mut Changes) -> Vec<RemoteId> {
        let info = list.info;
        self.listed = list.all.iter().map(|remote| remote.id.clone()).collect();
        for remote in &list.all {
            if self.is_judged(&remote.id, info.started) {
                self.deleted.remove(&remote.id);
                self.put((*remote).clone(), info.started, changes);
            }
        }
        let unseen = |(id, entry): (&RemoteId, &Entry)| {
            (entry.seen < info.started && self.is_judged(id, info.started)).then(|| id.clone())
        };
        let vanished: Vec<_> =
            if list.looked_twice { self.by_id.iter().filter_map(unseen).collect() } else { Vec::new() };
        let known: HashSet<&RemoteId> = vanished.iter().collect();
        for id in &vanished {
            self.take(id, changes);
        }
        let suspects: HashSet<_> = list.held.iter().chain(&vanished).cloned().chain(self.absences.ids()).collect();
        for id in suspects {
            if self.listed.contains(&id) {
                self.absences.present(&id);
            } else if list.looked_twice && self.is_judged(&id, info.started) {
                let seen = known.contains(&id).then_some(self.lists.last).flatten().map(|last| last.at);
                let first = self.absences.absent(&id, info.at, list.witnessed, list.held.contains(&id), seen);
                if first {
                    changes.endpoints.insert(id);
                }
            }
        }
        self.lists.add(info);
        for state in self.urls.values_mut() {
            state.doubt = state.doubt.filter(|doubt| info.at < doubt.look_after || info.started <= doubt.since);
        }
        self.urls.retain(|_, state| state.posts > 0 || state.doubt.is_some());
        let by_id = &self.by_id;
        self.stamps.retain(|id, seq| by_id.contains_key(id) || clock.may_show(*seq));
        self.deleted.retain(|id| list.held.contains(id) || by_id.contains_key(id));
        vanished
    }

    fn put(&mut self, mut remote: RemoteEndpoint, seen: Seq, changes: &mut Changes) {
        let old = self.by_id.remove(&remote.id);
        if let Some(old) = &old {
            // The key of an endpoint never changes, and some answers leave it out: once seen, it stays known.
            remote.key = remote.key.or_else(|| old.remote.key.clone());
        }
        let canonical: Option<Arc<str>> = canonical_url(&remote.target_url).map(Arc::from);
        let changed = old.as_ref().is_none_or(|old| old.remote != remote);
        if changed {
            if let Some(old) = &old {
                self.unindex(&remote.id, old.canonical.as_ref(), changes);
            }
            if let Some(url) = &canonical {
                self.by_url.entry(url.clone()).or_default().insert(remote.id.clone());
                changes.urls.insert(url.clone());
            }
            changes.endpoints.insert(remote.id.clone());
        }
        let canonical = old.filter(|_| !changed).map_or(canonical, |old| old.canonical);
        self.by_id.insert(remote.id.clone(), Entry { remote, canonical, seen });
    }

    fn take(&mut self, id: &RemoteId, changes: &mut Changes) {
        if let Some(old) = self.by_id.remove(id) {
            self.unindex(id, old.canonical.as_ref(), changes);
            changes.endpoints.insert(id.clone());
        }
    }

    fn unindex(&mut self, id: &RemoteId, url: Option<&Arc<str>>, changes: &mut Changes) {
        let Some(url) = url else { return };
        if let Some(ids) = self.by_url.get_mut(url) {
            ids.remove(id);
            if ids.is_empty() {
                self.by_url.remove(url);
            }
        }
        changes.urls.insert(url.clone());
    }

    fn stamp(&mut self, id: &RemoteId, now: Seq) {
        self.stamps.insert(id.clone(), now);
        self.absences.present(id);
    }

    pub(super) fn begin_write(&mut self, id: &RemoteId, now: Seq) {
        self.stamp(id, now);
        *self.writes.entry(id.clone()).or_default() += 1;
    }

    fn end_write(&mut self, id: &RemoteId, now: Seq) {
        self.stamp(id, now);
        if let Some(count) = self.writes.get_mut(id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.writes.remove(id);
            }
        }
    }

    /// A 201 or 200 named the endpoint as it now is.
    pub(super) fn answered(&mut self, remote: RemoteEndpoint, now: Seq, changes: &mut Changes) {
        self.end_write(&remote.id, now);
        self.deleted.remove(&remote.id);
        let seen = self.by_id.get(&remote.id).map_or(Seq::default(), |entry| entry.seen);
        self.put(remote, seen, changes);
    }

    pub(super) fn gone(&mut self, id: &RemoteId, now: Seq, changes: &mut Changes) {
        self.end_write(id, now);
        self.deleted.insert(id.clone());
        self.take(id, changes);
    }

    pub(super) fn write_failed(&mut self, id: &RemoteId, now: Seq) {
        self.end_write(id, now);
    }

    pub(super) fn begin_create(&mut self, url: &str) {
        self.urls.entry(url.to_owned()).or_default().posts += 1;
    }

    pub(super) fn end_create(&mut self, url: &str, doubt: Option<Doubt>) {
        let state = self.urls.entry(url.to_owned()).or_default();
        state.posts = state.posts.saturating_sub(1);
        state.doubt = doubt.or(state.doubt);
        if state.posts == 0 && state.doubt.is_none() {
            self.urls.remove(url);
        }
    }

    pub(super) fn create_state(&self, url: &str) -> CreateState {
        match self.urls.get(url) {
            Some(state) if state.posts > 0 => CreateState::InFlight,
            Some(UrlState { doubt: Some(doubt), .. }) => CreateState::Uncertain { look_after: doubt.look_after },
            _ => CreateState::Free,
        }
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &RemoteId> {
        self.by_id.keys()
    }

    /// When a URL's doubt ends for a caller that has no claim, such as a restart with an intent in status.
    pub(super) fn doubt(&mut self, url: &str, look_after: Timestamp, since: Seq) {
        self.urls.entry(url.to_owned()).or_default().doubt = Some(Doubt { look_after, since });
    }
}
