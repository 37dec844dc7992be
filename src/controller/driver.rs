//! One loop for every kind: watch, wake, plan, execute, back off. Kinds differ only in their pass.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio::task::{JoinError, JoinSet};
use tracing::{Instrument, debug, debug_span, error, warn};

use super::accounts::Accounts;
use super::cache::{Cache, Place};
use super::context::{Config, Context, Error};
use super::error::PassError;
use super::events::Events;
use super::kinds::{Controlled, Sight};
use super::memory::{Memories, Turns};
use super::queue::{Action, Urgency};
use super::tenancy::{self, Tenancy};
use super::{office_hours, secrets};
use crate::api::{
    ClusterProviderAccount, ConditionType, PracticeSyncMonitor, ProviderAccount, WebhookEndpoint, WebhookSubscription,
};
use crate::plan::condition::{find, is_true};
use crate::plan::elapsed;
use crate::provider::CallError;
use crate::provider::gate::{Errand, Lane};
use crate::provider::http::HttpClient;
use crate::provider::probe::Prober;
use crate::runtime::metrics::{ObjectKey, Outcome};

/// Most steps of one pass; an object that needs more is woken again, so that others have their turn.
pub const MAX_STEPS: usize = 64;

/// Passes at the same time, of one kind: twice what may be in flight at a provider, so that some write to Kubernetes while
/// others wait there. Each costs a connection to the API server that stays open.
const CONCURRENCY: usize = 16;

/// Further passes for objects that are going: those that come may wait for a provider's budget for hours.
const RESERVED: usize = 8;

/// How a pass ended.
#[derive(Clone, Copy, Debug)]
pub struct Done {
    /// When to look again without being woken.
    pub again: Option<Duration>,
}

impl Done {
    /// Nothing left to do; look again after this, if given.
    pub fn rest(again: Option<Duration>) -> Self {
        Self { again }
    }

    /// Look again soon.
    pub fn again(after: Duration) -> Self {
        Self { again: Some(after) }
    }
}

/// The key of an object in metrics and health.
pub fn object_key<K: Controlled>(object: &K) -> ObjectKey {
    ObjectKey::new(K::METRIC, object.namespace().unwrap_or_default(), object.name_any())
}

/// Runs all controllers until the process is asked to stop.
///
/// # Errors
/// See [`Error`].
pub async fn run(config: Config) -> Result<(), Error> {
    let http = HttpClient::new(config.timing.calls, None).map_err(|error| Error::HttpClient(error.to_string()))?;
    let prober = Prober::new(config.timing.self_test, config.allow_private_targets);
    let prober = prober.map_err(|error| Error::HttpClient(error.to_string()))?;
    let namespaces: Vec<Option<String>> = match config.namespaces.as_slice() {
        [] => vec![None],
        // Each once, however often it was named: a list of a watch is compared with what the watch knew.
        some => some.iter().collect::<BTreeSet<_>>().into_iter().cloned().map(Some).collect(),
    };
    // api.md, `--namespace`: what is shared by namespaces needs all of them.
    let of_cluster = config.namespaces.is_empty();
    let tasks = tokio_util::task::TaskTracker::new();
    let context = Arc::new(Context {
        events: Events::new(config.client.clone(), std::env::var("POD_NAME").ok(), &tasks, config.shutdown.clone()),
        client: config.client,
        outage_turns: Turns::new(config.timing.outage_writes),
        timing: config.timing,
        predecessor_seen: config.lease.previous_renewal(),
        lease: config.lease,
        metrics: config.metrics,
        health: config.health,
        http,
        prober,
        allowed_base_urls: config.allowed_base_urls,
        process_started: Timestamp::now(),
        accounts: Accounts::default(),
        account_cache: Cache::new(namespaces.len()),
        cluster_account_cache: Cache::new(usize::from(of_cluster)),
        serves_cluster_accounts: of_cluster,
        tenancy: Tenancy::default(),
        endpoint_cache: Cache::new(namespaces.len()),
        subscription_cache: Cache::new(namespaces.len()),
        monitor_cache: Cache::new(namespaces.len()),
        account_memory: Memories::new(),
        cluster_account_memory: Memories::new(),
        endpoint_memory: Memories::new(),
        subscription_memory: Memories::new(),
        monitor_memory: Memories::new(),
        office_hours: office_hours::Book::default(),
        outages: super::outages::Outages::default(),
        unconfirmed: Mutex::default(),
        undecodable: Mutex::default(),
        losses: super::losses::Losses::default(),
        going_namespaces: Mutex::default(),
        definitions_refused: Mutex::default(),
        tasks,
        shutdown: config.shutdown.child_token(),
    });
    let _end = context.shutdown.clone().drop_guard();
    let mut running: Vec<BoxFuture<'static, &'static str>> = Vec::new();
    running.extend(controller::<ProviderAccount>(&context, &namespaces));
    if of_cluster {
        running.extend(controller::<ClusterProviderAccount>(&context, &namespaces));
        let context = context.clone();
        running.push(async move { tenancy::watch(context).map(|()| "Namespace").await }.boxed());
    }
    running.extend(controller::<WebhookEndpoint>(&context, &namespaces));
    running.extend(controller::<WebhookSubscription>(&context, &namespaces));
    running.extend(controller::<PracticeSyncMonitor>(&context, &namespaces));
    for namespace in namespaces.iter().cloned() {
        let context = context.clone();
        running.push(async move { office_hours::watch(context, namespace).map(|()| "ConfigMap").await }.boxed());
    }
    for namespace in namespaces.iter().flatten().cloned() {
        let watching = context.clone();
        running.push(async move { secrets::watch_namespace(watching, namespace).map(|()| "Namespace").await }.boxed());
    }
    for namespace in namespaces {
        let context = context.clone();
        running.push(async move { secrets::watch(context, namespace).map(|()| "Secret").await }.boxed());
    }
    let watched = context.clone();
    context.spawn(async move {
        tokio::select! {
            () = watched.shutdown.cancelled() => {}
            () = watched.synced() => watched.health.set_synced(true),
        }
    });
    // Each ends only when asked to; the first that ends unasked takes the process with it.
    let mut running: futures::stream::FuturesUnordered<_> = running.into_iter().collect();
    while let Some(name) = running.next().await {
        if !context.shutdown.is_cancelled() {
            context.health.controller_ended(name);
            return Err(Error::Ended(name));
        }
    }
    context.tasks.close();
    context.tasks.wait().await;
    Ok(())
}

