//! What a simulator starts with.

use super::switches::Switches;
use std::time::Duration;

/// An API key and the signing key that came with it, bound to one organisation and one EHR.
#[derive(Clone, Debug)]
pub struct ApiKey {
    /// How the ledger calls it; the key itself is never recorded.
    pub label: String,
    /// What the client sends.
    pub value: String,
    /// What the client signs with.
    pub signing_key: String,
    /// The organisation whose data it may bring; never in a request.
    pub organisation: String,
    /// The EHR of the route it may use.
    pub ehr: String,
}

/// Where an organisation wants its notes, and with which keys: arranged at onboarding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination {
    /// The URL that was given.
    pub url: String,
    /// The receiver's own API key, sent along.
    pub api_key: String,
    /// The receiver's own signing key.
    pub signing_key: String,
}

/// Timing of what is pushed.
#[derive(Clone, Debug)]
pub struct SimTiming {
    /// When each retry is due, counted from the first failure. They "may" be made; default: none.
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
    /// The default organisation.
    pub const ORGANISATION: &str = "lakeview-clinics";
    /// Its EHR.
    pub const EHR: &str = "athena";
    /// Its API key.
    pub const API_KEY: &str = "sim-key-lakeview-clinics-000001";
    /// Its signing key.
    pub const SIGNING_KEY: &str = "sim-signing-lakeview-clinics-000001";
}

impl Default for SimConfig {
    /// One organisation with one key.
    fn default() -> Self {
        let key = ApiKey {
            label: "main".to_owned(),
            value: Self::API_KEY.to_owned(),
            signing_key: Self::SIGNING_KEY.to_owned(),
            organisation: Self::ORGANISATION.to_owned(),
            ehr: Self::EHR.to_owned(),
        };
        Self { port: 0, keys: vec![key], switches: Switches::default(), timing: SimTiming::default() }
    }
}
