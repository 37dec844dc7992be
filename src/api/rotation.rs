//! Rotation of the signing key: what a user asks for, and how far it has come (rules.md *Rotation*).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DurationText;

/// When and how the signing key is replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = ("!has(self.interval) || ![self.interval, self.overlap, self.publishDelay].all(text, text.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$')) || duration(self.interval) > duration(self.overlap) + duration(self.publishDelay) + duration('1h')", "spec.signingSecret.rotation.interval must be longer than overlap, publishDelay and one hour together, or one rotation would begin before the last has ended: make interval longer, or overlap shorter")
)]
pub struct RotationSpec {
    /// How old a key may get, such as `720h`; left out: it is replaced only on request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "spec.signingSecret.rotation.interval must be a duration from 0s to 8760h, in whole hours, minutes and seconds, such as 720h"))]
    pub interval: Option<DurationText>,
    /// How long the replaced key, and the remote endpoint that signs with it, stay: the provider repeats what was refused
    /// for 48 hours. `0s` for a leaked key.
    #[serde(default = "default_overlap")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "spec.signingSecret.rotation.overlap must be a duration from 0s to 8760h, such as 49h; 0s drops a leaked key at once"))]
    pub overlap: DurationText,
    /// Time that receivers get to load the new key before deliveries are signed with it.
    #[serde(default = "default_publish_delay")]
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "spec.signingSecret.rotation.publishDelay must be a duration from 0s to 8760h, such as 90s"))]
    pub publish_delay: DurationText,
    /// Any new value replaces the key once, now.
    #[serde(default)]
    #[schemars(length(max = 63))]
    pub request_id: String,
}

fn default_overlap() -> DurationText {
    DurationText::new("49h")
}

fn default_publish_delay() -> DurationText {
    DurationText::new("90s")
}

impl Default for RotationSpec {
    fn default() -> Self {
        Self {
            interval: None,
            overlap: default_overlap(),
            publish_delay: default_publish_delay(),
            request_id: String::new(),
        }
    }
}

/// How far a rotation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum RotationPhase {
    /// The second remote endpoint is being made.
    Preparing,
    /// Both keys are in the Secret; receivers get time to load them.
    Publishing,
    /// Subscriptions move to the new remote endpoint.
    Switching,
    /// The former one stays until it has repeated what was refused.
    Draining,
    /// The former one is being removed.
    Retiring,
}

/// A rotation under way; only `lastHandledRequestId` while none is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// How far it is; absent while none runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<RotationPhase>,
    /// The request it answers; absent where it was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub request_id: Option<String>,
    /// The last `spec.signingSecret.rotation.requestId` that was acted on, or was there when the key was first published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub last_handled_request_id: Option<String>,
    /// The remote endpoint whose key is replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub from_remote_id: Option<String>,
    /// The remote endpoint that takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub to_remote_id: Option<String>,
    /// The URL that the former one keeps, because the provider refuses two endpoints with the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub from_target_url: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Since when the Secret holds both keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published_at: Option<Time>,
    /// When nothing was left on the former one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switched_at: Option<Time>,
}
