//! Development crate: a real control plane, a proxy that breaks the way to it, and simulators of the providers, for
//! tests, demo and benchmarks.

pub mod control_plane;
pub mod foreign;
pub mod herohealth;
pub mod image;
pub mod insighthealth;
pub mod kube_proxy;
pub mod nexhealth;
pub mod reference;
pub mod sim;
pub mod volume;
