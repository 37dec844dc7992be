//! rules.md *Rotation*, with a key of ours: it is made and published beside the present one, receivers get `publishDelay`
//! to load it, then each row is made anew with it and the former one deleted; the former key stays for `overlap`.
//!
//! At a static provider nothing can be switched: people hand the new key over while both are in the Secret, so a rotation
//! begins only when a person asks for it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::moving::{Moving, Why};
use super::{OwnKeyInput, keys as secret_keys, replaced, standing};
use crate::api::rotation::{RotationPhase, RotationStatus};
use crate::api::{ConditionType, Reason, WebhookEndpointStatus};
use crate::plan::condition::{Is, Verdict};
use crate::plan::endpoint::{Draft, EndpointPlan, SecretView, lost_key};
use crate::plan::rotation::{Cause, Keys, due, pause_from};
use crate::plan::{Note, Refusal, elapsed, wire_time};
use crate::provider::model::RemoteId;
use crate::provider::model::home::{fingerprint_of, home};

/// The fingerprint of the key that is replaced, while a rotation runs.
pub(super) fn former(status: &WebhookEndpointStatus) -> Option<String> {
    let rotation = status.rotation.as_ref().filter(|rotation| rotation.phase.is_some())?;
    fingerprint_of(&RemoteId::new(rotation.from_remote_id.as_deref()?))
}

/// Where rows are to stand: under the former key until receivers had time to load the new one.
pub(super) fn home_of(own: &OwnKeyInput<'_>, status: &WebhookEndpointStatus, newest: &str) -> RemoteId {
    let publishing = status.rotation.as_ref().is_some_and(|rotation| rotation.phase == Some(RotationPhase::Publishing));
    let before = former(status).filter(|_| publishing);
    home(&own.endpoint.object.spec.target_url, before.as_deref().unwrap_or(newest))
}

/// A new request while the key that it asks for is being made.
pub(super) fn absorb(own: &OwnKeyInput<'_>, draft: &mut Draft<'_>) {
    let request = &own.endpoint.object.spec.signing_secret.rotation.request_id;
    if draft.is_frozen() || request.is_empty() {
        return;
    }
    if let Some(rotation) = draft.status.rotation.as_mut().filter(|one| one.phase == Some(RotationPhase::Preparing)) {
        rotation.last_handled_request_id = Some(request.clone());
    }
}

/// The Secret has to be written again, so the pause begins anew; answers whether the status says otherwise so far.
pub(super) fn restart_pause(status: &mut WebhookEndpointStatus) -> bool {
    status.rotation.as_mut().is_some_and(|rotation| rotation.published_at.take().is_some())
}

/// The status is lost and the Secret holds two keys: everything that an earlier phase did is looked at again.
pub(super) fn resumed(own: &OwnKeyInput<'_>, draft: &mut Draft<'_>, former: &str) {
    let now = wire_time(own.endpoint.now);
    let from = home(&own.endpoint.object.spec.target_url, former).as_str().to_owned();
    let phase = if own.registers { RotationPhase::Switching } else { RotationPhase::Draining };
    if own.registers {
        draft.status.removing = vec![from.clone()];
    }
    let rotation = draft.status.rotation.get_or_insert_default();
    rotation.phase = Some(phase);
    rotation.from_remote_id = Some(from);
    rotation.started_at = Some(now.clone());
    rotation.published_at = Some(now.clone());
    rotation.switched_at = (!own.registers).then_some(now);
    let text = "the Secret holds two keys: the rotation that was under way goes on";
    draft.notes.push(Note::normal("Adopted", "Adopt", text));
}

