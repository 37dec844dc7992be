//! The task behind a [`super::Lease`]: contends, renews, gives back. Decisions are in [`super::decision`].

use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease as LeaseObject, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::{Client, Error};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use super::decision::{Contender, Decision, Hold, LONGEST_TERM, Record, hold};
use super::{LeaseTiming, Lost, Standing, Status};

const FIELD_MANAGER: &str = "external-webhooks";

/// Shortest pause of a contender, so that a run of conflicts is not a busy loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// What can end the task from outside.
pub struct Ends {
    /// The process stops: a contender goes home, a holder carries on until released.
    pub shutdown: CancellationToken,
    /// Give the lease back.
    pub release: CancellationToken,
    /// Nobody is interested any more.
    pub abandon: CancellationToken,
}

pub struct Elector {
    api: Api<LeaseObject>,
    name: String,
    identity: String,
    timing: LeaseTiming,
    contender: Contender,
    status: watch::Sender<Status>,
    /// The failure that was last logged: one line per kind of failure, not one per attempt.
    complaint: String,
}

/// A lease that is ours: the object as the server stored it, and when the write that made it so was sent.
struct Held {
    object: Box<LeaseObject>,
    sent: Instant,
}

enum Attempt {
    Held(Held),
    Wait(Duration),
}

enum Renewal {
    Held(Held),
    Lost(Lost),
}

