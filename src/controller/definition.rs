//! rules.md *Deletion*: before the first remote DELETE of a pass the CRD is read live. When our definitions are being
//! removed (a chart uninstalled, say), every object goes, and nobody meant to delete the remote side.

use std::time::Instant;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

use super::context::Context;
use super::error::PassError;
use super::kinds::Controlled;
use super::memory::lock;

/// Whether the definition of a kind is going or may not be read: then nothing remote is deleted.
///
/// A refused read counts only once it has lasted: a moment without rights, as while an API server starts, must not leave
/// remotes behind for good (invariant *No orphan*, which the rule serves).
///
/// # Errors
/// The API server does not answer, or has not refused for long: the pass is made again, and nothing is decided.
pub async fn is_going<K: Controlled>(context: &Context) -> Result<bool, PassError> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
    let answer = tokio::time::timeout(context.timing.kube_call, api.get_metadata(&name)).await?;
    let mut refused = lock(&context.definitions_refused);
    match answer {
        Ok(definition) => {
            *refused = None;
            Ok(definition.metadata.deletion_timestamp.is_some())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(true),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            let since = refused.get_or_insert_with(Instant::now);
            if since.elapsed() < context.timing.definition_refused { Err(PassError::Forbidden) } else { Ok(true) }
        }
        Err(error) => Err(error.into()),
    }
}
