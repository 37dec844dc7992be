//! What this process remembers per object, keyed by UID: a name can be used again by another object.
//!
//! Nothing in here is needed for correctness after a restart; it saves calls, paces retries and holds what must not be
//! written into a status because it changes with every attempt.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

/// Memory of all objects of one kind.
pub struct Memories<T>(Mutex<HashMap<String, Arc<Memory<T>>>>);

/// Turns for things of which only so many may happen in a second. Who comes later is told when its turn is, instead of
/// being made to wait here, where it would take up a place among the passes that run.
pub struct Turns {
    every: Duration,
    next: Mutex<Option<Instant>>,
}

impl Turns {
    /// One turn in this time.
    pub fn new(every: Duration) -> Self {
        Self { every, next: Mutex::default() }
    }

    /// The first turn that nobody has yet.
    fn reserve(&self, now: Instant) -> Instant {
        let mut next = lock(&self.next);
        let turn = next.map_or(now, |next| next.max(now));
        *next = Some(turn + self.every);
        turn
    }
}

/// Memory of one object.
pub struct Memory<T> {
    /// What its plans remember.
    pub plan: Mutex<T>,
    pace: Mutex<Pace>,
}

#[derive(Default)]
struct Pace {
    backoff: Option<ExponentialBackoff>,
    not_before: Option<Instant>,
    generation: Option<i64>,
    counters: Option<Instant>,
    conflicts: u32,
    outage_turn: Option<Instant>,
}

impl<T: Default> Memories<T> {
    /// Nothing remembered.
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// The memory of an object, made at its first pass.
    pub fn of(&self, uid: &str) -> Arc<Memory<T>> {
        let make = || Arc::new(Memory { plan: Mutex::default(), pace: Mutex::default() });
        lock(&self.0).entry(uid.to_owned()).or_insert_with(make).clone()
    }

    /// The memory of an object, if it has had a pass.
    pub fn get(&self, uid: &str) -> Option<Arc<Memory<T>>> {
        lock(&self.0).get(uid).cloned()
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        lock(&self.0).remove(uid);
    }
}

impl<T> Memory<T> {
    /// What the plans remember, for a short look or change.
    pub fn plan(&self) -> MutexGuard<'_, T> {
        lock(&self.plan)
    }

    /// How much longer the object's pause lasts. A new generation ends it.
    pub fn pause_left(&self, generation: Option<i64>, now: Instant) -> Option<Duration> {
        let mut pace = lock(&self.pace);
        if pace.generation != generation {
            pace.generation = generation;
            pace.backoff = None;
            pace.not_before = None;
        }
        pace.not_before.map(|until| until.saturating_duration_since(now)).filter(|left| !left.is_zero())
    }

    /// A pass failed: the next one waits longer, but at least as long as was asked for.
    pub fn failed(&self, limits: (Duration, Duration), at_least: Option<Duration>, now: Instant) -> Duration {
        let mut pace = lock(&self.pace);
        let fresh = || {
            ExponentialBuilder::default()
                .with_min_delay(limits.0)
                .with_max_delay(limits.1)
                .with_jitter()
                .without_max_times()
                .build()
        };
        let next = pace.backoff.get_or_insert_with(fresh).next().unwrap_or(limits.1);
        let wait = next.min(limits.1).max(at_least.unwrap_or_default());
        pace.not_before = Some(now + wait);
        wait
    }

    /// Somebody else wrote first: the next pass follows soon, but against somebody who writes without end less and less so.
    pub fn conflicted(&self, first: Duration, longest: Duration) -> Duration {
        let mut pace = lock(&self.pace);
        let wait = first.saturating_mul(1 << pace.conflicts.min(20)).min(longest.max(first));
        pace.conflicts = pace.conflicts.saturating_add(1);
        wait
    }

    /// A pass went through.
    pub fn succeeded(&self) {
        let mut pace = lock(&self.pace);
        pace.backoff = None;
        pace.not_before = None;
        pace.conflicts = 0;
    }

    /// Something the object waits for has changed: its pause is over, the backoff stays.
    pub fn end_pause(&self) {
        lock(&self.pace).not_before = None;
    }

    /// Whether the object may say now that an outage has lasted; how long to wait for its turn otherwise. A turn that was
    /// not used is void after `valid`: it was for another outage.
    pub fn outage_turn(&self, turns: &Turns, valid: Duration, now: Instant) -> Result<(), Duration> {
        let mut pace = lock(&self.pace);
        let kept = pace.outage_turn.filter(|turn| now.saturating_duration_since(*turn) < valid);
        let turn = kept.unwrap_or_else(|| turns.reserve(now));
        pace.outage_turn = Some(turn);
        let left = turn.saturating_duration_since(now);
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Whether counters may be written now; how long to wait otherwise.
    pub fn counters_due(&self, every: Duration, now: Instant) -> Result<(), Duration> {
        let pace = lock(&self.pace);
        let left = pace.counters.map(|last| (last + every).saturating_duration_since(now)).unwrap_or_default();
        if left.is_zero() { Ok(()) } else { Err(left) }
    }

    /// Counters were written.
    pub fn counters_written(&self, now: Instant) {
        lock(&self.pace).counters = Some(now);
    }
}

