//! `/webhook_endpoints/{id}/webhook_subscriptions`. `subdomain` is always a query parameter.

use super::{
    super::{
        catalogue::{self, ONBOARDING},
        envelope::{Outcome, Refusal, Success},
        model::{Row, wire_time},
        switches::{Duplicates, LostInstitution, PairCheck},
        version::Version,
        world::{NewRow, RowPatch, World},
    },
    Context, add_extra, body_bool, body_text,
    endpoints::{owned, owned_id},
    required,
};
use serde_json::{Map, Value, json};

fn object(world: &World, context: &Context<'_>, row: &Row) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(row.id));
    fields.insert("webhook_endpoint_id".into(), json!(row.endpoint_id));
    fields.insert("institution_id".into(), json!(row.institution_id));
    fields.insert("resource_type".into(), json!(row.resource_type));
    fields.insert("event".into(), json!(row.event));
    fields.insert("active".into(), json!(row.active));
    fields.insert("created_at".into(), json!(wire_time(row.created_at)));
    fields.insert("updated_at".into(), json!(wire_time(row.updated_at)));
    if context.version == Version::Beta {
        fields.insert("version".into(), json!(row.version.as_deref().unwrap_or("v3.0.0")));
    }
    add_extra(world, &mut fields);
    Value::Object(fields)
}

/// The institution behind a subdomain. Unknown and out of reach are both 403.
fn reachable(world: &World, context: &Context<'_>, subdomain: &str) -> Result<(i64, String), Refusal> {
    if !context.caller.reaches(world, subdomain) {
        return Err(Refusal::forbidden());
    }
    let institution = world.institution(subdomain).ok_or_else(Refusal::forbidden)?;
    Ok((institution.id, institution.subdomain.clone()))
}

pub(super) fn list(world: &World, context: &Context<'_>, endpoint: &str) -> Outcome {
    let endpoint = owned(world, context, endpoint)?;
    let request = context.request;
    let institution = request.query_value("subdomain").map(|name| reachable(world, context, name)).transpose()?;
    let hidden = |row: &Row| {
        world.switches.lost_institution == LostInstitution::Hidden
            && row.subdomain.as_ref().is_some_and(|name| !context.caller.reaches(world, name))
    };
    let items = world
        .rows_on(endpoint.id)
        .filter(|row| !hidden(row))
        .filter(|row| institution.as_ref().is_none_or(|(id, _)| row.institution_id == Some(*id)))
        .filter(|row| request.query_value("resource_type").is_none_or(|wanted| row.resource_type == wanted))
        .filter(|row| request.query_value("event").is_none_or(|wanted| row.event == wanted))
        .map(|row| object(world, context, row))
        .collect();
    let ignored = request.ignored(&["subdomain", "resource_type", "event"]);
    Ok(Success { ignored, ..Success::new(200, Value::Array(items)) })
}

/// Whether the pair may be subscribed to by this account.
fn check_pair(world: &World, version: Version, resource_type: &str, event: &str) -> Result<(), Refusal> {
    if world.switches.events_not_enabled.contains(event) {
        return Err(Refusal::new(400, "Event is not enabled for this account"));
    }
    let known = catalogue::find(resource_type, event, version == Version::Beta).is_some();
    if known || world.switches.pair_check == PairCheck::AcceptAny {
        return Ok(());
    }
    Err(Refusal::new(400, "Event is not valid for the resource type"))
}

/// Payload version of a new row: chosen in v3.1.0, else that of the request.
fn payload_version(
    context: &Context<'_>,
    fields: &Map<String, Value>,
    resource_type: &str,
    event: &str,
) -> Result<Option<String>, Refusal> {
    match context.version {
        Version::V2 => Ok(Some("v2".to_owned())),
        Version::V3 => Ok(Some("v3.0.0".to_owned())),
        Version::Beta => match body_text(fields, "version")?.unwrap_or("v3.1.0") {
            "v3.1.0" => Ok(Some("v3.1.0".to_owned())),
            old @ ("v3.0.0" | "v20240412") if catalogue::find(resource_type, event, false).is_some() => {
                Ok(Some(old.to_owned()))
            }
            _ => Err(Refusal::new(422, "Version is invalid")),
        },
    }
}

