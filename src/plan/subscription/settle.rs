//! Nothing left to call: what the status says then.

use std::time::Duration;

use super::draft::Draft;
use super::switched_off::Off;
use super::work::{Found, Work};
use super::{EndpointLink, SubscriptionPlan, SubscriptionStep, count};
use crate::api::condition::ItemReason;
use crate::api::endpoint::Reactivation;
use crate::api::subscription::Applied;
use crate::api::{Reason, WebhookSubscriptionStatus};
use crate::plan::Refusal;
use crate::plan::condition::Report;
use crate::plan::pairs;
use crate::plan::reactivation;
use crate::plan::subscription_report::{Failure, settled_report};
use crate::provider::model::RemoteId;

impl Work<'_> {
    pub(super) fn fill(&self, status: &mut WebhookSubscriptionStatus, found: &Found) {
        status.desired = Some(count(self.items.len()));
        status.active = Some(count(found.active));
        status.failed = Some(count(found.failures.len()));
        status.failures = found.failures.iter().chain(&found.informed).take(20).map(Failure::stored).collect();
        status.subscriptions = found.present.clone().unwrap_or_default();
    }

    /// Nothing left to call: what is declared is what is applied, unless something is not yet taken back.
    pub(super) fn settle(
        &self,
        mut draft: Draft<'_>,
        found: Found,
        stray: Option<Duration>,
        off: Off,
    ) -> SubscriptionPlan {
        let left_behind = found.stuck.is_some() || !self.input.old.unreachable.is_empty();
        // rules.md *Pairs*: `applied` is what is not yet wholly taken back. A DELETE's 2xx alone is no proof; the list of the
        // next round is, and until then nothing but the status waits.
        let unproven = self.leaving.into_iter().chain([self.remote_id]).any(|id| !self.rows.settled(id))
            || !self.input.old.unsettled.is_empty();
        let wider = draft.status.applied.as_ref().is_some_and(|applied| !pairs::covers(self.new, applied));
        let waits_for_proof = unproven && wider && !draft.is_frozen();
        draft.status.applied = match draft.status.applied.take() {
            // Nothing was announced, so nothing is taken over either.
            applied if draft.is_frozen() => applied,
            Some(wider) if left_behind || waits_for_proof => Some(Applied { active: self.new.active, ..wider }),
            _ => Some(self.new.clone()),
        };
        let silent = match &self.input.link {
            EndpointLink::Usable { silent, .. } => *silent,
            _ => None,
        };
        let mut report = settled_report(self.items.len(), &found.failures, silent);
        // Nothing of ours changes when somebody else's webhook goes.
        let occupied = found.failures.iter().any(|failure| failure.reason() == ItemReason::RemoteExists);
        let look = (waits_for_proof || occupied).then_some(self.input.observe_interval).into_iter().chain(stray).min();
        let mut again = [self.retry(), found.contended, look].into_iter().flatten().min();
        if let Off::Waits(wait) = off {
            again = again.into_iter().chain(wait).min();
            let policy = match &self.input.link {
                EndpointLink::Usable { reactivation, .. } => *reactivation,
                _ => Reactivation::Never,
            };
            let only = found.failures.iter().all(|failure| failure.reason() == ItemReason::SwitchedOffRemotely);
            if let (true, true, Some(why)) = (only, self.endpoint_is_off(), silent) {
                // Rows that were flipped with their endpoint follow it, and this reason tells the next pass.
                report = Report::waiting(Reason::EndpointInactive, why);
            } else if only && !reactivation::is_stalled(policy, draft.status.reactivation.as_ref()) {
                report = Report::waiting(report.reason, report.message);
            }
        } else {
            let (status, now) = (draft.status.reactivation.as_ref(), self.input.now);
            again = again.into_iter().chain(reactivation::forgotten_in(status, now, self.input.timing)).min();
        }
        if let (Some((id, refusal)), true) = (&found.stuck, found.failures.is_empty()) {
            report = not_taken_back(id, *refusal);
        } else if let (Some(id), true) = (self.input.old.unreachable.first(), found.failures.is_empty()) {
            report = Report::unknown(
                Reason::AccountNotReady,
                format!(
                    "subscriptions on remote endpoint {id}, where this object was before, are taken back when the account there can be used; see its conditions"
                ),
            );
        }
        if !self.input.old.unreachable.is_empty() {
            let soon = self.input.timing.outage_grace;
            again = Some(again.map_or(soon, |again| again.min(soon)));
        }
        draft.finish(report, SubscriptionStep::Rest, again)
    }
}

fn not_taken_back(id: &RemoteId, refusal: Refusal) -> Report {
    let message = format!(
        "the provider refuses to delete subscription {id}, which is no longer declared (HTTP {}): delete it there",
        refusal.status
    );
    Report::stalled(Reason::RemoteNotDeleted, message)
}
