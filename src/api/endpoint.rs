//! `WebhookEndpoint`: one target URL at the provider, and the Secret with its signing key.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rotation::{RotationSpec, RotationStatus};
use super::verification::{VerificationSpec, VerificationStatus};
use super::{DeletionPolicy, yes};

/// One target URL that the provider delivers to, and the Secret with the key that signs the deliveries.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "external-webhooks.io",
    version = "v1alpha1",
    kind = "WebhookEndpoint",
    plural = "webhookendpoints",
    shortname = "whe",
    category = "hooks",
    namespaced,
    status = "WebhookEndpointStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"READY","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"REASON","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"HOST","type":"string","jsonPath":".status.targetHost"}"#,
    printcolumn = r#"{"name":"REMOTE-ID","type":"string","jsonPath":".status.remoteId"}"#,
    printcolumn = r#"{"name":"ACTIVE","type":"boolean","jsonPath":".status.active"}"#,
    printcolumn = r#"{"name":"SUBS","type":"integer","jsonPath":".status.subscriptions.active"}"#,
    printcolumn = r#"{"name":"ROTATED","type":"date","jsonPath":".status.signingSecret.lastRotationTime"}"#,
    printcolumn = r#"{"name":"AGE","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[x_kube(
    validation = ("(has(self.signingSecret.name) ? self.signingSecret.name : '') == (has(oldSelf.signingSecret.name) ? oldSelf.signingSecret.name : '')", "spec.signingSecret.name is immutable, because receivers read that Secret: create a second WebhookEndpoint with the new name instead"),
    validation = ("self.accountRef == oldSelf.accountRef", "spec.accountRef is immutable: create a second WebhookEndpoint under the other account, move the subscriptions' endpointRef, then delete this one")
)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointSpec {
    /// The account that makes it. Immutable.
    #[serde(default)]
    pub account_ref: AccountRef,
    /// Where the provider sends events: https, or http where the account allows it.
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(
        validation = ("isURL(self) && url(self).getHostname() != ''", "spec.targetUrl must be an absolute URL with a host, such as https://hooks.example.com/nexhealth"),
        validation = ("!isURL(self) || url(self).getScheme() in ['https', 'http']", "spec.targetUrl must begin with https:// (or http:// where the account sets allowInsecureTargets)"),
        validation = ("!self.matches('^[^/?#]*//[^/?#]*@')", "spec.targetUrl must not contain a user name or password: the provider would store it; verify deliveries with the signing Secret instead"),
        validation = ("!self.contains('#')", "spec.targetUrl must not contain a fragment (#...): it is never sent; remove it")
    )]
    pub target_url: String,
    /// Whether deliveries are on.
    #[serde(default = "yes")]
    pub active: bool,
    /// The Secret that receivers read.
    #[serde(default)]
    pub signing_secret: SigningSecretSpec,
    /// Never: an endpoint at the provider with this URL that we did not make is left alone. IfUnclaimed: it is taken over
    /// when exactly one is there and no other object holds it.
    #[serde(default)]
    pub adoption: Adoption,
    /// Takes over exactly this remote endpoint, whatever `adoption` says; its URL must equal `targetUrl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub adopt_remote_id: Option<String>,
    /// Auto: an endpoint, or a subscription on it, that was switched off at the provider is switched on again, after 10
    /// minutes, an hour, six hours, then once a day. Never: it is only reported.
    #[serde(default)]
    pub reactivation: Reactivation,
    /// Tests the target URL with events of our own: one signed with the key of the Secret, which must be answered 2xx, and
    /// one signed with a wrong key, which must be answered 401 or 403. Left out: no test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationSpec>,
    /// What happens to the remote endpoint when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Nothing is written at the provider while this is true; `status.plan` says what would be done.
    #[serde(default)]
    pub suspend: bool,
}

/// Whether an endpoint that somebody else made may be taken over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Adoption {
    /// No.
    #[default]
    Never,
    /// Where exactly one has the target URL and no other object holds it.
    IfUnclaimed,
}

/// What is done about something that was switched off at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Reactivation {
    /// It is switched on again, ever more rarely.
    #[default]
    Auto,
    /// It is reported.
    Never,
}

/// Names an account: one of the same namespace, or one of the cluster that lends it a share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountRef {
    /// Kind of the account.
    #[serde(default)]
    pub kind: AccountKind,
    /// Its name.
    #[serde(default = "default_account")]
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

fn default_account() -> String {
    "default".into()
}

impl std::fmt::Display for AccountRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.kind.as_str(), self.name)
    }
}

impl Default for AccountRef {
    fn default() -> Self {
        Self { kind: AccountKind::ProviderAccount, name: default_account() }
    }
}

/// Kinds of accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccountKind {
    /// An account of the same namespace.
    #[default]
    ProviderAccount,
    /// An account of the cluster, as far as its grants lend it to this namespace.
    ClusterProviderAccount,
}

impl AccountKind {
    /// The name of the kind.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ProviderAccount => "ProviderAccount",
            Self::ClusterProviderAccount => "ClusterProviderAccount",
        }
    }
}

