//! Insight Health: nothing can be registered. URLs and keys are exchanged between people at onboarding.
//!
//! What is left is to prove credentials: its one inbound route is asked to take in an empty batch, which cannot create
//! data. Whether that is "no valid appointment" (400) or a success of nothing (200) is not documented; both prove the keys.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

use crate::provider::base_url::BaseUrl;
use crate::provider::caller::{Caller, Wiring};
use crate::provider::credentials::{check_api_key, sensitive};
use crate::provider::dialect::Dialect;
use crate::provider::error::{CallError, Unavailable};
use crate::provider::http::{Effect, RequestParts};
use crate::provider::model::{Catalogue, KeyOrigin};
use crate::provider::{EndpointCalls, PracticeCalls, Provider, RowCalls, SyncCalls};
use crate::signing::{INSIGHT_HEALTH, Message, Recipe, SecretText};

/// Production. The staging environment is another origin, which the operator has to allow.
pub const DEFAULT_BASE_URL: &str = "https://integrations.api.insighthealth.ai";

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const SIGNATURE: HeaderName = HeaderName::from_static("x-webhook-signature");

static CATALOGUE: Catalogue = Catalogue { provider: "Insight Health", name_alone: true, events: Vec::new() };

/// The known events.
pub fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

/// One account at Insight Health.
#[derive(Clone)]
pub struct InsightHealthAccount {
    /// Where to call.
    pub base_url: BaseUrl,
    /// The API key.
    pub api_key: SecretText,
    /// The key that signs what is sent there.
    pub signing_key: SecretText,
    /// The EHR that both are bound to, as it stands in the route.
    pub ehr: Arc<str>,
}

/// Why no adapter can be made; nothing was sent.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum SetupError {
    /// See [`check_api_key`].
    #[error("{0}")]
    ApiKey(&'static str),
    /// Nothing can be signed with it.
    #[error("the signing key that spec.insightHealth.signingKeySecretRef names is empty: write the key into it")]
    SigningKey,
}

/// The adapter.
pub struct InsightHealth {
    caller: Caller,
    account: InsightHealthAccount,
    api_key: HeaderValue,
    signature: HeaderValue,
}

impl InsightHealth {
    /// An adapter that has not called yet.
    ///
    /// # Errors
    /// See [`SetupError`].
    pub fn new(account: InsightHealthAccount, wiring: Wiring) -> Result<Self, SetupError> {
        check_api_key(&account.api_key).map_err(SetupError::ApiKey)?;
        let api_key = sensitive(account.api_key.expose()).ok_or(SetupError::ApiKey("cannot be sent as a header"))?;
        let body = empty_batch().to_string();
        let message = Message { timestamp: None, body: body.as_bytes() };
        let signature = INSIGHT_HEALTH.sign(&account.signing_key, message).as_deref().and_then(sensitive);
        Ok(Self {
            caller: Caller { provider: "insighthealth", wiring },
            account,
            api_key,
            signature: signature.ok_or(SetupError::SigningKey)?,
        })
    }
}

fn empty_batch() -> Value {
    json!([])
}

/// What a 200 may say besides.
#[derive(Deserialize)]
struct Verdict {
    success: bool,
    #[serde(default)]
    code: Option<u16>,
}

/// Reads a success: that of another provider's server proves nothing.
fn accepted(body: &[u8]) -> Result<(), CallError> {
    match serde_json::from_slice::<Verdict>(body) {
        Ok(Verdict { success: true, .. } | Verdict { code: Some(400), .. }) => Ok(()),
        Ok(Verdict { code: Some(401 | 403), .. }) => Err(CallError::CredentialsRejected),
        _ => Err(CallError::Unavailable { cause: Unavailable::BadAnswer, ambiguity: None }),
    }
}

#[async_trait]
impl Provider for InsightHealth {
    fn name(&self) -> &'static str {
        self.caller.provider
    }

    fn catalogue(&self) -> &'static Catalogue {
        catalogue()
    }

    fn recipe(&self) -> Recipe {
        INSIGHT_HEALTH
    }

    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::Operator
    }

    fn endpoints(&self) -> Option<&dyn EndpointCalls> {
        None
    }

    fn rows(&self) -> Option<&dyn RowCalls> {
        None
    }

    fn practices(&self) -> Option<&dyn PracticeCalls> {
        None
    }

    fn syncs(&self) -> Option<&dyn SyncCalls> {
        None
    }

    async fn authenticate(&self) -> Result<(), CallError> {
        let url = self.account.base_url.route(&["v2", "webhooks", &self.account.ehr, "sync-appointments"]);
        // It changes nothing, so it needs no lease and can be repeated.
        let parts = RequestParts::new(Method::POST, url, Effect::Read)
            .header(API_KEY, self.api_key.clone())
            .header(SIGNATURE, self.signature.clone())
            .json(&empty_batch())
            .spoken_by(Dialect::Insight);
        match self.caller.call("prove_credentials", parts).await {
            Ok(answer) => accepted(&answer.body),
            Err(CallError::Rejected { status: 400 }) => Ok(()),
            Err(CallError::Rejected { status: 401 | 403 }) => Err(CallError::CredentialsRejected),
            // This is the only route there is.
            Err(CallError::NotFound) => {
                Err(CallError::Unavailable { cause: Unavailable::NoSuchRoute, ambiguity: None })
            }
            Err(error) => Err(error),
        }
    }
}
