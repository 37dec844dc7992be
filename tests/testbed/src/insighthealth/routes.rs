//! `POST /v2/webhooks/{ehr}/sync-appointments`, the only route.

use super::{
    batch,
    config::ApiKey,
    sign::{API_KEY, SIGNATURE, sign},
    switches::EmptyBatch,
    world::World,
};
use crate::sim::{Answer, Bucket, Request};
use serde_json::{Value, json};
use std::time::Instant;

/// Carries a request out and answers it.
pub(super) fn handle(world: &mut World, request: &Request) -> Answer {
    match (request.method.as_str(), request.segments().as_slice()) {
        ("POST", ["v2", "webhooks", ehr, "sync-appointments"]) => {
            caller(world, request, ehr).map_or_else(|refusal| refusal, |key| sync(world, request, &key))
        }
        // Not documented: the page names only this route.
        _ => Answer::json(404, json!({"message": "Not found", "success": false, "code": 404})),
    }
}

/// Documented: another key than `message`, and no `code`.
fn unauthorized(text: &str) -> Answer {
    Answer::json(401, json!({"error": text, "success": false}))
}

fn invalid(errors: &[String]) -> Answer {
    let message = "No valid appointments in the request";
    Answer::json(400, json!({"message": message, "errors": errors, "success": false, "code": 400}))
}

/// The key that may bring something here.
fn caller(world: &mut World, request: &Request, ehr: &str) -> Result<ApiKey, Answer> {
    let sent = request.header(API_KEY).filter(|value| !value.is_empty());
    let sent = sent.ok_or_else(|| unauthorized("Missing X-API-Key header"))?;
    let key = world.key(sent).cloned().ok_or_else(|| unauthorized(&world.switches.unknown_key_text))?;
    limit(world, &key)?;
    let signed = request.header(SIGNATURE).is_some_and(|given| given == sign(&key.signing_key, &request.body));
    let signature = if signed { Ok(()) } else { Err(unauthorized(&world.switches.wrong_signature_text)) };
    let reaches = if key.ehr == ehr {
        Ok(())
    } else {
        let message = format!("API key is not authorized for EHR '{ehr}'");
        Err(Answer::json(403, json!({"message": message, "success": false, "code": 403})))
    };
    if world.switches.ehr_before_signature { reaches.and(signature) } else { signature.and(reaches) }.map(|()| key)
}

fn limit(world: &mut World, key: &ApiKey) -> Result<(), Answer> {
    let Some(limit) = world.switches.rate_limit else { return Ok(()) };
    let now = Instant::now();
    let bucket = world.buckets.entry(key.value.clone()).or_insert_with(|| Bucket::full(limit, now));
    if bucket.take(limit, now) {
        return Ok(());
    }
    Err(Answer::json(429, json!({"message": "Too many requests", "success": false, "code": 429})))
}

/// What is valid is taken in. Partial success is a success with warnings.
fn sync(world: &mut World, request: &Request, key: &ApiKey) -> Answer {
    let body: Option<Value> = serde_json::from_slice(&request.body).ok().filter(|_| request.says_json());
    let Some(items) = body.as_ref().and_then(batch::items) else {
        return invalid(&["The request body must be an appointment or a list of appointments.".to_owned()]);
    };
    let done = |warnings: &[String]| {
        let mut body = json!({"message": "Appointments received", "success": true, "code": 200});
        if !warnings.is_empty() {
            body["warnings"] = json!(warnings);
        }
        Answer::json(200, body)
    };
    if items.is_empty() {
        return match world.switches.empty_batch {
            EmptyBatch::Refused => invalid(&["At least one appointment is required.".to_owned()]),
            EmptyBatch::Accepted => done(&[]),
        };
    }
    let mut wrong = Vec::new();
    let mut valid = 0;
    for (number, item) in items.into_iter().enumerate() {
        let errors = batch::errors(number, item, world.switches.dates_checked);
        if errors.is_empty() {
            world.take_in(request.seq, &key.organisation, item);
            valid += 1;
        }
        wrong.extend(errors);
    }
    if valid == 0 { invalid(&wrong) } else { done(&wrong) }
}
