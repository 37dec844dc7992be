//! The decisions of leader election, without a clock, a network or a task: what a process may do about the Lease it has
//! just read. Everything here is a function of what was read and when, so that each rule has a plain test.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::LeaseSpec;
use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

/// No lease is waited for longer than this, whatever its `leaseDurationSeconds` says: a mistaken edit of that field must
/// not keep every process on standby for ever. [`super::LeaseTiming`] is held below it.
pub const LONGEST_TERM: Duration = Duration::from_secs(120);

/// What a Lease says about its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Who holds it; `None` when it was released.
    pub holder: Option<String>,
    /// The holder's clock at its last renewal. Compared for equality only, because it is another node's clock.
    pub renewed: Option<Timestamp>,
    /// How often the holder has changed.
    pub transitions: i32,
    /// How long the holder promised to count on one renewal.
    pub term: Option<Duration>,
}

impl From<&LeaseSpec> for Record {
    fn from(spec: &LeaseSpec) -> Self {
        Self {
            holder: spec.holder_identity.clone().filter(|holder| !holder.is_empty()),
            renewed: spec.renew_time.as_ref().map(|time| time.0),
            transitions: spec.lease_transitions.unwrap_or_default(),
            term: spec.lease_duration_seconds.and_then(|s| u64::try_from(s).ok()).map(Duration::from_secs),
        }
    }
}

/// What a process that does not hold the lease does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// There is no Lease and nobody can be counting on one: make it.
    Create,
    /// Released, or silent for long enough: replace it, on the version that was read.
    TakeOver,
    /// It names this process, because an earlier write of ours landed although its answer was lost: renew it.
    Reclaim,
    /// Somebody may be counting on it for this much longer.
    Wait(Duration),
}

/// What the holder does after its renewal did not go through as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Still ours: renew on the version that was read.
    Renew,
    /// Somebody deleted it. A create succeeds only if nobody else was faster.
    Recreate,
    /// It is not ours any more.
    Lost {
        /// Who has it, if anybody.
        holder: Option<String>,
    },
}

/// The memory of a process that wants the lease.
///
/// A holder counts on a renewal from the moment it *sent* it. A contender starts to count when it first *sees* that
/// renewal, which is later, and waits longer than the holder counts. So the contender's wait always ends after the
/// holder has stopped, without either looking at the other's clock.
#[derive(Debug)]
pub struct Contender {
    identity: String,
    term: Duration,
    claimed: bool,
    seen: Option<Seen>,
}

#[derive(Debug)]
struct Seen {
    record: Record,
    since: Instant,
}

impl Contender {
    /// A contender that has seen nothing yet.
    pub fn new(identity: impl Into<String>, term: Duration) -> Self {
        Self { identity: identity.into(), term, claimed: false, seen: None }
    }

    /// To be called before the first byte of any write that names this process as the holder. Until then a Lease with
    /// our identity was written by somebody else of the same name and is treated as foreign.
    pub fn will_claim(&mut self) {
        self.claimed = true;
    }

    /// Whether such a write was ever sent.
    pub fn has_claimed(&self) -> bool {
        self.claimed
    }

    /// The holder's last renewal as far as it is known, for the period in which nobody was in charge.
    pub fn last_renewal(&self) -> Option<Timestamp> {
        self.seen.as_ref().and_then(|seen| seen.record.renewed)
    }

    /// What to do about `record`, read by a request whose answer arrived at `now`.
    pub fn decide(&mut self, record: Option<Record>, now: Instant) -> Decision {
        let Some(record) = record else {
            // A Lease that was deleted says nothing about its holder, who notices only at its next renewal.
            return match &self.seen {
                Some(seen) if self.is_foreign(&seen.record) => match self.left(seen, now) {
                    Duration::ZERO => Decision::Create,
                    left => Decision::Wait(left),
                },
                _ => Decision::Create,
            };
        };
        if self.claimed && record.holder.as_deref() == Some(self.identity.as_str()) {
            return Decision::Reclaim;
        }
        let released = record.holder.is_none();
        match &self.seen {
            Some(seen) if seen.record == record => {}
            _ => self.seen = Some(Seen { record, since: now }),
        }
        match &self.seen {
            Some(seen) if !released => match self.left(seen, now) {
                Duration::ZERO => Decision::TakeOver,
                left => Decision::Wait(left),
            },
            _ => Decision::TakeOver,
        }
    }

    fn is_foreign(&self, record: &Record) -> bool {
        match &record.holder {
            Some(holder) => !(self.claimed && *holder == self.identity),
            None => false,
        }
    }

    fn left(&self, seen: &Seen, now: Instant) -> Duration {
        patience(self.term, seen.record.term).saturating_sub(now.saturating_duration_since(seen.since))
    }
}

/// How long an unchanged record is respected: the longer of both terms, and a tenth more, because the clocks of two
/// nodes do not tick at exactly the same rate.
pub fn patience(own: Duration, promised: Option<Duration>) -> Duration {
    let term = own.max(promised.unwrap_or_default()).min(LONGEST_TERM);
    term + term / 10
}

