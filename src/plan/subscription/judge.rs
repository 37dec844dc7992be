//! One declared pair after the other: is its row there, on, and single? What is ours and no longer declared?

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::work::{Found, Work};
use crate::api::condition::ItemReason;
use crate::plan::Refusal;
use crate::plan::contention::Field;
use crate::plan::pairs::{self, Item, ItemProblem, Sibling};
use crate::plan::row_calls::{RowCall, SwitchCause};
use crate::plan::subscription_report::Failure;
use crate::provider::model::{RemoteId, RemoteRow, RowCreateState, RowKey};

impl Work<'_> {
    /// One declared pair.
    pub(super) fn judge(&self, item: &Item, found: &mut Found) {
        let key = match &item.key {
            Ok(key) => key,
            Err(problem) => return self.problem(item, problem, found),
        };
        let want = self.wanted_switch(item, key);
        let listed = self.found(key);
        if let (Some(_), false) = (self.input.own_rows, want) {
            // Nothing can be switched there: what is off is not there.
            return found.deletes.extend(listed.into_iter().map(|row| RowCall::Delete { row }));
        }
        let Some(row) = listed.first() else { return self.make(item, key, want, found) };
        let twins = self.rows.twins(self.remote_id, key);
        found.deletes.extend(twins.into_iter().map(|row| RowCall::Delete { row }));
        found.here(item, row, self.input.own_rows.is_some());
        if row.active == want {
            if want != self.input.object.spec.active && self.younger_than_a_dissenter(item, key) {
                let message = "another WebhookSubscription declares this pair active: make spec.active agree, or remove the pair here";
                found.failures.push(Failure::new(item, ItemReason::DeclaredElsewhere, message));
            }
        } else if let Some(refusal) = self.refusal(key) {
            found.failures.push(Failure::refused(item, refusal));
        } else if want && self.was_on() {
            let message = "the provider, or a person there, switched this subscription off: spec.reactivation of the WebhookEndpoint decides whether it is switched on again by itself; a change of this spec does so at once";
            found.failures.push(Failure::new(item, ItemReason::SwitchedOffRemotely, message));
            found.off.push((row.clone(), item.practice.clone().or_else(|| self.any_practice(item))));
        } else {
            let (row, practice) = (row.clone(), self.any_practice(item));
            let drift = !want && self.was_off();
            let memory = self.input.memory;
            let fight = memory.corrections.left_alone(&row.id, Field::Active, self.input.now, self.input.timing);
            if let Some(left) = fight.filter(|_| drift) {
                found.contended = found.contended.max(Some(left));
                let message = "somebody at the provider switches this subscription on each time it is switched off, so it is left alone for some hours: find who else manages it; a change of this spec tries again at once";
                return found.failures.push(Failure::new(item, ItemReason::Contended, message));
            }
            let why = if drift { SwitchCause::Drift } else { SwitchCause::Declared };
            found.switches.push(RowCall::Switch { row, practice, active: want, why });
        }
    }

    /// A declared pair that has no identity in rows. One of a practice that the key reached before keeps what it has.
    fn problem(&self, item: &Item, problem: &ItemProblem, found: &mut Found) {
        let (Some(practice), ItemReason::PracticeNotFound) = (item.practice.as_deref(), problem.reason) else {
            return found.failures.push(Failure::new(item, problem.reason, &problem.message));
        };
        let stored = self.input.object.status.iter().flat_map(|status| &status.subscriptions);
        let of_status = stored
            .filter(|known| known.practice.as_deref() == Some(practice) && *known.event == *item.event)
            .find_map(|known| self.rows.row(&RemoteId::new(&known.remote_id)));
        let of_memory = || {
            let key = self.rows.former_key(practice)?;
            let event = self.input.object.spec.events.iter().find(|event| *event.event == *item.event)?;
            let known = self.input.catalogue.find(&event.event).map(|known| known.resource_type.clone());
            let resource_type = event.resource_type.as_deref().map(Arc::from).or(known)?;
            let key = RowKey { practice: Some(key), resource_type, event: item.event.clone() };
            self.found(&key).into_iter().next()
        };
        let is_here = |row: &RemoteRow| row.endpoint == *self.remote_id || Some(&row.endpoint) == self.leaving;
        let Some(row) = of_status.filter(is_here).or_else(of_memory) else {
            return found.failures.push(Failure::new(item, problem.reason, &problem.message));
        };
        found.here(item, &row, self.input.own_rows.is_some());
        let message = "the key no longer reaches this practice; its subscription is left as it is: have the practice granted to the key again, or remove it from spec.practices";
        found.failures.push(Failure::new(item, ItemReason::PracticeUnreachable, message));
    }

    /// A declared pair without a row on its endpoint: move it here, or make it.
    fn make(&self, item: &Item, key: &RowKey, active: bool, found: &mut Found) {
        let old = self.input.old.rows.iter().find(|old| old.movable && !old.declared_there && old.row.key() == *key);
        if let Some(old) = old.filter(|_| !self.input.memory.unmovable.contains(key)) {
            let (row, to, practice) = (old.row.clone(), self.remote_id.clone(), self.any_practice(item));
            return found.moves.push(RowCall::Move { row, to, practice });
        }
        if let Some(refusal) = self.refusal(key) {
            return found.failures.push(Failure::refused(item, refusal));
        }
        if let Some(other) = self.stranger(key) {
            let message = format!(
                "webhook {other} at the provider delivers this event to the same URL with a key that is not this endpoint's, and each event would arrive twice: delete it there, or give the WebhookEndpoint another spec.targetUrl (path or query)"
            );
            return found.failures.push(Failure::new(item, ItemReason::RemoteExists, &message));
        }
        match self.rows.create_state(self.remote_id, key) {
            RowCreateState::InFlight => found.in_flight = true,
            RowCreateState::Uncertain { look_after } => {
                found.look_after = Some(found.look_after.map_or(look_after, |at| at.max(look_after)));
            }
            RowCreateState::Free => {
                let held: Vec<RemoteId> = self.held().cloned().collect();
                if !self.rows.missing(&held, key) {
                    // Not here, but a list that could show it is older than our last write: look first.
                    found.look_after = Some(found.look_after.unwrap_or(self.input.now));
                    return;
                }
                let seen = self.rows.last_seen(self.remote_id, key);
                if self.was_applied() && (seen.is_some() || self.was_there(item)) {
                    found.loses(item, seen.unwrap_or(self.input.last_alive));
                }
                let (endpoint, practice) = (self.remote_id.clone(), item.practice.clone());
                found.creates.push(RowCall::Create { endpoint, key: key.clone(), practice, active });
            }
        }
    }

    /// A row of the same event that delivers to the same URL and is none of ours.
    fn stranger(&self, key: &RowKey) -> Option<RemoteId> {
        let ours: Vec<&RemoteId> = self.held().collect();
        let others = self.rows.strangers(self.remote_id, key).into_iter();
        others.filter(|row| !ours.contains(&&row.endpoint)).map(|row| row.id).min()
    }

    /// Ours and no longer declared, here and on endpoints the object was on before.
    pub(super) fn extras(&self, found: &mut Found) {
        let declared: HashSet<&RowKey> = self.items.iter().filter_map(|item| item.key.as_ref().ok()).collect();
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        let on_this = applied.filter(|applied| {
            let here = Some(self.remote_id.as_str());
            applied.endpoint_remote_id.as_deref() == here
                || applied.moving_endpoint_remote_ids.iter().any(|id| Some(id.as_str()) == here)
        });
        // Also of practices that are no longer lent: what was made there is still ours to take back.
        let all = self.input.rows.unwrap_or(self.rows);
        for (practice, key) in
            on_this.map(|applied| pairs::applied(applied, self.input.catalogue, all)).unwrap_or_default()
        {
            let taken = |sibling: &Sibling<'_>| sibling.declares(practice.as_deref(), &key, self.input.catalogue);
            // One that `allPractices` means and that the key no longer reaches loses nothing for a day.
            let left = |name: &Arc<str>| self.is_meant_by_all(name) && self.rows.practice_key(name).is_none();
            if practice.as_ref().is_some_and(left) || declared.contains(&key) || self.input.siblings.iter().any(taken) {
                continue;
            }
            let rows = self.rows.rows(self.remote_id, &key).into_iter();
            let rows = rows.chain(self.leaving.into_iter().flat_map(|leaving| self.rows.rows(leaving, &key)));
            found.deletes.extend(rows.map(|row| RowCall::Delete { row }));
        }
        let old = self.input.old.rows.iter().filter(|old| !old.declared_there);
        found.deletes.extend(old.map(|old| RowCall::Delete { row: old.row.clone() }));
        let stuck = |call: &RowCall| match call {
            RowCall::Delete { row } => self.undeletable(&row.id).map(|refusal| (row.id.clone(), refusal)),
            _ => None,
        };
        found.stuck = found.deletes.iter().find_map(stuck);
        found.deletes.retain(|call| stuck(call).is_none());
    }

    fn is_meant_by_all(&self, name: &str) -> bool {
        let all = self.input.object.spec.all_practices.as_ref();
        all.is_some_and(|all| !all.except.iter().any(|except| except == name))
    }

    pub(super) fn undeletable(&self, id: &RemoteId) -> Option<Refusal> {
        self.believed(self.input.memory.undeletable.get(id))
    }

    /// rules.md *Pairs*: if declarers disagree on `active`, it is active.
    fn wanted_switch(&self, item: &Item, key: &RowKey) -> bool {
        let declared =
            self.input.object.spec.active || self.dissenters(item, key).any(|sibling| sibling.object.spec.active);
        declared && !self.input.own_rows.is_some_and(|own| own.off)
    }

    fn younger_than_a_dissenter(&self, item: &Item, key: &RowKey) -> bool {
        self.dissenters(item, key).any(|sibling| sibling.older)
    }

    fn dissenters(&self, item: &Item, key: &RowKey) -> impl Iterator<Item = &Sibling<'_>> {
        let own = self.input.object.spec.active;
        self.input.siblings.iter().filter(move |sibling| {
            sibling.object.spec.active != own && sibling.declares(item.practice.as_deref(), key, self.input.catalogue)
        })
    }

    fn refusal(&self, key: &RowKey) -> Option<Refusal> {
        self.believed(self.input.memory.refused.get(key))
    }

    fn believed(&self, refusal: Option<&Refusal>) -> Option<Refusal> {
        refusal.copied().filter(|refusal| refusal.holds(self.input.now, self.input.timing))
    }

    /// When the first refusal that is still believed ends, so that it is tried again.
    pub(super) fn retry(&self) -> Option<Duration> {
        let memory = self.input.memory;
        let refusals = memory.refused.values().chain(memory.undeletable.values());
        let left = refusals.map(|refusal| refusal.left(self.input.now, self.input.timing));
        left.filter(|left| !left.is_zero()).min()
    }

    /// Whether rows were wholly switched on before: then one that is off was switched off remotely.
    fn was_on(&self) -> bool {
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        applied.is_some_and(|applied| applied.active == Some(true))
    }

    /// Whether rows were wholly switched off before: then one that is on was switched on by somebody else.
    fn was_off(&self) -> bool {
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        applied.is_some_and(|applied| applied.active == Some(false))
    }

    /// Whether a process before this one left the pair at the provider: `applied` alone only says that it was about to.
    fn was_there(&self, item: &Item) -> bool {
        let Some(status) = self.input.object.status.as_ref() else { return false };
        let fresh = item.key.as_ref().is_ok_and(|key| self.input.memory.fresh.contains(key));
        let named = status
            .subscriptions
            .iter()
            .any(|known| known.practice.as_deref() == item.practice.as_deref() && *known.event == *item.event);
        // Too many to be named; when it last came to rest all that had not failed were there.
        let all = status.subscriptions.is_empty()
            && status.desired.is_some_and(|desired| {
                desired > 0 && status.active.unwrap_or_default() + status.failed.unwrap_or_default() >= desired
            });
        !fresh && (named || all)
    }

    fn was_applied(&self) -> bool {
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        applied.is_some_and(|applied| applied.endpoint_remote_id.as_deref() == Some(self.remote_id.as_str()))
    }

    /// The provider wants a practice with every PATCH; any one it reaches will do for rows of the account.
    fn any_practice(&self, item: &Item) -> Option<Arc<str>> {
        item.practice.clone().or_else(|| self.rows.any_practice())
    }
}
