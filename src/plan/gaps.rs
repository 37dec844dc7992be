//! rules.md *Delivery gaps*: the times in which events could not arrive, kept so that a person knows what to fetch.
//! Doubt makes a gap longer, never shorter.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::{Note, PlanTiming, wire_time};
use crate::api::endpoint::{DeliveryGap, GapCause};

/// Most gaps that are kept.
const KEPT: usize = 10;

/// Most practices that a gap names; more than that are all.
const NAMED: usize = 20;

/// What one object has lost, until it has it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Why.
    pub cause: GapCause,
    /// Since when, rather too early.
    pub from: Timestamp,
    /// Until when, once that is known.
    pub to: Option<Timestamp>,
    /// Whose events; `None`: those of all practices.
    pub practices: Option<BTreeSet<String>>,
    /// How many pairs.
    pub pairs: usize,
}

impl Loss {
    /// One more pair of the same loss.
    pub fn add(&mut self, practice: Option<&str>, from: Timestamp) {
        self.from = self.from.min(from);
        self.pairs += 1;
        if let (Some(names), Some(practice)) = (&mut self.practices, practice) {
            names.insert(practice.to_owned());
        }
    }

    fn join(&mut self, other: &Self) {
        self.from = self.from.min(other.from);
        self.to = match (self.to, other.to) {
            (Some(a), Some(b)) => Some(a.max(b)),
            _ => None,
        };
        self.pairs += other.pairs;
        self.practices = match (self.practices.take(), &other.practices) {
            (Some(mut a), Some(b)) => {
                a.extend(b.iter().cloned());
                Some(a)
            }
            _ => None,
        };
    }
}

/// Deliveries had been failing for this long when the provider switched something off.
pub fn before_switch_off(seen: Timestamp, timing: &PlanTiming) -> Timestamp {
    let failing = SignedDuration::try_from(timing.failing).unwrap_or(SignedDuration::ZERO);
    seen.saturating_sub(failing).unwrap_or(Timestamp::MIN)
}

/// Records a loss that has begun, or that has grown since it was recorded.
pub fn open(gaps: &mut Vec<DeliveryGap>, loss: &Loss) {
    if loss.pairs == 0 {
        return;
    }
    let names = loss.practices.as_ref().filter(|names| names.len() <= NAMED);
    let practices: Vec<String> = names.into_iter().flatten().cloned().collect();
    let pairs = i64::try_from(loss.pairs).unwrap_or(i64::MAX);
    match gaps.iter_mut().find(|gap| gap.to.is_none() && gap.cause == loss.cause) {
        Some(gap) => {
            gap.from = wire_time(gap.from.0.min(loss.from));
            gap.pairs = gap.pairs.max(pairs);
            if practices.is_empty() {
                gap.practices.clear();
            } else if !gap.practices.is_empty() {
                let all: BTreeSet<String> = gap.practices.drain(..).chain(practices).collect();
                gap.practices = if all.len() <= NAMED { all.into_iter().collect() } else { Vec::new() };
            }
        }
        None => {
            let from = wire_time(loss.from);
            gaps.push(DeliveryGap { from, to: None, cause: loss.cause, practices, pairs });
        }
    }
    while gaps.len() > KEPT {
        // The oldest that is over; none of them can be open for longer than the present process looks.
        let oldest = gaps.iter().position(|gap| gap.to.is_some()).unwrap_or_default();
        gaps.remove(oldest);
    }
}

/// Ends what has lasted until `to`; answers what is to be said of each, and how many seconds it was.
pub fn close(gaps: &mut [DeliveryGap], cause: GapCause, to: Timestamp) -> Option<(Note, f64)> {
    let gap = gaps.iter_mut().find(|gap| gap.to.is_none() && gap.cause == cause)?;
    let to = wire_time(to).0.max(gap.from.0);
    gap.to = Some(wire_time(to));
    let whose = match gap.practices.as_slice() {
        [] => "all practices".to_owned(),
        names => names.join(", "),
    };
    let text = format!(
        "events of {whose} ({} subscriptions) may be missing from {} to {} ({}): fetch what changed in that time through the provider's API",
        gap.pairs,
        gap.from.0,
        to,
        words(cause)
    );
    Some((Note::warning("DeliveryGap", "Observe", text), to.duration_since(gap.from.0).as_secs_f64()))
}

/// The losses of subscription objects as one gap per cause: open while one of them is.
pub fn joined(losses: &[Loss]) -> Vec<Loss> {
    let mut joined: Vec<Loss> = Vec::new();
    for loss in losses {
        match joined.iter_mut().find(|known| known.cause == loss.cause) {
            Some(known) => known.join(loss),
            None => joined.push(loss.clone()),
        }
    }
    joined
}