/// A short look into shared memory. A panic elsewhere does not make what it holds unusable.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

    #[test]
    fn failures_wait_longer_and_longer_and_a_success_or_an_edit_ends_that() {
        let (memories, start) = (Memories::<()>::new(), Instant::now());
        let memory = memories.of("uid");
        assert_eq!(memory.pause_left(Some(1), start), None);
        let waits: Vec<Duration> = (0..12).map(|_| memory.failed(LIMITS, None, start)).collect();
        assert!(waits.windows(2).all(|pair| pair[0] <= pair[1] || pair[1] == LIMITS.1), "{waits:?}");
        assert!(waits[0] < LIMITS.0 * 3 && waits[11] == LIMITS.1, "{waits:?}");
        assert_eq!(memories.of("uid").pause_left(Some(1), start), Some(LIMITS.1), "kept by UID");
        assert_eq!(memories.of("other").pause_left(Some(1), start), None);
        assert_eq!(memory.pause_left(Some(2), start), None, "an edit is tried at once");
        assert!(memory.failed(LIMITS, None, start) < LIMITS.0 * 3);
        memory.succeeded();
        assert_eq!(memory.pause_left(Some(2), start), None);
        assert!(memory.failed(LIMITS, None, start) < LIMITS.0 * 3);
        let asked = Duration::from_secs(500);
        assert_eq!(memory.failed(LIMITS, Some(asked), start), asked, "as long as the provider asks for");
        memory.end_pause();
        assert_eq!(memory.pause_left(Some(2), start), None, "what it waited for has changed");
    }

    #[test]
    fn conflicts_are_tried_again_soon_and_then_ever_later() {
        let memory = Memories::<()>::new().of("uid");
        let (first, longest) = (Duration::from_millis(50), LIMITS.1);
        let waits: Vec<Duration> = (0..40).map(|_| memory.conflicted(first, longest)).collect();
        assert_eq!((waits[0], waits[1], waits[39]), (first, first * 2, longest));
        memory.succeeded();
        assert_eq!(memory.conflicted(first, longest), first);
    }

    #[test]
    fn twenty_objects_a_second_tell_of_an_outage_and_each_keeps_its_turn() {
        let (every, valid) = (Duration::from_millis(50), Duration::from_secs(600));
        let (memories, turns, start) = (Memories::<()>::new(), Turns::new(every), Instant::now());
        let objects: Vec<_> = (0..2000).map(|number| memories.of(&number.to_string())).collect();
        let ask = |at: Instant| objects.iter().map(|object| object.outage_turn(&turns, valid, at)).collect::<Vec<_>>();
        let told = |answers: Vec<Result<(), Duration>>| answers.iter().filter(|answer| answer.is_ok()).count();
        let first = ask(start);
        assert_eq!(first[40], Err(Duration::from_secs(2)));
        assert_eq!(told(first), 1);
        for second in 1..=100 {
            let at = start + Duration::from_secs(second);
            assert_eq!(told(ask(at)), usize::try_from(second).unwrap().saturating_mul(20).saturating_add(1).min(2000));
        }
        let next_outage = start + Duration::from_secs(3600);
        assert_eq!(told(ask(next_outage)), 1, "turns that were not used do not add up to a stampede");
    }
}
