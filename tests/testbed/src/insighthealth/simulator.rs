//! The running simulator, as tests hold it: what only Insight Health has. The rest is [`Stand`]'s.

use super::{
    config::{ApiKey, Destination, SimConfig},
    provider::Own,
    push::{self, Note, Pushed},
    switches::Switches,
    world::{Appointment, World},
};
use crate::sim::{Core, Stand, held};
use jiff::Timestamp;
use std::{io, process, sync::Mutex};

/// An Insight Health of one's own. Stops when dropped.
pub type Simulator = Stand<World>;

impl Simulator {
    /// Starts on the current tokio runtime.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(config: SimConfig) -> io::Result<Self> {
        let own = Own { timing: config.timing.clone(), pushed: Mutex::default() };
        let world = |address: std::net::SocketAddr| {
            let nonce = format!("{}-{}-{}", process::id(), address.port(), Timestamp::now().as_nanosecond());
            World::new(&config, nonce)
        };
        Self::open(config.port, own, world).await
    }

    /// Changes the open points while it runs.
    pub fn switch(&self, edit: impl FnOnce(&mut Switches)) {
        self.core().change(|world| edit(&mut world.switches));
    }

    /// Everything that was taken in, in order.
    pub fn appointments(&self) -> Vec<Appointment> {
        self.core().look(|world| world.appointments.clone())
    }

    /// The values of all API keys and signing keys, to look for them where they must not be.
    pub fn secrets(&self) -> Vec<String> {
        let of = |key: &ApiKey| [key.value.clone(), key.signing_key.clone()];
        self.core().look(|world| world.keys.iter().flat_map(of).collect())
    }

    /// What people arrange with each other, beside the API.
    pub fn edit(&self) -> Arrangements<'_> {
        Arrangements(self.core())
    }

    /// A note was made or made again. Answers its `summary_id`; `None` if no destination is arranged.
    pub fn push(&self, organisation: &str, note: &Note) -> Option<String> {
        push::push(self.core(), organisation, note)
    }

    /// Every attempt to push, in order.
    pub fn pushed(&self) -> Vec<Pushed> {
        held(&self.core().own.pushed).clone()
    }
}

/// Onboarding: URLs and keys that are exchanged out of band.
pub struct Arrangements<'a>(&'a Core<World>);

impl Arrangements<'_> {
    /// Hands out an API key with its signing key.
    pub fn add_key(&self, key: ApiKey) {
        self.0.change(|world| world.keys.push(key));
    }

    /// Takes an API key back.
    pub fn revoke_key(&self, value: &str) {
        self.0.change(|world| world.keys.retain(|key| key.value != value));
    }

    /// Takes down where an organisation wants its notes from now on.
    pub fn arrange(&self, organisation: &str, destination: Destination) {
        self.0.change(|world| world.destinations.insert(organisation.to_owned(), destination));
    }
}
