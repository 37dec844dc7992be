//! The Hero Health simulator: strict where its pages are clear, switchable where they are silent.
//!
//! One object, the webhook: one event of one practice group to one URL, signed with a key that the client chose. It is made,
//! listed and deleted, never changed. Facts come from the pages of its developer site; what they leave out is a field of
//! [`Switches`].

pub mod catalogue;
mod config;
mod delivery;
mod journal;
mod model;
mod provider;
mod routes;
pub mod sign;
mod simulator;
mod switches;
mod world;

pub use crate::sim::{
    Actor, Call, Fault, Faults, Hook, HookAction, MadeUp, Mark, Matcher, RateLimit, RuleId, Sent, When,
};
pub use config::{SimConfig, SimTiming};
pub use delivery::Delivery;
pub use journal::{Change, Entry, LiveQuery, Stretch};
pub use model::{ApiKey, Webhook};
pub use simulator::{Portal, Simulator};
pub use switches::{Duplicates, ErrorForm, EventList, KeyOnList, ListForm, SignatureForm, Switches, TimestampForm};
