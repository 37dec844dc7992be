//! rules.md *Deletion*: before the first remote DELETE of a pass the CRD is read live. When our definitions are being
//! removed (a chart uninstalled, say), every object goes, and nobody meant to delete the remote side.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;

use super::context::Context;
use super::error::PassError;
use super::kinds::Controlled;

/// Whether the definition of a kind is going or may not be read: then nothing remote is deleted.
///
/// # Errors
/// The API server does not answer: the pass is made again, and nothing is decided.
pub async fn is_going<K: Controlled>(context: &Context) -> Result<bool, PassError> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
    let name = format!("{}.{}", K::plural(&()), K::group(&()));
    match tokio::time::timeout(context.timing.kube_call, api.get_metadata(&name)).await? {
        Ok(definition) => Ok(definition.metadata.deletion_timestamp.is_some()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_forbidden() => Ok(true),
        Err(error) => Err(error.into()),
    }
}
