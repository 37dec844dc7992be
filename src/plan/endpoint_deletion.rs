//! rules.md *Deletion* for an endpoint: nothing leaks, and what is in the way is said with the way out.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::condition::{Is, Report, Verdict};
use super::create::{self, Intent};
use super::endpoint::{Draft, EndpointInput, EndpointPlan, EndpointStep, SecretView};
use super::outcome::NOT_SERVED;
use super::rotation::{Pair, keys};
use super::{AccountView, Note, elapsed};
use crate::api::{ConditionType, DeletionPolicy, REMOTE_FINALIZER, Reason};
use crate::provider::model::RemoteId;

const WAY_OUT: &str =
    "To give the remote endpoint up instead, set spec.deletionPolicy: Orphan on this object, or on the account for all";

/// Plans an endpoint object that is being deleted.
pub fn plan(input: &EndpointInput<'_>) -> EndpointPlan {
    let draft = Draft::new(input);
    if !input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER) {
        return draft.step(EndpointStep::Rest);
    }
    let draft = match orphaned(input, draft) {
        Ok(draft) => draft,
        Err(plan) => return *plan,
    };
    delete(input, draft)
}

/// What gives the remote side up instead of deleting it. rules.md *Suspend and Observe*: under suspend as deletionPolicy
/// says, under Observe always as Orphan.
pub(super) fn orphaned<'a>(input: &EndpointInput<'_>, draft: Draft<'a>) -> Result<Draft<'a>, Box<EndpointPlan>> {
    let plan = match input.object.spec.deletion_policy {
        _ if input.memory.definition_going => {
            orphan(input, draft, "the definition of this kind is being removed from the cluster", Others::Ignored)
        }
        _ if input.policy.observe => orphan(input, draft, "the account's managementPolicy is Observe", Others::Ignored),
        _ if input.policy.releasing => orphan(input, draft, RELEASED, Others::Ignored),
        DeletionPolicy::Orphan => match unused(input, &draft) {
            Some(step) => draft.step(step),
            None => orphan(input, draft, "deletionPolicy: Orphan", Others::First),
        },
        DeletionPolicy::Delete => return Ok(draft),
    };
    Err(Box::new(plan))
}

const RELEASED: &str = "the account is being deleted with deletionPolicy: Orphan";

/// Whether subscription objects on an endpoint must leave before it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Others {
    /// They still need the id to find their rows, or the account to be released.
    First,
    /// They leave their rows behind as well, and some may be waiting for this object.
    Ignored,
}

/// rules.md *Deletion*: the account is being deleted and releases its objects. One that is not deleted itself stays, without
/// a hold on anything.
pub(super) fn release(input: &EndpointInput<'_>, draft: Draft<'_>) -> EndpointPlan {
    if input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER) {
        return orphan(input, draft, RELEASED, Others::First);
    }
    let message = "the account is being deleted with deletionPolicy: Orphan and has released this object; what exists at the provider stays. Create the account again to go on, or delete this object";
    draft.rest(Report::waiting(Reason::AccountNotFound, message), None)
}

/// The remote stays. Subscription objects that are leaving still need the id to find their rows.
fn orphan(input: &EndpointInput<'_>, mut draft: Draft<'_>, why: &str, others: Others) -> EndpointPlan {
    if others == Others::First && input.leaving_subscriptions > 0 {
        let message = "waiting for WebhookSubscriptions on this endpoint that must leave first; see their conditions";
        return draft.rest(Report::waiting(Reason::Deleting, message), None);
    }
    if matches!(input.secret, SecretView::Ours { owned: true, .. }) {
        return draft.step(EndpointStep::ReleaseSecret);
    }
    let (status, mut ids) = (&draft.status, Vec::new());
    let other = Pair::of(status).and_then(|pair| pair.other().cloned());
    ids.extend(status.remote_id.iter().cloned().chain(other.map(|id| id.as_str().to_owned())));
    ids.extend(status.removing.iter().cloned());
    let text = match ids.as_slice() {
        _ if status.home.is_some() => format!("the webhooks of this object stay at the provider ({why})"),
        [] => format!("no remote endpoint is known; nothing is deleted at the provider ({why})"),
        ids => format!("remote endpoint {} stays at the provider ({why})", ids.join(", ")),
    };
    draft.notes.push(Note::normal("Orphaned", "Orphan", text));
    draft.step(EndpointStep::RemoveFinalizer)
}

