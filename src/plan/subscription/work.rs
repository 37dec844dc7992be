//! One pass over the pairs of a subscription whose endpoint is usable: what to move, make, switch and take back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::draft::Draft;
use super::switched_off::Off;
use super::undeclared::Stray;
use super::{SubscriptionInput, SubscriptionPlan, SubscriptionStep};
use crate::api::Reason;
use crate::api::endpoint::GapCause;
use crate::api::subscription::{Applied, SubscriptionItem};
use crate::plan::condition::Report;
use crate::plan::gaps::Loss;
use crate::plan::pairs::Item;
use crate::plan::row_calls::{RowCall, SwitchCause};
use crate::plan::subscription_report::Failure;
use crate::plan::{Note, Refusal, elapsed};
use crate::provider::model::home::fingerprint_of;
use crate::provider::model::{RemoteId, RemoteRow, RemoteRows, RowKey};

/// From how many missing rows on a second look is wanted (rules.md *Absence*).
const MANY_MISSING: usize = 10;

/// Most lost pairs that an Event names.
const NAMED: usize = 5;

/// Most rows that the status lists.
const LISTED: usize = 100;

/// One pass over the pairs of an object whose endpoint is usable.
pub(super) struct Work<'a> {
    pub(super) input: &'a SubscriptionInput<'a>,
    pub(super) rows: &'a dyn RemoteRows,
    pub(super) remote_id: &'a RemoteId,
    /// The former endpoint of a rotation: what is on it still delivers, and is on its way here.
    pub(super) leaving: Option<&'a RemoteId>,
    pub(super) items: &'a [Item],
    pub(super) new: &'a Applied,
}

/// What the pass found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) moves: Vec<RowCall>,
    pub(super) creates: Vec<RowCall>,
    pub(super) switches: Vec<RowCall>,
    pub(super) deletes: Vec<RowCall>,
    /// What is lost, in words.
    pub(super) lost: Vec<String>,
    /// What is there; `None` where the pairs are too many to be listed.
    pub(super) present: Option<Vec<SubscriptionItem>>,
    pub(super) active: usize,
    pub(super) present_count: usize,
    pub(super) failures: Vec<Failure>,
    /// What is worth knowing and touches nothing that is declared.
    pub(super) informed: Vec<Failure>,
    /// Rows that are off and should be on, other than by our own doing.
    pub(super) off: Vec<(RemoteRow, Option<Arc<str>>)>,
    /// What is lost, by cause.
    pub(super) losses: Vec<Loss>,
    /// The longest time for which something is left alone because somebody else fights over it.
    pub(super) contended: Option<Duration>,
    pub(super) look_after: Option<Timestamp>,
    pub(super) in_flight: bool,
    /// A row to be taken back that the provider refuses to delete.
    pub(super) stuck: Option<(RemoteId, Refusal)>,
}

impl Found {
    /// A declared pair that has a row.
    pub(super) fn here(&mut self, item: &Item, row: &RemoteRow, own_key: bool) {
        self.present_count += 1;
        self.active += usize::from(row.active);
        if let Some(present) = &mut self.present {
            present.push(SubscriptionItem {
                practice: item.practice.as_deref().map(str::to_owned),
                event: item.event.to_string(),
                remote_id: row.id.as_str().to_owned(),
                key_fingerprint: own_key.then(|| fingerprint_of(&row.endpoint)).flatten(),
                active: row.active,
            });
        }
    }

    /// A declared pair that had a row and has none.
    pub(super) fn loses(&mut self, item: &Item, from: Timestamp) {
        self.lost.push(format!("{}{}", item.event, of(item.practice.as_deref())));
        let cause = GapCause::SubscriptionsMissing;
        let place = self.losses.iter().position(|loss| loss.cause == cause).unwrap_or_else(|| {
            self.losses.push(Loss { cause, from, to: None, practices: Some(BTreeSet::new()), pairs: 0 });
            self.losses.len() - 1
        });
        self.losses[place].add(item.practice.as_deref(), from);
    }
}

