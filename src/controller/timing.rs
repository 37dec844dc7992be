//! Every duration of the operator, injected, so that tests run the real controllers with milliseconds.

use std::time::Duration;

use crate::plan::PlanTiming;
use crate::provider::http::CallLimits;
use crate::provider::nexhealth::TokenTiming;
use crate::provider::realm::RealmTiming;
use crate::runtime::LeaseTiming;

/// All durations. There is no option for them on the command line: they are decisions, not settings.
#[derive(Clone, Debug)]
pub struct Timing {
    /// What decisions depend on.
    pub plan: PlanTiming,
    /// How long lost answers settle.
    pub realm: RealmTiming,
    /// Deadlines of provider calls.
    pub calls: CallLimits,
    /// How long tokens are used, and how long a refused sign-in is believed.
    pub tokens: TokenTiming,
    /// Overrides every account's `observeInterval`; `None` outside tests.
    pub observe_interval: Option<Duration>,
    /// Overrides every account's `syncStatusInterval`; `None` outside tests.
    pub sync_interval: Option<Duration>,
    /// First and longest pause of an object that fails.
    pub backoff: (Duration, Duration),
    /// First and longest pause between probes of a provider that does not answer.
    pub probe: (Duration, Duration),
    /// How often an account with refused credentials is tried without a change (rules.md *Outcomes*: 15 min).
    pub credentials_retry: Duration,
    /// How often a realm's budget is put into the metrics.
    pub measure: Duration,
    /// Pause after somebody else wrote an object first.
    pub conflict: Duration,
    /// Deadline of every call to the API server.
    pub kube_call: Duration,
    /// How long a Secret may be going, under an account that is not, before it is let go (rules.md *Keys*: 60 s).
    pub secret_replaced: Duration,
    /// How long our own definitions must have been refused to us before they count as unreadable (rules.md *Deletion*).
    pub definition_refused: Duration,
    /// With `--namespace`: how often to ask whether a namespace is going. Its rights end 5 s after that.
    pub namespace_poll: Duration,
    /// How long a process before this one may have kept writing: the lease time.
    pub lease: Duration,
    /// Time between the status writes by which objects say that an outage has lasted (rules.md *Outcomes*: 20 a second).
    pub outage_writes: Duration,
    /// Of one self-test, both its events together.
    pub self_test: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            plan: PlanTiming::default(),
            realm: RealmTiming::default(),
            calls: CallLimits::default(),
            tokens: TokenTiming::default(),
            observe_interval: None,
            sync_interval: None,
            backoff: (Duration::from_secs(1), Duration::from_secs(300)),
            probe: (Duration::from_secs(1), Duration::from_secs(60)),
            credentials_retry: Duration::from_secs(900),
            measure: Duration::from_secs(5),
            conflict: Duration::from_millis(50),
            kube_call: Duration::from_secs(15),
            secret_replaced: Duration::from_secs(60),
            definition_refused: Duration::from_secs(10),
            namespace_poll: Duration::from_secs(2),
            lease: LeaseTiming::default().duration,
            outage_writes: Duration::from_millis(50),
            self_test: Duration::from_secs(20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rules.md *Leader*: else no write would ever start, or none after the first renewal that fails.
    #[test]
    fn a_write_fits_into_the_lease_although_one_renewal_has_failed() {
        let (lease, timing) = (LeaseTiming::default(), Timing::default());
        // A renewal is sent every `renew`, has as long for its answer, and counts from its sending.
        let worst = lease.duration - lease.renew * 2;
        assert!(worst > timing.calls.write_deadline, "{worst:?}");
        assert_eq!(timing.lease, lease.duration);
    }
}
