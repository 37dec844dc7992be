//! rules.md *Switched off remotely*, for rows.

use std::collections::BTreeSet;
use std::time::Duration;

use super::work::{Found, Work};
use super::{EndpointLink, Seen};
use crate::api::endpoint::{GapCause, Reactivation};
use crate::api::{ConditionType, Reason, WebhookSubscriptionStatus};
use crate::plan::condition::find;
use crate::plan::gaps::{self, Loss};
use crate::plan::reactivation::{self, Next};

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
        status.reactivation =
            reactivation::counted(status.reactivation.take(), self.input.memory.reactivated, on, now, timing);
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
        match reactivation::next(policy, status.reactivation.as_ref(), since, now, timing) {
            Next::Never => Off::Waits(None),
            _ if with_endpoint => Off::SwitchOn,
            Next::Now => Off::SwitchOn,
            Next::Wait(wait) => Off::Waits(Some(wait)),
        }
    }

    /// Whether the endpoint itself was switched off at the provider.
    pub(super) fn endpoint_is_off(&self) -> bool {
        matches!(self.input.link, EndpointLink::Usable { off_remotely: true, .. })
    }
}
