//! An endpoint object that holds a remote endpoint: is it there, is it as declared (rules.md *Absence*, *Keys and the
//! Secret*), is its key due (*Rotation*).

use std::ops::ControlFlow::{self, Break, Continue};
use std::time::Duration;

use super::adopt;
use super::correct::{Correction, correction, difference};
use super::draft::Draft;
use super::standing::{Standing, key_is_lost, lost, standing};
use super::{EndpointInput, EndpointPlan, EndpointStep, intent, progressing};
use crate::api::ConditionType;
use crate::api::endpoint::GapCause;
use crate::plan::condition::find;
use crate::plan::create::{self, Intent};
use crate::plan::rotation::{self, Cause, Keys, Pair, due, keys};
use crate::plan::{Note, elapsed, target};
use crate::provider::model::{Absence, EndpointPatch, RemoteEndpoint, RemoteId};

/// An id is held: is it there, is it as declared?
pub(super) fn maintain<'a>(input: &'a EndpointInput<'a>, draft: Draft<'a>, id: &RemoteId) -> EndpointPlan {
    match held(input, draft, id) {
        Break(plan) | Continue(plan) => plan,
    }
}

fn held<'a>(input: &'a EndpointInput<'a>, draft: Draft<'a>, id: &RemoteId) -> ControlFlow<EndpointPlan, EndpointPlan> {
    let mut draft = remove(input, draft)?;
    if let Some(pair) = Pair::of(&draft.status) {
        return Continue(rotation::run(input, twins(input, draft, id)?, pair));
    }
    let Some(endpoint) = &input.remote.held else { return Continue(vanished(input, draft, id)) };
    // What stands there describes no rotation (somebody wrote into the status): none is under way.
    if draft.status.rotation.as_ref().is_some_and(|rotation| rotation.phase.is_some()) {
        rotation::clear(&mut draft.status);
    }
    let mut draft = twins(input, draft, id)?;
    let patch = difference(input, endpoint);
    let refused = due::duplicate_refused(&draft.status);
    let believed = due::duplicate_believed(input, &draft.status);
    let lost = key_is_lost(input, endpoint) && (!believed || patch.target_url.is_some());
    let cause = due::cause(input, &draft.status).or(lost.then_some(Cause::KeyLost));
    // The way out of a refused URL: one edit of URL and request, whereupon the present endpoint keeps its URL.
    let beside = refused && patch.target_url.is_some() && matches!(cause, Some(Cause::Requested | Cause::KeyLost));
    if patch != EndpointPatch::default() && !beside {
        return Continue(match correction(input, &mut draft, endpoint, patch) {
            Correction::Patch(patch) => draft.step(EndpointStep::Patch(id.clone(), patch)),
            Correction::Leave(report, left) => draft.rest(report, Some(left)),
            Correction::Words(lines) => draft.would(lines),
        });
    }
    let keys = keys::one(input, endpoint);
    if let Keys::Write(publish) = keys {
        return Continue(draft.step(EndpointStep::PublishSecret(publish)));
    }
    rotation::record_request(input, &mut draft);
    let state = standing(input, &mut draft, endpoint);
    Continue(match cause {
        Some(cause) => rotate(input, draft, endpoint, cause, state),
        None => state.rest(draft, None),
    })
}

/// A rotation should begin.
fn rotate(
    input: &EndpointInput<'_>,
    mut draft: Draft<'_>,
    endpoint: &RemoteEndpoint,
    cause: Cause,
    state: Standing,
) -> EndpointPlan {
    if draft.is_frozen() {
        let mut plan = state.rest(draft, None);
        plan.status.plan.push(format!("replace the signing key of remote endpoint {}", endpoint.id));
        return plan;
    }
    // rules.md *Rotation*: not started while switched off remotely.
    if state.is_off() {
        return state.rest(draft, None);
    }
    let url = &input.object.spec.target_url;
    let last = draft.status.last_create.as_ref();
    let seen = create::seen(url, &input.remote.same_url, last, input.timing);
    rotation::begin(input, &mut draft, endpoint, cause, intent(input, seen));
    state.acknowledge(draft)
}

/// Ids on their way out go first. One that the provider refuses to delete stays named, where it does no harm; it is tried
/// again later.
fn remove<'a>(input: &EndpointInput<'_>, mut draft: Draft<'a>) -> ControlFlow<EndpointPlan, Draft<'a>> {
    let remote = &input.remote;
    let free = remote.removing.iter().find(|id| input.delete_refused(id).is_none());
    if let Some(gone) = free.filter(|_| !draft.is_frozen()) {
        return Break(draft.step(EndpointStep::Delete(gone.clone())));
    }
    if !draft.status.removing.is_empty() && remote.removing.is_empty() {
        if !remote.removing_gone {
            return Break(draft.step(EndpointStep::ListEndpoints));
        }
        draft.status.removing.clear();
    }
    Continue(draft)
}

