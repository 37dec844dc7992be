//! NexHealth (Synchronizer API): endpoints and rows of their own, keys made by the provider.
//!
//! | file | about |
//! |---|---|
//! | `token.rs` | the bearer token: lifetime, one sign-in for all workers |
//! | `calls.rs` | the routes |
//! | `wire.rs` | reading answers that are not always what their schema says |
//! | `wire_sync.rs` | the same for syncs and places |
//! | `catalogue.rs` | the known events |

mod calls;
mod catalogue;
#[cfg(test)]
mod tests;
mod token;
mod wire;
mod wire_sync;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use thiserror::Error;

pub use token::TokenTiming;

use crate::provider::base_url::BaseUrl;
use crate::provider::caller::{Caller, Wiring};
use crate::provider::credentials::{check_api_key, sensitive};
use crate::provider::dialect::Dialect;
use crate::provider::error::{CallError, Unavailable};
use crate::provider::gate::{Errand, Lane};
use crate::provider::http::{Answer, Effect, RequestParts};
use crate::provider::model::{Catalogue, KeyOrigin};
use crate::provider::{EndpointCalls, PracticeCalls, Provider, RowCalls, SyncCalls};
use crate::signing::SecretText;
use token::{Need, Token, Tokens};

/// Where NexHealth is; sandbox and production share it, the key decides.
pub const DEFAULT_BASE_URL: &str = "https://nexhealth.info";

/// Selects the API version; without it every route answers 404.
const VERSION_HEADER: HeaderName = HeaderName::from_static("nex-api-version");

/// The known events.
pub fn catalogue() -> &'static Catalogue {
    &catalogue::CATALOGUE
}

/// One account at NexHealth.
#[derive(Clone)]
pub struct NexHealthAccount {
    /// Where to call.
    pub base_url: BaseUrl,
    /// The API key.
    pub api_key: SecretText,
    /// `Nex-Api-Version` of everything but the creation of rows, which carry their own.
    pub api_version: Arc<str>,
    /// How the bearer token is kept.
    pub token_timing: TokenTiming,
}

/// Why no adapter can be made; nothing was sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SetupError {
    /// See [`check_api_key`].
    #[error("{0}")]
    ApiKey(&'static str),
    /// The version cannot be a header.
    #[error("spec.nexHealth.apiVersion is not a version: write one such as v3.0.0")]
    ApiVersion,
}

/// The adapter.
pub struct NexHealth {
    caller: Caller,
    base_url: BaseUrl,
    api_key: SecretText,
    api_version: HeaderValue,
    tokens: Tokens,
}

impl NexHealth {
    /// An adapter that has not called yet.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(account: NexHealthAccount, wiring: Wiring) -> Result<Self, SetupError> {
        check_api_key(&account.api_key).map_err(SetupError::ApiKey)?;
        if account.api_version.is_empty() {
            return Err(SetupError::ApiVersion);
        }
        Ok(Self {
            caller: Caller { provider: "nexhealth", wiring },
            base_url: account.base_url,
            api_key: account.api_key,
            api_version: HeaderValue::from_str(&account.api_version).map_err(|_| SetupError::ApiVersion)?,
            tokens: Tokens::new(account.token_timing),
        })
    }

    /// One call with the bearer token. A 401 means that nothing was done, so after one new sign-in it is made again,
    /// writes too; a second 401 is about the key.
    async fn call(&self, operation: &'static str, parts: RequestParts) -> Result<Answer, CallError> {
        let token = self.token(Need::Usable).await?;
        match self.attempt(operation, &parts, &token).await {
            Err(CallError::Rejected { status: 401 }) => {}
            outcome => return outcome,
        }
        let token = self.token(Need::NewerThan(token.generation)).await?;
        match self.attempt(operation, &parts, &token).await {
            Err(CallError::Rejected { status: 401 }) => Err(CallError::CredentialsRejected),
            outcome => outcome,
        }
    }

    async fn attempt(&self, operation: &'static str, parts: &RequestParts, token: &Token) -> Result<Answer, CallError> {
        self.caller.call(operation, parts.clone().header(AUTHORIZATION, token.header.clone())).await
    }

    /// A token. Waits for it before the gate, never inside: a sign-in needs a place in the gate itself.
    async fn token(&self, need: Need) -> Result<Token, CallError> {
        self.tokens.get(need, || self.sign_in()).await
    }

    /// Signs in. No failure of it may look like a refusal of the call that needed it, hence the mapping.
    async fn sign_in(&self) -> Result<SecretText, CallError> {
        let key = sensitive(self.api_key.expose()).ok_or(CallError::CredentialsRejected)?;
        let parts = RequestParts::new(Method::POST, self.base_url.route(&["authenticates"]), Effect::Read)
            .header(VERSION_HEADER, self.api_version.clone())
            .header(AUTHORIZATION, key)
            .spoken_by(Dialect::Nex);
        let bad = CallError::Unavailable { cause: Unavailable::BadAnswer, ambiguity: None };
        // Everybody waits for it, whatever they want; it is a probe if its caller is one.
        let mut errand = Errand::new(Lane::Front);
        if Errand::current().is_probe() {
            errand = errand.probing();
        }
        match errand.run(self.caller.call("sign_in", parts)).await {
            Ok(answer) => wire::token(&answer.body).ok_or(bad),
            Err(CallError::Rejected { .. }) => Err(CallError::CredentialsRejected),
            Err(CallError::NotFound) => {
                Err(CallError::Unavailable { cause: Unavailable::NoSuchRoute, ambiguity: None })
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Provider for NexHealth {
    fn name(&self) -> &'static str {
        self.caller.provider
    }

    fn catalogue(&self) -> &'static Catalogue {
        catalogue()
    }

    fn recipe(&self) -> crate::signing::Recipe {
        crate::signing::NEXHEALTH
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::Provider
    }

    fn endpoints(&self) -> Option<&dyn EndpointCalls> {
        Some(self)
    }

    fn rows(&self) -> Option<&dyn RowCalls> {
        Some(self)
    }

    fn practices(&self) -> Option<&dyn PracticeCalls> {
        Some(self)
    }

    fn syncs(&self) -> Option<&dyn SyncCalls> {
        Some(self)
    }

    async fn authenticate(&self) -> Result<(), CallError> {
        self.token(Need::Proof).await.map(|_| ())
    }
}
