//! `ProviderAccount`: one API key at one provider.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DurationText;

/// One API key at one provider, and how it is used.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "external-webhooks.io",
    version = "v1alpha1",
    kind = "ProviderAccount",
    plural = "provideraccounts",
    shortname = "pacct",
    category = "hooks",
    namespaced,
    status = "ProviderAccountStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"READY","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"REASON","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"ENDPOINTS","type":"integer","jsonPath":".status.remote.endpoints"}"#,
    printcolumn = r#"{"name":"SUBS","type":"integer","jsonPath":".status.remote.subscriptions"}"#,
    printcolumn = r#"{"name":"UNCLAIMED","type":"integer","jsonPath":".status.remote.unclaimedEndpoints","priority":1}"#,
    printcolumn = r#"{"name":"AGE","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[x_kube(
    validation = ("[has(self.nexHealth), has(self.heroHealth), has(self.insightHealth)].filter(set, set).size() == 1", "set exactly one provider block: spec.nexHealth, spec.heroHealth or spec.insightHealth"),
    validation = ("has(self.nexHealth) == has(oldSelf.nexHealth) && has(self.heroHealth) == has(oldSelf.heroHealth) && has(self.insightHealth) == has(oldSelf.insightHealth)", "the provider of an account is immutable, because what its objects hold is at that provider: create another ProviderAccount and point new objects at it"),
    validation = ("!has(self.baseUrl) || (isURL(self.baseUrl) && url(self.baseUrl).getScheme() in ['https', 'http'] && url(self.baseUrl).getHostname() != '')", "spec.baseUrl must be an absolute URL such as https://nexhealth.info"),
    validation = ("!has(self.baseUrl) || !self.baseUrl.contains('@')", "spec.baseUrl must not contain a user name or password: put the API key into the Secret that apiKeySecretRef names")
)]
#[serde(rename_all = "camelCase")]
pub struct ProviderAccountSpec {
    /// NexHealth Synchronizer. Exactly one provider block is set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nex_health: Option<NexHealthAccount>,
    /// Hero Health: one remote webhook per event, signed with a key that the operator makes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hero_health: Option<HeroHealthAccount>,
    /// Insight Health: nothing can be registered there; the credentials are proven, and the key for what it pushes published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub insight_health: Option<InsightHealthAccount>,
    /// Where the provider's API is; left out, the provider's own. Other origins must be on the operator's allow list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub base_url: Option<String>,
    /// How often the remote side is listed: 30s to 24h.
    #[serde(default = "observe_interval")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('30s') && duration(self) <= duration('24h')", "spec.observeInterval must be a duration of 30s to 24h, in whole hours, minutes and seconds, such as 90s, 5m or 1h30m"))]
    pub observe_interval: DurationText,
    /// How often sync status is read, once for all monitors of the account: 5s to 1h.
    #[serde(default = "sync_status_interval")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) >= duration('5s') && duration(self) <= duration('1h')", "spec.syncStatusInterval must be a duration of 5s to 1h, in whole hours, minutes and seconds, such as 30s or 1m"))]
    pub sync_status_interval: DurationText,
    /// More than this part of the account's monitored practices, of at least 5 that are open, gone bad within 15 minutes is
    /// one outage of the provider.
    #[serde(default = "outage_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub outage_percent: i64,
    /// How many calls the operator may make with this key.
    #[serde(default)]
    pub rate_limit: RateLimit,
    /// Lets endpoints use `http` target URLs; for sandboxes and tests, never for health data.
    #[serde(default)]
    pub allow_insecure_targets: bool,
    /// Manage: the provider is kept as declared. Observe: it is only read, and each object's `status.plan` says what would
    /// be done.
    #[serde(default)]
    pub management_policy: ManagementPolicy,
    /// Wait: a deleted account waits for its endpoints. Orphan: it releases them and what they made stays at the provider,
    /// the way out when a provider is gone.
    #[serde(default)]
    pub deletion_policy: AccountDeletionPolicy,
    /// Set it to `status.scope.fingerprint` to say that what the key shows now is right although nothing that was known is
    /// there any more. It counts once, because the fingerprint changes with what is accepted.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub accept_scope: String,
}

/// Whether anything may be written at the provider.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ManagementPolicy {
    /// The provider is kept as declared.
    #[default]
    Manage,
    /// Only reads.
    Observe,
}

/// What a deleted account does about endpoints that still need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AccountDeletionPolicy {
    /// It waits until they are gone.
    #[default]
    Wait,
    /// It releases them; the remote side stays.
    Orphan,
}

fn observe_interval() -> DurationText {
    DurationText::new("5m")
}

fn sync_status_interval() -> DurationText {
    DurationText::new("1m")
}

