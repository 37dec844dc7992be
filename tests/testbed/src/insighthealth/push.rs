//! Push-notes: what the provider sends to the URL that it was given, with the receiver's own keys.

use super::{
    sign::{API_KEY, SIGNATURE, sign},
    world::World,
};
use crate::sim::{Core, Letter, Sent, held, post};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc};
use tokio::time::Instant;

/// A note about an encounter.
#[derive(Clone, Debug, Default)]
pub struct Note {
    /// Whose.
    pub patient_id: String,
    /// Of which visit.
    pub encounter_id: String,
    /// Which form it has.
    pub template_name: String,
    /// Its text, by heading.
    pub sections: BTreeMap<String, String>,
}

/// One attempt.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// New for each generation of a note, the same for all attempts of one.
    pub summary_id: String,
    /// Counted from 1.
    pub attempt: usize,
    /// When it ended.
    pub at: Timestamp,
    /// Where it went.
    pub url: String,
    /// How it ended.
    pub outcome: Sent,
    /// Whether another attempt follows.
    pub tried_again: bool,
}

fn uuid(world: &mut World) -> String {
    let number = world.records.next_seq();
    let digits = hex::encode(Sha256::digest(format!("{}/{number}", world.nonce)));
    let (a, b, c, d) = (&digits[..8], &digits[8..12], &digits[13..16], &digits[17..20]);
    format!("{a}-{b}-4{c}-8{d}-{}", &digits[20..32])
}

/// Queues a note; `None` if the organisation arranged no destination. Answers its `summary_id`.
pub(super) fn push(core: &Arc<Core<World>>, organisation: &str, note: &Note) -> Option<String> {
    let summary_id = core.change(|world| world.destinations.contains_key(organisation).then(|| uuid(world)))?;
    let body = json!({
        "patient_id": note.patient_id,
        "encounter_id": note.encounter_id,
        "summary_id": summary_id,
        "template_name": note.template_name,
        "sections": note.sections,
    });
    let work = deliver(core.clone(), organisation.to_owned(), summary_id.clone(), body);
    core.tasks.spawn_on(core.stop.clone().run_until_cancelled_owned(work), &core.runtime);
    Some(summary_id)
}

/// Attempts until one succeeds or the schedule ends, each to what is arranged at the time.
async fn deliver(core: Arc<Core<World>>, organisation: String, summary_id: String, body: Value) {
    let mut offsets = core.own.timing.retry_offsets.clone().into_iter();
    let mut first_failure: Option<Instant> = None;
    let body = body.to_string();
    for attempt in 1.. {
        let Some(to) = core.look(|world| world.destinations.get(&organisation).cloned()) else { return };
        let headers =
            vec![(API_KEY.to_owned(), to.api_key), (SIGNATURE.to_owned(), sign(&to.signing_key, body.as_bytes()))];
        let letter = Letter { target_url: to.url.clone(), headers, body: body.clone() };
        let outcome = post(&core, &letter, core.own.timing.request_timeout).await;
        let done = matches!(outcome, Sent::Answered(200..=299));
        let next = if done { None } else { offsets.next() };
        held(&core.own.pushed).push(Pushed {
            summary_id: summary_id.clone(),
            attempt,
            at: Timestamp::now(),
            url: to.url,
            outcome,
            tried_again: next.is_some(),
        });
        core.wake();
        let Some(offset) = next else { return };
        tokio::time::sleep_until(*first_failure.get_or_insert_with(Instant::now) + offset).await;
    }
}
