//! What was measured, kept in one file so that a part can be measured again alone.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::stage::told;

/// Everything measured so far.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// The machine, without names.
    pub machine: String,
    pub converge: Vec<Converge>,
    pub memory: Vec<Memory>,
    pub restart: Vec<Restart>,
    pub budget: Option<Budget>,
    pub latency: Option<Latency>,
    pub outage: Option<Outage>,
    pub monitors: Option<Monitors>,
}

/// Many monitors of one account.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Monitors {
    pub objects: usize,
    /// Seconds from the operator's start to a first verdict on every one.
    pub seconds: f64,
    /// Writes until then.
    pub writes: usize,
    /// At rest; `rounds` counts the reads of sync status.
    pub rest: Rest,
    pub rss: f64,
    pub peak: f64,
}

/// One converge, and the rest after it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Converge {
    pub rows: usize,
    pub endpoints: usize,
    pub objects: usize,
    /// Calls to the provider until everything was ready.
    pub calls: usize,
    /// Writes to endpoint objects and their Secrets.
    pub endpoint_writes: usize,
    /// Writes to subscription objects.
    pub subscription_writes: usize,
    /// Writes to the account and its Secret.
    pub account_writes: usize,
    /// Events.
    pub events: usize,
    /// Seconds until everything was ready.
    pub seconds: f64,
    /// Seconds of the bare loop, and of the bare client.
    pub floor: Option<(f64, f64)>,
    /// CPU-seconds of the operator.
    pub cpu: f64,
    /// Most resident memory, MiB.
    pub peak: f64,
    /// Resident memory 60 s after rest, MiB.
    pub rss: f64,
    /// At rest: seconds, rounds, calls, writes.
    pub rest: Rest,
}

/// An idle operator.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Rest {
    pub seconds: f64,
    pub rounds: usize,
    pub calls: usize,
    pub writes: usize,
    pub cpu: f64,
}

/// Memory with and without Secrets that concern nobody here.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    pub objects: usize,
    pub foreign_secrets: usize,
    pub rss: f64,
    pub peak: f64,
}

/// A start with everything in place.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Restart {
    pub rows: usize,
    pub objects: usize,
    pub endpoints: usize,
    pub seconds: f64,
    /// Seconds of a bare client that reads the same.
    pub floor: f64,
    pub calls: usize,
    pub writes: usize,
    pub peak: f64,
}

/// A provider that allows just so much.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Budget {
    pub rows: usize,
    pub per_minute: u32,
    pub burst: u32,
    /// Most calls in any 60 s.
    pub busiest: usize,
    /// Share of the budget that was used while work waited.
    pub used: f64,
    pub refused: usize,
    pub seconds: f64,
}

/// From the user's request to `Ready`, milliseconds.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    pub samples: usize,
    pub median: f64,
    pub worst: f64,
    pub floor_median: f64,
    pub floor_worst: f64,
}

/// A provider that does not answer.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Outage {
    pub objects: usize,
    pub minutes: f64,
    pub calls: usize,
    /// Most calls at the same time after the first ten seconds.
    pub at_once: usize,
    /// Writes to subscription objects before and after the grace of ten minutes.
    pub writes_before: usize,
    pub writes_after: usize,
    /// Seconds from the provider's return to everything ready.
    pub recovery: f64,
}

/// Where figures, page and plots are.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/performance")
}

impl Figures {
    /// What was measured before.
    pub fn load() -> Self {
        let text = std::fs::read_to_string(folder().join("figures.json")).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// Keeps it.
    pub fn store(&self) -> Result<(), Failure> {
        std::fs::create_dir_all(folder()).map_err(told("docs/performance"))?;
        let text = serde_json::to_string_pretty(self).map_err(told("the figures"))?;
        std::fs::write(folder().join("figures.json"), text + "\n").map_err(told("figures.json"))
    }

    /// Replaces the same case of an earlier run.
    pub fn put<T: Clone>(list: &mut Vec<T>, new: T, same: impl Fn(&T, &T) -> bool) {
        list.retain(|old| !same(old, &new));
        list.push(new);
    }
}
