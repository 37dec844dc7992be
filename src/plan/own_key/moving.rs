//! Rows on former homes are made anew at the present one and then deleted; an object that is switched off has none at all,
//! because nothing at such a provider can be switched.
//!
//! All rows are moved, declared or not, as those of an endpoint elsewhere: a key that is to go must sign nothing any more.

use std::collections::HashMap;
use std::time::Duration;

use super::{OwnKeyInput, keys, rotation};
use crate::api::WebhookEndpointStatus;
use crate::plan::Refusal;
use crate::plan::elapsed;
use crate::plan::endpoint::{EndpointStep, Stuck};
use crate::plan::rotation::Source;
use crate::plan::row_calls::{BATCH, RowCall};
use crate::provider::model::home::fingerprint_of;
use crate::provider::model::{RemoteId, RemoteRow, RowCreateState, RowKey};

/// What there is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    /// Writes.
    Do(EndpointStep),
    /// A list, without which nothing can be said.
    Look(EndpointStep),
    /// Something is under way; when to look, if that is known.
    Wait(Option<Duration>),
    /// This row can neither be moved nor deleted for now.
    Stuck(RemoteId, Why),
    /// Nothing is where it should not be.
    Empty,
}

/// Why a row stays where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The provider refuses.
    Refused(Refusal),
    /// This other row of its event delivers to the same URL with a key that nobody knows: it may be the one that a lost
    /// answer made.
    Stranger(RemoteId),
}

pub(super) fn look(own: &OwnKeyInput<'_>, status: &WebhookEndpointStatus) -> Moving {
    let Some(here) = status.home.as_ref().map(RemoteId::new) else { return Moving::Empty };
    let former = former(own, status, &here);
    // rules.md *Create*: a key that is not in the Secret makes no rows.
    let published = |key: &String| matches!(keys::source(own, key), Some(Source::Current | Source::Previous));
    let keyless = fingerprint_of(&here).is_some_and(|key| !published(&key));
    if keyless && own.endpoint.object.spec.active {
        return Moving::Wait(None);
    }
    if let Some(unknown) = former.iter().chain([&here]).find(|place| !own.rows.known(place)) {
        return Moving::Look(EndpointStep::ListRows(unknown.clone()));
    }
    let mut found = Found::default();
    let mut newest: HashMap<RowKey, RemoteRow> = HashMap::new();
    for row in former.iter().flat_map(|place| own.rows.all_rows(place)) {
        // Of several only the newest is made anew: first the others go, so that an event never arrives three times.
        if let Some(older) = newest.insert(row.key(), row) {
            found.delete(own, older);
        }
    }
    if found.calls.is_empty() {
        let mut newest: Vec<RemoteRow> = newest.into_values().collect();
        newest.sort_by(|a, b| a.id.cmp(&b.id));
        newest.into_iter().for_each(|row| found.judge(own, &here, row));
    }
    if !own.endpoint.object.spec.active {
        for row in own.rows.all_rows(&here) {
            found.delete(own, row);
        }
    }
    if !found.calls.is_empty() {
        found.calls.truncate(BATCH);
        return Moving::Do(EndpointStep::Rows(found.calls));
    }
    if let Some(place) = found.look {
        return Moving::Look(EndpointStep::ListRows(place));
    }
    if let Some(wait) = found.wait {
        return Moving::Wait(wait);
    }
    if let Some((row, why)) = found.stuck {
        return Moving::Stuck(row, why);
    }
    match former.into_iter().find(|place| !own.rows.settled(place)) {
        Some(unsettled) => Moving::Look(EndpointStep::ListRows(unsettled)),
        None => Moving::Empty,
    }
}

/// Homes on which something of this object may still stand: those that the status names, and those that a list shows under
/// one of its keys.
pub(super) fn former(own: &OwnKeyInput<'_>, status: &WebhookEndpointStatus, here: &RemoteId) -> Vec<RemoteId> {
    let mut homes: Vec<RemoteId> = status.removing.iter().map(RemoteId::new).collect();
    let newest = status.signing_secret.as_ref().map(|known| known.fingerprint.clone());
    let keys = [newest, rotation::former(status), fingerprint_of(here)];
    for home in keys.into_iter().flatten().flat_map(|key| own.rows.homes(&key)) {
        if home != *here && !homes.contains(&home) {
            homes.push(home);
        }
    }
    homes
}

#[derive(Default)]
struct Found {
    calls: Vec<RowCall>,
    look: Option<RemoteId>,
    wait: Option<Option<Duration>>,
    stuck: Option<(RemoteId, Why)>,
}

impl Found {
    fn judge(&mut self, own: &OwnKeyInput<'_>, here: &RemoteId, row: RemoteRow) {
        let key = row.key();
        if !own.endpoint.object.spec.active || !own.rows.rows(here, &key).is_empty() {
            return self.delete(own, row);
        }
        if let Some(refusal) = refused(own, &row) {
            return self.sticks(&row, Why::Refused(refusal));
        }
        if let Some(stranger) = stranger(own, here, &key) {
            return self.sticks(&row, Why::Stranger(stranger));
        }
        match own.rows.create_state(here, &key) {
            RowCreateState::InFlight => self.waits(None),
            RowCreateState::Uncertain { look_after } => match elapsed(own.endpoint.now, look_after) {
                Duration::ZERO => self.look = Some(here.clone()),
                wait => self.waits(Some(wait)),
            },
            RowCreateState::Free if !own.rows.missing(std::slice::from_ref(here), &key) => {
                self.look = Some(here.clone());
            }
            RowCreateState::Free => self.calls.push(RowCall::Move { row, to: here.clone(), practice: None }),
        }
    }

    fn delete(&mut self, own: &OwnKeyInput<'_>, row: RemoteRow) {
        match own.endpoint.memory.stuck.get(&row.id) {
            Some(Stuck::Delete(refusal)) if refusal.holds(own.endpoint.now, own.endpoint.timing) => {
                self.sticks(&row, Why::Refused(*refusal));
            }
            _ => self.calls.push(RowCall::Delete { row }),
        }
    }

    fn waits(&mut self, wait: Option<Duration>) {
        let before = self.wait.flatten();
        self.wait = Some(before.into_iter().chain(wait).min());
    }

    fn sticks(&mut self, row: &RemoteRow, why: Why) {
        self.stuck.get_or_insert_with(|| (row.id.clone(), why));
    }
}

fn refused(own: &OwnKeyInput<'_>, row: &RemoteRow) -> Option<Refusal> {
    let refusal = own.endpoint.memory.stuck.get(&row.id)?.refusal();
    refusal.holds(own.endpoint.now, own.endpoint.timing).then_some(refusal)
}

fn stranger(own: &OwnKeyInput<'_>, here: &RemoteId, key: &RowKey) -> Option<RemoteId> {
    let strangers = own.rows.strangers(here, key).into_iter();
    strangers.filter(|row| fingerprint_of(&row.endpoint).is_none()).map(|row| row.id).min()
}
