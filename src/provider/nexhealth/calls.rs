//! The routes of NexHealth that the operator uses.
//!
//! There is no route for one endpoint or one row, none for all rows of the account, and a practice is always named in
//! the query, by subdomain, while rows answer with the institution's id.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use url::Url;

use super::wire::{self, Count};
use super::wire_sync::{Located, SyncStatus};
use super::{NexHealth, VERSION_HEADER};
use crate::provider::error::{Ambiguity, CallError, Unavailable};
use crate::provider::http::{Answer, Effect, RequestParts, unavailable};
use crate::provider::model::sync::{Place, Sync as PracticeSync};
use crate::provider::model::{EndpointPatch, NewEndpoint, NewRow, Practice, RemoteEndpoint, RemoteId, RemoteRow};
use crate::provider::model::{RowPatch, RowScope};
use crate::provider::{EndpointCalls, PracticeCalls, RowCalls, SyncCalls};

const ENDPOINTS: &str = "webhook_endpoints";
const ROWS: &str = "webhook_subscriptions";

/// Answered before anything is sent, for what no route can carry.
const NOT_SENDABLE: CallError = CallError::Rejected { status: 400 };

/// A 2xx that cannot be read. For a write: it may have happened, so look (rules.md *Create*, *Ambiguous answer*).
fn bad(effect: Effect) -> CallError {
    unavailable(Unavailable::BadAnswer, effect, Ambiguity::Answered)
}

impl NexHealth {
    /// A route below an id. An id of odd characters names nothing there, and `..` would even name something else.
    fn route(&self, segments: &[&str]) -> Result<Url, CallError> {
        if segments.iter().all(|segment| wire::is_id(segment)) {
            Ok(self.base_url.route(segments))
        } else {
            Err(NOT_SENDABLE)
        }
    }

    fn write(&self, method: Method, url: Url) -> RequestParts {
        RequestParts::new(method, url, Effect::Write).header(VERSION_HEADER, self.api_version.clone())
    }

    async fn get_list<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        url: Url,
        count: Count,
    ) -> Result<Vec<T>, CallError> {
        let parts = RequestParts::list(url).header(VERSION_HEADER, self.api_version.clone());
        let answer = self.call(operation, parts).await?;
        let list = (answer.status == 200).then(|| wire::list(&answer.body, count));
        list.flatten().ok_or(bad(Effect::Read))
    }

    /// A write that answers with the object. 200 and 201 are taken for each other.
    async fn write_object<T: DeserializeOwned>(
        &self,
        operation: &'static str,
        parts: RequestParts,
    ) -> Result<T, CallError> {
        let answer = self.call(operation, parts).await?;
        let object = matches!(answer.status, 200 | 201).then(|| wire::object(&answer.body));
        object.flatten().ok_or(bad(Effect::Write))
    }

    async fn delete_route(&self, operation: &'static str, url: Url) -> Result<(), CallError> {
        let Answer { status, body } = self.call(operation, self.write(Method::DELETE, url)).await?;
        let done = matches!(status, 200 | 204) && wire::confirms(&body);
        done.then_some(()).ok_or(bad(Effect::Write))
    }
}

fn with_practice(mut url: Url, practice: Option<&str>) -> Url {
    if let Some(subdomain) = practice {
        url.query_pairs_mut().append_pair("subdomain", subdomain);
    }
    url
}

#[async_trait]
impl EndpointCalls for NexHealth {
    async fn list(&self, inactive_only: bool) -> Result<Vec<RemoteEndpoint>, CallError> {
        let mut url = self.route(&[ENDPOINTS])?;
        if inactive_only {
            url.set_query(Some("active=false"));
        }
        let count = if inactive_only { Count::Ignore } else { Count::Whole };
        let list: Vec<wire::Endpoint> = self.get_list("list_endpoints", url, count).await?;
        let list: Option<Vec<_>> = list.into_iter().map(wire::Endpoint::whole).collect();
        let mut list = list.ok_or(bad(Effect::Read))?;
        // A provider that ignores the filter answers with all of them.
        list.retain(|endpoint| !inactive_only || !endpoint.active);
        Ok(list)
    }

    async fn create(&self, new: &NewEndpoint) -> Result<RemoteEndpoint, CallError> {
        let body = json!({"target_url": new.target_url, "active": new.active});
        let parts = self.write(Method::POST, self.route(&[ENDPOINTS])?).json(&body);
        let made: wire::Endpoint = self.write_object("create_endpoint", parts).await?;
        Ok(made.created(new))
    }

