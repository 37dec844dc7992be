//! The NexHealth simulator: strict where the documents are clear, switchable where they are not.
//!
//! [`Simulator`] serves the API on a loopback port, records every call in a ledger and every change of state in a
//! journal, suffers the faults it is told to, lets a test act as a person in the portal, and sends signed deliveries
//! with retries. [`Receiver`] is the other end of the deliveries.
//!
//! Facts come from the provider's OpenAPI description of v3.0.0, its guides and published runs against its sandbox;
//! where they contradict each other the field in [`Switches`] says so.

mod auth;
pub mod catalogue;
mod config;
mod delivery;
mod envelope;
mod journal;
mod model;
mod portal;
mod provider;
mod receiver;
mod routes;
pub mod sign;
mod simulator;
mod steady;
mod switches;
mod version;
mod world;

pub use crate::sim::{Actor, Call, Fault, Faults, Hook, HookAction, MadeUp, Mark, Matcher, RateLimit, RuleId, When};
pub use config::{Organisation, SimConfig, SimTiming};
pub use delivery::{Delivery, DeliveryOutcome};
pub use envelope::{DescriptionForm, EnvelopeStyle, ErrorForm};
pub use journal::{Change, Entry, LiveQuery, Stretch};
pub use model::{ApiKey, Endpoint, Institution, Location, Mode, Row, SyncSource, SyncTime, wire_time};
pub use portal::Portal;
pub use receiver::{Received, Receiver};
pub use simulator::Simulator;
pub use steady::{Account, Happened, Steady, verifying};
pub use switches::{
    Deactivation, DeleteWithRows, DeliveryErrors, Duplicates, EventTime, ExpClaim, IgnoredNote, LostInstitution,
    PairCheck, SecretOnList, Switches, V2,
};
pub use world::{EndpointPatch, RowPatch};
