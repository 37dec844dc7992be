//! `/webhook_endpoints`: list, create, patch, delete. There is no `GET` of one.

use super::{
    super::{
        envelope::{Outcome, Refusal, Success},
        model::{Endpoint, Mode, wire_time},
        switches::{DeleteWithRows, Duplicates, SecretOnList},
        world::{EndpointPatch, World},
    },
    Context, add_extra, body_bool, body_text, required,
};
use serde_json::{Map, Value, json};

/// Whether an answer shows the key: the create always does.
#[derive(Clone, Copy, PartialEq)]
enum Key {
    Shown,
    AsSwitched,
}

fn object(world: &World, endpoint: &Endpoint, key: Key) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(endpoint.id));
    fields.insert("target_url".into(), json!(endpoint.target_url));
    match (key, world.switches.secret_on_list) {
        (Key::Shown, _) | (_, SecretOnList::Returned) => {
            fields.insert("secret_key".into(), json!(endpoint.secret_key));
        }
        (Key::AsSwitched, SecretOnList::Masked) => {
            fields.insert("secret_key".into(), json!("*".repeat(endpoint.secret_key.len())));
        }
        (Key::AsSwitched, SecretOnList::Absent) => {}
    }
    fields.insert("active".into(), json!(endpoint.active));
    fields.insert("created_at".into(), json!(wire_time(endpoint.created_at)));
    fields.insert("updated_at".into(), json!(wire_time(endpoint.updated_at)));
    add_extra(world, &mut fields);
    Value::Object(fields)
}

/// The endpoint with this id, if it is the caller's.
pub(super) fn owned<'a>(world: &'a World, context: &Context<'_>, id: &str) -> Result<&'a Endpoint, Refusal> {
    let id: i64 = id.parse().map_err(|_| Refusal::not_found())?;
    owned_id(world, context, id)
}

pub(super) fn owned_id<'a>(world: &'a World, context: &Context<'_>, id: i64) -> Result<&'a Endpoint, Refusal> {
    let mine = |endpoint: &&Endpoint| endpoint.organisation == context.caller.organisation;
    world.endpoints.get(&id).filter(mine).ok_or_else(Refusal::not_found)
}

pub(super) fn list(world: &World, context: &Context<'_>) -> Outcome {
    let active = context.request.query_bool("active")?;
    let items = world
        .endpoints
        .values()
        .filter(|endpoint| endpoint.organisation == context.caller.organisation)
        .filter(|endpoint| active.is_none_or(|wanted| endpoint.active == wanted))
        .map(|endpoint| object(world, endpoint, Key::AsSwitched))
        .collect();
    Ok(Success { ignored: context.request.ignored(&["active"]), ..Success::list(items) })
}

/// An absolute http(s) URL; http only for a sandbox key.
fn check_url(world: &World, context: &Context<'_>, target_url: &str, own_id: Option<i64>) -> Result<(), Refusal> {
    let parsed = url::Url::parse(target_url).ok().filter(|url| url.has_host());
    match parsed.as_ref().map(url::Url::scheme) {
        Some("https") => {}
        Some("http") if context.caller.key.mode == Mode::Sandbox => {}
        Some("http") => return Err(Refusal::new(400, "Target url must use HTTPS")),
        _ => return Err(Refusal::new(400, "Target url is invalid")),
    }
    let taken = world.endpoints.values().any(|endpoint| {
        endpoint.organisation == context.caller.organisation
            && endpoint.target_url == target_url
            && Some(endpoint.id) != own_id
    });
    if taken && world.switches.duplicate_target_url == Duplicates::Refuse {
        return Err(Refusal::new(400, "Target url has already been taken"));
    }
    Ok(())
}

pub(super) fn create(world: &mut World, context: &Context<'_>) -> Outcome {
    let fields = context.request.object()?;
    let target_url = required(&fields, "target_url")?;
    let active = body_bool(&fields, "active")?.unwrap_or(true);
    check_url(world, context, target_url, None)?;
    let endpoint = world.create_endpoint(&context.actor, &context.caller.organisation, target_url, active);
    let data = object(world, &endpoint, Key::Shown);
    Ok(Success { ignored: context.request.ignored(&[]), ..Success::new(201, data) })
}

pub(super) fn patch(world: &mut World, context: &Context<'_>, id: &str) -> Outcome {
    let id = owned(world, context, id)?.id;
    let fields = context.request.object()?;
    let target_url = body_text(&fields, "target_url")?.map(str::to_owned);
    let active = body_bool(&fields, "active")?;
    if let Some(target_url) = &target_url {
        check_url(world, context, target_url, Some(id))?;
    }
    let patch = EndpointPatch { target_url, active };
    let endpoint = world.patch_endpoint(&context.actor, id, &patch).ok_or_else(Refusal::not_found)?;
    let data = object(world, &endpoint, Key::AsSwitched);
    Ok(Success { ignored: context.request.ignored(&[]), ..Success::new(200, data) })
}

pub(super) fn delete(world: &mut World, context: &Context<'_>, id: &str) -> Outcome {
    let id = owned(world, context, id)?.id;
    let has_rows = world.rows_on(id).next().is_some();
    if has_rows && world.switches.delete_with_rows == DeleteWithRows::Refuse {
        return Err(Refusal::new(400, "Webhook endpoint has webhook subscriptions"));
    }
    world.delete_endpoint(&context.actor, id);
    Ok(Success::no_content())
}
