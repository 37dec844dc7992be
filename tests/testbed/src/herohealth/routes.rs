//! `/v1/webhooks`: create, list, delete. There is no `GET` of one and no change.

use super::{
    model::{ApiKey, Webhook},
    switches::{Duplicates, ErrorForm, KeyOnList, ListForm},
    world::{NewWebhook, World},
};
use crate::sim::{Actor, Answer, Bucket, Request};
use serde_json::{Map, Value, json};
use std::{collections::BTreeMap, time::Instant};

pub(super) const API_KEY: &str = "x-api-key";
const GROUP: &str = "x-practice-group-id";

struct Refusal {
    status: u16,
    message: String,
}

type Outcome = Result<Answer, Refusal>;

fn refuse<T>(status: u16, message: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { status, message: message.into() })
}

/// Whether an answer shows the key: the create always does.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    Shown,
    AsSwitched,
}

/// Carries a request out and answers it.
pub(super) fn handle(world: &mut World, request: &Request) -> Answer {
    decide(world, request).unwrap_or_else(|refusal| match world.switches.error_form {
        ErrorForm::Message => Answer::json(refusal.status, json!({"message": refusal.message})),
        ErrorForm::Nested => Answer::json(refusal.status, json!({"error": {"message": refusal.message}})),
        ErrorForm::Empty => Answer::empty(refusal.status),
    })
}

fn decide(world: &mut World, request: &Request) -> Outcome {
    let group = caller(world, request)?;
    match (request.method.as_str(), request.segments().as_slice()) {
        ("GET", ["v1", "webhooks"]) => list(world, request, &group),
        ("POST", ["v1", "webhooks"]) => create(world, request, group),
        ("DELETE", ["v1", "webhooks", id]) => delete(world, request, &group, id),
        _ => refuse(world.switches.not_found_status, "Not found"),
    }
}

/// The practice group that is asked for: both headers are wanted on every call.
fn caller(world: &mut World, request: &Request) -> Result<String, Refusal> {
    let known = request.header(API_KEY).and_then(|value| world.key(value)).cloned();
    let Some(ApiKey { value, groups, webhooks, .. }) = known else {
        return refuse(world.switches.unauthorized_status, "Unauthorized");
    };
    limit(world, value)?;
    let Some(group) = request.header(GROUP).filter(|group| !group.is_empty()) else {
        return refuse(world.switches.no_group_status, format!("{GROUP} is required"));
    };
    if !webhooks || !groups.contains(group) {
        return refuse(world.switches.forbidden_status, "Forbidden");
    }
    Ok(group.to_owned())
}

fn limit(world: &mut World, key: String) -> Result<(), Refusal> {
    let Some(limit) = world.switches.rate_limit else { return Ok(()) };
    let now = Instant::now();
    let bucket = world.buckets.entry(key).or_insert_with(|| Bucket::full(limit, now));
    if bucket.take(limit, now) { Ok(()) } else { refuse(429, "Too many requests") }
}

fn object(world: &World, webhook: &Webhook, key: Key) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(webhook.id));
    fields.insert("event_type".into(), json!(webhook.event_type));
    fields.insert("url".into(), json!(webhook.url));
    if let Some(signing_key) = &webhook.signing_key {
        match (key, world.switches.key_on_list) {
            (Key::Shown, _) | (_, KeyOnList::Returned) => {
                fields.insert("signing_key".into(), json!(signing_key));
            }
            (Key::AsSwitched, KeyOnList::Masked) => {
                fields.insert("signing_key".into(), json!("*".repeat(signing_key.len())));
            }
            (Key::AsSwitched, KeyOnList::Absent) => {}
        }
    }
    if !webhook.headers.is_empty() {
        fields.insert("headers".into(), json!(webhook.headers));
    }
    let created = json!(format!("{:.3}", webhook.created_at));
    fields.insert("created_at".into(), created.clone());
    fields.insert("updated_at".into(), created);
    if world.switches.extra_fields {
        fields.insert("undocumented_field".into(), json!({"nested": [1, null]}));
    }
    Value::Object(fields)
}

fn event_type(world: &World, name: &str) -> Result<(), Refusal> {
    if world.switches.events.has(name) { Ok(()) } else { refuse(400, "event_type is invalid") }
}

fn list(world: &World, request: &Request, group: &str) -> Outcome {
    let wanted = request.query_value("event_type");
    if let Some(name) = wanted {
        event_type(world, name)?;
    }
    let found = world.of_group(group).filter(|webhook| wanted.is_none_or(|name| name == webhook.event_type));
    let items: Vec<Value> = found.map(|webhook| object(world, webhook, Key::AsSwitched)).collect();
    Ok(Answer::json(
        200,
        match world.switches.list_form {
            ListForm::Array => json!(items),
            ListForm::Data => json!({"data": items}),
        },
    ))
}

/// A text field; `None` where it is missing, 400 where it is anything else or empty.
fn text(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(value)) if !value.is_empty() => Ok(Some(value.clone())),
        Some(_) => refuse(400, format!("{name} is invalid")),
    }
}

fn required(fields: &Map<String, Value>, name: &str) -> Result<String, Refusal> {
    text(fields, name)?.map_or_else(|| refuse(400, format!("{name} is required")), Ok)
}

fn headers(fields: &Map<String, Value>) -> Result<BTreeMap<String, String>, Refusal> {
    let Some(value) = fields.get("headers") else { return Ok(BTreeMap::new()) };
    serde_json::from_value(value.clone()).or_else(|_| refuse(400, "headers is invalid"))
}

fn check_url(world: &World, url: &str) -> Result<(), Refusal> {
    let parsed = url::Url::parse(url).ok().filter(url::Url::has_host);
    match parsed.as_ref().map(url::Url::scheme) {
        Some("https") => Ok(()),
        Some("http") if !world.switches.https_only => Ok(()),
        _ => refuse(400, "url is invalid"),
    }
}

const KNOWN: [&str; 5] = ["event_type", "url", "description", "signing_key", "headers"];

fn create(world: &mut World, request: &Request, group: String) -> Outcome {
    let Some(fields) = request.json_object() else { return refuse(400, "Invalid request body") };
    if let Some(name) = fields.keys().find(|name| !KNOWN.contains(&name.as_str()))
        && world.switches.unknown_fields_refused
    {
        return refuse(400, format!("{name} is not allowed"));
    }
    let new = NewWebhook {
        group,
        event_type: required(&fields, "event_type")?,
        url: required(&fields, "url")?,
        description: text(&fields, "description")?,
        signing_key: text(&fields, "signing_key")?,
        headers: headers(&fields)?,
    };
    event_type(world, &new.event_type)?;
    check_url(world, &new.url)?;
    let twin = world.of_group(&new.group).any(|one| one.event_type == new.event_type && one.url == new.url);
    if twin && world.switches.duplicates == Duplicates::Refuse {
        return refuse(409, "A webhook for this event and url exists");
    }
    let webhook = world.create(&Actor::Call(request.seq), new);
    Ok(Answer::json(world.switches.create_status, object(world, &webhook, Key::Shown)))
}

fn delete(world: &mut World, request: &Request, group: &str, id: &str) -> Outcome {
    if !world.of_group(group).any(|webhook| webhook.id == id) {
        return refuse(world.switches.not_found_status, "Not found");
    }
    let gone = world.delete(&Actor::Call(request.seq), id);
    Ok(match (world.switches.delete_status, gone) {
        (204, _) | (_, None) => Answer::empty(204),
        (status, Some(webhook)) => Answer::json(status, object(world, &webhook, Key::AsSwitched)),
    })
}
