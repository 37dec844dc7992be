//! What each phase does, and when it ends.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::keys::{self, Keys};
use super::rows::{Rows, rows_on};
use super::{Sides, clear, due, pause_from};
use crate::api::endpoint::GapCause;
use crate::api::rotation::{RotationPhase, RotationStatus};
use crate::plan::endpoint::{
    Draft, EndpointInput, EndpointPlan, EndpointStep, Presence, Purpose, SecretView, Standing, close, lost, lost_key,
    make, presence,
};
use crate::plan::{Note, elapsed, wire_time};
use crate::provider::model::{Moved, RemoteEndpoint, RemoteId};

/// How long a write of another object may take to be answered before this one looks again.
pub(super) const SOON: Duration = Duration::from_secs(1);

pub(super) fn go_on<'a>(
    input: &'a EndpointInput<'a>,
    draft: Draft<'a>,
    sides: &Sides<'_>,
    state: Standing,
) -> EndpointPlan {
    match (sides.pair.phase, sides.from, sides.to) {
        (RotationPhase::Preparing, Some(from), _) => preparing(input, draft, from, state),
        (RotationPhase::Publishing, from, Some(to)) => publishing(input, draft, from, to, state),
        (RotationPhase::Switching, from, Some(to)) => switching(input, draft, from, to, sides, state),
        (RotationPhase::Draining, from, Some(to)) => draining(input, draft, from, to, sides, state),
        (RotationPhase::Retiring, Some(from), Some(to)) => retiring(input, draft, from, to, state),
        (RotationPhase::Retiring, None, Some(to)) => retired(input, draft, to, sides, state),
        // What is missing here was asked about before.
        _ => draft.step(EndpointStep::ListWorld),
    }
}

fn rotation<'d>(draft: &'d mut Draft<'_>) -> &'d mut RotationStatus {
    draft.status.rotation.get_or_insert_default()
}

fn preparing<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    from: &RemoteEndpoint,
    state: Standing,
) -> EndpointPlan {
    if rotation(&mut draft).published_at.is_some() {
        // A new endpoint was published and is gone again: the Secret holds the former key alone, as before.
        if let Some(publish) = keys::back_to(input, from) {
            return draft.step(EndpointStep::PublishSecret(publish));
        }
        rotation(&mut draft).published_at = None;
        return state.acknowledge(draft);
    }
    if let Keys::Write(publish) = keys::one(input, from) {
        return draft.step(EndpointStep::PublishSecret(publish));
    }
    make(input, draft, Purpose::Rotation(state))
}

/// The second endpoint is there and its key is known: from here on the status knows both ids.
pub(in crate::plan) fn prepared(mut draft: Draft<'_>, id: &RemoteId, state: Standing) -> EndpointPlan {
    let rotation = rotation(&mut draft);
    if rotation.from_remote_id.as_deref() == Some(id.as_str()) {
        return draft.step(EndpointStep::ListEndpoints);
    }
    rotation.phase = Some(RotationPhase::Publishing);
    rotation.to_remote_id = Some(id.as_str().to_owned());
    let text = format!("remote endpoint {id} is made beside the present one; publishing its key");
    draft.notes.push(Note::normal("RotationPublishing", "Rotate", text));
    state.acknowledge(draft)
}

/// Whether a refused POST is about what was asked for. The first endpoint was made with the same URL, so what can be wrong
/// with that of the second is only that there are two.
pub(in crate::plan) fn means_duplicate(status: u16) -> bool {
    matches!(status, 400 | 409 | 422)
}

/// The provider refuses a second endpoint: nothing changes, and a person has to give it another URL.
pub(in crate::plan) fn duplicate_refused(
    input: &EndpointInput<'_>,
    mut draft: Draft<'_>,
    status: u16,
    mut state: Standing,
) -> EndpointPlan {
    close(input, &mut draft);
    clear(&mut draft.status);
    let verdict = due::duplicate();
    let text = format!(
        "the provider refused the second remote endpoint of the key rotation (HTTP {status}); the present key stays"
    );
    draft.notes.push(Note::warning("RotationRefused", "Rotate", text));
    state.report.others.push(verdict);
    state.acknowledge(draft)
}

