//! An endpoint object that holds a remote endpoint: is it there, is it as declared (rules.md *Absence*, *Switched off
//! remotely*, *Keys and the Secret*).

use super::adopt;
use super::draft::Draft;
use super::{EndpointInput, EndpointPlan, EndpointStep, SecretView, progressing, published, rejected, secret_name};
use crate::api::endpoint::{GapCause, Reactivation, SigningSecretStatus, SubscriptionCounts};
use crate::api::{ConditionType, Reason};
use crate::plan::condition::{Is, Report, Verdict, find, kept};
use crate::plan::contention::Field;
use crate::plan::create::{self, Intent};
use crate::plan::gaps::{self, Loss};
use crate::plan::reactivation::{self, Next};
use crate::plan::{Note, elapsed, target};
use crate::provider::model::{EndpointPatch, RemoteEndpoint, RemoteId, canonical_url};
use crate::signing::SecretText;

/// An id is held: is it there, is it as declared?
pub(super) fn maintain(input: &EndpointInput<'_>, mut draft: Draft<'_>, id: &RemoteId) -> EndpointPlan {
    let remote = &input.remote;
    // One that the provider refuses to delete stays named here, where it does no harm; it is tried again later.
    let refused = input.memory.delete_refused.filter(|refusal| refusal.holds(input.now, input.timing));
    if let Some(gone) = remote.removing.first().filter(|_| refused.is_none() && !draft.is_frozen()) {
        return draft.step(EndpointStep::Delete(gone.clone()));
    }
    if !draft.status.removing.is_empty() && remote.removing.is_empty() {
        if !remote.removing_gone {
            return draft.step(EndpointStep::ListEndpoints);
        }
        draft.status.removing.clear();
    }
    let Some(endpoint) = &remote.held else { return vanished(input, draft, id) };
    if let Some(last) = draft.status.last_create.clone().filter(|last| last.outstanding) {
        match create::judge(
            &input.object.spec.target_url,
            &remote.same_url,
            &[Intent::closed(&last)],
            None,
            input.timing,
        ) {
            create::Verdict::NeedRows(twin) => return draft.step(EndpointStep::ListRows(twin)),
            create::Verdict::Judged { ours, .. } if !ours.is_empty() && !draft.is_frozen() => {
                let names: Vec<&str> = ours.iter().map(RemoteId::as_str).collect();
                let text = format!(
                    "removing empty endpoint {}: a create whose answer was lost made it beside {id}",
                    names.join(", ")
                );
                draft.notes.push(Note::normal("TwinRemoved", "RemoveTwin", text));
                draft.status.removing.extend(ours.iter().map(|twin| twin.as_str().to_owned()));
                return draft.acknowledge(progressing("removing an empty endpoint that a lost answer left behind"));
            }
            create::Verdict::Judged { .. } => {}
        }
    }
    let patch = difference(input, endpoint);
    if patch != EndpointPatch::default() {
        return correct(input, draft, endpoint, patch);
    }
    match &endpoint.key {
        Some(key) if !published(&input.secret, key) => return draft.step(EndpointStep::PublishSecret(id.clone())),
        None if !matches!(input.secret, SecretView::Ours { current: Some(_), .. }) => {
            let message = format!(
                "the provider does not show the key of endpoint {id}, and the Secret {:?} does not hold it: have the provider return secret_key to this account's API key, or delete this object and create it again to get a new key",
                secret_name(input.object)
            );
            let missing =
                Verdict::new(ConditionType::SecretPublished, Is::False, Reason::KeyUnreadable, message.clone());
            return draft.rest(Report::stalled(Reason::KeyUnreadable, message).with(missing), None);
        }
        _ => {}
    }
    in_sync(input, draft, endpoint, EndpointStep::Rest)
}

/// The remote is not as declared: changes it, unless the provider has refused that, somebody changes it back again and
/// again, or nothing may be written.
fn correct(
    input: &EndpointInput<'_>,
    mut draft: Draft<'_>,
    endpoint: &RemoteEndpoint,
    patch: EndpointPatch,
) -> EndpointPlan {
    let id = &endpoint.id;
    let fields = [(Field::TargetUrl, patch.target_url.is_some()), (Field::Active, patch.active.is_some())];
    let fields: Vec<Field> = fields.into_iter().filter(|(_, differs)| *differs).map(|(field, _)| field).collect();
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
        return draft.would(words);
    }
    if let Some(refusal) = input.memory.refused.filter(|refusal| refusal.holds(input.now, input.timing)) {
        return draft.rest(rejected(refusal), Some(refusal.left(input.now, input.timing)));
    }
    let left_alone =
        |field: &Field| Some((*field, input.memory.corrections.left_alone(id, *field, input.now, input.timing)?));
    if let Some((field, left)) = fields.iter().find_map(left_alone) {
        return draft.rest(contended(id, field), Some(left));
    }
    let names = fields.iter().map(|field| field.name()).collect::<Vec<_>>().join(" and ");
    // Found as declared under the present spec before: then it is not our own edit that differs.
    if was_in_sync(input) {
        let text =
            format!("{names} of remote endpoint {id} was changed at the provider; put back to what the spec declares");
        draft.notes.push(Note::warning("DriftCorrected", "Repair", text));
        draft.corrects = fields;
    } else {
        let text = format!("{names} of remote endpoint {id} was changed to what the spec declares");
        draft.notes.push(Note::normal("Updated", "Update", text));
    }
    draft.step(EndpointStep::Patch(id.clone(), patch))
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
fn switched_off(input: &EndpointInput<'_>, endpoint: &RemoteEndpoint) -> bool {
    if endpoint.active || !input.object.spec.active {
        return false;
    }
    let conditions = input.object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    // A reason that this version does not know says nothing.
    let known = kept(conditions, ConditionType::Active).is_some_and(|active| active.reason != Reason::AsDeclared);
    let found = find(conditions, ConditionType::Active).and_then(|active| active.observed_generation);
    known && found == input.object.metadata.generation
}

