//! An endpoint that is not as declared: what is changed, unless the provider has refused that, somebody changes it back
//! again and again, or nothing may be written.

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use super::draft::Draft;
use super::{EndpointInput, EndpointPlan, EndpointStep, rejected};
use crate::api::rotation::RotationPhase;
use crate::api::{ConditionType, Reason};
use crate::plan::condition::{Report, find, kept};
use crate::plan::contention::Field;
use crate::plan::{Note, target};
use crate::provider::model::{EndpointPatch, RemoteEndpoint, RemoteId, canonical_url};

/// What is done about a difference.
pub(super) enum Correction {
    /// PATCH.
    Patch(EndpointPatch),
    /// Nothing may be written; this would be.
    Words(Vec<String>),
    /// Left alone for a time.
    Leave(Report, Duration),
}

/// What is done about a difference of the held endpoint.
pub(super) fn correction(
    input: &EndpointInput<'_>,
    draft: &mut Draft<'_>,
    endpoint: &RemoteEndpoint,
    patch: EndpointPatch,
) -> Correction {
    let id = &endpoint.id;
    let fields = fields(&patch);
    if draft.is_frozen() {
        let spec = &input.object.spec;
        let words = fields.iter().map(|field| match field {
            Field::TargetUrl => format!(
                "change targetUrl of remote endpoint {id} from {} to {}",
                target::shown(&endpoint.target_url),
                target::shown(&spec.target_url)
            ),
            Field::Active => format!("change active of remote endpoint {id} to {}", spec.active),
        });
        return Correction::Words(words.collect());
    }
    if let Some(refusal) = input.memory.refused.filter(|refusal| refusal.holds(input.now, input.timing)) {
        return Correction::Leave(rejected(refusal), refusal.left(input.now, input.timing));
    }
    if let Some((field, left)) = left_alone(input, id, &fields) {
        return Correction::Leave(contended(id, field), left);
    }
    let names = names(&fields);
    // Found as declared under the present spec before: then it is not our own edit that differs.
    if was_in_sync(input) {
        let text =
            format!("{names} of remote endpoint {id} was changed at the provider; put back to what the spec declares");
        draft.notes.push(Note::warning("DriftCorrected", "Repair", text));
        draft.corrects.clone_from(&fields);
    } else {
        let text = format!("{names} of remote endpoint {id} was changed to what the spec declares");
        draft.notes.push(Note::normal("Updated", "Update", text));
    }
    Correction::Patch(patch)
}

/// rules.md *Rotation*: edits of targetUrl and active go to both endpoints. One that is left alone holds nothing up.
pub(in crate::plan) fn correct_held<'a>(
    input: &EndpointInput<'_>,
    mut draft: Draft<'a>,
    phase: RotationPhase,
) -> ControlFlow<EndpointPlan, (Draft<'a>, Option<(Report, Duration)>)> {
    let Some(endpoint) = &input.remote.held else { return Continue((draft, None)) };
    let former = !matches!(phase, RotationPhase::Draining | RotationPhase::Retiring);
    let keeps = former && draft.status.rotation.as_ref().is_some_and(|rotation| rotation.from_target_url.is_some());
    let mut patch = difference(input, endpoint);
    if keeps {
        patch.target_url = None;
    }
    if patch == EndpointPatch::default() {
        return Continue((draft, None));
    }
    match correction(input, &mut draft, endpoint, patch) {
        Correction::Patch(patch) => Break(draft.step(EndpointStep::Patch(endpoint.id.clone(), patch))),
        Correction::Leave(report, left) => Continue((draft, Some((report, left)))),
        Correction::Words(lines) => Break(draft.would(lines)),
    }
}

