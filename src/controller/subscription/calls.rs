//! Calls on rows: each fails alone, and what was refused is remembered.

use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::Pass;
use super::observe::Surroundings;
use crate::controller::claims;
use crate::controller::error::PassError;
use crate::controller::row_calls;
use crate::plan::contention::Field;
use crate::plan::row_calls::{RowCall, SwitchCause};
use crate::plan::subscription::EndpointLink;
use crate::plan::{Note, Refusal};
use crate::provider::CallError;
use crate::provider::gate::{Errand, Lane};
use crate::provider::model::{RemoteId, RemoteRow};
use crate::provider::realm::Realm;

impl Pass<'_> {
    /// The realm of the endpoint object that holds an id.
    pub(super) fn realm_for(&self, id: &RemoteId, around: &Surroundings) -> Option<Arc<Realm>> {
        let present = matches!(&around.link, EndpointLink::Usable { remote_id, .. } if remote_id == id);
        if present {
            return around.realm.as_ref().map(|handle| handle.realm.clone());
        }
        let holder = claims::holder(self.context, &self.object.namespace().unwrap_or_default(), id.as_str())?;
        claims::realm_of(self.context, &holder).map(|handle| handle.realm.clone())
    }

    /// Independent calls: each fails alone. What stops them all, such as an outage, is answered once.
    pub(super) async fn calls(&self, calls: &[RowCall], around: &Surroundings) -> Result<(), PassError> {
        let answers = row_calls::all(calls, |call| self.call(call, around)).await;
        let (mut made, mut moved, mut switched, mut deleted) = (0, 0_u64, 0, 0);
        let mut general = None;
        for (call, answer) in calls.iter().zip(answers) {
            match answer {
                Ok(()) => match call {
                    RowCall::Create { .. } => made += 1,
                    RowCall::Move { .. } => moved += 1,
                    RowCall::Switch { row, why, .. } => {
                        switched += 1;
                        self.switched(row, *why);
                    }
                    RowCall::Delete { .. } => deleted += 1,
                    RowCall::Prune { row, practice, why } => self.pruned(row, practice.as_deref(), why).await,
                },
                Err(error) => general = self.failed(call, error).or(general),
            }
        }
        if let (true, Some(handle)) = (moved > 0 && around.own_rows.is_some(), &around.realm) {
            self.context.metrics.replaced(handle.realm.provider().name(), moved);
        }
        let told = [
            (made, "Subscribed", "Create", "created"),
            (moved, "Moved", "Move", "moved"),
            (switched, "Switched", "Switch", "switched on or off"),
            (deleted, "Unsubscribed", "Delete", "deleted"),
        ];
        for (count, reason, action, done) in told {
            if count > 0 {
                let text = format!("{done} at the provider: {count}");
                self.context.events.publish_later(&*self.object, vec![Note::normal(reason, action, text)]).await;
            }
        }
        general.map_or(Ok(()), |error| Err(error.into()))
    }

    fn switched(&self, row: &RemoteRow, why: SwitchCause) {
        let (now, timing) = (Timestamp::now(), &self.context.timing.plan);
        let memory = &mut self.memory.plan().plan;
        match why {
            SwitchCause::Declared => {}
            SwitchCause::Drift => memory.corrections.record(&row.id, Field::Active, now, timing),
            SwitchCause::Reactivation => _ = memory.reactivated.insert(row.id.clone(), now),
        }
    }

    /// rules.md *Pairs*, *Pace*: each in an Event.
    async fn pruned(&self, row: &RemoteRow, practice: Option<&str>, why: &str) {
        let of = practice.map(|name| format!(" of {name}")).unwrap_or_default();
        let text = format!("deleted subscription {} ({}{of}) at the provider: {why}", row.id, row.event);
        self.context.events.publish(&*self.object, &[Note::warning("Pruned", "Delete", text)]).await;
    }

    async fn call(&self, call: &RowCall, around: &Surroundings) -> Result<(), CallError> {
        let Some(realm) = self.realm_for(call.endpoint(), around) else { return Ok(()) };
        if let (RowCall::Prune { .. }, Some(handle)) = (call, &around.realm)
            && !handle.take_prune(Timestamp::now())
        {
            // Another object was faster; the next interval has more.
            return Err(CallError::NotFound);
        }
        // What is not new was there before and is repaired (rules.md *Gate*).
        let new = matches!(call, RowCall::Create { key, .. } if self.memory.plan().plan.fresh.contains(key));
        let errand = if matches!(call, RowCall::Create { .. }) {
            Errand::new(if new { Lane::Creates } else { Lane::Repairs })
        } else {
            Errand::current()
        };
        errand.run(row_calls::send(&realm, call, &around.api_version)).await
    }

    /// Remembers a failure of one item; answers one that is about everything.
    fn failed(&self, call: &RowCall, error: CallError) -> Option<CallError> {
        let refusal = |status| Refusal { status, at: Timestamp::now() };
        let status = match error {
            CallError::Rejected { status } => status,
            // Of a create: the endpoint is gone. Of a row: nothing is left to do. The lists have been ordered.
            CallError::NotFound => return matches!(call, RowCall::Create { .. }).then_some(error),
            // The pair is in doubt now; the plan waits and looks.
            ref lost if lost.ambiguity().is_some() && matches!(call, RowCall::Create { .. }) => return None,
            error => return Some(error),
        };
        let memory = &mut self.memory.plan().plan;
        match call {
            RowCall::Create { key, .. } => _ = memory.refused.insert(key.clone(), refusal(status)),
            RowCall::Switch { row, .. } => _ = memory.refused.insert(row.key(), refusal(status)),
            RowCall::Move { row, .. } => _ = memory.unmovable.insert(row.key()),
            RowCall::Delete { row } | RowCall::Prune { row, .. } => {
                _ = memory.undeletable.insert(row.id.clone(), refusal(status));
            }
        }
        None
    }
}
