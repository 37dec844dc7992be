//! rules.md *Deletion* for an object whose rows carry its key: every one of them goes, whoever declares it, and a good list
//! confirms it.

use std::time::Duration;

use jiff::SignedDuration;

use super::{OwnKeyInput, moving};
use crate::api::{REMOTE_FINALIZER, Reason};
use crate::plan::Note;
use crate::plan::condition::Report;
use crate::plan::elapsed;
use crate::plan::endpoint::{Draft, EndpointPlan, EndpointStep, Stuck};
use crate::plan::endpoint_deletion::{blocked, orphaned, usable};
use crate::plan::row_calls::{BATCH, RowCall};
use crate::provider::model::{RemoteId, RemoteRow};

const WAY_OUT: &str =
    "To leave the webhooks there instead, set spec.deletionPolicy: Orphan on this object, or on the account for all";

pub(super) fn plan(own: &OwnKeyInput<'_>) -> EndpointPlan {
    let input = &own.endpoint;
    let mut draft = Draft::new(input);
    if !input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER) {
        return draft.step(EndpointStep::Rest);
    }
    draft = match orphaned(input, draft) {
        Ok(draft) => draft,
        Err(plan) => return *plan,
    };
    let Some(home) = draft.status.home.as_ref().map(RemoteId::new) else {
        return draft.step(EndpointStep::RemoveFinalizer);
    };
    draft = match usable(input, draft, WAY_OUT) {
        Ok(draft) => draft,
        Err(plan) => return *plan,
    };
    let mut places = moving::former(own, &draft.status, &home);
    places.push(home);
    if let Some(unknown) = places.iter().find(|place| !own.rows.known(place)) {
        return draft.step(EndpointStep::ListRows(unknown.clone()));
    }
    let rows: Vec<RemoteRow> = places.iter().flat_map(|place| own.rows.all_rows(place)).collect();
    let refused = |row: &RemoteRow| match input.memory.stuck.get(&row.id) {
        Some(Stuck::Delete(refusal)) if refusal.holds(input.now, input.timing) => Some(*refusal),
        _ => None,
    };
    let calls: Vec<RowCall> = rows
        .iter()
        .filter(|row| refused(row).is_none())
        .take(BATCH)
        .map(|row| RowCall::Delete { row: row.clone() })
        .collect();
    if !calls.is_empty() {
        return draft.step(EndpointStep::Rows(calls));
    }
    if let Some((row, refusal)) = rows.iter().find_map(|row| Some((row, refused(row)?))) {
        let message = format!(
            "{} refuses to delete webhook {} (HTTP {}): delete it there. {WAY_OUT}",
            own.provider, row.id, refusal.status
        );
        return blocked(draft, Reason::RemoteNotDeleted, &message, Some(refusal.left(input.now, input.timing)));
    }
    confirm(own, draft, &places)
}

/// rules.md *Absence* and *Deletion*: a later good list lacks every row, and no POST of ours may still land.
fn confirm(own: &OwnKeyInput<'_>, mut draft: Draft<'_>, places: &[RemoteId]) -> EndpointPlan {
    let input = &own.endpoint;
    let Some(first) = places.first() else { return draft.step(EndpointStep::RemoveFinalizer) };
    if let Some(unsettled) = places.iter().find(|place| !own.rows.settled(place)) {
        return draft.step(EndpointStep::ListRows(unsettled.clone()));
    }
    let late =
        "a webhook whose making got no answer may still appear at the provider; looking again before this object goes";
    if let Some(until) = places.iter().find_map(|place| own.rows.in_doubt(place)) {
        return match elapsed(input.now, until) {
            Duration::ZERO => draft.step(EndpointStep::ListRows(first.clone())),
            wait => draft.rest(Report::waiting(Reason::Deleting, late), Some(wait)),
        };
    }
    // A process before this one may have sent a POST whose answer nobody recorded.
    if input.unsettled_subscriptions > 0 {
        let signed = |time: Duration| SignedDuration::try_from(time).unwrap_or(SignedDuration::ZERO);
        let safe = input.process_started.saturating_add(signed(input.predecessor + input.timing.outstanding));
        let safe = safe.unwrap_or(input.now);
        let listed = own.rows.listed_at(first);
        if listed.is_none_or(|listed| listed < safe) {
            return match elapsed(input.now, safe) {
                Duration::ZERO => draft.step(EndpointStep::ListRows(first.clone())),
                wait => draft.rest(Report::waiting(Reason::Deleting, late), Some(wait)),
            };
        }
    }
    let rows = draft.status.subscriptions.map_or(0, |counts| counts.active);
    let text = format!("{rows} webhooks are gone from {}, and the signing key with this object", own.provider);
    draft.notes.push(Note::normal("Deleted", "Delete", text));
    draft.step(EndpointStep::RemoveFinalizer)
}
