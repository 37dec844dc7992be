//! How long an id has been absent, and whether the account still sees the same world (rules.md *Absence*).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::provider::model::RemoteId;

/// Absences of ids that no object holds are forgotten after so many lists.
const FORGET_AFTER: u32 = 8;

/// Good lists in a row that lack an id, each started after our last write to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Start of the first.
    pub first: Timestamp,
    /// Start of the last.
    pub last: Timestamp,
    /// How many.
    pub lists: u32,
}

impl Run {
    fn begin(at: Timestamp) -> Self {
        Self { first: at, last: at, lists: 1 }
    }

    fn extend(self, at: Timestamp) -> Self {
        Self { last: at, lists: self.lists.saturating_add(1), ..self }
    }

    /// Whether two of the lists started at least so far apart.
    pub fn spans(&self, apart: SignedDuration) -> bool {
        self.lists > 1 && self.last.duration_since(self.first) >= apart
    }
}

/// An id is absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Start of the first list in a row that lacks it.
    pub first: Timestamp,
    /// Start of the last.
    pub last: Timestamp,
    /// How many.
    pub lists: u32,
    /// Whether each of them had a witness.
    pub witnessed: bool,
    /// The lists with a witness at the end of that row. One list without a witness begins this anew instead of spoiling
    /// the absence for good, or a single lost call would hold an object for ever (*No bricks*).
    pub witnessed_run: Option<Run>,
    /// Start of the last good list that showed it; `None` where this process never saw it.
    pub seen: Option<Timestamp>,
}

struct Record {
    all: Run,
    /// Witnessed lists before the last.
    earlier: Option<Run>,
    /// Start of the last list that showed it.
    seen: Option<Timestamp>,
    /// Whether the last had a witness. Known for good only when the practices of the same round are in.
    last: bool,
}

/// The absences of all ids.
#[derive(Default)]
pub(super) struct AbsenceLog {
    records: HashMap<RemoteId, Record>,
}

impl AbsenceLog {
    pub(super) fn get(&self, id: &RemoteId) -> Option<Absence> {
        let record = self.records.get(id)?;
        let run = record.witnessed();
        Some(Absence {
            first: record.all.first,
            last: record.all.last,
            lists: record.all.lists,
            witnessed: run.is_some_and(|run| run.lists == record.all.lists),
            witnessed_run: run,
            seen: record.seen,
        })
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = RemoteId> {
        self.records.keys().cloned()
    }

    pub(super) fn present(&mut self, id: &RemoteId) {
        self.records.remove(id);
    }

    /// One more list lacks the id; answers whether it is the first.
    pub(super) fn absent(
        &mut self,
        id: &RemoteId,
        at: Timestamp,
        witnessed: bool,
        held: bool,
        seen: Option<Timestamp>,
    ) -> bool {
        let Some(record) = self.records.get_mut(id) else {
            self.records.insert(id.clone(), Record { all: Run::begin(at), earlier: None, last: witnessed, seen });
            return true;
        };
        record.earlier = record.witnessed();
        record.all = record.all.extend(at);
        record.last = witnessed;
        if !held && record.all.lists > FORGET_AFTER {
            self.records.remove(id);
        }
        false
    }

    /// A witness for the last list has turned up.
    pub(super) fn witness_last(&mut self, at: Timestamp) {
        for record in self.records.values_mut().filter(|record| record.all.last == at) {
            record.last = true;
        }
    }
}

impl Record {
    fn witnessed(&self) -> Option<Run> {
        let at = self.all.last;
        self.last.then(|| self.earlier.map_or(Run::begin(at), |run| run.extend(at)))
    }
}

/// Whether the account sees the world that our objects know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum World {
    /// Something we know is there, or nothing is expected.
    Trusted,
    /// No list yet.
    #[default]
    Unknown,
    /// Two or more are known and all of them have gone in one round.
    Suspect,
    /// Something is expected and no witness holds: another key, another organisation.
    Unwitnessed,
}

/// The witnesses of the last round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Witnesses {
    /// W1: an endpoint that our objects or the last witnessed list know is listed.
    pub endpoint: bool,
    /// W2: at least half of the sample is among the practices.
    pub sample: bool,
}

/// What is expected of the world, and what was found.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) held: HashSet<RemoteId>,
    pub(super) sample: Vec<Arc<str>>,
    /// The ids of the last list that had a witness. A list of another world must not become its own.
    pub(super) trusted: HashSet<RemoteId>,
    pub(super) world: World,
    pub(super) witnesses: Witnesses,
    pub(super) suspect_since: Option<Timestamp>,
    /// How long a suspect world is held before W2 alone decides.
    pub(super) hold: Hold,
    /// A person has said that what the key shows now is right.
    pub(super) accepted: bool,
    /// Held ids whose absence has been accepted, by a person or by W2 after the hold: they make no world suspect again.
    given_up: HashSet<RemoteId>,
}

/// rules.md *Absence*: 30 min.
#[derive(Clone, Copy)]
pub(super) struct Hold(pub(super) SignedDuration);

impl Default for Hold {
    fn default() -> Self {
        Self(SignedDuration::from_mins(30))
    }
}

impl Scope {
    /// W1 for a list.
    pub(super) fn endpoint_witness(&self, listed: &HashSet<RemoteId>) -> bool {
        listed.iter().any(|id| self.held.contains(id) || self.trusted.contains(id))
    }

    /// Whether a list without W1 says anything about the world: where nothing is known that could be lacking, trust stays
    /// as it was, and no list of practices need be asked for.
    pub(super) fn has_nothing_to_miss(&self) -> bool {
        self.world == World::Trusted && self.held.is_empty() && self.trusted.is_empty()
    }

    /// Judges the last round. `judged` says which absent ids the list can judge and we have not deleted ourselves;
    /// `practices` whether the round has a list of practices.
    pub(super) fn judge(
        &mut self,
        at: Timestamp,
        listed: &HashSet<RemoteId>,
        practices: bool,
        judged: impl Fn(&RemoteId) -> bool,
    ) {
        self.given_up.retain(|id| self.held.contains(id) && !listed.contains(id));
        let held_long = self.suspect_since.is_some_and(|since| at.duration_since(since) >= self.hold.0);
        if self.accepted || held_long && self.witnesses.sample {
            self.given_up = self.held.difference(listed).cloned().collect();
        }
        let held: HashSet<_> = self.held.iter().filter(|id| judged(id) && !self.given_up.contains(*id)).collect();
        let known = held.iter().copied().chain(self.trusted.iter().filter(|id| judged(id))).collect::<HashSet<_>>();
        let kept = self.world == World::Trusted && known.is_empty() && !practices;
        let world = if held.is_empty() && self.sample.is_empty() || self.witnesses.endpoint || kept || self.accepted {
            World::Trusted
        } else if !held.is_empty() && known.len() > 1 {
            World::Suspect
        } else if self.witnesses.sample {
            World::Trusted
        } else {
            World::Unwitnessed
        };
        self.world = world;
        match world {
            World::Trusted => {
                self.suspect_since = None;
                // Not a list that is trusted only because nothing was expected yet, as right after a start.
                if self.witnesses.endpoint || self.witnesses.sample || self.accepted {
                    self.trusted.clone_from(listed);
                }
            }
            World::Suspect => _ = self.suspect_since.get_or_insert(at),
            World::Unknown | World::Unwitnessed => self.suspect_since = None,
        }
    }
}
