//! What every pass needs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use thiserror::Error;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::account::AccountMemory;
use super::account_kind::Account;
use super::accounts::Accounts;
use super::cache::{Cache, is_newer};
use super::endpoint::EndpointMind;
use super::error::PassError;
use super::events::Events;
use super::losses::Losses;
use super::memory::{Memories, Turns};
use super::monitor::MonitorMind;
use super::office_hours::Book;
use super::outages::Outages;
use super::secrets::ReadSecret;
use super::subscription::SubscriptionMind;
use super::tenancy::Tenancy;
use super::timing::Timing;
use crate::api::{
    ClusterProviderAccount, PracticeSyncMonitor, ProviderAccount, ProviderAccountSpec, WebhookEndpoint,
    WebhookSubscription,
};
use crate::provider::http::HttpClient;
use crate::provider::probe::Prober;
use crate::provider::{CallError, Fence};
use crate::runtime::metrics::{Kind, ObjectKey, Verb};
use crate::runtime::{Health, Lease, Metrics};

/// What the controllers are started with.
pub struct Config {
    /// The cluster.
    pub client: Client,
    /// Namespaces to watch; empty: all.
    pub namespaces: Vec<String>,
    /// Origins that accounts may use besides the providers' own.
    pub allowed_base_urls: Vec<String>,
    /// Whether self-tests may call addresses that are not public.
    pub allow_private_targets: bool,
    /// All durations.
    pub timing: Timing,
    /// Metrics.
    pub metrics: Metrics,
    /// Health of the process.
    pub health: Health,
    /// The lease this process leads by.
    pub lease: Lease,
    /// Asks for an orderly end.
    pub shutdown: CancellationToken,
}

/// Why the controllers could not start or had to end.
#[derive(Debug, Error)]
pub enum Error {
    /// The HTTP client for providers could not be made.
    #[error("cannot make the HTTP client for providers: {0}")]
    HttpClient(String),
    /// A controller ended without being asked.
    #[error("the {0} controller ended")]
    Ended(&'static str),
}

/// What every pass needs.
pub struct Context {
    pub client: Client,
    pub timing: Timing,
    pub metrics: Metrics,
    pub health: Health,
    pub events: Events,
    pub http: HttpClient,
    /// Makes the self-tests.
    pub prober: Prober,
    /// What provider writes are fenced by (rules.md *Leader*).
    pub lease: Lease,
    /// Paces the writes that tell of an outage.
    pub outage_turns: Turns,
    pub allowed_base_urls: Vec<String>,
    pub process_started: Timestamp,
    /// When a process before this one last renewed the lease: until then somebody has surely looked.
    pub predecessor_seen: Option<Timestamp>,
    pub accounts: Accounts,
    pub account_cache: Cache<ProviderAccount>,
    pub cluster_account_cache: Cache<ClusterProviderAccount>,
    /// Whether accounts of the cluster are on: not with `--namespace`.
    pub serves_cluster_accounts: bool,
    /// What accounts of the cluster lend.
    pub tenancy: Tenancy,
    pub endpoint_cache: Cache<WebhookEndpoint>,
    pub subscription_cache: Cache<WebhookSubscription>,
    pub monitor_cache: Cache<PracticeSyncMonitor>,
    pub account_memory: Memories<AccountMemory>,
    pub cluster_account_memory: Memories<AccountMemory>,
    pub endpoint_memory: Memories<EndpointMind>,
    pub subscription_memory: Memories<SubscriptionMind>,
    pub monitor_memory: Memories<MonitorMind>,
    /// Office hours that monitors share.
    pub office_hours: Book,
    /// Practices that went bad together.
    pub outages: Outages,
    pub unconfirmed: Mutex<HashSet<ObjectKey>>,
    /// Objects that could not be decoded: what they declare is not known.
    pub undecodable: Mutex<HashSet<ObjectKey>>,
    pub losses: Losses,
    /// With `--namespace`: those that are being deleted. Their Secrets are not held any more.
    pub going_namespaces: Mutex<HashSet<String>>,
    /// Since when the API server has refused to show our own definitions.
    pub definitions_refused: Mutex<Option<std::time::Instant>>,
    pub tasks: TaskTracker,
    pub shutdown: CancellationToken,
}

impl Context {
    /// A call to the API server, within its deadline.
    pub async fn kube<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, PassError> {
        Ok(tokio::time::timeout(self.timing.kube_call, call).await??)
    }

    /// A write of an object or a Secret: only while this process leads. One that was paused may otherwise read the newest
    /// object, so that its precondition holds, and take a finalizer off while the new leader's POST is under way.
    pub async fn kube_write<T>(&self, call: impl Future<Output = kube::Result<T>>) -> Result<T, PassError> {
        if self.lease.time_left().is_zero() {
            return Err(PassError::Provider(CallError::Fenced));
        }
        self.kube(call).await
    }

