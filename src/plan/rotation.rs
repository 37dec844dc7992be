//! rules.md *Rotation*: a second remote endpoint beside the first, both keys published, subscriptions moved, the former
//! endpoint kept until it has repeated what was refused, then deleted.
//!
//! A rotation is a state machine whose whole state is in `status.rotation`: the phase, both ids, the moments its pauses are
//! counted from. Each phase is written before its first call, so a crash anywhere resumes it. At every instant each
//! declared pair has a live subscription on one of the two, and the Secret verifies both.
//!
//! | file | |
//! |---|---|
//! | `due` | when one begins, and when it is overdue |
//! | `keys` | what the Secret holds in which phase |
//! | `phases` | what each phase does, and when it ends |
//! | `rows` | what is done about rows on the former endpoint |
//! | `vanish` | one of the two endpoints is gone |
//!
//! This module must not write a key, an id or a moment into the status that it was not given.

pub mod due;
pub mod keys;
mod phases;
mod rows;
mod vanish;

use std::ops::ControlFlow::{self, Break, Continue};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::condition::{Is, Verdict};
use super::endpoint::{
    Draft, EndpointInput, EndpointPlan, EndpointStep, Standing, correct_held, correct_other, standing,
};
use super::{Note, wire_time};
use crate::api::rotation::{RotationPhase, RotationStatus};
use crate::api::{ConditionType, Reason, WebhookEndpointStatus};
use crate::provider::model::{RemoteEndpoint, RemoteId};

pub use due::Cause;
pub use keys::{Keys, Publish, Source};
pub(super) use phases::{duplicate_refused, means_duplicate, prepared};

/// After so many new endpoints without a readable key, one more would be no better.
pub const MAX_UNREADABLE: u32 = 2;

/// The two endpoints of a rotation, as the status names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// How far it is.
    pub phase: RotationPhase,
    /// The former one.
    pub from: RemoteId,
    /// The new one, once it is known.
    pub to: Option<RemoteId>,
}

impl Pair {
    /// The rotation that a status describes; `None` where none runs, or what stands there cannot be one (no id twice).
    pub fn of(status: &WebhookEndpointStatus) -> Option<Self> {
        let rotation = status.rotation.as_ref()?;
        let (phase, from) = (rotation.phase?, rotation.from_remote_id.as_deref()?);
        let held = status.remote_id.as_deref()?;
        let to = rotation.to_remote_id.as_deref().filter(|to| *to != from);
        let fits = match phase {
            RotationPhase::Preparing => held == from && to.is_none(),
            RotationPhase::Publishing | RotationPhase::Switching => held == from && to.is_some(),
            RotationPhase::Draining | RotationPhase::Retiring => to == Some(held),
        };
        fits.then(|| Self { phase, from: RemoteId::new(from), to: to.map(RemoteId::new) })
    }

    /// Whether rows are moved away from the former one.
    pub fn moves(&self) -> bool {
        matches!(self.phase, RotationPhase::Switching | RotationPhase::Draining | RotationPhase::Retiring)
    }

    /// The endpoint that new pairs go to, and the one that they may still be on.
    pub fn places(&self) -> (&RemoteId, Option<&RemoteId>) {
        match &self.to {
            Some(to) if self.moves() => (to, Some(&self.from)),
            _ => (&self.from, None),
        }
    }

    /// The one that `status.remoteId` does not name.
    pub fn other(&self) -> Option<&RemoteId> {
        match self.phase {
            RotationPhase::Draining | RotationPhase::Retiring => Some(&self.from),
            RotationPhase::Preparing | RotationPhase::Publishing | RotationPhase::Switching => self.to.as_ref(),
        }
    }
}

/// Both endpoints of a running rotation, as far as they are there.
pub(super) struct Sides<'a> {
    pair: Pair,
    from: Option<&'a RemoteEndpoint>,
    to: Option<&'a RemoteEndpoint>,
}

impl<'a> Sides<'a> {
    fn new(input: &'a EndpointInput<'_>, pair: Pair) -> Self {
        let (held, other) = (input.remote.held.as_ref(), input.remote.other.as_ref());
        let other = other.and_then(|other| other.endpoint.as_ref());
        let (from, to) = match pair.phase {
            RotationPhase::Draining | RotationPhase::Retiring => (other, held),
            RotationPhase::Preparing | RotationPhase::Publishing | RotationPhase::Switching => (held, other),
        };
        Self { pair, from, to }
    }

    /// The one whose state the object reports: where events are delivered from.
    fn main(&self) -> Option<&'a RemoteEndpoint> {
        if self.pair.moves() { self.to } else { self.from.or(self.to) }
    }
}

/// Goes on with a running rotation.
pub(super) fn run<'a>(input: &'a EndpointInput<'a>, draft: Draft<'a>, pair: Pair) -> EndpointPlan {
    let sides = Sides::new(input, pair);
    match go_on(input, draft, &sides) {
        Break(plan) | Continue(plan) => plan,
    }
}

