//! From a change to exactly the objects concerned (rules.md *Mirror*).

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use super::account_kind;
use super::accounts::{AccountName, RealmHandle};
use super::claims;
use super::context::Context;
use super::found_by;
use super::kinds::Controlled;
use super::monitor;
use crate::api::{PracticeSyncMonitor, WebhookEndpoint, WebhookSubscription};
use crate::plan::rotation::Pair;
use crate::provider::mirror::Changes;
use crate::provider::model::{RemoteId, RowKey, canonical_url};

/// Wakes every endpoint, subscription and monitor of an account.
pub fn dependants(context: &Context, account: &AccountName) {
    for endpoint in claims::endpoints_of(context, account) {
        wake(context, &*endpoint);
        subscriptions_of(context, &endpoint);
    }
    monitors_of(context, account);
}

/// Wakes every monitor of an account.
fn monitors_of(context: &Context, account: &AccountName) {
    for object in monitor::of_account(context, account) {
        wake(context, &*object);
    }
}

/// An outage of many practices has begun or ended: the account says so, and its monitors give another reason.
pub fn outage(context: &Context, account: &AccountName) {
    if let Some(account) = account_kind::get(context, account) {
        account.wake(context);
    }
    monitors_of(context, account);
}

/// Wakes the monitors that watch every practice of an account, because one that names a practice has come or gone.
pub fn fleets(context: &Context, object: &PracticeSyncMonitor) {
    for other in monitor::fleets_beside(context, object) {
        wake(context, &*other);
    }
}

/// Wakes an object that waits: what it waits for has changed.
pub fn wake<K: Controlled>(context: &Context, object: &K) {
    if let Some(memory) = object.meta().uid.as_deref().and_then(|uid| K::memories(context).get(uid)) {
        memory.end_pause();
    }
    K::cache(context).wake(object);
}

/// Wakes every subscription on an endpoint object.
pub fn subscriptions_of(context: &Context, endpoint: &WebhookEndpoint) {
    let (Some(namespace), Some(name)) = (&endpoint.metadata.namespace, &endpoint.metadata.name) else { return };
    for subscription in claims::subscriptions(context, namespace, name) {
        wake(context, &*subscription);
    }
}

/// Wakes the account of an endpoint.
pub fn account_of(context: &Context, endpoint: &WebhookEndpoint) {
    if let Some(account) = account_kind::get(context, &account_kind::of_endpoint(endpoint)) {
        account.wake(context);
    }
}

/// Wakes the other endpoints with the same target URL: one of them may have the better right to it now.
pub fn same_url(context: &Context, endpoint: &WebhookEndpoint) {
    let Some(url) = canonical_url(&endpoint.spec.target_url) else { return };
    for other in context.endpoint_cache.find(found_by::url(&url)) {
        let same = canonical_url(&other.spec.target_url).as_deref() == Some(&url);
        if same && other.metadata.uid != endpoint.metadata.uid {
            wake(context, &*other);
        }
    }
}

/// Wakes subscriptions that still have something applied on the remote endpoint of an object that is gone.
pub fn applied_on(context: &Context, endpoint: &WebhookEndpoint) {
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    for id in claims::ids(endpoint) {
        for subscription in claims::applied_on(context, namespace, id) {
            wake(context, &*subscription);
        }
    }
}

/// Wakes the accounts of a realm.
pub fn accounts_of(context: &Context, handle: &RealmHandle) {
    for account in handle.members() {
        if let Some(account) = account_kind::get(context, &account) {
            account.wake(context);
        }
    }
}

/// Plans an object again when its counters may be written: nothing but them has changed.
pub fn count<K: Controlled>(context: &Context, object: &K) {
    let memory = object.meta().uid.as_deref().and_then(|uid| K::memories(context).get(uid));
    let due = memory.map_or(Ok(()), |memory| memory.counters_due(context.timing.plan.counters, Instant::now()));
    K::cache(context).wake_within(object, due.err().unwrap_or_default());
}

