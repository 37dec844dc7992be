//! Why a pass over an object ended early, sorted by what happens next.

use std::time::Duration;

use thiserror::Error;

use crate::provider::CallError;

/// Why a pass ended early.
#[derive(Debug, Error)]
pub enum PassError {
    /// Somebody else wrote the object since it was read: read it again.
    #[error("the object changed meanwhile")]
    Conflict,
    /// The object is gone.
    #[error("the object is gone")]
    Gone,
    /// This process may not do it. In a namespace that is going, its rights go first.
    #[error("Kubernetes: not allowed")]
    Forbidden,
    /// Nothing is wrong: what is to be written has its turn only after this time.
    #[error("its turn comes later")]
    Later(Duration),
    /// The API server did not do it; try again with a growing pause.
    #[error("Kubernetes: {0}")]
    Kube(String),
    /// The provider did not do it.
    #[error("provider: {0}")]
    Provider(#[from] CallError),
}

impl PassError {
    /// How long the provider asked to wait, if it did.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Provider(CallError::RateLimited { retry_after }) => *retry_after,
            _ => None,
        }
    }
}

impl From<kube::Error> for PassError {
    fn from(error: kube::Error) -> Self {
        match &error {
            kube::Error::Api(status) if status.is_conflict() => Self::Conflict,
            kube::Error::Api(status) if status.is_not_found() => Self::Gone,
            kube::Error::Api(status) if status.is_forbidden() => Self::Forbidden,
            // Only the status: a body could quote an object, and with it a Secret.
            kube::Error::Api(status) => Self::Kube(format!("{} ({})", status.reason, status.code)),
            other => Self::Kube(other.to_string()),
        }
    }
}

impl From<tokio::time::error::Elapsed> for PassError {
    fn from(_: tokio::time::error::Elapsed) -> Self {
        Self::Kube("no answer within the deadline".to_owned())
    }
}
