//! Every route: from a request to the change it makes and the answer it gets.

mod discovery;
mod endpoints;
mod subscriptions;

use super::{
    auth::{self, Caller},
    envelope::{Answer, Family, Manner, Outcome, Refusal, render},
    journal::Actor,
    switches::IgnoredNote,
    version::{self, Version},
    world::World,
};
use crate::sim::Request;
use serde_json::{Map, Value};

pub(super) const AUTHORIZATION: &str = "authorization";
pub(super) const VERSION: &str = "nex-api-version";
pub(super) const ACCEPT: &str = "accept";

/// What a route needs besides the world.
pub(super) struct Context<'a> {
    pub request: &'a Request,
    pub caller: Caller,
    pub version: Version,
    pub actor: Actor,
}

impl Request {
    /// The numbers in `/webhook_endpoints/{id}/webhook_subscriptions/{id}`.
    pub(crate) fn ids(&self) -> (Option<i64>, Option<i64>) {
        match self.segments().as_slice() {
            ["webhook_endpoints", endpoint] => (endpoint.parse().ok(), None),
            ["webhook_endpoints", endpoint, "webhook_subscriptions"] => (endpoint.parse().ok(), None),
            ["webhook_endpoints", endpoint, "webhook_subscriptions", row] => (endpoint.parse().ok(), row.parse().ok()),
            _ => (None, None),
        }
    }

    pub(crate) fn family(&self) -> Family {
        match self.segments().as_slice() {
            ["authenticates"] => Family::Authenticate,
            ["webhook_endpoints"] | ["webhook_endpoints", _] => Family::Endpoints,
            ["webhook_endpoints", _, "webhook_subscriptions", ..] => Family::Subscriptions,
            ["sync_status"] => Family::SyncStatus,
            ["institutions" | "locations", ..] => Family::Discovery,
            _ => Family::Other,
        }
    }

    /// A boolean query parameter; anything but `true` and `false` is 400.
    fn query_bool(&self, name: &str) -> Result<Option<bool>, Refusal> {
        match self.query_value(name) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Refusal::new(400, format!("{name} is invalid"))),
        }
    }

    /// Names of the query parameters that the route does not know.
    fn ignored(&self, known: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for (name, _) in &self.query {
            if !known.contains(&name.as_str()) && !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    /// The body as an object; no body is an empty object, anything else is 400.
    fn object(&self) -> Result<Map<String, Value>, Refusal> {
        if self.body.is_empty() {
            return Ok(Map::new());
        }
        self.json_object().ok_or_else(|| Refusal::new(400, "Invalid request body"))
    }
}

/// A boolean body field; anything else there is 400.
fn body_bool(fields: &Map<String, Value>, name: &str) -> Result<Option<bool>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::Bool(value)) => Ok(Some(*value)),
        Some(_) => Err(Refusal::new(400, format!("{name} is invalid"))),
    }
}

/// A text body field; anything else there is 400.
fn body_text<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, Refusal> {
    match fields.get(name) {
        None => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(Refusal::new(400, format!("{name} is invalid"))),
    }
}

/// As [`body_text`], and 400 where it is missing or empty.
fn required<'a>(fields: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    match body_text(fields, name)? {
        Some(value) if !value.is_empty() => Ok(value),
        _ => Err(Refusal::new(400, format!("Missing parameter {name}"))),
    }
}

/// Carries a request out and says what is answered, with the ids it created or named.
pub(crate) fn handle(world: &mut World, request: &Request) -> Answer {
    let family = request.family();
    let outcome = decide(world, request, family);
    let (description, error) = world.switches.envelope.forms(family, world.answers);
    world.answers += 1;
    let ignored_in_error = world.switches.ignored_note == IgnoredNote::InError;
    render(family, Manner { description, error, ignored_in_error }, outcome)
}

fn decide(world: &mut World, request: &Request, family: Family) -> Outcome {
    let version = version::select(request.header(VERSION), request.header(ACCEPT), &world.switches)?;
    let authorization = request.header(AUTHORIZATION);
    if family == Family::Authenticate && request.method == "POST" {
        return auth::authenticate(world, authorization);
    }
    let caller = auth::caller(world, authorization)?;
    auth::limit(world, &caller.key.value)?;
    let context = Context { request, caller, version, actor: Actor::Call(request.seq) };
    let segments = request.segments();
    match (request.method.as_str(), segments.as_slice()) {
        ("GET", ["webhook_endpoints"]) => endpoints::list(world, &context),
        ("POST", ["webhook_endpoints"]) => endpoints::create(world, &context),
        ("PATCH", ["webhook_endpoints", id]) => endpoints::patch(world, &context, id),
        ("DELETE", ["webhook_endpoints", id]) => endpoints::delete(world, &context, id),
        ("GET", ["webhook_endpoints", id, "webhook_subscriptions"]) => subscriptions::list(world, &context, id),
        ("POST", ["webhook_endpoints", id, "webhook_subscriptions"]) => subscriptions::create(world, &context, id),
        ("PATCH", ["webhook_endpoints", id, "webhook_subscriptions", row]) => {
            subscriptions::patch(world, &context, id, row)
        }
        ("DELETE", ["webhook_endpoints", id, "webhook_subscriptions", row]) => {
            subscriptions::delete(world, &context, id, row)
        }
        ("GET", ["sync_status"]) => discovery::sync_status(world, &context),
        ("GET", ["institutions"]) => discovery::institutions(world, &context),
        ("GET", ["institutions", id]) => discovery::institution(world, &context, id),
        ("GET", ["locations"]) => discovery::locations(world, &context),
        ("GET", ["locations", id]) => discovery::location(world, &context, id),
        // Seen live for JSON sent to a path of long ago.
        ("POST", ["webhooks"]) => Err(Refusal::new(415, "Unsupported Media Type")),
        _ => Err(Refusal::not_found()),
    }
}

/// A field that no document names, so that clients prove they ignore such.
fn add_extra(world: &World, fields: &mut Map<String, Value>) {
    if world.switches.extra_fields {
        fields.insert("undocumented_field".into(), serde_json::json!({"nested": [1, null]}));
    }
}
