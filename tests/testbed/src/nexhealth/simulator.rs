//! The running simulator, as tests hold it.

use super::{
    config::{SimConfig, SimTiming},
    delivery::{self, Delivery},
    faults::{Fault, FaultTable, Hook, HookAction, Matcher, RuleId},
    journal::{Change, Entry, LiveQuery, Stretch, timeline},
    ledger::{Call, Mark},
    model::{ApiKey, Endpoint, Row, SyncSource},
    portal::Portal,
    server, service,
    switches::Switches,
    world::World,
};
use jiff::Timestamp;
use serde_json::Value;
use std::{
    collections::HashMap,
    io,
    net::SocketAddr,
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// What connections, deliveries and tests share.
pub(crate) struct Core {
    world: Mutex<World>,
    changed: watch::Sender<u64>,
    pub timing: SimTiming,
    pub faults: Mutex<FaultTable>,
    pub on_request: Mutex<Option<Hook>>,
    pub on_effect: Mutex<Option<Hook>>,
    pub hosts: Mutex<HashMap<String, SocketAddr>>,
    pub deliveries: Mutex<Vec<Delivery>>,
    pub tasks: TaskTracker,
    pub stop: CancellationToken,
    pub runtime: tokio::runtime::Handle,
}

pub(crate) fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Core {
    /// Reads the world.
    pub fn look<T>(&self, read: impl FnOnce(&World) -> T) -> T {
        read(&held(&self.world))
    }

    /// Changes the world and wakes whoever waits for a change.
    pub fn change<T>(&self, edit: impl FnOnce(&mut World) -> T) -> T {
        let done = edit(&mut held(&self.world));
        self.wake();
        done
    }

    pub fn wake(&self) {
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
    }
}

/// The part that can go down and come back on the same port.
struct Front {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A NexHealth of one's own. Stops when dropped.
pub struct Simulator {
    core: Arc<Core>,
    address: SocketAddr,
    front: Mutex<Option<Front>>,
}

impl Simulator {
    /// Starts on the current tokio runtime.
    ///
    /// # Errors
    /// If the port cannot be bound.
    pub async fn start(config: SimConfig) -> io::Result<Self> {
        let listener = server::bind(config.port).await?;
        let address = listener.local_addr()?;
        let nonce = format!("{}-{}-{}", process::id(), address.port(), Timestamp::now().as_nanosecond());
        let core = Arc::new(Core {
            world: Mutex::new(World::new(&config, nonce)),
            changed: watch::Sender::new(0),
            timing: config.timing,
            faults: Mutex::default(),
            on_request: Mutex::default(),
            on_effect: Mutex::default(),
            hosts: Mutex::default(),
            deliveries: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
            runtime: tokio::runtime::Handle::current(),
        });
        let front = Front::open(&core, listener);
        Ok(Self { core, address, front: Mutex::new(Some(front)) })
    }

    /// What it shares with its own parts.
    pub(super) fn core(&self) -> &Arc<Core> {
        &self.core
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends it and waits until nothing of it runs.
    pub async fn shutdown(self) {
        self.core.stop.cancel();
        self.go_down().await;
        self.core.tasks.close();
        self.core.tasks.wait().await;
    }

    /// Refuses connections and drops those that are open. Its state stays, deliveries go on.
    pub async fn go_down(&self) {
        let front = held(&self.front).take();
        if let Some(front) = front {
            front.stop.cancel();
            // A task that was ended has nothing to report.
            drop(front.task.await);
        }
    }

    /// Listens again on the same port.
    ///
    /// # Errors
    /// If somebody else took the port.
    pub async fn come_back(&self) -> io::Result<()> {
        self.go_down().await;
        let listener = server::bind(self.address.port()).await?;
        *held(&self.front) = Some(Front::open(&self.core, listener));
        Ok(())
    }

    /// Changes the open points while it runs.
    pub fn switch(&self, edit: impl FnOnce(&mut Switches)) {
        self.core.change(|world| edit(&mut world.switches));
    }

    /// Every call so far, in order of arrival.
    pub fn ledger(&self) -> Vec<Call> {
        self.core.look(|world| world.ledger.clone())
    }

    /// The calls of this method under this path.
    pub fn calls(&self, method: &str, path_prefix: &str) -> Vec<Call> {
        let wanted = |call: &&Call| call.method == method && call.path.starts_with(path_prefix);
        self.core.look(|world| world.ledger.iter().filter(wanted).cloned().collect())
    }

    /// The calls after a mark.
    pub fn calls_since(&self, mark: Mark) -> Vec<Call> {
        self.core.look(|world| world.ledger.iter().filter(|call| call.seq > mark.0).cloned().collect())
    }

    /// The number of calls after a mark.
    pub fn count_since(&self, mark: Mark) -> usize {
        self.core.look(|world| world.ledger.iter().filter(|call| call.seq > mark.0).count())
    }

    /// Now, in the common order of calls and journal entries.
    pub fn mark(&self) -> Mark {
        self.core.look(|world| Mark(world.seq))
    }

    /// Waits until the ledger satisfies `predicate`; false if it did not in time.
    pub async fn wait_for(&self, predicate: impl Fn(&[Call]) -> bool, timeout: Duration) -> bool {
        self.wait_until(|this| this.core.look(|world| predicate(&world.ledger)), timeout).await
    }

    /// Waits until anything about the simulator satisfies `predicate`, asked again after each change; false if it did
    /// not in time.
    pub async fn wait_until(&self, predicate: impl Fn(&Self) -> bool, timeout: Duration) -> bool {
        let mut changes = self.core.changed.subscribe();
        let reached = async {
            while !predicate(self) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(timeout, reached).await.unwrap_or(false)
    }

    /// Every change of state so far.
    pub fn journal(&self) -> Vec<Entry> {
        self.core.look(|world| world.journal.clone())
    }

    /// How many changes of state there were so far.
    pub fn journal_len(&self) -> usize {
        self.core.look(|world| world.journal.len())
    }

    /// The endpoints of all organisations, in id order.
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.core.look(|world| world.endpoints.values().cloned().collect())
    }

    /// The rows of all endpoints, in id order.
    pub fn rows(&self) -> Vec<Row> {
        self.core.look(|world| world.rows.values().cloned().collect())
    }

    /// The rows on one endpoint, in id order.
    pub fn rows_on(&self, endpoint_id: i64) -> Vec<Row> {
        self.core.look(|world| world.rows_on(endpoint_id).cloned().collect())
    }

    /// How many live rows a pair had at `since` and after each later change.
    pub fn timeline(&self, query: &LiveQuery, since: Mark) -> Vec<Stretch> {
        self.core.look(|world| timeline(&world.journal, query, since))
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
        Portal::new(&self.core)
    }

    /// The fault rules.
    pub fn faults(&self) -> Faults<'_> {
        Faults { core: &self.core }
    }

    /// Asks this hook about each request before anything is done about it. Replaces the one before.
    pub fn on_request(&self, hook: impl Fn(&Call) -> HookAction + Send + Sync + 'static) {
        *held(&self.core.on_request) = Some(Arc::new(hook));
    }

    /// Asks this hook about each request when it was carried out and nothing is answered yet.
    pub fn on_effect(&self, hook: impl Fn(&Call) -> HookAction + Send + Sync + 'static) {
        *held(&self.core.on_effect) = Some(Arc::new(hook));
    }

    /// Takes both hooks away.
    pub fn clear_hooks(&self) {
        *held(&self.core.on_request) = None;
        *held(&self.core.on_effect) = None;
    }

    /// The values of all API keys, to look for them where they must not be.
    pub fn keys(&self) -> Vec<String> {
        let of =
            |world: &World| world.organisations.iter().flat_map(|one| &one.keys).map(|key| key.value.clone()).collect();
        self.core.look(of)
    }

    /// Every token that was handed out and not taken back.
    pub fn tokens(&self) -> Vec<String> {
        self.core.look(|world| world.tokens.keys().cloned().collect())
    }

    /// Every signing key that was ever made.
    pub fn signing_keys(&self) -> Vec<String> {
        let made = |entry: &Entry| match &entry.change {
            Change::EndpointCreated(endpoint) => Some(endpoint.secret_key.clone()),
            _ => None,
        };
        self.core.look(|world| world.journal.iter().filter_map(made).collect())
    }

    /// Ends every token issued so far.
    pub fn expire_tokens(&self) {
        self.core.change(World::expire_tokens);
    }

    /// Adds an API key to an organisation; false if there is none of that name.
    pub fn add_key(&self, organisation: &str, key: ApiKey) -> bool {
        self.core.change(|world| world.organisation_mut(organisation).map(|one| one.keys.push(key)).is_some())
    }

    /// Takes an API key away, and its tokens unless a switch says otherwise.
    pub fn revoke_key(&self, value: &str) {
        self.core.change(|world| world.revoke_key(value));
    }

    /// Sets what `/sync_status` says of an institution; false if there is none.
    pub fn set_syncs(&self, subdomain: &str, syncs: Vec<SyncSource>) -> bool {
        self.core.change(|world| world.institution_mut(subdomain).map(|one| one.syncs = syncs).is_some())
    }

    /// Changes the first sync of an institution; false if there is none.
    pub fn edit_sync(&self, subdomain: &str, edit: impl FnOnce(&mut SyncSource)) -> bool {
        self.core
            .change(|world| world.institution_mut(subdomain).and_then(|one| one.syncs.first_mut()).map(edit).is_some())
    }

    /// Sends deliveries for this host to a local address. Everything that is neither local nor routed is unreachable.
    pub fn route_host(&self, host: &str, address: SocketAddr) {
        held(&self.core.hosts).insert(host.to_owned(), address);
    }

    /// Something happened at a practice. Returns to how many rows a delivery was queued. `suffix` (`.complete`) is
    /// appended to the event name.
    pub fn emit(&self, subdomain: &str, resource_type: &str, event: &str, suffix: &str, data: Value) -> usize {
        delivery::emit(&self.core, Some(subdomain), (resource_type, event, suffix), data)
    }

    /// Something happened to an onboarding, which belongs to no institution yet.
    pub fn emit_onboarding(&self, event: &str, data: Value) -> usize {
        delivery::emit(&self.core, None, (super::catalogue::ONBOARDING, event, ""), data)
    }

    /// Every attempt to deliver, and every message given up, in order.
    pub fn deliveries(&self) -> Vec<Delivery> {
        held(&self.core.deliveries).clone()
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.core.stop.cancel();
    }
}

impl Front {
    fn open(core: &Arc<Core>, listener: tokio::net::TcpListener) -> Self {
        let stop = core.stop.child_token();
        let shared = core.clone();
        let answer = move |request| service::answer(shared.clone(), request);
        let task = tokio::spawn(server::serve(listener, stop.clone(), core.tasks.clone(), answer));
        Self { stop, task }
    }
}

/// The fault rules of a simulator.
pub struct Faults<'a> {
    core: &'a Core,
}

impl Faults<'_> {
    /// From now on `fault` befalls the requests that match. Of several rules that are due the oldest applies.
    pub fn on(&self, matcher: Matcher, fault: Fault) -> RuleId {
        held(&self.core.faults).add(matcher, fault)
    }

    /// Takes one rule back.
    pub fn remove(&self, rule: RuleId) {
        held(&self.core.faults).remove(rule);
    }

    /// Takes every rule back.
    pub fn clear(&self) {
        held(&self.core.faults).clear();
    }

    /// How often a rule was applied.
    pub fn hits(&self, rule: RuleId) -> u64 {
        held(&self.core.faults).hits(rule)
    }
}
