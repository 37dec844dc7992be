//! `/sync_status`, `/institutions` and `/locations`: what a key reaches and how its practices are doing.

use super::{
    super::{
        envelope::{Outcome, Refusal, Success},
        model::{Institution, Location, SyncSource},
        world::World,
    },
    Context, add_extra,
};
use serde_json::{Map, Value, json};

/// The institutions the caller reaches, in id order.
fn reached<'a>(world: &'a World, context: &'a Context<'_>) -> Vec<&'a Institution> {
    let mut found: Vec<&Institution> = world
        .organisations
        .iter()
        .filter(|organisation| organisation.name == context.caller.organisation)
        .flat_map(|organisation| &organisation.institutions)
        .filter(|institution| context.caller.reaches(world, &institution.subdomain))
        .collect();
    found.sort_by_key(|institution| institution.id);
    found
}

/// As [`reached`], narrowed by the `subdomain` parameter; one out of reach is 403.
fn asked_for<'a>(world: &'a World, context: &'a Context<'_>) -> Result<Vec<&'a Institution>, Refusal> {
    let all = reached(world, context);
    match context.request.query_value("subdomain") {
        None => Ok(all),
        Some(subdomain) => {
            let one: Vec<_> = all.into_iter().filter(|institution| institution.subdomain == subdomain).collect();
            if one.is_empty() { Err(Refusal::forbidden()) } else { Ok(one) }
        }
    }
}

fn colour(context: &Context<'_>, name: &str) -> Result<Option<String>, Refusal> {
    match context.request.query_value(name) {
        None => Ok(None),
        Some(value @ ("green" | "red")) => Ok(Some(value.to_owned())),
        Some(_) => Err(Refusal::new(400, format!("{name} is invalid"))),
    }
}

/// One element per sync, not per institution.
pub(super) fn sync_status(world: &World, context: &Context<'_>) -> Outcome {
    let known = ["subdomain", "read_status", "write_status", "location_ids[]"];
    let institutions = asked_for(world, context)?;
    let (read, write) = (colour(context, "read_status")?, colour(context, "write_status")?);
    let mut location_ids: Vec<i64> = Vec::new();
    for (_, value) in context.request.query.iter().filter(|(name, _)| name == "location_ids[]") {
        location_ids.push(value.parse().map_err(|_| Refusal::new(400, "location_ids is invalid"))?);
    }
    let wanted = |sync: &SyncSource| {
        read.as_ref().is_none_or(|colour| *colour == sync.read_status)
            && write.as_ref().is_none_or(|colour| *colour == sync.write_status)
            && (location_ids.is_empty()
                || sync.location_ids.iter().flatten().any(|location| location_ids.contains(location)))
    };
    let mut items = Vec::new();
    for institution in institutions {
        for sync in institution.syncs.iter().filter(|sync| wanted(sync)) {
            items.push(sync_object(world, institution, sync));
        }
    }
    let ignored = context.request.ignored(&known);
    Ok(Success { ignored, ..Success::new(200, Value::Array(items)) })
}

fn sync_object(world: &World, institution: &Institution, sync: &SyncSource) -> Value {
    let covered = sync.location_ids.as_ref().map(|ids| {
        let locations = institution.locations.iter().filter(|location| ids.contains(&location.id));
        locations.map(|location| Value::Object(place(location))).collect::<Vec<_>>()
    });
    let now = world.now();
    let mut fields = Map::new();
    fields.insert("institution_id".into(), json!(institution.id));
    fields.insert("sync_source_type".into(), json!(sync.source_type));
    fields.insert("sync_source_name".into(), json!(sync.source_name));
    fields.insert("emr".into(), sync.emr.clone());
    fields.insert("read_status".into(), json!(sync.read_status));
    fields.insert("read_status_at".into(), sync.read_status_at.to_value(now));
    fields.insert("write_status".into(), json!(sync.write_status));
    fields.insert("write_status_at".into(), sync.write_status_at.to_value(now));
    fields.insert("locations".into(), json!(covered));
    add_extra(world, &mut fields);
    fields.extend(sync.overlay.clone());
    Value::Object(fields)
}

/// A location as `/institutions` and `/sync_status` show it.
fn place(location: &Location) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(location.id));
    fields.insert("name".into(), json!(location.name));
    fields.insert("street_address".into(), json!("1 Main Street"));
    fields.insert("street_address_2".into(), Value::Null);
    fields.insert("city".into(), json!("Springfield"));
    fields.insert("state".into(), json!("NY"));
    fields.insert("zip_code".into(), json!("10001"));
    fields.insert("phone_number".into(), json!("5555550100"));
    fields.insert("email".into(), json!("office@example.com"));
    fields.insert("inactive".into(), json!(location.inactive));
    fields
}

