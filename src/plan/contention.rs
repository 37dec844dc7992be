//! rules.md *Which remote is mine*: a writer outside this cluster cannot be seen, but it can be felt. After three
//! corrections of the same field of the same remote within half an hour nothing more is written to it for hours.

use std::time::Duration;

use jiff::Timestamp;

use super::{PlanTiming, elapsed};
use crate::provider::model::RemoteId;

/// How many corrections make a fight.
const CORRECTIONS: usize = 3;

/// A field that can be corrected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Where an endpoint delivers.
    TargetUrl,
    /// The switch of an endpoint or of a row.
    Active,
}

impl Field {
    /// As it is called in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::TargetUrl => "targetUrl",
            Self::Active => "active",
        }
    }
}

/// What this process has corrected under the present spec; a new generation begins with an empty one.
#[derive(Clone, Debug, Default)]
pub struct Corrections(Vec<(RemoteId, Field, Timestamp)>);

impl Corrections {
    /// A field was put back. What is too old to count is forgotten.
    pub fn record(&mut self, id: &RemoteId, field: Field, now: Timestamp, timing: &PlanTiming) {
        self.0.retain(|(_, _, at)| elapsed(*at, now) <= timing.contended.1.max(timing.contended.0));
        self.0.push((id.clone(), field, now));
    }

    /// Whether a field is being fought over, and how much longer it is left alone.
    pub fn left_alone(&self, id: &RemoteId, field: Field, now: Timestamp, timing: &PlanTiming) -> Option<Duration> {
        let times: Vec<Timestamp> =
            self.0.iter().filter(|(own, what, _)| own == id && *what == field).map(|(_, _, at)| *at).collect();
        let fights = times.windows(CORRECTIONS).filter_map(|run| match run {
            [first, .., last] if elapsed(*first, *last) <= timing.contended.0 => Some(*last),
            _ => None,
        });
        let left = timing.contended.1.saturating_sub(elapsed(fights.max()?, now));
        (!left.is_zero()).then_some(left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_third_correction_in_half_an_hour_ends_the_fight_for_six_hours() {
        let timing = PlanTiming::default();
        let at = |minute: i64| Timestamp::from_second(1_000_000 + minute * 60).unwrap();
        let id = RemoteId::new("7");
        let mut corrections = Corrections::default();
        for minute in [0, 20] {
            corrections.record(&id, Field::Active, at(minute), &timing);
            assert_eq!(corrections.left_alone(&id, Field::Active, at(minute), &timing), None);
        }
        let mut slow = corrections.clone();
        slow.record(&id, Field::Active, at(31), &timing);
        assert_eq!(slow.left_alone(&id, Field::Active, at(31), &timing), None, "the first is too long ago");
        corrections.record(&id, Field::Active, at(29), &timing);
        assert_eq!(
            corrections.left_alone(&id, Field::Active, at(30), &timing),
            Some(Duration::from_secs(6 * 3600 - 60))
        );
        assert_eq!(corrections.left_alone(&id, Field::TargetUrl, at(30), &timing), None);
        assert_eq!(corrections.left_alone(&RemoteId::new("8"), Field::Active, at(30), &timing), None);
        assert_eq!(corrections.left_alone(&id, Field::Active, at(29 + 360), &timing), None);
    }
}
