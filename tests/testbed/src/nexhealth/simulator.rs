//! The running simulator, as tests hold it: what only NexHealth has. The rest is [`Stand`]'s.

use super::{
    config::{SimConfig, SimTiming},
    delivery::{self, Delivery},
    journal::{Change, Entry, LiveQuery, Stretch, timeline},
    model::{ApiKey, Endpoint, Row, SyncSource},
    portal::Portal,
    switches::Switches,
    world::World,
};
pub(crate) use crate::sim::held;
use crate::sim::{self, Mark, Stand};
use jiff::Timestamp;
use serde_json::Value;
use std::{io, process, sync::Mutex};

/// What connections, deliveries and tests share.
pub(crate) type Core = sim::Core<World>;

/// The part of it that is not in the world, because no request changes it.
pub struct Own {
    pub timing: SimTiming,
    pub deliveries: Mutex<Vec<Delivery>>,
}

/// A NexHealth of one's own. Stops when dropped.
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

    /// Every change of state so far.
    pub fn journal(&self) -> Vec<Entry> {
        self.core().look(|world| world.journal.clone())
    }

    /// How many changes of state there were so far.
    pub fn journal_len(&self) -> usize {
        self.core().look(|world| world.journal.len())
    }

    /// The endpoints of all organisations, in id order.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.core().look(|world| world.endpoints.values().cloned().collect())
    }

    /// The rows of all endpoints, in id order.
    pub fn rows(&self) -> Vec<Row> {
        self.core().look(|world| world.rows.values().cloned().collect())
    }

    /// The rows on one endpoint, in id order.
    pub fn rows_on(&self, endpoint_id: i64) -> Vec<Row> {
        self.core().look(|world| world.rows_on(endpoint_id).cloned().collect())
    }

    /// How many live rows a pair had at `since` and after each later change.
    pub fn timeline(&self, query: &LiveQuery, since: Mark) -> Vec<Stretch> {
        self.core().look(|world| timeline(&world.journal, query, since))
    }

    /// Whether there was a moment at or after `since` without a live row for this pair.
    pub fn was_ever_without_live_row(&self, subdomain: &str, event: &str, since: Mark) -> bool {
        self.timeline(&LiveQuery::new(subdomain, event), since).iter().any(|stretch| stretch.live == 0)
    }

    /// Whether there was a moment at or after `since` with two or more live rows for this pair.
    pub fn had_two_live_rows(&self, subdomain: &str, event: &str, since: Mark) -> bool {
        self.timeline(&LiveQuery::new(subdomain, event), since).iter().any(|stretch| stretch.live > 1)
    }

    /// Changes made as a person in the portal would; no calls, journal entries with [`super::Actor::Person`].
    pub fn edit(&self) -> Portal<'_> {
        Portal::new(self.core())
    }

    /// The values of all API keys, to look for them where they must not be.
    pub fn keys(&self) -> Vec<String> {
        let of =
            |world: &World| world.organisations.iter().flat_map(|one| &one.keys).map(|key| key.value.clone()).collect();
        self.core().look(of)
    }

    /// Every token that was handed out and not taken back.
    pub fn tokens(&self) -> Vec<String> {
        self.core().look(|world| world.tokens.keys().cloned().collect())
    }

    /// Every signing key that was ever made.
    pub fn signing_keys(&self) -> Vec<String> {
        let made = |entry: &Entry| match &entry.change {
            Change::EndpointCreated(endpoint) => Some(endpoint.secret_key.clone()),
            _ => None,
        };
        self.core().look(|world| world.journal.iter().filter_map(made).collect())
    }

    /// Ends every token issued so far.
    pub fn expire_tokens(&self) {
        self.core().change(World::expire_tokens);
    }

    /// Adds an API key to an organisation; false if there is none of that name.
    pub fn add_key(&self, organisation: &str, key: ApiKey) -> bool {
        self.core().change(|world| world.organisation_mut(organisation).map(|one| one.keys.push(key)).is_some())
    }

    /// Takes an API key away, and its tokens unless a switch says otherwise.
    pub fn revoke_key(&self, value: &str) {
        self.core().change(|world| world.revoke_key(value));
    }

    /// Sets what `/sync_status` says of an institution; false if there is none.
    pub fn set_syncs(&self, subdomain: &str, syncs: Vec<SyncSource>) -> bool {
        self.core().change(|world| world.institution_mut(subdomain).map(|one| one.syncs = syncs).is_some())
    }

    /// Changes the first sync of an institution; false if there is none.
    pub fn edit_sync(&self, subdomain: &str, edit: impl FnOnce(&mut SyncSource)) -> bool {
        self.core()
            .change(|world| world.institution_mut(subdomain).and_then(|one| one.syncs.first_mut()).map(edit).is_some())
    }

    /// Something happened at a practice. Returns to how many rows a delivery was queued. `suffix` (`.complete`) is
    /// appended to the event name.
    pub fn emit(&self, subdomain: &str, resource_type: &str, event: &str, suffix: &str, data: Value) -> usize {
        delivery::emit(self.core(), Some(subdomain), (resource_type, event, suffix), data)
    }

    /// Something happened to an onboarding, which belongs to no institution yet.
    pub fn emit_onboarding(&self, event: &str, data: Value) -> usize {
        delivery::emit(self.core(), None, (super::catalogue::ONBOARDING, event, ""), data)
    }

    /// Every attempt to deliver, and every message given up, in order.
    pub fn deliveries(&self) -> Vec<Delivery> {
        held(&self.core().own.deliveries).clone()
    }
}
