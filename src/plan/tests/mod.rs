//! Tests of the plans, rule by rule, on a small fake of the remote side; and properties that hold for any input.

mod account;
mod adoption;
mod condition;
mod drift;
mod endpoint;
mod endpoint_create;
mod endpoint_deletion;
mod endpoint_words;
mod fixtures;
mod frozen;
mod pairs;
mod pairs_tables;
mod properties;
mod realm;
mod rotation;
mod rotation_vanish;
mod rules;
mod subscription;
mod subscription_applied;
mod subscription_deletion;
mod subscription_items;
mod subscription_losses;
mod subscription_moves;
mod switched_off;
mod undeclared;
mod walk;
