//! The Secret that receivers read: keys `current` (and, during a rotation, `previous`).

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

use super::ReadSecret;
use crate::api::WebhookEndpoint;
use crate::api::endpoint::SecretTemplate;
use crate::controller::context::Context;
use crate::controller::error::PassError;
use crate::plan::endpoint::{SecretView, secret_name};
use crate::plan::wire_time;
use crate::runtime::metrics::{Kind, Verb};
use crate::signing::SecretText;

const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "external-webhooks");
const FINGERPRINT: &str = "external-webhooks.io/fingerprint";
const ROTATED_AT: &str = "external-webhooks.io/rotated-at";

/// What plans see of the Secret. `listed` are the keys of remotes that the object holds or may take.
pub fn view(object: &WebhookEndpoint, secret: Option<&ReadSecret>, listed: &[SecretText]) -> SecretView {
    let Some(secret) = secret else { return SecretView::Missing };
    let current = secret.values.get("current").filter(|current| !current.expose().is_empty()).cloned();
    let previous = secret.values.get("previous").filter(|previous| !previous.expose().is_empty()).cloned();
    let owned = is_owned(object, &secret.meta);
    let labelled = has(secret.meta.labels.as_ref(), MANAGED_BY.0, MANAGED_BY.1);
    let known = current.as_ref().is_some_and(|current| listed.contains(current));
    let ours = owned || (labelled && known);
    if !ours {
        return SecretView::Foreign;
    }
    let fingerprint = current.as_ref().map(SecretText::fingerprint);
    let dressed = owned
        && labelled
        && fingerprint.is_some_and(|fingerprint| has(secret.meta.annotations.as_ref(), FINGERPRINT, &fingerprint))
        && wears_template(object, &secret.meta);
    let noted = secret.meta.annotations.as_ref().and_then(|annotations| annotations.get(ROTATED_AT));
    let rotated_at = noted.and_then(|noted| noted.parse().ok());
    SecretView::Ours { current, previous, dressed, owned, rotated_at }
}

fn has(map: Option<&BTreeMap<String, String>>, name: &str, value: &str) -> bool {
    map.and_then(|map| map.get(name)).is_some_and(|present| present == value)
}

fn is_owned(object: &WebhookEndpoint, meta: &ObjectMeta) -> bool {
    meta.owner_references.iter().flatten().any(|owner| Some(&owner.uid) == object.metadata.uid.as_ref())
}

fn wears_template(object: &WebhookEndpoint, meta: &ObjectMeta) -> bool {
    let SecretTemplate { labels, annotations } = template(object);
    labels.iter().all(|(name, value)| has(meta.labels.as_ref(), name, value))
        && annotations.iter().all(|(name, value)| has(meta.annotations.as_ref(), name, value))
}

/// What the user wants the Secret to wear, without what is the operator's own: else they would undo each other for ever.
fn template(object: &WebhookEndpoint) -> SecretTemplate {
    let mut template = object.spec.signing_secret.template.clone().unwrap_or_default();
    template.labels.remove(MANAGED_BY.0);
    template.annotations.retain(|name, _| name != FINGERPRINT && name != ROTATED_AT);
    template
}

/// The keys that a Secret is to hold: both change in one write.
pub struct SigningKeys {
    /// The newest.
    pub current: SecretText,
    /// The one before it, during a rotation.
    pub previous: Option<SecretText>,
}

/// Writes the keys: a new Secret, or a change of the present one at the version it was read in. Everything else that the
/// Secret has stays; nothing of the endpoint's own labels or annotations is copied.
pub async fn publish(
    context: &Context,
    object: &WebhookEndpoint,
    before: Option<&ReadSecret>,
    keys: &SigningKeys,
) -> Result<ReadSecret, PassError> {
    let key = &keys.current;
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
    let changed = before.and_then(|secret| secret.values.get("current")) != Some(key);
    let name = secret_name(object);
    let metadata = dressed(object, before.map(|secret| &secret.meta), key, changed);
    let bytes = |key: &SecretText| ByteString(key.expose().as_bytes().to_vec());
    let data = BTreeMap::from([("current", Some(bytes(key))), ("previous", keys.previous.as_ref().map(bytes))]);
    let written = if before.is_some() {
        context.wrote(Kind::Secret, Verb::Patch);
        let patch = json!({"metadata": metadata, "data": data});
        context.kube_write(api.patch(&name, &PatchParams::default(), &Patch::Merge(patch))).await
    } else {
        context.wrote(Kind::Secret, Verb::Create);
        let data = data.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
        let secret = Secret { metadata, data: Some(data), type_: Some("Opaque".to_owned()), ..Secret::default() };
        context.kube_write(api.create(&PostParams::default(), &secret)).await
    };
    match written {
        Ok(secret) => Ok(secret.into()),
        Err(PassError::Gone) if before.is_some() => Err(PassError::Conflict),
        Err(error) => Err(error),
    }
}

/// The metadata that the Secret should have, on top of what it has.
fn dressed(object: &WebhookEndpoint, before: Option<&ObjectMeta>, key: &SecretText, changed: bool) -> ObjectMeta {
    let SecretTemplate { mut labels, mut annotations } = template(object);
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    annotations.insert(FINGERPRINT.to_owned(), key.fingerprint());
    if changed {
        annotations.insert(ROTATED_AT.to_owned(), wire_time(jiff::Timestamp::now()).0.to_string());
    }
    let mut owners = before.and_then(|meta| meta.owner_references.clone()).unwrap_or_default();
    if !before.is_some_and(|meta| is_owned(object, meta)) {
        owners.extend(object.owner_ref(&()));
    }
    ObjectMeta {
        name: Some(secret_name(object)),
        namespace: object.namespace(),
        uid: before.and_then(|meta| meta.uid.clone()),
        resource_version: before.and_then(|meta| meta.resource_version.clone()),
        labels: Some(labels),
        annotations: Some(annotations),
        owner_references: Some(owners),
        ..ObjectMeta::default()
    }
}

/// Takes our owner reference off in one confirmed write, so that garbage collection does not destroy a live key.
pub async fn release(
    context: &Context,
    object: &WebhookEndpoint,
    secret: &ReadSecret,
) -> Result<ReadSecret, PassError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let mut owners = secret.meta.owner_references.clone().unwrap_or_default();
    owners.retain(|owner| Some(&owner.uid) != object.metadata.uid.as_ref());
    let patch = json!({"metadata": {
        "uid": secret.meta.uid,
        "resourceVersion": secret.meta.resource_version,
        "ownerReferences": owners,
    }});
    context.wrote(Kind::Secret, Verb::Patch);
    let written =
        context.kube_write(api.patch(&secret_name(object), &PatchParams::default(), &Patch::Merge(patch))).await;
    written.map(ReadSecret::from)
}
