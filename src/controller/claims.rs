//! Which object holds which remote endpoint, and which objects want the same URL (rules.md *Realm*, *Which remote is mine*).
//!
//! Every question is answered from the caches' indices and costs what it is about, not all objects.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use kube::ResourceExt;

use super::account_kind;
use super::accounts::{AccountName, RealmHandle};
use super::context::Context;
use super::found_by::{self, Scope};
use super::tenancy;
use crate::api::{
    ConditionType, DeletionPolicy, REMOTE_FINALIZER, WebhookEndpoint, WebhookEndpointStatus, WebhookSubscription,
};
use crate::plan::condition::is_true;
use crate::plan::pairs;
use crate::plan::rotation::Pair;
use crate::provider::model::{RemoteId, canonical_url};

/// The realm of an endpoint object, where its account has one.
pub fn realm_of(context: &Context, endpoint: &WebhookEndpoint) -> Option<Arc<RealmHandle>> {
    context.accounts.get(&account_kind::of_endpoint(endpoint))?.realm
}

/// Ids that an object holds (both of a rotation) or is removing.
pub fn ids(endpoint: &WebhookEndpoint) -> impl Iterator<Item = &str> {
    let status = endpoint.status.as_ref();
    let held = status.and_then(|status| status.remote_id.as_deref().or(status.home.as_deref()));
    let rotation = status.and_then(|status| status.rotation.as_ref()).filter(|rotation| rotation.phase.is_some());
    let both = rotation.into_iter().flat_map(|rotation| rotation.from_remote_id.iter().chain(&rotation.to_remote_id));
    let both = both.map(String::as_str).filter(move |id| Some(*id) != held);
    let removing = status.map(|status| status.removing.as_slice()).unwrap_or_default();
    held.into_iter().chain(both).chain(removing.iter().map(String::as_str))
}

/// The remote endpoint that the subscriptions of an object are made on, and the former one of a rotation that they may
/// still be on.
pub fn places(endpoint: &WebhookEndpoint) -> Option<(RemoteId, Option<RemoteId>)> {
    let status = endpoint.status.as_ref()?;
    match Pair::of(status) {
        Some(pair) => {
            let (to, from) = pair.places();
            Some((to.clone(), from.cloned()))
        }
        None => match &status.home {
            // What is on a former home moves here, as in a rotation.
            Some(home) => Some((RemoteId::new(home), status.removing.last().map(RemoteId::new))),
            None => Some((RemoteId::new(status.remote_id.as_ref()?), None)),
        },
    }
}

/// What objects other than one hold at an origin, over all its realms: ids are unique there.
pub struct HeldByOthers<'a> {
    context: &'a Context,
    object: &'a WebhookEndpoint,
    origin: String,
}

impl HeldByOthers<'_> {
    /// Whether another object holds this, or is removing it.
    pub fn contains(&self, id: &RemoteId) -> bool {
        let others = self.context.endpoint_cache.find(found_by::held(id.as_str())).into_iter();
        others.filter(|other| other.metadata.uid != self.object.metadata.uid).any(|other| {
            // An object whose account has no realm yet may well be of this origin.
            let here = realm_of(self.context, &other).is_none_or(|handle| handle.realm.key().origin == self.origin);
            here && ids(&other).any(|held| held == id.as_str())
        })
    }
}

/// What objects other than this one hold at an origin.
pub fn held_by_others<'a>(context: &'a Context, object: &'a WebhookEndpoint, origin: &str) -> HeldByOthers<'a> {
    HeldByOthers { context, object, origin: origin.to_owned() }
}

/// Endpoint objects of an account.
pub fn endpoints_of(context: &Context, account: &AccountName) -> Vec<Arc<WebhookEndpoint>> {
    let mut endpoints = context.endpoint_cache.find(found_by::account(account));
    endpoints.retain(|endpoint| account_kind::of_endpoint(endpoint) == *account);
    endpoints
}

/// Endpoint objects of a realm.
pub fn endpoints_in(context: &Context, handle: &RealmHandle) -> Vec<Arc<WebhookEndpoint>> {
    let members = handle.members();
    members.iter().flat_map(|account| endpoints_of(context, account)).collect()
}