fn go_on<'a>(
    input: &'a EndpointInput<'a>,
    draft: Draft<'a>,
    sides: &Sides<'_>,
) -> ControlFlow<EndpointPlan, EndpointPlan> {
    // Vanishing is looked at before the Secret is.
    let mut draft = vanish::look(input, draft, sides)?;
    absorb(input, &mut draft);
    let Some(main) = sides.main() else { return Break(draft.step(EndpointStep::ListWorld)) };
    let mut state = standing(input, &mut draft, main);
    let (mut draft, instead) = correct_held(input, draft, sides.pair.phase)?;
    if let Some((report, left)) = instead {
        state.instead(report, left);
    }
    if draft.is_frozen() {
        let (draft, state) = phases::keep_published(input, draft, sides, state)?;
        return Continue(held_back(draft, state, sides));
    }
    if let Some(other) = input.remote.other.as_ref().and_then(|other| other.endpoint.as_ref()) {
        let keeps_url = keeps_url(&draft, other, sides);
        draft = correct_other(input, draft, other, keeps_url)?;
    }
    Continue(phases::go_on(input, draft, sides, state))
}

/// The URL that the former endpoint keeps, where the provider refuses two with the same.
fn keeps_url(draft: &Draft<'_>, endpoint: &RemoteEndpoint, sides: &Sides<'_>) -> bool {
    let rotation = draft.status.rotation.as_ref();
    endpoint.id == sides.pair.from && rotation.is_some_and(|rotation| rotation.from_target_url.is_some())
}

/// rules.md *Rotation*: suspend and Observe freeze the phase. The endpoint itself is as declared all the same, unless the one
/// that delivered is gone.
fn held_back(draft: Draft<'_>, mut state: Standing, sides: &Sides<'_>) -> EndpointPlan {
    let Pair { phase, from, .. } = &sides.pair;
    if sides.from.is_none() && matches!(phase, RotationPhase::Publishing | RotationPhase::Switching) {
        state.would(format!("let the new remote endpoint take the place of {from}, which was deleted at the provider"));
    }
    let what = match phase {
        RotationPhase::Preparing => "go on with the key rotation: make a second remote endpoint",
        RotationPhase::Publishing => "go on with the key rotation: move subscriptions to the new remote endpoint",
        RotationPhase::Switching => "go on with the key rotation: move the remaining subscriptions",
        RotationPhase::Draining => {
            "go on with the key rotation: remove the former remote endpoint when its time is over"
        }
        RotationPhase::Retiring => "go on with the key rotation: delete the former remote endpoint",
    };
    let mut plan = state.rest(draft, None);
    if plan.step == EndpointStep::Rest {
        plan.status.plan.push(what.to_owned());
    }
    plan
}

/// Begins a rotation of an endpoint that is as declared, if one should begin. rules.md *Rotation*: not while it is
/// switched off remotely.
pub(super) fn begin(
    input: &EndpointInput<'_>,
    draft: &mut Draft<'_>,
    endpoint: &RemoteEndpoint,
    cause: Cause,
    pending: crate::api::endpoint::PendingCreate,
) {
    let request = input.object.spec.signing_secret.rotation.request_id.clone();
    let status = &mut draft.status;
    let handled = status.rotation.take().and_then(|rotation| rotation.last_handled_request_id);
    let handled = if request.is_empty() { handled.unwrap_or_default() } else { request.clone() };
    let elsewhere = crate::provider::model::canonical_url(&endpoint.target_url)
        != crate::provider::model::canonical_url(&input.object.spec.target_url);
    status.pending_create = Some(pending);
    status.rotation = Some(RotationStatus {
        phase: Some(RotationPhase::Preparing),
        request_id: (cause == Cause::Requested).then_some(request),
        last_handled_request_id: Some(handled),
        from_remote_id: Some(endpoint.id.as_str().to_owned()),
        from_target_url: elsewhere.then(|| endpoint.target_url.clone()),
        started_at: Some(wire_time(input.now)),
        ..RotationStatus::default()
    });
    let why = match cause {
        Cause::Requested => "spec.signingSecret.rotation.requestId has a new value",
        Cause::Due => "it is due",
        Cause::KeyLost => "it is lost: the Secret does not hold it, and the provider does not show it",
    };
    let text = format!("replacing the signing key of remote endpoint {}: {why}", endpoint.id);
    let note = match cause {
        Cause::KeyLost => Note::warning("RotationStarted", "Rotate", text),
        Cause::Requested | Cause::Due => Note::normal("RotationStarted", "Rotate", text),
    };
    draft.notes.push(note);
}

/// rules.md *Which remote is mine*: the status is lost, and the Secret says that a rotation was under way. It goes on where
/// everything that an earlier phase did is looked at again.
pub(super) fn resumed(input: &EndpointInput<'_>, draft: &mut Draft<'_>, from: &RemoteEndpoint, to: &RemoteEndpoint) {
    let rotation = draft.status.rotation.get_or_insert_default();
    rotation.phase = Some(RotationPhase::Switching);
    rotation.from_remote_id = Some(from.id.as_str().to_owned());
    rotation.to_remote_id = Some(to.id.as_str().to_owned());
    rotation.started_at = Some(wire_time(input.now));
    rotation.published_at = Some(wire_time(input.now));
    let text = format!(
        "took over remote endpoints {} and {}, whose keys the Secret holds: the rotation that was under way goes on",
        from.id, to.id
    );
    draft.notes.push(Note::normal("Adopted", "Adopt", text));
}