/// What the phase wants next, once the Secret and the homes are as they should be.
pub(super) fn next(
    own: &OwnKeyInput<'_>,
    mut draft: Draft<'_>,
    fingerprint: &str,
    keys: &Keys,
    moving: &Moving,
) -> EndpointPlan {
    let phase = draft.status.rotation.as_ref().and_then(|rotation| rotation.phase);
    let lost = *keys == Keys::Lost;
    if draft.is_frozen() {
        return standing::held_back(own, draft, phase, moving);
    }
    let pauses = due::pauses(&own.endpoint.object.spec.signing_secret.rotation);
    let again = match (phase, lost) {
        // Nothing is signed with the newest key yet: another one takes its place beside the present one.
        (Some(RotationPhase::Publishing), true)
            if former(&draft.status).is_some_and(|key| secret_keys::source(own, &key).is_some()) =>
        {
            let present = former(&draft.status).unwrap_or_default();
            enter(&mut draft, RotationPhase::Preparing, |rotation| rotation.published_at = None);
            standing::note_key(own, &mut draft, &present);
            return standing::of(own, &mut draft, None).acknowledge(draft);
        }
        // The newest key is nowhere at hand: nothing that it signed can be verified. Another one takes its place.
        (_, true) => {
            begin(own, &mut draft, fingerprint, Cause::KeyLost);
            return standing::of(own, &mut draft, None).acknowledge(draft);
        }
        (None, _) => match cause(own, &draft.status) {
            Some(cause) => {
                begin(own, &mut draft, fingerprint, cause);
                return standing::of(own, &mut draft, None).acknowledge(draft);
            }
            None => {
                if *moving == Moving::Empty {
                    draft.status.removing.clear();
                }
                None
            }
        },
        (Some(RotationPhase::Preparing), _) => {
            let SecretView::Ours { current: Some(new), .. } = &own.endpoint.secret else { return draft.unchanged() };
            let new = new.fingerprint();
            enter(&mut draft, RotationPhase::Publishing, |rotation| {
                rotation.published_at = Some(pause_from(own.endpoint.now));
            });
            standing::note_key(own, &mut draft, &new);
            return standing::of(own, &mut draft, None).acknowledge(draft);
        }
        (Some(RotationPhase::Publishing), _) => {
            let since = draft.status.rotation.as_ref().and_then(|rotation| rotation.published_at.clone());
            let Some(since) = since else {
                let now = pause_from(own.endpoint.now);
                enter(&mut draft, RotationPhase::Publishing, |rotation| rotation.published_at = Some(now));
                return standing::of(own, &mut draft, None).acknowledge(draft);
            };
            match left(own, since.0, pauses.publish_delay) {
                None if own.registers => {
                    enter(&mut draft, RotationPhase::Switching, |_| {});
                    return standing::of(own, &mut draft, None).acknowledge(draft);
                }
                None => {
                    enter(&mut draft, RotationPhase::Draining, |rotation| rotation.switched_at = Some(since));
                    return standing::of(own, &mut draft, None).acknowledge(draft);
                }
                wait => wait,
            }
        }
        (Some(RotationPhase::Switching), _) => match moving {
            Moving::Empty => {
                let now = pause_from(own.endpoint.now);
                enter(&mut draft, RotationPhase::Draining, |rotation| rotation.switched_at = Some(now));
                return standing::of(own, &mut draft, None).acknowledge(draft);
            }
            _ => None,
        },
        (Some(RotationPhase::Draining), _) => {
            let since = draft.status.rotation.as_ref().and_then(|rotation| rotation.switched_at.as_ref());
            let since = since.map_or(own.endpoint.now, |since| since.0);
            match (left(own, since, pauses.overlap), moving) {
                (None, Moving::Empty) => {
                    enter(&mut draft, RotationPhase::Retiring, |_| {});
                    return standing::of(own, &mut draft, None).acknowledge(draft);
                }
                (wait, _) => wait,
            }
        }
        (Some(RotationPhase::Retiring), _) => {
            replaced(own, &mut draft);
            standing::note_key(own, &mut draft, fingerprint);
            let text = "the signing key was replaced; the former one is no longer in the Secret";
            draft.notes.push(Note::normal("Rotated", "Rotate", text));
            return standing::of(own, &mut draft, None).acknowledge(draft);
        }
    };
    let stuck = stuck(moving, phase);
    standing::of(own, &mut draft, stuck).rest(draft, moving, again)
}

