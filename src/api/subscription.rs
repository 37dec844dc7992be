//! `WebhookSubscription`: some practices times some events on one endpoint.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::endpoint::ReactivationStatus;
use super::{DeletionPolicy, yes};

/// Some practices times some events, delivered to one endpoint.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "external-webhooks.io",
    version = "v1alpha1",
    kind = "WebhookSubscription",
    plural = "webhooksubscriptions",
    shortname = "whs",
    category = "hooks",
    namespaced,
    status = "WebhookSubscriptionStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"READY","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"REASON","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"ENDPOINT","type":"string","jsonPath":".spec.endpointRef.name"}"#,
    printcolumn = r#"{"name":"SUBS","type":"integer","jsonPath":".status.desired"}"#,
    printcolumn = r#"{"name":"ACTIVE","type":"integer","jsonPath":".status.active"}"#,
    printcolumn = r#"{"name":"FAILED","type":"integer","jsonPath":".status.failed"}"#,
    printcolumn = r#"{"name":"AGE","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[x_kube(
    validation = ("(has(self.practices) ? 1 : 0) + (has(self.allPractices) ? 1 : 0) + (has(self.accountWide) ? 1 : 0) == 1", "set exactly one of spec.practices, spec.allPractices and spec.accountWide")
)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSubscriptionSpec {
    /// The endpoint, in the same namespace.
    pub endpoint_ref: EndpointRef,
    /// The provider's own names of practices (NexHealth: the institution's subdomain).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub practices: Option<Vec<String>>,
    /// Every practice the key reaches, now and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_practices: Option<AllPractices>,
    /// Events without a practice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_wide: Option<AccountWide>,
    /// The events, each once.
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["event"]))]
    pub events: Vec<EventSpec>,
    /// Whether deliveries are on.
    #[serde(default = "yes")]
    pub active: bool,
    /// Report: remote subscriptions of these practices on this endpoint that nobody declares are counted on the endpoint.
    /// Delete: they are deleted, slowly.
    #[serde(default)]
    pub undeclared: Undeclared,
    /// What happens to the remote subscriptions when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Nothing is written at the provider while this is true; `status.plan` says what would be done.
    #[serde(default)]
    pub suspend: bool,
}

/// What is done about remote subscriptions in the scope of an object that nobody declares.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Undeclared {
    /// They are counted.
    #[default]
    Report,
    /// They are deleted.
    Delete,
}

/// Names an endpoint in the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EndpointRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// Every practice the key reaches.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AllPractices {
    /// But these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub except: Vec<String>,
}

/// Events without a practice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountWide {}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EventSpec {
    /// The provider's resource type, such as `Appointment`; may be left out where the catalogue knows the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub resource_type: Option<String>,
    /// The provider's base event name, such as `appointment_created`.
    #[schemars(length(min = 1, max = 128))]
    pub event: String,
}

/// What the operator says of a subscription.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookSubscriptionStatus {
    /// The generation this status is about; -1 before the first pass.
    #[serde(default)]
    pub observed_generation: i64,
    /// Conditions, by type.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Declared (practice, event) pairs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<i64>,
    /// Of them, those that deliver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<i64>,
    /// Of them, those that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<i64>,
    /// The first 20 that failed, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub failures: Vec<ItemFailure>,
    /// Each remote subscription; only while there are at most 100.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub subscriptions: Vec<SubscriptionItem>,
    /// What was declared and is not yet wholly taken back (rules.md *Pairs*).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// How often subscriptions that were switched off at the provider were switched on again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reactivation: Option<ReactivationStatus>,
    /// Under Observe or suspend: what would be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 256)))]
    pub plan: Vec<String>,
    /// The last answered value of the `external-webhooks.io/reconcile-requested-at` annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
}

/// One pair that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ItemFailure {
    /// Its practice, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub practice: Option<String>,
    /// Its event.
    #[schemars(length(max = 128))]
    pub event: String,
    /// Why, in one word.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Why, and what to do.
    #[schemars(length(max = 1024))]
    pub message: String,
}

/// One remote subscription.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriptionItem {
    /// Its practice, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub practice: Option<String>,
    /// Its event.
    #[schemars(length(max = 128))]
    pub event: String,
    /// Its id.
    #[schemars(length(max = 253))]
    pub remote_id: String,
    /// Fingerprint of the key that signs its deliveries, where each has a key of its own (Hero Health).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub key_fingerprint: Option<String>,
    /// Whether it delivers.
    pub active: bool,
}

/// What was declared, from before the first call until wholly taken back.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The remote endpoint that carries it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub endpoint_remote_id: Option<String>,
    /// While rows move: the other remote endpoints that may carry some of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub moving_endpoint_remote_ids: Vec<String>,
    /// Whose events.
    pub scope: AppliedScope,
    /// Which events.
    #[schemars(length(max = 512), inner(length(max = 513)), extend("x-kubernetes-list-type" = "set"))]
    pub events: Vec<String>,
    /// The switch as last wholly applied; absent while it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
}

/// The scope of [`Applied`]: the parts add up, because it can be the union of an old and a new spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppliedScope {
    /// These practices.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 4000), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub practices: Vec<String>,
    /// Every practice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_practices: Option<AllPractices>,
    /// Events without a practice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_wide: Option<AccountWide>,
}
