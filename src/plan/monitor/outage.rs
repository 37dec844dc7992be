//! One outage, one alert: many practices of an account that go bad together are the provider's trouble.

use std::time::Duration;

use jiff::Timestamp;

/// Within this time they went bad together.
pub const TOGETHER: Duration = Duration::from_secs(15 * 60);
/// Fewer practices than this prove nothing.
const LEAST: usize = 5;

/// One practice, under whichever monitors of the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Whether it could go bad now.
    pub open: bool,
    /// Since when it is bad, if it is and was good before.
    pub bad_since: Option<Timestamp>,
}

impl Member {
    /// The same practice under two monitors.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let bad_since = self.bad_since.into_iter().chain(other.bad_since).min();
        Self { open: self.open || other.open, bad_since }
    }
}

/// Whether there is an outage; its value is the moment since which practices that went bad belong to it.
pub fn judge(before: Option<Timestamp>, members: &[Member], percent: i64, now: Timestamp) -> Option<Timestamp> {
    let together = now.checked_sub(TOGETHER).unwrap_or(Timestamp::MIN);
    let from = before.unwrap_or(together);
    let bad = members.iter().filter(|member| member.bad_since.is_some_and(|since| since >= from)).count();
    // A practice that is closed cannot go bad, but one that belongs to an outage does so overnight too.
    let counted = |member: &&Member| member.open || member.bad_since.is_some_and(|since| since >= from);
    let total = members.iter().filter(counted).count();
    let percent = usize::try_from(percent).unwrap_or_default();
    let many = bad.saturating_mul(100) > percent.saturating_mul(total);
    match before {
        // It ends when most are good again; with nobody left open overnight it stays as it is.
        Some(from) => many.then_some(from),
        None => (many && total >= LEAST && bad >= 2).then_some(from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minute * 60).unwrap()
    }

    fn members(open: usize, bad: &[i64]) -> Vec<Member> {
        let good = std::iter::repeat_n(Member { open: true, bad_since: None }, open - bad.len());
        good.chain(bad.iter().map(|minute| Member { open: true, bad_since: Some(at(*minute)) })).collect()
    }

    #[test]
    fn more_than_the_part_that_is_allowed_within_a_quarter_of_an_hour() {
        assert_eq!(judge(None, &members(10, &[0, 5, 9]), 30, at(10)), None, "30 percent is not more than 30");
        assert_eq!(judge(None, &members(10, &[0, 5, 9, 10]), 30, at(10)), Some(at(-5)));
        assert_eq!(judge(None, &members(10, &[-20, -10, 5, 10]), 30, at(10)), None, "not together");
        assert_eq!(judge(None, &members(4, &[0, 1, 2, 3]), 30, at(10)), None, "too few to tell");
        assert_eq!(judge(None, &members(5, &[9]), 10, at(10)), None, "one practice is no outage");
        let mut closed = members(10, &[0, 5]);
        closed.iter_mut().filter(|member| member.bad_since.is_none()).for_each(|member| member.open = false);
        assert_eq!(judge(None, &closed, 30, at(10)), None, "two of two that are open are too few to tell");
    }

    #[test]
    fn who_is_closed_counts_only_if_it_went_bad_together_with_the_others() {
        let mut night = members(10, &[0, 5]);
        night.extend([-60, -50, -40].map(|minute| Member { open: false, bad_since: Some(at(minute)) }));
        assert_eq!(judge(None, &night, 16, at(10)), Some(at(-5)), "two of ten, not of thirteen");
        night.extend([1, 2].map(|minute| Member { open: false, bad_since: Some(at(minute)) }));
        assert_eq!(judge(None, &night, 33, at(10)), Some(at(-5)), "four of twelve are a third");
    }

    #[test]
    fn a_practice_under_two_monitors_is_open_and_bad_if_it_is_so_under_one() {
        let (open, closed) = (Member { open: true, bad_since: None }, Member { open: false, bad_since: None });
        let bad = |minute| Member { bad_since: Some(at(minute)), ..closed };
        assert_eq!((open.and(closed), closed.and(open), closed.and(closed)), (open, open, closed));
        assert_eq!((bad(3).and(bad(5)), closed.and(bad(5))), (bad(3), bad(5)), "since the first of them");
    }

    #[test]
    fn it_ends_when_most_are_good_again() {
        let from = Some(at(-5));
        assert_eq!(judge(from, &members(10, &[0, 5, 9, 10]), 30, at(500)), from, "however long it lasts");
        assert_eq!(judge(from, &members(10, &[0, 5, 9]), 30, at(500)), None);
        assert_eq!(
            judge(from, &members(10, &[-60, -50, -40, -30, 9]), 30, at(500)),
            None,
            "older troubles are no part of it"
        );
        assert_eq!(judge(from, &[], 30, at(500)), None, "nobody watches any more");
        let mut night = members(10, &[0, 5, 9, 10]);
        night.iter_mut().for_each(|member| member.open = false);
        assert_eq!(judge(from, &night, 30, at(500)), from, "nothing changes while everybody is closed");
    }
}
