//! rules.md *Rotation*: one of the two endpoints, or both, were deleted at the provider.

use std::ops::ControlFlow::{self, Break, Continue};

use super::{Sides, clear, keys};
use crate::api::endpoint::GapCause;
use crate::api::rotation::RotationPhase;
use crate::plan::Note;
use crate::plan::endpoint::{
    Draft, EndpointInput, EndpointPlan, EndpointStep, Presence, lost, presence, progressing, recreate, standing,
};
use crate::plan::wire_time;
use crate::provider::model::Absence;

/// Goes on only where both are there, or the phase can do without the one that is gone for good.
pub(super) fn look<'a>(
    input: &'a EndpointInput<'a>,
    draft: Draft<'a>,
    sides: &Sides<'_>,
) -> ControlFlow<EndpointPlan, Draft<'a>> {
    let remote = &input.remote;
    let held = presence(input, remote.held.as_ref(), remote.absence, remote.gone);
    let other = match &remote.other {
        Some(other) => presence(input, other.endpoint.as_ref(), other.absence, other.gone),
        None => Presence::There,
    };
    let (from, to) = match sides.pair.phase {
        RotationPhase::Draining | RotationPhase::Retiring => (other, held),
        RotationPhase::Preparing | RotationPhase::Publishing | RotationPhase::Switching => (held, other),
    };
    match (sides.pair.phase, from, to) {
        // The former one is on its way out, and its absence is what that phase waits for.
        (RotationPhase::Retiring, _, Presence::There) | (_, Presence::There, Presence::There) => Continue(draft),
        (RotationPhase::Retiring, from, Presence::Absent(absence)) => {
            Break(replace_new(input, draft, sides, absence, &from))
        }
        // It can be done without: what was on it is made on the new one.
        (
            RotationPhase::Publishing | RotationPhase::Switching | RotationPhase::Draining,
            Presence::Absent(_),
            Presence::There,
        ) => Continue(draft),
        (RotationPhase::Preparing, Presence::Absent(absence), _)
        | (_, Presence::Absent(absence), Presence::Absent(_)) => Break(start_anew(input, draft, sides, absence)),
        (RotationPhase::Publishing, Presence::There, Presence::Absent(_)) => Break(prepare_again(input, draft, sides)),
        (RotationPhase::Switching | RotationPhase::Draining, Presence::There, Presence::Absent(absence)) => {
            Break(go_back(input, draft, sides, absence))
        }
        (_, Presence::There | Presence::Absent(_), uncertain) => Break(wait(input, draft, sides, uncertain)),
        (_, uncertain, _) => Break(wait(input, draft, sides, uncertain)),
    }
}

/// Not listed, and not proven gone.
fn wait<'a>(input: &'a EndpointInput<'a>, mut draft: Draft<'a>, sides: &Sides<'_>, presence: Presence) -> EndpointPlan {
    let again = match presence {
        Presence::There | Presence::Absent(_) | Presence::Ask => return draft.step(EndpointStep::ListWorld),
        Presence::Later(wait) => Some(wait),
        Presence::Unwitnessed => None,
    };
    match sides.main() {
        Some(main) => {
            let state = standing(input, &mut draft, main);
            state.rest(draft, again)
        }
        None => draft.rest(
            progressing(
                "a remote endpoint of the key rotation is missing from the provider's list; confirming before anything is made again",
            ),
            again,
        ),
    }
}

/// Nothing is left to rotate: a plain *Create*.
fn start_anew<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    sides: &Sides<'_>,
    absence: Option<Absence>,
) -> EndpointPlan {
    let id = sides.pair.from.clone();
    if !draft.is_frozen() {
        clear(&mut draft.status);
    }
    recreate(input, draft, &id, absence)
}

/// The new one is gone before anything was on it: another one is made.
fn prepare_again<'a>(input: &'a EndpointInput<'a>, mut draft: Draft<'a>, sides: &Sides<'_>) -> EndpointPlan {
    let Some(from) = sides.from else { return draft.step(EndpointStep::ListWorld) };
    if draft.is_frozen() {
        return draft.would(["make another new remote endpoint for the key rotation".to_owned()]);
    }
    let text = "the new remote endpoint of the key rotation was deleted at the provider; making another one";
    draft.notes.push(Note::warning("RemoteMissing", "Rotate", text));
    let state = standing(input, &mut draft, from);
    backwards(input, &mut draft);
    state.acknowledge(draft)
}

/// The new one is gone, and rows with it: back to the former one at once, then prepare again.
fn go_back<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    sides: &Sides<'_>,
    absence: Option<Absence>,
) -> EndpointPlan {
    let Some(from) = sides.from else { return draft.step(EndpointStep::ListWorld) };
    let text = format!(
        "the new remote endpoint of the key rotation was deleted at the provider; its subscriptions are made again on {}",
        from.id
    );
    if draft.is_frozen() {
        return draft.would([text]);
    }
    let state = standing(input, &mut draft, from);
    lost(input, &mut draft, GapCause::EndpointMissing, absence);
    draft.notes.push(Note::warning("RemoteMissing", "Rotate", text));
    draft.status.remote_id = Some(from.id.as_str().to_owned());
    draft.status.active = Some(from.active);
    backwards(input, &mut draft);
    state.acknowledge(draft)
}

/// Back to Preparing. `publishedAt` stays where the Secret may hold both keys, until it holds the former alone again.
fn backwards(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    draft.status.pending_create = None;
    if let (Some(known), Some(former)) = (&mut draft.status.signing_secret, keys::former_fingerprint(input)) {
        known.fingerprint = former;
    }
    if let Some(rotation) = &mut draft.status.rotation {
        rotation.phase = Some(RotationPhase::Preparing);
        rotation.to_remote_id = None;
        rotation.switched_at = None;
        rotation.started_at = Some(wire_time(input.now));
    }
}

/// rules.md *Rotation*: in Retiring the former one is never used again. A new one is made, and it goes.
fn replace_new<'a>(
    input: &'a EndpointInput<'a>,
    mut draft: Draft<'a>,
    sides: &Sides<'_>,
    absence: Option<Absence>,
    from: &Presence,
) -> EndpointPlan {
    let Some(id) = sides.pair.to.clone() else { return draft.step(EndpointStep::ListWorld) };
    if !draft.is_frozen() {
        let former = sides.pair.from.as_str().to_owned();
        if !matches!(from, Presence::Absent(_)) && !draft.status.removing.contains(&former) {
            draft.status.removing.push(former);
        }
        clear(&mut draft.status);
        if let Some(known) = &mut draft.status.signing_secret {
            known.last_rotation_time = Some(wire_time(input.now));
        }
    }
    recreate(input, draft, &id, absence)
}
