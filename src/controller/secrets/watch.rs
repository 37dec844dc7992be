//! Watches the metadata of Secrets; their data never enters this process this way.
//!
//! Nothing is stored: an event names a Secret, and whoever refers to it forgets what it read and is planned again.

use std::collections::HashSet;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tracing::warn;

use crate::api::IN_USE_FINALIZER;
use crate::controller::account_kind;
use crate::controller::context::Context;
use crate::controller::found_by;
use crate::controller::wakes;
use crate::plan::endpoint::secret_name;

/// Watches until the process ends.
pub async fn watch(context: Arc<Context>, namespace: Option<String>) {
    // Before the caches are filled, a Secret that an account uses would look like one that nobody refers to.
    tokio::select! {
        () = context.shutdown.cancelled() => return,
        () = context.synced() => {}
    }
    let api: Api<PartialObjectMeta<Secret>> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut relisted: HashSet<(String, String)> = HashSet::new();
    loop {
        let event = tokio::select! {
            () = context.shutdown.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(watcher::Event::Apply(secret))) => changed(&context, &secret, false).await,
            Ok(Some(watcher::Event::Delete(secret))) => changed(&context, &secret, true).await,
            Ok(Some(watcher::Event::Init)) => relisted.clear(),
            Ok(Some(watcher::Event::InitApply(secret))) => {
                let name = (secret.namespace().unwrap_or_default(), secret.name_any());
                // Of the thousands that a cluster may have, those that something here refers to.
                let key = found_by::secret(&name.0, &name.1);
                let of_account = || !account_kind::using_secret(&context, &name.0, &name.1).is_empty();
                if !context.endpoint_cache.find(key).is_empty() || of_account() {
                    relisted.insert(name);
                }
                changed(&context, &secret, false).await;
            }
            Ok(Some(watcher::Event::InitDone)) => {
                vanished(&context, namespace.as_deref(), &relisted);
                relisted = HashSet::new();
            }
            Ok(None) => return,
            Err(error) => warn!(%error, "watching Secrets failed; trying again"),
        }
    }
}

/// A Secret has changed: whoever refers to it reads it anew.
async fn changed(context: &Context, secret: &PartialObjectMeta<Secret>, gone: bool) {
    let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
    let version = secret.resource_version().filter(|_| !gone);
    let within = |own: Option<&String>| own.is_some_and(|own| *own == namespace);
    for endpoint in context.endpoint_cache.find(found_by::secret(&namespace, &name)) {
        let uses = within(endpoint.metadata.namespace.as_ref()) && secret_name(&endpoint) == name;
        if uses && context.endpoint_memory_outdated(&endpoint, version.as_deref()) {
            wakes::wake(context, &*endpoint);
        }
    }
    let mut referred = false;
    for account in account_kind::using_secret(context, &namespace, &name) {
        referred = true;
        if context.account_memory_outdated(&account, (&namespace, &name), version.as_deref()) {
            account.wake(context);
        }
    }
    // No account refers to it any more, perhaps since a time when this process did not run.
    let held = secret.finalizers().iter().any(|finalizer| finalizer == IN_USE_FINALIZER);
    if held
        && !referred
        && !gone
        && let Err(error) = super::let_go(context, &namespace, &name, None).await
    {
        warn!(%error, namespace, name, "cannot release a Secret that no account uses");
    }
}

/// After a new list: what was read before and is not in it has been deleted while nobody watched.
fn vanished(context: &Context, namespace: Option<&str>, listed: &HashSet<(String, String)>) {
    let covered = |own: Option<&String>| namespace.is_none_or(|namespace| own.is_some_and(|own| own == namespace));
    let is_listed =
        |namespace: Option<&String>, name: String| listed.contains(&(namespace.cloned().unwrap_or_default(), name));
    for endpoint in context.endpoint_cache.all() {
        let own = endpoint.metadata.namespace.as_ref();
        if covered(own) && !is_listed(own, secret_name(&endpoint)) && context.endpoint_memory_outdated(&endpoint, None)
        {
            wakes::wake(context, &*endpoint);
        }
    }
    for account in account_kind::all(context) {
        for (within, name) in account.secrets() {
            let within = within.to_owned();
            let lost = covered(Some(&within)) && !is_listed(Some(&within), name.to_owned());
            if lost && context.account_memory_outdated(&account, (&within, name), None) {
                account.wake(context);
            }
        }
    }
}