/// The watches of one kind and the loop that plans its objects.
fn controller<K: Controlled>(
    context: &Arc<Context>,
    namespaces: &[Option<String>],
) -> Vec<BoxFuture<'static, &'static str>> {
    let watches = namespaces.iter().enumerate();
    let watches = watches.map(|(number, namespace)| watch::<K>(context.clone(), number, namespace.clone()).boxed());
    watches.chain([plan_all::<K>(context.clone()).boxed()]).map(|task| task.map(|()| K::NAME).boxed()).collect()
}

/// Keeps one scope's objects in the cache.
async fn watch<K: Controlled>(context: Arc<Context>, number: usize, namespace: Option<String>) {
    let api: Api<DeserializeGuard<K>> = match &namespace {
        Some(namespace) => <K::Scope as Place>::api(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let mut sight = Sight::new(context.clone(), number, namespace);
    let mut events = watcher(api, quorum_lists()).default_backoff().boxed();
    loop {
        let event = tokio::select! {
            () = context.shutdown.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(event)) => decoded(&context, event).into_iter().for_each(|event| sight.see(event)),
            Ok(None) => return,
            Err(error) => warn!(%error, kind = K::NAME, "a watch failed; trying again"),
        }
    }
}

/// Plans every object whose time has come; ends when asked to, after the passes under way.
async fn plan_all<K: Controlled>(context: Arc<Context>) {
    // Plans look at all kinds; half-filled caches would show references missing that are there.
    tokio::select! {
        () = context.shutdown.cancelled() => return,
        () = context.synced() => {}
    }
    let mut passes = JoinSet::new();
    loop {
        let least = if passes.len() < CONCURRENCY { Urgency::Usual } else { Urgency::Going };
        tokio::select! {
            () = context.shutdown.cancelled() => break,
            (ticket, object) = K::cache(&context).next(least), if passes.len() < CONCURRENCY + RESERVED => {
                let context = context.clone();
                passes.spawn(async move {
                    let action = reconcile(object, &context).await;
                    K::cache(&context).planned(ticket, action);
                });
            }
            Some(ended) = passes.join_next(), if !passes.is_empty() => raise(ended),
        }
    }
    while let Some(ended) = passes.join_next().await {
        raise(ended);
    }
}

/// A panic of a pass is the driver's own.
fn raise(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && let Ok(panic) = error.try_into_panic()
    {
        std::panic::resume_unwind(panic);
    }
}

/// Watches begin with a list that a quorum has agreed on, not with what some cache of the API server happens to hold: a new
/// leader must see what the one before it wrote (rules.md *Which remote is mine*). It is kube's default, and stays so
/// here whatever becomes of that.
fn quorum_lists() -> watcher::Config {
    watcher::Config { list_semantic: watcher::ListSemantic::MostRecent, ..watcher::Config::default() }
}

/// One object that cannot be decoded must not hide the others, so it is left out here and keeps what it had.
fn decoded<K: Controlled>(context: &Context, event: watcher::Event<DeserializeGuard<K>>) -> Option<watcher::Event<K>> {
    let gone = matches!(event, watcher::Event::Delete(_));
    let open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(object) => {
            context.decoded(object_key(&object), true);
            Some(object)
        }
        Err(invalid) => {
            let (namespace, name) = (invalid.metadata.namespace.as_deref(), invalid.metadata.name.as_deref());
            let key = ObjectKey::new(K::METRIC, namespace.unwrap_or_default(), name.unwrap_or_default());
            context.decoded(key, gone);
            error!(kind = K::NAME, namespace, name, error = %invalid.error, "cannot read this object; correct or delete it");
            None
        }
    };
    Some(match event {
        watcher::Event::Apply(object) => watcher::Event::Apply(open(object)?),
        watcher::Event::Delete(object) => watcher::Event::Delete(open(object)?),
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitApply(object) => watcher::Event::InitApply(open(object)?),
        watcher::Event::InitDone => watcher::Event::InitDone,
    })
}

