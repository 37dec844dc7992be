//! Hero Health ("htech"): one webhook per event, with a URL and a key of its own that we choose. Nothing can be changed.
//!
//! | file | about |
//! |---|---|
//! | `calls.rs` | the routes |
//! | `wire.rs` | reading answers |
//! | `catalogue.rs` | the known events |
//!
//! Credentials are two headers on every call; there is no sign-in. What a plan calls the endpoint of a row is its home here
//! (`provider::model::home`), and the [`Keyring`] knows what is behind it.

mod calls;
mod catalogue;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::header::{HeaderName, HeaderValue};
use thiserror::Error;

use crate::provider::base_url::BaseUrl;
use crate::provider::caller::{Caller, Wiring};
use crate::provider::credentials::{check_api_key, sensitive};
use crate::provider::error::CallError;
use crate::provider::http::{Answer, RequestParts};
use crate::provider::keyring::Keyring;
use crate::provider::model::{Catalogue, KeyOrigin, RowScope};
use crate::provider::{EndpointCalls, PracticeCalls, Provider, RowCalls, SyncCalls};
use crate::signing::{Recipe, SecretText};

/// Production. The staging environment is another origin, which the operator has to allow.
pub const DEFAULT_BASE_URL: &str = "https://api.herohealth.net";

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const GROUP: HeaderName = HeaderName::from_static("x-practice-group-id");

/// The known events.
pub fn catalogue() -> &'static Catalogue {
    &catalogue::CATALOGUE
}

/// One account at Hero Health.
#[derive(Clone)]
pub struct HeroHealthAccount {
    /// Where to call.
    pub base_url: BaseUrl,
    /// The API key.
    pub api_key: SecretText,
    /// The practice group whose webhooks these are.
    pub practice_group_id: Arc<str>,
}

/// Why no adapter can be made; nothing was sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SetupError {
    /// See [`check_api_key`].
    #[error("{0}")]
    ApiKey(&'static str),
    /// The practice group cannot be a header.
    #[error("spec.heroHealth.practiceGroupId is not an id: write the one that Hero Health support gave")]
    PracticeGroup,
}

/// The adapter.
pub struct HeroHealth {
    caller: Caller,
    base_url: BaseUrl,
    api_key: HeaderValue,
    group: HeaderValue,
    keyring: Keyring,
}

impl HeroHealth {
    /// An adapter that has not called yet.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(account: HeroHealthAccount, wiring: Wiring) -> Result<Self, SetupError> {
        check_api_key(&account.api_key).map_err(SetupError::ApiKey)?;
        let api_key = sensitive(account.api_key.expose()).ok_or(SetupError::ApiKey("cannot be sent as a header"))?;
        let group = HeaderValue::from_str(&account.practice_group_id).ok().filter(|group| !group.is_empty());
        Ok(Self {
            caller: Caller { provider: "herohealth", wiring },
            base_url: account.base_url,
            api_key,
            group: group.ok_or(SetupError::PracticeGroup)?,
            keyring: Keyring::default(),
        })
    }

    /// One call. There is no token to renew, so a 401 is about the key at once.
    async fn call(&self, operation: &'static str, parts: RequestParts) -> Result<Answer, CallError> {
        let parts = parts.header(API_KEY, self.api_key.clone()).header(GROUP, self.group.clone());
        match self.caller.call(operation, parts).await {
            Err(CallError::Rejected { status: 401 }) => Err(CallError::CredentialsRejected),
            outcome => outcome,
        }
    }
}

#[async_trait]
impl Provider for HeroHealth {
    fn name(&self) -> &'static str {
        self.caller.provider
    }

    fn catalogue(&self) -> &'static Catalogue {
        catalogue()
    }

    fn recipe(&self) -> Recipe {
        crate::signing::HERO_HEALTH
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::Operator
    }

    fn endpoints(&self) -> Option<&dyn EndpointCalls> {
        None
    }

    fn rows(&self) -> Option<&dyn RowCalls> {
        Some(self)
    }

    fn practices(&self) -> Option<&dyn PracticeCalls> {
        None
    }

    fn syncs(&self) -> Option<&dyn SyncCalls> {
        None
    }

    fn keyring(&self) -> Option<&Keyring> {
        Some(&self.keyring)
    }

    async fn authenticate(&self) -> Result<(), CallError> {
        RowCalls::list(self, &RowScope::Account).await.map(drop)
    }
}
