//! The Secret that receivers read: keys `current` (and, during a rotation, `previous`).

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PostParams;
use kube::{Api, Resource, ResourceExt};

use crate::api::WebhookEndpoint;
use crate::controller::context::Context;
use crate::controller::error::PassError;
use crate::plan::endpoint::{SecretView, secret_name};
use crate::runtime::metrics::{Kind, Verb};
use crate::signing::SecretText;

const MANAGED_BY: (&str, &str) = ("app.kubernetes.io/managed-by", "external-webhooks");
const FINGERPRINT: &str = "external-webhooks.io/fingerprint";
const ROTATED_AT: &str = "external-webhooks.io/rotated-at";

/// What plans see of the Secret. `listed` are the keys of remotes that the object holds or may take.
pub fn view(object: &WebhookEndpoint, secret: Option<&Secret>, listed: &[SecretText]) -> SecretView {
    let Some(secret) = secret else { return SecretView::Missing };
    let current = current(secret);
    let owned = is_owned(object, secret);
    let labelled = secret.labels().get(MANAGED_BY.0).is_some_and(|value| value == MANAGED_BY.1);
    let known = current.as_ref().is_some_and(|current| listed.contains(current));
    if !owned && !(labelled && known) {
        return SecretView::Foreign;
    }
    let dressed = owned
        && labelled
        && secret.type_.as_deref() == Some("Opaque")
        && current.as_ref().map(SecretText::fingerprint).as_ref() == secret.annotations().get(FINGERPRINT)
        && wears_template(object, secret);
    SecretView::Ours { current, dressed, owned }
}

fn current(secret: &Secret) -> Option<SecretText> {
    let bytes = &secret.data.as_ref()?.get("current")?.0;
    let text = std::str::from_utf8(bytes).ok()?;
    (!text.is_empty()).then(|| SecretText::new(text))
}

fn is_owned(object: &WebhookEndpoint, secret: &Secret) -> bool {
    secret.owner_references().iter().any(|owner| Some(&owner.uid) == object.metadata.uid.as_ref())
}

fn wears_template(object: &WebhookEndpoint, secret: &Secret) -> bool {
    let Some(template) = &object.spec.signing_secret.template else { return true };
    template.labels.iter().all(|(name, value)| secret.labels().get(name) == Some(value))
        && template.annotations.iter().all(|(name, value)| secret.annotations().get(name) == Some(value))
}

/// Writes the key: a new Secret, or the present one at the version it was read in. Both carry everything else that the
/// Secret already had, and nothing of the endpoint's own labels or annotations.
pub async fn publish(
    context: &Context,
    object: &WebhookEndpoint,
    before: Option<&Secret>,
    key: &SecretText,
) -> Result<Secret, PassError> {
    let namespace = object.namespace().unwrap_or_default();
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
    let mut secret = before.cloned().unwrap_or_default();
    let changed = current(&secret).as_ref() != Some(key);
    secret.metadata.name = Some(secret_name(object));
    secret.metadata.namespace = Some(namespace);
    secret.metadata.managed_fields = None;
    dress(object, &mut secret, key, changed);
    let params = PostParams::default();
    let written = if before.is_some() {
        context.wrote(Kind::Secret, Verb::Update);
        context.kube(api.replace(&secret_name(object), &params, &secret)).await
    } else {
        context.wrote(Kind::Secret, Verb::Create);
        context.kube(api.create(&params, &secret)).await
    };
    match written {
        Err(PassError::Gone) if before.is_some() => Err(PassError::Conflict),
        outcome => outcome,
    }
}

fn dress(object: &WebhookEndpoint, secret: &mut Secret, key: &SecretText, changed: bool) {
    secret.type_.get_or_insert_with(|| "Opaque".to_owned());
    let data = secret.data.get_or_insert_default();
    data.insert("current".to_owned(), ByteString(key.expose().as_bytes().to_vec()));
    let template = object.spec.signing_secret.template.clone().unwrap_or_default();
    let labels = secret.metadata.labels.get_or_insert_default();
    labels.extend(template.labels);
    labels.insert(MANAGED_BY.0.to_owned(), MANAGED_BY.1.to_owned());
    let annotations = secret.metadata.annotations.get_or_insert_default();
    annotations.extend(template.annotations);
    annotations.insert(FINGERPRINT.to_owned(), key.fingerprint());
    if changed {
        let now = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second()).unwrap_or_default();
        annotations.insert(ROTATED_AT.to_owned(), now.to_string());
    }
    if !is_owned(object, secret) {
        secret.metadata.owner_references.get_or_insert_default().extend(object.controller_owner_ref(&()));
    }
}

/// Takes our owner reference off in one confirmed write, so that garbage collection does not destroy a live key.
pub async fn release(context: &Context, object: &WebhookEndpoint, secret: &Secret) -> Result<Secret, PassError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let mut secret = secret.clone();
    secret.metadata.managed_fields = None;
    let owners = secret.metadata.owner_references.get_or_insert_default();
    owners.retain(|owner| Some(&owner.uid) != object.metadata.uid.as_ref());
    context.wrote(Kind::Secret, Verb::Update);
    context.kube(api.replace(&secret_name(object), &PostParams::default(), &secret)).await
}