fn outage_percent() -> i64 {
    30
}

/// The NexHealth block of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NexHealthAccount {
    /// Where the API key is.
    pub api_key_secret_ref: SecretKeyRef,
    /// Sent as `Nex-Api-Version`. Immutable: the payload shape of a subscription is pinned when it is made.
    #[serde(default = "nex_api_version")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(validation = ("self.matches('^v[0-9][0-9.]*$')", "spec.nexHealth.apiVersion must be a version such as v3.0.0"), validation = ("self == oldSelf", "spec.nexHealth.apiVersion is immutable: payload shapes are pinned when a subscription is made; create another account and point new endpoints at it"))]
    pub api_version: String,
}

fn nex_api_version() -> String {
    "v3.0.0".into()
}

/// The Hero Health block of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeroHealthAccount {
    /// Where the API key is.
    pub api_key_secret_ref: SecretKeyRef,
    /// Sent as `x-practice-group-id` with every call. Immutable: webhooks belong to one practice group.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = ("self.matches('^[!-~]+$')", "spec.heroHealth.practiceGroupId must be the id that Hero Health support gave, without spaces"), validation = ("self == oldSelf", "spec.heroHealth.practiceGroupId is immutable, because webhooks belong to one practice group: create another ProviderAccount and point new endpoints at it"))]
    pub practice_group_id: String,
}

/// The Insight Health block of an account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InsightHealthAccount {
    /// The EHR identifier that the keys are bound to, as it stands in the route. Immutable: another one has other keys.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = ("self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')", "spec.insightHealth.ehr must be the identifier in the route, such as athena: letters, digits, '.', '_' and '-'"), validation = ("self == oldSelf", "spec.insightHealth.ehr is immutable, because keys are bound to it: create another ProviderAccount and point new endpoints at it"))]
    pub ehr: String,
    /// Where the API key is.
    pub api_key_secret_ref: SecretKeyRef,
    /// Where the key is that signs what is sent to Insight Health.
    pub signing_key_secret_ref: SigningKeyRef,
}

/// One key of one Secret: in the account's own namespace, or, of an account of the cluster, in the one that is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SigningKeyRef {
    /// Namespace of the Secret: in a ClusterProviderAccount, where it is required. A ProviderAccount does not have the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within it.
    #[serde(default = "signing_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn signing_key() -> String {
    "signing-key".into()
}

/// One key of one Secret: in the account's own namespace, or, of an account of the cluster, in the one that is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// Namespace of the Secret: in a ClusterProviderAccount, where it is required. A ProviderAccount does not have the field.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within it.
    #[serde(default = "api_key")]
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

fn api_key() -> String {
    "api-key".into()
}

/// Limits on calls, per API key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RateLimit {
    /// Steady rate.
    #[serde(default = "requests_per_minute")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_minute: i64,
    /// How many calls may go at once after a pause.
    #[serde(default = "burst")]
    #[schemars(range(min = 1, max = 10_000))]
    pub burst: i64,
}

fn requests_per_minute() -> i64 {
    1200
}

fn burst() -> i64 {
    50
}

impl Default for RateLimit {
    fn default() -> Self {
        Self { requests_per_minute: requests_per_minute(), burst: burst() }
    }
}

/// What the operator says of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProviderAccountStatus {
    /// The generation this status is about; -1 before the first pass.
    #[serde(default)]
    pub observed_generation: i64,
    /// Conditions, by type.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// What the key reaches, as counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<RemoteCounts>,
    /// Endpoints that no object holds; at most 20, without query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20))]
    pub unclaimed: Vec<UnclaimedEndpoint>,
    /// The world this account has seen, by which another one is recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// The last answered value of the `external-webhooks.io/reconcile-requested-at` annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
}

/// Counts of the remote side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RemoteCounts {
    /// Endpoints that the key sees.
    pub endpoints: i64,
    /// Subscriptions on endpoints that our objects hold.
    pub subscriptions: i64,
    /// Endpoints that no object holds.
    pub unclaimed_endpoints: i64,
}

/// An endpoint that no object holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnclaimedEndpoint {
    /// Remote id.
    #[schemars(length(max = 253))]
    pub id: String,
    /// Its target URL without query.
    #[schemars(length(max = 2048))]
    pub target_url: String,
}

/// rules.md *Absence*: the sample is chosen once and refilled only when an id has left.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Scope {
    /// How many institutions the key reached when the sample was chosen.
    pub institutions: i64,
    /// SHA-256 over provider, origin and the sorted sample.
    #[schemars(length(max = 128))]
    pub fingerprint: String,
    /// Up to 32 institution ids.
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "set"))]
    pub sample: Vec<i64>,
}
