//! When a practice is open: in a monitor's spec, or as YAML in a ConfigMap that many monitors share.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DurationText;

/// When a practice is open, by its own clock.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("self.weekly.size() > 0", "officeHours.weekly is empty, so the practice would never be open and never be judged: list its windows, or leave officeHours out for a practice that is always open"))]
pub struct OfficeHours {
    /// IANA name such as `America/Phoenix`; left out, the zone of the practice's location.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64))]
    pub time_zone: Option<String>,
    /// The windows of a week. They must not overlap.
    #[schemars(length(max = 21))]
    pub weekly: Vec<Window>,
    /// Dates such as `2026-12-25` on which no window begins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 366), inner(length(min = 10, max = 10), regex(pattern = r"^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")), extend("x-kubernetes-list-type" = "set"))]
    pub closed_dates: Vec<String>,
    /// The first part of each window that does not count as open: the practice's computer has to start.
    #[serde(default = "opening_grace")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "officeHours.openingGrace must be a duration of 0s to 8760h, in whole hours, minutes and seconds, such as 30m"))]
    pub opening_grace: DurationText,
}

/// Some days on which the practice is open at the same time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[x_kube(validation = ("self.open != self.close", "officeHours.weekly: close must differ from open; a close earlier than open means the next day, and a whole day is open: \"00:00\", close: \"24:00\""))]
pub struct Window {
    /// On which days it begins.
    #[schemars(length(min = 1, max = 7), extend("x-kubernetes-list-type" = "set"))]
    pub days: Vec<Day>,
    /// When it begins, such as `08:00`.
    #[schemars(length(min = 5, max = 5))]
    #[x_kube(validation = ("self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "officeHours.weekly: open must be a time of day from \"00:00\" to \"23:59\", in quotes"))]
    pub open: String,
    /// When it ends, such as `17:00`, or `24:00`; earlier than `open`: on the next day.
    #[schemars(length(min = 5, max = 5))]
    #[x_kube(validation = ("self.matches('^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$')", "officeHours.weekly: close must be a time of day from \"00:00\" to \"24:00\", in quotes"))]
    pub close: String,
}

/// Days of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)] // the names are the documentation
pub enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

/// What `openingGrace` is where nobody says.
pub fn opening_grace() -> DurationText {
    DurationText::new("30m")
}

/// Names the office hours that many monitors share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OfficeHoursFrom {
    /// One key of a ConfigMap in the monitor's namespace, whose value is the `officeHours` block as YAML.
    pub config_map_ref: ConfigMapKeyRef,
}

/// One key of one ConfigMap in the monitor's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapKeyRef {
    /// Name of the ConfigMap.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Key within it.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}
