//! What every test stands on.

mod builder;
mod calls;
mod canary;
mod deliveries;
mod kubectl;
mod logs;
mod operator;
mod process;
mod queries;
mod record;
mod rules;
mod shapes;
mod world;

pub use builder::{OPERATORS, bare_cluster, cluster};
pub use calls::{describe, tally};
pub use deliveries::{Deliveries, Mood, repeats, torn};
pub use kubectl::kubectl;
pub use operator::panics;
pub use process::{Running, get};
pub use queries::{unknown_labels, unknown_metrics};
pub use record::{CLUSTER_ACCOUNT, Object, Recorder};
pub use rules::breaches;
pub use shapes::*;
pub use world::{PATIENCE, World};
