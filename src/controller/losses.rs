//! What subscription objects have lost and not yet recorded (rules.md *Delivery gaps*). They find it, their endpoint's
//! object writes it down: one status instead of thousands.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::Timestamp;

use super::memory::lock;
use crate::api::endpoint::GapCause;
use crate::plan::gaps::Loss;

/// Losses by UID of the endpoint object, then by UID of the subscription object and cause.
#[derive(Default)]
pub struct Losses(Mutex<HashMap<String, HashMap<(String, GapCause), Loss>>>);

impl Losses {
    /// What a pass over a subscription has found: a loss that it no longer names is repaired. Answers whether that is news
    /// to the endpoint.
    pub fn tell(&self, endpoint: &str, subscription: &str, found: &[Loss], now: Timestamp) -> bool {
        let mut all = lock(&self.0);
        if found.is_empty() && !all.contains_key(endpoint) {
            return false;
        }
        let of_endpoint = all.entry(endpoint.to_owned()).or_default();
        let mut news = false;
        for loss in found {
            let entry = of_endpoint.entry((subscription.to_owned(), loss.cause));
            let known = entry.or_insert_with(|| {
                news = true;
                loss.clone()
            });
            known.from = known.from.min(loss.from);
            // While they are being repaired there are ever fewer; the gap is about all of them.
            known.pairs = known.pairs.max(loss.pairs);
            if let (Some(names), Some(more)) = (&mut known.practices, &loss.practices) {
                names.extend(more.iter().cloned());
            }
            news |= known.to.take().is_some();
        }
        for ((of, cause), loss) in of_endpoint.iter_mut() {
            if of == subscription && loss.to.is_none() && !found.iter().any(|found| found.cause == *cause) {
                loss.to = Some(now);
                news = true;
            }
        }
        if of_endpoint.is_empty() {
            all.remove(endpoint);
        }
        news
    }

    /// Everything on an endpoint.
    pub fn of(&self, endpoint: &str) -> Vec<Loss> {
        let all = lock(&self.0);
        let mut losses: Vec<Loss> = all.get(endpoint).into_iter().flat_map(HashMap::values).cloned().collect();
        losses.sort_by_key(|loss| (loss.cause, loss.from));
        losses
    }

    /// What was over when `seen` was taken is written down. A cause is over only once all of its losses are.
    pub fn recorded(&self, endpoint: &str, seen: &[Loss]) {
        let mut all = lock(&self.0);
        let Some(of_endpoint) = all.get_mut(endpoint) else { return };
        let over = |cause: GapCause| seen.iter().filter(|loss| loss.cause == cause).all(|loss| loss.to.is_some());
        of_endpoint.retain(|(_, cause), loss| !(over(*cause) && seen.contains(loss)));
        if of_endpoint.is_empty() {
            all.remove(endpoint);
        }
    }

    /// An endpoint object is gone.
    pub fn forget(&self, endpoint: &str) {
        lock(&self.0).remove(endpoint);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn loss(from: i64, pairs: usize) -> Loss {
        Loss { cause: GapCause::SubscriptionsMissing, from: at(from), to: None, practices: None, pairs }
    }

    #[test]
    fn a_loss_is_told_until_it_is_repaired_and_written_down() {
        let losses = Losses::default();
        assert!(!losses.tell("e", "s", &[], at(1)), "nothing to tell");
        assert!(losses.tell("e", "s", &[loss(10, 5)], at(11)));
        assert!(!losses.tell("e", "s", &[loss(10, 2)], at(12)), "fewer are missing, the gap stays");
        assert!(losses.tell("e", "t", &[loss(9, 1)], at(12)));
        assert!(losses.tell("e", "s", &[], at(13)));
        let seen = losses.of("e");
        assert_eq!(seen.iter().map(|loss| (loss.pairs, loss.to)).collect::<Vec<_>>(), [(1, None), (5, Some(at(13)))]);
        losses.recorded("e", &seen);
        assert_eq!(losses.of("e").len(), 2, "the cause goes on");
        assert!(losses.tell("e", "t", &[], at(14)));
        let seen = losses.of("e");
        assert!(losses.tell("e", "s", &[loss(20, 1)], at(21)), "lost again while it is written down");
        losses.recorded("e", &seen);
        assert_eq!(losses.of("e").len(), 1);
    }
}