/// Endpoint objects of a realm that hold a remote endpoint or are removing it.
pub fn holders_in(context: &Context, handle: &RealmHandle, id: &RemoteId) -> Vec<Arc<WebhookEndpoint>> {
    let mut endpoints = context.endpoint_cache.find(found_by::held(id.as_str()));
    endpoints.retain(|endpoint| ids(endpoint).any(|held| held == id.as_str()) && is_in(context, endpoint, handle));
    endpoints
}

/// Endpoint objects of a realm under whose name something with this canonical URL may stand.
pub fn with_url_in(context: &Context, handle: &RealmHandle, canonical: &str) -> Vec<Arc<WebhookEndpoint>> {
    let mut endpoints = context.endpoint_cache.find(found_by::url(canonical));
    endpoints.retain(|endpoint| urls(endpoint).contains(canonical) && is_in(context, endpoint, handle));
    endpoints
}

fn is_in(context: &Context, endpoint: &WebhookEndpoint, handle: &RealmHandle) -> bool {
    realm_of(context, endpoint).is_some_and(|own| std::ptr::eq(&*own, handle))
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
        let holds = endpoint.status.as_ref().is_some_and(|status| status.remote_id.is_some() || status.home.is_some());
        (!holds, endpoint.creation_timestamp().map(|time| time.0), endpoint.uid())
    };
    let own = rank(object);
    let better = with_url_in(context, handle, &url).into_iter().filter(|other| {
        other.metadata.uid != object.metadata.uid
            && canonical_url(&other.spec.target_url).as_deref() == Some(&url)
            && rank(other) < own
            // One that may not act and has nothing keeps nobody from anything.
            && (claims_something(other) || tenancy::may_act(context, other))
    });
    better.min_by_key(|other| rank(other)).map(|other| match other.namespace() == object.namespace() {
        true => other.name_any(),
        // Names of other namespaces are not for this one's eyes.
        false => "(in another namespace)".to_owned(),
    })
}

/// Whether something at the provider is, or may be, an object's.
fn claims_something(endpoint: &WebhookEndpoint) -> bool {
    let status = endpoint.status.as_ref();
    let made = |status: &WebhookEndpointStatus| status.pending_create.is_some() || status.last_create.is_some();
    ids(endpoint).next().is_some() || status.is_some_and(made)
}

/// The object that holds a remote endpoint, in a namespace.
pub fn holder(context: &Context, namespace: &str, id: &str) -> Option<Arc<WebhookEndpoint>> {
    let mut endpoints = context.endpoint_cache.find(found_by::held(id)).into_iter();
    endpoints.find(|endpoint| {
        endpoint.metadata.namespace.as_deref() == Some(namespace) && ids(endpoint).any(|held| held == id)
    })
}

/// Subscriptions of one endpoint object: all of them. What is about pairs asks [`siblings`] or [`declarers`].
pub fn subscriptions(context: &Context, namespace: &str, endpoint: &str) -> Vec<Arc<WebhookSubscription>> {
    let mut subscriptions = context.subscription_cache.find(found_by::endpoint(namespace, endpoint));
    subscriptions.retain(|subscription| names(subscription, namespace, endpoint));
    subscriptions
}

/// Other subscriptions of an endpoint object that may declare, or have applied, a pair that this one declares or has
/// applied. May name too many, never too few.
pub fn siblings(context: &Context, object: &WebhookSubscription, endpoint: &str) -> Vec<Arc<WebhookSubscription>> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let mut siblings = context.subscription_cache.find_any(&found_by::shared_with(object, endpoint));
    siblings.retain(|other| other.metadata.uid != object.metadata.uid && names(other, namespace, endpoint));
    siblings
}

/// Subscriptions of an endpoint object that may declare, or have applied, this pair. May name too many, never too few.
pub fn declarers(
    context: &Context,
    (namespace, endpoint): (&str, &str),
    practice: Option<&str>,
    event: &str,
) -> Vec<Arc<WebhookSubscription>> {
    let key = |scope| found_by::pair(namespace, endpoint, event, scope);
    let mut found = match practice {
        Some(practice) => context.subscription_cache.find_any(&[key(Scope::Practice(practice)), key(Scope::Every)]),
        None => context.subscription_cache.find(key(Scope::Account)),
    };
    found.retain(|subscription| names(subscription, namespace, endpoint));
    found
}

