//! How the provider has answered of late (rules.md *Outcomes*, the rows about accounts).

use jiff::Timestamp;

use crate::provider::{CallError, Unavailable};

/// The health of a realm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// No call has been answered yet.
    #[default]
    Unknown,
    /// The last call was answered, if only with a refusal.
    Healthy,
    /// Calls are not answered.
    Unavailable {
        /// Since the first call in a row.
        since: Timestamp,
        /// What the last one met.
        cause: Unavailable,
    },
    /// The provider does not accept the key.
    CredentialsRejected {
        /// Since the first call in a row.
        since: Timestamp,
    },
}

impl Health {
    /// The health after one more call. A 429 changes nothing: the provider is there, and so is the limit.
    pub(super) fn after(self, error: Option<&CallError>, now: Timestamp) -> Self {
        match error {
            None | Some(CallError::Rejected { .. } | CallError::NotFound | CallError::OtherServer { .. }) => {
                Self::Healthy
            }
            // Not sent: says nothing about the provider.
            Some(CallError::Fenced | CallError::Unavailable { cause: Unavailable::BreakerOpen, .. }) => self,
            Some(CallError::RateLimited { .. }) => self,
            Some(CallError::CredentialsRejected) => match self {
                Self::CredentialsRejected { .. } => self,
                _ => Self::CredentialsRejected { since: now },
            },
            Some(CallError::Unavailable { cause, .. }) => match self {
                Self::Unavailable { since, .. } => Self::Unavailable { since, cause: *cause },
                _ => Self::Unavailable { since: now, cause: *cause },
            },
        }
    }
}
