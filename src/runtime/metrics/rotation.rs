//! The rotation of an endpoint's signing key as metrics see it.

use std::time::Instant;

use jiff::Timestamp;

/// What an endpoint's status tells of its rotation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RotationFacts {
    /// When the next rotation is due; absent without an interval, and while one runs.
    pub due: Option<Timestamp>,
    /// How far the present one is; absent while none runs.
    pub phase: Option<PhaseFacts>,
}

/// A phase that is under way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PhaseFacts {
    /// Its name, as in the status.
    pub name: &'static str,
    /// When it began, where the status says so.
    pub since: Option<Timestamp>,
}

/// The facts, and since when this process has known the phase.
#[derive(Debug)]
pub(super) struct Rotation {
    facts: RotationFacts,
    seen: Instant,
}

impl Rotation {
    /// What is kept after news; nothing if there is nothing to tell.
    pub fn after(before: Option<Self>, facts: RotationFacts) -> Option<Self> {
        let name = |facts: &RotationFacts| facts.phase.map(|phase| phase.name);
        let same = before.filter(|before| name(&before.facts) == name(&facts));
        let seen = same.map_or_else(Instant::now, |before| before.seen);
        (facts != RotationFacts::default()).then_some(Self { facts, seen })
    }

    /// When the next one is due, in seconds since 1970.
    #[allow(clippy::cast_precision_loss)] // exact until the year 285 million
    pub fn due(&self) -> Option<f64> {
        self.facts.due.map(|due| due.as_second() as f64)
    }

    /// The present phase and its age in seconds. One whose beginning no status tells is as old as this process has known it.
    pub fn phase(&self, now: Timestamp) -> Option<(&'static str, f64)> {
        let PhaseFacts { name, since } = self.facts.phase?;
        let age =
            since.map_or_else(|| self.seen.elapsed().as_secs_f64(), |since| now.duration_since(since).as_secs_f64());
        Some((name, age.max(0.0)))
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn facts(name: &'static str, since: Option<Timestamp>) -> RotationFacts {
        RotationFacts { due: None, phase: Some(PhaseFacts { name, since }) }
    }

    #[test]
    fn a_phase_is_as_old_as_its_status_says_or_as_we_know_it() {
        let now = Timestamp::now();
        let told = Rotation::after(None, facts("Draining", Some(now - SignedDuration::from_hours(3)))).unwrap();
        assert_eq!(told.phase(now), Some(("Draining", 3.0 * 3600.0)));
        let ahead = Rotation::after(None, facts("Draining", Some(now + SignedDuration::from_secs(5)))).unwrap();
        assert_eq!(ahead.phase(now), Some(("Draining", 0.0)), "clocks differ; an age is never negative");

        // A mark that no clock of this test can make: it shows whose beginning was kept.
        let seen = Instant::now() + std::time::Duration::from_secs(3600);
        let known = Rotation { facts: facts("Switching", None), seen };
        let again = Rotation::after(Some(known), facts("Switching", None)).unwrap();
        assert_eq!(again.seen, seen, "the same phase goes on ageing");
        assert_eq!(again.phase(now), Some(("Switching", 0.0)));
        let next = Rotation::after(Some(again), facts("Retiring", None)).unwrap();
        assert_ne!(next.seen, seen, "another phase begins anew");
    }

    #[test]
    fn nothing_to_tell_is_not_kept() {
        let kept = Rotation::after(None, facts("Preparing", None));
        assert!(kept.is_some());
        assert!(Rotation::after(kept, RotationFacts::default()).is_none());
        let due = RotationFacts { due: Some(Timestamp::from_second(1_800_000_000).unwrap()), phase: None };
        let kept = Rotation::after(None, due).unwrap();
        assert_eq!((kept.due(), kept.phase(Timestamp::now())), (Some(1_800_000_000.0), None));
    }
}
