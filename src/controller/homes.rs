//! Keeps a realm's keyring in step with Secrets and statuses, where rows carry URL and key of their own (rules.md *Providers
//! of another shape*).

use std::sync::Arc;

use kube::ResourceExt;

use super::context::Context;
use super::{claims, wakes};
use crate::api::{WebhookEndpoint, WebhookSubscription};
use crate::plan::endpoint::SecretView;
use crate::provider::CallError;
use crate::provider::mirror::Mirror;
use crate::provider::model::RemoteId;
use crate::provider::model::home::fingerprint_of;
use crate::provider::realm::Realm;

/// Rows may be made with the keys that the Secret of an endpoint object holds: *Create* wants the key there first.
pub fn offer(context: &Context, object: &WebhookEndpoint, realm: &Realm, secret: &SecretView) {
    let (Some(keyring), SecretView::Ours { current, previous, .. }) = (realm.provider().keyring(), secret) else {
        return;
    };
    let mut news = false;
    for key in current.iter().chain(previous) {
        let (home, new) = keyring.offer(&object.spec.target_url, key);
        realm.expect_home(&home);
        news |= new;
    }
    if news {
        wakes::subscriptions_of(context, object);
    }
}

/// A list that hides keys is read by what statuses know of its rows. Lists again where one was read without that.
///
/// # Errors
/// See [`CallError`].
pub async fn tell(realm: &Arc<Realm>, subscriptions: &[Arc<WebhookSubscription>]) -> Result<(), CallError> {
    let Some(keyring) = realm.provider().keyring() else { return Ok(()) };
    let mut misread = false;
    for subscription in subscriptions {
        if let Some(applied) = subscription.status.as_ref().and_then(|status| status.applied.as_ref()) {
            let homes = applied.endpoint_remote_id.iter().chain(&applied.moving_endpoint_remote_ids);
            homes.for_each(|home| realm.expect_home(&RemoteId::new(home)));
        }
        for item in subscription.status.iter().flat_map(|status| &status.subscriptions) {
            let Some(fingerprint) = &item.key_fingerprint else { continue };
            let id = RemoteId::new(&item.remote_id);
            let unknown = |mirror: &Mirror| mirror.row(&id).is_some_and(|row| fingerprint_of(&row.endpoint).is_none());
            misread |= keyring.tell(&id, fingerprint) && realm.read(unknown);
        }
    }
    if misread { realm.refresh_rows(&RemoteId::new(""), Some(realm.read(Mirror::now))).await } else { Ok(()) }
}

/// The same for everything on an endpoint object.
///
/// # Errors
/// See [`CallError`].
pub async fn tell_all(context: &Context, object: &WebhookEndpoint, realm: &Arc<Realm>) -> Result<(), CallError> {
    if realm.provider().keyring().is_none() {
        return Ok(());
    }
    let namespace = object.namespace().unwrap_or_default();
    tell(realm, &claims::subscriptions(context, &namespace, &object.name_any())).await
}
