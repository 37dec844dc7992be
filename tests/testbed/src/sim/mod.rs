//! What every simulated provider shares: a server that can be cut off at any point of a request, faults and hooks, the ledger of
//! calls, and the handle that tests hold.
//!
//! A provider is its state and a function from a request to an answer ([`Provider`]); [`Stand`] makes a simulator of it.

mod answer;

mod faults;
mod ledger;
mod limit;
mod post;
mod provider;
mod request;
pub mod respond;
pub mod server;
mod service;
mod shared;
mod stand;

pub use answer::{Answer, JSON_TYPE};
pub use faults::{Fault, FaultTable, Hook, HookAction, MadeUp, Matcher, RuleId, When};
pub use ledger::{Call, Mark, Records};
pub use limit::{Bucket, RateLimit};
pub use post::{Letter, Sent, post};
pub use provider::Provider;
pub use request::Request;
pub use shared::{Core, held};
pub use stand::{Faults, Stand};

/// Who changed something at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// An API call, by its number in the ledger.
    Call(u64),
    /// A person in the provider's portal.
    Person,
    /// The provider itself, after failed deliveries.
    Provider,
}
