//! rules.md *Deletion* for a subscription: every row of ours goes, except what another object declares.

use super::condition::{Is, Report, Verdict};
use super::pairs;
use super::row_calls::{BATCH, RowCall};
use super::subscription::{Draft, EndpointLink, SubscriptionInput, SubscriptionPlan, SubscriptionStep};
use super::{AccountView, Note};
use crate::api::{ConditionType, DeletionPolicy, REMOTE_FINALIZER, Reason};
use crate::provider::model::{RemoteId, RemoteRow, RemoteRows};

const WAY_OUT: &str = "To leave the remote subscriptions there instead, set spec.deletionPolicy: Orphan on this object";

/// Plans a subscription object that is being deleted.
pub fn plan(input: &SubscriptionInput<'_>) -> SubscriptionPlan {
    let mut draft = Draft::new(input);
    if !input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER) {
        return draft.step(SubscriptionStep::Rest);
    }
    if input.object.spec.deletion_policy == DeletionPolicy::Orphan || input.memory.definition_going {
        draft.notes.push(Note::normal(
            "Orphaned",
            "Orphan",
            "the remote subscriptions stay at the provider (deletionPolicy: Orphan)",
        ));
        return draft.step(SubscriptionStep::RemoveFinalizer);
    }
    let Some(applied) = draft.status.applied.clone() else { return draft.step(SubscriptionStep::RemoveFinalizer) };
    let here = match &input.link {
        // The endpoint takes everything on it along, and confirms its absence before its object goes.
        EndpointLink::Going => {
            let message = "waiting for the WebhookEndpoint that is being deleted; everything on it goes with it";
            return draft.rest(Report::waiting(Reason::Deleting, message), None);
        }
        EndpointLink::NotFound | EndpointLink::NotReady => None,
        EndpointLink::Usable { remote_id, .. } => Some(remote_id),
    };
    if here.is_none() && input.old.rows.is_empty() && input.old.unlisted.is_empty() {
        return draft.step(SubscriptionStep::RemoveFinalizer);
    }
    let account = &input.account.1;
    let Some(rows) = input.rows.filter(|_| matches!(input.account.0, AccountView::Ready { .. })) else {
        return match &input.account.0 {
            AccountView::NotFound => blocked(
                draft,
                Reason::AccountNotFound,
                &format!(
                    "the ProviderAccount {account:?} is gone, and with it the key to delete the remote subscriptions: create it again. {WAY_OUT}"
                ),
            ),
            AccountView::NotReady(why) => blocked(
                draft,
                Reason::AccountNotReady,
                &format!("the ProviderAccount {account:?} cannot be used: {why}. {WAY_OUT}"),
            ),
            _ => blocked(
                draft,
                Reason::ProviderUnavailable,
                &format!("the provider does not answer; deleting goes on when it does. {WAY_OUT}"),
            ),
        };
    };
    if rows.practice_names().is_none() {
        return draft.step(SubscriptionStep::ListPractices);
    }
    if let Some(id) = input.old.unlisted.first().or(here.filter(|id| !rows.known(id))) {
        return draft.step(SubscriptionStep::ListRows(id.clone()));
    }
    let (mut doomed, mut handed) = (Vec::new(), false);
    if let Some(here) = here {
        for (practice, key) in pairs::applied(&applied, input.catalogue, rows) {
            let there = rows.rows(here, &key);
            if input.siblings.iter().any(|sibling| sibling.declares(practice.as_deref(), &key, input.catalogue)) {
                handed |= !there.is_empty();
            } else {
                doomed.extend(there);
            }
        }
    }
    doomed.extend(input.old.rows.iter().filter(|old| !old.declared_there).map(|old| old.row.clone()));
    remove(input, draft, rows, here, doomed, handed)
}

fn remove(
    input: &SubscriptionInput<'_>,
    mut draft: Draft<'_>,
    rows: &dyn RemoteRows,
    here: Option<&RemoteId>,
    doomed: Vec<RemoteRow>,
    handed: bool,
) -> SubscriptionPlan {
    let holds = |id: &RemoteId| {
        let refusal = input.memory.undeletable.get(id);
        refusal.is_some_and(|refusal| refusal.holds(input.now, input.timing))
    };
    if let Some(stuck) = doomed.iter().find(|row| holds(&row.id)) {
        let message = format!("the provider refuses to delete subscription {}: delete it there. {WAY_OUT}", stuck.id);
        return blocked(draft, Reason::RemoteNotDeleted, &message);
    }
    if !doomed.is_empty() {
        let calls = doomed.into_iter().take(BATCH).map(|row| RowCall::Delete { row }).collect();
        return draft.step(SubscriptionStep::Calls(calls));
    }
    // rules.md *Absence*: a DELETE's 2xx is confirmed by a good list that started after it.
    let ids = here.into_iter().chain(input.old.same_realm.iter());
    if let Some(unsettled) = ids.into_iter().find(|id| !rows.settled(id)) {
        return draft.step(SubscriptionStep::ListRows(unsettled.clone()));
    }
    if handed {
        let text = "some subscriptions stay, because other WebhookSubscriptions on the endpoint declare them";
        draft.notes.push(Note::normal("HandedOver", "HandOver", text));
    }
    draft.step(SubscriptionStep::RemoveFinalizer)
}

fn blocked(draft: Draft<'_>, reason: Reason, message: &str) -> SubscriptionPlan {
    let verdict = Verdict::new(ConditionType::DeletionBlocked, Is::True, reason, message);
    draft.rest(Report::waiting(Reason::Deleting, message).with(verdict), None)
}