/// Both keys into the Secret, and since when they are there; also where the phase is frozen, because what receivers have
/// must stay right.
fn publish_both<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    from: Option<&RemoteEndpoint>,
    to: &RemoteEndpoint,
    state: Standing,
) -> ControlFlow<EndpointPlan, (Draft<'a>, Standing, Time)> {
    let published_at = rotation(&mut draft).published_at.clone();
    match keys::both(input, from, to, published_at.is_some()) {
        // Nobody will ever know its key. It is empty; named as on its way out, then another one is made.
        Keys::Lost if !draft.is_frozen() => {
            draft.status.removing.push(to.id.as_str().to_owned());
            draft.status.pending_create = None;
            let rotation = rotation(&mut draft);
            rotation.phase = Some(RotationPhase::Preparing);
            rotation.to_remote_id = None;
            return Break(state.acknowledge(draft));
        }
        Keys::Lost => return Break(state.rest(draft, None)),
        // publishDelay counts from the last write: the wait begins anew before that write is made.
        Keys::Write(_) if published_at.is_some() => {
            rotation(&mut draft).published_at = None;
            if let (Some(known), Some(former)) = (&mut draft.status.signing_secret, keys::former_fingerprint(input)) {
                known.fingerprint = former;
            }
            return Break(state.acknowledge(draft));
        }
        Keys::Write(publish) => return Break(draft.step(EndpointStep::PublishSecret(publish))),
        Keys::AsWanted => {}
    }
    if let Some(published_at) = published_at {
        return Continue((draft, state, published_at));
    }
    rotation(&mut draft).published_at = Some(pause_from(input.now));
    // By this a later process knows the key again, should the provider hide it.
    if let (Some(known), SecretView::Ours { current: Some(current), .. }) =
        (&mut draft.status.signing_secret, &input.secret)
    {
        known.fingerprint = current.fingerprint();
    }
    Break(state.acknowledge(draft))
}

/// rules.md *Suspend and Observe*: the Secret is still published, whatever phase is frozen.
pub(super) fn keep_published<'a>(
    input: &'a EndpointInput<'a>,
    draft: Draft<'a>,
    sides: &Sides<'_>,
    state: Standing,
) -> ControlFlow<EndpointPlan, (Draft<'a>, Standing)> {
    let keys = match (sides.pair.phase, sides.from, sides.to) {
        (RotationPhase::Preparing, Some(from), _) => keys::one(input, from),
        (RotationPhase::Publishing, from, Some(to)) => {
            return publish_both(input, draft, from, to, state).map_continue(|(draft, state, _)| (draft, state));
        }
        (_, from, Some(to)) => keys::both(input, from, to, true),
        _ => Keys::AsWanted,
    };
    match keys {
        Keys::Write(publish) => Break(draft.step(EndpointStep::PublishSecret(publish))),
        Keys::AsWanted | Keys::Lost => Continue((draft, state)),
    }
}

fn publishing<'a>(
    input: &'a EndpointInput<'a>,
    draft: Draft<'a>,
    from: Option<&RemoteEndpoint>,
    to: &RemoteEndpoint,
    state: Standing,
) -> EndpointPlan {
    let (mut draft, state, published_at) = match publish_both(input, draft, from, to, state) {
        Break(plan) => return plan,
        Continue(published) => published,
    };
    let delay = due::pauses(&input.object.spec.signing_secret.rotation).publish_delay;
    match from {
        // While it is off nothing is delivered with either key; whether it goes on again is decided elsewhere.
        Some(_) if state.is_off() => return state.rest(draft, None),
        // With the former key lost, what is delivered now cannot be verified: every second counts.
        Some(_) if keys::former_is_lost(input) => lost_key(input, &mut draft),
        Some(_) => {
            let left = delay.saturating_sub(elapsed(published_at.0, input.now));
            if !left.is_zero() {
                return state.rest(draft, Some(left));
            }
            // Nothing is moved onto an endpoint that does not deliver there.
            if due::new_differs(input, to) {
                let refused = input.memory.other_refused.map(|refusal| refusal.left(input.now, input.timing));
                return state.rest(draft, Some(refused.unwrap_or(input.timing.contended.0).max(SOON)));
            }
        }
        None => {}
    }
    rotation(&mut draft).phase = Some(RotationPhase::Switching);
    let text = format!("its key is published; moving subscriptions to remote endpoint {}", to.id);
    draft.notes.push(Note::normal("RotationSwitching", "Rotate", text));
    state.acknowledge(draft)
}

