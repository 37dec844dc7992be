//! The one table of conditions: per kind what each type, status and reason means, what to do, and which alert tells it.
//!
//! Everything else that speaks of reasons is generated from it by `make generated`: the reference page
//! (docs/conditions.md), the alert rules, the health checks for Argo CD and Flux, the file for kube-state-metrics. A new
//! reason is one row in the file of its kind; until it is there, tests fail and name it. The integration tests hold every
//! condition that they see against the table, and the operator itself never reads it.

mod account;
mod alert;
mod endpoint;
mod endpoint_rotation;
mod items;
mod monitor;
mod shared;
mod subscription;

pub use alert::{Alert, Severity};
pub use items::{ITEMS, ItemRow};

use super::condition::{ConditionType, Is, Reason};

/// Kinds that have conditions, in the order of the reference page.
pub const KINDS: &[&str] =
    &["ProviderAccount", "ClusterProviderAccount", "WebhookEndpoint", "WebhookSubscription", "PracticeSyncMonitor"];

const ACCOUNT: &[&str] = &["ProviderAccount", "ClusterProviderAccount"];
const ENDPOINT: &[&str] = &["WebhookEndpoint"];
const SUBSCRIPTION: &[&str] = &["WebhookSubscription"];
const MONITOR: &[&str] = &["PracticeSyncMonitor"];

/// What stands beside `Ready`, with the same reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beside {
    /// Nothing: nobody has to do anything.
    AtRest,
    /// `Reconciling`: work goes on, or something that is watched is waited for.
    Reconciling,
    /// `Stalled`: only a person or a change is expected to help.
    Stalled,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// Kinds on which it is found.
    pub kinds: &'static [&'static str],
    /// Type of the condition; never `Reconciling` or `Stalled`, which repeat `Ready`.
    pub kind: ConditionType,
    /// Its status.
    pub is: Is,
    /// Its reason: one, or several that mean the same here.
    pub reasons: &'static [Reason],
    /// Of `Ready` only: what may stand beside it. Empty for other types.
    pub beside: &'static [Beside],
    /// What it means.
    pub means: &'static str,
    /// What to do; empty where nothing is to be done.
    pub act: &'static str,
    /// The alert that tells it; `None` where nobody has to be told, or another row's alert tells its cause.
    pub alert: Option<Alert>,
}

/// A row about `Ready`: what is stalled or takes too long is told, what is at rest is not.
const fn ready(
    kinds: &'static [&'static str],
    is: Is,
    reason: &'static [Reason],
    beside: Beside,
    means: &'static str,
    act: &'static str,
) -> Row {
    let (beside, alert): (&[Beside], _) = match beside {
        Beside::AtRest => (&[Beside::AtRest], None),
        Beside::Reconciling => (&[Beside::Reconciling], Some(Alert::NotReady)),
        Beside::Stalled => (&[Beside::Stalled], Some(Alert::Stalled)),
    };
    Row { kinds, kind: ConditionType::Ready, is, reasons: reason, beside, means, act, alert }
}

/// A row about another type; nobody is told.
const fn other(
    kinds: &'static [&'static str],
    kind: ConditionType,
    is: Is,
    reasons: &'static [Reason],
    means: &'static str,
    act: &'static str,
) -> Row {
    Row { kinds, kind, is, reasons, beside: &[], means, act, alert: None }
}

impl Row {
    /// Told by this alert.
    const fn by(self, alert: Alert) -> Self {
        Self { alert: Some(alert), ..self }
    }

    /// Told by no alert of its own.
    const fn quiet(self) -> Self {
        Self { alert: None, ..self }
    }

    /// Now with `Reconciling`, now with `Stalled`.
    const fn either(self) -> Self {
        Self { beside: &[Beside::Reconciling, Beside::Stalled], ..self }
    }

    /// Whether the row is about this condition of an object of this kind.
    pub fn is_about(&self, kind: &str, condition: ConditionType, status: &str, reason: Reason) -> bool {
        self.kinds.contains(&kind)
            && self.kind == condition
            && self.is.as_str() == status
            && self.reasons.contains(&reason)
    }
}

/// Every row, in the order of the reference page.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    [account::ROWS, endpoint::ROWS, endpoint_rotation::ROWS, subscription::ROWS, monitor::ROWS, shared::ROWS]
        .into_iter()
        .flatten()
}

/// What a type of condition is about.
pub const fn about(kind: ConditionType) -> &'static str {
    match kind {
        ConditionType::Ready => "the summary: the remote side is as declared. On a monitor: the monitor works",
        ConditionType::Reconciling => {
            "work goes on, or something is waited for; only while true, with the reason of `Ready`"
        }
        ConditionType::Stalled => {
            "only a person or a change of spec or reference is expected to help; only while true, with the reason of `Ready`"
        }
        ConditionType::SecretPublished => "the signing key is in the Secret",
        ConditionType::Active => "the remote endpoint delivers",
        ConditionType::Verified => "what the last self-test of the receiver found; never touches `Ready`",
        ConditionType::Rotating => {
            "the signing key is being replaced, the reason is how far; only while true, never touches `Ready`"
        }
        ConditionType::RotationOverdue => {
            "the signing key could not be replaced when it was due; only while true, never touches `Ready`"
        }
        ConditionType::KnownEvents => "every declared event is in the provider's catalogue; never touches `Ready`",
        ConditionType::ReadHealthy => {
            "the provider reads the practice's data as often as `spec.read` wants; never touches `Ready`"
        }
        ConditionType::WriteHealthy => {
            "what is written reaches the practice as `spec.write` wants; never touches `Ready`"
        }
        ConditionType::SyncHealthy => "both of them, in so far as they are judged; never touches `Ready`",
        ConditionType::ProviderWideOutage => "many practices of the account went bad together; only while true",
        ConditionType::DeletionBlocked => "the object is being deleted and something is in the way; only while true",
    }
}

#[cfg(test)]
mod tests;
