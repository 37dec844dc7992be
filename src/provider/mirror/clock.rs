//! The mirror's own time: a counter, because only the order of list starts, list ends and writes matters.

use std::collections::BTreeSet;

use jiff::Timestamp;

/// A moment of the logical clock. No two list starts and writes share one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Seq(u64);

/// A good list that has been applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// When it was asked for.
    pub started: Seq,
    /// When its answer was applied.
    pub ended: Seq,
    /// When it was asked for, by our clock.
    pub at: Timestamp,
}

/// The clock, and which lists are under way.
#[derive(Default)]
pub(super) struct Clock {
    now: u64,
    open: BTreeSet<Seq>,
}

impl Clock {
    pub(super) fn now(&self) -> Seq {
        Seq(self.now)
    }

    /// The next moment.
    pub(super) fn tick(&mut self) -> Seq {
        self.now += 1;
        Seq(self.now)
    }

    /// The next moment, at which a list starts.
    pub(super) fn open(&mut self) -> Seq {
        let seq = self.tick();
        self.open.insert(seq);
        seq
    }

    /// A list has ended, well or badly.
    pub(super) fn close(&mut self, started: Seq) {
        self.open.remove(&started);
    }

    /// Whether a list is under way that started at or before `seq`: only such a list can still show what had gone by then.
    pub(super) fn may_show(&self, seq: Seq) -> bool {
        self.open.first().is_some_and(|oldest| *oldest <= seq)
    }
}

/// The good lists of one target.
#[derive(Clone, Copy, Default)]
pub(super) struct Lists {
    pub(super) last: Option<ListInfo>,
    pub(super) first_at: Option<Timestamp>,
    /// When the one before the last started.
    pub(super) before_at: Option<Timestamp>,
}

impl Lists {
    pub(super) fn add(&mut self, info: ListInfo) {
        self.first_at.get_or_insert(info.at);
        self.before_at = self.last.map(|last| last.at);
        self.last = Some(info);
    }

    /// Whether a list that started then is no newer than what has been applied: the newest by start wins.
    pub(super) fn outdates(&self, started: Seq) -> bool {
        self.last.is_some_and(|last| last.started >= started)
    }
}