/// Wakes whom a change of the mirror concerns.
pub fn changes(context: &Context, handle: &RealmHandle, changes: &Changes) {
    let Changes { endpoints, urls, pairs, practices, world } = changes;
    if *world || *practices || !endpoints.is_empty() || !urls.is_empty() {
        accounts_of(context, handle);
    } else {
        for account in handle.members() {
            if let Some(account) = account_kind::get(context, &account) {
                account.count(context);
            }
        }
    }
    if *practices {
        handle.members().iter().for_each(|account| monitors_of(context, account));
    }
    if *world || *practices {
        for endpoint in claims::endpoints_in(context, handle) {
            if *world {
                wake(context, &*endpoint);
            }
            subscriptions_of(context, &endpoint);
        }
    }
    let holders = endpoints.iter().flat_map(|id| claims::holders_in(context, handle, id));
    let at_urls = urls.iter().flat_map(|url| claims::with_url_in(context, handle, url));
    let concerned: HashMap<_, _> =
        holders.chain(at_urls).map(|endpoint| (endpoint.metadata.uid.clone(), endpoint)).collect();
    for endpoint in concerned.values() {
        wake(context, &**endpoint);
        // What may be subscribed depends on where the remote endpoint delivers to.
        if account_kind::is_shared(&account_kind::of_endpoint(endpoint)) {
            subscriptions_of(context, endpoint);
        }
    }
    let mut rows: HashMap<&RemoteId, Vec<&RowKey>> = HashMap::new();
    for (id, key) in pairs {
        rows.entry(id).or_default().push(key);
    }
    for (id, keys) in rows {
        for endpoint in claims::holders_in(context, handle, id) {
            // An endpoint that goes may have waited for its rows to go, and one that rotates moves what it finds.
            let rotates = endpoint.status.as_ref().is_some_and(|status| Pair::of(status).is_some());
            if rotates || endpoint.metadata.deletion_timestamp.is_some() {
                wake(context, &*endpoint);
            } else {
                count(context, &*endpoint);
            }
            declarers(context, handle, &endpoint, &keys);
            // Those that have left for another endpoint and still have something here, which a rotation may move.
            if rotates {
                let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
                let name = endpoint.metadata.name.as_deref().unwrap_or_default();
                for place in claims::ids(&endpoint) {
                    let left = claims::applied_on(context, namespace, place).into_iter();
                    left.filter(|one| one.spec.endpoint_ref.name != name).for_each(|one| wake(context, &*one));
                }
            }
        }
    }
}

/// Wakes the subscriptions of an endpoint that declare or have applied a changed pair. Those that are going find rows of
/// practices that the key no longer reaches by their ids.
fn declarers(context: &Context, handle: &RealmHandle, endpoint: &WebhookEndpoint, keys: &[&RowKey]) {
    let (Some(namespace), Some(name)) = (&endpoint.metadata.namespace, &endpoint.metadata.name) else { return };
    let (named, unreached) = handle.realm.read(|mirror| {
        let practices = keys.iter().map(|key| (mirror.practice_of(key).map(Option::<&Arc<str>>::cloned), &*key.event));
        let (named, unreached): (Vec<_>, Vec<_>) = practices.partition(|(practice, _)| practice.is_some());
        (named, !unreached.is_empty())
    });
    let mut found: Vec<Arc<WebhookSubscription>> = Vec::new();
    for (practice, event) in named {
        let practice = practice.flatten();
        found.extend(claims::declarers(context, (namespace, name), practice.as_deref(), event));
    }
    if unreached {
        found.extend(claims::going(context, namespace, name));
    }
    let concerned: HashMap<_, _> = found.into_iter().map(|found| (found.metadata.uid.clone(), found)).collect();
    for subscription in concerned.values() {
        wake(context, &**subscription);
    }
}