/// What a lost answer made beside the endpoint is removed. While another create is under way that one judges them.
fn twins<'a>(input: &EndpointInput<'_>, mut draft: Draft<'a>, id: &RemoteId) -> ControlFlow<EndpointPlan, Draft<'a>> {
    let creating = draft.status.pending_create.is_some();
    let Some(last) = draft.status.last_create.clone().filter(|last| last.outstanding && !creating) else {
        return Continue(draft);
    };
    let url = &input.object.spec.target_url;
    match create::judge(url, &input.remote.same_url, &[Intent::closed(&last)], None, input.timing) {
        create::Verdict::NeedRows(twin) => Break(draft.step(EndpointStep::ListRows(twin))),
        create::Verdict::Judged { ours, .. } if !ours.is_empty() && !draft.is_frozen() => {
            let names: Vec<&str> = ours.iter().map(RemoteId::as_str).collect();
            let text = format!(
                "removing empty endpoint {}: a create whose answer was lost made it beside {id}",
                names.join(", ")
            );
            draft.notes.push(Note::normal("TwinRemoved", "RemoveTwin", text));
            draft.status.removing.extend(ours.iter().map(|twin| twin.as_str().to_owned()));
            // What the object is said to be does not depend on an empty endpoint beside it.
            let ready =
                find(&draft.status.conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "True");
            Break(match &input.remote.held {
                Some(held) if ready => standing(input, &mut draft, held).acknowledge(draft),
                _ => draft.acknowledge(progressing("removing an empty endpoint that a lost answer left behind")),
            })
        }
        create::Verdict::Judged { .. } => Continue(draft),
    }
}

/// Whether something held is there (rules.md *Absence*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::plan) enum Presence {
    /// It is listed.
    There,
    /// It is not, and a round with a witness has to say so again.
    Ask,
    /// The same, after this time.
    Later(Duration),
    /// Nothing shows that the account still sees the same world.
    Unwitnessed,
    /// It is gone for good.
    Absent(Option<Absence>),
}

/// rules.md *Absence*, as an endpoint may be created again: two good lists some time apart, a witness in both.
pub(in crate::plan) fn presence(
    input: &EndpointInput<'_>,
    endpoint: Option<&RemoteEndpoint>,
    absence: Option<Absence>,
    deleted: bool,
) -> Presence {
    if endpoint.is_some() {
        return Presence::There;
    }
    if deleted {
        return Presence::Absent(absence);
    }
    let Some(absence) = absence else { return Presence::Ask };
    let between = elapsed(absence.first, absence.last);
    if absence.lists < 2 || between < input.timing.absence_gap {
        let waited = elapsed(absence.first, input.now);
        if waited >= input.timing.absence_gap {
            return Presence::Ask;
        }
        return Presence::Later(input.timing.absence_gap - waited);
    }
    if absence.witnessed { Presence::Absent(Some(absence)) } else { Presence::Unwitnessed }
}

/// Good lists lack the held id.
fn vanished(input: &EndpointInput<'_>, draft: Draft<'_>, id: &RemoteId) -> EndpointPlan {
    let remote = &input.remote;
    match presence(input, None, remote.absence, false) {
        Presence::There | Presence::Ask => draft.step(EndpointStep::ListWorld),
        Presence::Later(wait) => draft.rest(
            progressing(&format!(
                "remote endpoint {id} is missing from the provider's list; confirming before it is made again"
            )),
            Some(wait),
        ),
        Presence::Unwitnessed => draft.rest(
            progressing(&format!(
                "remote endpoint {id} is missing and nothing shows that the account still sees the same world; nothing is created until something does"
            )),
            None,
        ),
        Presence::Absent(absence) => recreate(input, draft, id, absence),
    }
}

/// The held one is gone for good: another one takes its place.
pub(in crate::plan) fn recreate(
    input: &EndpointInput<'_>,
    mut draft: Draft<'_>,
    id: &RemoteId,
    absence: Option<Absence>,
) -> EndpointPlan {
    let remote = &input.remote;
    // A late POST of the create before may have landed: that one is ours, and is taken instead of making another.
    let mut intents: Vec<Intent<'_>> =
        input.object.status.iter().flat_map(|status| &status.last_create).map(Intent::closed).collect();
    let pending = input.object.status.as_ref().and_then(|status| status.pending_create.as_ref());
    intents.extend(pending.map(|pending| Intent::open(pending, input.now)));
    let made = input.memory.made.as_ref();
    let url = &input.object.spec.target_url;
    let foreign = match create::judge(url, &remote.same_url, &intents, made, input.timing) {
        create::Verdict::NeedRows(other) => return draft.step(EndpointStep::ListRows(other)),
        create::Verdict::Judged { foreign, .. } => foreign,
    };
    let (instead, would) = match adopt::choose(input, &foreign, true) {
        adopt::Choice::Leave(report) => return draft.rest(report, None),
        adopt::Choice::Adopt(other, right) => {
            (format!("taking over {other} instead"), format!("adopt remote endpoint {other} ({right})"))
        }
        adopt::Choice::Make => {
            let shown = target::shown(url);
            ("creating it again".to_owned(), format!("create the remote endpoint that delivers to {shown} again"))
        }
    };
    if draft.is_frozen() {
        return draft.would([format!("{would}, because {id} was deleted at the provider")]);
    }
    lost(input, &mut draft, GapCause::EndpointMissing, absence);
    let text = format!("remote endpoint {id} was deleted at the provider; {instead}");
    draft.notes.push(Note::warning("RemoteMissing", "Recreate", text.clone()));
    // The intent is there also where another one is taken over: it keeps what *No bricks* needs to know, that this object
    // had an endpoint before. One that a rotation had is kept, with what it may have made.
    let seen = create::seen(url, &remote.same_url, draft.status.last_create.as_ref(), input.timing);
    draft.status.remote_id = None;
    draft.status.active = None;
    draft.status.subscriptions = None;
    draft.status.pending_create.get_or_insert_with(|| intent(input, seen));
    draft.acknowledge(progressing(&text))
}
