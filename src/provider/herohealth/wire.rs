//! Reading Hero Health's answers.
//!
//! Tolerant where the pages are silent (a bare list or one under `data`, unknown fields, hidden keys), strict where a guess
//! would become a fact: a list with one unreadable element is no list (rules.md *Absence*, *Good list*).

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::provider::credentials::usable_key;
use crate::provider::keyring::{FusedTarget, Keyring};
use crate::provider::model::{NewRow, RemoteId, RemoteRow, canonical_url};
use crate::signing::SecretText;

/// A list in one of its forms; `None` if it is none.
pub(super) fn list(body: &[u8]) -> Option<Vec<Webhook>> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        Bare(Vec<Webhook>),
        Under {
            data: Vec<Webhook>,
            #[serde(default)]
            code: Value,
            #[serde(default)]
            page_info: Value,
        },
    }
    match serde_json::from_slice(body).ok()? {
        Form::Bare(list) => Some(list),
        // Another provider's envelope, which is not to be taken for an answer of this one.
        Form::Under { code, page_info, .. } if !code.is_null() || !page_info.is_null() => None,
        Form::Under { data, .. } => Some(data),
    }
}

/// The object of a create; `None` if it cannot be read.
pub(super) fn object(body: &[u8]) -> Option<Webhook> {
    serde_json::from_slice(body).ok()
}

/// Whether an id can stand in a route. An odd one names nothing there, and `..` would even name something else.
pub(super) fn is_id(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':');
    !id.is_empty() && id.len() <= 253 && !id.starts_with('.') && id.bytes().all(plain)
}

/// A webhook as it was answered.
#[derive(Deserialize)]
pub(super) struct Webhook {
    id: Value,
    event_type: Option<String>,
    url: Option<String>,
    #[serde(default)]
    signing_key: Value,
    #[serde(default)]
    created_at: Value,
}

/// A webhook with everything that decisions rest on.
pub(super) struct Whole {
    id: RemoteId,
    event: Arc<str>,
    url: String,
    key: Option<SecretText>,
    created_at: Option<Timestamp>,
}

impl Webhook {
    /// Needs id, event and URL.
    pub(super) fn whole(self) -> Option<Whole> {
        let (event, url) = (self.event_type.as_deref()?.into(), self.url.clone()?);
        let created_at = self.created_at.as_str().and_then(|text| text.parse().ok());
        let id = match self.id {
            Value::String(id) => id,
            // Ids are text; a number names the same thing.
            Value::Number(id) => id.to_string(),
            _ => return None,
        };
        let id = is_id(&id).then(|| RemoteId::new(&id))?;
        Some(Whole { id, event, url, key: readable(self.signing_key), created_at })
    }

    /// Needs the id only: it exists now. What the answer leaves out, or hides, is as asked for.
    pub(super) fn created(mut self, new: &NewRow, target: &FusedTarget) -> Option<Whole> {
        self.event_type.get_or_insert_with(|| new.event.to_string());
        self.url.get_or_insert_with(|| target.target_url.clone());
        // Written another way it is the same URL.
        if self.url.as_deref().map(canonical_url) == Some(canonical_url(&target.target_url)) {
            self.url = Some(target.target_url.clone());
        }
        let mut whole = self.whole()?;
        whole.key.get_or_insert_with(|| target.key.clone());
        Some(whole)
    }
}

impl Whole {
    pub(super) fn id(&self) -> &RemoteId {
        &self.id
    }

    pub(super) fn signs_with(&self, key: &SecretText) -> bool {
        self.key.as_ref() == Some(key)
    }

    /// As the mirror keeps it. There are no resource types and no practices, and what exists delivers.
    pub(super) fn row(self, keyring: &Keyring) -> RemoteRow {
        RemoteRow {
            endpoint: keyring.locate(&self.id, &self.url, self.key.as_ref()),
            id: self.id,
            practice: None,
            resource_type: "".into(),
            event: self.event,
            active: true,
            created_at: self.created_at,
        }
    }
}

fn readable(value: Value) -> Option<SecretText> {
    match value {
        Value::String(text) => usable_key(text),
        _ => None,
    }
}
