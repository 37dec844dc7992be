//! What accounts of the cluster lend to namespaces (`plan::grants`): the labels of namespaces, by which grants select.
//!
//! They are watched as metadata, and only once an account of the cluster is there: who has none pays for none. With
//! `--namespace` such accounts are off, and so is this.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::account_kind::is_shared;
use super::accounts::AccountName;
use super::context::Context;
use super::memory::lock;
use super::{claims, found_by, wakes};
use crate::api::{ClusterProviderAccount, WebhookEndpoint};
use crate::plan::grants::{Grants, Share};

/// Namespaces and grants, as they are known.
#[derive(Default)]
pub struct Tenancy {
    namespaces: Mutex<Namespaces>,
    /// By name of the account: of which UID and generation, and what it says.
    grants: Mutex<HashMap<String, (Version, Arc<Grants>)>>,
    /// An account of the cluster is there.
    wanted: CancellationToken,
}

/// UID and generation.
type Version = (Option<String>, Option<i64>);

#[derive(Default)]
struct Namespaces {
    /// Whether the first list is in.
    listed: bool,
    labels: HashMap<String, BTreeMap<String, String>>,
}

impl Tenancy {
    /// An account of the cluster is there: the labels of namespaces are needed from now on.
    pub fn want(&self) {
        self.wanted.cancel();
    }

    /// An account of the cluster is gone.
    pub fn forget(&self, account: &str) {
        lock(&self.grants).remove(account);
    }

    fn grants(&self, account: &ClusterProviderAccount) -> Arc<Grants> {
        let name = account.name_any();
        let version = (account.metadata.uid.clone(), account.metadata.generation);
        let mut known = lock(&self.grants);
        if let Some((of, grants)) = known.get(&name)
            && *of == version
        {
            return grants.clone();
        }
        let grants = Arc::new(Grants::new(&name, &account.spec.grants));
        known.insert(name, (version, grants.clone()));
        grants
    }

    /// Takes the labels of a namespace; answers whether they are news.
    fn see(&self, namespace: &str, labels: BTreeMap<String, String>) -> bool {
        let mut namespaces = lock(&self.namespaces);
        let before = namespaces.labels.insert(namespace.to_owned(), labels);
        before.as_ref() != namespaces.labels.get(namespace)
    }
}

/// What an account lends to a namespace now; `None` while that is not known, so that nobody is told a wrong answer. It is
/// read from the spec itself: a withdrawn grant counts at once, whatever the account's own pass waits for.
pub fn share(context: &Context, account: &AccountName, namespace: &str) -> Option<Share> {
    if !is_shared(account) {
        return Some(Share::Whole);
    }
    let Some(object) = context.cluster_account_cache.get("", &account.1) else {
        return Some(Grants::new(&account.1, &[]).share(&BTreeMap::new()));
    };
    let grants = context.tenancy.grants(&object);
    let namespaces = lock(&context.tenancy.namespaces);
    let labels = namespaces.labels.get(namespace).filter(|_| namespaces.listed)?;
    Some(grants.share(labels))
}

/// Whether an endpoint object may act, as far as its account has a say in that.
pub fn may_act(context: &Context, endpoint: &WebhookEndpoint) -> bool {
    let account = super::account_kind::of_endpoint(endpoint);
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    share(context, &account, namespace).is_some_and(|share| share.allows(endpoint, &[]).is_ok())
}

/// Watches until the process ends.
pub async fn watch(context: Arc<Context>) {
    tokio::select! {
        () = context.shutdown.cancelled() => return,
        () = context.tenancy.wanted.cancelled() => {}
    }
    let api: Api<PartialObjectMeta<Namespace>> = Api::all(context.client.clone());
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut relisted: HashSet<String> = HashSet::new();
    loop {
        let event = tokio::select! {
            () = context.shutdown.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(watcher::Event::Apply(namespace))) => changed(&context, namespace),
            Ok(Some(watcher::Event::InitApply(namespace))) => {
                relisted.insert(namespace.name_any());
                changed(&context, namespace);
            }
            // Its objects are gone before it is.
            Ok(Some(watcher::Event::Delete(namespace))) => {
                lock(&context.tenancy.namespaces).labels.remove(&namespace.name_any());
            }
            Ok(Some(watcher::Event::Init)) => relisted.clear(),
            Ok(Some(watcher::Event::InitDone)) => listed(&context, &std::mem::take(&mut relisted)),
            Ok(None) => return,
            Err(error) => warn!(%error, "watching namespaces failed; trying again"),
        }
    }
}

fn changed(context: &Context, mut namespace: PartialObjectMeta<Namespace>) {
    let (name, labels) = (namespace.name_any(), namespace.metadata.labels.take().unwrap_or_default());
    if context.tenancy.see(&name, labels) {
        wake(context, &name);
    }
}

/// A whole list is in.
fn listed(context: &Context, names: &HashSet<String>) {
    let first = {
        let mut namespaces = lock(&context.tenancy.namespaces);
        namespaces.labels.retain(|name, _| names.contains(name));
        !std::mem::replace(&mut namespaces.listed, true)
    };
    if first {
        names.iter().for_each(|name| wake(context, name));
    }
}

/// Wakes the objects of a namespace that use an account of the cluster, and those that wait for one of their target URLs.
fn wake(context: &Context, namespace: &str) {
    let within = |own: Option<&String>| own.is_some_and(|own| own == namespace);
    for endpoint in context.endpoint_cache.find(found_by::tenant(namespace)) {
        if within(endpoint.metadata.namespace.as_ref()) {
            wakes::wake(context, &*endpoint);
            wakes::subscriptions_of(context, &endpoint);
            wakes::same_url(context, &endpoint);
        }
    }
    for monitor in context.monitor_cache.find(found_by::tenant(namespace)) {
        if within(monitor.metadata.namespace.as_ref()) {
            wakes::wake(context, &*monitor);
        }
    }
}

/// The target URLs that an endpoint object delivers to: the declared one, and those of its remote endpoints as last listed.
pub fn target_urls(context: &Context, endpoint: &WebhookEndpoint) -> Vec<String> {
    let mut urls = vec![endpoint.spec.target_url.clone()];
    if let Some(handle) = claims::realm_of(context, endpoint) {
        handle.realm.read(|mirror| {
            let places =
                claims::places(endpoint).into_iter().flat_map(|(here, leaving)| leaving.into_iter().chain([here]));
            let keyring = handle.realm.provider().keyring();
            urls.extend(places.filter_map(|id| {
                let listed = mirror.endpoint(&id).map(|remote| remote.target_url.clone());
                listed.or_else(|| keyring?.target_url(&id))
            }));
        });
    }
    urls
}
