//! Integration tests: the real controllers against a real API server and an unforgiving simulator of the provider.
//!
//! One binary, because all tests share one control plane. Each test has a namespace, a provider and an operator of its
//! own, so that they run side by side. Every test ends with [`support::World::finish`], which applies the rules that hold
//! for every version of every object, and looks for secrets wherever they must not be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panicking")]

mod admission;
mod adoption;
mod bad_input;
mod binary;
mod catalogue;
mod chart;
mod counts;
mod crash;
mod deletion;
mod deletion_ways_out;
mod drift;
mod edits;
mod fault_bench;
mod faults;
mod frozen;
mod gate;
mod gitops;
mod health_checks;
mod image;
mod lease;
mod lifecycle;
mod manifests;
mod monitor;
mod outage;
mod providers;
mod receivers;
mod rotation;
mod secrets;
mod self_test;
mod support;
mod tenants;
mod tutorials;
mod worlds;
