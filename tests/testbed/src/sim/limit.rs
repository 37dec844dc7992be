//! The token bucket of one API key.

use std::time::Instant;

/// The size of a token bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateLimit {
    /// Sustained calls per minute.
    pub per_minute: u32,
    /// Calls that may come at once.
    pub burst: u32,
}

/// What is left of a key's allowance.
#[derive(Clone, Debug)]
pub struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    /// One from which nothing was taken.
    pub fn full(limit: RateLimit, now: Instant) -> Self {
        Self { left: f64::from(limit.burst), at: now }
    }

    /// Takes one call out of the bucket, if there is one.
    pub fn take(&mut self, limit: RateLimit, now: Instant) -> bool {
        let gained = now.saturating_duration_since(self.at).as_secs_f64() * f64::from(limit.per_minute) / 60.0;
        self.left = (self.left + gained).min(f64::from(limit.burst));
        self.at = now;
        let allowed = self.left >= 1.0;
        if allowed {
            self.left -= 1.0;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn burst_then_the_sustained_rate() {
        let limit = RateLimit { per_minute: 60, burst: 2 };
        let start = Instant::now();
        let mut bucket = Bucket::full(limit, start);
        assert!(bucket.take(limit, start));
        assert!(bucket.take(limit, start));
        assert!(!bucket.take(limit, start));
        assert!(!bucket.take(limit, start + Duration::from_millis(900)));
        assert!(bucket.take(limit, start + Duration::from_millis(1_001)));
        assert!(!bucket.take(limit, start + Duration::from_millis(1_001)));
    }
}
