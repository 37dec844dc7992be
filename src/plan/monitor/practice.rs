//! One practice: its syncs followed, and a verdict for each direction. The worst sync decides.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::calendar::{Calendar, Office, later};
use super::damper::{Damper, Said, Seen};
use super::track::{Standing, Track};
use crate::api::Reason;
use crate::plan::condition::Is;
use crate::plan::elapsed;
use crate::provider::model::sync::{Direction, Sync};

/// What a monitor asks of a practice.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// `staleAfter` of reading and of writing; `None`: not judged.
    pub stale_after: [Option<Duration>; 2],
    /// `confirm`.
    pub confirm: Duration,
    /// `recover`.
    pub recover: Duration,
    /// Only syncs of these locations, if any are named.
    pub locations: BTreeSet<String>,
    /// How often the provider is looked at.
    pub interval: Duration,
}

impl Rules {
    /// Looks further apart than this are late (api.md: two intervals).
    pub fn late(&self) -> Duration {
        self.interval.saturating_mul(2)
    }
}

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// From the practice.
    Read,
    /// To the practice.
    Write,
}

impl Way {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::Read, Self::Write];

    fn of(self, sync: &Sync) -> &Direction {
        match self {
            Self::Read => &sync.read,
            Self::Write => &sync.write,
        }
    }
}

/// What is said of one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Whether it is healthy.
    pub is: Is,
    /// Why.
    pub reason: Reason,
    /// The sync that decides, where one does.
    pub sync: Option<Arc<str>>,
    /// Since when it has been bad, if it is.
    pub since: Option<Timestamp>,
    /// The same, where it was good before: who is bad from the first look on has not gone bad together with anybody.
    pub fell: Option<Timestamp>,
}

impl Word {
    /// Nothing can be said.
    pub fn unknown(reason: Reason) -> Self {
        Self { is: Is::Unknown, reason, sync: None, since: None, fell: None }
    }
}

/// What is seen of a practice.
pub struct Look<'a> {
    /// Its syncs.
    pub syncs: &'a [Sync],
    /// When they were asked for.
    pub at: Timestamp,
    /// Why nothing can be seen now, if so.
    pub blind: Option<Reason>,
    /// Now.
    pub now: Timestamp,
}

/// What is said of a practice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// By direction; `None`: not judged.
    pub words: [Option<Word>; 2],
    /// Both.
    pub both: Word,
    /// Whether it is open.
    pub office: Office,
    /// When something may change without another look.
    pub again: Timestamp,
}

impl View {
    /// Nothing can be said of a practice.
    pub fn unknown(rules: &Rules, reason: Reason, now: Timestamp) -> Self {
        let words = rules.stale_after.map(|judged| judged.map(|_| Word::unknown(reason)));
        Self { words, both: Word::unknown(reason), office: Office::Closed, again: later(now, rules.late()) }
    }

    /// When it went bad, if it is bad and was good before.
    pub fn fell(&self) -> Option<Timestamp> {
        self.words.iter().flatten().filter_map(|word| word.fell).min()
    }
}

/// How long ago a direction last worked.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Age {
    /// When it last worked, at the sync where that is longest ago.
    pub last: Option<Timestamp>,
    /// Open time since then.
    pub open: Option<Duration>,
}

/// What names a sync, which has no id: its name, system and locations, and a number where that is not enough.
type SyncId = (Arc<str>, Option<Arc<str>>, Vec<Arc<str>>, usize);

#[derive(Clone, Debug, Default)]
struct Side {
    damper: Damper,
    cause: Option<(Reason, SyncId)>,
}

/// What is remembered of a practice.
#[derive(Clone, Debug, Default)]
pub struct Practice {
    calendar: Option<Calendar>,
    looked: Option<Timestamp>,
    tracks: BTreeMap<SyncId, [Track; 2]>,
    sides: [Side; 2],
    both: Damper,
    both_last: Option<Word>,
}

impl Practice {
    /// A practice of which verdicts were stored before this process began.
    pub fn known(verdicts: [Option<(bool, bool, Timestamp)>; 2], both: Option<(bool, bool, Timestamp)>) -> Self {
        let damper = |stored: Option<(bool, bool, Timestamp)>| {
            stored.map(|(good, flapping, since)| Damper::known(good, flapping, since)).unwrap_or_default()
        };
        Self {
            sides: verdicts.map(|stored| Side { damper: damper(stored), ..Side::default() }),
            both: damper(both),
            ..Self::default()
        }
    }

