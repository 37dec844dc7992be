//! A process of the operator: what it knows of the provider and of the API server, and what it remembers.

use crate::time::{Time, Timed, timed};
use crate::world::{Id, Object, Row, Secret, Url};

/// A moment of a process's own clock; only the order matters.
pub type Seq = u8;

/// An endpoint as a process knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Known {
    pub id: Id,
    pub url: Url,
    pub active: bool,
    pub made: Time,
    /// Whether this process saw the 201.
    pub created: bool,
    /// Start of the last good list of its rows.
    pub listed: Option<Seq>,
    /// Our last write to its rows, or since when they are in doubt.
    pub written: Seq,
    /// Whether nothing has called the rows into question since they were listed.
    pub fresh: bool,
    /// A write to its rows whose answer was lost: no list before this moment settles it.
    pub doubt: Option<Time>,
    pub rows: Vec<Row>,
}

/// Good lists in a row that lack an id; more than two count as two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gone {
    pub id: Id,
    pub first: Time,
    pub last: Time,
    pub lists: u8,
}

/// A POST whose answer was lost: not again before a list that started at `look` or later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Doubt {
    pub url: Url,
    pub look: Time,
}

/// What a process knows of the provider: `provider::mirror` with lists that take no time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mirror {
    pub clock: Seq,
    /// Start of the last good endpoint list.
    pub listed: Option<(Seq, Time)>,
    pub known: Vec<Known>,
    pub gone: Vec<Gone>,
    pub doubts: Vec<Doubt>,
}

/// What a process remembers besides: `EndpointMind`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Mind {
    pub intent_is_mine: bool,
    pub intent: Option<Seq>,
    pub made: Id,
    pub lost_post: Option<Time>,
    pub reactivated: Option<Time>,
    pub deleted: Vec<(Id, Seq)>,
    pub generation: u8,
    pub looked_before_retiring: bool,
}

/// What a process last read of something, and whether that is old.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Read<T> {
    /// What the API server has.
    Fresh,
    /// This, which is not what the API server has any more.
    Old(T),
}

/// An operator process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Proc {
    pub started: Time,
    /// Since when another process leads.
    pub deposed: Option<Time>,
    /// Deposed between the fence and the write that it had planned: that one it can still send, and no other
    /// (rules.md *Leader*).
    pub armed: bool,
    pub object: Read<Object>,
    pub secret: Read<Option<Secret>>,
    pub mind: Mind,
    pub mirror: Mirror,
}

timed!(Known: made, doubt);
timed!(Gone: first, last);
timed!(Doubt: look);
timed!(Mind: lost_post, reactivated);
timed!(Proc: started, deposed, object, secret, mind, mirror);

impl Timed for Mirror {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        if let Some((_, at)) = &mut self.listed {
            see(at);
        }
        self.known.times(see);
        self.gone.times(see);
        self.doubts.times(see);
    }
}

impl<T: Timed> Timed for Read<T> {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        if let Self::Old(old) = self {
            old.times(see);
        }
    }
}

impl Proc {
    /// A process that has just started and knows nothing.
    pub fn new(started: Time) -> Self {
        Self {
            started,
            deposed: None,
            armed: false,
            object: Read::Fresh,
            secret: Read::Fresh,
            mind: Mind::default(),
            mirror: Mirror::default(),
        }
    }

    /// Numbers the moments of its clock anew, from 1.
    pub fn rank(&mut self) {
        let mut all: Vec<Seq> = Vec::with_capacity(8);
        self.moments(&mut |seq| all.push(*seq));
        all.sort_unstable();
        all.dedup();
        self.moments(&mut |seq| *seq = all.binary_search(seq).map_or(0, |place| place as Seq + 1));
        self.mirror.clock = all.len() as Seq + 1;
    }

    fn moments(&mut self, see: &mut dyn FnMut(&mut Seq)) {
        if let Some((seq, _)) = &mut self.mirror.listed {
            see(seq);
        }
        for known in &mut self.mirror.known {
            known.listed.iter_mut().for_each(&mut *see);
            see(&mut known.written);
        }
        self.mind.intent.iter_mut().for_each(&mut *see);
        self.mind.deleted.iter_mut().for_each(|(_, seq)| see(seq));
    }
}
