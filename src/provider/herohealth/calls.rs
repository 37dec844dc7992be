//! The routes of Hero Health that the operator uses: list, create, delete.
//!
//! There is no route for one webhook and none that changes one: [`RowCalls::patch`] is refused unsent.

use async_trait::async_trait;
use reqwest::Method;
use serde_json::json;

use super::{HeroHealth, wire};
use crate::provider::RowCalls;
use crate::provider::dialect::Dialect;
use crate::provider::error::{Ambiguity, CallError, Unavailable};
use crate::provider::http::{Effect, RequestParts, unavailable};
use crate::provider::model::{NewRow, RemoteRow, RowPatch, RowScope};

const ROUTE: [&str; 2] = ["v1", "webhooks"];

/// What a person sees in the provider's portal, so that nobody takes it for a leftover.
const DESCRIPTION: &str = "managed by external-webhooks";

/// Answered before anything is sent, for what no route can carry.
const NOT_SENDABLE: CallError = CallError::Rejected { status: 400 };

const NO_ROUTE: CallError = CallError::Unavailable { cause: Unavailable::NoSuchRoute, ambiguity: None };

/// A 2xx that cannot be read. For a write: it may have happened, so look (rules.md *Create*, *Ambiguous answer*).
fn bad(effect: Effect) -> CallError {
    unavailable(Unavailable::BadAnswer, effect, Ambiguity::Answered)
}

#[async_trait]
impl RowCalls for HeroHealth {
    /// Of the whole practice group, whatever the scope: it costs the same.
    async fn list(&self, _: &RowScope) -> Result<Vec<RemoteRow>, CallError> {
        let parts = RequestParts::list(self.base_url.route(&ROUTE)).spoken_by(Dialect::Hero);
        let answer = match self.call("list_webhooks", parts).await {
            // The route that every account has.
            Err(CallError::NotFound) => return Err(NO_ROUTE),
            answer => answer?,
        };
        let list = (answer.status == 200).then(|| wire::list(&answer.body)).flatten();
        let list: Option<Vec<_>> = list.and_then(|list| list.into_iter().map(wire::Webhook::whole).collect());
        let list = list.ok_or(bad(Effect::Read))?;
        Ok(list.into_iter().map(|webhook| webhook.row(&self.keyring)).collect())
    }

    /// With the URL and the key that the keyring has for the home.
    async fn create(&self, new: &NewRow) -> Result<RemoteRow, CallError> {
        let target = self.keyring.target(&new.endpoint).ok_or(NOT_SENDABLE)?;
        let body = json!({
            "event_type": &*new.event,
            "url": target.target_url,
            "description": DESCRIPTION,
            "signing_key": target.key.expose(),
        });
        let parts = RequestParts::new(Method::POST, self.base_url.route(&ROUTE), Effect::Write).json(&body);
        let answer = self.call("create_webhook", parts).await?;
        let made = matches!(answer.status, 200 | 201).then(|| wire::object(&answer.body)).flatten();
        let made = made.ok_or(bad(Effect::Write))?.created(new, &target);
        let fingerprint = target.key.fingerprint();
        let webhook = made.ok_or(bad(Effect::Write))?;
        // It is ours whatever later lists show of it.
        if webhook.signs_with(&target.key) {
            self.keyring.tell(webhook.id(), &fingerprint);
        }
        Ok(webhook.row(&self.keyring))
    }

    async fn patch(&self, _: &RemoteRow, _: Option<&str>, _: &RowPatch) -> Result<RemoteRow, CallError> {
        Err(CallError::Rejected { status: 405 })
    }

    async fn delete(&self, row: &RemoteRow) -> Result<(), CallError> {
        if !wire::is_id(row.id.as_str()) {
            return Err(NOT_SENDABLE);
        }
        let url = self.base_url.route(&[ROUTE[0], ROUTE[1], row.id.as_str()]);
        let answer = self.call("delete_webhook", RequestParts::new(Method::DELETE, url, Effect::Write)).await?;
        // What stands in the body is not documented: the status is the answer, and a list proves it.
        matches!(answer.status, 200 | 204).then_some(()).ok_or(bad(Effect::Write))
    }
}
