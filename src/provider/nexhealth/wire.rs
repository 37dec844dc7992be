//! Reading NexHealth's answers.
//!
//! Tolerant where a difference does not matter (unknown fields, ids as numbers or text, bad timestamps, any shape of
//! `description` and `error`), strict where a guess would become a fact: a list with one unreadable element, or with
//! more behind it, is no list (rules.md *Absence*, *Good list*). What went wrong is not kept, because the parser quotes
//! the body.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::provider::credentials::usable_key;
use crate::provider::model::{NewEndpoint, NewRow, Practice, RemoteEndpoint, RemoteId, RemoteRow};
use crate::signing::SecretText;

/// Whether `count` says how long the list has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// It does: a shorter list was cut silently.
    Whole,
    /// The list is filtered, and what `count` counts then is not documented.
    Ignore,
}

#[derive(Deserialize)]
struct Envelope<T> {
    code: bool,
    data: Option<T>,
    #[serde(default)]
    count: Value,
    #[serde(default)]
    page_info: Value,
}

/// The elements of a good list; `None` if it is not one.
pub(super) fn list<T: DeserializeOwned>(body: &[u8], count: Count) -> Option<Vec<T>> {
    let envelope: Envelope<Vec<T>> = serde_json::from_slice(body).ok()?;
    let more = &envelope.page_info["has_next_page"];
    let data = envelope.data.filter(|_| envelope.code && (more.is_null() || *more == Value::Bool(false)))?;
    let cut = count == Count::Whole && envelope.count.as_u64().is_some_and(|count| count > data.len() as u64);
    (!cut).then_some(data)
}

/// The object of an answer; `None` if it reports failure or cannot be read.
pub(super) fn object<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let envelope: Envelope<T> = serde_json::from_slice(body).ok()?;
    envelope.data.filter(|_| envelope.code)
}

/// Whether the answer to a DELETE confirms it: no body, or one that does not say otherwise.
pub(super) fn confirms(body: &[u8]) -> bool {
    body.trim_ascii().is_empty()
        || serde_json::from_slice::<Value>(body).is_ok_and(|answer| answer["code"] == Value::Bool(true))
}

/// The bearer token of a sign-in.
pub(super) fn token(body: &[u8]) -> Option<SecretText> {
    #[derive(Deserialize)]
    struct SignIn {
        token: String,
    }
    let token = SecretText::new(object::<SignIn>(body)?.token);
    (!token.expose().is_empty()).then_some(token)
}

/// An element of `GET /webhook_endpoints`, or the object of a write.
#[derive(Deserialize)]
pub(super) struct Endpoint {
    id: Id,
    target_url: Option<String>,
    active: Option<bool>,
    #[serde(default)]
    created_at: Time,
    #[serde(default)]
    updated_at: Time,
    #[serde(default)]
    secret_key: Key,
}

impl Endpoint {
    /// Needs every field that decisions rest on.
    pub(super) fn whole(self) -> Option<RemoteEndpoint> {
        let (target_url, active) = (self.target_url.clone()?, self.active?);
        Some(self.with(target_url, active))
    }

    /// Needs the id only: it exists now, and losing its id over a missing field would be worse.
    pub(super) fn created(self, new: &NewEndpoint) -> RemoteEndpoint {
        let target_url = self.target_url.clone().unwrap_or_else(|| new.target_url.clone());
        let active = self.active.unwrap_or(new.active);
        self.with(target_url, active)
    }

    fn with(self, target_url: String, active: bool) -> RemoteEndpoint {
        let (created_at, updated_at) = (self.created_at.0, self.updated_at.0);
        RemoteEndpoint { id: self.id.into(), target_url, active, created_at, updated_at, key: self.secret_key.0 }
    }
}

/// An element of `GET …/webhook_subscriptions`, or the object of a write.
#[derive(Deserialize)]
pub(super) struct Row {
    id: Id,
    webhook_endpoint_id: Option<Id>,
    /// Outer `None`: absent. `null` means an event of the account, so the two must not be mixed up.
    #[serde(default, deserialize_with = "present")]
    institution_id: Option<Option<Id>>,
    resource_type: Option<String>,
    event: Option<String>,
    active: Option<bool>,
    #[serde(default)]
    created_at: Time,
}

impl Row {
    /// Needs every field but the endpoint, which is the listed one if the row does not say.
    pub(super) fn whole(self, endpoint: &RemoteId, texts: &mut Texts) -> Option<RemoteRow> {
        Some(RemoteRow {
            id: self.id.into(),
            endpoint: self.webhook_endpoint_id.map_or_else(|| endpoint.clone(), RemoteId::from),
            practice: self.institution_id?.map(|id| texts.shared(&id.0)),
            resource_type: texts.shared(&self.resource_type?),
            event: texts.shared(&self.event?),
            active: self.active?,
            created_at: self.created_at.0,
        })
    }

    /// What the answer leaves out is as asked for; only the institution's id cannot be known from the request.
    pub(super) fn created(mut self, new: &NewRow) -> Option<RemoteRow> {
        let institution = self.institution_id.take().flatten();
        if new.practice.is_some() != institution.is_some() {
            return None;
        }
        self.institution_id = Some(institution);
        self.resource_type.get_or_insert_with(|| new.resource_type.to_string());
        self.event.get_or_insert_with(|| new.event.to_string());
        self.active.get_or_insert(new.active);
        self.whole(&new.endpoint, &mut Texts::default())
    }
}

/// An element of `GET /institutions`.
#[derive(Deserialize)]
pub(super) struct Institution {
    id: Id,
    /// Absent or null: nobody can name it, but it is there.
    #[serde(default)]
    subdomain: Option<String>,
}

impl From<Institution> for Practice {
    fn from(institution: Institution) -> Self {
        Self { name: institution.subdomain.unwrap_or_default().into(), key: institution.id.0.into() }
    }
}

/// Texts of one list, each kept once: 10,000 rows have some 50 events.
#[derive(Default)]
pub(super) struct Texts(HashSet<Arc<str>>);

impl Texts {
    pub(super) fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Arc<str> = text.into();
        self.0.insert(new.clone());
        new
    }
}

/// An id, number or text. Ids go into paths, so only harmless characters are taken.
pub(super) struct Id(String);

/// Whether this can be part of a path without meaning something else there.
pub(super) fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

impl Id {
    /// The id as text.
    pub(super) fn text(self) -> Arc<str> {
        self.0.into()
    }
}

impl From<Id> for RemoteId {
    fn from(id: Id) -> Self {
        Self::new(id.0)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct IdVisitor;
        impl Visitor<'_> for IdVisitor {
            type Value = Id;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an id")
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Id, E> {
                Ok(Id(number.to_string()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Id, E> {
                if is_id(text) { Ok(Id(text.to_owned())) } else { Err(E::custom("not an id")) }
            }
        }
        from.deserialize_any(IdVisitor)
    }
}

/// A timestamp, if it is one.
#[derive(Default)]
struct Time(Option<Timestamp>);

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(Value::deserialize(from)?.as_str().and_then(|text| text.trim().parse().ok())))
    }
}

/// A signing key, if it can be used.
#[derive(Default)]
struct Key(Option<SecretText>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(from)? {
            Value::String(text) => usable_key(text),
            _ => None,
        }))
    }
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<Id>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
