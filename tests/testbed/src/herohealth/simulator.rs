//! The running simulator, as tests hold it: what only Hero Health has. The rest is [`Stand`]'s.

use super::{
    config::SimConfig,
    delivery::{self, Delivery},
    journal::{Change, Entry, LiveQuery, Stretch, timeline},
    model::{ApiKey, Webhook},
    provider::Own,
    switches::Switches,
    world::{NewWebhook, World},
};
use crate::sim::{Actor, Core, Mark, Stand, held};
use jiff::Timestamp;
use std::{io, process, sync::Mutex};

/// A Hero Health of one's own. Stops when dropped.
pub type Simulator = Stand<World>;

impl Simulator {
    /// Starts on the current tokio runtime.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(config: SimConfig) -> io::Result<Self> {
        let own = Own { timing: config.timing.clone(), deliveries: Mutex::default() };
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

    /// Every webhook, in order of creation.
    pub fn webhooks(&self) -> Vec<Webhook> {
        self.core().look(|world| world.webhooks.clone())
    }

    /// Every change of state so far.
    pub fn journal(&self) -> Vec<Entry> {
        self.core().look(|world| world.journal.clone())
    }

    /// How many such webhooks there were at `since` and after each later change.
    pub fn timeline(&self, query: &LiveQuery, since: Mark) -> Vec<Stretch> {
        self.core().look(|world| timeline(&world.journal, query, since))
    }

    /// The values of all API keys, and every signing key that was ever given, to look for them where they must not be.
    pub fn secrets(&self) -> Vec<String> {
        self.core().look(|world| {
            let given = world.journal.iter().filter_map(|entry| match &entry.change {
                Change::Created(webhook) => webhook.signing_key.clone(),
                Change::Deleted(_) => None,
            });
            world.keys.iter().map(|key| key.value.clone()).chain(given).collect()
        })
    }

    /// Changes made by a person; no calls, journal entries with [`Actor::Person`].
    pub fn edit(&self) -> Portal<'_> {
        Portal(self.core())
    }

    /// Hands out another API key.
    pub fn add_key(&self, key: ApiKey) {
        self.core().change(|world| world.keys.push(key));
    }

    /// Takes an API key back. Webhooks stay.
    pub fn revoke_key(&self, value: &str) {
        self.core().change(|world| world.keys.retain(|key| key.value != value));
    }

    /// Something happened. Returns to how many webhooks a delivery was queued.
    pub fn emit(&self, group: &str, event_type: &str, id: &str) -> usize {
        delivery::emit(self.core(), group, event_type, id)
    }

    /// Every attempt to deliver, in order.
    pub fn deliveries(&self) -> Vec<Delivery> {
        held(&self.core().own.deliveries).clone()
    }
}

/// A person at the provider. Nothing here is checked against the API's rules.
pub struct Portal<'a>(&'a Core<World>);

impl Portal<'_> {
    /// A new webhook.
    pub fn create(&self, group: &str, event_type: &str, url: &str, signing_key: Option<&str>) -> Webhook {
        let new = NewWebhook {
            group: group.to_owned(),
            event_type: event_type.to_owned(),
            url: url.to_owned(),
            signing_key: signing_key.map(str::to_owned),
            ..NewWebhook::default()
        };
        self.0.change(|world| world.create(&Actor::Person, new))
    }

    /// Removes a webhook; `None` if there is no such.
    pub fn delete(&self, id: &str) -> Option<Webhook> {
        self.0.change(|world| world.delete(&Actor::Person, id))
    }
}