/// The Secret with the signing key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningSecretSpec {
    /// Its name in this namespace; left out, `<metadata.name>-signing`. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = ("!format.dns1123Subdomain().validate(self).hasValue()", "spec.signingSecret.name must be a name that a Secret can have: lower case letters, digits, '-' and '.', such as intake-signing"))]
    pub name: Option<String>,
    /// What else the Secret carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<SecretTemplate>,
    /// When and how the key is replaced.
    #[serde(default)]
    pub rotation: RotationSpec,
}

/// Labels and annotations for the Secret. Those of the endpoint are never copied to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct SecretTemplate {
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[x_kube(validation = ("self.all(key, key.size() <= 317 && !format.qualifiedName().validate(key).hasValue() && !format.labelValue().validate(self[key]).hasValue())", "spec.signingSecret.template.labels must be valid label keys and values: letters, digits, '-', '_' and '.', at most 63 of them"))]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    #[x_kube(validation = ("self.all(key, key.size() <= 317 && !format.qualifiedName().validate(key).hasValue())", "spec.signingSecret.template.annotations must have valid annotation keys, such as example.com/team"))]
    pub annotations: BTreeMap<String, String>,
}

/// What the operator says of an endpoint.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpointStatus {
    /// The generation this status is about; -1 before the first pass.
    #[serde(default)]
    pub observed_generation: i64,
    /// Conditions, by type.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The remote endpoint this object holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub remote_id: Option<String>,
    /// Where the webhooks of this object stand at a provider that has no endpoints (Hero Health): made of the fingerprint of
    /// their key and a digest of their URL. Written once that key is in the Secret. No id of the provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub home: Option<String>,
    /// Host of the target URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub target_host: Option<String>,
    /// Whether the remote endpoint delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Rows on the remote endpoint, as counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscriptions: Option<SubscriptionCounts>,
    /// The published key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_secret: Option<SigningSecretStatus>,
    /// rules.md *Create*: written before the POST, so that a crash cannot lose what it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_create: Option<PendingCreate>,
    /// What `pendingCreate` becomes once the id is known: a POST of a dead process may still land.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_create: Option<LastCreate>,
    /// Remote ids on their way out: never adopted, never given rows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub removing: Vec<String>,
    /// The rotation of the key that is under way, and the last request that was handled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
    /// How often the endpoint was switched on again; absent once it has stayed on for a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reactivation: Option<ReactivationStatus>,
    /// The last self-test; absent without `spec.verification`, and before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<VerificationStatus>,
    /// When events could not arrive, oldest first; the last 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    pub delivery_gaps: Vec<DeliveryGap>,
    /// Under Observe or suspend: what would be done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 256)))]
    pub plan: Vec<String>,
    /// The last answered value of the `external-webhooks.io/reconcile-requested-at` annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
}

/// rules.md *Switched off remotely*: how often something was switched on again, and when last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReactivationStatus {
    /// How often.
    pub attempts: i64,
    /// When last.
    pub last_attempt: Time,
}

/// rules.md *Delivery gaps*: a time in which events could not arrive. What the provider has for it must be fetched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryGap {
    /// Its beginning, rather too early than too late.
    pub from: Time,
    /// Its end; absent while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Time>,
    /// What kept events from arriving.
    pub cause: GapCause,
    /// Whose events, at most 20 practices; absent: those of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub practices: Vec<String>,
    /// How many (practice, event) pairs.
    pub pairs: i64,
}

/// What kept events from arriving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum GapCause {
    /// The remote endpoint was switched off.
    EndpointSwitchedOff,
    /// The remote endpoint was gone.
    EndpointMissing,
    /// Remote subscriptions were switched off.
    SubscriptionsSwitchedOff,
    /// Remote subscriptions were gone.
    SubscriptionsMissing,
    /// Deliveries were signed with a key that receivers could not have any more.
    SigningKeyLost,
}

/// Counts of rows on one endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SubscriptionCounts {
    /// Rows that deliver.
    pub active: i64,
    /// Rows that no object declares.
    pub undeclared: i64,
}

/// The published key, without the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SigningSecretStatus {
    /// Name of the Secret.
    #[schemars(length(max = 253))]
    pub name: String,
    /// Fingerprint of `current`.
    #[schemars(length(max = 128))]
    pub fingerprint: String,
    /// When the key was last replaced; before that, when it was first published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_rotation_time: Option<Time>,
    /// When it is due to be replaced; absent without an interval, and while a rotation runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_rotation_time: Option<Time>,
}

/// The intent to create an endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PendingCreate {
    /// When it was written.
    pub since: Time,
    /// The target URL that is asked for, which the spec may no longer have; absent: the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub target_url: Option<String>,
    /// Endpoints with this URL that were there before; they are not ours.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub seen_remote_ids: Vec<String>,
}

/// A create that ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastCreate {
    /// When its intent was written.
    pub since: Time,
    /// When its id became known.
    pub until: Time,
    /// The target URL that was asked for; absent: the spec's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub target_url: Option<String>,
    /// Endpoints with this URL that were there before; they are not ours.
    #[serde(default)]
    #[schemars(length(max = 16), inner(length(max = 253)), extend("x-kubernetes-list-type" = "set"))]
    pub seen_remote_ids: Vec<String>,
    /// Whether a POST of it may have been lost: its answer was ambiguous, or its process ended before recording it.
    #[serde(default)]
    pub outstanding: bool,
}
