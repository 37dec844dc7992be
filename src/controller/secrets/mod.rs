//! Secrets: a watch that sees metadata only, reads of exactly those that are referenced, and the Secret with the signing
//! key (rules.md *Keys and the Secret*). Key material leaves this module only as [`crate::signing::SecretText`].

mod going;
mod in_use;
mod signing_secret;
mod watch;

pub use going::watch_namespace;
pub use in_use::{hold, let_go, namespace_is_going, released_by_replacement};
pub use signing_secret::{SigningKeys, publish, release, view};
pub use watch::watch;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::core::ObjectMeta;
use zeroize::Zeroize;

use super::context::Context;
use super::error::PassError;
use crate::signing::SecretText;

/// A Secret as it was read; its values are wiped when it is dropped.
pub struct ReadSecret {
    /// Metadata, as it must be given back with a write.
    pub meta: ObjectMeta,
    /// Values that are text. Others are left alone: no write of ours touches them.
    pub values: BTreeMap<String, SecretText>,
}

impl From<Secret> for ReadSecret {
    fn from(secret: Secret) -> Self {
        let mut values = BTreeMap::new();
        for (name, mut value) in secret.data.unwrap_or_default() {
            if let Ok(text) = std::str::from_utf8(&value.0) {
                values.insert(name, SecretText::new(text));
            }
            value.0.zeroize();
        }
        let mut meta = secret.metadata;
        meta.managed_fields = None;
        Self { meta, values }
    }
}

/// Reads one Secret that something refers to.
pub async fn read(context: &Context, namespace: &str, name: &str) -> Result<Option<ReadSecret>, PassError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    Ok(context.kube(api.get_opt(name)).await?.map(ReadSecret::from))
}
