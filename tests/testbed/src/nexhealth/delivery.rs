//! Deliveries: which rows hear of an event, attempts, retries and the end of patience.

use super::{
    model::wire_time,
    sign::sign,
    simulator::{Core, held},
    switches::{DeliveryErrors, EventTime},
};
use crate::sim::{Letter, Sent, post};
use hyper::StatusCode;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use std::sync::Arc;
use tokio::time::Instant;

/// How one attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// The receiver answered this status.
    Answered(u16),
    /// No answer.
    Unreachable(String),
    /// Not sent and not tried again.
    GivenUp(&'static str),
}

/// One line of the delivery log.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same for all attempts of one message.
    pub message: u64,
    /// Counted from 1.
    pub attempt: usize,
    /// When it ended.
    pub at: Timestamp,
    /// Whose URL and key were used.
    pub endpoint_id: i64,
    /// The row it was made for.
    pub subscription_id: i64,
    /// With its suffix.
    pub event_name: String,
    /// Where it went; empty if it was not sent.
    pub target_url: String,
    /// How it ended.
    pub outcome: DeliveryOutcome,
}

/// A message on its way.
struct Message {
    id: u64,
    endpoint_id: i64,
    row_id: i64,
    event_name: String,
    payload: Map<String, Value>,
    errors: Vec<Value>,
}

/// One attempt, ready to go.
struct Parcel {
    endpoint_id: i64,
    timestamp: String,
    letter: Letter,
}