/// Good lists lack the held id (rules.md *Absence*).
fn vanished(input: &EndpointInput<'_>, mut draft: Draft<'_>, id: &RemoteId) -> EndpointPlan {
    let remote = &input.remote;
    let Some(absence) = remote.absence else { return draft.step(EndpointStep::ListWorld) };
    let between = elapsed(absence.first, absence.last);
    if absence.lists < 2 || between < input.timing.absence_gap {
        let waited = elapsed(absence.first, input.now);
        if waited >= input.timing.absence_gap {
            return draft.step(EndpointStep::ListWorld);
        }
        let report = progressing(&format!(
            "remote endpoint {id} is missing from the provider's list; confirming before it is made again"
        ));
        return draft.rest(report, Some(input.timing.absence_gap - waited));
    }
    if !absence.witnessed {
        let report = progressing(&format!(
            "remote endpoint {id} is missing and nothing shows that the account still sees the same world; nothing is created until something does"
        ));
        return draft.rest(report, None);
    }
    // A late POST of the create before may have landed: that one is ours, and is taken instead of making another.
    let last: Vec<Intent<'_>> = draft.status.last_create.iter().map(Intent::closed).collect();
    let foreign = match create::judge(&input.object.spec.target_url, &remote.same_url, &last, None, input.timing) {
        create::Verdict::NeedRows(other) => return draft.step(EndpointStep::ListRows(other)),
        create::Verdict::Judged { foreign, .. } => foreign,
    };
    let (instead, would) = match adopt::choose(input, &foreign, true) {
        adopt::Choice::Leave(report) => return draft.rest(report, None),
        adopt::Choice::Adopt(other, right) => {
            (format!("taking over {other} instead"), format!("adopt remote endpoint {other} ({right})"))
        }
        adopt::Choice::Make => {
            let shown = target::shown(&input.object.spec.target_url);
            ("creating it again".to_owned(), format!("create the remote endpoint that delivers to {shown} again"))
        }
    };
    if draft.is_frozen() {
        return draft.would([format!("{would}, because {id} was deleted at the provider")]);
    }
    gaps::open(
        &mut draft.status.delivery_gaps,
        &Loss {
            cause: GapCause::EndpointMissing,
            from: absence.seen.unwrap_or(input.last_alive),
            to: None,
            practices: None,
            pairs: pairs(draft.status.subscriptions),
        },
    );
    let text = format!("remote endpoint {id} was deleted at the provider; {instead}");
    draft.notes.push(Note::warning("RemoteMissing", "Recreate", text.clone()));
    // The intent is there also where another one is taken over: it keeps what *No bricks* needs to know, that this object
    // had an endpoint before.
    let seen_remote_ids =
        create::seen(&input.object.spec.target_url, &remote.same_url, draft.status.last_create.as_ref(), input.timing);
    draft.status.remote_id = None;
    draft.status.active = None;
    draft.status.subscriptions = None;
    draft.status.pending_create = Some(super::intent(input, seen_remote_ids));
    draft.acknowledge(progressing(&text))
}

