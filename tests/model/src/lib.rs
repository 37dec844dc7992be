//! A model checker around the operator's own plans.
//!
//! `plan::endpoint::plan` is pure, so it can be run against a small world in every order of events: a provider whose
//! answers get lost or come late, an API server that refuses old versions, processes that end at any step or go on for a
//! moment although another leads, people who interfere, a receiver that loads the Secret late. `checker` searches all of it
//! up to stated bounds and says which state breaks an invariant, with the shortest way to it.
//!
//! | file | subject |
//! |---|---|
//! | `world`, `process`, `time` | a state, and the one form in which it is stored |
//! | `adapter`, `wire` | the real plan: a state becomes its input, its answer becomes a step |
//! | `operator`, `mirror`, `rows` | a process: what it knows and does |
//! | `provider`, `actions`, `scenario` | what can happen, and how much of it is tried |
//! | `properties`, `fair` | what must hold, and that everything comes to rest |
//! | `checker`, `mutant` | the search, and guards removed one at a time |

mod actions;
mod adapter;
mod checker;
mod fair;
mod mirror;
mod mutant;
mod operator;
mod process;
mod properties;
mod provider;
mod rows;
mod scenario;
mod time;
mod wire;
mod world;

pub use checker::{Counterexample, Outcome, search};
pub use mutant::Mutant;
pub use properties::ALL as PROPERTIES;
pub use scenario::{Scenario, all};
