//! TODO

// STUB for the command line, to be replaced by the real controllers when they are merged.
use kube::Client;
use tokio_util::sync::CancellationToken;

use crate::runtime::{Health, Lease, Metrics};

/// Intervals of the controllers.
#[derive(Clone, Debug, Default)]
pub struct Timing {}

/// What the controllers need from the process.
#[derive(Clone)]
pub struct Config {
    /// The cluster.
    pub client: Client,
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// Origins that accounts may use besides the providers' own.
    pub allowed_base_urls: Vec<String>,
    /// Intervals.
    pub timing: Timing,
    /// Where to count.
    pub metrics: Metrics,
    /// Where to report.
    pub health: Health,
    /// How long writes may still start (rules.md *Leader*).
    pub lease: Lease,
    /// When to stop.
    pub shutdown: CancellationToken,
}

/// Runs every controller until `shutdown`; ends early only with an error. Dropping the future ends them too.
pub async fn run(config: Config) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    config.health.set_synced(true);
    config.shutdown.cancelled().await;
    Ok(())
}
// END OF STUB
