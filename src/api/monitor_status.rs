//! What the operator says of a monitor. It is written when a verdict changes; live times and ages are metrics.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator says of a monitor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PracticeSyncMonitorStatus {
    /// The generation this status is about; -1 before the first pass.
    #[serde(default)]
    pub observed_generation: i64,
    /// Conditions, by type.
    #[serde(default)]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// Remote id of the practice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub institution_id: Option<i64>,
    /// The syncs as of the last change of verdict; at most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub syncs: Vec<SyncSeen>,
    /// How many practices there are, and which are not well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practices: Option<PracticeCounts>,
    /// The last answered value of the `external-webhooks.io/reconcile-requested-at` annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub last_handled_reconcile_at: Option<String>,
}

/// One sync of a practice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SyncSeen {
    /// The provider's name of it.
    #[schemars(length(max = 253))]
    pub name: String,
    /// The practice's system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub emr: Option<String>,
    /// Where that system runs: `cloud`, `onprem`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 63)))]
    pub emr_type: Vec<String>,
    /// The provider's colour for reading.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub read_status: Option<String>,
    /// When it last read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_status_at: Option<Time>,
    /// The provider's colour for writing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub write_status: Option<String>,
    /// When it last wrote or could have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write_status_at: Option<Time>,
    /// How many locations it covers, where the provider says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locations: Option<i64>,
}

/// Practices under a monitor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PracticeCounts {
    /// How many there are.
    pub total: i64,
    /// Of them, those whose every judged direction is good.
    pub healthy: i64,
    /// The first 50 that are bad, where the monitor watches every practice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub unhealthy: Vec<UnhealthyPractice>,
}

/// A practice that is bad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UnhealthyPractice {
    /// Its name.
    #[schemars(length(max = 63))]
    pub practice: String,
    /// Why, in one word.
    #[schemars(length(max = 128))]
    pub reason: String,
    /// Since when.
    pub since: Time,
}
