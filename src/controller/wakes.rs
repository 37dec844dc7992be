//! From a change to exactly the objects concerned (rules.md *Mirror*).

use super::accounts::{AccountName, RealmHandle};
use super::claims;
use super::context::Context;
use super::kinds::Controlled;
use crate::api::WebhookEndpoint;
use crate::plan::pairs::Sibling;
use crate::provider::mirror::Changes;
use crate::provider::model::canonical_url;

/// Wakes every endpoint and subscription of an account.
pub fn dependants(context: &Context, account: &AccountName) {
    for endpoint in context.endpoint_cache.of_namespace(&account.0) {
        if endpoint.spec.account_ref.name == account.1 {
            wake(context, &*endpoint);
            subscriptions_of(context, &endpoint);
        }
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
    let namespace = endpoint.metadata.namespace.as_deref().unwrap_or_default();
    if let Some(account) = context.account_cache.get(namespace, &endpoint.spec.account_ref.name) {
        wake(context, &*account);
    }
}

/// Wakes the other endpoints with the same target URL: one of them may have the better right to it now.
pub fn same_url(context: &Context, endpoint: &WebhookEndpoint) {
    let Some(url) = canonical_url(&endpoint.spec.target_url) else { return };
    for other in context.endpoint_cache.all() {
        let same = canonical_url(&other.spec.target_url).as_deref() == Some(&url);
        if same && other.metadata.uid != endpoint.metadata.uid {
            wake(context, &*other);
        }
    }
}

/// Wakes subscriptions that still have something applied on the remote endpoint of an object that is gone.
pub fn applied_on(context: &Context, endpoint: &WebhookEndpoint) {
    let Some(id) = endpoint.status.as_ref().and_then(|status| status.remote_id.as_ref()) else { return };
    for subscription in
        context.subscription_cache.of_namespace(endpoint.metadata.namespace.as_deref().unwrap_or_default())
    {
        let applied = subscription.status.as_ref().and_then(|status| status.applied.as_ref());
        if applied.is_some_and(|applied| {
            applied.endpoint_remote_id.as_ref() == Some(id) || applied.moving_endpoint_remote_ids.contains(id)
        }) {
            wake(context, &*subscription);
        }
    }
}

/// Wakes the accounts of a realm.
pub fn accounts_of(context: &Context, handle: &RealmHandle) {
    for (namespace, name) in handle.members() {
        if let Some(account) = context.account_cache.get(&namespace, &name) {
            wake(context, &*account);
        }
    }
}

/// Wakes whom a change of the mirror concerns.
pub fn changes(context: &Context, handle: &RealmHandle, changes: &Changes) {
    accounts_of(context, handle);
    for endpoint in claims::endpoints_in(context, handle) {
        let id = endpoint.status.as_ref().and_then(|status| status.remote_id.as_deref());
        let named = changes.endpoints.iter().any(|changed| claims::ids(&endpoint).any(|id| id == changed.as_str()));
        let same_url =
            !changes.urls.is_empty() && claims::urls(&endpoint).iter().any(|url| changes.urls.contains(url.as_str()));
        let rows = id.is_some_and(|id| changes.pairs.iter().any(|(endpoint, _)| endpoint.as_str() == id));
        if named || same_url || rows || changes.world {
            wake(context, &*endpoint);
        }
        if changes.practices || changes.world {
            subscriptions_of(context, &endpoint);
        } else if rows {
            declarers(context, handle, &endpoint, changes);
        }
    }
}

/// Wakes the subscriptions of an endpoint that declare a changed pair.
fn declarers(context: &Context, handle: &RealmHandle, endpoint: &WebhookEndpoint, changes: &Changes) {
    let (Some(namespace), Some(name)) = (&endpoint.metadata.namespace, &endpoint.metadata.name) else { return };
    let catalogue = handle.realm.provider().catalogue();
    let id = endpoint.status.as_ref().and_then(|status| status.remote_id.as_deref());
    let pairs: Vec<_> = handle.realm.read(|mirror| {
        let here = changes.pairs.iter().filter(|(endpoint, _)| Some(endpoint.as_str()) == id);
        here.filter_map(|(_, key)| mirror.practice_of(key).map(|practice| (practice.cloned(), key.clone()))).collect()
    });
    for subscription in claims::subscriptions(context, namespace, name) {
        let sibling = Sibling { object: &subscription, older: false };
        let concerned = pairs.iter().any(|(practice, key)| sibling.declares(practice.as_deref(), key, catalogue));
        if concerned || subscription.metadata.deletion_timestamp.is_some() {
            wake(context, &*subscription);
        }
    }
}
