//! By which properties objects of each kind are found. A pair of a subscription is found whether it is declared or only
//! applied, because both make a row ours (rules.md *Pairs*).

use std::collections::BTreeSet;

use super::account_kind::{self, AccountKind};
use super::accounts::AccountName;
use super::cache::Kind;
use super::claims;
use super::index::Key;
use crate::api::{ClusterProviderAccount, PracticeSyncMonitor, ProviderAccount, WebhookEndpoint, WebhookSubscription};
use crate::plan::endpoint::secret_name;

/// Whose rows a pair is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope<'a> {
    /// One practice.
    Practice(&'a str),
    /// Every practice, named nowhere.
    Every,
    /// The account.
    Account,
    /// Any of these.
    Any,
}

/// The account or endpoint that uses a Secret.
pub fn secret(namespace: &str, name: &str) -> Key {
    Key::of(("secret", namespace, name))
}

/// Endpoints, or monitors, of an account.
pub fn account(account: &AccountName) -> Key {
    Key::of(("account", account))
}

/// Endpoints and monitors of a namespace that use an account of the cluster.
pub fn tenant(namespace: &str) -> Key {
    Key::of(("tenant", namespace))
}

/// Monitors of an account in one namespace: to each other they are neighbours, to others they are strangers.
pub fn neighbours(namespace: &str, account: &AccountName) -> Key {
    Key::of(("neighbours", namespace, account))
}

/// Monitors that take their office hours from a ConfigMap.
pub fn config_map(namespace: &str, name: &str) -> Key {
    Key::of(("config map", namespace, name))
}

/// Monitors of every practice of an account, in one namespace.
pub fn fleet(namespace: &str, account: &AccountName) -> Key {
    Key::of(("fleet", namespace, account))
}

/// The endpoint that holds or removes a remote one, in any namespace.
pub fn held(id: &str) -> Key {
    Key::of(("held", id))
}

/// Endpoints under whose name something with this canonical URL may stand.
pub fn url(canonical: &str) -> Key {
    Key::of(("url", canonical))
}

/// Subscriptions that name an endpoint object.
pub fn endpoint(namespace: &str, name: &str) -> Key {
    Key::of(("endpoint", namespace, name))
}

/// Those of them that are being deleted.
pub fn deleting(namespace: &str, endpoint: &str) -> Key {
    Key::of(("deleting", namespace, endpoint))
}

/// Subscriptions that have something applied on a remote endpoint.
pub fn applied(namespace: &str, id: &str) -> Key {
    Key::of(("applied", namespace, id))
}

/// Subscriptions of an endpoint object that declare or have applied an event for a scope.
pub fn pair(namespace: &str, endpoint: &str, event: &str, scope: Scope<'_>) -> Key {
    Key::of(("pair", namespace, endpoint, event, scope))
}

impl Kind for ProviderAccount {
    fn keys(&self) -> Vec<Key> {
        self.secrets().into_iter().map(|(namespace, name)| secret(namespace, name)).collect()
    }

    /// There are few accounts.
    fn shrink(&mut self) {}
}

impl Kind for ClusterProviderAccount {
    fn keys(&self) -> Vec<Key> {
        self.secrets().into_iter().map(|(namespace, name)| secret(namespace, name)).collect()
    }

    /// There are few accounts.
    fn shrink(&mut self) {}
}

impl Kind for WebhookEndpoint {
    fn keys(&self) -> Vec<Key> {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        let own = account_kind::of_endpoint(self);
        let mut keys = vec![secret(namespace, &secret_name(self)), account(&own)];
        keys.extend(account_kind::is_shared(&own).then(|| tenant(namespace)));
        keys.extend(claims::ids(self).map(held));
        keys.extend(claims::urls(self).iter().map(|canonical| url(canonical)));
        keys
    }

    fn shrink(&mut self) {
        self.status.iter_mut().for_each(|status| status.conditions.shrink_to_fit());
    }
}