    /// The verdict now.
    pub fn judge(&mut self, rules: &Rules, calendar: &Calendar, look: &Look<'_>) -> View {
        let same = self.calendar.take().filter(|own| own.terms == calendar.terms);
        let mut calendar = same.unwrap_or_else(|| {
            let mut new = calendar.clone();
            self.tracks.values_mut().flatten().for_each(|track| track.recount(look.now, &mut new));
            new
        });
        if self.looked != Some(look.at) {
            self.take(rules, look, &mut calendar);
        }
        self.tracks.values_mut().flatten().for_each(|track| track.advance(look.now, &mut calendar));
        let stretch = calendar.at(look.now);
        let mut again = stretch.until;
        let mut words = [None, None];
        for (place, way) in Way::BOTH.into_iter().enumerate() {
            let Some(stale_after) = rules.stale_after[place] else { continue };
            if stretch.office == Office::Open {
                let ages = self.tracks.values().filter_map(|tracks| tracks[place].open_age());
                let left = ages.map(|age| stale_after.saturating_sub(age)).filter(|left| !left.is_zero()).min();
                again = left.map_or(again, |left| again.min(later(look.now, left)));
            }
            words[place] = Some(self.say(way, stale_after, rules, look, stretch.office));
            if let Some(rise) = self.sides[place].damper.good_again(rules.recover) {
                again = again.min(rise);
            }
        }
        self.calendar = Some(calendar);
        let both = self.join(&words, look.now);
        View { words, both, office: stretch.office, again }
    }

    /// Takes a new look in.
    fn take(&mut self, rules: &Rules, look: &Look<'_>, calendar: &mut Calendar) {
        let late = rules.late();
        if self.looked.is_none_or(|before| elapsed(before, look.at) > late) {
            self.sides.iter_mut().for_each(|side| side.damper.interrupted());
            self.both.interrupted();
        }
        self.looked = Some(look.at);
        let mut tracks = BTreeMap::new();
        for sync in look.syncs.iter().filter(|sync| covers(sync, &rules.locations)) {
            let mut id: SyncId = (sync.name.clone(), sync.emr.clone(), sync.locations.clone().unwrap_or_default(), 0);
            while tracks.contains_key(&id) {
                id.3 += 1;
            }
            let mut known = self.tracks.remove(&id).unwrap_or_default();
            for (way, track) in Way::BOTH.into_iter().zip(&mut known) {
                track.look(way.of(sync), look.at, late, calendar);
            }
            tracks.insert(id, known);
        }
        self.tracks = tracks;
    }

    /// At closing the last verdict stays. Only a sync that has worked since then recovers at night: other office hours alone,
    /// by which it has not been bad for so long, are no recovery.
    fn worked_since_it_fell(&self, place: usize) -> bool {
        let side = &self.sides[place];
        let Some(fell) = side.damper.bad_since() else { return true };
        let worked = |tracks: &[Track; 2]| tracks[place].last_good().is_some_and(|good| good > fell);
        match side.cause.as_ref().and_then(|(_, id)| self.tracks.get(id)) {
            Some(cause) => worked(cause),
            None => self.tracks.values().any(worked),
        }
    }