/// rules.md *Rotation*: Orphan in Preparing or Publishing deletes the new endpoint, which is empty and which nobody would
/// ever use; from Switching on both stay, with both keys.
fn unused(input: &EndpointInput<'_>, draft: &Draft<'_>) -> Option<EndpointStep> {
    let pair = Pair::of(&draft.status).filter(|pair| !pair.moves())?;
    let usable =
        matches!(input.account, AccountView::Ready { .. } | AccountView::Lacks { .. } | AccountView::DeletesOnly(_));
    if !usable {
        return None;
    }
    if !input.remote.listed || (draft.status.pending_create.is_some() && !input.remote.listed_since_intent) {
        return Some(EndpointStep::ListEndpoints);
    }
    let new = input.remote.other.as_ref().and_then(|other| other.endpoint.as_ref()).map(|new| new.id.clone());
    let doomed = match (new, doomed(input, draft)) {
        (Some(new), _) => Some(new),
        (None, Err(need_rows)) => return Some(EndpointStep::ListRows(need_rows)),
        (None, Ok(ids)) => ids.into_iter().find(|id| *id != pair.from),
    };
    if let Some(doomed) = doomed.filter(|id| input.delete_refused(id).is_none()) {
        return Some(EndpointStep::Delete(doomed));
    }
    let both = matches!(input.secret, SecretView::Ours { owned: true, previous: Some(_), .. });
    let back = input.remote.held.as_ref().filter(|_| both).and_then(|from| keys::back_to(input, from));
    back.map(EndpointStep::PublishSecret)
}

fn delete(input: &EndpointInput<'_>, mut draft: Draft<'_>) -> EndpointPlan {
    if draft.has_nothing() {
        return draft.step(EndpointStep::RemoveFinalizer);
    }
    draft = match usable(input, draft, WAY_OUT) {
        Ok(draft) => draft,
        Err(plan) => return *plan,
    };
    let status = &draft.status;
    if !input.remote.listed || (status.pending_create.is_some() && !input.remote.listed_since_intent) {
        return draft.step(EndpointStep::ListEndpoints);
    }
    let doomed = match doomed(input, &draft) {
        Ok(doomed) => doomed,
        Err(need_rows) => return draft.step(EndpointStep::ListRows(need_rows)),
    };
    // One that the provider keeps does not hold up the others.
    if let Some(id) = doomed.iter().find(|id| input.delete_refused(id).is_none()).or(doomed.first()) {
        return remove(input, draft, id);
    }
    match confirm(input) {
        Confirmed::Gone => {
            if let Some(id) = draft.status.remote_id.clone() {
                let rows = draft.status.subscriptions.map_or(0, |counts| counts.active);
                let text = format!("remote endpoint {id} is gone, and with it {rows} active subscriptions");
                draft.notes.push(Note::normal("Deleted", "Delete", text));
            }
            draft.step(EndpointStep::RemoveFinalizer)
        }
        Confirmed::Look(step) => draft.step(step),
        Confirmed::OtherWorld => {
            let message = format!(
                "the provider no longer lists the remote endpoint, but nothing shows that the account still sees the same world: restore the account's key. {WAY_OUT}"
            );
            blocked(draft, Reason::ScopeSuspect, &message, None)
        }
        Confirmed::LookLater(wait) => {
            let message = "a create whose answer was lost may still appear at the provider; looking again before this object goes";
            draft.rest(Report::waiting(Reason::Deleting, message), Some(wait))
        }
    }
}

/// Whether the account can be used for deletes, and what is said where it cannot.
pub(super) fn usable<'a>(
    input: &EndpointInput<'_>,
    draft: Draft<'a>,
    way_out: &str,
) -> Result<Draft<'a>, Box<EndpointPlan>> {
    let account = &input.object.spec.account_ref;
    let usable =
        matches!(input.account, AccountView::Ready { .. } | AccountView::Lacks { .. } | AccountView::DeletesOnly(_));
    // The way out when a provider is gone, set on the account for all its endpoints.
    if input.policy.orphan && !usable {
        let why = "the account's deletionPolicy is Orphan, and it cannot be used";
        return Err(Box::new(orphan(input, draft, why, Others::Ignored)));
    }
    match &input.account {
        AccountView::Ready { .. } | AccountView::Lacks { .. } | AccountView::DeletesOnly(_) => {}
        AccountView::NotFound => {
            return Err(Box::new(blocked(
                draft,
                Reason::AccountNotFound,
                &format!(
                    "the {account} is gone, and with it the key to delete the remote endpoint: create it again. {way_out}"
                ),
                None,
            )));
        }
        AccountView::NotServed => {
            let message = format!("{NOT_SERVED}. {way_out}");
            return Err(Box::new(blocked(draft, Reason::AccountNotFound, &message, None)));
        }
        AccountView::NotReady(why) => {
            return Err(Box::new(blocked(
                draft,
                Reason::AccountNotReady,
                &format!("the {account} cannot be used: {why}. {way_out}"),
                None,
            )));
        }
        AccountView::Unavailable { .. } => {
            return Err(Box::new(blocked(
                draft,
                Reason::ProviderUnavailable,
                &format!("the provider does not answer; deleting goes on when it does. {way_out}"),
                None,
            )));
        }
    }
    Ok(draft)
}