/// Everything is there: say so.
pub(super) fn in_sync(
    input: &EndpointInput<'_>,
    mut draft: Draft<'_>,
    endpoint: &RemoteEndpoint,
    step: EndpointStep,
) -> EndpointPlan {
    let spec = &input.object.spec;
    let name = secret_name(input.object);
    let current = match &input.secret {
        SecretView::Ours { current: Some(current), .. } => Some(current.fingerprint()),
        _ => endpoint.key.as_ref().map(SecretText::fingerprint),
    };
    if let Some(fingerprint) = current {
        let times =
            draft.status.signing_secret.take().map(|known| (known.last_rotation_time, known.next_rotation_time));
        let (last_rotation_time, next_rotation_time) = times.unwrap_or_default();
        draft.status.signing_secret =
            Some(SigningSecretStatus { name: name.clone(), fingerprint, last_rotation_time, next_rotation_time });
    }
    let before = pairs(draft.status.subscriptions);
    draft.status.active = Some(endpoint.active);
    draft.status.subscriptions =
        input.remote.rows.or(draft.status.subscriptions).or(Some(SubscriptionCounts::default()));
    draft.status.reactivation = reactivation::counted(
        draft.status.reactivation.take(),
        input.memory.reactivated,
        endpoint.active,
        input.now,
        input.timing,
    );
    let published = Verdict::new(
        ConditionType::SecretPublished,
        Is::True,
        Reason::Published,
        format!("the Secret {name:?} holds the signing key under \"current\""),
    );
    if switched_off(input, endpoint) {
        let pairs = before.max(pairs(draft.status.subscriptions));
        return off(input, draft, endpoint, published, pairs);
    }
    close_gaps(input, &mut draft);
    let (report, active) = if spec.active {
        let active = Verdict::new(ConditionType::Active, Is::True, Reason::Delivering, "deliveries are on");
        (Report::ready(Reason::InSync, "the remote endpoint is as declared"), active)
    } else {
        let active = Verdict::new(ConditionType::Active, Is::False, Reason::AsDeclared, "spec.active is false");
        (Report::ready(Reason::InSync, "the remote endpoint is as declared, and switched off by spec.active"), active)
    };
    let again = reactivation::forgotten_in(draft.status.reactivation.as_ref(), input.now, input.timing);
    draft.finish(report.with(published).with(active), step, again)
}

/// rules.md *Delivery gaps*: what has lasted ends with the confirmed repair, that is once everything here delivers again.
///
/// The endpoint itself is as declared here: a remote that is off where we want it on is [`off`] or patched before.
fn close_gaps(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    if input.unsettled_subscriptions > 0 {
        return;
    }
    for cause in [GapCause::EndpointSwitchedOff, GapCause::EndpointMissing] {
        draft.close_gap(cause, input.now);
    }
    // Recorded by a process before this one, and repaired: nobody else will tell.
    for cause in [GapCause::SubscriptionsSwitchedOff, GapCause::SubscriptionsMissing] {
        if !input.losses.iter().any(|loss| loss.cause == cause) {
            draft.close_gap(cause, input.now);
        }
    }
}

/// rules.md *Switched off remotely*.
fn off(
    input: &EndpointInput<'_>,
    mut draft: Draft<'_>,
    endpoint: &RemoteEndpoint,
    published: Verdict,
    pairs: usize,
) -> EndpointPlan {
    let since = endpoint.updated_at.or(input.remote.seen_before).unwrap_or(input.last_alive).min(input.now);
    gaps::open(
        &mut draft.status.delivery_gaps,
        &Loss {
            cause: GapCause::EndpointSwitchedOff,
            from: gaps::before_switch_off(since, input.timing),
            to: None,
            practices: None,
            pairs,
        },
    );
    let policy = input.object.spec.reactivation;
    let said = input.object.status.iter().flat_map(|status| find(&status.conditions, ConditionType::Active));
    let found = said
        .filter(|active| active.reason == Reason::SwitchedOffRemotely.as_str())
        .map(|active| active.last_transition_time.0);
    let found = found.min().unwrap_or(input.now);
    let next = reactivation::next(policy, draft.status.reactivation.as_ref(), found, input.now, input.timing);
    let message = match policy {
        Reactivation::Auto => {
            "the provider, or a person there, switched this endpoint off, so no event arrives: make the receiver answer 2xx. It is switched on again by itself, ever more rarely (spec.reactivation: Auto), and at once after any change of the spec"
        }
        Reactivation::Never => {
            "the provider, or a person there, switched this endpoint off, so no event arrives: make the receiver answer 2xx, then change the spec (for instance spec.active: false and back, or spec.reactivation: Auto) to switch it on again"
        }
    };
    let active = Verdict::new(ConditionType::Active, Is::False, Reason::SwitchedOffRemotely, message);
    if draft.is_frozen() && next != Next::Never {
        let id = &endpoint.id;
        let line = format!("switch remote endpoint {id} on again, which was switched off at the provider");
        return draft.would_and_says([line], vec![published, active]);
    }
    if let Some(refusal) = input.memory.refused.filter(|refusal| refusal.holds(input.now, input.timing)) {
        let report = rejected(refusal).with(published).with(active);
        return draft.rest(report, Some(refusal.left(input.now, input.timing)));
    }
    let again = match next {
        Next::Now => {
            let text =
                format!("remote endpoint {} was switched off at the provider; switched it on again", endpoint.id);
            draft.notes.push(Note::warning("Reactivated", "Reactivate", text));
            return draft.step(EndpointStep::Reactivate(endpoint.id.clone()));
        }
        Next::Wait(wait) => Some(wait),
        Next::Never => None,
    };
    let report = match reactivation::is_stalled(policy, draft.status.reactivation.as_ref()) {
        true => Report::stalled(Reason::SwitchedOffRemotely, message),
        false => Report::waiting(Reason::SwitchedOffRemotely, message),
    };
    draft.finish(report.with(published).with(active), EndpointStep::Rest, again)
}

fn pairs(counts: Option<SubscriptionCounts>) -> usize {
    counts.map_or(0, |counts| usize::try_from(counts.active).unwrap_or_default())
}
