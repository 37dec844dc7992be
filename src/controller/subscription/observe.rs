//! What a subscription's plan looks at: its endpoint object, account and realm, its siblings, the endpoints it was on.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::Pass;
use crate::api::endpoint::AccountRef;
use crate::api::{ConditionType, DeletionPolicy, Reason, WebhookEndpoint, WebhookSubscription};
use crate::controller::accounts::{AccountEntry, RealmHandle};
use crate::controller::{account_kind, claims, policy, tenancy};
use crate::plan::condition::find;
use crate::plan::grants::{Reach, Share};
use crate::plan::pairs::{self, Sibling};
use crate::plan::rotation::Pair;
use crate::plan::subscription::{EndpointLink, OldEndpoints, OldRow, OwnRows};
use crate::plan::{AccountPolicy, AccountView};
use crate::provider::model::{RemoteId, RemoteRows};

/// What stands around the object: its endpoint object, account and realm.
pub(super) struct Surroundings {
    pub(super) link: EndpointLink,
    pub(super) account: (AccountView, AccountRef),
    pub(super) api_version: Arc<str>,
    pub(super) generation: Option<i64>,
    pub(super) realm: Option<Arc<RealmHandle>>,
    pub(super) policy: AccountPolicy,
    /// What the account lends for the hosts that the endpoint delivers to.
    pub(super) reach: Reach,
    /// UID of the endpoint object.
    pub(super) endpoint: Option<String>,
    pub(super) own_rows: Option<OwnRows>,
}

impl Pass<'_> {
    pub(super) fn surroundings(&self, namespace: &str) -> Surroundings {
        let nowhere = |link| Surroundings {
            link,
            account: (AccountView::NotFound, AccountRef::default()),
            api_version: Arc::from(""),
            generation: None,
            realm: None,
            policy: AccountPolicy::default(),
            reach: Share::nothing().reach([]),
            endpoint: None,
            own_rows: None,
        };
        let Some(endpoint) = self.context.endpoint_cache.get(namespace, &self.object.spec.endpoint_ref.name) else {
            return nowhere(EndpointLink::NotFound);
        };
        let (reference, name) = (endpoint.spec.account_ref.clone(), account_kind::of_endpoint(&endpoint));
        let (link, policy) = (link(&endpoint), policy::of(self.context, &name));
        let share = tenancy::share(self.context, &name, namespace);
        let entry = self.context.accounts.get(&name);
        let view = match account_kind::view(self.context, &name, entry.as_ref()) {
            // While nobody knows what it lends, the object is left as it is; but it may go.
            AccountView::Ready { .. } if share.is_none() && self.object.metadata.deletion_timestamp.is_none() => {
                AccountView::Unavailable { long: false }
            }
            view => view,
        };
        let urls = tenancy::target_urls(self.context, &endpoint);
        let reach = share.unwrap_or_else(Share::nothing).reach(urls.iter().map(String::as_str));
        let around =
            Surroundings { account: (view, reference), policy, reach, endpoint: endpoint.uid(), ..nowhere(link) };
        match entry {
            Some(AccountEntry { api_version, generation, realm, .. }) => {
                let going = self.object.metadata.deletion_timestamp.is_some();
                let (view, reference) = around.account;
                let view = match realm.as_ref().filter(|_| !going) {
                    Some(handle) => at_provider(view, handle, &around.link),
                    None => view,
                };
                let own_rows = realm.as_ref().is_some_and(|handle| handle.realm.provider().keyring().is_some());
                let own_rows = own_rows.then_some(OwnRows { off: !endpoint.spec.active });
                Surroundings { account: (view, reference), api_version, generation, realm, own_rows, ..around }
            }
            None => around,
        }
    }

    /// What the account of another endpoint object lends there.
    fn reach_of(&self, endpoint: &WebhookEndpoint) -> Reach {
        let namespace = endpoint.namespace().unwrap_or_default();
        let share = tenancy::share(self.context, &account_kind::of_endpoint(endpoint), &namespace);
        let urls = tenancy::target_urls(self.context, endpoint);
        share.unwrap_or_else(Share::nothing).reach(urls.iter().map(String::as_str))
    }

    /// Other objects on an endpoint object that may share a pair with this one, and whether each is older.
    pub(super) fn siblings(&self, endpoint: &str, reach: &Reach) -> Vec<(Arc<WebhookSubscription>, bool)> {
        let age = |object: &WebhookSubscription| (object.creation_timestamp().map(|time| time.0), object.uid());
        let own = age(&self.object);
        let others = claims::siblings(self.context, &self.object, endpoint).into_iter();
        others
            .map(|other| {
                let older = age(&other) < own;
                (reach.narrowed(&other), older)
            })
            .collect()
    }

    /// Endpoints that `status.applied` names besides the present one, as far as some object still holds them.
    pub(super) fn old_endpoints(&self, namespace: &str, around: &Surroundings) -> OldEndpoints {
        let mut old = OldEndpoints::default();
        let Some(applied) = self.object.status.as_ref().and_then(|status| status.applied.as_ref()) else { return old };
        let (here, leaving) = match &around.link {
            EndpointLink::Usable { remote_id, leaving, .. } => (Some(remote_id.as_str()), leaving.as_ref()),
            _ => (None, None),
        };
        let leaving = leaving.map(RemoteId::as_str);
        let named = applied.endpoint_remote_id.iter().chain(&applied.moving_endpoint_remote_ids);
        let mut looked_at = HashSet::new();
        for id in named.filter(|id| Some(id.as_str()) != here && Some(id.as_str()) != leaving) {
            let Some(holder) = claims::holder(self.context, namespace, id) else { continue };
            // Its own deletion takes the rows along.
            let goes =
                holder.metadata.deletion_timestamp.is_some() && holder.spec.deletion_policy == DeletionPolicy::Delete;
            if goes {
                continue;
            }
            let Some(handle) = claims::realm_of(self.context, &holder) else {
                old.unreachable.push(RemoteId::new(id));
                continue;
            };
            // The realm's own: the object's present endpoint may have none.
            let catalogue = handle.realm.provider().catalogue();
            let same_realm = around.realm.as_ref().is_some_and(|own| Arc::ptr_eq(own, &handle));
            let there = self.siblings(&holder.name_any(), &self.reach_of(&holder));
            for id in places_of(&holder, id) {
                if Some(id.as_str()) == here || Some(id.as_str()) == leaving || !looked_at.insert(id.clone()) {
                    continue;
                }
                handle.realm.read(|mirror| {
                    if !mirror.row_list_known(&id) || mirror.practice_list().is_none() {
                        return old.unlisted.push(id.clone());
                    }
                    for (practice, key) in pairs::applied(applied, catalogue, mirror) {
                        let declared_there = there.iter().any(|(object, _)| {
                            Sibling { object, older: false }.declares(practice.as_deref(), &key, catalogue)
                        });
                        let rows = mirror.rows(&id, &key).into_iter();
                        old.rows.extend(rows.map(|row| OldRow {
                            practice: practice.clone(),
                            row,
                            movable: same_realm,
                            declared_there,
                        }));
                    }
                    if same_realm {
                        old.same_realm.push(id.clone());
                    }
                    if !mirror.settled(&id) {
                        old.unsettled.push(id.clone());
                    }
                });
            }
        }
        old
    }
}