fn vanished_former(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    lost(input, draft, GapCause::EndpointMissing, input.remote.absence);
    let text = "the former remote endpoint of the key rotation was deleted at the provider; its subscriptions are made on the new one";
    draft.notes.push(Note::warning("RemoteMissing", "Rotate", text));
}

fn switching<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    from: Option<&RemoteEndpoint>,
    to: &RemoteEndpoint,
    sides: &Sides<'_>,
    state: Standing,
) -> EndpointPlan {
    if let Keys::Write(publish) = keys::both(input, from, to, true) {
        return draft.step(EndpointStep::PublishSecret(publish));
    }
    if let Some(from) = from {
        if would_silence(from, &state) {
            return state.rest(draft, None);
        }
        match rows_on(input, &from.id, to) {
            Rows::Do(step) => return draft.step(step),
            Rows::Stuck(again) => return state.rest(draft, Some(again)),
            Rows::Empty => {}
        }
        match input.remote.moved {
            Moved::ListFrom => return draft.step(EndpointStep::ListRows(sides.pair.from.clone())),
            Moved::ListTo => return draft.step(EndpointStep::ListRows(to.id.clone())),
            Moved::InDoubt { until, to: is_to } => {
                let id = if is_to { &to.id } else { &sides.pair.from };
                return in_doubt(input, draft, id, until, state);
            }
            Moved::InFlight => return state.rest(draft, Some(SOON)),
            Moved::Proven => {}
        }
    } else {
        vanished_former(input, &mut draft);
    }
    draft.status.remote_id = Some(to.id.as_str().to_owned());
    draft.status.active = Some(to.active);
    let rotation = rotation(&mut draft);
    rotation.phase = Some(RotationPhase::Draining);
    rotation.switched_at = Some(pause_from(input.now));
    let text = format!(
        "every subscription is on remote endpoint {}; the former one, {}, stays for the overlap",
        to.id, sides.pair.from
    );
    draft.notes.push(Note::normal("RotationDraining", "Rotate", text));
    state.acknowledge(draft)
}

/// An endpoint that is off delivers nothing: what still delivers on the former one stays there until the new one is on again.
fn would_silence(from: &RemoteEndpoint, state: &Standing) -> bool {
    state.is_off() && from.active
}

/// A list that starts too early proves nothing.
fn in_doubt<'a>(
    input: &EndpointInput<'_>,
    draft: Draft<'a>,
    id: &RemoteId,
    until: jiff::Timestamp,
    state: Standing,
) -> EndpointPlan {
    let wait = elapsed(input.now, until);
    if wait.is_zero() {
        return draft.step(EndpointStep::ListRows(id.clone()));
    }
    state.rest(draft, Some(wait))
}

