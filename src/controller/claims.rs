//! Which object holds which remote endpoint, and which objects want the same URL (rules.md *Realm*, *Which remote is mine*).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use kube::ResourceExt;

use super::accounts::RealmHandle;
use super::context::Context;
use crate::api::{ConditionType, DeletionPolicy, REMOTE_FINALIZER, WebhookEndpoint, WebhookSubscription};
use crate::plan::condition::is_true;
use crate::provider::model::{RemoteId, canonical_url};

/// The realm of an endpoint object, where its account has one.
pub fn realm_of(context: &Context, endpoint: &WebhookEndpoint) -> Option<Arc<RealmHandle>> {
    let namespace = endpoint.metadata.namespace.as_deref()?;
    context.accounts.get(namespace, &endpoint.spec.account_ref.name)?.realm
}

/// Ids that an object holds or is removing.
pub fn ids(endpoint: &WebhookEndpoint) -> impl Iterator<Item = &str> {
    let status = endpoint.status.as_ref();
    let held = status.and_then(|status| status.remote_id.as_deref());
    let removing = status.map(|status| status.removing.as_slice()).unwrap_or_default();
    held.into_iter().chain(removing.iter().map(String::as_str))
}

/// Everything that objects other than this one hold at an origin, over all its realms: ids are unique there.
pub fn held_by_others(context: &Context, object: &WebhookEndpoint, origin: &str) -> HashSet<RemoteId> {
    let others = context.endpoint_cache.all();
    let others = others.iter().filter(|other| other.metadata.uid != object.metadata.uid);
    let at_origin =
        others.filter(|other| realm_of(context, other).is_none_or(|handle| handle.realm.key().origin == origin));
    at_origin.flat_map(|other| ids(other).map(RemoteId::new).collect::<Vec<_>>()).collect()
}

/// Endpoint objects of a realm.
pub fn endpoints_in(context: &Context, handle: &RealmHandle) -> Vec<Arc<WebhookEndpoint>> {
    let members = handle.members();
    let mut endpoints = context.endpoint_cache.all();
    endpoints.retain(|endpoint| {
        let (namespace, account) = (endpoint.metadata.namespace.as_deref(), &endpoint.spec.account_ref.name);
        members.iter().any(|(own, name)| Some(own.as_str()) == namespace && name == account)
    });
    endpoints
}

/// Everything that objects hold in a realm.
pub fn held_in(context: &Context, handle: &RealmHandle) -> HashSet<RemoteId> {
    let endpoints = endpoints_in(context, handle);
    endpoints.iter().flat_map(|endpoint| ids(endpoint)).map(RemoteId::new).collect()
}

/// Canonical URLs under which something of an endpoint object may stand: the spec's, and those that an intent asked for,
/// because the spec may have been edited since.
pub fn urls(endpoint: &WebhookEndpoint) -> BTreeSet<String> {
    let status = endpoint.status.as_ref();
    let pending = status.and_then(|status| status.pending_create.as_ref()?.target_url.as_ref());
    let last = status.and_then(|status| status.last_create.as_ref()?.target_url.as_ref());
    let urls = [Some(&endpoint.spec.target_url), pending, last];
    urls.into_iter().flatten().filter_map(|url| canonical_url(url)).collect()
}

/// The name of an object with the better right to this object's target URL: the one that holds an id, then the older,
/// then the lower UID.
pub fn rival(context: &Context, object: &WebhookEndpoint, handle: &RealmHandle) -> Option<String> {
    let url = canonical_url(&object.spec.target_url)?;
    let rank = |endpoint: &WebhookEndpoint| {
        let holds = endpoint.status.as_ref().is_some_and(|status| status.remote_id.is_some());
        (!holds, endpoint.creation_timestamp().map(|time| time.0), endpoint.uid())
    };
    let own = rank(object);
    let better = endpoints_in(context, handle).into_iter().filter(|other| {
        other.metadata.uid != object.metadata.uid
            && canonical_url(&other.spec.target_url).as_deref() == Some(&url)
            && rank(other) < own
    });
    better.min_by_key(|other| rank(other)).map(|other| match other.namespace() == object.namespace() {
        true => other.name_any(),
        // Names of other namespaces are not for this one's eyes.
        false => "(in another namespace)".to_owned(),
    })
}

/// The object that holds a remote endpoint, in a namespace.
pub fn holder(context: &Context, namespace: &str, id: &str) -> Option<Arc<WebhookEndpoint>> {
    let mut endpoints = context.endpoint_cache.of_namespace(namespace).into_iter();
    endpoints.find(|endpoint| ids(endpoint).any(|held| held == id))
}

/// Subscriptions of one endpoint object.
pub fn subscriptions(context: &Context, namespace: &str, endpoint: &str) -> Vec<Arc<WebhookSubscription>> {
    let mut subscriptions = context.subscription_cache.of_namespace(namespace);
    subscriptions.retain(|subscription| subscription.spec.endpoint_ref.name == endpoint);
    subscriptions
}

/// How many subscriptions of an endpoint object are at work, so that what they declare may not be delivered yet.
pub fn unsettled(context: &Context, endpoint: &WebhookEndpoint) -> usize {
    let subscriptions = subscriptions(context, &endpoint.namespace().unwrap_or_default(), &endpoint.name_any());
    let held = endpoint.status.as_ref().and_then(|status| status.remote_id.as_ref());
    subscriptions.iter().filter(|subscription| !is_settled(subscription, held)).count()
}

/// Whether a subscription has come to rest on this remote endpoint, or is on its way out.
pub fn is_settled(subscription: &WebhookSubscription, held: Option<&String>) -> bool {
    let Some(status) = &subscription.status else { return false };
    let applied = status.applied.as_ref().and_then(|applied| applied.endpoint_remote_id.as_ref());
    subscription.metadata.deletion_timestamp.is_some()
        || subscription.spec.suspend
        || applied == held && !is_true(&status.conditions, ConditionType::Reconciling)
}

/// How many subscriptions of an endpoint object must leave before it: those that are going and still have rows to delete,
/// and all that have a hold while their account releases its objects.
pub fn leaving(context: &Context, endpoint: &WebhookEndpoint, releasing: bool) -> usize {
    let subscriptions = subscriptions(context, &endpoint.namespace().unwrap_or_default(), &endpoint.name_any());
    let leaving = |subscription: &Arc<WebhookSubscription>| {
        (releasing
            || subscription.metadata.deletion_timestamp.is_some()
                && subscription.spec.deletion_policy == DeletionPolicy::Delete)
            && subscription.finalizers().iter().any(|finalizer| finalizer == REMOTE_FINALIZER)
    };
    subscriptions.iter().filter(|subscription| leaving(subscription)).count()
}
