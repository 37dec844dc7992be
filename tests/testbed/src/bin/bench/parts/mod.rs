//! What is measured: one file per part.

pub mod budget;
pub mod converge;
pub mod latency;
pub mod monitors;
pub mod outage;
