//! A plan of a subscription in the making.

use std::time::Duration;

use super::{SubscriptionInput, SubscriptionPlan, SubscriptionStep};
use crate::api::{ConditionType, Reason, WebhookSubscriptionStatus};
use crate::plan::Note;
use crate::plan::condition::{Report, find, kept};
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
        let status = input.object.status.clone().unwrap_or_default();
        Self { input, status, notes: Vec::new() }
    }

    /// A step after which everything is planned anew; nothing is written.
    pub(in crate::plan) fn step(self, step: SubscriptionStep) -> SubscriptionPlan {
        SubscriptionPlan { step, status: self.status, notes: self.notes, again: None, missing_since: None }
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
        self.status.observed_generation = generation;
        self.status.conditions = report.conditions(&self.status.conditions, generation, self.input.now);
        SubscriptionPlan { step, status: self.status, notes: self.notes, again, missing_since: None }
    }
}
