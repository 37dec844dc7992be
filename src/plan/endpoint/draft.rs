//! A plan of an endpoint in the making.

use std::time::Duration;

use jiff::Timestamp;

use super::{EndpointInput, EndpointPlan, EndpointStep, progressing};
use crate::api::endpoint::GapCause;
use crate::api::{ConditionType, Reason, WebhookEndpointStatus};
use crate::plan::condition::{Report, Verdict, find, kept};
use crate::plan::contention::Field;
use crate::plan::frozen::{self, Freeze, freeze};
use crate::plan::rotation::{self, due};
use crate::plan::verification::{self, TestOrder};
use crate::plan::{Note, gaps, target};

/// A plan in the making: the status as it stands, to be changed.
pub(in crate::plan) struct Draft<'a> {
    input: &'a EndpointInput<'a>,
    pub(in crate::plan) status: WebhookEndpointStatus,
    pub(in crate::plan) notes: Vec<Note>,
    pub(in crate::plan) corrects: Vec<Field>,
    gap_seconds: f64,
    test: Option<TestOrder>,
}

impl<'a> Draft<'a> {
    pub(in crate::plan) fn new(input: &'a EndpointInput<'a>) -> Self {
        let mut status = input.object.status.clone().unwrap_or_default();
        // rules.md *Switched off remotely*: a new generation counts anew.
        if input.object.metadata.generation != Some(status.observed_generation) {
            status.reactivation = None;
        }
        Self { input, status, notes: Vec::new(), corrects: Vec::new(), gap_seconds: 0.0, test: None }
    }

    /// rules.md *Suspend and Observe*.
    pub(in crate::plan) fn is_frozen(&self) -> bool {
        self.freeze().is_some()
    }

    fn freeze(&self) -> Option<Freeze> {
        freeze(self.input.object.spec.suspend, self.input.policy)
    }

    /// Whether nothing at the provider is, or may be, this object's.
    pub(in crate::plan) fn has_nothing(&self) -> bool {
        let status = &self.status;
        status.remote_id.is_none()
            && status.home.is_none()
            && status.pending_create.is_none()
            && status.last_create.is_none()
            && status.removing.is_empty()
    }

    /// Instead of doing it: says what would be done.
    pub(in crate::plan) fn would(self, lines: impl IntoIterator<Item = String>) -> EndpointPlan {
        self.would_and_says(lines, Vec::new())
    }

    /// The same, with other conditions beside `Ready`.
    pub(in crate::plan) fn would_and_says(
        self,
        lines: impl IntoIterator<Item = String>,
        others: Vec<Verdict>,
    ) -> EndpointPlan {
        let freeze = self.freeze().unwrap_or(Freeze::Suspended);
        let report = Report { others, ..freeze.report() };
        let mut plan = self.finish(report, EndpointStep::Rest, None);
        plan.status.plan = frozen::lines(lines);
        plan
    }

    /// A step after which everything is planned anew; nothing is written.
    pub(in crate::plan) fn step(self, step: EndpointStep) -> EndpointPlan {
        self.end(step, None)
    }

    fn end(self, step: EndpointStep, again: Option<Duration>) -> EndpointPlan {
        let Self { input: _, status, notes, corrects, gap_seconds, test } = self;
        EndpointPlan { step, status, notes, corrects, gap_seconds, test, again }
    }

    /// Ends a delivery gap, if there is one of this cause.
    pub(in crate::plan) fn close_gap(&mut self, cause: GapCause, to: Timestamp) {
        if let Some((note, seconds)) = gaps::close(&mut self.status.delivery_gaps, cause, to) {
            self.notes.push(note);
            self.gap_seconds += seconds;
        }
    }

    /// What subscription objects have lost and repaired.
    fn record_losses(&mut self) {
        for loss in gaps::joined(self.input.losses) {
            gaps::open(&mut self.status.delivery_gaps, &loss);
            if let Some(to) = loss.to {
                self.close_gap(loss.cause, to);
            }
        }
    }

    /// Leaves the object as it is; only an object that never had a status gets its first one.
    pub(in crate::plan) fn unchanged(self) -> EndpointPlan {
        if find(&self.status.conditions, ConditionType::Ready).is_none() {
            return self.rest(progressing("waiting for the first answer of the provider to the account"), None);
        }
        self.end(EndpointStep::Rest, None)
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
        let tested = verification::look(self.input, &report, &mut self.status);
        report.others.extend(tested.verdict);
        self.notes.extend(tested.note);
        if self.status.remote_id.is_some() || self.status.home.is_some() {
            for kind in [ConditionType::SecretPublished, ConditionType::Active] {
                if !report.others.iter().any(|other| other.kind == kind) {
                    // What was found of deliveries is about the generation it was found under: under a new one, a remote
                    // that is off is drift, and a condition that looked fresh would hide it.
                    let found = find(&self.status.conditions, kind).and_then(|condition| condition.observed_generation);
                    if kind != ConditionType::Active || found == Some(generation) {
                        report.others.extend(kept(&self.status.conditions, kind));
                    }
                }
            }
        }
        report.others.extend(rotation::rotating(&self.status));
        if !report.others.iter().any(|other| other.kind == ConditionType::RotationOverdue) {
            let off = report.others.iter().any(|other| other.reason == Reason::SwitchedOffRemotely);
            report.others.extend(due::overdue(self.input, &self.status, off));
        }
        let again = match step {
            EndpointStep::Rest => {
                let waits = [again, due::look_again(self.input, &self.status), tested.next.wait()];
                self.test = tested.next.now();
                waits.into_iter().flatten().min()
            }
            _ => again,
        };
        self.record_losses();
        self.status.plan.clear();
        self.status.observed_generation = generation;
        self.status.target_host = target::host(&object.spec.target_url);
        self.status.conditions = report.conditions(&self.status.conditions, generation, self.input.now);
        self.end(step, again)
    }
}