    async fn patch(&self, id: &RemoteId, patch: &EndpointPatch) -> Result<RemoteEndpoint, CallError> {
        let mut body = json!({});
        if let Some(target_url) = &patch.target_url {
            body["target_url"] = json!(target_url);
        }
        if let Some(active) = patch.active {
            body["active"] = json!(active);
        }
        let parts = self.write(Method::PATCH, self.route(&[ENDPOINTS, id.as_str()])?).json(&body);
        let changed: wire::Endpoint = self.write_object("patch_endpoint", parts).await?;
        changed.whole().filter(|endpoint| endpoint.id == *id).ok_or(bad(Effect::Write))
    }

    async fn delete(&self, id: &RemoteId) -> Result<(), CallError> {
        self.delete_route("delete_endpoint", self.route(&[ENDPOINTS, id.as_str()])?).await
    }
}

#[async_trait]
impl RowCalls for NexHealth {
    /// Of one endpoint; NexHealth cannot list the rows of the account, and [`RowScope::Account`] is refused unsent.
    async fn list(&self, scope: &RowScope) -> Result<Vec<RemoteRow>, CallError> {
        let RowScope::Endpoint(endpoint) = scope else { return Err(NOT_SENDABLE) };
        let url = self.route(&[ENDPOINTS, endpoint.as_str(), ROWS])?;
        let list: Vec<wire::Row> = self.get_list("list_rows", url, Count::Whole).await?;
        let mut texts = wire::Texts::default();
        let list: Option<Vec<_>> = list.into_iter().map(|row| row.whole(endpoint, &mut texts)).collect();
        list.ok_or(bad(Effect::Read))
    }

    /// The practice must be absent for events of the account, else NexHealth refuses.
    async fn create(&self, new: &NewRow) -> Result<RemoteRow, CallError> {
        let version = HeaderValue::from_str(&new.payload_version).map_err(|_| NOT_SENDABLE)?;
        let url = with_practice(self.route(&[ENDPOINTS, new.endpoint.as_str(), ROWS])?, new.practice.as_deref());
        let body = json!({"resource_type": &*new.resource_type, "event": &*new.event, "active": new.active});
        let parts = self.write(Method::POST, url).header(VERSION_HEADER, version).json(&body);
        let made: wire::Row = self.write_object("create_row", parts).await?;
        made.created(new).ok_or(bad(Effect::Write))
    }

    async fn patch(&self, row: &RemoteRow, practice: Option<&str>, patch: &RowPatch) -> Result<RemoteRow, CallError> {
        let mut body = json!({});
        if let Some(active) = patch.active {
            body["active"] = json!(active);
        }
        if let Some(endpoint) = &patch.new_endpoint {
            // The schema has a number there.
            body["new_endpoint_id"] =
                endpoint.as_str().parse::<u64>().map_or_else(|_| json!(endpoint.as_str()), Value::from);
        }
        let url = with_practice(self.row(row)?, practice);
        let changed: wire::Row = self.write_object("patch_row", self.write(Method::PATCH, url).json(&body)).await?;
        let endpoint = patch.new_endpoint.as_ref().unwrap_or(&row.endpoint);
        let changed = changed.whole(endpoint, &mut wire::Texts::default());
        changed.filter(|changed| changed.id == row.id).ok_or(bad(Effect::Write))
    }

    async fn delete(&self, row: &RemoteRow) -> Result<(), CallError> {
        self.delete_route("delete_row", self.row(row)?).await
    }
}

impl NexHealth {
    fn row(&self, row: &RemoteRow) -> Result<Url, CallError> {
        self.route(&[ENDPOINTS, row.endpoint.as_str(), ROWS, row.id.as_str()])
    }
}

#[async_trait]
impl PracticeCalls for NexHealth {
    async fn list(&self) -> Result<Vec<Practice>, CallError> {
        let url = self.route(&["institutions"])?;
        let list: Vec<wire::Institution> = self.get_list("list_practices", url, Count::Whole).await?;
        Ok(list.into_iter().map(Practice::from).collect())
    }
}

#[async_trait]
impl SyncCalls for NexHealth {
    /// Without a subdomain it is about every institution: one call, whatever the number of monitors.
    async fn list(&self) -> Result<Vec<(Arc<str>, PracticeSync)>, CallError> {
        let list: Vec<SyncStatus> = self.get_list("sync_status", self.route(&["sync_status"])?, Count::Whole).await?;
        let mut texts = wire::Texts::default();
        Ok(list.into_iter().map(|sync| sync.read(&mut texts)).collect())
    }

    async fn places(&self) -> Result<Vec<Place>, CallError> {
        let list: Vec<Located> = self.get_list("list_locations", self.route(&["locations"])?, Count::Whole).await?;
        let mut texts = wire::Texts::default();
        Ok(list.into_iter().flat_map(|located| located.places(&mut texts)).collect())
    }
}
