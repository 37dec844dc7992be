//! The CRDs as they are installed.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, ValidationRule,
};
use kube::CustomResourceExt;
use serde_json::json;

use super::{ClusterProviderAccount, PracticeSyncMonitor, ProviderAccount, WebhookEndpoint, WebhookSubscription};

/// Every CRD of this operator, ready to install.
pub fn all_crds() -> Vec<CustomResourceDefinition> {
    let mut crds = vec![
        ProviderAccount::crd(),
        ClusterProviderAccount::crd(),
        WebhookEndpoint::crd(),
        WebhookSubscription::crd(),
        PracticeSyncMonitor::crd(),
    ];
    for crd in &mut crds {
        let is_endpoint = crd.spec.names.kind == "WebhookEndpoint";
        let of_cluster = crd.spec.scope == "Cluster";
        for version in &mut crd.spec.versions {
            let schema = version.schema.as_mut().and_then(|validation| validation.open_api_v3_schema.as_mut());
            if let Some(root) = schema {
                finish(root);
                place_secrets(root, of_cluster);
                if is_endpoint {
                    root.x_kubernetes_validations.get_or_insert_default().push(nameable_secret());
                }
            }
        }
    }
    crds
}

/// The Secret's default name is longer than its endpoint's; the derive writes rules about `spec` only.
fn nameable_secret() -> ValidationRule {
    ValidationRule {
        rule: "has(self.spec.signingSecret.name) || self.metadata.name.size() <= 245".to_owned(),
        message: Some("set spec.signingSecret.name, or give the endpoint a name of at most 245 characters: the Secret's default name, <name>-signing, would be too long".to_owned()),
        ..ValidationRule::default()
    }
}

/// References to Secrets are one type. An account of a namespace reads its own namespace only, so there the field does not
/// exist; an account of the cluster has no namespace, so there it is required.
fn place_secrets(schema: &mut JSONSchemaProps, of_cluster: bool) {
    for (name, property) in schema.properties.iter_mut().flatten() {
        if !name.ends_with("SecretRef") {
            place_secrets(property, of_cluster);
        } else if of_cluster {
            property.required.get_or_insert_default().push("namespace".to_owned());
        } else if let Some(fields) = &mut property.properties {
            fields.remove("namespace");
        }
    }
}

/// What the derive cannot say: a status that kstatus and Argo CD never read as ready before the first pass, and a lean
/// schema, because clients copy it into an annotation of limited size.
fn finish(root: &mut JSONSchemaProps) {
    forbid_null(root);
    root.description = None;
    let Some(properties) = root.properties.as_mut() else { return };
    if let Some(status) = properties.get_mut("status") {
        status.default = Some(JSON(json!({"observedGeneration": -1})));
        trim_conditions(status);
    }
}

/// Conditions carry Kubernetes' own long descriptions; ours are in the reference.
fn trim_conditions(status: &mut JSONSchemaProps) {
    let conditions = status.properties.as_mut().and_then(|properties| properties.get_mut("conditions"));
    let Some(conditions) = conditions else { return };
    let Some(JSONSchemaPropsOrArray::Schema(item)) = conditions.items.as_mut() else { return };
    item.description = None;
    for (name, property) in item.properties.iter_mut().flatten() {
        property.description = None;
        match name.as_str() {
            "type" => property.max_length = Some(64),
            "reason" => property.max_length = Some(128),
            "message" => property.max_length = Some(1024),
            "status" => property.enum_ = Some(vec![JSON(json!("True")), JSON(json!("False")), JSON(json!("Unknown"))]),
            _ => {}
        }
    }
}

/// The derive marks optional fields nullable; then `has()` in a rule would see an explicit null. Without the mark the API
/// server drops nulls.
fn forbid_null(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    for property in schema.properties.iter_mut().flatten() {
        forbid_null(property.1);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(item)) = schema.items.as_mut() {
        forbid_null(item);
    }
}