fn draining<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    from: Option<&RemoteEndpoint>,
    to: &RemoteEndpoint,
    sides: &Sides<'_>,
    state: Standing,
) -> EndpointPlan {
    let keys = keys::both(input, from, to, true);
    if let Keys::Write(publish) = keys {
        return draft.step(EndpointStep::PublishSecret(publish));
    }
    // What appears on the former one is moved. Its list comes with every round, and once more before it is retired.
    if let (Some(from), Some(_)) = (from, &input.remote.leaving)
        && !would_silence(from, &state)
        && let Rows::Do(step) = rows_on(input, &from.id, to)
    {
        return draft.step(step);
    }
    let Some(switched_at) = rotation(&mut draft).switched_at.clone() else {
        rotation(&mut draft).switched_at = Some(pause_from(input.now));
        return state.acknowledge(draft);
    };
    let overlap = due::pauses(&input.object.spec.signing_secret.rotation).overlap;
    // What was refused can be verified only with a key that the Secret holds; and a lost new key has to be replaced.
    let useless = keys == Keys::Lost || keys::former_is_lost(input);
    let left = overlap.saturating_sub(elapsed(switched_at.0, input.now));
    if !left.is_zero() && !useless {
        return state.rest(draft, Some(left));
    }
    rotation(&mut draft).phase = Some(RotationPhase::Retiring);
    let text = format!("the overlap is over; removing the former remote endpoint {}", sides.pair.from);
    draft.notes.push(Note::normal("RotationRetiring", "Rotate", text));
    state.acknowledge(draft)
}

fn retiring<'a>(
    input: &'a EndpointInput<'a>,
    draft: Draft<'a>,
    from: &RemoteEndpoint,
    to: &RemoteEndpoint,
    state: Standing,
) -> EndpointPlan {
    if let Keys::Write(publish) = keys::both(input, Some(from), to, true) {
        return draft.step(EndpointStep::PublishSecret(publish));
    }
    if would_silence(from, &state) {
        return state.rest(draft, None);
    }
    // What appeared since the last list would go with the endpoint.
    if !input.memory.looked_before_retiring {
        return draft.step(EndpointStep::ListRows(from.id.clone()));
    }
    match rows_on(input, &from.id, to) {
        Rows::Do(step) => return draft.step(step),
        Rows::Stuck(again) => return state.rest(draft, Some(again)),
        Rows::Empty => {}
    }
    match input.remote.moved {
        Moved::ListFrom => return draft.step(EndpointStep::ListRows(from.id.clone())),
        Moved::InDoubt { until, to: false } => return in_doubt(input, draft, &from.id, until, state),
        Moved::InFlight => return state.rest(draft, Some(SOON)),
        Moved::ListTo | Moved::InDoubt { to: true, .. } | Moved::Proven => {}
    }
    match input.delete_refused(&from.id) {
        Some(refusal) => {
            let again = refusal.left(input.now, input.timing);
            state.rest(draft, Some(again))
        }
        None => draft.step(EndpointStep::Delete(from.id.clone())),
    }
}

/// The former one is not listed: once that is proof, its key goes too, and the rotation is over.
fn retired<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    to: &RemoteEndpoint,
    sides: &Sides<'_>,
    state: Standing,
) -> EndpointPlan {
    // Our DELETE and a list, or the two lists with a witness that it takes where nobody has deleted it.
    let (absence, gone) = input.remote.other.as_ref().map(|other| (other.absence, other.gone)).unwrap_or_default();
    match presence(input, None, absence, gone) {
        Presence::There | Presence::Ask => return draft.step(EndpointStep::ListWorld),
        Presence::Later(wait) => return state.rest(draft, Some(wait)),
        Presence::Unwitnessed => return state.rest(draft, None),
        Presence::Absent(_) => {}
    }
    if let Keys::Write(publish) = keys::one(input, to) {
        return draft.step(EndpointStep::PublishSecret(publish));
    }
    clear(&mut draft.status);
    if let Some(known) = &mut draft.status.signing_secret {
        known.last_rotation_time = Some(wire_time(input.now));
        known.next_rotation_time = due::next(input.object, input.now).map(wire_time);
    }
    let text = format!(
        "the signing key is replaced: remote endpoint {} has taken the place of {}, which is deleted with its key",
        to.id, sides.pair.from
    );
    draft.notes.push(Note::normal("Rotated", "Rotate", text));
    state.acknowledge(draft)
}
