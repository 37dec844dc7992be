//! What connections, deliveries and tests of one simulator share.

use super::{FaultTable, Hook, Provider};
use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The shared part.
pub struct Core<P: Provider> {
    world: Mutex<P>,
    pub(super) changed: watch::Sender<u64>,
    /// What only this provider has.
    pub own: P::Own,
    /// The fault rules.
    pub faults: Mutex<FaultTable>,
    /// Asked before a request is carried out.
    pub on_request: Mutex<Option<Hook>>,
    /// Asked when it was carried out.
    pub on_effect: Mutex<Option<Hook>>,
    /// Where hosts are that deliveries go to.
    pub hosts: Mutex<HashMap<String, SocketAddr>>,
    /// All that runs.
    pub tasks: TaskTracker,
    /// Ends all that runs.
    pub stop: CancellationToken,
    /// Where it runs.
    pub runtime: tokio::runtime::Handle,
}

/// The content of a lock, whoever panicked with it.
pub fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Provider> Core<P> {
    /// For the current tokio runtime.
    pub(super) fn new(world: P, own: P::Own) -> Self {
        Self {
            world: Mutex::new(world),
            changed: watch::Sender::new(0),
            own,
            faults: Mutex::default(),
            on_request: Mutex::default(),
            on_effect: Mutex::default(),
            hosts: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            runtime: tokio::runtime::Handle::current(),
        }
    }

    /// Reads the world.
    pub fn look<T>(&self, read: impl FnOnce(&P) -> T) -> T {
        read(&held(&self.world))
    }

    /// Changes the world and wakes whoever waits for a change.
    pub fn change<T>(&self, edit: impl FnOnce(&mut P) -> T) -> T {
        let done = edit(&mut held(&self.world));
        self.wake();
        done
    }

    /// Wakes whoever waits for a change.
    pub fn wake(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}
