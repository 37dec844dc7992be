//! The world of the model: a provider, one object and its Secret, one or two operator processes, a receiver.
//!
//! Everything is small and plain, so that a state can be copied, compared and hashed. What the plans decide is decided by
//! the operator's own code, see [`crate::adapter`].

pub use crate::process::{Doubt, Gone, Known, Mind, Mirror, Proc, Read, Seq};
use crate::time::{FAR, Time, Timed, timed};

/// A remote endpoint; ids count up, and 0 is none. The key of an endpoint has its number.
pub type Id = u8;
/// A key: the number of its endpoint, 0 for none, [`GARBAGE`] for what somebody else has written.
pub type Key = u8;
/// Not the key of any endpoint.
pub const GARBAGE: Key = 99;
/// A pair (practice, event). Those below [`Setup::pairs`] are declared, the others are somebody else's.
pub type Pair = u8;
/// A pair that no object declares.
pub const FOREIGN: Pair = 9;
/// A target URL, by number.
pub type Url = u8;

/// A remote subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row {
    pub id: u8,
    pub pair: Pair,
}

/// A remote endpoint.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ep {
    pub id: Id,
    pub url: Url,
    pub active: bool,
    pub made: Time,
    /// Whether a POST of ours made it. The operator cannot see this; the properties can.
    pub mine: bool,
    pub rows: Vec<Row>,
}

/// A write at the provider.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    Create { url: Url, active: bool },
    Patch { id: Id, url: Option<Url>, active: Option<bool> },
    Delete(Id),
    CreateRow { on: Id, pair: Pair },
    MoveRow { row: u8, from: Id, to: Id },
    DeleteRow { row: u8, on: Id },
}

/// A write that was sent and has not taken effect, and whose sender does not know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Late {
    pub write: Write,
    pub sent: Time,
}

/// An intent to create.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Intent {
    pub since: Time,
    /// When its id became known; absent while it is open.
    pub until: Option<Time>,
    pub url: Option<Url>,
    pub seen: Vec<Id>,
    pub outstanding: bool,
}

/// Phases of a rotation, in the order of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    Preparing,
    Publishing,
    Switching,
    Draining,
    Retiring,
}

/// `status.rotation`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rotation {
    pub phase: Option<Phase>,
    pub request: Option<u8>,
    pub handled: Option<u8>,
    pub from: Id,
    pub to: Id,
    pub from_url: Option<Url>,
    pub published: Option<Time>,
    pub switched: Option<Time>,
}

/// What the `Active` condition says, as far as plans read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Said {
    /// 0 Delivering, 1 AsDeclared, 2 SwitchedOffRemotely.
    pub what: u8,
    pub generation: u8,
    /// Since when, where that matters.
    pub since: Option<Time>,
}

/// The status of the object, as far as plans read it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Status {
    pub generation: u8,
    /// Whether `Ready` is true.
    pub ready: bool,
    /// Whether `Stalled` is true.
    pub stalled: bool,
    pub active: Option<Said>,
    pub remote: Id,
    pub pending: Option<Intent>,
    pub last: Option<Intent>,
    pub removing: Vec<Id>,
    pub rotation: Option<Rotation>,
    /// Fingerprint of `current`.
    pub signing: Option<Key>,
    pub reactivated: Option<(u8, Time)>,
}

/// The object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Object {
    pub finalizer: bool,
    pub deleting: bool,
    pub generation: u8,
    pub url: Url,
    pub active: bool,
    pub orphan: bool,
    pub suspend: bool,
    /// `requestId`; 0 is the empty one.
    pub request: u8,
    /// `overlap: 0s`.
    pub leaked: bool,
    pub status: Option<Status>,
}

/// The Secret. It is always ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Secret {
    pub current: Key,
    pub previous: Key,
    pub owned: bool,
}

/// What the receiver has loaded of the Secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Receiver {
    pub current: Key,
    pub previous: Key,
    /// Since when the Secret has held something else.
    pub stale: Option<Time>,
}

/// The one delivery whose fate is followed: it was refused once. Which one that is, is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Delivery {
    pub by: Id,
    pub since: Time,
}

/// How much may still go wrong, or be asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Of all faults together.
    pub faults: u8,
    pub crashes: u8,
    pub lost: u8,
    /// Answers of the API server that are lost after the write.
    pub kube: u8,
    pub takeovers: u8,
    /// Ticks that pass although a process has something to do.
    pub slow: u8,
    pub harm: u8,
    pub edits: u8,
    pub deliveries: u8,
}

