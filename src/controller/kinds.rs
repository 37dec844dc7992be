//! What the driver must know of each kind, and whom an event of one kind concerns among the others.

use std::marker::PhantomData;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;
use kube::runtime::watcher::Event;

use super::account_kind::{self, AccountKind};
use super::cache::{Cache, Kind, Put};
use super::context::Context;
use super::driver::{Done, object_key};
use super::error::PassError;
use super::memory::Memories;
use super::rotation_facts::rotation_facts;
use super::write::Writer;
use super::{account, claims, endpoint, monitor, policy, subscription, wakes};
use crate::api::{
    ClusterProviderAccount, PracticeSyncMonitor, ProviderAccount, RECONCILE_REQUESTED_AT, Reason, WebhookEndpoint,
    WebhookSubscription,
};
use crate::plan::condition::Report;
use crate::runtime::metrics::{self, ObjectKey};

/// A kind that has a controller.
pub trait Controlled: Kind + PartialEq {
    /// Its name in logs.
    const NAME: &'static str;
    /// Its name in metrics.
    const METRIC: metrics::Kind;
    /// What this process remembers of one object.
    type Mind: Default + Send + 'static;

    /// Its cache.
    fn cache(context: &Context) -> &Cache<Self>;
    /// Its memories.
    fn memories(context: &Context) -> &Memories<Self::Mind>;
    /// The stored conditions.
    fn conditions(object: &Self) -> &[Condition];
    /// Whether the object is held back from writing at the provider.
    fn is_suspended(context: &Context, object: &Self) -> bool;
    /// Whether everything that a pass over it calls goes in the lane of deletes (rules.md *Gate*).
    fn is_urgent(object: &Self) -> bool {
        object.meta().deletion_timestamp.is_some()
    }
    /// What metrics say of its status besides the conditions.
    fn measure(_: &Context, _: &ObjectKey, _: &Self) {}
    /// Observe, plan, execute, report.
    fn pass(context: &Arc<Context>, object: Arc<Self>) -> impl Future<Output = Result<Done, PassError>> + Send;
    /// Writes a first status if there is none: `Ready` exists from the first pass, also when that fails.
    fn first_status(context: &Arc<Context>, object: &Self) -> impl Future<Output = Result<(), PassError>> + Send;
    /// An object appeared or changed: wakes the others it concerns.
    fn applied(context: &Context, before: Option<&Self>, object: &Self);
    /// An object is gone: wakes the others it concerns.
    fn deleted(context: &Context, object: &Self);
}

/// Takes the events of one watch into the cache and wakes whom they concern.
pub struct Sight<K: Controlled> {
    context: Arc<Context>,
    watch: usize,
    namespace: Option<String>,
    /// Number of the present list: what the watch knew and the list lacks was deleted while nobody watched.
    list: u64,
    kind: PhantomData<fn(K)>,
}

impl<K: Controlled> Sight<K> {
    /// For the watch of one scope, by its number in the cache.
    pub fn new(context: Arc<Context>, watch: usize, namespace: Option<String>) -> Self {
        Self { context, watch, namespace, list: 0, kind: PhantomData }
    }

    /// One event.
    pub fn see(&mut self, event: Event<K>) {
        let cache = K::cache(&self.context);
        match event {
            Event::Apply(object) | Event::InitApply(object) => {
                // What is known already came from a write of ours; the pass that wrote it has planned on it.
                if let Put::News { before, now, replaced } = cache.see(pruned(object), self.list) {
                    replaced.into_iter().for_each(|object| vanished(&self.context, &*object));
                    appeared(&self.context, before.as_deref(), &*now);
                    cache.wake(&now);
                }
            }
            Event::Delete(object) => {
                if let Some(object) = cache.take(&object) {
                    vanished(&self.context, &*object);
                }
            }
            Event::Init => self.list += 1,
            Event::InitDone => {
                for object in cache.take_unlisted(self.namespace.as_deref(), self.list) {
                    vanished(&self.context, &*object);
                }
                cache.fill(self.watch);
            }
        }
    }
}

/// Takes what the API server returned from a write or a read of ours into the cache and wakes whom it concerns.
pub fn wrote<K: Controlled>(context: &Context, cache: &Cache<K>, object: K) -> Arc<K> {
    match cache.wrote(pruned(object)) {
        Put::Known(object) => object,
        Put::News { before, now, .. } => {
            appeared(context, before.as_deref(), &*now);
            now
        }
    }
}

/// An object without what no pass looks at. It is never sent back whole: writes are patches of single fields.
fn pruned<K: Controlled>(mut object: K) -> K {
    let meta = object.meta_mut();
    (meta.managed_fields, meta.labels, meta.owner_references) = (None, None, None);
    meta.annotations = meta.annotations.take().and_then(|mut annotations| {
        annotations.retain(|name, _| name == RECONCILE_REQUESTED_AT);
        (!annotations.is_empty()).then_some(annotations)
    });
    meta.finalizers.iter_mut().for_each(Vec::shrink_to_fit);
    object.shrink();
    object
}