/// Subscriptions of an endpoint object that are being deleted.
pub fn going(context: &Context, namespace: &str, endpoint: &str) -> Vec<Arc<WebhookSubscription>> {
    let mut going = context.subscription_cache.find(found_by::deleting(namespace, endpoint));
    going.retain(|one| one.metadata.deletion_timestamp.is_some() && names(one, namespace, endpoint));
    going
}

/// Subscriptions of a namespace that have something applied on a remote endpoint.
pub fn applied_on(context: &Context, namespace: &str, id: &str) -> Vec<Arc<WebhookSubscription>> {
    let mut subscriptions = context.subscription_cache.find(found_by::applied(namespace, id));
    subscriptions.retain(|subscription| {
        let applied = subscription.status.as_ref().and_then(|status| status.applied.as_ref());
        subscription.metadata.namespace.as_deref() == Some(namespace)
            && applied.is_some_and(|applied| {
                applied.endpoint_remote_id.as_deref() == Some(id)
                    || applied.moving_endpoint_remote_ids.iter().any(|moving| moving == id)
            })
    });
    subscriptions
}

fn names(subscription: &WebhookSubscription, namespace: &str, endpoint: &str) -> bool {
    subscription.metadata.namespace.as_deref() == Some(namespace) && subscription.spec.endpoint_ref.name == endpoint
}

/// How many subscriptions of an endpoint object are at work, so that what they declare may not be delivered yet.
pub fn unsettled(context: &Context, endpoint: &WebhookEndpoint) -> usize {
    let subscriptions = subscriptions(context, &endpoint.namespace().unwrap_or_default(), &endpoint.name_any());
    let held = places(endpoint).map(|(here, _)| here);
    subscriptions.iter().filter(|subscription| !is_settled(subscription, held.as_ref())).count()
}

/// Whether a subscription has come to rest on this remote endpoint, or is on its way out.
pub fn is_settled(subscription: &WebhookSubscription, held: Option<&RemoteId>) -> bool {
    let Some(status) = &subscription.status else { return false };
    let applied = status.applied.as_ref().and_then(|applied| applied.endpoint_remote_id.as_ref());
    subscription.metadata.deletion_timestamp.is_some()
        || subscription.spec.suspend
        || applied.map(String::as_str) == held.map(RemoteId::as_str)
            && !is_true(&status.conditions, ConditionType::Reconciling)
}

/// How many subscriptions of an endpoint object must leave before it: those that are going and still have rows to delete,
/// and all that have a hold while their account releases its objects.
pub fn leaving(context: &Context, endpoint: &WebhookEndpoint, releasing: bool) -> usize {
    let (namespace, name) = (endpoint.namespace().unwrap_or_default(), endpoint.name_any());
    let going = if releasing { subscriptions(context, &namespace, &name) } else { going(context, &namespace, &name) };
    let leaving = |subscription: &Arc<WebhookSubscription>| {
        (releasing || subscription.spec.deletion_policy == DeletionPolicy::Delete)
            && subscription.finalizers().iter().any(|finalizer| finalizer == REMOTE_FINALIZER)
    };
    going.iter().filter(|subscription| leaving(subscription)).count()
}

/// Other subscriptions whose pairs overlap with those of one that changed from `before`, on this endpoint object.
pub fn overlapping(
    context: &Context,
    before: &WebhookSubscription,
    object: &WebhookSubscription,
    endpoint: &str,
) -> Vec<Arc<WebhookSubscription>> {
    let mut keys = found_by::shared_with(object, endpoint);
    keys.extend(found_by::shared_with(before, endpoint));
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let mut others = context.subscription_cache.find_any(&keys);
    others.retain(|other| {
        other.metadata.uid != object.metadata.uid
            && names(other, namespace, endpoint)
            && (pairs::overlap(other, before) || pairs::overlap(other, object))
    });
    others
}
