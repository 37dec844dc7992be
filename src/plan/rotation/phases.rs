//! What each phase does, and when it ends.

use std::time::Duration;

use super::keys::{self, Keys};
use super::{Sides, clear, due, pause_from};
use crate::api::endpoint::GapCause;
use crate::api::rotation::{RotationPhase, RotationStatus};
use crate::plan::endpoint::{
    Draft, EndpointInput, EndpointPlan, EndpointStep, Leaving, LeavingRow, Purpose, SecretView, Standing, Stuck, close,
    lost, make,
};
use crate::plan::row_calls::RowCall;
use crate::plan::{Note, elapsed, wire_time};
use crate::provider::model::{Moved, RemoteEndpoint, RemoteId};

/// How long a write of another object may take to be answered before this one looks again.
const SOON: Duration = Duration::from_secs(1);

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

fn publishing<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    from: Option<&RemoteEndpoint>,
    to: &RemoteEndpoint,
    state: Standing,
) -> EndpointPlan {
    let published_at = rotation(&mut draft).published_at.clone();
    match keys::both(input, from, to, published_at.is_some()) {
        Keys::Lost => {
            // Nobody will ever know its key. It is empty; named as on its way out, then another one is made.
            draft.status.removing.push(to.id.as_str().to_owned());
            draft.status.pending_create = None;
            let rotation = rotation(&mut draft);
            rotation.phase = Some(RotationPhase::Preparing);
            rotation.to_remote_id = None;
            return state.acknowledge(draft);
        }
        // publishDelay counts from the last write: the wait begins anew before that write is made.
        Keys::Write(_) if published_at.is_some() => {
            rotation(&mut draft).published_at = None;
            return state.acknowledge(draft);
        }
        Keys::Write(publish) => return draft.step(EndpointStep::PublishSecret(publish)),
        Keys::AsWanted => {}
    }
    let Some(published_at) = published_at else {
        rotation(&mut draft).published_at = Some(pause_from(input.now));
        // By this a later process knows the key again, should the provider hide it.
        if let (Some(known), SecretView::Ours { current: Some(current), .. }) =
            (&mut draft.status.signing_secret, &input.secret)
        {
            known.fingerprint = current.fingerprint();
        }
        return state.acknowledge(draft);
    };
    let delay = due::pauses(&input.object.spec.signing_secret.rotation).publish_delay;
    match from {
        // While it is off nothing is delivered with either key; whether it goes on again is decided elsewhere.
        Some(_) if state.is_off() => return state.rest(draft, None),
        // With the former key lost, what is delivered now cannot be verified: every second counts.
        Some(_) if !keys::former_is_lost(input) => {
            let left = delay.saturating_sub(elapsed(published_at.0, input.now));
            if !left.is_zero() {
                return state.rest(draft, Some(left));
            }
        }
        _ => {}
    }
    if from.is_none() {
        vanished_former(input, &mut draft);
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
    if from.is_some() {
        match rows(input, sides, to) {
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
    if let (Some(_), Some(_), Rows::Do(step)) = (from, &input.remote.leaving, rows(input, sides, to)) {
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
    let other = input.remote.other.as_ref();
    let gone = other.is_some_and(|other| other.gone);
    match other.and_then(|other| other.absence) {
        _ if gone => {}
        None => return draft.step(EndpointStep::ListWorld),
        Some(absence) if !absence.witnessed => return state.rest(draft, None),
        Some(_) => {}
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

/// What is to be done about rows on the former endpoint.
enum Rows {
    Do(EndpointStep),
    /// The provider refuses everything that could be done about those that are left; for how long that is believed.
    Stuck(Duration),
    Empty,
}

fn rows(input: &EndpointInput<'_>, sides: &Sides<'_>, to: &RemoteEndpoint) -> Rows {
    rows_on(input, &sides.pair.from, to)
}

fn rows_on(input: &EndpointInput<'_>, from: &RemoteId, to: &RemoteEndpoint) -> Rows {
    let Some(Leaving { movable, stuck }) = &input.remote.leaving else {
        return Rows::Do(EndpointStep::ListRows(from.clone()));
    };
    let moves = movable.iter().map(|leaving| RowCall::Move {
        row: leaving.row.clone(),
        to: to.id.clone(),
        practice: leaving.any_practice.clone(),
    });
    let calls: Vec<RowCall> = moves.chain(stuck.iter().filter_map(|stuck| detour(input, stuck, to))).collect();
    if !calls.is_empty() {
        return Rows::Do(EndpointStep::Rows(calls));
    }
    let left = stuck.iter().map(|(_, stuck)| stuck.refusal().left(input.now, input.timing));
    left.min().map_or(Rows::Empty, |left| Rows::Stuck(left.max(SOON)))
}

/// rules.md *Rotation*: refused for good = create on the new endpoint, then delete on the former one.
fn detour(input: &EndpointInput<'_>, (leaving, stuck): &(LeavingRow, Stuck), to: &RemoteEndpoint) -> Option<RowCall> {
    let LeavingRow { row, practice, any_practice, there } = leaving;
    match stuck {
        stuck if !stuck.refusal().holds(input.now, input.timing) => {
            Some(RowCall::Move { row: row.clone(), to: to.id.clone(), practice: any_practice.clone() })
        }
        Stuck::Move(_) if *there => Some(RowCall::Delete { row: row.clone() }),
        // Without its practice's name it cannot be made.
        Stuck::Move(_) if row.practice.is_some() && practice.is_none() => None,
        Stuck::Move(_) => Some(RowCall::Create {
            endpoint: to.id.clone(),
            key: row.key(),
            practice: practice.clone(),
            active: row.active,
        }),
        Stuck::Make(_) | Stuck::Delete(_) => None,
    }
}
