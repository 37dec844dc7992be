//! Lanes: what a call is for, which decides whose turn it is (rules.md *Gate*).
//!
//! A lane is about *why* something is called, which only the caller knows, while the gate sits under the adapter, where
//! one call of the trait may be several requests (a sign-in, a repetition). So it travels beside the calls, as a
//! task-local [`Errand`], and no method of an adapter has to carry it along. The price: whoever spawns a task for a call
//! must take the errand with it. That happens in two places, the lists and the writes of a realm.

use std::future::Future;

use tokio::sync::watch;
use tokio::time::Instant;

/// Whose turn it is; a greater lane is more urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Looking around: the rounds of a realm.
    Reads,
    /// What is declared for the first time, and the reads it needs.
    Creates,
    /// What was there before: drift, moves, switches.
    Repairs,
    /// What must go. A deletion that waits blocks a person, or a namespace.
    Deletes,
    /// What everybody waits for: a sign-in, a round that is late, a probe. Every second turn at most, so that a round
    /// larger than the budget of its interval cannot shut out the work.
    Front,
}

impl Lane {
    /// How many there are.
    pub(super) const COUNT: usize = 5;
    /// The four that share by weight, most urgent first.
    pub(super) const WEIGHTED: [Self; 4] = [Self::Deletes, Self::Repairs, Self::Creates, Self::Reads];

    /// Its place in an array.
    pub(super) fn index(self) -> usize {
        self as usize
    }

    /// Virtual time that one call of it takes: the reciprocal of its weight (4:3:2:1), times 12.
    pub(super) fn stride(self) -> u64 {
        match self {
            Self::Deletes | Self::Front => 3,
            Self::Repairs => 4,
            Self::Creates => 6,
            Self::Reads => 12,
        }
    }
}

/// Why the present task calls the provider.
#[derive(Clone, Debug)]
pub struct Errand {
    lane: watch::Receiver<Lane>,
    probe: bool,
}

/// Makes an errand more urgent while it is under way.
#[derive(Clone, Debug)]
pub struct Lever(watch::Sender<Lane>);

tokio::task_local! {
    static ERRAND: Errand;
}

impl Lever {
    /// Raises the errand to this lane; never lowers it.
    pub fn raise(&self, lane: Lane) {
        self.0.send_if_modified(|now| {
            let raised = lane > *now;
            *now = lane.max(*now);
            raised
        });
    }
}

impl Errand {
    /// An errand in this lane for good.
    pub fn new(lane: Lane) -> Self {
        Self::with_lever(lane).0
    }

    /// An errand that can become more urgent.
    pub fn with_lever(lane: Lane) -> (Self, Lever) {
        let (sender, receiver) = watch::channel(lane);
        (Self { lane: receiver, probe: false }, Lever(sender))
    }

    /// The same, and calls go out although the breaker is open: they find out whether it may be closed.
    pub fn probing(self) -> Self {
        Self { probe: true, ..self }
    }

    /// The errand of the present task; looking around, where nobody said anything.
    pub fn current() -> Self {
        ERRAND.try_with(Clone::clone).unwrap_or_else(|_| Self::new(Lane::Reads))
    }

    /// Its lane at this moment.
    pub fn lane(&self) -> Lane {
        *self.lane.borrow()
    }

    /// Whether it is a probe.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// Runs everything that `work` calls in this task on this errand.
    pub async fn run<T>(self, work: impl Future<Output = T>) -> T {
        ERRAND.scope(self, work).await
    }

    /// Runs reads that nobody waits for before `late`, and that go first from then on (rules.md *Gate*); `probe` as in
    /// [`Errand::probing`].
    pub async fn read_by<T>(late: Instant, probe: bool, work: impl Future<Output = T>) -> T {
        let (errand, lever) = Self::with_lever(if late <= Instant::now() { Lane::Front } else { Lane::Reads });
        let mut work = std::pin::pin!(Self { probe, ..errand }.run(work));
        tokio::select! {
            outcome = &mut work => outcome,
            () = tokio::time::sleep_until(late) => {
                lever.raise(Lane::Front);
                work.await
            }
        }
    }

    /// Resolves to the new lane when it is raised; never, when nobody can raise it any more.
    pub(crate) async fn raised(&mut self) -> Lane {
        match self.lane.changed().await {
            Ok(()) => *self.lane.borrow_and_update(),
            Err(_) => std::future::pending().await,
        }
    }
}
