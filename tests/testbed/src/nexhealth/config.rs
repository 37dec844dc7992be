//! What a simulator starts with: organisations, keys, institutions, switches and timing.

use super::{
    model::{ApiKey, Institution, Mode},
    switches::Switches,
};
use std::time::Duration;

/// Timing of deliveries. The defaults are the documented values; tests inject milliseconds.
#[derive(Clone, Debug)]
pub struct SimTiming {
    /// When each retry is due, counted from the first failure of the message (the documented column is the
    /// total time, not the gap).
    pub retry_offsets: Vec<Duration>,
    /// For how long an endpoint may fail without one success in between before it is switched off. Looked at after
    /// each failed attempt, so it takes effect only if an attempt falls at or after it.
    pub deactivate_after: Duration,
    /// How long one attempt waits for the answer. Not documented; default 10 s.
    pub request_timeout: Duration,
}

impl Default for SimTiming {
    fn default() -> Self {
        let seconds = [30, 90, 210, 600, 1_800, 7_200, 18_000, 36_000, 86_400, 172_800];
        Self {
            retry_offsets: seconds.into_iter().map(Duration::from_secs).collect(),
            deactivate_after: Duration::from_secs(172_800),
            request_timeout: Duration::from_secs(10),
        }
    }
}

/// One developer organisation: the owner of endpoints, reached by its keys.
#[derive(Clone, Debug)]
pub struct Organisation {
    /// Our name for it, used in tests and journal; not on the wire.
    pub name: String,
    /// Its API keys.
    pub keys: Vec<ApiKey>,
    /// The institutions its keys reach, unless a key is narrower.
    pub institutions: Vec<Institution>,
}

/// What a simulator starts with.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Port on the loopback interface; 0 lets the system choose.
    pub port: u16,
    /// Everybody the provider knows.
    pub organisations: Vec<Organisation>,
    /// The open points.
    pub switches: Switches,
    /// Retry and deactivation times.
    pub timing: SimTiming,
}

impl SimConfig {
    /// Name of the default organisation.
    pub const ORGANISATION: &str = "bright-smiles";
    /// API key of the default organisation.
    pub const API_KEY: &str = "sim-key-bright-smiles-000001";
    /// Subdomains of the default organisation.
    pub const SUBDOMAINS: [&str; 3] = ["sunshine-dental", "lakeside-dental", "hilltop-dental"];
}

impl Default for SimConfig {
    /// One organisation with one production key and three practices.
    fn default() -> Self {
        let names = ["Sunshine Dental", "Lakeside Dental", "Hilltop Dental"];
        let institutions = (101..)
            .zip(Self::SUBDOMAINS)
            .zip(names)
            .map(|((id, subdomain), name)| Institution::new(id, subdomain, name));
        Self {
            port: 0,
            organisations: vec![Organisation {
                name: Self::ORGANISATION.to_owned(),
                keys: vec![ApiKey::new("main", Self::API_KEY, Mode::Production)],
                institutions: institutions.collect(),
            }],
            switches: Switches::default(),
            timing: SimTiming::default(),
        }
    }
}
