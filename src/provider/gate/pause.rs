//! The pause after a 429: what the provider asked for, or a backoff of our own.

use std::time::Duration;

use tokio::time::Instant;

/// The longest pause a provider can impose: an absurd `Retry-After` must not stop a realm for a year.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(600);
/// First pause after a 429 that does not say how long to wait.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Such pauses double up to this.
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);

/// See the module.
#[derive(Default)]
pub(super) struct Pause {
    until: Option<Instant>,
    /// 429s without `Retry-After` since the last success.
    strikes: u32,
}

impl Pause {
    /// How much longer it lasts; zero when there is none.
    pub(super) fn left(&self, now: Instant) -> Duration {
        self.until.map(|until| until.saturating_duration_since(now)).unwrap_or_default()
    }

    /// After a 429. Calls in flight together get their 429s together; only the first of such a round lengthens the
    /// backoff.
    pub(super) fn extend(&mut self, retry_after: Option<Duration>, now: Instant) {
        let running = self.until.filter(|until| *until > now);
        let length = match retry_after {
            Some(asked) => {
                let asked = asked.min(LONGEST_PAUSE);
                asked + (asked / 10).min(Duration::from_secs(1)).mul_f64(rand::random_range(0.0..1.0))
            }
            None if running.is_some() => return,
            None => {
                let doubled = FIRST_BACKOFF.saturating_mul(1 << self.strikes.min(10)).min(LONGEST_BACKOFF);
                self.strikes = self.strikes.saturating_add(1);
                doubled.mul_f64(rand::random_range(1.0..1.5))
            }
        };
        self.until = Some(running.map_or(now + length, |until| until.max(now + length)));
    }

    /// After an answer that was not a 429: the next backoff starts small again. Ignored during a pause, because such an
    /// answer belongs to a call that was sent before it.
    pub(super) fn answered(&mut self, now: Instant) {
        if self.left(now).is_zero() {
            self.strikes = 0;
        }
    }
}
