//! Secrets: a watch that sees metadata only, reads of exactly those that are referenced, and the Secret with the signing
//! key (rules.md *Keys and the Secret*). Key material leaves this module only as [`crate::signing::SecretText`].

mod in_use;
mod signing_secret;
mod watch;

pub use in_use::{hold, let_go, released_by_replacement};
pub use signing_secret::{publish, release, view};
pub use watch::watch;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::context::Context;
use super::error::PassError;

/// Reads one Secret that something refers to.
pub async fn read(context: &Context, namespace: &str, name: &str) -> Result<Option<Secret>, PassError> {
    let api: Api<Secret> = Api::namespaced(context.client.clone(), namespace);
    context.kube(api.get_opt(name)).await
}