fn appeared<K: Controlled>(context: &Context, before: Option<&K>, object: &K) {
    if before.is_none_or(|before| before.meta().generation != object.meta().generation) {
        context.changed(object_key(object));
    }
    K::applied(context, before, object);
}

fn vanished<K: Controlled>(context: &Context, object: &K) {
    K::memories(context).forget(&object.uid().unwrap_or_default());
    let key = object_key(object);
    context.metrics.remove_object(&key);
    context.health.served(&key);
    context.confirmed(&key);
    K::deleted(context, object);
}

/// The first conditions of an object whose first pass failed.
fn first_conditions(generation: i64) -> Vec<Condition> {
    let report = Report::unknown(Reason::Progressing, "the first pass has not come through yet; it is tried again");
    report.conditions(&[], generation, Timestamp::now())
}

/// The boilerplate that is the same for every kind.
macro_rules! controlled {
    ($kind:ident, $mind:ty, $module:ident, $cache:ident, $memory:ident) => {
        const NAME: &'static str = stringify!($kind);
        const METRIC: metrics::Kind = metrics::Kind::$kind;
        type Mind = $mind;

        fn cache(context: &Context) -> &Cache<Self> {
            &context.$cache
        }

        fn memories(context: &Context) -> &Memories<Self::Mind> {
            &context.$memory
        }

        fn conditions(object: &Self) -> &[Condition] {
            object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default()
        }

        async fn pass(context: &Arc<Context>, object: Arc<Self>) -> Result<Done, PassError> {
            $module::pass(context, object).await
        }

        async fn first_status(context: &Arc<Context>, object: &Self) -> Result<(), PassError> {
            let latest = Self::cache(context).latest(Arc::new(object.clone()));
            if !Self::conditions(&latest).is_empty() {
                return Ok(());
            }
            let generation = latest.metadata.generation.unwrap_or_default();
            let mut status = latest.status.clone().unwrap_or_default();
            status.observed_generation = generation;
            status.conditions = first_conditions(generation);
            Writer { context, cache: Self::cache(context) }.status(&latest, &status).await.map(drop)
        }
    };
}

impl Controlled for ProviderAccount {
    controlled!(ProviderAccount, account::AccountMemory, account, account_cache, account_memory);

    fn is_suspended(_: &Context, object: &Self) -> bool {
        policy::of_account(&object.spec, &object.metadata).observe
    }

    /// Its own pass tells the dependants.
    fn applied(_: &Context, _: Option<&Self>, _: &Self) {}

    fn deleted(context: &Context, object: &Self) {
        let name = (object.namespace().unwrap_or_default(), object.name_any());
        context.accounts.forget(&name);
        wakes::dependants(context, &name);
    }
}

impl Controlled for ClusterProviderAccount {
    controlled!(ClusterProviderAccount, account::AccountMemory, account, cluster_account_cache, cluster_account_memory);

    fn is_suspended(_: &Context, object: &Self) -> bool {
        policy::of_account(&object.spec.account, &object.metadata).observe
    }

    /// A grant that is given or withdrawn counts at once, whatever the account's own pass waits for.
    fn applied(context: &Context, before: Option<&Self>, object: &Self) {
        context.tenancy.want();
        if before.is_some_and(|before| before.spec.grants != object.spec.grants) {
            wakes::dependants(context, &object.known_as());
        }
    }

    fn deleted(context: &Context, object: &Self) {
        context.accounts.forget(&object.known_as());
        context.tenancy.forget(&object.name_any());
        wakes::dependants(context, &object.known_as());
    }
}

impl Controlled for WebhookEndpoint {
    controlled!(WebhookEndpoint, endpoint::EndpointMind, endpoint, endpoint_cache, endpoint_memory);

    fn is_suspended(context: &Context, object: &Self) -> bool {
        object.spec.suspend || policy::of_endpoint(context, object).observe
    }

    /// A deletion, and a leaked key that is being replaced.
    fn is_urgent(object: &Self) -> bool {
        let rotation = &object.spec.signing_secret.rotation;
        let handled = object.status.as_ref().and_then(|status| status.rotation.as_ref());
        let runs = handled.is_some_and(|handled| handled.phase.is_some());
        let asked = handled.and_then(|handled| handled.last_handled_request_id.as_ref()) != Some(&rotation.request_id);
        let leaked = rotation.overlap.get().is_some_and(|overlap| overlap.is_zero());
        object.metadata.deletion_timestamp.is_some() || leaked && (runs || asked)
    }

    fn measure(context: &Context, key: &ObjectKey, object: &Self) {
        context.metrics.set_rotation(key, rotation_facts(object.status.as_ref()));
        context.metrics.set_self_test(key, endpoint::self_test_facts(context, object));
    }

