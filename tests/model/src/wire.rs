//! Between the model's small words and the types of the API: ids, keys, URLs, times and statuses, in both directions.

use std::time::Duration;

use external_webhooks::api::WebhookEndpointStatus;
use external_webhooks::api::endpoint::{LastCreate, PendingCreate, ReactivationStatus, SigningSecretStatus};
use external_webhooks::api::rotation::{RotationPhase, RotationStatus};
use external_webhooks::provider::model::RemoteId;
use external_webhooks::signing::SecretText;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time as Wire};

use crate::time::Time;
use crate::world::{GARBAGE, Id, Intent, Key, Phase, Rotation, Said, Status, Url};

/// Seconds of a tick: the least that a status can tell apart.
const TICK: i64 = 1;

pub fn at(time: Time) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + i64::from(time.0) * TICK).unwrap_or_default()
}

pub fn wire(time: Time) -> Wire {
    Wire(at(time))
}

pub fn tick(time: &Wire) -> Time {
    Time(i16::try_from((time.0.as_second() - 1_700_000_000).div_euclid(TICK)).unwrap_or_default())
}

pub fn ticks(ticks: i16) -> Duration {
    Duration::from_secs(u64::from(ticks.unsigned_abs()) * TICK.unsigned_abs())
}

pub fn url_text(url: Url) -> String {
    format!("https://hooks.example.com/{url}")
}

pub fn url_number(text: &str) -> Url {
    text.rsplit('/').next().and_then(|number| number.parse().ok()).unwrap_or_default()
}

pub fn remote_id(id: Id) -> RemoteId {
    RemoteId::new(id.to_string())
}

pub fn id_number(id: &str) -> Id {
    id.parse().unwrap_or_default()
}

pub fn key_text(key: Key) -> SecretText {
    SecretText::new(format!("the-key-of-endpoint-{key}"))
}

pub fn key_of(fingerprint: &str) -> Key {
    (1..=32).find(|key| key_text(*key).fingerprint() == fingerprint).unwrap_or(GARBAGE)
}

pub fn key_text_or_none(key: Key) -> Option<SecretText> {
    (key != 0).then(|| key_text(key))
}

pub fn named(id: Id) -> Option<String> {
    (id != 0).then(|| id.to_string())
}

pub fn request_text(request: u8) -> String {
    if request == 0 { String::new() } else { format!("request-{request}") }
}

pub fn request_number(text: &str) -> u8 {
    text.strip_prefix("request-").and_then(|number| number.parse().ok()).unwrap_or_default()
}

pub fn phase_out(phase: Phase) -> RotationPhase {
    match phase {
        Phase::Preparing => RotationPhase::Preparing,
        Phase::Publishing => RotationPhase::Publishing,
        Phase::Switching => RotationPhase::Switching,
        Phase::Draining => RotationPhase::Draining,
        Phase::Retiring => RotationPhase::Retiring,
    }
}

pub fn phase_in(phase: RotationPhase) -> Phase {
    match phase {
        RotationPhase::Preparing => Phase::Preparing,
        RotationPhase::Publishing => Phase::Publishing,
        RotationPhase::Switching => Phase::Switching,
        RotationPhase::Draining => Phase::Draining,
        RotationPhase::Retiring => Phase::Retiring,
    }
}

pub fn condition(kind: &str, is: bool, reason: &str, generation: u8, since: Time) -> Condition {
    Condition {
        type_: kind.into(),
        status: if is { "True" } else { "False" }.into(),
        reason: reason.into(),
        message: String::new(),
        observed_generation: Some(generation.into()),
        last_transition_time: wire(since),
    }
}

const SAID: [&str; 3] = ["Delivering", "AsDeclared", "SwitchedOffRemotely"];

