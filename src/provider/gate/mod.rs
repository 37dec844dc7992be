//! The gate that every HTTP request of a realm passes (rules.md *Gate*, *Realm*).
//!
//! It sits under the adapter, so sign-ins and retries count too: the provider counts them as well. Three things hold a
//! call back: the number in flight, the rate, and a pause that the provider asked for with a 429. One sends it away: an
//! open breaker.
//!
//! | file | about |
//! |---|---|
//! | `lane.rs` | what a call is for, and how the gate learns it |
//! | `queue.rs` | whose turn it is |
//! | `budget.rs` | the rate |
//! | `pause.rs` | what follows a 429 |
//!
//! Time is tokio's, so tests can stop and move it.

mod budget;
pub mod lane;
mod pause;
#[cfg(test)]
mod property;
mod queue;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use budget::{Budget, Refusal};
pub use lane::{Errand, Lane, Lever};
pub use pause::LONGEST_PAUSE;
use pause::Pause;
use queue::Queue;

/// A gate with waiters that let nobody in for longer than this, without a pause, is not held by the provider's limits:
/// the lowest rate is one call a minute.
const SILENT: Duration = Duration::from_secs(120);

/// How much a realm may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateConfig {
    /// Sustained calls a minute; 0 counts as 1.
    pub requests_per_minute: u32,
    /// Calls that may go at once after a quiet time; 0 counts as 1.
    pub burst: u32,
    /// Calls in flight; 0 counts as 1.
    pub in_flight: usize,
}

impl Default for GateConfig {
    fn default() -> Self {
        Self { requests_per_minute: 1200, burst: 50, in_flight: 8 }
    }
}

/// One realm's gate.
pub struct Gate {
    state: Mutex<State>,
    origin: Instant,
    throttled_nanos: AtomicU64,
}

/// The right to send one request; held until its answer is read.
#[must_use]
pub struct Permit(Arc<Gate>);

/// The breaker is open: nothing was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BreakerOpen;

struct State {
    queue: Queue<oneshot::Sender<()>>,
    in_flight: usize,
    limit: usize,
    budget: Budget,
    pause: Pause,
    open: bool,
    /// When the next look at the queue is due by itself.
    timer: Option<Instant>,
    last_passed: Instant,
}

impl Gate {
    /// A gate with its full burst available.
    pub fn new(config: GateConfig) -> Self {
        let now = Instant::now();
        Self {
            state: Mutex::new(State {
                queue: Queue::new(),
                in_flight: 0,
                limit: config.in_flight.max(1),
                budget: Budget::new(config.requests_per_minute, config.burst, now),
                pause: Pause::default(),
                open: false,
                timer: None,
                last_passed: now,
            }),
            origin: now,
            throttled_nanos: AtomicU64::new(0),
        }
    }

