//! `ClusterProviderAccount`: one API key that is shared by namespaces, each of which gets a share of what it reaches.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::account::{ProviderAccountSpec, ProviderAccountStatus};
use super::subscription::AccountWide;

/// One API key at one provider, of which namespaces get a share: the whole spec of a ProviderAccount, with a namespace in
/// each reference to a Secret, and grants.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "external-webhooks.io",
    version = "v1alpha1",
    kind = "ClusterProviderAccount",
    plural = "clusterprovideraccounts",
    shortname = "cpacct",
    category = "hooks",
    status = "ProviderAccountStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"READY","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"REASON","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"ENDPOINTS","type":"integer","jsonPath":".status.remote.endpoints"}"#,
    printcolumn = r#"{"name":"SUBS","type":"integer","jsonPath":".status.remote.subscriptions"}"#,
    printcolumn = r#"{"name":"UNCLAIMED","type":"integer","jsonPath":".status.remote.unclaimedEndpoints","priority":1}"#,
    printcolumn = r#"{"name":"AGE","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterProviderAccountSpec {
    /// What a ProviderAccount has as well, with its admission rules.
    #[serde(flatten)]
    pub account: ProviderAccountSpec,
    /// What is lent, and to whom. Nothing is lent by default. What one grant says holds together: a practice is lent only
    /// with the hosts of the same grant; several grants for one namespace add up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub grants: Vec<Grant>,
}

/// A share of the account for some namespaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("has(self.practices) && self.practices.size() > 0 || has(self.allPractices) || has(self.accountWide)", "set at least one of practices, allPractices: {} and accountWide: {} in each of spec.grants: a grant that lends nothing is a mistake")
)]
pub struct Grant {
    /// The namespaces, by their labels; `{}` is every namespace.
    pub namespace_selector: NamespaceSelector,
    /// The provider's own names of practices (NexHealth: the institution's subdomain).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 500), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub practices: Vec<String>,
    /// Every practice that the key reaches, now and later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_practices: Option<EveryPractice>,
    /// Events without a practice. At Hero Health, which knows no practices, this lends the account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_wide: Option<AccountWide>,
    /// Hosts that target URLs may name, on any port, such as hooks.example.com; `*.` at the beginning stands for exactly one
    /// label. An empty list lends sync monitors only.
    #[schemars(length(max = 64), inner(length(min = 1, max = 253)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = ("self.all(host, host.matches('^([*][.])?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?([.][a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$'))", "targetHosts are host names in lower case, such as hooks.example.com or *.clinics.example.com: without scheme, port and path, and with * only for the whole first label"))]
    pub target_hosts: Vec<String>,
    /// Whether endpoints that are at the provider already may be taken over.
    #[serde(default)]
    pub allow_adoption: bool,
    /// Whether subscriptions may say `undeclared: Delete`.
    #[serde(default)]
    pub allow_undeclared_delete: bool,
}

/// Every practice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EveryPractice {}

/// Namespaces by their labels, as Kubernetes selects everywhere: all that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels with their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = ("self.all(key, key.size() <= 317 && !format.qualifiedName().validate(key).hasValue() && !format.labelValue().validate(self[key]).hasValue())", "namespaceSelector.matchLabels must be valid label keys and values, such as team: clinics"))]
    pub match_labels: BTreeMap<String, String>,
    /// Expressions on labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub match_expressions: Vec<LabelExpression>,
}

/// One expression on a label.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(
    validation = ("self.operator in ['In', 'NotIn'] ? has(self.values) && self.values.size() > 0 : !has(self.values) || self.values.size() == 0", "in namespaceSelector.matchExpressions the operators In and NotIn need values, and Exists and DoesNotExist must have none")
)]
pub struct LabelExpression {
    /// The label.
    #[schemars(length(min = 1, max = 317))]
    pub key: String,
    /// How it is compared.
    pub operator: LabelOperator,
    /// With what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LabelOperator {
    /// It has one of the values.
    In,
    /// It has none of them, or the namespace lacks the label.
    NotIn,
    /// The namespace has the label.
    Exists,
    /// The namespace lacks the label.
    DoesNotExist,
}
