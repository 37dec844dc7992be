//! What a simulator starts with.

use super::{model::ApiKey, switches::Switches};
use std::time::Duration;

/// Timing of deliveries.
#[derive(Clone, Debug)]
pub struct SimTiming {
    /// When each retry is due, counted from the first failure. Not documented; default: a delivery is tried once.
    pub retry_offsets: Vec<Duration>,
    /// How long one attempt waits for the answer. Not documented; default 10 s.
    pub request_timeout: Duration,
}

impl Default for SimTiming {
    fn default() -> Self {
        Self { retry_offsets: Vec::new(), request_timeout: Duration::from_secs(10) }
    }
}

/// What a simulator starts with.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Port on the loopback interface; 0 lets the system choose.
    pub port: u16,
    /// The keys that were handed out.
    pub keys: Vec<ApiKey>,
    /// The open points.
    pub switches: Switches,
    /// Retries.
    pub timing: SimTiming,
}

impl SimConfig {
    /// API key of the default practice group.
    pub const API_KEY: &str = "sim-key-northern-surgeries-000001";
    /// The default practice group.
    pub const GROUP: &str = "pg-northern-surgeries";
    /// A practice group that the default key does not reach.
    pub const OTHER_GROUP: &str = "pg-southern-surgeries";
    /// API key of the other practice group.
    pub const OTHER_API_KEY: &str = "sim-key-southern-surgeries-000001";
}

impl Default for SimConfig {
    /// Two practice groups with a key each.
    fn default() -> Self {
        Self {
            port: 0,
            keys: vec![
                ApiKey::new("north", Self::API_KEY, Self::GROUP),
                ApiKey::new("south", Self::OTHER_API_KEY, Self::OTHER_GROUP),
            ],
            switches: Switches::default(),
            timing: SimTiming::default(),
        }
    }
}