/// Everything of ours that is still listed: the held id, ids on their way out, and what our POSTs made.
fn doomed(input: &EndpointInput<'_>, draft: &Draft<'_>) -> Result<Vec<RemoteId>, RemoteId> {
    let remote = &input.remote;
    let other = remote.other.iter().flat_map(|other| &other.endpoint);
    let mut ids: Vec<RemoteId> = remote.held.iter().chain(other).map(|endpoint| endpoint.id.clone()).collect();
    ids.extend(remote.removing.iter().cloned());
    let mut intents: Vec<Intent<'_>> = draft.status.last_create.iter().map(Intent::closed).collect();
    intents.extend(draft.status.pending_create.iter().map(|pending| Intent::open(pending, input.now)));
    match create::judge(
        &input.object.spec.target_url,
        &remote.same_url,
        &intents,
        input.memory.made.as_ref(),
        input.timing,
    ) {
        create::Verdict::NeedRows(id) => return Err(id),
        create::Verdict::Judged { ours, .. } => ids.extend(ours),
    }
    Ok(ids)
}

fn remove(input: &EndpointInput<'_>, draft: Draft<'_>, id: &RemoteId) -> EndpointPlan {
    let Some(refusal) = input.delete_refused(id) else {
        return draft.step(EndpointStep::Delete(id.clone()));
    };
    match &input.memory.rows_in_the_way {
        None => draft.step(EndpointStep::ListRows(id.clone())),
        Some(rows) if !rows.is_empty() => {
            let tried = input.memory.rows_tried.map(|tried| elapsed(tried, input.now));
            match tried.map(|since| input.timing.retry_rows.saturating_sub(since)).filter(|left| !left.is_zero()) {
                None => draft.step(EndpointStep::DeleteRows(rows.clone())),
                Some(left) => {
                    let message = format!(
                        "the provider refuses to delete remote endpoint {id} (HTTP {}), and still lists subscriptions on it that it said were deleted; it is tried again soon. {WAY_OUT}",
                        refusal.status
                    );
                    blocked(draft, Reason::RemoteNotDeleted, &message, Some(left))
                }
            }
        }
        Some(_) => {
            let message = format!(
                "the provider refuses to delete remote endpoint {id} (HTTP {}): delete it there. {WAY_OUT}",
                refusal.status
            );
            blocked(draft, Reason::RemoteNotDeleted, &message, Some(refusal.left(input.now, input.timing)))
        }
    }
}

/// Whether everything is known to be gone.
enum Confirmed {
    Gone,
    Look(EndpointStep),
    LookLater(Duration),
    OtherWorld,
}

/// rules.md *Absence* and *Deletion*: may the finalizer go?
fn confirm(input: &EndpointInput<'_>) -> Confirmed {
    let Some(status) = &input.object.status else { return Confirmed::Gone };
    let held = status.remote_id.iter().map(|_| (input.remote.gone, input.remote.absence));
    let other = input.remote.other.iter().map(|other| (other.gone, other.absence));
    for (gone, absence) in held.chain(other) {
        match absence {
            _ if gone => {}
            None => return Confirmed::Look(EndpointStep::ListWorld),
            Some(absence) if !absence.witnessed => return Confirmed::OtherWorld,
            Some(_) => {}
        }
    }
    if !status.removing.is_empty() && !input.remote.removing_gone {
        return Confirmed::Look(EndpointStep::ListEndpoints);
    }
    let Some(last_post) = outstanding_post(input) else { return Confirmed::Gone };
    let safe = last_post.saturating_add(signed(input.timing.outstanding)).unwrap_or(last_post);
    if input.remote.listed_at.is_some_and(|listed| listed >= safe) {
        return Confirmed::Gone;
    }
    match elapsed(input.now, safe) {
        Duration::ZERO => Confirmed::Look(EndpointStep::ListEndpoints),
        wait => Confirmed::LookLater(wait),
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::ZERO)
}

/// When a POST of ours that may have been lost could last have been sent; `None` if none is outstanding.
fn outstanding_post(input: &EndpointInput<'_>) -> Option<Timestamp> {
    let status = input.object.status.as_ref()?;
    let dead_process = status.pending_create.is_some() && !input.memory.intent_is_mine
        || status.last_create.as_ref().is_some_and(|last| last.outstanding);
    let theirs = dead_process.then(|| input.process_started.saturating_add(signed(input.predecessor)).ok()).flatten();
    input.memory.lost_post.into_iter().chain(theirs).max()
}

pub(super) fn blocked(draft: Draft<'_>, reason: Reason, message: &str, again: Option<Duration>) -> EndpointPlan {
    let verdict = Verdict::new(ConditionType::DeletionBlocked, Is::True, reason, message);
    draft.rest(Report::waiting(Reason::Deleting, message).with(verdict), again)
}
