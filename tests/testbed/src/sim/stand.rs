//! The running simulator, as tests hold it.

use super::{Call, Core, Fault, FaultTable, HookAction, Mark, Matcher, Provider, RuleId, held, server, service};
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The part that can go down and come back on the same port.
struct Front {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

/// A provider of one's own. Stops when dropped.
pub struct Stand<P: Provider> {
    core: Arc<Core<P>>,
    address: SocketAddr,
    front: Mutex<Option<Front>>,
}

impl<P: Provider> Stand<P> {
    /// Starts on the current tokio runtime. The world is made of the address it will have.
    ///
    /// # Errors
    /// If the port cannot be bound; 0 lets the system choose.
    pub(crate) async fn open(port: u16, own: P::Own, world: impl FnOnce(SocketAddr) -> P) -> io::Result<Self> {
        let listener = server::bind(port).await?;
        let address = listener.local_addr()?;
        let core = Arc::new(Core::new(world(address), own));
        let front = Front::open(&core, listener);
        Ok(Self { core, address, front: Mutex::new(Some(front)) })
    }

    /// What it shares with its own parts.
    pub(crate) fn core(&self) -> &Arc<Core<P>> {
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

    /// Every call so far, in order of arrival.
    pub fn ledger(&self) -> Vec<Call> {
        self.core.look(|world| world.records().ledger.clone())
    }

    /// The calls of this method under this path.
    pub fn calls(&self, method: &str, path_prefix: &str) -> Vec<Call> {
        let wanted = |call: &&Call| call.method == method && call.path.starts_with(path_prefix);
        self.core.look(|world| world.records().ledger.iter().filter(wanted).cloned().collect())
    }

    /// The calls after a mark.
    pub fn calls_since(&self, mark: Mark) -> Vec<Call> {
        self.core.look(|world| world.records().ledger.iter().filter(|call| call.seq > mark.0).cloned().collect())
    }

    /// The number of calls after a mark.
    pub fn count_since(&self, mark: Mark) -> usize {
        self.core.look(|world| world.records().ledger.iter().filter(|call| call.seq > mark.0).count())
    }

    /// Now, in the common order of calls and journal entries.
    pub fn mark(&self) -> Mark {
        self.core.look(|world| Mark(world.records().seq))
    }

    /// Waits until the ledger satisfies `predicate`; false if it did not in time.
    pub async fn wait_for(&self, predicate: impl Fn(&[Call]) -> bool, timeout: Duration) -> bool {
        self.wait_until(|this| this.core.look(|world| predicate(&world.records().ledger)), timeout).await
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

    /// The fault rules.
    pub fn faults(&self) -> Faults<'_> {
        Faults { table: &self.core.faults }
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

    /// Sends deliveries for this host to a local address. Everything that is neither local nor routed is unreachable.
    pub fn route_host(&self, host: &str, address: SocketAddr) {
        held(&self.core.hosts).insert(host.to_owned(), address);
    }
}

impl<P: Provider> Drop for Stand<P> {
    fn drop(&mut self) {
        self.core.stop.cancel();
    }
}

impl Front {
    fn open<P: Provider>(core: &Arc<Core<P>>, listener: tokio::net::TcpListener) -> Self {
        let stop = core.stop.child_token();
        let shared = core.clone();
        let answer = move |request| service::answer(shared.clone(), request);
        let task = tokio::spawn(server::serve(listener, stop.clone(), core.tasks.clone(), answer));
        Self { stop, task }
    }
}

/// The fault rules of a simulator.
pub struct Faults<'a> {
    table: &'a Mutex<FaultTable>,
}

impl Faults<'_> {
    /// From now on `fault` befalls the requests that match. Of several rules that are due the oldest applies.
    pub fn on(&self, matcher: Matcher, fault: Fault) -> RuleId {
        held(self.table).add(matcher, fault)
    }

    /// Takes one rule back.
    pub fn remove(&self, rule: RuleId) {
        held(self.table).remove(rule);
    }

    /// Takes every rule back.
    pub fn clear(&self) {
        held(self.table).clear();
    }

    /// How often a rule was applied.
    pub fn hits(&self, rule: RuleId) -> u64 {
        held(self.table).hits(rule)
    }
}
