//! Development crate: a real control plane and simulators of the providers, for tests, demo and benchmarks.

pub mod control_plane;
pub mod nexhealth;