impl Kind for WebhookSubscription {
    fn keys(&self) -> Vec<Key> {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        let name = &self.spec.endpoint_ref.name;
        let mut keys = vec![endpoint(namespace, name)];
        if self.metadata.deletion_timestamp.is_some() {
            keys.push(deleting(namespace, name));
        }
        let past = self.status.as_ref().and_then(|status| status.applied.as_ref());
        let ids = past.iter().flat_map(|past| past.endpoint_remote_id.iter().chain(&past.moving_endpoint_remote_ids));
        keys.extend(ids.map(|id| applied(namespace, id)));
        let (events, scopes) = (events(self), scopes(self));
        for event in events {
            keys.push(pair(namespace, name, event, Scope::Any));
            keys.extend(scopes.iter().map(|scope| pair(namespace, name, event, *scope)));
        }
        keys
    }

    fn shrink(&mut self) {
        self.spec.events.shrink_to_fit();
        self.spec.practices.iter_mut().for_each(Vec::shrink_to_fit);
        let Some(status) = &mut self.status else { return };
        status.conditions.shrink_to_fit();
        status.subscriptions.shrink_to_fit();
        let Some(applied) = &mut status.applied else { return };
        applied.events.shrink_to_fit();
        applied.scope.practices.shrink_to_fit();
    }
}

impl Kind for PracticeSyncMonitor {
    fn keys(&self) -> Vec<Key> {
        let namespace = self.metadata.namespace.as_deref().unwrap_or_default();
        let own = account_kind::of_monitor(self);
        let mut keys = vec![account(&own), neighbours(namespace, &own)];
        keys.extend(account_kind::is_shared(&own).then(|| tenant(namespace)));
        if self.spec.all_practices.is_some() {
            keys.push(fleet(namespace, &own));
        }
        let from = self.spec.office_hours_from.as_ref();
        keys.extend(from.map(|from| config_map(namespace, &from.config_map_ref.name)));
        keys
    }

    fn shrink(&mut self) {
        let Some(status) = &mut self.status else { return };
        status.conditions.shrink_to_fit();
        status.syncs.shrink_to_fit();
    }
}

/// The properties of every object of an endpoint that may share a pair with this one.
pub fn shared_with(object: &WebhookSubscription, endpoint: &str) -> Vec<Key> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let scopes = scopes(object);
    let every = scopes.contains(&Scope::Every);
    let mut keys = Vec::new();
    for event in events(object) {
        if every {
            keys.push(pair(namespace, endpoint, event, Scope::Any));
            continue;
        }
        keys.push(pair(namespace, endpoint, event, Scope::Every));
        keys.extend(scopes.iter().map(|scope| pair(namespace, endpoint, event, *scope)));
    }
    keys
}

/// The events that an object declares or has applied. Applied ones may carry their resource type before a `/`.
fn events(object: &WebhookSubscription) -> BTreeSet<&str> {
    let declared = object.spec.events.iter().map(|event| event.event.as_str());
    let past = object.status.as_ref().and_then(|status| status.applied.as_ref());
    let past = past.iter().flat_map(|past| &past.events);
    declared.chain(past.map(|name| name.split_once('/').map_or(name.as_str(), |(_, event)| event))).collect()
}

fn scopes(object: &WebhookSubscription) -> Vec<Scope<'_>> {
    let past = object.status.as_ref().and_then(|status| status.applied.as_ref()).map(|past| &past.scope);
    let named = object.spec.practices.iter().flatten().chain(past.iter().flat_map(|past| &past.practices));
    let named: BTreeSet<&str> = named.map(String::as_str).collect();
    let mut scopes: Vec<Scope<'_>> = named.into_iter().map(Scope::Practice).collect();
    if object.spec.all_practices.is_some() || past.is_some_and(|past| past.all_practices.is_some()) {
        scopes.push(Scope::Every);
    }
    if object.spec.account_wide.is_some() || past.is_some_and(|past| past.account_wide.is_some()) {
        scopes.push(Scope::Account);
    }
    scopes
}