fn words(cause: GapCause) -> &'static str {
    match cause {
        GapCause::EndpointSwitchedOff => "the endpoint was switched off at the provider",
        GapCause::EndpointMissing => "the endpoint was deleted at the provider",
        GapCause::SubscriptionsSwitchedOff => "subscriptions were switched off at the provider",
        GapCause::SubscriptionsMissing => "subscriptions were deleted at the provider",
        GapCause::SigningKeyLost => "deliveries were signed with a key that was lost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn loss(from: i64, to: Option<i64>, practices: &[&str], pairs: usize) -> Loss {
        let practices = Some(practices.iter().map(|name| (*name).to_owned()).collect());
        Loss { cause: GapCause::SubscriptionsMissing, from: at(from), to: to.map(at), practices, pairs }
    }

    #[test]
    fn a_gap_grows_and_ends_once() {
        let mut gaps = Vec::new();
        open(&mut gaps, &loss(100, None, &["a"], 1));
        open(&mut gaps, &loss(90, None, &["b"], 3));
        assert_eq!(gaps.len(), 1);
        assert_eq!((gaps[0].from.0, gaps[0].pairs), (at(90), 3));
        assert_eq!(gaps[0].practices, ["a", "b"]);
        let (note, seconds) = close(&mut gaps, GapCause::SubscriptionsMissing, at(150)).unwrap();
        assert!(note.text.contains("a, b") && (seconds - 60.0).abs() < 0.1, "{}", note.text);
        assert!(close(&mut gaps, GapCause::SubscriptionsMissing, at(150)).is_none());
        open(&mut gaps, &loss(200, None, &[], 0));
        assert_eq!(gaps.len(), 1, "nothing was lost");
    }

    #[test]
    fn the_event_says_whose_events_are_missing_from_when_to_when_and_why() {
        let all = "events of all practices (7 subscriptions) may be missing from 1970-01-01T00:01:40Z to 1970-01-01T00:02:40Z";
        let some = "events of a, b (7 subscriptions) may be missing from 1970-01-01T00:01:40Z to 1970-01-01T00:02:40Z";
        for (cause, practices, why) in [
            (GapCause::EndpointSwitchedOff, None, format!("{all} (the endpoint was switched off at the provider)")),
            (GapCause::EndpointMissing, None, format!("{all} (the endpoint was deleted at the provider)")),
            (
                GapCause::SubscriptionsSwitchedOff,
                Some(["b".to_owned(), "a".to_owned()].into()),
                format!("{some} (subscriptions were switched off at the provider)"),
            ),
            (
                GapCause::SubscriptionsMissing,
                Some(["b".to_owned(), "a".to_owned()].into()),
                format!("{some} (subscriptions were deleted at the provider)"),
            ),
        ] {
            let mut gaps = Vec::new();
            open(&mut gaps, &Loss { cause, practices, ..loss(100, None, &[], 7) });
            let (note, _) = close(&mut gaps, cause, at(160)).unwrap();
            assert_eq!(note.text, format!("{why}: fetch what changed in that time through the provider's API"));
        }
    }

    #[test]
    fn ten_are_kept_and_no_open_one_is_dropped() {
        let mut gaps = Vec::new();
        let off = Loss { cause: GapCause::EndpointSwitchedOff, practices: None, ..loss(1, None, &[], 7) };
        open(&mut gaps, &off);
        for number in 0..20 {
            open(&mut gaps, &loss(100 + number, None, &["a"], 1));
            close(&mut gaps, GapCause::SubscriptionsMissing, at(101 + number));
        }
        assert_eq!(gaps.len(), KEPT);
        assert!(gaps.iter().any(|gap| gap.to.is_none() && gap.cause == GapCause::EndpointSwitchedOff));
    }

    #[test]
    fn many_practices_are_all() {
        let names: Vec<String> = (0..21).map(|number| format!("p{number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut gaps = Vec::new();
        open(&mut gaps, &loss(5, None, &names, 21));
        assert!(gaps[0].practices.is_empty());
        open(&mut gaps, &loss(5, None, &["a"], 1));
        assert!(gaps[0].practices.is_empty(), "one of all is all");
    }

    #[test]
    fn losses_of_many_objects_are_one_until_the_last_is_repaired() {
        let some = joined(&[loss(5, Some(9), &["a"], 2), loss(3, None, &["b"], 1)]);
        assert_eq!(some, [loss(3, None, &["a", "b"], 3)]);
        let all = joined(&[loss(5, Some(9), &["a"], 2), loss(3, Some(11), &["a"], 1)]);
        assert_eq!(all, [loss(3, Some(11), &["a"], 3)]);
    }
}
