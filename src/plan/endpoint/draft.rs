//! A plan of an endpoint in the making.

use std::time::Duration;

use super::{EndpointInput, EndpointPlan, EndpointStep, progressing};
use crate::api::{ConditionType, WebhookEndpointStatus};
use crate::plan::condition::{Report, find, kept};
use crate::plan::{Note, target};

/// A plan in the making: the status as it stands, to be changed.
pub(in crate::plan) struct Draft<'a> {
    input: &'a EndpointInput<'a>,
    pub(in crate::plan) status: WebhookEndpointStatus,
    pub(in crate::plan) notes: Vec<Note>,
}

impl<'a> Draft<'a> {
    pub(in crate::plan) fn new(input: &'a EndpointInput<'a>) -> Self {
        let status = input.object.status.clone().unwrap_or_default();
        Self { input, status, notes: Vec::new() }
    }

    /// A step after which everything is planned anew; nothing is written.
    pub(in crate::plan) fn step(self, step: EndpointStep) -> EndpointPlan {
        EndpointPlan { step, status: self.status, notes: self.notes, again: None }
    }

    /// Leaves the object as it is; only an object that never had a status gets its first one.
    pub(in crate::plan) fn unchanged(self) -> EndpointPlan {
        if find(&self.status.conditions, ConditionType::Ready).is_none() {
            return self.rest(progressing("waiting for the first answer of the provider to the account"), None);
        }
        EndpointPlan { step: EndpointStep::Rest, status: self.status, notes: self.notes, again: None }
    }

    pub(in crate::plan) fn rest(self, report: Report, again: Option<Duration>) -> EndpointPlan {
        self.finish(report, EndpointStep::Rest, again)
    }

    pub(in crate::plan) fn acknowledge(self, report: Report) -> EndpointPlan {
        self.finish(report, EndpointStep::Acknowledge, None)
    }

    /// Writes the report into the status. What an earlier pass found about key and deliveries stays true while the id is
    /// held, so that a passing trouble with the account does not hide it.
    pub(in crate::plan) fn finish(
        mut self,
        mut report: Report,
        step: EndpointStep,
        again: Option<Duration>,
    ) -> EndpointPlan {
        let object = self.input.object;
        let generation = object.metadata.generation.unwrap_or_default();
        if self.status.remote_id.is_some() {
            for kind in [ConditionType::SecretPublished, ConditionType::Active] {
                if !report.others.iter().any(|other| other.kind == kind) {
                    report.others.extend(kept(&self.status.conditions, kind));
                }
            }
        }
        self.status.observed_generation = generation;
        self.status.target_host = target::host(&object.spec.target_url);
        self.status.conditions = report.conditions(&self.status.conditions, generation, self.input.now);
        EndpointPlan { step, status: self.status, notes: self.notes, again }
    }
}
