//! rules.md *Deletion* for a subscription: every row of ours goes, except what another object declares.

use std::time::Duration;

use super::condition::{Is, Report, Verdict};
use super::outcome::NOT_SERVED;
use super::pairs;
use super::row_calls::{BATCH, RowCall};
use super::subscription::{Draft, EndpointLink, SubscriptionInput, SubscriptionPlan, SubscriptionStep};
use super::{AccountView, Note};
use crate::api::{ConditionType, DeletionPolicy, REMOTE_FINALIZER, Reason};
use crate::provider::model::{RemoteId, RemoteRow, RemoteRows};

const WAY_OUT: &str = "To leave the remote subscriptions there instead, set spec.deletionPolicy: Orphan on this object, or on the account for all";

/// Plans a subscription object that is being deleted.
pub fn plan(input: &SubscriptionInput<'_>) -> SubscriptionPlan {
    let draft = Draft::new(input);
    if !input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER) {
        return draft.step(SubscriptionStep::Rest);
    }
    if let Some(why) = orphaned(input) {
        return orphan(draft, why);
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
    // During a rotation rows may be on either of two.
    let leaving = match (&input.link, input.rows) {
        (EndpointLink::Usable { leaving: Some(leaving), .. }, Some(rows)) => {
            Some(leaving).filter(|leaving| !rows.vanished(leaving, input.timing.absence_gap))
        }
        _ => None,
    };
    let places: Vec<&RemoteId> = leaving.into_iter().chain(here).collect();
    let mut doomed: Vec<RemoteRow> =
        input.old.rows.iter().filter(|old| !old.declared_there).map(|old| old.row.clone()).collect();
    let mut handed = false;
    if here.is_some() {
        let Some(rows) = input.rows.filter(|_| {
            matches!(
                input.account.0,
                AccountView::Ready { .. } | AccountView::Lacks { .. } | AccountView::DeletesOnly(_)
            )
        }) else {
            return no_account(input, draft);
        };
        if rows.practice_names().is_none() {
            return draft.step(SubscriptionStep::ListPractices);
        }
        if let Some(unknown) = places.iter().find(|place| !rows.known(place)) {
            return draft.step(SubscriptionStep::ListRows((*unknown).clone()));
        }
        for (practice, key) in pairs::applied(&applied, input.catalogue, rows) {
            let there: Vec<RemoteRow> = places.iter().flat_map(|place| rows.rows(place, &key)).collect();
            if input.siblings.iter().any(|sibling| sibling.declares(practice.as_deref(), &key, input.catalogue)) {
                handed |= !there.is_empty();
            } else {
                doomed.extend(there);
            }
        }
    }
    if let Some(rows) = input.rows {
        let more: Vec<RemoteRow> = unnamed(input, &places, rows).filter(|row| !doomed.contains(row)).collect();
        doomed.extend(more);
    }
    if let Some(id) = input.old.unlisted.first() {
        return draft.step(SubscriptionStep::ListRows(id.clone()));
    }
    remove(input, draft, &places, doomed, handed)
}

/// Why the rows are left behind, if they are. rules.md *Suspend and Observe*: under suspend as deletionPolicy says, under
/// Observe always as Orphan.
fn orphaned(input: &SubscriptionInput<'_>) -> Option<&'static str> {
    let usable =
        matches!(input.account.0, AccountView::Ready { .. } | AccountView::Lacks { .. } | AccountView::DeletesOnly(_));
    match input.object.spec.deletion_policy {
        _ if input.memory.definition_going => Some("the definition of this kind is being removed from the cluster"),
        _ if input.policy.observe => Some("the account's managementPolicy is Observe"),
        _ if input.policy.releasing => Some(RELEASED),
        DeletionPolicy::Orphan => Some("deletionPolicy: Orphan"),
        // The way out when a provider is gone, set on the account for all its objects.
        DeletionPolicy::Delete if input.policy.orphan && !usable => {
            Some("the account's deletionPolicy is Orphan, and it cannot be used")
        }
        DeletionPolicy::Delete => None,
    }
}

const RELEASED: &str = "the account is being deleted with deletionPolicy: Orphan";

fn orphan(mut draft: Draft<'_>, why: &str) -> SubscriptionPlan {
    let ids: Vec<&str> = draft.status.subscriptions.iter().map(|item| item.remote_id.as_str()).collect();
    let named = match ids.as_slice() {
        [] => "the remote subscriptions stay".to_owned(),
        ids if ids.len() <= 20 => format!("remote subscriptions {} stay", ids.join(", ")),
        ids => format!("remote subscriptions {} and {} more stay", ids[..20].join(", "), ids.len() - 20),
    };
    draft.notes.push(Note::normal("Orphaned", "Orphan", format!("{named} at the provider ({why})")));
    draft.step(SubscriptionStep::RemoveFinalizer)
}

/// rules.md *Deletion*: the account is being deleted and releases its objects. One that is not deleted itself stays, without
/// a hold on anything.
pub(super) fn release(input: &SubscriptionInput<'_>, draft: Draft<'_>) -> SubscriptionPlan {
    if input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER) {
        return orphan(draft, RELEASED);
    }
    let message = "the account is being deleted with deletionPolicy: Orphan and has released this object; what exists at the provider stays. Create the account again to go on, or delete this object";
    draft.rest(Report::waiting(Reason::AccountNotFound, message), None)
}

