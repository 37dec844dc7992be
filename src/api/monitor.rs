//! `PracticeSyncMonitor`: whether the data of a practice, or of every practice, is fresh while the practice is open.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::DurationText;
use super::endpoint::AccountRef;
use super::monitor_status::PracticeSyncMonitorStatus;
use super::office_hours::{OfficeHours, OfficeHoursFrom};
use super::subscription::AllPractices;

/// Watches how fresh the data of a practice is.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "external-webhooks.io",
    version = "v1alpha1",
    kind = "PracticeSyncMonitor",
    plural = "practicesyncmonitors",
    shortname = "psm",
    category = "hooks",
    namespaced,
    status = "PracticeSyncMonitorStatus",
    derive = "PartialEq",
    printcolumn = r#"{"name":"READY","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name":"REASON","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason"}"#,
    printcolumn = r#"{"name":"PRACTICE","type":"string","jsonPath":".spec.practice"}"#,
    printcolumn = r#"{"name":"READ","type":"string","jsonPath":".status.conditions[?(@.type==\"ReadHealthy\")].reason"}"#,
    printcolumn = r#"{"name":"WRITE","type":"string","jsonPath":".status.conditions[?(@.type==\"WriteHealthy\")].reason"}"#,
    printcolumn = r#"{"name":"HEALTHY","type":"string","jsonPath":".status.conditions[?(@.type==\"SyncHealthy\")].status"}"#,
    printcolumn = r#"{"name":"PRACTICES","type":"integer","jsonPath":".status.practices.total","priority":1}"#,
    printcolumn = r#"{"name":"AGE","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[x_kube(
    validation = ("has(self.practice) != has(self.allPractices)", "set exactly one of spec.practice and spec.allPractices"),
    validation = ("has(self.read) || has(self.write)", "set spec.read, spec.write or both: a block that is left out is not judged, and one is needed"),
    validation = ("!has(self.officeHours) || !has(self.officeHoursFrom)", "set at most one of spec.officeHours and spec.officeHoursFrom; neither means always open"),
    validation = ("has(self.practice) == has(oldSelf.practice) && (!has(self.practice) || self.practice == oldSelf.practice)", "spec.practice is immutable: create another PracticeSyncMonitor for the other practice and delete this one"),
    validation = ("!has(self.allPractices) || !has(self.locationIds) || self.locationIds.size() == 0", "spec.locationIds are places of one practice: set spec.practice instead of spec.allPractices, or remove them")
)]
#[serde(rename_all = "camelCase")]
pub struct PracticeSyncMonitorSpec {
    /// The account whose key reaches the practice. Immutable.
    #[serde(default)]
    #[x_kube(validation = ("self == oldSelf", "spec.accountRef is immutable: create another PracticeSyncMonitor for the other account and delete this one"))]
    pub account_ref: AccountRef,
    /// The provider's own name of the practice (NexHealth: the institution's subdomain). Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub practice: Option<String>,
    /// Every practice the key reaches, now and later, but those that another monitor of the account names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub all_practices: Option<AllPractices>,
    /// Only syncs of these locations, by their remote ids; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 63)), extend("x-kubernetes-list-type" = "set"))]
    pub location_ids: Vec<String>,
    /// How fresh what is read from the practice must be; left out, it is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<Freshness>,
    /// How fresh the way back into the practice's system must be; left out, it is not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<Freshness>,
    /// How long a sync is red, in open time, before a condition turns False.
    #[serde(default = "confirm")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "spec.confirm must be a duration of 0s to 8760h, in whole hours, minutes and seconds, such as 10m"))]
    pub confirm: DurationText,
    /// How long everything is good before a condition turns True again.
    #[serde(default = "recover")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "spec.recover must be a duration of 0s to 8760h, in whole hours, minutes and seconds, such as 5m"))]
    pub recover: DurationText,
    /// When the practice is open. Neither this nor `officeHoursFrom`: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office_hours: Option<OfficeHours>,
    /// Where the same block stands for many monitors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub office_hours_from: Option<OfficeHoursFrom>,
    /// Nothing is judged while this is true.
    #[serde(default)]
    pub suspend: bool,
}

/// How fresh one direction must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Freshness {
    /// How much open time may pass since the last good moment. Less than half an hour is noise at NexHealth, whose times
    /// float by 20 minutes in health.
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "staleAfter must be a duration of 0s to 8760h, in whole hours, minutes and seconds, such as 60m"))]
    pub stale_after: DurationText,
}

fn confirm() -> DurationText {
    DurationText::new("10m")
}

fn recover() -> DurationText {
    DurationText::new("5m")
}