pub(super) fn create(world: &mut World, context: &Context<'_>, endpoint: &str) -> Outcome {
    let endpoint_id = owned(world, context, endpoint)?.id;
    let fields = context.request.object()?;
    if fields.contains_key("subdomain") {
        return Err(Refusal::forbidden());
    }
    let resource_type = required(&fields, "resource_type")?;
    let event = required(&fields, "event")?;
    let active = body_bool(&fields, "active")?.unwrap_or(true);
    check_pair(world, context.version, resource_type, event)?;
    let version = payload_version(context, &fields, resource_type, event)?;
    let institution = match context.request.query_value("subdomain") {
        Some(_) if resource_type == ONBOARDING => {
            return Err(Refusal::new(400, "Subdomain must be omitted for Onboarding"));
        }
        None if resource_type == ONBOARDING => None,
        None => return Err(Refusal::new(400, "Missing parameter subdomain")),
        Some(subdomain) => Some(reachable(world, context, subdomain)?),
    };
    let institution_id = institution.as_ref().map(|(id, _)| *id);
    let taken = world
        .rows_on(endpoint_id)
        .any(|row| row.institution_id == institution_id && row.resource_type == resource_type && row.event == event);
    if taken && world.switches.duplicate_subscription == Duplicates::Refuse {
        return Err(Refusal::new(400, "Event has already been taken"));
    }
    let new = NewRow {
        endpoint_id,
        institution,
        resource_type: resource_type.to_owned(),
        event: event.to_owned(),
        active,
        version,
    };
    let row = world.create_row(&context.actor, new);
    let data = object(world, context, &row);
    Ok(Success { ignored: context.request.ignored(&["subdomain"]), ..Success::new(201, data) })
}

/// The row with this id, if it is on this endpoint.
fn row_on(world: &World, endpoint_id: i64, row: &str) -> Result<i64, Refusal> {
    let id: i64 = row.parse().map_err(|_| Refusal::not_found())?;
    world.rows.get(&id).filter(|row| row.endpoint_id == endpoint_id).map(|row| row.id).ok_or_else(Refusal::not_found)
}

pub(super) fn patch(world: &mut World, context: &Context<'_>, endpoint: &str, row: &str) -> Outcome {
    let endpoint_id = owned(world, context, endpoint)?.id;
    let id = row_on(world, endpoint_id, row)?;
    match context.request.query_value("subdomain") {
        // Any subdomain the caller reaches will do, even for an Onboarding row.
        Some(subdomain) => drop(reachable(world, context, subdomain)?),
        None if context.version == Version::V2 => {}
        None => return Err(Refusal::new(400, "Missing parameter subdomain")),
    }
    let fields = context.request.object()?;
    let active = body_bool(&fields, "active")?;
    let new_endpoint_id = match fields.get("new_endpoint_id") {
        None => None,
        Some(value) => {
            let id = value.as_i64().ok_or_else(|| Refusal::new(400, "new_endpoint_id is invalid"))?;
            Some(owned_id(world, context, id)?.id)
        }
    };
    let row = world.patch_row(&context.actor, id, RowPatch { active, new_endpoint_id });
    let data = object(world, context, &row.ok_or_else(Refusal::not_found)?);
    let mut ignored = context.request.ignored(&["subdomain"]);
    let fixed = ["resource_type", "event"].into_iter().filter(|name| fields.contains_key(*name));
    ignored.extend(fixed.map(str::to_owned));
    Ok(Success { ignored, ..Success::new(200, data) })
}

pub(super) fn delete(world: &mut World, context: &Context<'_>, endpoint: &str, row: &str) -> Outcome {
    let endpoint_id = owned(world, context, endpoint)?.id;
    let id = row_on(world, endpoint_id, row)?;
    world.delete_row(&context.actor, id);
    Ok(Success::no_content())
}