impl Work<'_> {
    pub(super) fn plan(&self, mut draft: Draft<'_>) -> SubscriptionPlan {
        let present = (self.items.len() <= LISTED).then(Vec::new);
        let mut found = Found { present, ..Found::default() };
        let mut seen = self.input.memory.seen.clone();
        for item in self.items {
            self.judge(item, &mut found);
        }
        self.extras(&mut found);
        let stray = self.stray(&mut seen);
        found.informed.extend(stray.unreachable.iter().map(|name| Failure::practice_left(name)));
        for name in &stray.newly {
            let text =
                format!("the key no longer reaches the practice {name}; what is subscribed there stays for a day");
            draft.notes.push(Note::warning("PracticeUnreachable", "Observe", text));
        }
        let off = self.off(&mut draft.status, &mut found, &mut seen);
        self.fill(&mut draft.status, &found);
        let losses = std::mem::take(&mut found.losses);
        let mut plan =
            if draft.is_frozen() { self.words(draft, found, stray) } else { self.act(draft, found, stray, off) };
        plan.seen = Some(seen);
        plan.losses = losses;
        plan
    }

    /// The first kind of call that is due, or rest.
    fn act(&self, mut draft: Draft<'_>, mut found: Found, stray: Stray, off: Off) -> SubscriptionPlan {
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
            draft.notes.extend(missing(&found.lost));
            let mut plan = draft.calls(working, found.creates);
            plan.missing_since = missing_since;
            return plan;
        }
        if off == Off::SwitchOn {
            found.switches.extend(found.off.drain(..).map(|(row, practice)| RowCall::Switch {
                row,
                practice,
                active: true,
                why: SwitchCause::Reactivation,
            }));
        }
        if !found.switches.is_empty() {
            return draft.calls(working, found.switches);
        }
        if found.in_flight || found.look_after.is_some() {
            let wait = found.look_after.map(|after| elapsed(self.input.now, after));
            if wait == Some(Duration::ZERO) {
                // Where a pair may be seen, or may be on its way from: the list that is too old is the one to read.
                let stale = self.held().find(|id| !self.rows.settled(id)).unwrap_or(self.remote_id);
                return draft.step(SubscriptionStep::ListRows(stale.clone()));
            }
            return draft.rest(working, wait);
        }
        // A renamed practice or event creates before it deletes: everything declared stands or was refused by now.
        if !found.deletes.is_empty() {
            return draft.calls(working, found.deletes);
        }
        if !stray.prunes.is_empty() {
            return draft.calls(working, stray.prunes);
        }
        if stray.list {
            return draft.step(SubscriptionStep::ListRows(self.remote_id.clone()));
        }
        self.settle(draft, found, stray.again, off)
    }

    /// rules.md *Suspend and Observe*: what would be done, in the order in which it would.
    fn words(&self, draft: Draft<'_>, found: Found, stray: Stray) -> SubscriptionPlan {
        let name = |key: &RowKey| {
            let practice = key.practice.as_deref().and_then(|key| self.rows.practice_name(key));
            format!("{}{}", key.event, of(practice.as_deref()))
        };
        let line = |call: &RowCall| match call {
            RowCall::Create { key, practice, .. } => format!("create {}{}", key.event, of(practice.as_deref())),
            RowCall::Move { row, to, .. } => {
                format!("move {} (subscription {}) to endpoint {to}", name(&row.key()), row.id)
            }
            RowCall::Switch { row, active, .. } => {
                format!("switch {} (subscription {}) {}", name(&row.key()), row.id, if *active { "on" } else { "off" })
            }
            RowCall::Delete { row } => format!("delete {} (subscription {})", name(&row.key()), row.id),
            RowCall::Prune { row, why, .. } => format!("delete {} (subscription {}): {why}", name(&row.key()), row.id),
        };
        let calls = [&found.moves, &found.creates, &found.switches, &found.deletes, &stray.prunes];
        let mut lines: Vec<String> = calls.into_iter().flatten().map(line).collect();
        lines.extend(found.off.iter().map(|(row, _)| {
            format!(
                "switch {} (subscription {}) on again, which was switched off at the provider",
                name(&row.key()),
                row.id
            )
        }));
        if lines.is_empty() {
            return self.settle(draft, found, stray.again, Off::None);
        }
        draft.would(lines)
    }

    /// The endpoints of this realm on which rows of the object may be.
    pub(super) fn held(&self) -> impl Iterator<Item = &RemoteId> {
        self.input.old.same_realm.iter().chain(self.leaving).chain([self.remote_id])
    }

    /// Rows of a pair, wherever a rotation has them.
    pub(super) fn found(&self, key: &RowKey) -> Vec<RemoteRow> {
        let here = self.rows.rows(self.remote_id, key);
        match self.leaving {
            Some(leaving) if here.is_empty() => self.rows.rows(leaving, key),
            _ => here,
        }
    }

    /// rules.md *Absence*: all rows of an endpoint, or ten or more, are made again only after a second good list.
    fn second_look(&self, found: &Found) -> SecondLook {
        let all = found.lost.len() > 1 && found.present_count == 0;
        if found.lost.len() < MANY_MISSING && !all {
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
}

enum SecondLook {
    Go,
    List { since: Option<Timestamp> },
    Wait { since: Timestamp, wait: Duration },
}

/// Names what was lost, as far as it can be named shortly.
fn missing(lost: &[String]) -> Option<Note> {
    let (named, more) = lost.split_at_checked(NAMED).unwrap_or((lost, &[]));
    let more = if more.is_empty() { String::new() } else { format!(" and {} more", more.len()) };
    let text = format!("subscriptions were deleted at the provider: {}{more}; creating them again", named.join(", "));
    (!lost.is_empty()).then(|| Note::warning("SubscriptionMissing", "Repair", text))
}

/// The end of a pair's name.
fn of(practice: Option<&str>) -> String {
    practice.map(|name| format!(" of {name}")).unwrap_or_default()
}
