//! One pass over the pairs of a subscription whose endpoint is usable: what to move, make, switch and take back.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::draft::Draft;
use super::{EndpointLink, SubscriptionInput, SubscriptionPlan, SubscriptionStep, count};
use crate::api::condition::ItemReason;
use crate::api::subscription::{Applied, SubscriptionItem};
use crate::api::{Reason, WebhookSubscriptionStatus};
use crate::plan::condition::Report;
use crate::plan::pairs::{self, Item, Sibling};
use crate::plan::row_calls::RowCall;
use crate::plan::subscription_report::{Failure, settled_report};
use crate::plan::{Note, Refusal, elapsed};
use crate::provider::model::{RemoteId, RemoteRows, RowCreateState, RowKey};

/// From how many missing rows on a second look is wanted (rules.md *Absence*).
const MANY_MISSING: usize = 10;

/// Most rows that the status lists.
const LISTED: usize = 100;

/// One pass over the pairs of an object whose endpoint is usable.
pub(super) struct Work<'a> {
    pub(super) input: &'a SubscriptionInput<'a>,
    pub(super) rows: &'a dyn RemoteRows,
    pub(super) remote_id: &'a RemoteId,
    pub(super) items: &'a [Item],
    pub(super) new: &'a Applied,
}

/// What the pass found.
#[derive(Default)]
struct Found {
    moves: Vec<RowCall>,
    creates: Vec<RowCall>,
    switches: Vec<RowCall>,
    deletes: Vec<RowCall>,
    lost: usize,
    present: Vec<SubscriptionItem>,
    active: usize,
    present_count: usize,
    failures: Vec<Failure>,
    look_after: Option<Timestamp>,
    in_flight: bool,
}

