//! An endpoint object that holds a remote endpoint: is it there, is it as declared (rules.md *Absence*, *Switched off
//! remotely*, *Keys and the Secret*).

use super::draft::Draft;
use super::{
    EndpointInput, EndpointPlan, EndpointStep, SecretView, progressing, published, rejected, remote_exists, secret_name,
};
use crate::api::endpoint::{SigningSecretStatus, SubscriptionCounts};
use crate::api::{ConditionType, Reason};
use crate::plan::condition::{Is, Report, Verdict, find};
use crate::plan::create::{self, Intent};
use crate::plan::{Note, elapsed};
use crate::provider::model::{EndpointPatch, RemoteEndpoint, RemoteId, canonical_url};
use crate::signing::SecretText;

/// An id is held: is it there, is it as declared?
pub(super) fn maintain(input: &EndpointInput<'_>, mut draft: Draft<'_>, id: &RemoteId) -> EndpointPlan {
    let remote = &input.remote;
    // One that the provider refuses to delete stays named here, where it does no harm; it is tried again later.
    let refused = input.memory.delete_refused.filter(|refusal| refusal.holds(input.now, input.timing));
    if let Some(gone) = remote.removing.first().filter(|_| refused.is_none()) {
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
            create::Verdict::Judged { ours, .. } if !ours.is_empty() => {
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
        if let Some(refusal) = input.memory.refused.filter(|refusal| refusal.holds(input.now, input.timing)) {
            return draft.rest(rejected(refusal), Some(refusal.left(input.now, input.timing)));
        }
        return draft.step(EndpointStep::Patch(id.clone(), patch));
    }
    match &endpoint.key {
        Some(key) if !published(&input.secret, key) => return draft.step(EndpointStep::PublishSecret(id.clone())),
        None if !matches!(input.secret, SecretView::Ours { current: Some(_), .. }) => {
            let message = format!(
                "the provider does not show the key of endpoint {id}, and the Secret {:?} does not hold it: delete this object and create it again to get a new key",
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
    find(conditions, ConditionType::Active).is_some_and(|active| {
        active.observed_generation == input.object.metadata.generation && active.reason != Reason::AsDeclared.as_str()
    })
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
    match create::judge(&input.object.spec.target_url, &remote.same_url, &last, None, input.timing) {
        create::Verdict::NeedRows(other) => return draft.step(EndpointStep::ListRows(other)),
        create::Verdict::Judged { foreign, .. } => {
            if let Some(other) = foreign.first() {
                return draft.rest(remote_exists(other), None);
            }
        }
    }
    let text = format!("remote endpoint {id} was deleted at the provider; creating it again");
    draft.notes.push(Note::warning("RemoteMissing", "Recreate", text));
    let seen_remote_ids =
        create::seen(&input.object.spec.target_url, &remote.same_url, draft.status.last_create.as_ref(), input.timing);
    draft.status.remote_id = None;
    draft.status.active = None;
    draft.status.subscriptions = None;
    draft.status.pending_create = Some(super::intent(input, seen_remote_ids));
    draft.acknowledge(progressing(&format!("remote endpoint {id} was deleted at the provider; creating it again")))
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
        draft.status.signing_secret = Some(SigningSecretStatus { name: name.clone(), fingerprint });
    }
    draft.status.active = Some(endpoint.active);
    draft.status.subscriptions =
        input.remote.rows.or(draft.status.subscriptions).or(Some(SubscriptionCounts::default()));
    let published = Verdict::new(
        ConditionType::SecretPublished,
        Is::True,
        Reason::Published,
        format!("the Secret {name:?} holds the signing key under \"current\""),
    );
    let (report, active) = if switched_off(input, endpoint) {
        let message = "the provider, or a person there, switched this endpoint off, so no event arrives: make the receiver answer 2xx, then change the spec (for instance spec.active: false and back) to switch it on again";
        let active = Verdict::new(ConditionType::Active, Is::False, Reason::SwitchedOffRemotely, message);
        (Report::stalled(Reason::SwitchedOffRemotely, message), active)
    } else if spec.active {
        let active = Verdict::new(ConditionType::Active, Is::True, Reason::Delivering, "deliveries are on");
        (Report::ready(Reason::InSync, "the remote endpoint is as declared"), active)
    } else {
        let active = Verdict::new(ConditionType::Active, Is::False, Reason::AsDeclared, "spec.active is false");
        (Report::ready(Reason::InSync, "the remote endpoint is as declared, and switched off by spec.active"), active)
    };
    draft.finish(report.with(published).with(active), step, None)
}
