//! A plan of a subscription in the making.

use std::time::Duration;

use super::{SubscriptionInput, SubscriptionPlan, SubscriptionStep};
use crate::api::{ConditionType, Reason, WebhookSubscriptionStatus};
use crate::plan::Note;
use crate::plan::condition::{Report, find, kept};
use crate::plan::frozen::{self, Freeze, freeze};
use crate::plan::row_calls::{BATCH, RowCall};
use crate::plan::subscription_report::known_events;

/// A plan in the making: the status as it stands, to be changed.
pub(in crate::plan) struct Draft<'a> {
    input: &'a SubscriptionInput<'a>,
    pub(in crate::plan) status: WebhookSubscriptionStatus,
    pub(in crate::plan) notes: Vec<Note>,
}

impl<'a> Draft<'a> {
    pub(in crate::plan) fn new(input: &'a SubscriptionInput<'a>) -> Self {
        let mut status = input.object.status.clone().unwrap_or_default();
        // rules.md *Switched off remotely*: a new generation counts anew.
        if input.object.metadata.generation != Some(status.observed_generation) {
            status.reactivation = None;
        }
        Self { input, status, notes: Vec::new() }
    }

    /// rules.md *Suspend and Observe*.
    pub(in crate::plan) fn is_frozen(&self) -> bool {
        self.freeze().is_some()
    }

    fn freeze(&self) -> Option<Freeze> {
        freeze(self.input.object.spec.suspend, self.input.policy)
    }

    /// Instead of doing it: says what would be done.
    pub(in crate::plan) fn would(self, lines: impl IntoIterator<Item = String>) -> SubscriptionPlan {
        let freeze = self.freeze().unwrap_or(Freeze::Suspended);
        let mut plan = self.finish(freeze.report(), SubscriptionStep::Rest, None);
        plan.status.plan = frozen::lines(lines);
        plan
    }

    /// A step after which everything is planned anew; nothing is written.
    pub(in crate::plan) fn step(self, step: SubscriptionStep) -> SubscriptionPlan {
        self.end(step, None)
    }

    fn end(self, step: SubscriptionStep, again: Option<Duration>) -> SubscriptionPlan {
        let Self { input: _, status, notes } = self;
        SubscriptionPlan { step, status, notes, again, missing_since: None, seen: None, losses: Vec::new() }
    }

    /// Leaves the object as it is; only an object that never had a status gets its first one.
    pub(in crate::plan) fn unchanged(self) -> SubscriptionPlan {
        if find(&self.status.conditions, ConditionType::Ready).is_none() {
            return self.rest(
                Report::unknown(Reason::Progressing, "waiting for the first answer of the provider to the account"),
                None,
            );
        }
        self.step(SubscriptionStep::Rest)
    }

    pub(in crate::plan) fn rest(self, report: Report, again: Option<Duration>) -> SubscriptionPlan {
        self.finish(report, SubscriptionStep::Rest, again)
    }

    pub(in crate::plan) fn calls(self, report: Report, mut calls: Vec<RowCall>) -> SubscriptionPlan {
        calls.truncate(BATCH);
        self.finish(report, SubscriptionStep::Calls(calls), None)
    }

    pub(in crate::plan) fn finish(
        mut self,
        mut report: Report,
        step: SubscriptionStep,
        again: Option<Duration>,
    ) -> SubscriptionPlan {
        // Without a realm there is no catalogue to judge by: what was found before stays.
        let known = match self.input.catalogue.events.is_empty() {
            true => kept(&self.status.conditions, ConditionType::KnownEvents),
            false => Some(known_events(&self.input.object.spec, self.input.catalogue)),
        };
        report.others.extend(known);
        let generation = self.input.object.metadata.generation.unwrap_or_default();
        self.status.plan.clear();
        self.status.observed_generation = generation;
        self.status.conditions = report.conditions(&self.status.conditions, generation, self.input.now);
        self.end(step, again)
    }
}
