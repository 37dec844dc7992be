//! Deliveries: which webhooks hear of an event, and attempts.

use super::{
    catalogue::object_of,
    model::Webhook,
    sign::{SIGNATURE, TIMESTAMP, sign},
    switches::TimestampForm,
    world::World,
};
use crate::sim::{Core, Letter, Sent, held, post};
use jiff::Timestamp;
use serde_json::json;
use std::{sync::Arc, time::Duration};
use tokio::time::Instant;

/// One attempt.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// The same for all attempts of one message.
    pub message: u64,
    /// Counted from 1.
    pub attempt: usize,
    /// When it ended.
    pub at: Timestamp,
    /// The webhook it was made for.
    pub webhook_id: String,
    /// What happened.
    pub event_type: String,
    /// Where it went.
    pub url: String,
    /// How it ended.
    pub outcome: Sent,
    /// Whether another attempt follows.
    pub tried_again: bool,
}

/// Queues one message per webhook and returns how many. Its key is the one of the moment it is sent, which is the one it was
/// made with, since nothing can be changed.
pub(super) fn emit(core: &Arc<Core<World>>, group: &str, event_type: &str, id: &str) -> usize {
    let body = json!({"object": object_of(event_type), "id": id, "practice_group_id": group, "event": event_type});
    let found: Vec<(u64, Webhook)> = core.change(|world| {
        let hears = |webhook: &&Webhook| webhook.event_type == event_type;
        let webhooks: Vec<Webhook> = world.of_group(group).filter(hears).cloned().collect();
        webhooks.into_iter().map(|webhook| (world.records.next_seq(), webhook)).collect()
    });
    let count = found.len();
    for (message, webhook) in found {
        let work = deliver(core.clone(), message, webhook, body.to_string());
        core.tasks.spawn_on(core.stop.clone().run_until_cancelled_owned(work), &core.runtime);
    }
    count
}

/// Attempts until one succeeds, the schedule ends or the webhook is gone.
async fn deliver(core: Arc<Core<World>>, message: u64, webhook: Webhook, body: String) {
    let mut offsets = core.own.timing.retry_offsets.clone().into_iter();
    let mut first_failure: Option<Instant> = None;
    for attempt in 1.. {
        let letter = core.look(|world| letter(world, &webhook, &body));
        let outcome = post(&core, &letter, core.own.timing.request_timeout).await;
        let done = matches!(outcome, Sent::Answered(200..=299));
        let gone = core.look(|world| !world.webhooks.iter().any(|one| one.id == webhook.id));
        let next: Option<Duration> = if done || gone { None } else { offsets.next() };
        held(&core.own.deliveries).push(Delivery {
            message,
            attempt,
            at: Timestamp::now(),
            webhook_id: webhook.id.clone(),
            event_type: webhook.event_type.clone(),
            url: webhook.url.clone(),
            outcome,
            tried_again: next.is_some(),
        });
        core.wake();
        let Some(offset) = next else { return };
        tokio::time::sleep_until(*first_failure.get_or_insert_with(Instant::now) + offset).await;
    }
}

fn letter(world: &World, webhook: &Webhook, body: &str) -> Letter {
    let mut headers: Vec<(String, String)> = webhook.headers.clone().into_iter().collect();
    if let Some(key) = &webhook.signing_key {
        let now = Timestamp::now();
        let timestamp = match world.switches.timestamp_form {
            TimestampForm::Seconds => now.as_second().to_string(),
            TimestampForm::Iso => format!("{now:.3}"),
        };
        let signature = sign(key, &timestamp, body.as_bytes(), world.switches.signature_form);
        headers.push((TIMESTAMP.to_owned(), timestamp));
        headers.push((SIGNATURE.to_owned(), signature));
    }
    Letter { target_url: webhook.url.clone(), headers, body: body.to_owned() }
}
