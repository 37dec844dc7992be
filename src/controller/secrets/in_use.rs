//! The in-use finalizer on account Secrets: the key must live until what it made is deleted.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::ReadSecret;
use crate::api::IN_USE_FINALIZER;
use crate::controller::account_kind::{self, Account};
use crate::controller::accounts::AccountName;
use crate::controller::context::Context;
use crate::controller::error::PassError;
use crate::runtime::metrics::{Kind, Verb};

/// Puts the finalizer on, before the first use of a key. A Secret that is going cannot take one any more.
pub async fn hold(context: &Context, secret: &ReadSecret) -> Result<(), PassError> {
    let held = finalizers(secret).iter().any(|finalizer| finalizer == IN_USE_FINALIZER);
    let namespace = secret.meta.namespace.as_deref().unwrap_or_default();
    if held || secret.meta.deletion_timestamp.is_some() || context.namespace_goes(namespace) {
        return Ok(());
    }
    let mut finalizers = finalizers(secret).to_vec();
    finalizers.push(IN_USE_FINALIZER.to_owned());
    patch(context, secret, &finalizers).await
}

/// Takes the finalizer off, unless another account uses the Secret.
pub async fn let_go(context: &Context, namespace: &str, name: &str, by: Option<&AccountName>) -> Result<(), PassError> {
    let used = account_kind::using_secret(context, namespace, name).iter().any(|account| {
        let mut finalizers = account.meta().finalizers.iter().flatten();
        by != Some(&account.known_as()) && finalizers.any(|finalizer| finalizer == IN_USE_FINALIZER)
    });
    if used {
        return Ok(());
    }
    let secret = match super::read(context, namespace, name).await {
        Ok(Some(secret)) => secret,
        Ok(None) => return Ok(()),
        // Released as soon as the namespace was seen going, before our rights ended.
        Err(PassError::Forbidden) if namespace_is_going(context, namespace).await? => return Ok(()),
        Err(error) => return Err(error),
    };
    take_off(context, &secret).await
}

fn finalizers(secret: &ReadSecret) -> &[String] {
    secret.meta.finalizers.as_deref().unwrap_or_default()
}

/// Whether the Secret has been going for long while neither account nor namespace is: somebody replaces it, and the
/// finalizer is taken off for that.
pub async fn released_by_replacement(context: &Context, secret: &ReadSecret) -> Result<bool, PassError> {
    let Some(since) = &secret.meta.deletion_timestamp else { return Ok(false) };
    let age = crate::plan::elapsed(since.0, jiff::Timestamp::now());
    if age < context.timing.secret_replaced {
        return Ok(false);
    }
    if namespace_is_going(context, secret.meta.namespace.as_deref().unwrap_or_default()).await? {
        return Ok(false);
    }
    take_off(context, secret).await?;
    Ok(true)
}

/// Whether a namespace is being deleted.
pub async fn namespace_is_going(context: &Context, namespace: &str) -> Result<bool, PassError> {
    let namespaces: Api<Namespace> = Api::all(context.client.clone());
    match context.kube(namespaces.get(namespace)).await {
        Ok(namespace) => Ok(namespace.metadata.deletion_timestamp.is_some()),
        Err(PassError::Gone) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Takes the finalizer off every Secret that an account of a namespace uses: its end takes our rights to Secrets first,
/// and then the finalizer could never leave. The keys stay in memory (api.md, `--namespace`).
pub async fn let_all_go(context: &Context, namespace: &str) -> Result<(), PassError> {
    let accounts = account_kind::all(context);
    let secrets = accounts.iter().flat_map(Account::secrets);
    let names: BTreeSet<&str> = secrets.filter(|(within, _)| *within == namespace).map(|(_, name)| name).collect();
    for name in names {
        if let Some(secret) = super::read(context, namespace, name).await? {
            take_off(context, &secret).await?;
        }
    }
    Ok(())
}

async fn take_off(context: &Context, secret: &ReadSecret) -> Result<(), PassError> {
    if !finalizers(secret).iter().any(|finalizer| finalizer == IN_USE_FINALIZER) {
        return Ok(());
    }
    let mut finalizers = finalizers(secret).to_vec();
    finalizers.retain(|finalizer| finalizer != IN_USE_FINALIZER);
    match patch(context, secret, &finalizers).await {
        Err(PassError::Gone) => Ok(()),
        outcome => outcome,
    }
}

async fn patch(context: &Context, secret: &ReadSecret, finalizers: &[String]) -> Result<(), PassError> {
    let api: Api<Secret> =
        Api::namespaced(context.client.clone(), secret.meta.namespace.as_deref().unwrap_or_default());
    let version = &secret.meta.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": finalizers}});
    let written = context
        .kube_write(api.patch_metadata(
            secret.meta.name.as_deref().unwrap_or_default(),
            &PatchParams::default(),
            &Patch::Merge(patch),
        ))
        .await;
    context.wrote(Kind::Secret, Verb::Patch);
    written.map(|_| ())
}