/// A location as `/locations` shows it.
fn full_place(world: &World, institution: &Institution, location: &Location) -> Value {
    let mut fields = place(location);
    fields.insert("institution_id".into(), json!(institution.id));
    fields.insert("tz".into(), json!(location.tz));
    fields.insert("country_code".into(), json!("US"));
    let read = institution.syncs.first().map(|sync| sync.read_status_at.to_value(world.now()));
    fields.insert("last_sync_time".into(), read.unwrap_or(Value::Null));
    fields.insert("foreign_id".into(), json!(location.foreign_id));
    fields.insert("foreign_id_type".into(), json!("eaglesoft"));
    add_extra(world, &mut fields);
    Value::Object(fields)
}

fn institution_object(world: &World, institution: &Institution) -> Value {
    let mut fields = Map::new();
    fields.insert("id".into(), json!(institution.id));
    fields.insert("name".into(), json!(institution.name));
    fields.insert("subdomain".into(), json!(institution.subdomain));
    fields.insert("phone_number".into(), json!("5555550100"));
    fields.insert("emrs".into(), institution.syncs.iter().map(|sync| sync.emr.clone()).collect());
    fields.insert("country_code".into(), json!("US"));
    fields.insert("appointment_types_location_scoped".into(), json!(false));
    fields.insert("is_sync_notifications".into(), json!(true));
    fields.insert("notify_insert_fails".into(), json!(true));
    fields.insert("created_at".into(), json!("2024-01-01T00:00:00.000Z"));
    fields.insert("updated_at".into(), json!("2024-01-01T00:00:00.000Z"));
    let places = institution.locations.iter().map(|location| Value::Object(place(location)));
    fields.insert("locations".into(), places.collect());
    add_extra(world, &mut fields);
    Value::Object(fields)
}

pub(super) fn institutions(world: &World, context: &Context<'_>) -> Outcome {
    let items = reached(world, context).into_iter().map(|one| institution_object(world, one)).collect();
    Ok(Success { ignored: context.request.ignored(&[]), ..Success::list(items) })
}

/// One institution; unknown and out of reach are both 404.
pub(super) fn institution(world: &World, context: &Context<'_>, id: &str) -> Outcome {
    let id: i64 = id.parse().map_err(|_| Refusal::not_found())?;
    let found = reached(world, context).into_iter().find(|institution| institution.id == id);
    let data = institution_object(world, found.ok_or_else(Refusal::not_found)?);
    Ok(Success { ignored: context.request.ignored(&[]), ..Success::new(200, data) })
}

/// Institutions with their locations nested; an institution without a matching location is left out.
pub(super) fn locations(world: &World, context: &Context<'_>) -> Outcome {
    let known = ["subdomain", "inactive", "foreign_id", "filter_by_subscription_feature"];
    let request = context.request;
    let inactive = request.query_bool("inactive")?;
    let foreign_id = request.query_value("foreign_id");
    let filtered = inactive.is_some() || foreign_id.is_some();
    let mut items = Vec::new();
    for institution in asked_for(world, context)? {
        let places: Vec<Value> = institution
            .locations
            .iter()
            .filter(|location| inactive.is_none_or(|wanted| location.inactive == wanted))
            .filter(|location| foreign_id.is_none_or(|wanted| location.foreign_id.as_deref() == Some(wanted)))
            .map(|location| full_place(world, institution, location))
            .collect();
        if filtered && places.is_empty() {
            continue;
        }
        items.push(json!({
            "id": institution.id,
            "name": institution.name,
            "subdomain": institution.subdomain,
            "locations": places,
        }));
    }
    Ok(Success { ignored: request.ignored(&known), ..Success::new(200, Value::Array(items)) })
}

pub(super) fn location(world: &World, context: &Context<'_>, id: &str) -> Outcome {
    let id: i64 = id.parse().map_err(|_| Refusal::not_found())?;
    let institutions = reached(world, context);
    let found = institutions.into_iter().find_map(|institution| {
        let location = institution.locations.iter().find(|location| location.id == id)?;
        Some(full_place(world, institution, location))
    });
    let data = found.ok_or_else(Refusal::not_found)?;
    Ok(Success { ignored: context.request.ignored(&[]), ..Success::new(200, data) })
}
