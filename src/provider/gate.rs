//! The gate that every HTTP request of a realm passes (rules.md *Gate*, *Realm*).
//!
//! It sits under the adapter, so sign-ins and retries count too: the provider counts them as well. Three things hold a
//! call back: the number in flight, the rate, and a pause that the provider asked for with a 429.
//!
//! Time is tokio's, so tests can stop and move it.

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The longest pause a provider can impose: an absurd `Retry-After` must not stop a realm for a year.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// First pause after a 429 that does not say how long to wait.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Such pauses double up to this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// Length of the window the budget is counted in.
const WINDOW_SECONDS: u64 = 60;

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
    slots: Arc<Semaphore>,
    state: Mutex<State>,
    clock: TokioClock,
    throttled_nanos: AtomicU64,
}

/// The right to send one request; held until its answer is read.
#[must_use]
pub struct Permit {
    _slot: Option<OwnedSemaphorePermit>,
}

struct State {
    requests_per_minute: u32,
    burst: u32,
    limiter: Limiter,
    paused_until: Option<Instant>,
    /// 429s without `Retry-After` since the last success.
    strikes: u32,
    used: Used,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Duration>>;

impl Gate {
    /// A gate with its full burst available.
    pub fn new(config: GateConfig) -> Self {
        let clock = TokioClock { origin: Instant::now() };
        Self {
            slots: Arc::new(Semaphore::new(config.in_flight.max(1))),
            state: Mutex::new(State {
                requests_per_minute: config.requests_per_minute.max(1),
                burst: config.burst.max(1),
                limiter: RateLimiter::direct_with_clock(quota(config.requests_per_minute, config.burst), clock),
                paused_until: None,
                strikes: 0,
                used: Used::default(),
            }),
            clock,
            throttled_nanos: AtomicU64::new(0),
        }
    }

    /// Waits until one request may be sent. First come, first served.
    ///
    /// The slot is taken before the rate is asked: a call that waited for a slot with its turn already granted would go
    /// later than it was counted, and the window could overflow.
    pub async fn enter(&self) -> Permit {
        let asked = self.clock.now();
        let slot = Arc::clone(&self.slots).acquire_owned().await.ok();
        while let Err(wait) = self.try_pass() {
            tokio::time::sleep(wait).await;
        }
        let waited = self.clock.now().saturating_sub(asked);
        self.throttled_nanos.fetch_add(u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        Permit { _slot: slot }
    }

    /// After a 429: no call before `retry_after` has passed; without one, a jittered exponential pause.
    ///
    /// Calls in flight together get their 429s together; only the first of such a round lengthens the backoff.
    pub fn pause(&self, retry_after: Option<Duration>) {
        let mut state = self.lock();
        let now = Instant::now();
        let running = state.paused_until.filter(|until| *until > now);
        let length = match retry_after {
            Some(asked) => {
                let asked = asked.min(LONGEST_PAUSE);
                asked + (asked / 10).min(Duration::from_secs(1)).mul_f64(rand::random_range(0.0..1.0))
            }
            None if running.is_some() => return,
            None => {
                let doubled = FIRST_BACKOFF.saturating_mul(1 << state.strikes.min(10)).min(LONGEST_BACKOFF);
                state.strikes = state.strikes.saturating_add(1);
                doubled.mul_f64(rand::random_range(1.0..1.5))
            }
        };
        state.paused_until = Some(running.map_or(now + length, |until| until.max(now + length)));
    }

    /// After an answer that was not a 429: the next backoff starts small again.
    ///
    /// Ignored during a pause, because such an answer belongs to a call that was sent before it.
    pub fn succeeded(&self) {
        let mut state = self.lock();
        if state.paused_until.is_none_or(|until| until <= Instant::now()) {
            state.strikes = 0;
        }
    }

    /// Changes the limits at run time. The new burst has to be earned first, else a change would hand out two bursts in
    /// one window.
    pub fn reconfigure(&self, requests_per_minute: u32, burst: u32) {
        let (requests_per_minute, burst) = (requests_per_minute.max(1), burst.max(1));
        let mut state = self.lock();
        if (state.requests_per_minute, state.burst) == (requests_per_minute, burst) {
            return;
        }
        let limiter = RateLimiter::direct_with_clock(quota(requests_per_minute, burst), self.clock);
        let _drained = limiter.check_n(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN));
        (state.requests_per_minute, state.burst, state.limiter) = (requests_per_minute, burst, limiter);
    }

