//! The NexHealth simulator.
