//! Open time: office hours on the clock of a place, with its gaps and folds.
//!
//! Hours are civil times. Where the clock jumps over one, the window begins or ends at the jump, so that a window around
//! it is as much shorter as the day; where the clock shows one twice, the window begins at the first and ends at the last.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::{Date, DateTime};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp};

use super::hours::{Hours, place_of};
use crate::plan::elapsed;

/// Nothing longer ago than this is counted: the answer is the same, and a first look costs a year at most.
const HORIZON: Duration = Duration::from_secs(366 * 24 * 3600);
/// How far ahead a change of state is looked for: a week.
const AHEAD: SignedDuration = SignedDuration::from_hours(168);
/// So long before a moment began the windows that are looked at: one of yesterday may last until now, and one of the
/// day before may last until that begins.
const BACK: SignedDuration = SignedDuration::from_hours(48);

/// Whether a practice is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Office {
    /// Closed.
    Closed,
    /// Just opened; does not count yet.
    Opening,
    /// Open: this time counts.
    Open,
}

/// A time through which [`Office`] does not change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// What it is.
    pub office: Office,
    /// Its first moment, or a later one.
    pub from: Timestamp,
    /// The first moment after it, or an earlier one.
    pub until: Timestamp,
}

/// What makes two calendars mean the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Terms {
    /// `None`: always open.
    hours: Option<Arc<Hours>>,
    zone: TimeZone,
}

/// Office hours in a zone.
#[derive(Clone, Debug, PartialEq)]
pub struct Calendar {
    /// What it means.
    pub terms: Terms,
    /// The stretch that was last asked for.
    known: Option<Stretch>,
}

/// One window as it happens.
#[derive(Clone, Copy, Debug)]
struct Opening {
    open: Timestamp,
    counts: Timestamp,
    close: Timestamp,
}

impl Calendar {
    /// Always open.
    pub fn always() -> Self {
        Self { terms: Terms { hours: None, zone: TimeZone::UTC }, known: None }
    }

    /// These hours there.
    pub fn new(hours: Arc<Hours>, zone: TimeZone) -> Self {
        Self { terms: Terms { hours: Some(hours), zone }, known: None }
    }

    /// What a moment is.
    pub fn at(&mut self, now: Timestamp) -> Stretch {
        if let Some(known) = self.known.filter(|known| known.from <= now && now < known.until) {
            return known;
        }
        let found = self.terms.look(now);
        self.known = Some(found);
        found
    }

    /// The open time from one moment to another, openings not counted.
    pub fn counted(&mut self, from: Timestamp, to: Timestamp) -> Duration {
        if to <= from {
            return Duration::ZERO;
        }
        let stretch = self.at(to);
        if stretch.from <= from {
            return if stretch.office == Office::Open { elapsed(from, to) } else { Duration::ZERO };
        }
        let Some(hours) = &self.terms.hours else { return elapsed(from, to) };
        let from = from.max(to.checked_sub(HORIZON).unwrap_or(Timestamp::MIN));
        let openings = self.terms.openings(hours, from, to);
        openings.map(|opening| elapsed(opening.counts.max(from), opening.close.min(to))).sum()
    }
}

impl Terms {
    fn look(&self, now: Timestamp) -> Stretch {
        let ahead = now.checked_add(AHEAD).unwrap_or(Timestamp::MAX);
        let Some(hours) = &self.hours else { return Stretch { office: Office::Open, from: now, until: ahead } };
        for opening in self.openings(hours, now, ahead) {
            let (office, from, until) = if now < opening.open {
                (Office::Closed, now, opening.open)
            } else if now < opening.counts {
                (Office::Opening, opening.open, opening.counts)
            } else if now < opening.close {
                (Office::Open, opening.counts, opening.close)
            } else {
                continue;
            };
            return Stretch { office, from, until };
        }
        Stretch { office: Office::Closed, from: now, until: ahead }
    }

    /// Windows that are not over before one moment and begin on the day of another at the latest, in order, none before
    /// the end of the one before. One that does not happen, because the clock jumps over it, has no length.
    fn openings<'a>(&'a self, hours: &'a Hours, from: Timestamp, to: Timestamp) -> impl Iterator<Item = Opening> + 'a {
        let day = |moment: Timestamp| self.zone.to_datetime(moment).date();
        let (first, last) = (day(from).saturating_sub(BACK), day(to));
        let dates = first.series(Span::new().days(1)).take_while(move |date| *date <= last);
        let windows = dates.filter(|date| !hours.closed.contains(date)).flat_map(move |date| {
            let windows = hours.weekly.get(place_of(date.weekday())).map(Vec::as_slice).unwrap_or_default();
            windows.iter().map(move |window| (date, *window))
        });
        let mut before: Option<Timestamp> = None;
        windows.filter_map(move |(date, (open, close))| {
            let open = self.instant(date, open, Side::First)?;
            let close = self.instant(date, close, Side::Last)?;
            // A window that follows another without a break has no opening of its own.
            let follows = before.is_some_and(|before| before >= open);
            let open = before.map_or(open, |before| before.max(open));
            let counts = if follows { open } else { later(open, hours.grace).min(close) };
            before = Some(close.max(open));
            Some(Opening { open, counts, close })
        })
    }

    /// The moment at which the clock of the place shows a minute of a day, which may be one of the next.
    fn instant(&self, date: Date, minute: u32, side: Side) -> Option<Timestamp> {
        let midnight = DateTime::from_parts(date, jiff::civil::Time::midnight());
        let shown = midnight.checked_add(Span::new().minutes(i64::from(minute))).ok()?;
        match self.zone.to_ambiguous_timestamp(shown).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(shown).ok(),
            AmbiguousOffset::Fold { before, after } => match side {
                Side::First => before.to_timestamp(shown).ok(),
                Side::Last => after.to_timestamp(shown).ok(),
            },
            AmbiguousOffset::Gap { after, .. } => {
                let earlier = after.to_timestamp(shown).ok()?;
                self.zone.following(earlier).next().map(|jump| jump.timestamp())
            }
        }
    }
}

/// Which of two moments that show the same time is meant.
#[derive(Clone, Copy)]
enum Side {
    First,
    Last,
}

/// A moment after another.
pub(super) fn later(from: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    from.checked_add(by).unwrap_or(Timestamp::MAX)
}
