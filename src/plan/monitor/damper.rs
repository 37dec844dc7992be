//! A verdict that holds still: it falls only in open time, rises only after a while, and turns only so often.

use std::time::Duration;

use jiff::Timestamp;

use crate::plan::elapsed;

/// In this time a verdict turns twice at most; a third turn is flapping.
pub const FLAP_WINDOW: Duration = Duration::from_secs(3600);
/// How long everything must be good before flapping is over.
pub const FLAP_RECOVER: Duration = Duration::from_secs(1800);
/// Turns that are allowed in that time.
const TURNS: usize = 2;

/// What is seen now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// All is good.
    Good,
    /// Neither good nor bad enough.
    Doubtful,
    /// Bad.
    Bad,
    /// Nothing can be seen.
    Nothing,
}

/// What is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It is good.
    Good,
    /// It is bad.
    Bad {
        /// It turned too often.
        flapping: bool,
        /// Since when.
        since: Timestamp,
        /// The same, if it was good before.
        fell: Option<Timestamp>,
    },
    /// Nothing yet, or nothing any more.
    Nothing,
}

/// What a verdict remembers.
#[derive(Clone, Debug, Default)]
pub struct Damper {
    /// The last verdict: whether it was good, and since when.
    held: Option<(bool, Timestamp)>,
    flapping: bool,
    /// Nothing could be seen meanwhile: a bad verdict is said again only once it is seen to be bad, in open time.
    hidden: bool,
    /// It was good before it was bad, as far as anybody knows.
    fell: bool,
    /// When it turned, of late.
    turns: Vec<Timestamp>,
    good_since: Option<Timestamp>,
}

impl Damper {
    /// A verdict that was stored before this process began.
    pub fn known(good: bool, flapping: bool, since: Timestamp) -> Self {
        Self { held: Some((good, since)), flapping, fell: true, turns: vec![since], ..Self::default() }
    }

    /// Looks were missed: what was good before them proves nothing about the time between.
    pub fn interrupted(&mut self) {
        self.good_since = None;
    }

    /// Nothing can be seen now.
    pub fn hide(&mut self) {
        self.interrupted();
        self.hidden = true;
    }

    /// Nothing can be seen while it is closed: the last verdict stays (api.md), if there is one.
    pub fn overnight(&mut self) -> Said {
        self.interrupted();
        self.says()
    }

    /// Since when the verdict has been bad, if it is.
    pub fn bad_since(&self) -> Option<Timestamp> {
        self.held.filter(|(good, _)| !good).map(|(_, since)| since)
    }

    /// Since when everything has been good, if it is.
    pub fn good_since(&self) -> Option<Timestamp> {
        self.good_since
    }

    /// What this verdict is made of has been good since then, though not said to be.
    pub fn good_from(&mut self, since: Option<Timestamp>) {
        self.good_since = since;
    }

    /// When it will be good again if it stays as it is.
    pub fn good_again(&self, recover: Duration) -> Option<Timestamp> {
        let since = self.good_since.filter(|_| self.held.is_some_and(|(good, _)| !good))?;
        since.checked_add(if self.flapping { FLAP_RECOVER.max(recover) } else { recover }).ok()
    }

    /// The verdict now. `counts`: this moment is open time, and only then it may fall or be first given.
    pub fn settle(&mut self, seen: Seen, counts: bool, recover: Duration, now: Timestamp) -> Said {
        if seen == Seen::Good {
            self.good_since.get_or_insert(now);
        } else {
            self.good_since = None;
        }
        self.turns.retain(|turn| elapsed(*turn, now) < FLAP_WINDOW);
        let good_for = self.good_since.map_or(Duration::ZERO, |since| elapsed(since, now));
        match self.held {
            _ if seen == Seen::Nothing => {
                self.hidden = true;
                return Said::Nothing;
            }
            None if counts && matches!(seen, Seen::Good | Seen::Bad) => {
                self.held = Some((seen == Seen::Good, now));
                (self.hidden, self.fell) = (false, false);
            }
            None => {}
            Some((true, _)) if seen == Seen::Bad && counts => {
                self.flapping = self.turns.len() >= TURNS;
                self.turn(false, now);
            }
            Some((true, _)) if seen == Seen::Good => self.hidden = false,
            // A time that the provider takes back at night, say: neither good nor to be called bad before it is open.
            Some((true, _)) if seen == Seen::Bad => self.hidden = true,
            Some((true, _)) => {}
            Some((false, _)) => self.while_bad(seen, counts, good_for, recover, now),
        }
        self.says()
    }

    fn says(&self) -> Said {
        match self.held {
            None => Said::Nothing,
            Some(_) if self.hidden => Said::Nothing,
            Some((true, _)) => Said::Good,
            Some((false, since)) => Said::Bad { flapping: self.flapping, since, fell: self.fell.then_some(since) },
        }
    }

    fn while_bad(&mut self, seen: Seen, counts: bool, good_for: Duration, recover: Duration, now: Timestamp) {
        if seen == Seen::Bad && counts {
            self.hidden = false;
        }
        if seen != Seen::Good || good_for < recover {
            return;
        }
        if !self.flapping && self.turns.len() >= TURNS {
            self.flapping = true;
        }
        if !self.flapping || good_for >= FLAP_RECOVER {
            self.flapping = false;
            self.turn(true, now);
        }
    }

    fn turn(&mut self, good: bool, now: Timestamp) {
        self.held = Some((good, now));
        (self.hidden, self.fell) = (false, true);
        self.turns.push(now);
    }
}