/// What the provider's shape makes of a usable account: nothing can be registered at a static one, and at a fused one not
/// before the endpoint object has shown this process the key that its Secret holds.
fn at_provider(view: AccountView, handle: &RealmHandle, link: &EndpointLink) -> AccountView {
    let provider = handle.realm.provider();
    match (&view, provider.rows(), provider.keyring(), link) {
        (AccountView::Ready { .. }, None, _, _) => {
            AccountView::Lacks { provider: provider.catalogue().provider, what: "webhook subscriptions" }
        }
        (AccountView::Ready { .. }, Some(_), Some(keyring), EndpointLink::Usable { remote_id, .. })
            if keyring.target(remote_id).is_none() =>
        {
            AccountView::Unavailable { long: false }
        }
        _ => view,
    }
}

/// Where rows of a remote endpoint may be: while its object rotates its key, on either of two, the former one first,
/// because from there they move.
fn places_of(holder: &WebhookEndpoint, id: &str) -> Vec<RemoteId> {
    match holder.status.as_ref().and_then(Pair::of).filter(Pair::moves) {
        Some(Pair { from, to: Some(to), .. }) if [&from, &to].iter().any(|own| own.as_str() == id) => vec![from, to],
        _ => vec![RemoteId::new(id)],
    }
}

/// A rotation is one endpoint under two ids: what was applied on the former one counts as applied on the new one, and the
/// status says so with the next write.
pub(super) fn renamed(object: &Arc<WebhookSubscription>, link: &EndpointLink) -> Arc<WebhookSubscription> {
    let EndpointLink::Usable { remote_id, leaving: Some(leaving), .. } = link else { return object.clone() };
    let old = |id: &String| id == leaving.as_str();
    let applied = object.status.as_ref().and_then(|status| status.applied.as_ref());
    let concerned = applied.is_some_and(|applied| {
        applied.endpoint_remote_id.as_ref().is_some_and(old) || applied.moving_endpoint_remote_ids.iter().any(old)
    });
    if !concerned {
        return object.clone();
    }
    let mut object = WebhookSubscription::clone(object);
    if let Some(applied) = object.status.as_mut().and_then(|status| status.applied.as_mut()) {
        let rename = |id: &mut String| {
            if old(id) {
                remote_id.as_str().clone_into(id);
            }
        };
        applied.endpoint_remote_id.iter_mut().for_each(rename);
        applied.moving_endpoint_remote_ids.iter_mut().for_each(rename);
        applied.moving_endpoint_remote_ids.retain(|id| Some(id) != applied.endpoint_remote_id.as_ref());
        applied.moving_endpoint_remote_ids.dedup();
    }
    Arc::new(object)
}

/// How a subscription sees its endpoint object.
pub fn link(endpoint: &WebhookEndpoint) -> EndpointLink {
    if endpoint.metadata.deletion_timestamp.is_some() && endpoint.spec.deletion_policy == DeletionPolicy::Delete {
        return EndpointLink::Going;
    }
    let Some(status) = &endpoint.status else { return EndpointLink::NotReady };
    // The id is written only after the key is in the Secret (rules.md *Create*).
    let Some((remote_id, leaving)) = claims::places(endpoint) else { return EndpointLink::NotReady };
    let active = find(&status.conditions, ConditionType::Active);
    let silent = if !endpoint.spec.active {
        Some("the WebhookEndpoint is switched off by its spec.active, so nothing is delivered: set it to true")
    } else if active.is_some_and(|active| active.reason == Reason::SwitchedOffRemotely.as_str()) {
        Some(
            "the WebhookEndpoint was switched off at the provider, so nothing is delivered; its Active condition says what to do",
        )
    } else {
        None
    };
    let off_remotely = active.is_some_and(|active| active.reason == Reason::SwitchedOffRemotely.as_str());
    EndpointLink::Usable {
        remote_id,
        leaving,
        silent,
        off_remotely: endpoint.spec.active && off_remotely,
        reactivation: endpoint.spec.reactivation,
    }
}