/// What stays the same during a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Setup {
    /// How many pairs are declared.
    pub pairs: Pair,
    /// Whether somebody else has a row on our endpoint when a rotation begins.
    pub foreign_row: bool,
    /// Whether a create whose answer was lost has left an empty endpoint beside the one that is held.
    pub twin: bool,
    /// Whether a process lists also while it has something to do; else only when it rests.
    pub background_lists: bool,
    /// Whether the receiver loads the Secret late; else it has every change at once.
    pub late_receiver: bool,
}

/// All of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub setup: Setup,
    pub now: Time,
    pub next_id: Id,
    pub next_row: u8,
    pub eps: Vec<Ep>,
    pub late: Vec<Late>,
    pub object: Option<Object>,
    pub secret: Option<Secret>,
    pub procs: Vec<Proc>,
    pub receiver: Receiver,
    pub delivery: Option<Delivery>,
    pub left: Budget,
    /// Somebody has done harm at the provider or to the Secret.
    pub harmed: bool,
    /// A list has left out what was there.
    pub lacked: bool,
    /// The object went under `deletionPolicy: Orphan`.
    pub orphaned: bool,
    /// Lost answers, crashes and changes of leader so far: each may have left one endpoint too many.
    pub excuses: u8,
    /// Keys that the Secret has held, as bits.
    pub published: u32,
    /// What has gone wrong.
    pub broken: Option<&'static str>,
}

timed!(Ep: made);
timed!(Late: sent);
timed!(Intent: since, until);
timed!(Rotation: published, switched);
timed!(Said: since);
timed!(Object: status);
timed!(Receiver: stale);
timed!(Delivery: since);
timed!(World: now, eps, late, object, secret, procs, receiver, delivery);

impl Timed for Status {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        self.active.times(see);
        self.pending.times(see);
        self.last.times(see);
        self.rotation.times(see);
        if let Some((_, at)) = &mut self.reactivated {
            see(at);
        }
    }
}

impl Timed for Secret {
    fn times(&mut self, _: &mut dyn FnMut(&mut Time)) {}
}

impl World {
    /// Brings a state into the one form in which it is stored.
    pub fn normalise(&mut self) {
        self.late.sort();
        for proc in &mut self.procs {
            proc.mirror.known.sort_by_key(|known| known.id);
            proc.mirror.gone.sort();
            proc.mirror.doubts.sort();
            proc.mind.deleted.sort_unstable();
            proc.rank();
        }
        self.forget();
        crate::time::normalise(self);
    }

    /// Moves times that are too long ago to matter to where they just do not matter.
    fn forget(&mut self) {
        let mut oldest = self.now;
        let statuses = self.object.iter_mut().filter_map(|object| object.status.as_mut());
        let mut intents = |status: &Status| {
            for intent in status.pending.iter().chain(&status.last) {
                oldest = oldest.min(intent.since);
            }
        };
        statuses.for_each(|status| intents(status));
        for proc in &self.procs {
            if let Read::Old(old) = &proc.object {
                old.status.iter().for_each(&mut intents);
            }
        }
        let made = oldest.plus(-FAR);
        self.eps.iter_mut().for_each(|ep| ep.made = ep.made.max(made));
        for proc in &mut self.procs {
            proc.mirror.known.iter_mut().for_each(|known| known.made = known.made.max(made));
            let listed = proc.mirror.listed.map_or(self.now, |(_, at)| at);
            proc.started = proc.started.max(listed.plus(-FAR));
            proc.mind.lost_post = proc.mind.lost_post.map(|lost| lost.max(listed.plus(-FAR)));
            proc.mind.reactivated = proc.mind.reactivated.map(|done| done.max(self.now.plus(-FAR)));
            proc.mirror.gone.iter_mut().for_each(|gone| gone.first = gone.first.max(gone.last.plus(-FAR)));
        }
    }

    /// The remote endpoint of an id.
    pub fn ep(&self, id: Id) -> Option<&Ep> {
        self.eps.iter().find(|ep| ep.id == id)
    }

    /// Whether a pair is delivered by something.
    pub fn is_covered(&self, pair: Pair) -> bool {
        self.eps.iter().any(|ep| ep.active && ep.rows.iter().any(|row| row.pair == pair))
    }

    /// What a process takes for the object.
    pub fn object_of(&self, proc: usize) -> Option<&Object> {
        match &self.procs[proc].object {
            Read::Fresh => self.object.as_ref(),
            Read::Old(old) => Some(old),
        }
    }

    /// What a process takes for the Secret.
    pub fn secret_of(&self, proc: usize) -> Option<&Secret> {
        match &self.procs[proc].secret {
            Read::Fresh => self.secret.as_ref(),
            Read::Old(old) => old.as_ref(),
        }
    }

    /// Notes that something is broken; the first counts.
    pub fn breaks(&mut self, what: &'static str) {
        self.broken.get_or_insert(what);
    }
}
