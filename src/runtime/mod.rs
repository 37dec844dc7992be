//! What any operator needs around its controllers: leader lease, metrics, health, logs, an orderly end.
//!
//! Nothing here knows a custom resource; of the providers it knows only how a call can fail, to count it.

pub mod health;
pub mod http;
pub mod kube_client;
pub mod lease;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;

pub use health::Health;
pub use lease::{Lease, LeaseTiming};
pub use metrics::Metrics;
