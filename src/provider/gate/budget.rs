//! The rate: a bucket that never holds more than the provider's own (rules.md *Gate*, *Budget*).
//!
//! A call counts against the provider's bucket at a moment between its sending and its answer that we do not know: a
//! slow handshake can make calls that left one by one arrive together. So a call holds its token from the sending, and
//! the token begins to come back only with the answer. Then calls in any stretch of time, *however the network shifts
//! them*, are at most burst + rate x time, and a provider with exactly this bucket never has a reason for a 429. Nothing
//! is lost by that as long as the burst covers what is in flight.

use std::time::Duration;

use tokio::time::Instant;

/// One bucket.
pub(super) struct Budget {
    requests_per_minute: u32,
    burst: u32,
    /// Time in which one token comes back.
    interval: Duration,
    /// When every token of an answered call is back.
    full_at: Instant,
    used: Used,
}

/// Why no call may go now.
pub(super) enum Refusal {
    /// A token comes back after this.
    For(Duration),
    /// Every token is with a call in flight.
    UntilAnswer,
}

impl Budget {
    /// A full bucket; 0 counts as 1.
    pub(super) fn new(requests_per_minute: u32, burst: u32, now: Instant) -> Self {
        let requests_per_minute = requests_per_minute.max(1);
        // Rounded up: rounding down would let one call too many into some windows.
        let interval = Duration::from_nanos(60_000_000_000_u64.div_ceil(u64::from(requests_per_minute)));
        Self { requests_per_minute, burst: burst.max(1), interval, full_at: now, used: Used::default() }
    }

    /// Changes the limits; answers whether they are others. The new burst has to be earned, else a change would hand out
    /// two bursts in one window.
    pub(super) fn reconfigure(&mut self, requests_per_minute: u32, burst: u32, in_flight: usize, now: Instant) -> bool {
        let mut new = Self::new(requests_per_minute, burst, now);
        if (self.requests_per_minute, self.burst) == (new.requests_per_minute, new.burst) {
            return false;
        }
        let held = u32::try_from(in_flight).unwrap_or(u32::MAX);
        new.full_at = now + new.interval.saturating_mul(new.burst.saturating_sub(held));
        new.used = std::mem::take(&mut self.used);
        *self = new;
        true
    }

    /// Whether one more call may go while so many are in flight.
    pub(super) fn ask(&self, in_flight: usize, now: Instant) -> Result<(), Refusal> {
        let Some(free) = u32::try_from(in_flight + 1).ok().and_then(|calls| self.burst.checked_sub(calls)) else {
            return Err(Refusal::UntilAnswer);
        };
        let owed = self.full_at.saturating_duration_since(now);
        let wait = owed.saturating_sub(self.interval.saturating_mul(free));
        if wait.is_zero() { Ok(()) } else { Err(Refusal::For(wait)) }
    }

    /// A call was sent.
    pub(super) fn sent(&mut self, second: u64) {
        self.used.count(second);
    }

    /// A call was answered, or will not be.
    pub(super) fn answered(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval;
    }

    /// Share of the minute's budget (rate plus burst) that the last 60 s used.
    pub(super) fn ratio(&self, second: u64) -> f64 {
        f64::from(self.used.since(second)) / (f64::from(self.requests_per_minute) + f64::from(self.burst))
    }
}

/// Length of the window the budget is counted in.
const WINDOW_SECONDS: u64 = 60;

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
