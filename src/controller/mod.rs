//! The Kubernetes side: watches, observing, executing plans, reporting. The only place with effects on the cluster.
//!
//! | file | subject |
//! |---|---|
//! | `driver` | one loop for every kind: watch, wake, plan, execute, back off |
//! | `account`, `endpoint`, `subscription` | observe one kind and carry out its plan |
//! | `account_kind` | the two kinds of accounts behind one face |
//! | `accounts` | which accounts can be used, and the realm behind each |
//! | `cache` | objects as last seen or last written, whichever is newer |
//! | `found_by`, `index` | from a property to the objects that have it |
//! | `queue` | which objects are to be planned, and when |
//! | `memory` | what this process remembers per object, keyed by UID |
//! | `secrets` | Secrets: metadata watch, reading what is referenced, publishing keys |
//! | `wakes` | from a change to exactly the objects concerned |
//! | `write` | finalizers and status, each with the resourceVersion it was planned on |
//! | `credentials` | the Secrets that an account names |
//! | `definition` | whether our CRDs are being removed |
//! | `request` | the annotation that asks for a fresh look |
//! | `rotation_facts` | what an endpoint's status tells the metrics of its rotation |
//! | `events` | Kubernetes Events |
//! | `claims` | which object holds which remote endpoint, which want the same URL |
//! | `kinds` | what the driver must know of each kind, and whom its events concern |
//! | `losses` | what subscriptions have lost, for the delivery gaps of their endpoint |
//! | `monitor` | judge one monitor |
//! | `polls` | reads sync status, once for all monitors of a realm |
//! | `office_hours` | ConfigMaps with office hours: read once, watched |
//! | `outages` | practices of an account that go bad together |
//! | `policy` | what an account's spec allows its objects |
//! | `tenancy` | what accounts of the cluster lend, and the labels of namespaces that decide it |
//! | `observer` | looks at the remote side of a realm again and again |

mod account;
mod account_kind;
mod accounts;
mod adapters;
mod cache;
#[cfg(test)]
mod cache_tests;
mod claims;
mod context;
mod credentials;
mod definition;
mod driver;
mod endpoint;
mod error;
mod events;
mod found_by;
mod homes;
mod index;
mod kinds;
mod losses;
mod memory;
mod monitor;
mod observer;
mod office_hours;
mod outages;
mod policy;
mod polls;
mod queue;
mod request;
mod rotation_facts;
mod row_calls;
mod secrets;
mod subscription;
mod tenancy;
mod timing;
mod wakes;
mod write;

pub use context::{Config, Error};
pub use driver::run;
pub use timing::Timing;
