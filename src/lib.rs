//! Keeps webhook endpoints and subscriptions at healthcare integration providers as Kubernetes objects declare them.
//!
//! The idea: **observe, plan, execute, report**, and the plan is pure.
//!
//! ```text
//!  Kubernetes watch ─┐
//!  change seen at    ├─> controller: observe ──> plan: decide ──> controller: execute ──> report
//!  the provider   ───┤   object, references,     step, status,    through realm           status if it
//!  timer ────────────┘   Secret, mirror          Events           and gate                differs, Event
//!                              ^                                      │
//!                              └──────────── plan again ──────────────┘  until a plan says rest
//! ```
//!
//! | module | subject | may use |
//! |---|---|---|
//! | [`api`] | the custom resources: types, admission rules, conditions and reasons | nothing |
//! | [`plan`] | what must be done: no clock, no client, no randomness | `api`, `provider::model` |
//! | [`provider`] | remote APIs: one trait, the mirror of the remote side, the gate that every call passes | no Kubernetes |
//! | [`controller`] | watches, one loop for every kind, status, Secrets, Events | all of the above |
//! | [`signing`] | secret text that no log can show, and how each provider signs | nothing |
//! | [`runtime`] | leader lease, health, metrics, logs, shutdown | `provider` for its counters |
//! | [`cli`] | arguments and subcommands | all |
//!
//! # Where to begin
//!
//! [`plan::endpoint::plan`] and [`plan::subscription::plan`] are the heart: one function each, from what was observed to
//! one step. [`provider::mirror`] says what is known of the remote side, and what a list proves. [`controller`] has a table
//! of its files.
//!
//! # Invariants
//!
//! * **No twin stays.** The intent to create is stored before the POST; an answer that was lost is looked for.
//! * **No gap.** What is replaced is made before the old one goes; a declared event is never without a subscription
//!   because of us.
//! * **No orphan.** A finalizer leaves only when a list confirms that the remote thing is gone, or its user gave it up.
//! * **No leak.** Keys are [`signing::SecretText`]; response bodies are never kept; errors carry no remote text.
//! * **No noise.** A status is written only where it differs, and messages hold nothing that changes by itself.
//! * **No brick.** From any state everything converges without a person once the cause is gone; only named conflicts wait.
//! * **No trespass.** What we did not make is not changed: neither endpoints at the provider nor Secrets.
//!
//! # Deliberately absent
//!
//! An admission webhook, because the CRDs' own rules cannot be down. A database: objects and provider are all there is.
//! Retries inside the HTTP client: a retry is a new plan. A call per object: looking costs lists, whatever the number of
//! subscriptions. Options for durations: they are decisions, injected only by tests
//! ([`controller::Timing`]).

pub mod api;
// `make mutants` builds the crate a thousand times for the tests of plans and mirror, and leaves out what they do not use.
#[cfg(not(only_plans))]
pub mod cli;
#[cfg(not(only_plans))]
pub mod controller;
pub mod plan;
pub mod provider;
#[cfg(not(only_plans))]
pub mod runtime;
pub mod signing;