fn enter(draft: &mut Draft<'_>, phase: RotationPhase, change: impl FnOnce(&mut RotationStatus)) {
    let rotation = draft.status.rotation.get_or_insert_default();
    rotation.phase = Some(phase);
    change(rotation);
}

/// Why the key should be replaced now.
fn cause(own: &OwnKeyInput<'_>, status: &WebhookEndpointStatus) -> Option<Cause> {
    let cause = due::cause(&own.endpoint, status)?;
    // Nobody would hand over what nobody asked for, and once the former key has gone nothing could be verified.
    (own.registers || cause == Cause::Requested).then_some(cause)
}

fn begin(own: &OwnKeyInput<'_>, draft: &mut Draft<'_>, present: &str, cause: Cause) {
    let object = own.endpoint.object;
    let request = object.spec.signing_secret.rotation.request_id.clone();
    let handled = draft.status.rotation.take().and_then(|rotation| rotation.last_handled_request_id);
    let handled = if request.is_empty() { handled.unwrap_or_default() } else { request.clone() };
    draft.status.rotation = Some(RotationStatus {
        phase: Some(RotationPhase::Preparing),
        request_id: (cause == Cause::Requested).then_some(request),
        last_handled_request_id: Some(handled),
        from_remote_id: Some(home(&object.spec.target_url, present).as_str().to_owned()),
        started_at: Some(wire_time(own.endpoint.now)),
        ..RotationStatus::default()
    });
    let (why, lost) = match cause {
        Cause::Requested => ("spec.signingSecret.rotation.requestId has a new value", false),
        Cause::Due => ("it is due", false),
        Cause::KeyLost => ("it is lost: the Secret does not hold it, and the provider does not show it", true),
    };
    if lost {
        lost_key(&own.endpoint, draft);
    }
    let text = format!("replacing the signing key: {why}");
    draft.notes.push(match lost {
        true => Note::warning("RotationStarted", "Rotate", text),
        false => Note::normal("RotationStarted", "Rotate", text),
    });
}

/// What is left of a pause; `None` once it is over.
fn left(own: &OwnKeyInput<'_>, since: Timestamp, pause: Duration) -> Option<Duration> {
    let until = since.saturating_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::MAX));
    let left = elapsed(own.endpoint.now, until.unwrap_or(Timestamp::MAX));
    (!left.is_zero()).then_some(left)
}

/// What keeps the former key in use although it should go.
fn stuck(moving: &Moving, phase: Option<RotationPhase>) -> Option<Verdict> {
    let Moving::Stuck(id, why) = moving else { return None };
    phase?;
    if let Why::Refused(Refusal { status: 409, .. }) = why {
        let message = format!(
            "the provider refuses a second webhook with this target URL (HTTP 409), so {id} cannot be made with the new key beside the present one: change spec.targetUrl (another path or query that reaches the same receiver). Until then both keys stay in the Secret"
        );
        return Some(Verdict::new(ConditionType::RotationOverdue, Is::True, Reason::DuplicateUrlRefused, message));
    }
    let message = match why {
        Why::Refused(refusal) => format!(
            "the provider refuses to replace webhook {id} (HTTP {}), which is still signed with the former key: delete it there, and it is made with the new one. Until then both keys stay in the Secret",
            refusal.status
        ),
        Why::Stranger(other) => format!(
            "webhook {id} is still signed with the former key, and the provider has webhook {other} of the same event and URL, whose key nobody knows: delete {other} there. Until then both keys stay in the Secret"
        ),
    };
    Some(Verdict::new(ConditionType::RotationOverdue, Is::True, Reason::MoveRefused, message))
}