/// rules.md *Rotation*: a new request while Preparing is absorbed, because the key it asks for is being made.
fn absorb(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    if draft.is_frozen() {
        return;
    }
    let request = &input.object.spec.signing_secret.rotation.request_id;
    let preparing = |rotation: &&mut RotationStatus| rotation.phase == Some(RotationPhase::Preparing);
    if let Some(rotation) = draft.status.rotation.as_mut().filter(preparing)
        && !request.is_empty()
    {
        rotation.last_handled_request_id = Some(request.clone());
    }
}

/// Nothing runs any more; what was handled stays known, so that no request is handled twice.
pub(super) fn clear(status: &mut WebhookEndpointStatus) {
    let handled = status.rotation.take().and_then(|rotation| rotation.last_handled_request_id);
    status.rotation = Some(RotationStatus {
        last_handled_request_id: Some(handled.unwrap_or_default()),
        ..RotationStatus::default()
    });
}

/// rules.md *Rotation*: the request that is there when the key is first published, or when nothing says what was handled,
/// is recorded and not acted on.
pub(super) fn record_request(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    let rotation = draft.status.rotation.get_or_insert_default();
    if rotation.last_handled_request_id.is_some() {
        return;
    }
    let request = input.object.spec.signing_secret.rotation.request_id.clone();
    if !request.is_empty() {
        let text = format!(
            "spec.signingSecret.rotation.requestId {request:?} was there before the key's bookkeeping began; it is recorded and not acted on. Any new value replaces the key"
        );
        draft.notes.push(Note::normal("RotationRequestRecorded", "Observe", text));
    }
    rotation.last_handled_request_id = Some(request);
}

/// `Rotating`, while a rotation runs.
pub(super) fn rotating(status: &WebhookEndpointStatus) -> Option<Verdict> {
    let phase = status.rotation.as_ref()?.phase?;
    if status.remote_id.is_none() {
        return Some(rotating_own(status, phase));
    }
    let (reason, message) = match phase {
        RotationPhase::Preparing => {
            (Reason::Preparing, "a second remote endpoint, and with it the new key, is being made")
        }
        RotationPhase::Publishing => (
            Reason::Publishing,
            "the Secret holds the new key under \"current\" and the present one under \"previous\"; receivers get spec.signingSecret.rotation.publishDelay to load them",
        ),
        RotationPhase::Switching => (Reason::Switching, "subscriptions are being moved to the new remote endpoint"),
        RotationPhase::Draining => (
            Reason::Draining,
            "deliveries are signed with the new key; the former remote endpoint and its key stay for spec.signingSecret.rotation.overlap, so that what was refused can be repeated",
        ),
        RotationPhase::Retiring => (Reason::Retiring, "the former remote endpoint and its key are being removed"),
    };
    Some(Verdict::new(ConditionType::Rotating, Is::True, reason, message))
}

/// The same where the key is ours to make (rules.md *Providers of another shape*).
fn rotating_own(status: &WebhookEndpointStatus, phase: RotationPhase) -> Verdict {
    let (reason, message) = match phase {
        RotationPhase::Preparing => (Reason::Preparing, "a new key is being made and published"),
        RotationPhase::Publishing => (
            Reason::Publishing,
            "the Secret holds the new key under \"current\" and the present one under \"previous\"; receivers get spec.signingSecret.rotation.publishDelay to load them",
        ),
        RotationPhase::Switching => {
            (Reason::Switching, "each webhook is made anew with the new key, and the former one deleted")
        }
        RotationPhase::Draining if status.home.is_none() => (
            Reason::Draining,
            "the Secret holds the new key under \"current\" and the former one under \"previous\": give the provider the new one before spec.signingSecret.rotation.overlap is over, because then the former one leaves the Secret",
        ),
        RotationPhase::Draining => (
            Reason::Draining,
            "deliveries are signed with the new key; the former one stays in the Secret for spec.signingSecret.rotation.overlap",
        ),
        RotationPhase::Retiring => (Reason::Retiring, "the former key is being removed from the Secret"),
    };
    Verdict::new(ConditionType::Rotating, Is::True, reason, message)
}

/// A moment that a pause is counted from: the next whole second, because on the wire there are no others and no pause may
/// be too short.
pub(super) fn pause_from(now: Timestamp) -> Time {
    let second = if now.subsec_nanosecond() == 0 { now.as_second() } else { now.as_second().saturating_add(1) };
    Time(Timestamp::from_second(second).unwrap_or(now))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_pause_is_too_short() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(pause_from(at("2026-11-22T10:00:00Z")).0, at("2026-11-22T10:00:00Z"));
        assert_eq!(pause_from(at("2026-11-22T10:00:00.001Z")).0, at("2026-11-22T10:00:01Z"));
    }
}
