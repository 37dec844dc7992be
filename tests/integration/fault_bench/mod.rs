//! The bench of faults: every crash and every fault, at every call, on both sides; see `docs/reliability.md`.
#![allow(clippy::print_stderr, reason = "a long run tells how far it is, and which plan failed")]

mod bench;
mod history;
mod injector;
mod oracles;
mod ordeals;
mod plan;
mod report;
mod rig;
mod scenario;
mod signatures;
mod tally;
mod troubles;