    fn say(&mut self, way: Way, stale_after: Duration, rules: &Rules, look: &Look<'_>, office: Office) -> Word {
        let place = way as usize;
        let standing = |tracks: &[Track; 2]| tracks[place].standing(stale_after, rules.confirm, office == Office::Open);
        let worst = self.tracks.iter().map(|(id, tracks)| (standing(tracks), id)).min();
        let seen = match worst.as_ref().map(|(standing, _)| *standing) {
            _ if look.blind.is_some() => Seen::Nothing,
            None | Some(Standing::Never) => Seen::Nothing,
            Some(Standing::Stale | Standing::Red) => Seen::Bad,
            Some(Standing::Doubtful) => Seen::Doubtful,
            Some(Standing::Good) if office == Office::Closed && !self.worked_since_it_fell(place) => Seen::Doubtful,
            Some(Standing::Good) => Seen::Good,
        };
        let side = &mut self.sides[place];
        let said = match (seen, office) {
            (Seen::Nothing, Office::Closed) => side.damper.overnight(),
            _ => {
                // What is named stays named until it is good, so that the message does not wander.
                let named = side.cause.as_ref().and_then(|(_, id)| Some((standing(self.tracks.get(id)?), id)));
                let bad = |(standing, id): (Standing, &SyncId)| match standing {
                    Standing::Stale => Some((Reason::Stale, id.clone())),
                    Standing::Red => Some((Reason::Red, id.clone())),
                    Standing::Doubtful | Standing::Never | Standing::Good => None,
                };
                // While it recovers, the verdict and its reason stay.
                side.cause = named.and_then(bad).or_else(|| worst.and_then(bad)).or(side.cause.take());
                side.damper.settle(seen, office == Office::Open, rules.recover, look.now)
            }
        };
        match said {
            Said::Good => {
                side.cause = None;
                Word { is: Is::True, reason: Reason::Green, sync: None, since: None, fell: None }
            }
            Said::Bad { flapping, since, fell } => {
                // After a restart, what decided is not known any more; red is what a verdict that is not stale is.
                let (reason, sync) =
                    side.cause.as_ref().map_or((Reason::Red, None), |(reason, id)| (*reason, Some(id.0.clone())));
                let reason = if flapping { Reason::Flapping } else { reason };
                Word { is: Is::False, reason, sync, since: Some(since), fell }
            }
            Said::Nothing => Word::unknown(match (look.blind, office) {
                (Some(blind), Office::Opening | Office::Open) => blind,
                _ if look.blind.is_none() && seen == Seen::Nothing => Reason::NoSync,
                (_, Office::Closed) => Reason::OfficeClosed,
                _ => Reason::CatchingUp,
            }),
        }
    }

    fn join(&mut self, words: &[Option<Word>; 2], now: Timestamp) -> Word {
        let judged = words.iter().zip(&self.sides).filter(|(word, _)| word.is_some());
        let good: Option<Vec<Timestamp>> = judged.map(|(_, side)| side.damper.good_since()).collect();
        self.both.good_from(good.and_then(|good| good.into_iter().max()));
        let word = join(&mut self.both, self.both_last.as_ref(), words.iter().flatten(), now);
        self.both_last = Some(word.clone());
        word
    }

    /// Nothing can be seen now.
    pub fn hide(&mut self) {
        self.sides.iter_mut().for_each(|side| side.damper.hide());
        self.both.hide();
    }

    /// How long ago a direction last worked.
    pub fn age(&self, way: Way) -> Age {
        let tracks = || self.tracks.values().map(|tracks| &tracks[way as usize]);
        Age { last: tracks().filter_map(Track::last_good).min(), open: tracks().filter_map(Track::open_age).max() }
    }
}

/// The worst of several words, damped like each of them.
pub fn join<'a>(
    damper: &mut Damper,
    last: Option<&Word>,
    words: impl Iterator<Item = &'a Word> + Clone,
    now: Timestamp,
) -> Word {
    // The reason that was given stays while it holds.
    let mut all_bad = words.clone().filter(|word| word.is == Is::False);
    let same = |word: &&Word| last.is_some_and(|last| last.is == Is::False && last.reason == word.reason);
    let bad = all_bad.clone().find(same).or_else(|| all_bad.next());
    let unknown = words.clone().find(|word| word.is == Is::Unknown);
    let seen = match (bad, unknown) {
        (Some(_), _) => Seen::Bad,
        (None, Some(_)) => Seen::Nothing,
        (None, None) => Seen::Good,
    };
    match damper.settle(seen, true, Duration::ZERO, now) {
        Said::Good => Word { is: Is::True, reason: Reason::Green, sync: None, since: None, fell: None },
        Said::Bad { flapping: false, .. } => bad.or(last).cloned().unwrap_or_else(|| Word::unknown(Reason::CatchingUp)),
        Said::Bad { flapping: true, since, fell } => {
            let sync = bad.or(last).and_then(|word| word.sync.clone());
            Word { is: Is::False, reason: Reason::Flapping, sync, since: Some(since), fell }
        }
        Said::Nothing => Word::unknown(unknown.map_or(Reason::CatchingUp, |word| word.reason)),
    }
}

/// Whether a sync is about one of these locations. One that does not say is about every one.
fn covers(sync: &Sync, locations: &BTreeSet<String>) -> bool {
    locations.is_empty()
        || sync.locations.as_ref().is_none_or(|own| own.iter().any(|location| locations.contains(&**location)))
}
