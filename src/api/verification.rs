//! The self-test of an endpoint: how often a user wants it, and when it last ran.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DurationText;

/// How often the target URL is tested with an event of our own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSpec {
    /// A new URL or key is tested at once, then again after each interval. `0s`: only then.
    #[x_kube(validation = ("self.matches('^([0-9]{1,7}h)?([0-9]{1,7}m)?([0-9]{1,9}s)?$') && duration(self) <= duration('8760h')", "spec.verification.interval must be a duration from 0s to 8760h, such as 24h; 0s tests only a new URL or key"))]
    pub interval: DurationText,
}

/// The last self-test. Its result is the condition `Verified`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VerificationStatus {
    /// When it ended. A repeat that finds what was wrong before does not move it.
    pub last_test_time: Time,
    /// The target URL that was tested.
    #[schemars(length(max = 2048))]
    pub target_url: String,
    /// Fingerprint of the key that the genuine event was signed with.
    #[schemars(length(max = 128))]
    pub fingerprint: String,
}
