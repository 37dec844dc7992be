//! External webhooks.

pub mod api;
pub mod cli;
pub mod controller;
pub mod plan;
pub mod provider;
pub mod runtime;
pub mod signing;
