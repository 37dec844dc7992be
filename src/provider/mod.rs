//! The remote APIs behind one narrow trait.
//!
//! [`Provider`] is what an adapter implements. It says what a provider *can* do by handing out capabilities instead of
//! answering "unsupported" at run time, so that the three shapes of provider fit without branches on a name:
//!
//! | shape | [`Provider::endpoints`] | [`Provider::rows`] | [`Provider::practices`] | [`Provider::syncs`] | key made by |
//! |---|---|---|---|---|---|
//! | split (NexHealth) | some | some | some | some | the provider |
//! | fused (one webhook per event) | none | some, each with URL and key | none | none | us |
//! | static (nothing to register) | none | none | none | none | us |
//!
//! # A fourth provider
//!
//! 1. A folder beside `herohealth`: an adapter that implements [`Provider`] and the capabilities it has. Its calls go through
//!    `caller::Caller`, which knows gate, fence and metrics; answers are read in a `wire.rs` that keeps no text of them, is
//!    tolerant where a difference does not matter, and calls nothing a list that has one unreadable element. Mark the calls
//!    that an account begins with as `spoken_by` a new `Dialect`, so that an account at the wrong server says so.
//! 2. Its known events as a [`Catalogue`], its signatures as a [`Recipe`], and one row in [`directory`], of which
//!    `docs/providers.md` is made.
//! 3. A block in `api::account` with its immutable fields, an arm in `api::provider_block` (which Secrets it names) and one in
//!    `controller::adapters` (which adapter serves it; what splits realms).
//! 4. Which shape? *Split*: [`EndpointCalls`] and [`RowCalls`]; every rule of the engine applies. *Fused*: [`RowCalls`] and a
//!    [`Keyring`], by which a row's URL and key become its home ([`model::home`]). *Static*: neither; [`Provider::authenticate`]
//!    is all. No plan asks for a provider's name.
//! 5. A simulator in the test bed, as strict as the provider's documents, each open point a switch; then a line in the tables
//!    of `tests/integration/providers`, which run rotations and faults over all of them.
//!
//! Nothing here knows Kubernetes. Adapters, and the [`probe`] of the self-test, are the only places that speak HTTP.

pub mod base_url;
pub mod caller;
pub mod canonical;
pub mod credentials;
mod dialect;
pub mod directory;
pub mod error;
pub mod fence;
pub mod gate;
pub mod herohealth;
pub mod http;
pub mod insighthealth;
pub mod keyring;
pub mod mirror;
pub mod model;
pub mod nexhealth;
pub mod probe;
pub mod realm;
mod retry_after;
#[cfg(test)]
mod test_server;

use std::sync::Arc;

use async_trait::async_trait;

pub use caller::CallObserver;
pub use error::{Ambiguity, CallError, Unavailable};
pub use fence::Fence;
pub use keyring::Keyring;
use model::sync::{Place, Sync as PracticeSync};
use model::{Catalogue, EndpointPatch, KeyOrigin, NewEndpoint, NewRow, Practice, RemoteEndpoint, RemoteId, RemoteRow};
use model::{RowPatch, RowScope};

use crate::signing::Recipe;

/// One provider account's worth of remote API, already holding its credentials.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// Short name for metrics and messages, such as `nexhealth`.
    fn name(&self) -> &'static str;

    /// The events this provider is known to offer. Known, not closed: an unknown event is sent and the provider decides.
    fn catalogue(&self) -> &'static Catalogue;

    /// How it signs what it delivers.
    fn recipe(&self) -> Recipe;

    /// Who makes the signing key.
    fn key_origin(&self) -> KeyOrigin;

    /// Endpoints as things of their own; `None` where a row carries its URL or nothing is registered.
    fn endpoints(&self) -> Option<&dyn EndpointCalls>;

    /// Remote subscriptions; `None` where nothing is registered.
    fn rows(&self) -> Option<&dyn RowCalls>;

    /// The practices the key reaches; `None` where the provider has no such list.
    fn practices(&self) -> Option<&dyn PracticeCalls>;

    /// How practices are kept in step; `None` where the provider does not say.
    fn syncs(&self) -> Option<&dyn SyncCalls>;

    /// URLs and keys of rows that carry their own (fused shape); `None` where they do not.
    fn keyring(&self) -> Option<&Keyring> {
        None
    }

    /// Proves the credentials without changing anything. Adapters that list anyway sign in.
    ///
    /// # Errors
    /// See [`CallError`].
    async fn authenticate(&self) -> Result<(), CallError>;
}

/// Calls on endpoints (split shape).
#[async_trait]
pub trait EndpointCalls: Send + Sync {
    /// All endpoints of the account; with `inactive_only`, just those switched off (rules.md *Absence* looks twice).
    async fn list(&self, inactive_only: bool) -> Result<Vec<RemoteEndpoint>, CallError>;
    /// Creates one. Not idempotent: an ambiguous error means "look, do not repeat".
    async fn create(&self, new: &NewEndpoint) -> Result<RemoteEndpoint, CallError>;
    /// Changes the fields that are `Some`.
    async fn patch(&self, id: &RemoteId, patch: &EndpointPatch) -> Result<RemoteEndpoint, CallError>;
    /// Deletes one; `Err(NotFound)` orders a list, it is no proof of absence.
    async fn delete(&self, id: &RemoteId) -> Result<(), CallError>;
}

/// Calls on rows (remote subscriptions).
#[async_trait]
pub trait RowCalls: Send + Sync {
    /// Every row of the scope: of one endpoint (split), or of the whole account (fused).
    async fn list(&self, scope: &RowScope) -> Result<Vec<RemoteRow>, CallError>;
    /// Creates one. Not idempotent.
    async fn create(&self, new: &NewRow) -> Result<RemoteRow, CallError>;
    /// Switches or moves one. `practice` is any practice name the key reaches, where the provider asks for one.
    async fn patch(&self, row: &RemoteRow, practice: Option<&str>, patch: &RowPatch) -> Result<RemoteRow, CallError>;
    /// Deletes one.
    async fn delete(&self, row: &RemoteRow) -> Result<(), CallError>;
}

/// Calls on how practices are kept in step.
#[async_trait]
pub trait SyncCalls: Send + Sync {
    /// Every sync that the key reaches, with the key of its practice.
    async fn list(&self) -> Result<Vec<(Arc<str>, PracticeSync)>, CallError>;
    /// Every place of every practice that the key reaches.
    async fn places(&self) -> Result<Vec<Place>, CallError>;
}

/// Calls on practices.
#[async_trait]
pub trait PracticeCalls: Send + Sync {
    /// Every practice the key reaches.
    async fn list(&self) -> Result<Vec<Practice>, CallError>;
}