    fn applied(context: &Context, before: Option<&Self>, object: &Self) {
        if before.is_none_or(|before| subscription::link(before) != subscription::link(object)) {
            wakes::subscriptions_of(context, object);
        }
        let Some(before) = before else { return };
        if before.spec.target_url != object.spec.target_url {
            wakes::same_url(context, before);
            if account_kind::is_shared(&account_kind::of_endpoint(object)) {
                wakes::subscriptions_of(context, object);
            }
        }
        if before.metadata.finalizers != object.metadata.finalizers {
            wakes::account_of(context, object);
        }
    }

    fn deleted(context: &Context, object: &Self) {
        wakes::subscriptions_of(context, object);
        wakes::same_url(context, object);
        wakes::account_of(context, object);
        wakes::applied_on(context, object);
        context.losses.forget(object.metadata.uid.as_deref().unwrap_or_default());
    }
}

impl Controlled for WebhookSubscription {
    controlled!(
        WebhookSubscription,
        subscription::SubscriptionMind,
        subscription,
        subscription_cache,
        subscription_memory
    );

    fn is_suspended(context: &Context, object: &Self) -> bool {
        let namespace = object.namespace().unwrap_or_default();
        let endpoint = context.endpoint_cache.get(&namespace, &object.spec.endpoint_ref.name);
        object.spec.suspend || endpoint.is_some_and(|endpoint| policy::of_endpoint(context, &endpoint).observe)
    }

    fn applied(context: &Context, before: Option<&Self>, object: &Self) {
        let edited =
            before.map_or(!object.spec.active, |before| before.metadata.generation != object.metadata.generation);
        if edited {
            overlapping(context, before.unwrap_or(object), object);
        }
        let Some(before) = before else { return };
        let namespace = object.namespace().unwrap_or_default();
        let Some(endpoint) = context.endpoint_cache.get(&namespace, &object.spec.endpoint_ref.name) else { return };
        let held = claims::places(&endpoint).map(|(here, _)| here);
        let settled = !claims::is_settled(before, held.as_ref()) && claims::is_settled(object, held.as_ref());
        let gaps = endpoint.status.iter().flat_map(|status| &status.delivery_gaps);
        let released = before.finalizers().len() > object.finalizers().len();
        let applied = |object: &Self| object.status.as_ref().and_then(|status| status.applied.clone());
        // The endpoint may be waiting for that, to deliver to another host.
        let lent = account_kind::is_shared(&account_kind::of_endpoint(&endpoint)) && applied(before) != applied(object);
        if released || lent || settled && gaps.into_iter().any(|gap| gap.to.is_none()) {
            wakes::wake(context, &*endpoint);
        }
    }

    fn deleted(context: &Context, object: &Self) {
        overlapping(context, object, object);
        let endpoint =
            context.endpoint_cache.get(&object.namespace().unwrap_or_default(), &object.spec.endpoint_ref.name);
        if let (Some(endpoint), Some(uid)) = (endpoint.and_then(|endpoint| endpoint.uid()), object.uid()) {
            // What it had lost is nobody's any more.
            context.losses.tell(&endpoint, &uid, &[], Timestamp::now());
        }
    }
}

impl Controlled for PracticeSyncMonitor {
    controlled!(PracticeSyncMonitor, monitor::MonitorMind, monitor, monitor_cache, monitor_memory);

    fn is_suspended(_: &Context, object: &Self) -> bool {
        object.spec.suspend
    }

    /// A practice that gets a monitor of its own leaves the fleet.
    fn applied(context: &Context, before: Option<&Self>, object: &Self) {
        let leaving = object.metadata.deletion_timestamp.is_some();
        let known = before.is_some_and(|before| before.metadata.deletion_timestamp.is_some() == leaving);
        if !known && object.spec.practice.is_some() {
            wakes::fleets(context, object);
        }
    }

    fn deleted(context: &Context, object: &Self) {
        let (account, uid) = (account_kind::of_monitor(object), object.uid().unwrap_or_default());
        if context.outages.forget(&account, &object.namespace().unwrap_or_default(), &uid) {
            wakes::outage(context, &account);
        }
        wakes::fleets(context, object);
    }
}

/// Wakes the endpoint of a subscription that changed, and the siblings that may declare one of its pairs.
fn overlapping(context: &Context, before: &WebhookSubscription, object: &WebhookSubscription) {
    let namespace = object.namespace().unwrap_or_default();
    let mut names = vec![&before.spec.endpoint_ref.name];
    if object.spec.endpoint_ref != before.spec.endpoint_ref {
        names.push(&object.spec.endpoint_ref.name);
    }
    for name in names {
        if let Some(endpoint) = context.endpoint_cache.get(&namespace, name) {
            wakes::wake(context, &*endpoint);
        }
        for sibling in claims::overlapping(context, before, object, name) {
            wakes::wake(context, &*sibling);
        }
    }
}
