//! What every test stands on.

mod calls;
mod canary;
mod logs;
mod operator;
mod record;
mod rules;
mod shapes;
mod world;

pub use calls::{describe, writes_of};
pub use operator::Operator;
pub use record::{Object, Recorder};
pub use shapes::{account, account_wide, all_practices, endpoint, secret, subscription};
pub use world::{PATIENCE, World, WorldBuilder, brief_timing};
