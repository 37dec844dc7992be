//! rules.md *Switched off remotely*, for rows.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::work::{Found, Work};
use super::{Attempt, EndpointLink, Seen};
use crate::api::endpoint::{GapCause, Reactivation};
use crate::api::{ConditionType, Reason, WebhookSubscriptionStatus};
use crate::plan::condition::find;
use crate::plan::gaps::{self, Loss};
use crate::plan::reactivation::{self, Next};
use crate::provider::model::RemoteId;

/// What is to be done about rows that were switched off at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Off {
    /// There are none.
    None,
    /// They are switched on now.
    SwitchOn,
    /// They are left; later, if there is a time.
    Waits(Option<Duration>),
}

impl Work<'_> {
    /// rules.md *Switched off remotely*, for rows: `reactivation` of the endpoint decides, and rows that were flipped with
    /// their endpoint follow it.
    pub(super) fn off(&self, status: &mut WebhookSubscriptionStatus, found: &mut Found, seen: &mut Seen) -> Off {
        let on = found.off.is_empty();
        let (now, timing) = (self.input.now, self.input.timing);
        let counts = seen.attempt.as_ref().map(|attempt| attempt.since).filter(|since| self.reactivated_since(*since));
        status.reactivation = reactivation::counted(status.reactivation.take(), counts, on, now, timing);
        let of_attempt = self.left_of_attempt(found, seen);
        if on {
            seen.off = None;
            return Off::None;
        }
        let (policy, endpoint_off) = match &self.input.link {
            EndpointLink::Usable { reactivation, off_remotely, .. } => (*reactivation, *off_remotely),
            _ => (Reactivation::Never, false),
        };
        let before = self.rows.seen_before(self.remote_id).unwrap_or(self.input.last_alive);
        let loss = Loss {
            cause: GapCause::SubscriptionsSwitchedOff,
            from: now,
            to: None,
            practices: Some(BTreeSet::new()),
            pairs: 0,
        };
        let mut loss = loss;
        for (_, practice) in &found.off {
            loss.add(practice.as_deref(), gaps::before_switch_off(before, timing));
        }
        found.losses.push(loss);
        if endpoint_off {
            return Off::Waits(None);
        }
        let conditions =
            self.input.object.status.iter().flat_map(|status| find(&status.conditions, ConditionType::Ready));
        let with_endpoint = conditions.into_iter().any(|ready| ready.reason == Reason::EndpointInactive.as_str());
        let since = *seen.off.get_or_insert(now);
        // Once: one that stays off although the provider says otherwise is not asked again at every pass.
        let follows = with_endpoint && seen.attempt.as_ref().is_none_or(|attempt| attempt.since < since);
        let next = reactivation::next(policy, status.reactivation.as_ref(), since, now, timing);
        if next != Next::Never && !of_attempt.is_empty() {
            // The pause is between two attempts: what one has not reached yet does not wait for the next.
            found.off.retain(|(row, _)| of_attempt.contains(&row.id));
            return Off::SwitchOn;
        }
        match next {
            Next::Never => Off::Waits(None),
            Next::Wait(wait) if !follows => Off::Waits(Some(wait)),
            Next::Now | Next::Wait(_) => {
                let left = found.off.iter().map(|(row, _)| row.id.clone()).collect();
                seen.attempt = Some(Attempt { since: now, left });
                Off::SwitchOn
            }
        }
    }

    fn reactivated_since(&self, since: Timestamp) -> bool {
        self.input.memory.reactivated.values().any(|at| *at >= since)
    }

    /// The rows of the last attempt that are still off and that it has not reached.
    fn left_of_attempt(&self, found: &Found, seen: &mut Seen) -> BTreeSet<RemoteId> {
        let Some(attempt) = &mut seen.attempt else { return BTreeSet::new() };
        let reached = |id: &RemoteId| self.input.memory.reactivated.get(id).is_some_and(|at| *at >= attempt.since);
        let off = |id: &RemoteId| found.off.iter().any(|(row, _)| row.id == *id);
        attempt.left.retain(|id| off(id) && !reached(id));
        attempt.left.clone()
    }

    /// Whether the endpoint itself was switched off at the provider.
    pub(super) fn endpoint_is_off(&self) -> bool {
        matches!(self.input.link, EndpointLink::Usable { off_remotely: true, .. })
    }
}