    /// Counts a write to the cluster.
    pub fn wrote(&self, kind: Kind, verb: Verb) {
        self.metrics.kube_write(kind, verb);
    }

    /// An object is new or was changed: it waits for a pass, and its remote side is not confirmed.
    pub fn changed(&self, key: ObjectKey) {
        self.health.waiting(&key);
        let mut unconfirmed = self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
        unconfirmed.insert(key);
        self.metrics.set_unconfirmed_objects(unconfirmed.len() as u64);
    }

    /// A pass over an object went through, or the object is gone.
    pub fn confirmed(&self, key: &ObjectKey) {
        let mut unconfirmed = self.unconfirmed.lock().unwrap_or_else(PoisonError::into_inner);
        if unconfirmed.remove(key) {
            if unconfirmed.is_empty() {
                // It has room for every object there is, since the start.
                unconfirmed.shrink_to_fit();
            }
            self.metrics.set_unconfirmed_objects(unconfirmed.len() as u64);
        }
    }

    /// Waits until every cache is filled.
    pub async fn synced(&self) {
        tokio::join!(
            self.account_cache.synced(),
            self.cluster_account_cache.synced(),
            self.endpoint_cache.synced(),
            self.subscription_cache.synced(),
            self.monitor_cache.synced()
        );
    }

    /// Until when the remote side was surely looked at before this process did (rules.md *Delivery gaps*).
    pub fn last_alive(&self, observe_interval: Duration) -> Timestamp {
        let doubt = |at: Timestamp, by: Duration| at.checked_sub(by).unwrap_or(Timestamp::MIN);
        match self.predecessor_seen {
            Some(seen) => doubt(seen, observe_interval),
            None => doubt(self.process_started, observe_interval + self.timing.lease),
        }
    }

    /// An object could be decoded, or could not.
    pub fn decoded(&self, key: ObjectKey, well: bool) {
        let mut undecodable = self.undecodable.lock().unwrap_or_else(PoisonError::into_inner);
        if well {
            undecodable.remove(&key)
        } else {
            undecodable.insert(key)
        };
    }

    /// Whether what all objects declare is known: else nothing is deleted because nobody declares it.
    pub fn all_decoded(&self) -> bool {
        self.undecodable.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether a watched namespace is known to be going.
    pub fn namespace_goes(&self, namespace: &str) -> bool {
        self.going_namespaces.lock().unwrap_or_else(PoisonError::into_inner).contains(namespace)
    }

    /// How often an account is observed.
    pub fn observe_interval(&self, account: &ProviderAccountSpec) -> Duration {
        let spec = account.observe_interval.get().unwrap_or(Duration::from_secs(300));
        self.timing.observe_interval.unwrap_or(spec)
    }

    /// How often the sync status of an account's practices is read.
    pub fn sync_interval(&self, account: &ProviderAccountSpec) -> Duration {
        let spec = account.sync_status_interval.get().unwrap_or(Duration::from_secs(60));
        self.timing.sync_interval.unwrap_or(spec)
    }

    /// Runs something beside the passes, to be ended with them.
    pub fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }
}

impl Context {
    /// A Secret that an endpoint may have read is now at this version (`None`: gone): forgets what was read if that is
    /// older. Answers whether the endpoint has to look again.
    pub fn endpoint_memory_outdated(&self, endpoint: &WebhookEndpoint, version: Option<&str>) -> bool {
        let memory = endpoint.metadata.uid.as_deref().and_then(|uid| self.endpoint_memory.get(uid));
        memory.is_some_and(|memory| memory.plan().secret.outdated(version))
    }

    /// The same for one of the Secrets of an account, by namespace and name.
    pub fn account_memory_outdated(&self, account: &Account, secret: (&str, &str), version: Option<&str>) -> bool {
        let memories = match account {
            Account::Own(_) => &self.account_memory,
            Account::Cluster(_) => &self.cluster_account_memory,
        };
        let memory = account.meta().uid.as_deref().and_then(|uid| memories.get(uid));
        let secret = (secret.0.to_owned(), secret.1.to_owned());
        memory.is_some_and(|memory| memory.plan().secrets.entry(secret).or_default().outdated(version))
    }
}

/// What was last read of a Secret, so that a pass need not read it again.
#[derive(Default)]
pub enum LastRead {
    /// Nothing, or it has changed since.
    #[default]
    Unknown,
    /// This; `None`: not there.
    Known(Option<Arc<ReadSecret>>),
}

impl LastRead {
    /// The Secret is now at this version (`None`: gone). Answers whether what was read is outdated by that.
    pub fn outdated(&mut self, version: Option<&str>) -> bool {
        let read = match self {
            Self::Unknown => return true,
            Self::Known(secret) => secret.as_ref().and_then(|secret| secret.meta.resource_version.as_deref()),
        };
        let newer = is_newer(version, read);
        if newer {
            *self = Self::Unknown;
        }
        newer
    }
}
