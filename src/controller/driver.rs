//! One loop for every kind: watch, wake, plan, execute, back off. Kinds differ only in their pass.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::channel::mpsc;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::{Controller, WatchStreamExt, controller, reflector, watcher};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, debug, debug_span, error, warn};

use super::accounts::Accounts;
use super::cache::{Cache, Kind, Watched};
use super::context::{Config, Context, Error};
use super::error::PassError;
use super::events::Events;
use super::kinds::{Controlled, Sight};
use super::memory::Memories;
use super::secrets;
use crate::api::{ConditionType, ProviderAccount, WebhookEndpoint, WebhookSubscription};
use crate::plan::condition::{find, is_true};
use crate::plan::elapsed;
use crate::provider::http::HttpClient;
use crate::runtime::metrics::{ObjectKey, Outcome};

/// Most steps of one pass; an object that needs more is woken again, so that others have their turn.
pub const MAX_STEPS: usize = 64;

/// Passes at the same time, of one kind.
const CONCURRENCY: u16 = 32;

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

/// What is needed to start the controllers of one kind.
struct Start<K: Kind> {
    scopes: Vec<Scope<K>>,
}

/// One watched scope before it starts.
struct Scope<K: Kind> {
    namespace: Option<String>,
    writer: reflector::store::Writer<K>,
    wakes: mpsc::UnboundedReceiver<reflector::ObjectRef<K>>,
    filled: CancellationToken,
}

/// Runs all controllers until the process is asked to stop.
///
/// # Errors
/// See [`Error`].
pub async fn run(config: Config) -> Result<(), Error> {
    let http = HttpClient::new(config.timing.calls, None).map_err(|error| Error::HttpClient(error.to_string()))?;
    let namespaces: Vec<Option<String>> = match config.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let (account_cache, accounts) = prepare::<ProviderAccount>(&namespaces);
    let (endpoint_cache, endpoints) = prepare::<WebhookEndpoint>(&namespaces);
    let (subscription_cache, subscriptions) = prepare::<WebhookSubscription>(&namespaces);
    let context = Arc::new(Context {
        events: Events::new(config.client.clone(), std::env::var("POD_NAME").ok(), config.timing.kube_call),
        client: config.client,
        timing: config.timing,
        metrics: config.metrics,
        health: config.health,
        http,
        allowed_base_urls: config.allowed_base_urls,
        process_started: Timestamp::now(),
        accounts: Accounts::default(),
        account_cache,
        endpoint_cache,
        subscription_cache,
        account_memory: Memories::new(),
        endpoint_memory: Memories::new(),
        subscription_memory: Memories::new(),
        unconfirmed: Mutex::default(),
        tasks: tokio_util::task::TaskTracker::new(),
        shutdown: config.shutdown.child_token(),
    });
    let _end = context.shutdown.clone().drop_guard();
    let mut running: Vec<BoxFuture<'static, &'static str>> = Vec::new();
    running.extend(accounts.run(&context));
    running.extend(endpoints.run(&context));
    running.extend(subscriptions.run(&context));
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

fn prepare<K: Controlled>(namespaces: &[Option<String>]) -> (Cache<K>, Start<K>) {
    let (mut watched, mut scopes) = (Vec::new(), Vec::new());
    for namespace in namespaces {
        let (store, writer) = reflector::store();
        let (wake, wakes) = mpsc::unbounded();
        let filled = CancellationToken::new();
        watched.push(Watched { namespace: namespace.clone(), store, wake, filled: filled.clone() });
        scopes.push(Scope { namespace: namespace.clone(), writer, wakes, filled });
    }
    (Cache::new(watched), Start { scopes })
}

impl<K: Controlled> Start<K> {
    fn run(self, context: &Arc<Context>) -> Vec<BoxFuture<'static, &'static str>> {
        self.scopes.into_iter().map(|scope| scope.run(context.clone())).collect()
    }
}

impl<K: Controlled> Scope<K> {
    fn run(self, context: Arc<Context>) -> BoxFuture<'static, &'static str> {
        let api: Api<DeserializeGuard<K>> = match &self.namespace {
            Some(namespace) => Api::namespaced(context.client.clone(), namespace),
            None => Api::all(context.client.clone()),
        };
        let reader = self.writer.as_reader();
        let mut sight = Sight::new(context.clone(), self.namespace.clone());
        let stream = watcher(api, watcher::Config::default())
            .default_backoff()
            .try_filter_map(|event| std::future::ready(Ok(decoded(event))))
            .inspect_ok(move |event| sight.see(event))
            .reflect(self.writer)
            .inspect_ok(move |event| {
                if matches!(event, watcher::Event::InitDone) {
                    self.filled.cancel();
                }
            })
            .applied_objects();
        let stop = context.shutdown.clone();
        Controller::for_stream(stream, reader)
            .with_config(controller::Config::default().concurrency(CONCURRENCY))
            .reconcile_on(self.wakes)
            .graceful_shutdown_on(async move { stop.cancelled().await })
            .run(reconcile::<K>, |_, _: &Never, _| Action::await_change(), context)
            .for_each(|outcome| async move {
                match outcome {
                    Ok(_) => {}
                    Err(controller::Error::ObjectNotFound(object)) => debug!(%object, "gone before its pass"),
                    Err(other) => warn!(error = %other, "a watch failed; trying again"),
                }
            })
            .map(|()| K::NAME)
            .boxed()
    }
}

/// A pass never fails outwardly: what went wrong decides when the object is looked at again.
#[derive(Debug, thiserror::Error)]
enum Never {}

/// One object that cannot be decoded must not hide the others, so it is left out here and keeps what it had.
fn decoded<K: Controlled>(event: watcher::Event<DeserializeGuard<K>>) -> Option<watcher::Event<K>> {
    let open = |guard: DeserializeGuard<K>| match guard.0 {
        Ok(mut object) => {
            object.meta_mut().managed_fields = None;
            Some(object)
        }
        Err(invalid) => {
            let (namespace, name) = (invalid.metadata.namespace.as_deref(), invalid.metadata.name.as_deref());
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

async fn reconcile<K: Controlled>(seen: Arc<K>, context: Arc<Context>) -> Result<Action, Never> {
    // Plans look at all kinds; half-filled caches would show references missing that are there.
    context.synced().await;
    let object = K::cache(&context).latest(seen);
    let key = object_key(&*object);
    let span = debug_span!("pass", kind = K::NAME, namespace = %key.namespace, name = %key.name);
    Ok(run_pass(object, key, &context).instrument(span).await)
}

async fn run_pass<K: Controlled>(object: Arc<K>, key: ObjectKey, context: &Arc<Context>) -> Action {
    let memory = K::memories(context).of(&object.uid().unwrap_or_default());
    if let Some(left) = memory.pause_left(object.meta().generation, Instant::now()) {
        return Action::requeue(left);
    }
    let outcome = K::pass(context, object.clone()).await;
    context.health.served(&key);
    if let Some(latest) = K::cache(context).get(&key.namespace, &key.name) {
        tell(context, &key, K::conditions(&latest));
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
        Err(PassError::Conflict) => conflicted(&*object, context).await,
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
async fn conflicted<K: Controlled>(object: &K, context: &Arc<Context>) -> Action {
    let writer = super::write::Writer { context, cache: K::cache(context) };
    match writer.read(object).await {
        Ok(_) => Action::requeue(context.timing.conflict),
        Err(PassError::Gone) => Action::await_change(),
        Err(_) => Action::requeue(context.timing.backoff.0),
    }
}
