//! The Insight Health simulator: the one inbound route, with its signature and its rules for batches, and the notes that it
//! pushes. Nothing can be registered: URLs and keys are exchanged between people, here by [`Simulator::edit`]'s methods.
//!
//! Facts come from the public pages of its documentation; what they leave out is a field of [`Switches`].

mod batch;
mod config;
mod provider;
mod push;
mod routes;
pub mod sign;
mod simulator;
mod switches;
mod world;

pub use crate::sim::{
    Actor, Call, Fault, Faults, Hook, HookAction, MadeUp, Mark, Matcher, RateLimit, RuleId, Sent, When,
};
pub use config::{ApiKey, Destination, SimConfig, SimTiming};
pub use push::{Note, Pushed};
pub use simulator::{Arrangements, Simulator};
pub use switches::{EmptyBatch, Switches};
pub use world::Appointment;