/// The second endpoint of a rotation. Nothing is delivered from it that the first does not deliver too, or has delivered
/// before, so what the provider says no to here is tried again later and not worth a word.
pub(in crate::plan) fn correct_other<'a>(
    input: &EndpointInput<'_>,
    mut draft: Draft<'a>,
    endpoint: &RemoteEndpoint,
    keeps_url: bool,
) -> ControlFlow<EndpointPlan, Draft<'a>> {
    let spec = &input.object.spec;
    let moved = canonical_url(&endpoint.target_url) != canonical_url(&spec.target_url);
    // rules.md *Switched off remotely*: the former one that the provider has switched off is left so; its rows have moved.
    // Before the switch the new one has delivered nothing, so that whoever switched it off was no provider in need.
    let rotation = draft.status.rotation.as_ref();
    let former = rotation.and_then(|rotation| rotation.from_remote_id.as_deref()) == Some(endpoint.id.as_str());
    let switching = rotation.is_some_and(|rotation| rotation.phase == Some(RotationPhase::Switching));
    let edited = input.object.metadata.generation != Some(draft.status.observed_generation);
    let left_off = spec.active && (former || switching) && !edited;
    let patch = EndpointPatch {
        target_url: (moved && !keeps_url).then(|| spec.target_url.clone()),
        active: (spec.active != endpoint.active && !left_off).then_some(spec.active),
    };
    let fields = fields(&patch);
    let refused = input.memory.other_refused.is_some_and(|refusal| refusal.holds(input.now, input.timing));
    if fields.is_empty() || refused || left_alone(input, &endpoint.id, &fields).is_some() {
        return Continue(draft);
    }
    let text = format!(
        "{} of remote endpoint {}, the other one of the key rotation, was changed to what the spec declares",
        names(&fields),
        endpoint.id
    );
    draft.notes.push(Note::normal("Updated", "Update", text));
    draft.corrects = fields;
    Break(draft.step(EndpointStep::Patch(endpoint.id.clone(), patch)))
}

fn fields(patch: &EndpointPatch) -> Vec<Field> {
    let fields = [(Field::TargetUrl, patch.target_url.is_some()), (Field::Active, patch.active.is_some())];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect()
}

fn names(fields: &[Field]) -> String {
    fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(" and ")
}

fn left_alone(input: &EndpointInput<'_>, id: &RemoteId, fields: &[Field]) -> Option<(Field, Duration)> {
    fields.iter().find_map(|field| {
        let left = input.memory.corrections.left_alone(id, *field, input.now, input.timing)?;
        Some((*field, left))
    })
}

fn was_in_sync(input: &EndpointInput<'_>) -> bool {
    let conditions = input.object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    find(conditions, ConditionType::Ready)
        .is_some_and(|ready| ready.status == "True" && ready.observed_generation == input.object.metadata.generation)
}

fn contended(id: &RemoteId, field: Field) -> Report {
    let message = format!(
        "{} of remote endpoint {id} is changed back at the provider each time it is put right, so it is left alone for some hours: find who else manages it (another cluster, a script, a person) and let one of them let go; a change of this spec tries again at once",
        field.name()
    );
    Report::stalled(Reason::Contended, message)
}

/// The PATCH that makes the remote as declared. rules.md *Switched off remotely*: `active: false` where we want true is
/// drift only if our own spec had it off, or has changed since.
pub(super) fn difference(input: &EndpointInput<'_>, endpoint: &RemoteEndpoint) -> EndpointPatch {
    let spec = &input.object.spec;
    let moved = canonical_url(&endpoint.target_url) != canonical_url(&spec.target_url);
    let switch = match (spec.active, endpoint.active) {
        (false, true) => Some(false),
        (true, false) if !switched_off(input, endpoint) => Some(true),
        _ => None,
    };
    EndpointPatch { target_url: moved.then(|| spec.target_url.clone()), active: switch }
}

/// Whether the remote is off although an earlier pass over the present spec had found it on, or had already said this.
pub(super) fn switched_off(input: &EndpointInput<'_>, endpoint: &RemoteEndpoint) -> bool {
    if endpoint.active || !input.object.spec.active {
        return false;
    }
    let conditions = input.object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    // A reason that this version does not know says nothing.
    let known = kept(conditions, ConditionType::Active).is_some_and(|active| active.reason != Reason::AsDeclared);
    let found = find(conditions, ConditionType::Active).and_then(|active| active.observed_generation);
    known && found == input.object.metadata.generation
}