/// What the holder does about the Lease it has read after a conflict.
pub fn hold(record: Option<&Record>, identity: &str) -> Hold {
    match record {
        None => Hold::Recreate,
        Some(record) if record.holder.as_deref() == Some(identity) => Hold::Renew,
        Some(record) => Hold::Lost { holder: record.holder.clone() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: Duration = Duration::from_secs(15);
    const PATIENCE: Duration = Duration::from_millis(16_500);

    fn record(holder: &str, renewed: i64) -> Option<Record> {
        Some(Record {
            holder: Some(holder.to_owned()).filter(|h| !h.is_empty()),
            renewed: Some(Timestamp::from_second(renewed).unwrap()),
            transitions: 1,
            term: Some(TERM),
        })
    }

    #[test]
    fn a_missing_lease_is_made() {
        assert_eq!(Contender::new("me", TERM).decide(None, Instant::now()), Decision::Create);
    }

    #[test]
    fn a_released_lease_is_taken_at_once_even_after_a_long_watch() {
        let (mut me, start) = (Contender::new("me", TERM), Instant::now());
        assert_eq!(me.decide(record("other", 1), start), Decision::Wait(PATIENCE));
        assert_eq!(me.decide(record("", 2), start + Duration::from_secs(1)), Decision::TakeOver);
    }

    #[test]
    fn an_old_renew_time_alone_is_no_reason_to_take_over() {
        let mut me = Contender::new("me", TERM);
        assert_eq!(me.decide(record("other", 0), Instant::now()), Decision::Wait(PATIENCE));
    }

    #[test]
    fn silence_is_counted_from_the_first_look() {
        let (mut me, start) = (Contender::new("me", TERM), Instant::now());
        me.decide(record("other", 7), start);
        let nearly = start + PATIENCE - Duration::from_millis(1);
        assert_eq!(me.decide(record("other", 7), nearly), Decision::Wait(Duration::from_millis(1)));
        assert_eq!(me.decide(record("other", 7), start + PATIENCE), Decision::TakeOver);
        assert_eq!(me.last_renewal(), Some(Timestamp::from_second(7).unwrap()));
    }

    #[test]
    fn any_sign_of_life_starts_the_count_again() {
        let (mut me, start) = (Contender::new("me", TERM), Instant::now());
        me.decide(record("other", 7), start);
        let late = start + PATIENCE;
        assert_eq!(me.decide(record("other", 8), late), Decision::Wait(PATIENCE));
        // Backwards is a change too: the holder's clock is its own affair.
        assert_eq!(me.decide(record("other", 3), late + PATIENCE), Decision::Wait(PATIENCE));
        // Another holder is a change, even with the same time.
        assert_eq!(me.decide(record("third", 3), late + PATIENCE * 2), Decision::Wait(PATIENCE));
    }

    #[test]
    fn a_longer_promise_is_respected_up_to_a_cap() {
        assert_eq!(patience(TERM, Some(Duration::from_secs(60))), Duration::from_secs(66));
        assert_eq!(patience(TERM, Some(Duration::from_secs(1))), PATIENCE);
        assert_eq!(patience(TERM, Some(Duration::from_secs(1 << 30))), LONGEST_TERM + LONGEST_TERM / 10);
        assert_eq!(patience(TERM, None), PATIENCE);
    }

    #[test]
    fn a_deleted_lease_is_not_made_while_its_holder_may_count_on_it() {
        let (mut me, start) = (Contender::new("me", TERM), Instant::now());
        me.decide(record("other", 7), start);
        assert_eq!(me.decide(None, start + Duration::from_secs(10)), Decision::Wait(Duration::from_millis(6_500)));
        assert_eq!(me.decide(None, start + PATIENCE), Decision::Create);
    }

    #[test]
    fn a_deleted_lease_that_was_free_is_made_at_once() {
        let (mut me, start) = (Contender::new("me", TERM), Instant::now());
        me.decide(record("", 7), start);
        assert_eq!(me.decide(None, start), Decision::Create);
    }

    #[test]
    fn our_name_counts_as_ours_only_after_we_wrote_it() {
        let (mut me, start) = (Contender::new("me", TERM), Instant::now());
        assert_eq!(me.decide(record("me", 7), start), Decision::Wait(PATIENCE));
        me.will_claim();
        assert_eq!(me.decide(record("me", 7), start), Decision::Reclaim);
    }

    #[test]
    fn a_holder_gives_way_to_anybody_else() {
        assert_eq!(hold(record("me", 1).as_ref(), "me"), Hold::Renew);
        assert_eq!(hold(None, "me"), Hold::Recreate);
        assert_eq!(hold(record("other", 1).as_ref(), "me"), Hold::Lost { holder: Some("other".to_owned()) });
        assert_eq!(hold(record("", 1).as_ref(), "me"), Hold::Lost { holder: None });
    }

    #[test]
    fn a_record_reads_an_empty_holder_as_none() {
        let spec = LeaseSpec {
            holder_identity: Some(String::new()),
            lease_duration_seconds: Some(-1),
            ..LeaseSpec::default()
        };
        assert_eq!(Record::from(&spec), Record::default());
    }
}
