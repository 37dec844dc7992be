//! The NexHealth simulator over real sockets: one test per rule, switch and fault.

mod authentication;
mod deliveries;
mod discovery;
mod endpoints;
mod envelope;
mod faults;
mod history;
mod steady;
mod subscriptions;
mod support;
