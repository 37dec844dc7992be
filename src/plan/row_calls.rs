//! Calls on rows, as data.

use std::sync::Arc;

use crate::provider::model::{RemoteId, RemoteRow, RowKey};

/// Most calls in one batch: small enough to look again soon, large enough to keep the gate busy.
pub const BATCH: usize = 64;

/// The status of a refusal that is none: the provider answered a POST with success and made something else.
pub const MADE_OTHERWISE: u16 = 201;

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
        /// Why.
        why: SwitchCause,
    },
    /// DELETE of what is ours and no longer declared, or one too many.
    Delete {
        /// The row.
        row: RemoteRow,
    },
    /// DELETE that no change of an object asked for, one of few per interval (rules.md *Pairs*, *Pace*).
    Prune {
        /// The row.
        row: RemoteRow,
        /// The practice's name.
        practice: Option<Arc<str>>,
        /// Why, as the end of a sentence.
        why: &'static str,
    },
}

/// Why a row is switched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchCause {
    /// The spec was changed, or another object's was.
    Declared,
    /// Somebody at the provider has changed it.
    Drift,
    /// It was switched off at the provider (rules.md *Switched off remotely*).
    Reactivation,
}

impl RowCall {
    /// The endpoint whose realm makes the call.
    pub fn endpoint(&self) -> &RemoteId {
        match self {
            Self::Create { endpoint, .. } => endpoint,
            Self::Move { row, .. } | Self::Switch { row, .. } | Self::Delete { row } | Self::Prune { row, .. } => {
                &row.endpoint
            }
        }
    }
}
