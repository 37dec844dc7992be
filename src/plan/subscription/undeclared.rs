//! rules.md *Pairs* and *Pace*: rows that no change of an object asked to delete. What is looked at here is in the object's
//! scope and declared by nobody, or of a practice that the key no longer reaches.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Seen;
use super::work::Work;
use crate::api::subscription::Undeclared;
use crate::plan::row_calls::RowCall;
use crate::plan::{elapsed, pairs};
use crate::provider::model::{RemoteRow, RowKey};

/// What was found.
#[derive(Default)]
pub(super) struct Stray {
    /// To be deleted, as far as the pace allows.
    pub(super) prunes: Vec<RowCall>,
    /// Practices that the key no longer reaches, whose rows stay for now.
    pub(super) unreachable: Vec<Arc<str>>,
    /// Of them, those that this pass sees for the first time.
    pub(super) newly: Vec<Arc<str>>,
    /// When there is something to look at again.
    pub(super) again: Option<Duration>,
    /// Whether a list of the rows would decide now.
    pub(super) list: bool,
}

impl Stray {
    fn again(&mut self, after: Duration) {
        self.again = Some(self.again.map_or(after, |again| again.min(after)));
    }
}

impl Work<'_> {
    /// Looks at every row of the endpoint: only for objects whose spec may reach beyond what they name.
    pub(super) fn stray(&self, seen: &mut Seen) -> Stray {
        let spec = &self.input.object.spec;
        let mut stray = Stray::default();
        let before = std::mem::take(&mut seen.undeclared);
        let gone = std::mem::take(&mut seen.unreachable);
        if spec.undeclared == Undeclared::Report && spec.all_practices.is_none() {
            return stray;
        }
        let declared: HashSet<&RowKey> = self.items.iter().filter_map(|item| item.key.as_ref().ok()).collect();
        let practices: HashSet<Option<&str>> = declared.iter().map(|key| key.practice.as_deref()).collect();
        let applied = self.input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        let applied =
            applied.map(|applied| pairs::applied(applied, self.input.catalogue, self.rows)).unwrap_or_default();
        let own: HashSet<RowKey> = applied.into_iter().map(|(_, key)| key).collect();
        let places = self.leaving.into_iter().chain([self.remote_id]);
        for row in places.flat_map(|place| self.rows.all_rows(place)) {
            let key = row.key();
            if declared.contains(&key) {
                continue;
            }
            if let Some(name) = self.left(&row) {
                self.of_left_practice(&name, row, &gone, seen, &mut stray);
            } else if row.endpoint != *self.remote_id {
                // It is judged where a rotation moves it to.
            } else if spec.undeclared == Undeclared::Delete && practices.contains(&row.practice.as_deref()) {
                let name = key.practice.as_deref().and_then(|practice| self.rows.practice_name(practice));
                if own.contains(&key) || (self.input.claimed)(name.as_deref(), &key) {
                    continue;
                }
                let Some(listed) = self.rows.listed_at(self.remote_id) else { continue };
                let since = before.get(&row.id).copied().unwrap_or(listed);
                seen.undeclared.insert(row.id.clone(), since);
                // A refusal is believed for hours (rules.md *Outcomes*), and takes nothing from the pace of the others.
                if self.undeletable(&row.id).is_some() {
                    continue;
                }
                let (interval, now) = (self.input.observe_interval, self.input.now);
                // Two good lists an interval apart. The rounds come a little earlier than that: then one is asked for.
                stray.again(interval.saturating_sub(elapsed(since, now)));
                stray.list |= elapsed(since, now) >= interval && elapsed(since, listed) < interval;
                if elapsed(since, listed) >= interval {
                    let why = "nobody declares it (spec.undeclared: Delete)";
                    stray.prunes.push(RowCall::Prune { row, practice: name, why });
                }
            }
        }
        if stray.prunes.len() > self.input.paced {
            stray.again = Some(self.input.observe_interval);
            stray.prunes.truncate(self.input.paced);
        }
        stray
    }

    /// The name of a row's practice, if the key no longer reaches it and `spec.allPractices` declared its events before.
    /// Where the name is not known any more, `except` cannot be asked, and the row is left alone for good.
    fn left(&self, row: &RemoteRow) -> Option<Arc<str>> {
        let spec = &self.input.object.spec;
        let all = spec.all_practices.as_ref()?;
        let key = row.practice.as_deref()?;
        if self.rows.practice_name(key).is_some() || !spec.events.iter().any(|event| event.event == *row.event) {
            return None;
        }
        let name = self.rows.former_practice(key)?;
        (!all.except.iter().any(|except| **except == *name)).then_some(name)
    }

    fn of_left_practice(
        &self,
        name: &Arc<str>,
        row: RemoteRow,
        gone: &HashMap<Arc<str>, Timestamp>,
        seen: &mut Seen,
        stray: &mut Stray,
    ) {
        let Some(key) = row.practice.clone() else { return };
        let since = gone.get(&key).copied().unwrap_or(self.input.now);
        if seen.unreachable.insert(key.clone(), since).is_none() {
            stray.unreachable.push(name.clone());
            if !gone.contains_key(&key) {
                stray.newly.push(name.clone());
            }
        }
        stray.again(self.input.observe_interval);
        let kept = (self.input.claimed)(Some(name), &row.key()) || self.undeletable(&row.id).is_some();
        if !kept && elapsed(since, self.input.now) >= self.input.timing.unreachable {
            let why = "the key has not reached its practice for a day";
            stray.prunes.push(RowCall::Prune { row, practice: Some(name.clone()), why });
        }
    }
}