    /// Time that calls have spent waiting here, all together.
    pub fn throttled_total(&self) -> Duration {
        Duration::from_nanos(self.throttled_nanos.load(Ordering::Relaxed))
    }

    /// Share of the minute's budget (rate plus burst) that the last 60 s used: 1 means that calls wait.
    pub fn budget_ratio(&self) -> f64 {
        let second = self.clock.now().as_secs();
        let state = self.lock();
        let budget = f64::from(state.requests_per_minute) + f64::from(state.burst);
        f64::from(state.used.since(second)) / budget
    }

    /// Passes, or says how long to wait. Pause and rate are asked in one step, so that no call slips between them.
    fn try_pass(&self) -> Result<(), Duration> {
        let mut state = self.lock();
        if let Some(until) = state.paused_until {
            let left = until.saturating_duration_since(Instant::now());
            if !left.is_zero() {
                return Err(left);
            }
        }
        let now = self.clock.now();
        state.limiter.check().map_err(|refusal| refusal.wait_time_from(now))?;
        state.used.count(now.as_secs());
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One cell per interval, rounded up: rounding down would let one call too many into some windows.
fn quota(requests_per_minute: u32, burst: u32) -> Quota {
    let interval = Duration::from_nanos(60_000_000_000_u64.div_ceil(u64::from(requests_per_minute.max(1))));
    let quota = Quota::with_period(interval).unwrap_or_else(|| Quota::per_minute(NonZeroU32::MIN));
    quota.allow_burst(NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN))
}

#[derive(Clone, Copy, Debug)]
struct TokioClock {
    origin: Instant,
}

impl Clock for TokioClock {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Calls per second of the last minute.
struct Used([(u64, u32); WINDOW_SECONDS as usize]);

impl Default for Used {
    fn default() -> Self {
        Self([(0, 0); WINDOW_SECONDS as usize])
    }
}

impl Used {
    fn count(&mut self, second: u64) {
        let slot = &mut self.0[(second % WINDOW_SECONDS) as usize];
        *slot = if slot.0 == second { (second, slot.1.saturating_add(1)) } else { (second, 1) };
    }

