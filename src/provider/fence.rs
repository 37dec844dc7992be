//! The fence before provider writes (rules.md *Leader*): a process that may not lead any more must not write.

use std::time::Duration;

/// Knows how long this process may still write.
///
/// A write starts only with more time left than its own deadline. Then its last byte is read, or it has been given up,
/// before another process can lead. What a paused process can still send is repaired by *Create*.
pub trait Fence: Send + Sync + 'static {
    /// Time left; [`Duration::MAX`] where no other process can take over.
    fn time_left(&self) -> Duration;
}