/// A pass never fails outwardly: what went wrong decides when the object is looked at again.
async fn reconcile<K: Controlled>(object: Arc<K>, context: &Arc<Context>) -> Action {
    let key = object_key(&*object);
    let span = debug_span!("pass", kind = K::NAME, namespace = %key.namespace, name = %key.name);
    run_pass(object, key, context).instrument(span).await
}

async fn run_pass<K: Controlled>(object: Arc<K>, key: ObjectKey, context: &Arc<Context>) -> Action {
    let memory = K::memories(context).of(&object.uid().unwrap_or_default());
    if let Some(left) = memory.pause_left(object.meta().generation, Instant::now()) {
        return Action::requeue(left);
    }
    // Also a pass that nothing but a wake has asked for is waited for: one that hangs must show.
    context.health.waiting(&key);
    // The lane of the reads that a pass needs; each write has its own (rules.md *Gate*).
    let lane = if K::is_urgent(&object) { Lane::Deletes } else { Lane::Creates };
    let outcome = Errand::new(lane).run(K::pass(context, object.clone())).await;
    context.health.served(&key);
    if let Some(latest) = K::cache(context).get(&key.namespace, &key.name) {
        tell(context, &key, K::conditions(&latest));
        context.metrics.set_suspended(&key, K::is_suspended(context, &latest));
        K::measure(context, &key, &latest);
    }
    match outcome {
        Ok(done) => {
            memory.succeeded();
            context.confirmed(&key);
            let latest = K::cache(context).get(&key.namespace, &key.name).unwrap_or(object);
            context.metrics.reconciled(K::METRIC, outcome_of(K::conditions(&latest)));
            done.again.map_or_else(Action::await_change, Action::requeue)
        }
        Err(PassError::Gone) => Action::await_change(),
        Err(PassError::Later(wait)) => Action::requeue(wait),
        // Not the object's failure: either the lease is renewed soon, or this process ends.
        Err(PassError::Provider(CallError::Fenced)) => Action::requeue(context.timing.backoff.0),
        Err(PassError::Conflict) => {
            let wait = memory.conflicted(context.timing.conflict, context.timing.backoff.1);
            conflicted(&*object, wait, context).await
        }
        Err(error) => {
            context.metrics.reconciled(K::METRIC, Outcome::Failed);
            let wait = memory.failed(context.timing.backoff, error.retry_after(), Instant::now());
            debug!(%error, seconds = wait.as_secs_f64(), "the pass failed; trying again");
            if let Err(error) = K::first_status(context, &object).await {
                debug!(%error, "the first status could not be written");
            }
            Action::requeue(wait)
        }
    }
}

/// What the metrics say of an object's conditions.
fn tell(context: &Context, key: &ObjectKey, conditions: &[Condition]) {
    context.metrics.set_conditions(key, conditions);
    let blocked = find(conditions, ConditionType::DeletionBlocked)
        .and_then(|condition| Instant::now().checked_sub(elapsed(condition.last_transition_time.0, Timestamp::now())));
    context.metrics.set_deletion_blocked(key, blocked);
}

fn outcome_of(conditions: &[Condition]) -> Outcome {
    if is_true(conditions, ConditionType::Stalled) {
        Outcome::Stalled
    } else if is_true(conditions, ConditionType::Reconciling) {
        Outcome::Waiting
    } else {
        Outcome::InSync
    }
}

/// Somebody else wrote first: read the object as it is now and plan again.
async fn conflicted<K: Controlled>(object: &K, wait: Duration, context: &Arc<Context>) -> Action {
    let writer = super::write::Writer { context, cache: K::cache(context) };
    match writer.read(object).await {
        Ok(_) => Action::requeue(wait),
        Err(PassError::Gone) => Action::await_change(),
        Err(_) => Action::requeue(wait.max(context.timing.backoff.0)),
    }
}
