//! What every test stands on.

mod builder;
mod calls;
mod canary;
mod logs;
mod operator;
mod record;
mod rules;
mod shapes;
mod world;

pub use builder::{OPERATORS, cluster};
pub use calls::{describe, tally};
pub use record::Object;
pub use shapes::*;
pub use world::{PATIENCE, World};
