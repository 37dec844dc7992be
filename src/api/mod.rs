//! TODO

// STUB for the command line, to be replaced by the real definitions when they are merged.
/// Every custom resource definition of this operator.
pub fn all_crds() -> Vec<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> {
    Vec::new()
}
// END OF STUB
