//! The custom resources: types, admission rules, printer columns, condition types and reasons. No behaviour.
//!
//! The contract is final in names, unions, list types, immutability and bounds; fields that later work brings to life are
//! added, never renamed. Admission rules are CEL in the schema, so that a bad spec is refused with a message that names
//! the field and the remedy, without a webhook server that could be down.

pub mod account;
pub mod cluster_account;
pub mod condition;
mod crd;
pub mod duration;
pub mod endpoint;
pub mod monitor;
pub mod monitor_status;
pub mod office_hours;
pub mod provider_block;
pub mod rotation;
pub mod subscription;
pub mod table;
pub mod verification;

pub use account::{ProviderAccount, ProviderAccountSpec, ProviderAccountStatus};
pub use cluster_account::{ClusterProviderAccount, ClusterProviderAccountSpec};
pub use condition::{ConditionType, Reason};
pub use crd::all_crds;
pub use duration::DurationText;
pub use endpoint::{WebhookEndpoint, WebhookEndpointSpec, WebhookEndpointStatus};
pub use monitor::{PracticeSyncMonitor, PracticeSyncMonitorSpec};
pub use monitor_status::PracticeSyncMonitorStatus;
pub use office_hours::OfficeHours;
pub use subscription::{WebhookSubscription, WebhookSubscriptionSpec, WebhookSubscriptionStatus};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// API group of every kind.
pub const GROUP: &str = "external-webhooks.io";

/// Finalizer on endpoints and subscriptions: something remote may exist.
pub const REMOTE_FINALIZER: &str = "external-webhooks.io/remote";

/// Finalizer on accounts and on their Secrets: the key is still needed to delete what it made.
pub const IN_USE_FINALIZER: &str = "external-webhooks.io/in-use";

/// Annotation by which a person asks for one fresh observation; any new value does.
pub const RECONCILE_REQUESTED_AT: &str = "external-webhooks.io/reconcile-requested-at";

/// What happens to the remote thing when its object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It is deleted first; the object waits until its absence is confirmed.
    #[default]
    Delete,
    /// It stays.
    Orphan,
}

pub(crate) fn yes() -> bool {
    true
}