pub fn status_out(status: &Status) -> WebhookEndpointStatus {
    let mut conditions = Vec::new();
    if status.ready {
        conditions.push(condition("Ready", true, "InSync", status.generation, Time(0)));
    }
    if let Some(said) = status.active {
        let reason = SAID[usize::from(said.what)];
        conditions.push(condition("Active", said.what == 0, reason, said.generation, said.since.unwrap_or_default()));
    }
    let ids = |ids: &[Id]| ids.iter().map(u8::to_string).collect::<Vec<_>>();
    WebhookEndpointStatus {
        observed_generation: status.generation.into(),
        conditions,
        remote_id: named(status.remote),
        pending_create: status.pending.as_ref().map(|intent| PendingCreate {
            since: wire(intent.since),
            target_url: intent.url.map(url_text),
            seen_remote_ids: ids(&intent.seen),
        }),
        last_create: status.last.as_ref().map(|intent| LastCreate {
            since: wire(intent.since),
            until: wire(intent.until.unwrap_or(intent.since)),
            target_url: intent.url.map(url_text),
            seen_remote_ids: ids(&intent.seen),
            outstanding: intent.outstanding,
        }),
        removing: ids(&status.removing),
        rotation: status.rotation.as_ref().map(|rotation| RotationStatus {
            phase: rotation.phase.map(phase_out),
            request_id: rotation.request.map(request_text),
            last_handled_request_id: rotation.handled.map(request_text),
            from_remote_id: named(rotation.from),
            to_remote_id: named(rotation.to),
            from_target_url: rotation.from_url.map(url_text),
            started_at: None,
            published_at: rotation.published.map(wire),
            switched_at: rotation.switched.map(wire),
        }),
        signing_secret: status.signing.map(|key| SigningSecretStatus {
            name: "intake-signing".into(),
            fingerprint: key_text(key).fingerprint(),
            last_rotation_time: None,
            next_rotation_time: None,
        }),
        reactivation: status
            .reactivated
            .map(|(attempts, last)| ReactivationStatus { attempts: attempts.into(), last_attempt: wire(last) }),
        ..WebhookEndpointStatus::default()
    }
}

pub fn status_in(status: &WebhookEndpointStatus) -> Status {
    let find = |kind: &str| status.conditions.iter().find(|condition| condition.type_ == kind);
    let is_true = |kind: &str| find(kind).is_some_and(|condition| condition.status == "True");
    let ids = |ids: &[String]| ids.iter().map(|id| id_number(id)).collect::<Vec<_>>();
    let optional = |id: &Option<String>| id.as_deref().map(id_number).unwrap_or_default();
    let active = find("Active").and_then(|said| {
        Some(Said {
            what: SAID.iter().position(|reason| *reason == said.reason)? as u8,
            generation: said.observed_generation.unwrap_or_default() as u8,
            // Since when matters only for what was switched off.
            since: (said.reason == SAID[2]).then(|| tick(&said.last_transition_time)),
        })
    });
    Status {
        generation: status.observed_generation as u8,
        ready: is_true("Ready"),
        stalled: is_true("Stalled"),
        // Since when it is said matters only for what was switched off.
        active,
        remote: optional(&status.remote_id),
        pending: status.pending_create.as_ref().map(|intent| Intent {
            since: tick(&intent.since),
            until: None,
            url: intent.target_url.as_deref().map(url_number),
            seen: ids(&intent.seen_remote_ids),
            outstanding: false,
        }),
        last: status.last_create.as_ref().map(|intent| Intent {
            since: tick(&intent.since),
            until: Some(tick(&intent.until)),
            url: intent.target_url.as_deref().map(url_number),
            seen: ids(&intent.seen_remote_ids),
            outstanding: intent.outstanding,
        }),
        removing: ids(&status.removing),
        rotation: status.rotation.as_ref().map(|rotation| Rotation {
            phase: rotation.phase.map(phase_in),
            request: rotation.request_id.as_deref().map(request_number),
            handled: rotation.last_handled_request_id.as_deref().map(request_number),
            from: optional(&rotation.from_remote_id),
            to: optional(&rotation.to_remote_id),
            from_url: rotation.from_target_url.as_deref().map(url_number),
            published: rotation.published_at.as_ref().map(tick),
            switched: rotation.switched_at.as_ref().map(tick),
        }),
        signing: status.signing_secret.as_ref().map(|signing| key_of(&signing.fingerprint)),
        reactivated: status
            .reactivation
            .as_ref()
            .map(|done| (done.attempts.clamp(0, 4) as u8, tick(&done.last_attempt))),
    }
}
