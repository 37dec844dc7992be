//! Calls on rows, as data.

use std::sync::Arc;

use crate::provider::model::{RemoteId, RemoteRow, RowKey};

/// Most calls in one batch: small enough to look again soon, large enough to keep the gate busy.
pub const BATCH: usize = 64;

/// One call on one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowCall {
    /// POST.
    Create {
        /// The endpoint.
        endpoint: RemoteId,
        /// What it is about.
        key: RowKey,
        /// The practice's name, which the provider wants instead of its id.
        practice: Option<Arc<str>>,
        /// Whether deliveries are on.
        active: bool,
    },
    /// PATCH to another endpoint of the same realm: no gap, no twin.
    Move {
        /// The row.
        row: RemoteRow,
        /// Its new endpoint.
        to: RemoteId,
        /// The practice's name.
        practice: Option<Arc<str>>,
    },
    /// PATCH of the switch.
    Switch {
        /// The row.
        row: RemoteRow,
        /// The practice's name.
        practice: Option<Arc<str>>,
        /// Its new value.
        active: bool,
    },
    /// DELETE.
    Delete {
        /// The row.
        row: RemoteRow,
    },
}

impl RowCall {
    /// The pair the call is about.
    pub fn key(&self) -> RowKey {
        match self {
            Self::Create { key, .. } => key.clone(),
            Self::Move { row, .. } | Self::Switch { row, .. } | Self::Delete { row } => row.key(),
        }
    }

    /// The endpoint whose realm makes the call.
    pub fn endpoint(&self) -> &RemoteId {
        match self {
            Self::Create { endpoint, .. } => endpoint,
            Self::Move { row, .. } | Self::Switch { row, .. } | Self::Delete { row } => &row.endpoint,
        }
    }
}