/// Rows of practices that the key no longer reaches: no name leads to them any more, but the status knows their ids.
fn unnamed<'a>(
    input: &'a SubscriptionInput<'_>,
    places: &'a [&'a RemoteId],
    rows: &'a dyn RemoteRows,
) -> impl Iterator<Item = RemoteRow> + 'a {
    let items = input.object.status.iter().flat_map(|status| &status.subscriptions);
    let lost = items.filter(|item| item.practice.as_deref().is_some_and(|name| rows.practice_key(name).is_none()));
    let there = lost.filter_map(|item| rows.row(&RemoteId::new(&item.remote_id)).map(|row| (item, row)));
    let ours = there.filter(|(item, row)| {
        places.contains(&&row.endpoint)
            && *row.event == *item.event
            && !input.siblings.iter().any(|other| other.declares(item.practice.as_deref(), &row.key(), input.catalogue))
    });
    ours.map(|(_, row)| row)
}

fn no_account(input: &SubscriptionInput<'_>, draft: Draft<'_>) -> SubscriptionPlan {
    let account = &input.account.1;
    match &input.account.0 {
        AccountView::NotFound => blocked(
            draft,
            Reason::AccountNotFound,
            &format!(
                "the {account} is gone, and with it the key to delete the remote subscriptions: create it again. {WAY_OUT}"
            ),
            None,
        ),
        AccountView::NotServed => blocked(draft, Reason::AccountNotFound, &format!("{NOT_SERVED}. {WAY_OUT}"), None),
        AccountView::NotReady(why) => {
            blocked(draft, Reason::AccountNotReady, &format!("the {account} cannot be used: {why}. {WAY_OUT}"), None)
        }
        AccountView::Unavailable { .. }
        | AccountView::Ready { .. }
        | AccountView::Lacks { .. }
        | AccountView::DeletesOnly(_) => blocked(
            draft,
            Reason::ProviderUnavailable,
            &format!("the provider does not answer; deleting goes on when it does. {WAY_OUT}"),
            None,
        ),
    }
}

fn remove(
    input: &SubscriptionInput<'_>,
    mut draft: Draft<'_>,
    places: &[&RemoteId],
    doomed: Vec<RemoteRow>,
    handed: bool,
) -> SubscriptionPlan {
    let refusal = |row: &RemoteRow| {
        let refusal = input.memory.undeletable.get(&row.id).copied();
        refusal.filter(|refusal| refusal.holds(input.now, input.timing))
    };
    // Each fails alone: what can be deleted goes before anything is said of the rest.
    let calls: Vec<RowCall> = doomed
        .iter()
        .filter(|row| refusal(row).is_none())
        .take(BATCH)
        .cloned()
        .map(|row| RowCall::Delete { row })
        .collect();
    if !calls.is_empty() {
        return draft.step(SubscriptionStep::Calls(calls));
    }
    if let Some((stuck, refusal)) = doomed.iter().find_map(|row| Some((&row.id, refusal(row)?))) {
        let message = format!("the provider refuses to delete subscription {stuck}: delete it there. {WAY_OUT}");
        return blocked(draft, Reason::RemoteNotDeleted, &message, Some(refusal.left(input.now, input.timing)));
    }
    // rules.md *Absence*: a DELETE's 2xx is confirmed by a good list that started after it.
    let mut here = places.iter().copied();
    let unsettled = here.find(|id| !input.rows.is_some_and(|rows| rows.settled(id)));
    if let Some(unsettled) = unsettled.or(input.old.unsettled.first()) {
        return draft.step(SubscriptionStep::ListRows(unsettled.clone()));
    }
    if let Some(id) = input.old.unreachable.first() {
        let message = format!(
            "subscriptions on remote endpoint {id}, where this object was before, go when the account there can be used; see its conditions. {WAY_OUT}"
        );
        return blocked(draft, Reason::AccountNotReady, &message, Some(input.timing.outage_grace));
    }
    if handed {
        let text = "some subscriptions stay, because other WebhookSubscriptions on the endpoint declare them";
        draft.notes.push(Note::normal("HandedOver", "HandOver", text));
    }
    draft.step(SubscriptionStep::RemoveFinalizer)
}

fn blocked(draft: Draft<'_>, reason: Reason, message: &str, again: Option<Duration>) -> SubscriptionPlan {
    let verdict = Verdict::new(ConditionType::DeletionBlocked, Is::True, reason, message);
    draft.rest(Report::waiting(Reason::Deleting, message).with(verdict), again)
}
