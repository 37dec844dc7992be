//! One direction of one sync, followed from look to look: how long ago it last worked, in open time, and for how long it
//! has been red.

use std::cmp::Ordering;
use std::time::Duration;

use jiff::Timestamp;

use super::calendar::Calendar;
use crate::provider::model::sync::{Colour, Direction};

/// How one direction of one sync stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Its last good time is too long ago.
    Stale,
    /// Red for long enough.
    Red,
    /// Red, but not for long enough.
    Doubtful,
    /// It has never run, and nobody says that it is down.
    Never,
    /// Good.
    Good,
}

/// What is remembered of one direction of one sync.
#[derive(Clone, Debug, Default)]
pub struct Track {
    /// The time as the provider last showed it.
    shown: Option<Timestamp>,
    /// When it last worked, as far as can be believed.
    good: Option<Timestamp>,
    /// Open time from then until `counted`.
    open: Duration,
    counted: Timestamp,
    /// Open time through which every good look was red.
    red: Duration,
    /// The last look, if it was red.
    red_at: Option<Timestamp>,
}

impl Track {
    /// A new look, made at `at`; looks further apart than `gap` say nothing about the time between them.
    pub fn look(&mut self, direction: &Direction, at: Timestamp, gap: Duration, calendar: &mut Calendar) {
        // A time in the future is believed from the moment it was first shown: a clock that is ahead hides nothing.
        // A time that is missing hides nothing either: the last one goes on growing old.
        if let Some(shown) = direction.at.filter(|shown| self.shown != Some(*shown)) {
            self.shown = Some(shown);
            self.good = Some(shown.min(at));
            self.recount(at, calendar);
        }
        if direction.colour != Colour::Red {
            (self.red, self.red_at) = (Duration::ZERO, None);
            return;
        }
        if let Some(before) = self.red_at.filter(|before| crate::plan::elapsed(*before, at) <= gap) {
            self.red = self.red.saturating_add(calendar.counted(before, at));
        }
        self.red_at = Some(at);
    }

    /// Counts anew: the hours have changed.
    pub fn recount(&mut self, now: Timestamp, calendar: &mut Calendar) {
        self.open = self.good.map_or(Duration::ZERO, |good| calendar.counted(good, now));
        self.counted = now;
    }

    /// Time goes on.
    pub fn advance(&mut self, now: Timestamp, calendar: &mut Calendar) {
        match now.cmp(&self.counted) {
            // Our own clock was set back.
            Ordering::Less => self.recount(now, calendar),
            Ordering::Equal | Ordering::Greater => {
                self.open = self.open.saturating_add(calendar.counted(self.counted, now));
                self.counted = now;
            }
        }
    }

    /// How it stands; `counts`: open time goes on, so that what reaches the limit is about to be past it.
    pub fn standing(&self, stale_after: Duration, confirm: Duration, counts: bool) -> Standing {
        if self.good.is_some() && (self.open > stale_after || self.open == stale_after && counts) {
            Standing::Stale
        } else if self.red_at.is_some() {
            if self.red >= confirm { Standing::Red } else { Standing::Doubtful }
        } else if self.good.is_none() {
            Standing::Never
        } else {
            Standing::Good
        }
    }

    /// Open time since it last worked.
    pub fn open_age(&self) -> Option<Duration> {
        self.good.map(|_| self.open)
    }

    /// When it last worked, as far as can be believed.
    pub fn last_good(&self) -> Option<Timestamp> {
        self.good
    }
}
