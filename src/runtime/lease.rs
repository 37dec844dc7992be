//! Leader election on a `coordination.k8s.io/v1` Lease: at most one process plans and writes (rules.md *Leader*).
//!
//! A small implementation of our own, because it rests on two things that the crates at hand do not promise together:
//! every write is a replace that carries the `resourceVersion` it was decided on, and the holder counts its time from
//! the moment a renewal was *sent*, on the monotonic clock. `decision` argues why two processes then never both hold it.
//! One case is outside the argument: a Lease that a person deletes while its holder is cut off, and a process that
//! starts after the deletion and so never saw the holder.
//!
//! Losing the lease is final: [`Lease::lost`] resolves and the process must exit, because work that began under the
//! lease cannot be called back.

pub mod decision;
mod elector;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::provider::Fence;

/// How long a renewal counts, and how often things are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTiming {
    /// How long the holder may count on one renewal. At most [`decision::LONGEST_TERM`].
    pub duration: Duration,
    /// Time between renewals, and the limit of each request.
    pub renew: Duration,
    /// Time between attempts after a failure, and between two looks of a contender.
    pub retry: Duration,
}

impl Default for LeaseTiming {
    /// A provider write starts only with more time left than its own deadline of 15 s. With 30 s there is as much left
    /// also when a renewal has had no answer for its 5 s and the next one just got through: a hiccup of the API server
    /// holds no write up. The price is that after a crash (not after an orderly end) the next process leads half a minute
    /// later.
    fn default() -> Self {
        Self { duration: Duration::from_secs(30), renew: Duration::from_secs(5), retry: Duration::from_secs(2) }
    }
}

/// Why a lease that was held is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// No renewal got through in time.
    #[error("no renewal of the leader lease succeeded in time; check that the API server can be reached")]
    Expired,
    /// Somebody else wrote it.
    #[error("the leader lease was taken by {}", holder.as_deref().unwrap_or("nobody: its holder was removed"))]
    Taken {
        /// The new holder.
        holder: Option<String>,
    },
    /// The election itself ended unexpectedly.
    #[error("leader election stopped unexpectedly")]
    Stopped,
}

/// Where this process stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The API server has not answered yet.
    Starting,
    /// Another process leads.
    Standby,
    /// This process leads.
    Leading,
    /// It led and must exit.
    Lost(Lost),
    /// It gave the lease back, or stopped wanting it.
    Ended,
}

#[derive(Clone, Debug)]
struct Status {
    standing: Standing,
    /// End of the time that the last successful renewal bought; `None` means without end (no election).
    until: Option<Instant>,
    previous: Option<Timestamp>,
}

/// A handle on the lease; clones are cheap and speak of the same lease. When the last one is dropped without
/// [`Lease::release`], renewals stop and the lease runs out by itself.
#[derive(Clone, Debug)]
pub struct Lease(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    status: watch::Receiver<Status>,
    release: CancellationToken,
    _abandon: Option<DropGuard>,
    /// Keeps the channel of a lease without election open.
    _always: Option<watch::Sender<Status>>,
}

impl Lease {
    /// Starts to contend for the Lease `namespace/name`. `identity` must be unique to this process
    /// ([`unique_identity`]). `shutdown` ends the wait of a process that does not lead; one that leads goes on renewing
    /// until [`Lease::release`], so that it can finish its work under the lease.
    pub fn start(
        client: Client,
        namespace: &str,
        name: &str,
        identity: &str,
        timing: LeaseTiming,
        shutdown: CancellationToken,
    ) -> Self {
        let (sender, status) = watch::channel(Status { standing: Standing::Starting, until: None, previous: None });
        let (release, abandon) = (CancellationToken::new(), CancellationToken::new());
        let ends = elector::Ends { shutdown, release: release.clone(), abandon: abandon.clone() };
        tokio::spawn(elector::Elector::new(client, namespace, name, identity, timing, sender).run(ends));
        Self(Arc::new(Handle { status, release, _abandon: Some(abandon.drop_guard()), _always: None }))
    }

    /// The lease of a process that was told not to elect a leader: always held, for ever.
    pub fn always() -> Self {
        let (sender, status) = watch::channel(Status { standing: Standing::Leading, until: None, previous: None });
        Self(Arc::new(Handle { status, release: CancellationToken::new(), _abandon: None, _always: Some(sender) }))
    }

    /// Resolves to `true` once this process leads, or to `false` when it never will (shutdown, released, lost).
    pub async fn acquired(&self) -> bool {
        let mut status = self.0.status.clone();
        let settled = status.wait_for(|s| !matches!(s.standing, Standing::Starting | Standing::Standby)).await;
        settled.is_ok_and(|s| s.standing == Standing::Leading)
    }

    /// Resolves when a lease that was held is gone against our will; the process must then exit. Never resolves after
    /// [`Lease::release`].
    pub async fn lost(&self) -> Lost {
        let mut status = self.0.status.clone();
        let why = match status.wait_for(|s| matches!(s.standing, Standing::Lost(_) | Standing::Ended)).await {
            Ok(status) => match &status.standing {
                Standing::Lost(why) => Some(why.clone()),
                _ => None,
            },
            // The task is gone without a word (it panicked, or the runtime is going down).
            Err(_) => Some(Lost::Stopped),
        };
        match why {
            Some(why) => why,
            None => std::future::pending().await,
        }
    }

    /// How much longer this process may count on leading: what is left of the last successful renewal's term, counted
    /// from when it was sent. Zero when it does not lead. A provider write starts only with more than its own deadline.
    pub fn valid_for(&self) -> Duration {
        let status = self.0.status.borrow();
        match (&status.standing, status.until) {
            (Standing::Leading, Some(until)) => until.saturating_duration_since(Instant::now()),
            (Standing::Leading, None) => Duration::MAX,
            _ => Duration::ZERO,
        }
    }

    /// The previous holder's last renewal, by that holder's clock: the last moment at which somebody was in charge
    /// before us (rules.md *Delivery gaps*). `None` when there was no Lease.
    pub fn previous_renewal(&self) -> Option<Timestamp> {
        self.0.status.borrow().previous
    }

    /// Where this process stands now.
    pub fn standing(&self) -> Standing {
        self.0.status.borrow().standing.clone()
    }

    /// Calls `tell` with every change of standing, starting with the present one, until the election ends.
    pub async fn follow(&self, mut tell: impl FnMut(&Standing)) {
        let (mut status, mut last) = (self.0.status.clone(), None);
        loop {
            let standing = status.borrow_and_update().standing.clone();
            if last.as_ref() != Some(&standing) {
                tell(&standing);
                last = Some(standing);
            }
            if status.changed().await.is_err() {
                return;
            }
        }
    }

    /// Stops counting on the lease at once, then gives it back so that another process need not wait for its end.
    /// Call it after everything that writes has stopped. Returns when that was done or was given up.
    pub async fn release(&self) {
        self.0.release.cancel();
        let mut status = self.0.status.clone();
        if self.0._always.is_none() {
            // An error means that the task is gone, and with it everything that could be waited for.
            let _ = status.wait_for(|s| matches!(s.standing, Standing::Lost(_) | Standing::Ended)).await;
        }
    }
}

impl Fence for Lease {
    fn time_left(&self) -> Duration {
        self.valid_for()
    }
}

/// An identity no other process has: the pod's name, for people, and a random part, because a restarted container keeps
/// its pod's name.
pub fn unique_identity(pod: &str) -> String {
    format!("{pod}_{:016x}", rand::random::<u64>())
}
