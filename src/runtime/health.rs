//! What the probes are answered from: told by the controllers, asked by the HTTP server.
//!
//! Ages grow by themselves here. A controller that hangs cannot report that it hangs, so it reports what is waiting and
//! what is done, and the clock does the rest.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::metrics::ObjectKey;

/// A leader with an object that waited longer than this for a pass is stuck; a restart is the remedy.
pub const STUCK: Duration = Duration::from_secs(600);

/// How long word of a held-up call is believed. Longer than the pause between two such words.
const HELD_UP: Duration = Duration::from_secs(60);

/// The part this process plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Not known yet.
    #[default]
    Starting,
    /// Another process leads; this one could take over.
    Standby,
    /// This process leads.
    Leader,
    /// This process is going.
    Stopping,
}

/// Health of the process. Clones are cheap and speak of the same process.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    role: Role,
    synced_at: Option<Instant>,
    ended: Option<&'static str>,
    waiting: HashMap<ObjectKey, Instant>,
    held_up: Option<Instant>,
}

impl Health {
    /// A process that is starting.
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the part this process plays.
    pub fn set_role(&self, role: Role) {
        self.state().role = role;
    }

    /// Whether every cache of a leader is filled.
    pub fn set_synced(&self, synced: bool) {
        let mut state = self.state();
        state.synced_at = synced.then(|| state.synced_at.unwrap_or_else(Instant::now));
    }

    /// A controller came to an end that nobody asked for. There is no way back from it but a restart.
    pub fn controller_ended(&self, name: &'static str) {
        self.state().ended = Some(name);
    }

    /// An object needs a pass. Told again, it goes on waiting since the first time.
    pub fn waiting(&self, object: &ObjectKey) {
        self.state().waiting.entry(object.clone()).or_insert_with(Instant::now);
    }

    /// An object had its pass, whatever came of it, or is gone.
    pub fn served(&self, object: &ObjectKey) {
        let mut state = self.state();
        state.waiting.remove(object);
        if state.waiting.is_empty() {
            // It has room for every object there is, since the start.
            state.waiting.shrink_to_fit();
        }
    }

    /// Calls wait for a provider (its rate, its pause, its slow answers), and passes for those calls: a large converge at a
    /// low rate lasts for hours. To be told again while it lasts.
    pub fn held_up(&self) {
        self.state().held_up = Some(Instant::now());
    }

    /// For how long the object that waits longest has been waiting.
    pub fn oldest_unreconciled(&self) -> Duration {
        oldest(&self.state(), Instant::now())
    }

    /// Whether the process should live on.
    ///
    /// # Errors
    /// Why it should be restarted.
    pub fn alive(&self) -> Result<(), String> {
        alive(&self.state(), Instant::now())
    }

    /// Whether the process can do its part.
    ///
    /// # Errors
    /// What it is still waiting for.
    pub fn ready(&self) -> Result<(), String> {
        let state = self.state();
        match state.role {
            Role::Standby => Ok(()),
            Role::Leader if state.synced_at.is_some() => Ok(()),
            Role::Leader => Err("the caches are not filled yet".to_owned()),
            Role::Starting => Err("the leader lease could not be read yet".to_owned()),
            Role::Stopping => Err("the process is stopping".to_owned()),
        }
    }
}

fn oldest(state: &State, now: Instant) -> Duration {
    state.waiting.values().min().map_or(Duration::ZERO, |since| now.saturating_duration_since(*since))
}

fn alive(state: &State, now: Instant) -> Result<(), String> {
    if let (Some(name), false) = (state.ended, state.role == Role::Stopping) {
        return Err(format!("the controller {name} has ended"));
    }
    // Passes begin when every cache is filled. Until then nothing can be stuck: an API server that does not answer is not
    // mended by a restart of this process.
    let age =
        state.synced_at.map_or(Duration::ZERO, |synced| oldest(state, now).min(now.saturating_duration_since(synced)));
    let excused = state.held_up.is_some_and(|told| now.saturating_duration_since(told) < HELD_UP);
    if state.role == Role::Leader && age > STUCK && !excused {
        return Err(format!("an object has been waiting for a pass for {} s", age.as_secs()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::metrics::Kind;

    #[test]
    fn a_leader_whose_objects_wait_too_long_is_not_alive_and_a_standby_is() {
        let (health, object) = (Health::new(), ObjectKey::new(Kind::WebhookEndpoint, "a", "b"));
        health.set_role(Role::Leader);
        health.set_synced(true);
        health.waiting(&object);
        let late = Instant::now() + STUCK + Duration::from_secs(1);
        assert!(alive(&health.state(), Instant::now()).is_ok());
        health.waiting(&object);
        assert!(alive(&health.state(), late).is_err());
        health.set_role(Role::Standby);
        assert!(alive(&health.state(), late).is_ok());
        health.set_role(Role::Leader);
        health.served(&object);
        assert!(alive(&health.state(), late).is_ok());
        assert_eq!(health.oldest_unreconciled(), Duration::ZERO);
    }

    #[test]
    fn an_outage_around_the_process_is_no_reason_to_restart_it() {
        let (health, object) = (Health::new(), ObjectKey::new(Kind::WebhookEndpoint, "a", "b"));
        health.set_role(Role::Leader);
        health.waiting(&object);
        let late = Instant::now() + STUCK + Duration::from_secs(1);
        assert!(alive(&health.state(), late).is_ok(), "the API server has not delivered the objects yet");
        health.set_synced(true);
        assert!(alive(&health.state(), late).is_err(), "it has");
        health.state().held_up = Some(late);
        assert!(alive(&health.state(), late).is_ok(), "a provider holds the passes up");
        assert!(alive(&health.state(), late + HELD_UP).is_err(), "not any more");
    }

    #[test]
    fn an_ended_controller_ends_the_process_unless_it_is_stopping_anyway() {
        let health = Health::new();
        health.controller_ended("endpoints");
        assert!(health.alive().unwrap_err().contains("endpoints"));
        health.set_role(Role::Stopping);
        assert!(health.alive().is_ok());
    }

    #[test]
    fn ready_is_a_standby_or_a_leader_with_caches() {
        let health = Health::new();
        assert!(health.ready().is_err());
        health.set_role(Role::Standby);
        assert!(health.ready().is_ok());
        health.set_role(Role::Leader);
        assert!(health.ready().is_err());
        health.set_synced(true);
        assert!(health.ready().is_ok());
        health.set_role(Role::Stopping);
        assert!(health.ready().is_err());
    }
}
