//! rules.md *Switched off remotely*: when something that the provider, or a person there, has switched off is switched on
//! again. `spec.reactivation` of the endpoint alone decides, for the endpoint and for what is on it.

use std::time::Duration;

use jiff::Timestamp;

use super::{PlanTiming, elapsed, wire_time};
use crate::api::endpoint::{Reactivation, ReactivationStatus};

/// From so many attempts on we expect a person to help, although we go on trying once a day.
const STALLED_AFTER: i64 = 3;

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Switch it on.
    Now,
    /// Look again after this time.
    Wait(Duration),
    /// Leave it.
    Never,
}

/// When to switch on what was found off at `off_since`.
///
/// A provider may accept the change and leave it off all the same: then the pause begins with the attempt, or once the last
/// pause is over every pass would try again.
pub fn next(
    policy: Reactivation,
    before: Option<&ReactivationStatus>,
    off_since: Timestamp,
    now: Timestamp,
    timing: &PlanTiming,
) -> Next {
    if policy == Reactivation::Never {
        return Next::Never;
    }
    let since = before.map_or(off_since, |before| off_since.max(before.last_attempt.0));
    let attempts = usize::try_from(attempts(before)).unwrap_or(usize::MAX);
    let [.., last] = timing.reactivation;
    let pause = timing.reactivation.get(attempts).copied().unwrap_or(last);
    match pause.saturating_sub(elapsed(since, now)) {
        Duration::ZERO => Next::Now,
        left => Next::Wait(left),
    }
}

/// Whether it has been tried so often that only a person is expected to help.
pub fn is_stalled(policy: Reactivation, before: Option<&ReactivationStatus>) -> bool {
    policy == Reactivation::Never || attempts(before) >= STALLED_AFTER
}

/// The count after what this process has done: one more if it switched on at `done`, none any more after a day without.
pub fn counted(
    before: Option<ReactivationStatus>,
    done: Option<Timestamp>,
    on: bool,
    now: Timestamp,
    timing: &PlanTiming,
) -> Option<ReactivationStatus> {
    let done = done.map(wire_time).filter(|done| before.as_ref().is_none_or(|before| before.last_attempt.0 < done.0));
    let after = match done {
        Some(done) => Some(ReactivationStatus { attempts: attempts(before.as_ref()) + 1, last_attempt: done }),
        None => before,
    };
    after.filter(|after| !on || elapsed(after.last_attempt.0, now) < timing.reactivation_reset)
}

/// When the count can be forgotten, if all stays on.
pub fn forgotten_in(status: Option<&ReactivationStatus>, now: Timestamp, timing: &PlanTiming) -> Option<Duration> {
    let last = status?.last_attempt.0;
    Some(timing.reactivation_reset.saturating_sub(elapsed(last, now)).max(Duration::from_secs(1)))
}

fn attempts(status: Option<&ReactivationStatus>) -> i64 {
    status.map_or(0, |status| status.attempts.max(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn tried(attempts: i64, second: i64) -> ReactivationStatus {
        ReactivationStatus { attempts, last_attempt: wire_time(at(second)) }
    }

    #[test]
    fn pauses_grow_to_a_day() {
        let timing = PlanTiming::default();
        for (attempts, pause) in [(0, 600), (1, 3600), (2, 21_600), (3, 86_400), (9, 86_400)] {
            let before = tried(attempts, 0);
            let when = |now| next(Reactivation::Auto, Some(&before), at(1000), at(now), &timing);
            assert_eq!(when(1000 + pause - 1), Next::Wait(Duration::from_secs(1)), "{attempts}");
            assert_eq!(when(1000 + pause), Next::Now, "{attempts}");
            assert_eq!(is_stalled(Reactivation::Auto, Some(&before)), attempts >= 3);
        }
        assert_eq!(next(Reactivation::Never, None, at(0), at(1_000_000), &timing), Next::Never);
        assert!(is_stalled(Reactivation::Never, None));
    }

    #[test]
    fn an_attempt_that_changed_nothing_is_repeated_only_after_its_pause() {
        let timing = PlanTiming::default();
        for (attempts, pause) in [(1, 3600), (3, 86_400), (9, 86_400)] {
            let before = tried(attempts, 500_000);
            let when = |now| next(Reactivation::Auto, Some(&before), at(1000), at(now), &timing);
            assert_eq!(when(500_001), Next::Wait(Duration::from_secs(pause - 1)), "{attempts}");
            assert_eq!(when(500_000 + i64::try_from(pause).unwrap()), Next::Now, "{attempts}");
        }
    }

    #[test]
    fn an_attempt_counts_once_and_a_day_on_forgets_it() {
        let timing = PlanTiming::default();
        let first = counted(None, Some(at(50)), true, at(60), &timing);
        assert_eq!(first, Some(tried(1, 50)));
        assert_eq!(counted(first.clone(), Some(at(50)), true, at(70), &timing), first);
        let second = counted(first, Some(at(4000)), false, at(4001), &timing);
        assert_eq!(second, Some(tried(2, 4000)));
        assert_eq!(counted(second.clone(), None, false, at(1_000_000), &timing), second, "still off");
        assert_eq!(forgotten_in(second.as_ref(), at(4000), &timing), Some(Duration::from_secs(86_400)));
        assert_eq!(counted(second, None, true, at(4000 + 86_400), &timing), None);
    }
}