    /// Waits until one request may be sent, in the lane of the present task's [`Errand`].
    ///
    /// # Errors
    /// [`BreakerOpen`], at once or when the breaker opens while the call waits; never for a probe.
    pub async fn enter(self: &Arc<Self>) -> Result<Permit, BreakerOpen> {
        let mut errand = Errand::current();
        let asked = Instant::now();
        let mut place = self.take_place(&errand)?;
        loop {
            tokio::select! {
                biased;
                turn = &mut place.turn => {
                    place.settled = true;
                    let nanos = u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX);
                    self.throttled_nanos.fetch_add(nanos, Ordering::Relaxed);
                    // The sender is dropped unused only by an opening breaker.
                    return turn.map(|()| Permit(self.clone())).map_err(|_| BreakerOpen);
                }
                lane = errand.raised() => self.lock().queue.raise(place.id, lane),
            }
        }
    }

    fn take_place(self: &Arc<Self>, errand: &Errand) -> Result<Place, BreakerOpen> {
        let mut state = self.lock();
        if state.open && !errand.is_probe() {
            return Err(BreakerOpen);
        }
        let (call, turn) = oneshot::channel();
        let id = state.queue.push(errand.lane(), errand.is_probe(), call);
        self.pump(&mut state);
        Ok(Place { gate: self.clone(), id, turn, settled: false })
    }

    /// After a 429: no call before `retry_after` has passed; without one, a jittered exponential pause.
    pub fn pause(&self, retry_after: Option<Duration>) {
        self.lock().pause.extend(retry_after, Instant::now());
    }

    /// After an answer that was not a 429: the next backoff starts small again.
    pub fn succeeded(&self) {
        self.lock().pause.answered(Instant::now());
    }

    /// Opens the breaker: every call that waits or comes fails at once, except probes. N objects that need the provider
    /// then cost one probe at a time, however many they are (rules.md *Outcomes*).
    pub fn open_breaker(&self) {
        let mut state = self.lock();
        state.open = true;
        let failed = state.queue.drain_ordinary();
        drop(state);
        // Dropping what they wait for tells them; outside the lock, because they may run at once.
        drop(failed);
    }

    /// Closes the breaker.
    pub fn close_breaker(&self) {
        self.lock().open = false;
    }

    /// Changes the limits at run time. The new burst has to be earned first, else a change would hand out two bursts in
    /// one window.
    pub fn reconfigure(self: &Arc<Self>, requests_per_minute: u32, burst: u32) {
        let mut state = self.lock();
        let in_flight = state.in_flight;
        if state.budget.reconfigure(requests_per_minute, burst, in_flight, Instant::now()) {
            self.pump(&mut state);
        }
    }

    /// Time that calls have spent waiting here, all together.
    pub fn throttled_total(&self) -> Duration {
        Duration::from_nanos(self.throttled_nanos.load(Ordering::Relaxed))
    }

    /// Share of the minute's budget (rate plus burst) that the last 60 s used: 1 means that calls wait.
    pub fn budget_ratio(&self) -> f64 {
        self.lock().budget.ratio(self.origin.elapsed().as_secs())
    }

    /// Whether calls wait here for a reason that lies with the provider: its pause, its rate, its slow answers. Whoever
    /// judges whether this process is stuck must not count such a wait against it.
    pub fn holds_calls(&self) -> bool {
        let (state, now) = (self.lock(), Instant::now());
        let moving = now.saturating_duration_since(state.last_passed) < SILENT;
        !state.queue.is_empty() && (moving || !state.pause.left(now).is_zero())
    }

    /// Lets in whoever may go now, and sees to being called again when the next one may.
    fn pump(self: &Arc<Self>, state: &mut State) {
        let now = Instant::now();
        while state.in_flight < state.limit && !state.queue.is_empty() {
            let paused = state.pause.left(now);
            if !paused.is_zero() {
                return self.look_at(state, now + paused);
            }
            match state.budget.ask(state.in_flight, now) {
                Ok(()) => {}
                Err(Refusal::For(wait)) => return self.look_at(state, now + wait),
                // The permit that comes back looks.
                Err(Refusal::UntilAnswer) => return,
            }
            let Some(waiter) = state.queue.pop() else { return };
            if waiter.send(()).is_ok() {
                state.in_flight += 1;
                state.last_passed = now;
                state.budget.sent(self.origin.elapsed().as_secs());
            }
        }
    }

    fn look_at(self: &Arc<Self>, state: &mut State, when: Instant) {
        if state.timer.is_some_and(|timer| timer <= when) {
            return;
        }
        // Without a runtime the process is ending, and nobody waits any more.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        state.timer = Some(when);
        let gate = Arc::downgrade(self);
        runtime.spawn(async move {
            tokio::time::sleep_until(when).await;
            let Some(gate) = gate.upgrade() else { return };
            let mut state = gate.lock();
            if state.timer == Some(when) {
                state.timer = None;
            }
            gate.pump(&mut state);
        });
    }

    fn leave(self: &Arc<Self>) {
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        state.budget.answered(Instant::now());
        self.pump(&mut state);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// A place in the queue. Whoever stops waiting gives it up, or the turn that came meanwhile.
struct Place {
    gate: Arc<Gate>,
    id: u64,
    turn: oneshot::Receiver<()>,
    settled: bool,
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let waited = self.gate.lock().queue.remove(self.id);
        if !waited && self.turn.try_recv().is_ok() {
            self.gate.leave();
        }
    }
}