impl Work<'_> {
    pub(super) fn plan(&self, mut draft: Draft<'_>) -> SubscriptionPlan {
        let mut found = Found::default();
        for item in self.items {
            self.judge(item, &mut found);
        }
        self.extras(&mut found);
        self.fill(&mut draft.status, &found);
        let working =
            Report::unknown(Reason::Progressing, "bringing the provider's subscriptions to the declared state");
        if !found.moves.is_empty() {
            return draft.calls(working, found.moves);
        }
        if !found.creates.is_empty() {
            let missing_since = match self.second_look(&found) {
                SecondLook::Go => None,
                SecondLook::List { since } => {
                    let mut plan = draft.step(SubscriptionStep::ListRows(self.remote_id.clone()));
                    plan.missing_since = since;
                    return plan;
                }
                SecondLook::Wait { since, wait } => {
                    let mut plan = draft.rest(
                        Report::unknown(
                            Reason::Progressing,
                            "many subscriptions are missing at the provider; confirming before they are made again",
                        ),
                        Some(wait),
                    );
                    plan.missing_since = Some(since);
                    return plan;
                }
            };
            if found.lost > 0 {
                let text = "subscriptions were deleted at the provider; creating them again";
                draft.notes.push(Note::warning("SubscriptionMissing", "Repair", text));
            }
            let mut plan = draft.calls(working, found.creates);
            plan.missing_since = missing_since;
            return plan;
        }
        if !found.switches.is_empty() {
            return draft.calls(working, found.switches);
        }
        if found.in_flight || found.look_after.is_some() {
            let wait = found.look_after.map(|after| elapsed(self.input.now, after));
            if wait == Some(Duration::ZERO) {
                return draft.step(SubscriptionStep::ListRows(self.remote_id.clone()));
            }
            return draft.rest(working, wait);
        }
        // A renamed practice or event creates before it deletes: everything declared stands or was refused by now.
        if !found.deletes.is_empty() {
            return draft.calls(working, found.deletes);
        }
        self.settle(draft, found)
    }

    /// One declared pair.
    fn judge(&self, item: &Item, found: &mut Found) {
        let key = match &item.key {
            Ok(key) => key,
            Err(problem) => return found.failures.push(Failure::new(item, problem.reason, &problem.message)),
        };
        let want = self.wanted_switch(item, key);
        let listed = self.rows.rows(self.remote_id, key);
        let Some(row) = listed.first() else { return self.make(item, key, want, found) };
        let twins = self.rows.twins(self.remote_id, key);
        found.deletes.extend(twins.into_iter().map(|row| RowCall::Delete { row }));
        found.present_count += 1;
        found.active += usize::from(row.active);
        if found.present.len() < LISTED {
            found.present.push(SubscriptionItem {
                practice: item.practice.as_deref().map(str::to_owned),
                event: item.event.to_string(),
                remote_id: row.id.as_str().to_owned(),
                active: row.active,
            });
        }
        if row.active == want {
            if want != self.input.object.spec.active && self.younger_than_a_dissenter(item, key) {
                let message = "another WebhookSubscription declares this pair active: make spec.active agree, or remove the pair here";
                found.failures.push(Failure::new(item, ItemReason::DeclaredElsewhere, message));
            }
        } else if let Some(refusal) = self.refusal(key) {
            found.failures.push(Failure::refused(item, refusal));
        } else if want && self.was_on() {
            let message = "the provider, or a person there, switched this subscription off: switch it on there, or change spec.active to false and back";
            found.failures.push(Failure::new(item, ItemReason::SwitchedOffRemotely, message));
        } else {
            let (row, practice) = (row.clone(), self.any_practice(item));
            found.switches.push(RowCall::Switch { row, practice, active: want });
        }
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
        match self.rows.create_state(self.remote_id, key) {
            RowCreateState::InFlight => found.in_flight = true,
            RowCreateState::Uncertain { look_after } => {
                found.look_after = Some(found.look_after.map_or(look_after, |at| at.max(look_after)));
            }
            RowCreateState::Free => {
                let mut held = self.input.old.same_realm.clone();
                held.push(self.remote_id.clone());
                if !self.rows.missing(&held, key) {
                    // Not here, but a list that could show it is older than our last write: look first.
                    found.look_after = Some(found.look_after.unwrap_or(self.input.now));
                    return;
                }
                found.lost += usize::from(self.was_applied() && !self.input.memory.fresh.contains(key));
                let (endpoint, practice) = (self.remote_id.clone(), item.practice.clone());
                found.creates.push(RowCall::Create { endpoint, key: key.clone(), practice, active });
            }
        }
    }

    /// Ours and no longer declared, here and on endpoints the object was on before.
    fn extras(&self, found: &mut Found) {
        let declared: HashSet<&RowKey> = self.items.iter().filter_map(|item| item.key.as_ref().ok()).collect();
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        let on_this = applied.filter(|applied| {
            let here = Some(self.remote_id.as_str());
            applied.endpoint_remote_id.as_deref() == here
                || applied.moving_endpoint_remote_ids.iter().any(|id| Some(id.as_str()) == here)
        });
        for (practice, key) in
            on_this.map(|applied| pairs::applied(applied, self.input.catalogue, self.rows)).unwrap_or_default()
        {
            let taken = |sibling: &Sibling<'_>| sibling.declares(practice.as_deref(), &key, self.input.catalogue);
            if declared.contains(&key) || self.input.siblings.iter().any(taken) {
                continue;
            }
            let rows = self.rows.rows(self.remote_id, &key);
            found.deletes.extend(rows.into_iter().map(|row| RowCall::Delete { row }));
        }
        let old = self.input.old.rows.iter().filter(|old| !old.declared_there);
        found.deletes.extend(old.map(|old| RowCall::Delete { row: old.row.clone() }));
        found.deletes.retain(|call| !matches!(call, RowCall::Delete { row } if self.undeletable(&row.id)));
    }

    fn undeletable(&self, id: &RemoteId) -> bool {
        let refusal = self.input.memory.undeletable.get(id);
        refusal.is_some_and(|refusal| refusal.holds(self.input.now, self.input.timing))
    }

    /// rules.md *Pairs*: if declarers disagree on `active`, it is active.
    fn wanted_switch(&self, item: &Item, key: &RowKey) -> bool {
        self.input.object.spec.active || self.dissenters(item, key).any(|sibling| sibling.object.spec.active)
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
        self.input.memory.refused.get(key).copied().filter(|refusal| refusal.holds(self.input.now, self.input.timing))
    }

    /// Whether rows were wholly switched on before: then one that is off was switched off remotely.
    fn was_on(&self) -> bool {
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        applied.is_some_and(|applied| applied.active == Some(true))
    }

    fn was_applied(&self) -> bool {
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        applied.is_some_and(|applied| applied.endpoint_remote_id.as_deref() == Some(self.remote_id.as_str()))
    }

    /// The provider wants a practice with every PATCH; any one it reaches will do for rows of the account.
    fn any_practice(&self, item: &Item) -> Option<Arc<str>> {
        item.practice.clone().or_else(|| self.rows.practice_names().and_then(|names| names.into_iter().next()))
    }

    /// rules.md *Absence*: all rows of an endpoint, or ten or more, are made again only after a second good list.
    fn second_look(&self, found: &Found) -> SecondLook {
        let all = found.lost > 1 && found.present_count == 0;
        if found.lost < MANY_MISSING && !all {
            return SecondLook::Go;
        }
        let Some(listed) = self.rows.listed_at(self.remote_id) else { return SecondLook::List { since: None } };
        let since = self.input.memory.missing_since.unwrap_or(listed);
        if elapsed(since, listed) >= self.input.timing.absence_gap {
            return SecondLook::Go;
        }
        let waited = elapsed(since, self.input.now);
        if waited >= self.input.timing.absence_gap {
            return SecondLook::List { since: Some(since) };
        }
        SecondLook::Wait { since, wait: self.input.timing.absence_gap - waited }
    }

    fn fill(&self, status: &mut WebhookSubscriptionStatus, found: &Found) {
        status.desired = Some(count(self.items.len()));
        status.active = Some(count(found.active));
        status.failed = Some(count(found.failures.len()));
        status.failures = found.failures.iter().take(20).map(Failure::stored).collect();
        status.subscriptions = if self.items.len() <= LISTED { found.present.clone() } else { Vec::new() };
    }

    /// Nothing left to call: what is declared is what is applied.
    fn settle(&self, mut draft: Draft<'_>, found: Found) -> SubscriptionPlan {
        draft.status.applied = Some(self.new.clone());
        let silent = match &self.input.link {
            EndpointLink::Usable { silent, .. } => *silent,
            _ => None,
        };
        let report = settled_report(self.items.len(), &found.failures, silent);
        draft.finish(report, SubscriptionStep::Rest, None)
    }
}

enum SecondLook {
    Go,
    List { since: Option<Timestamp> },
    Wait { since: Timestamp, wait: Duration },
}