    fn since(&self, second: u64) -> u32 {
        let recent = self.0.iter().filter(|(at, _)| at + WINDOW_SECONDS > second);
        recent.map(|(_, calls)| calls).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(requests_per_minute: u32, burst: u32) -> Arc<Gate> {
        Arc::new(Gate::new(GateConfig { requests_per_minute, burst, in_flight: 8 }))
    }

    /// Sends as fast as the gate lets, and notes when each call went.
    async fn hammer(gate: &Arc<Gate>, calls: usize, workers: usize) -> Vec<Duration> {
        let (start, times) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let tasks: Vec<_> = (0..workers)
            .map(|_| {
                let (gate, times) = (gate.clone(), times.clone());
                tokio::spawn(async move {
                    for _ in 0..calls / workers {
                        let _permit = gate.enter().await;
                        times.lock().unwrap().push(start.elapsed());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let mut times = times.lock().unwrap().clone();
        times.sort();
        times
    }

    fn busiest_minute(times: &[Duration]) -> usize {
        let minute = Duration::from_secs(60);
        times
            .iter()
            .map(|from| times.iter().filter(|at| *at >= from && **at - *from < minute).count())
            .max()
            .unwrap_or(0)
    }

    #[tokio::test(start_paused = true)]
    async fn any_minute_holds_at_most_rate_plus_burst() {
        for (rate, burst) in [(1, 1), (7, 3), (60, 10), (1200, 50), (13, 40)] {
            let gate = gate(rate, burst);
            let calls = (rate as usize * 2 + burst as usize * 2).div_ceil(4) * 4;
            let times = hammer(&gate, calls, 4).await;
            assert_eq!(times.len(), calls);
            let busiest = busiest_minute(&times);
            assert!(busiest <= (rate + burst) as usize, "{rate}+{burst}: {busiest}");
            assert!(busiest >= rate as usize, "{rate}+{burst} is used: {busiest}");
            assert!(gate.throttled_total() > Duration::ZERO);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_of_limits_never_hands_out_two_bursts() {
        let gate = gate(60, 10);
        let first = hammer(&gate, 12, 4).await.len();
        gate.reconfigure(120, 40);
        let start = Instant::now();
        hammer(&gate, 40, 8).await;
        assert_eq!(first, 12);
        assert!(start.elapsed() >= Duration::from_secs(19), "40 calls at 2/s without a burst: {:?}", start.elapsed());
        gate.reconfigure(120, 40);
        tokio::time::sleep(Duration::from_secs(60)).await;
        let start = Instant::now();
        hammer(&gate, 40, 8).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "same limits again: what was earned stays");
    }

    #[tokio::test(start_paused = true)]
    async fn eight_in_flight() {
        let gate = gate(6000, 100);
        let mut held = Vec::new();
        for _ in 0..8 {
            held.push(gate.enter().await);
        }
        assert!(tokio::time::timeout(Duration::from_secs(5), gate.enter()).await.is_err());
        held.pop();
        assert!(tokio::time::timeout(Duration::from_secs(5), gate.enter()).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_every_call_until_it_has_passed() {
        let gate = gate(6000, 100);
        let start = Instant::now();
        gate.pause(Some(Duration::from_secs(7)));
        gate.pause(Some(Duration::from_secs(2)));
        let times = hammer(&gate, 8, 8).await;
        assert!(times[0] >= Duration::from_secs(7) && start.elapsed() <= Duration::from_secs(8), "{times:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_a_year_is_ten_minutes() {
        let gate = gate(6000, 100);
        let start = Instant::now();
        gate.pause(Some(Duration::from_secs(365 * 86_400)));
        let _permit = gate.enter().await;
        assert!(start.elapsed() >= LONGEST_PAUSE && start.elapsed() <= LONGEST_PAUSE + Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn without_retry_after_pauses_double_and_a_success_resets_them() {
        let gate = gate(6000, 100);
        for base in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
            let start = Instant::now();
            for _ in 0..8 {
                gate.pause(None);
                gate.succeeded();
            }
            let _permit = gate.enter().await;
            let waited = start.elapsed().as_secs_f64();
            assert!(waited >= base && waited <= base * 1.5 + 0.01, "{base}: {waited}");
        }
        gate.succeeded();
        let start = Instant::now();
        gate.pause(None);
        let _permit = gate.enter().await;
        assert!(start.elapsed() < Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn the_ratio_tells_how_much_of_the_last_minute_is_used() {
        let gate = gate(60, 40);
        assert!(gate.budget_ratio().abs() < f64::EPSILON);
        hammer(&gate, 40, 4).await;
        assert!((gate.budget_ratio() - 0.4).abs() < 0.01, "{}", gate.budget_ratio());
        tokio::time::sleep(Duration::from_secs(61)).await;
        assert!(gate.budget_ratio().abs() < f64::EPSILON);
    }

    #[tokio::test(start_paused = true)]
    async fn nonsense_limits_do_not_stop_the_gate() {
        let gate = Gate::new(GateConfig { requests_per_minute: 0, burst: 0, in_flight: 0 });
        let _permit = gate.enter().await;
        gate.reconfigure(0, 0);
        gate.reconfigure(u32::MAX, u32::MAX);
    }
}
