//! What must be done, decided purely: (object, observed, now) -> step, status, events.
//!
//! Nothing in here waits, calls, reads a clock or rolls dice; a test enforces it. Every rule of the engine is a function
//! here that cites the rule by its name, so that it can be read beside its paragraph and tested without a cluster.
//!
//! A plan is one *kind* of step as a bounded batch of independent calls. The controller executes it and plans again from
//! the mirror with the answers applied, until a plan says rest.

pub mod account;
pub mod condition;
pub mod contention;
pub mod create;
pub mod endpoint;
pub mod endpoint_deletion;
pub mod frozen;
pub mod gaps;
pub mod grants;
pub mod monitor;
mod nearest;
pub mod outcome;
pub mod own_key;
pub mod pairs;
pub mod reactivation;
pub mod rotation;
pub mod row_calls;
pub mod subscription;
pub mod subscription_deletion;
pub mod subscription_report;
pub mod target;
pub mod verification;

#[cfg(test)]
mod tests;

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The durations that decisions depend on. Injected, so that tests run the real controllers in milliseconds.
#[derive(Clone, Debug)]
pub struct PlanTiming {
    /// Time between two good lists that together prove something gone (rules.md *Absence*: 10 s).
    pub absence_gap: Duration,
    /// How long after a POST that may be outstanding a deletion still looks for what it made (rules.md *Deletion*: 120 s).
    pub outstanding: Duration,
    /// Slack between the provider's clock and ours (rules.md *Create*: 5 min).
    pub clock_slack: Duration,
    /// How long an outage leaves objects as they are (rules.md *Outcomes*: 10 min).
    pub outage_grace: Duration,
    /// How often counters are written while an object works (api.md: 10 s).
    pub counters: Duration,
    /// How long a refusal is believed (rules.md *Outcomes*: 6 h).
    pub rejected: Duration,
    /// Pauses before what was switched off remotely is switched on again: the first, second and third time, then every
    /// time (rules.md *Switched off remotely*: 10 min, 1 h, 6 h, a day).
    pub reactivation: [Duration; 4],
    /// How long something must have stayed on for those pauses to begin anew (rules.md *Switched off remotely*: 24 h).
    pub reactivation_reset: Duration,
    /// For how long deliveries had been failing when the provider switched something off (rules.md *Delivery gaps*: 48 h).
    pub failing: Duration,
    /// In which time three corrections of one field are a fight, and how long it is then left alone (rules.md *Which remote
    /// is mine*: 30 min, 6 h).
    pub contended: (Duration, Duration),
    /// Between two attempts to delete rows that hold up their endpoint although their deletion was confirmed.
    pub retry_rows: Duration,
    /// How long a practice that the key no longer reaches loses nothing (rules.md *Pairs*: 24 h).
    pub unreachable: Duration,
    /// Shortest time between two self-tests of one target, whatever the spec says.
    pub self_test: Duration,
    /// After which time a self-test that found something wrong is repeated, if that is sooner than its interval.
    pub self_test_retry: Duration,
}

impl Default for PlanTiming {
    fn default() -> Self {
        Self {
            absence_gap: Duration::from_secs(10),
            outstanding: Duration::from_secs(120),
            clock_slack: Duration::from_secs(300),
            outage_grace: Duration::from_secs(600),
            counters: Duration::from_secs(10),
            rejected: Duration::from_secs(6 * 3600),
            reactivation: [600, 3600, 6 * 3600, 24 * 3600].map(Duration::from_secs),
            reactivation_reset: Duration::from_secs(24 * 3600),
            failing: Duration::from_secs(48 * 3600),
            contended: (Duration::from_secs(1800), Duration::from_secs(6 * 3600)),
            retry_rows: Duration::from_secs(60),
            unreachable: Duration::from_secs(24 * 3600),
            self_test: Duration::from_secs(60),
            self_test_retry: Duration::from_secs(600),
        }
    }
}

/// An Event to publish: something that really changed, or went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// `true` for a Warning.
    pub warning: bool,
    /// The Event's reason.
    pub reason: &'static str,
    /// What was done or tried, as a verb.
    pub action: &'static str,
    /// What a person should know. No keys, no queries of URLs.
    pub text: String,
}

impl Note {
    /// Something changed as it should.
    pub fn normal(reason: &'static str, action: &'static str, text: impl Into<String>) -> Self {
        Self { warning: false, reason, action, text: text.into() }
    }

    /// Something a person should look at.
    pub fn warning(reason: &'static str, action: &'static str, text: impl Into<String>) -> Self {
        Self { warning: true, reason, action, text: text.into() }
    }
}

/// How an object's account stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountView {
    /// No such account in the namespace, or in the cluster.
    NotFound,
    /// An account of the cluster, and the operator watches single namespaces (api.md, `--namespace`).
    NotServed,
    /// It cannot be used now; the text says why.
    NotReady(String),
    /// It cannot be used now, but the key that this process remembers still serves deletes (rules.md *Keys and the Secret*).
    DeletesOnly(String),
    /// The provider cannot be asked; `long` once that has lasted for [`PlanTiming::outage_grace`].
    Unavailable {
        /// Whether objects say so too.
        long: bool,
    },
    /// Usable, but the provider has nothing of the kind.
    Lacks {
        /// What the provider calls itself.
        provider: &'static str,
        /// What it lacks, such as `webhook subscriptions`.
        what: &'static str,
    },
    /// Usable.
    Ready {
        /// `spec.allowInsecureTargets`.
        allow_insecure: bool,
    },
}

/// What an account's spec allows its objects, whether it can be used or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountPolicy {
    /// `managementPolicy: Observe`: nothing is written at the provider.
    pub observe: bool,
    /// `deletionPolicy: Orphan`: what cannot be deleted is left behind.
    pub orphan: bool,
    /// The account itself is being deleted under that policy: its objects are released.
    pub releasing: bool,
}

/// A refusal the controller remembers, so that it is not tried again before something changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// When.
    pub at: Timestamp,
}

impl Refusal {
    /// Whether it is still believed.
    pub fn holds(&self, now: Timestamp, timing: &PlanTiming) -> bool {
        !self.left(now, timing).is_zero()
    }

    /// How long it is still believed.
    pub fn left(&self, now: Timestamp, timing: &PlanTiming) -> Duration {
        timing.rejected.saturating_sub(elapsed(self.at, now))
    }
}

/// Time from `from` to `to`; zero when a clock went back.
pub fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// `now` as it stands on the wire, where times have whole seconds: a status compared after a round trip must be equal.
pub fn wire_time(now: Timestamp) -> Time {
    Time(Timestamp::from_second(now.as_second()).unwrap_or(now))
}