enum Next {
    Send(Box<Parcel>),
    Wait,
    GiveUp(&'static str),
}

/// Queues one message per live row and returns how many.
pub(crate) fn emit(core: &Arc<Core>, subdomain: Option<&str>, names: (&str, &str, &str), data: Value) -> usize {
    let (resource_type, event, suffix) = names;
    let event_name = format!("{event}{suffix}");
    let messages: Vec<Message> = core.change(|world| {
        let now = wire_time(world.now());
        let event_time = match world.switches.event_time {
            EventTime::Zulu => now,
            EventTime::Offset => now.replace('Z', "+00:00"),
        };
        let rows = world.rows.values().filter(|row| {
            row.active
                && row.subdomain.as_deref() == subdomain
                && row.resource_type == resource_type
                && row.event == event
                && world.endpoints.get(&row.endpoint_id).is_some_and(|endpoint| endpoint.active)
        });
        let found: Vec<_> = rows.map(|row| (row.id, row.endpoint_id, row.institution_id)).collect();
        let message = |(row_id, endpoint_id, institution_id)| {
            let mut payload = Map::new();
            payload.insert("institution_id".into(), json!(institution_id));
            payload.insert("subdomain".into(), json!(subdomain));
            payload.insert("webhook_subscription_id".into(), json!(row_id));
            payload.insert("resource_type".into(), json!(resource_type));
            payload.insert("event_name".into(), json!(event_name));
            payload.insert("event_time".into(), json!(event_time));
            payload.insert("data".into(), data.clone());
            let id = world.next_seq();
            Message { id, endpoint_id, row_id, event_name: event_name.clone(), payload, errors: Vec::new() }
        };
        found.into_iter().map(message).collect()
    });
    let count = messages.len();
    for message in messages {
        let stop = core.stop.clone();
        let work = stop.run_until_cancelled_owned(deliver(core.clone(), message));
        core.tasks.spawn_on(work, &core.runtime);
    }
    count
}

/// Attempts until one succeeds, the schedule ends or there is nobody left to tell.
async fn deliver(core: Arc<Core>, mut message: Message) {
    let mut first_failure: Option<Instant> = None;
    let mut offsets = core.own.timing.retry_offsets.clone().into_iter();
    for attempt in 1.. {
        match next(&core, &mut message) {
            Next::GiveUp(reason) => {
                log(&core, &message, attempt, None, DeliveryOutcome::GivenUp(reason));
                return;
            }
            Next::Wait => {}
            Next::Send(parcel) => {
                let outcome = send(&core, &parcel).await;
                if matches!(outcome, DeliveryOutcome::Answered(200..=299)) {
                    core.change(|world| world.failing_since.remove(&parcel.endpoint_id));
                    log(&core, &message, attempt, Some(&parcel), outcome);
                    return;
                }
                let now = Instant::now();
                let since = *first_failure.get_or_insert(now);
                message.errors.push(error_entry(&outcome, attempt, &parcel.timestamp));
                log(&core, &message, attempt, Some(&parcel), outcome);
                count_failure(&core, parcel.endpoint_id, since, now);
            }
        }
        let Some(offset) = offsets.next() else {
            log(&core, &message, attempt, None, DeliveryOutcome::GivenUp("no retry is left"));
            return;
        };
        tokio::time::sleep_until(first_failure.unwrap_or_else(Instant::now) + offset).await;
    }
}

/// Looks at endpoint and row as they are now.
fn next(core: &Core, message: &mut Message) -> Next {
    core.look(|world| {
        let Some(row) = world.rows.get(&message.row_id) else { return Next::GiveUp("the subscription is gone") };
        if world.switches.waiting_messages_follow_move {
            message.endpoint_id = row.endpoint_id;
        }
        let Some(endpoint) = world.endpoints.get(&message.endpoint_id) else {
            return Next::GiveUp("the endpoint is gone");
        };
        if !endpoint.active || !row.active {
            let resumes = world.switches.reactivation_resumes_retries;
            return if resumes { Next::Wait } else { Next::GiveUp("switched off") };
        }
        let mut payload = message.payload.clone();
        if !message.errors.is_empty() || world.switches.delivery_errors == DeliveryErrors::Always {
            payload.insert("delivery_errors".into(), json!(message.errors));
        }
        let body = Value::Object(payload).to_string();
        let timestamp = wire_time(world.now());
        let signature = sign(&endpoint.secret_key, &timestamp, body.as_bytes());
        let headers =
            vec![("timestamp".to_owned(), timestamp.clone()), (world.switches.signature_header.clone(), signature)];
        let letter = Letter { target_url: endpoint.target_url.clone(), headers, body };
        Next::Send(Box::new(Parcel { endpoint_id: endpoint.id, timestamp, letter }))
    })
}

fn log(core: &Core, message: &Message, attempt: usize, parcel: Option<&Parcel>, outcome: DeliveryOutcome) {
    held(&core.own.deliveries).push(Delivery {
        message: message.id,
        attempt,
        at: Timestamp::now(),
        endpoint_id: message.endpoint_id,
        subscription_id: message.row_id,
        event_name: message.event_name.clone(),
        target_url: parcel.map(|parcel| parcel.letter.target_url.clone()).unwrap_or_default(),
        outcome,
    });
    core.wake();
}

/// `code` is text on the wire, also where there was no answer.
fn error_entry(outcome: &DeliveryOutcome, attempt: usize, timestamp: &str) -> Value {
    let (code, message) = match outcome {
        DeliveryOutcome::Answered(status) => {
            let reason = StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason());
            (status.to_string(), format!("{status} {}", reason.unwrap_or("Unknown")))
        }
        DeliveryOutcome::Unreachable(error) => ("0".to_owned(), error.clone()),
        DeliveryOutcome::GivenUp(reason) => ("0".to_owned(), (*reason).to_owned()),
    };
    json!({"code": code, "timestamp": timestamp, "message": message, "attempts": attempt})
}

/// Notes the failure, and switches the endpoint off if it has failed for too long.
fn count_failure(core: &Core, endpoint_id: i64, since: Instant, now: Instant) {
    core.change(|world| {
        let Some(endpoint) = world.endpoints.get(&endpoint_id) else { return };
        let active = endpoint.active;
        let failing_since = *world.failing_since.entry(endpoint_id).or_insert_with(|| since.into_std());
        let failing_for = now.into_std().saturating_duration_since(failing_since);
        if active && failing_for >= core.own.timing.deactivate_after {
            world.deactivate(endpoint_id);
        }
    });
}

async fn send(core: &Core, parcel: &Parcel) -> DeliveryOutcome {
    match post(core, &parcel.letter, core.own.timing.request_timeout).await {
        Sent::Answered(status) => DeliveryOutcome::Answered(status),
        Sent::Unreachable(error) => DeliveryOutcome::Unreachable(error),
    }
}