impl Elector {
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        timing: LeaseTiming,
        status: watch::Sender<Status>,
    ) -> Self {
        let timing = LeaseTiming { duration: timing.duration.min(LONGEST_TERM), ..timing };
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity: identity.to_owned(),
            timing,
            contender: Contender::new(identity, timing.duration),
            status,
            complaint: String::new(),
        }
    }

    pub async fn run(mut self, ends: Ends) {
        let held = tokio::select! {
            biased;
            () = ends.abandon.cancelled() => return,
            () = ends.release.cancelled() => None,
            () = ends.shutdown.cancelled() => None,
            held = self.contend() => Some(held),
        };
        let Some(held) = held else {
            // A claim may have landed although we never saw its answer.
            if self.contender.has_claimed() {
                self.give_back().await;
            }
            self.set(Standing::Ended, None);
            return;
        };
        info!(lease = %self.name, identity = %self.identity, "leading");
        self.set(Standing::Leading, Some(held.sent + self.timing.duration));
        let lost = tokio::select! {
            biased;
            () = ends.abandon.cancelled() => return,
            () = ends.release.cancelled() => None,
            lost = self.hold(held) => Some(lost),
        };
        match lost {
            Some(why) => {
                warn!(lease = %self.name, "lost the lease: {why}");
                self.set(Standing::Lost(why), None);
            }
            None => {
                // From here on nothing counts on the lease, whatever becomes of the write.
                self.status.send_modify(|status| status.until = Some(Instant::now()));
                self.give_back().await;
                self.set(Standing::Ended, None);
            }
        }
    }

    fn set(&self, standing: Standing, until: Option<Instant>) {
        self.status.send_modify(|status| {
            status.standing = standing;
            status.until = until;
        });
    }

    async fn contend(&mut self) -> Held {
        loop {
            let pause = match timeout(self.timing.renew, self.attempt()).await {
                Ok(Ok(Attempt::Held(held))) => return held,
                Ok(Ok(Attempt::Wait(left))) => {
                    self.complaint.clear();
                    left
                }
                Ok(Err(error)) => {
                    self.complain(&error.to_string());
                    self.timing.retry
                }
                Err(_) => {
                    self.complain("no answer in time");
                    self.timing.retry
                }
            };
            sleep(pause.min(self.timing.retry).max(SHORTEST_PAUSE).mul_f64(rand::random_range(0.9..1.1))).await;
        }
    }

    /// One look, and one write if the look allows it.
    async fn attempt(&mut self) -> Result<Attempt, Error> {
        let current = self.api.get_opt(&self.name).await?;
        let decision = self.contender.decide(current.as_ref().map(record), Instant::now());
        debug!(lease = %self.name, ?decision, "looked at the lease");
        let current = match (decision, current) {
            (Decision::Wait(left), _) => {
                if self.status.borrow().standing == Standing::Starting {
                    self.set(Standing::Standby, None);
                }
                return Ok(Attempt::Wait(left));
            }
            (Decision::Reclaim, current) => current,
            (Decision::Create | Decision::TakeOver, current) => {
                let previous = self.contender.last_renewal();
                self.status.send_modify(|status| status.previous = previous);
                current
            }
        };
        self.contender.will_claim();
        let sent = Instant::now();
        Ok(match self.write(current).await? {
            Some(object) => Attempt::Held(Held { object: Box::new(object), sent }),
            None => Attempt::Wait(Duration::ZERO),
        })
    }

    async fn hold(&mut self, mut held: Held) -> Lost {
        let mut next = held.sent + self.timing.renew;
        loop {
            let expires = held.sent + self.timing.duration;
            sleep_until(next.min(expires)).await;
            let now = Instant::now();
            if now >= expires {
                return Lost::Expired;
            }
            let limit = expires.min(now + self.timing.renew);
            match timeout_at(limit, self.renew(LeaseObject::clone(&held.object))).await {
                Ok(Ok(Renewal::Held(renewed))) => {
                    held = renewed;
                    next = held.sent + self.timing.renew;
                    self.complaint.clear();
                    self.set(Standing::Leading, Some(held.sent + self.timing.duration));
                }
                Ok(Ok(Renewal::Lost(why))) => return why,
                Ok(Err(error)) => {
                    self.complain(&error.to_string());
                    next = Instant::now() + self.timing.retry;
                }
                Err(_) => {
                    self.complain("no answer in time");
                    next = Instant::now();
                }
            }
        }
    }

    /// Renews on the version in hand, and after a conflict on the one that is there. The caller's limit ends it.
    async fn renew(&self, object: LeaseObject) -> Result<Renewal, Error> {
        let mut current = Some(object);
        loop {
            let sent = Instant::now();
            if let Some(object) = self.write(current).await? {
                return Ok(Renewal::Held(Held { object: Box::new(object), sent }));
            }
            current = self.api.get_opt(&self.name).await?;
            match hold(current.as_ref().map(record).as_ref(), &self.identity) {
                Hold::Renew | Hold::Recreate => sleep(SHORTEST_PAUSE).await,
                Hold::Lost { holder } => return Ok(Renewal::Lost(Lost::Taken { holder })),
            }
        }
    }

    /// Makes this process the holder, on exactly the version that was read; `None` if that version is gone.
    async fn write(&self, current: Option<LeaseObject>) -> Result<Option<LeaseObject>, Error> {
        let existed = current.is_some();
        let object = claim(current, &self.name, &self.identity, self.timing.duration, Timestamp::now());
        let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
        let written = if existed {
            self.api.replace(&self.name, &params, &object).await
        } else {
            self.api.create(&params, &object).await
        };
        match written {
            Ok(object) => Ok(Some(object)),
            Err(error) if was_overtaken(&error, existed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn give_back(&self) {
        match timeout(self.timing.retry, self.clear_holder()).await {
            Ok(Ok(())) => info!(lease = %self.name, "gave the lease back"),
            Ok(Err(error)) => warn!(lease = %self.name, %error, "could not give the lease back; it runs out by itself"),
            Err(_) => warn!(lease = %self.name, "no answer to giving the lease back; it runs out by itself"),
        }
    }

    /// Reads first: the last renewal may have been cut off, so the version in hand proves nothing.
    async fn clear_holder(&self) -> Result<(), Error> {
        loop {
            let Some(mut object) = self.api.get_opt(&self.name).await? else { return Ok(()) };
            if hold(Some(&record(&object)), &self.identity) != Hold::Renew {
                return Ok(());
            }
            let spec = object.spec.get_or_insert_with(LeaseSpec::default);
            spec.renew_time = Some(MicroTime(after(Timestamp::now(), spec.renew_time.as_ref())));
            spec.holder_identity = Some(String::new());
            match self.api.replace(&self.name, &PostParams::default(), &object).await {
                Ok(_) => return Ok(()),
                Err(error) if was_overtaken(&error, true) => sleep(SHORTEST_PAUSE).await,
                Err(error) => return Err(error),
            }
        }
    }

    fn complain(&mut self, error: &str) {
        if self.complaint != error {
            warn!(
                lease = %self.name,
                error,
                "cannot use the leader lease; the service account needs get, create and update on leases in this namespace"
            );
            error.clone_into(&mut self.complaint);
        }
    }
}

fn record(object: &LeaseObject) -> Record {
    object.spec.as_ref().map(Record::from).unwrap_or_default()
}

/// 409 (somebody wrote in between, or created first), or 404 on a replace (somebody deleted it): look again. A 404 on a
/// create is something else: the namespace is missing.
fn was_overtaken(error: &Error, replacing: bool) -> bool {
    let Error::Api(status) = error else { return false };
    status.code == 409 || (replacing && status.is_not_found())
}

/// `now`, but never equal to `last`: contenders tell a living holder by a changed time, and a clock may stand or jump.
fn after(now: Timestamp, last: Option<&MicroTime>) -> Timestamp {
    let now = Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now);
    match last {
        Some(last) if last.0 == now => now.saturating_add(SignedDuration::from_micros(1)).unwrap_or(now),
        _ => now,
    }
}

/// The Lease that says "ours, from now", keeping everything else that is on the object, its version included.
fn claim(current: Option<LeaseObject>, name: &str, identity: &str, duration: Duration, now: Timestamp) -> LeaseObject {
    let mut object = current.unwrap_or_else(|| LeaseObject {
        metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
        spec: None,
    });
    let spec = object.spec.get_or_insert_with(LeaseSpec::default);
    let now = MicroTime(after(now, spec.renew_time.as_ref()));
    if spec.holder_identity.as_deref() != Some(identity) {
        spec.lease_transitions = Some(spec.lease_transitions.map_or(0, |n| n.saturating_add(1)));
        spec.acquire_time = Some(now.clone());
        spec.holder_identity = Some(identity.to_owned());
    }
    // Whole seconds on the wire, rounded up: contenders then wait longer than we count, never shorter.
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    spec.lease_duration_seconds = Some(i32::try_from(seconds.max(1)).unwrap_or(i32::MAX));
    spec.renew_time = Some(now);
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_changes_hands_once_and_keeps_the_version() {
        let now = Timestamp::from_second(100).unwrap();
        let mut first = claim(None, "l", "a", Duration::from_millis(1500), now);
        first.metadata.resource_version = Some("7".into());
        let renewed = claim(Some(first.clone()), "l", "a", Duration::from_secs(15), now);
        let (one, two) = (first.spec.unwrap(), renewed.spec.clone().unwrap());
        assert_eq!((one.lease_transitions, one.lease_duration_seconds), (Some(0), Some(2)));
        assert_eq!((two.lease_transitions, two.acquire_time), (Some(0), one.acquire_time));
        assert!(two.renew_time > one.renew_time, "a renewal always shows, even when the clock stands");
        let taken = claim(Some(renewed), "l", "b", Duration::from_secs(15), now);
        assert_eq!(taken.metadata.resource_version.as_deref(), Some("7"));
        assert_eq!(taken.spec.unwrap().lease_transitions, Some(1));
    }
}
