//! `WebhookSubscription`: observe, plan, execute, report.

mod calls;
mod observe;

use std::sync::{Arc, Weak};
use std::time::Duration;

pub use observe::link;
use observe::{Surroundings, renamed};

use jiff::Timestamp;
use kube::ResourceExt;

use super::accounts::RealmHandle;
use super::context::Context;
use super::definition;
use super::driver::{Done, MAX_STEPS};
use super::error::PassError;
use super::homes;
use super::memory::Memory;
use super::request;
use super::write::Writer;
use super::{claims, wakes};
use crate::api::{REMOTE_FINALIZER, WebhookSubscription, WebhookSubscriptionStatus};
use crate::plan::Note;
use crate::plan::contention::Corrections;
use crate::plan::pairs::{self, Sibling};
use crate::plan::subscription::{
    self as plan, EndpointLink, SubscriptionInput, SubscriptionMemory, SubscriptionPlan, SubscriptionStep,
};
use crate::provider::CallError;
use crate::provider::mirror::Mirror;
use crate::provider::model::{Catalogue, RemoteId, RemoteRows, RowKey};
use crate::provider::realm::Realm;

/// What this process remembers of a subscription object.
#[derive(Default)]
pub struct SubscriptionMind {
    /// What its plans remember.
    pub plan: SubscriptionMemory,
    realm: Weak<Realm>,
    generation: (Option<i64>, Option<i64>),
}

/// One pass.
pub async fn pass(context: &Arc<Context>, object: Arc<WebhookSubscription>) -> Result<Done, PassError> {
    let memory = context.subscription_memory.of(&object.uid().unwrap_or_default());
    let mut pass = Pass { context, memory, object, answered: None, definition: None };
    for _ in 0..MAX_STEPS {
        if let Some(done) = pass.step().await? {
            return Ok(done);
        }
    }
    Ok(Done::again(context.timing.backoff.0))
}

struct Pass<'a> {
    context: &'a Arc<Context>,
    memory: Arc<Memory<SubscriptionMind>>,
    object: Arc<WebhookSubscription>,
    /// The request for a fresh observation that this pass has answered.
    answered: Option<String>,
    /// Whether the CRD is going, once this pass has looked.
    definition: Option<bool>,
}

impl Pass<'_> {
    fn writer(&self) -> Writer<'_, WebhookSubscription> {
        Writer { context: self.context, cache: &self.context.subscription_cache }
    }

    async fn step(&mut self) -> Result<Option<Done>, PassError> {
        let now = Timestamp::now();
        let namespace = self.object.namespace().unwrap_or_default();
        let around = self.surroundings(&namespace);
        self.adjust(around.realm.as_deref(), around.generation);
        self.answer(&around).await?;
        if let (Some(handle), Some(_)) = (&around.realm, around.own_rows) {
            homes::tell(&handle.realm, std::slice::from_ref(&self.object)).await?;
        }
        let siblings = self.siblings(&self.object.spec.endpoint_ref.name, &around.reach);
        let none = Catalogue::default();
        let catalogue = around.realm.as_ref().map_or(&none, |handle| handle.realm.provider().catalogue());
        let old = self.old_endpoints(&namespace, &around);
        self.forget_fresh(&around);
        let claimed = |practice: Option<&str>, key: &RowKey| self.claimed(&around, practice, key);
        let object = renamed(&self.object, &around.link);
        let interval = around.realm.as_ref().map_or(Duration::from_secs(300), |handle| handle.interval());
        let safe = self.context.all_decoded();
        let paced = around.realm.as_ref().filter(|_| safe).map_or(0, |handle| handle.prunes_left(now));
        let plan = {
            let memory = self.memory.plan();
            let decide = |rows: Option<&dyn RemoteRows>| {
                plan::plan(&SubscriptionInput {
                    object: &object,
                    link: around.link.clone(),
                    account: around.account.clone(),
                    catalogue,
                    rows,
                    old,
                    siblings: siblings.iter().map(|(object, older)| Sibling { object, older: *older }).collect(),
                    policy: around.policy,
                    reach: &around.reach,
                    claimed: &claimed,
                    own_rows: around.own_rows,
                    paced,
                    observe_interval: interval,
                    last_alive: self.context.last_alive(interval),
                    memory: &memory.plan,
                    now,
                    timing: &self.context.timing.plan,
                })
            };
            match &around.realm {
                None => decide(None),
                Some(handle) => handle.realm.read(|mirror| decide(Some(mirror))),
            }
        };
        self.remember(&plan, &around, now);
        self.execute(plan, &around).await
    }

    /// What the plan has seen, for the next one, and what is lost, for the endpoint.
    fn remember(&self, plan: &SubscriptionPlan, around: &Surroundings, now: Timestamp) {
        let mut mind = self.memory.plan();
        mind.plan.missing_since = plan.missing_since;
        let Some(seen) = plan.seen.clone() else { return };
        mind.plan.seen = seen;
        drop(mind);
        let Some(endpoint) = &around.endpoint else { return };
        // A step that is still to be taken repairs nothing yet.
        let rests = plan.step == SubscriptionStep::Rest;
        if !plan.losses.is_empty() || rests {
            let uid = self.object.uid().unwrap_or_default();
            if self.context.losses.tell(endpoint, &uid, &plan.losses, now) {
                let namespace = self.object.namespace().unwrap_or_default();
                let endpoint = self.context.endpoint_cache.get(&namespace, &self.object.spec.endpoint_ref.name);
                endpoint.into_iter().for_each(|endpoint| wakes::wake(self.context, &*endpoint));
            }
        }
    }

    /// rules.md *Pairs*, *Scope of an object*: whether any other object of the endpoint declares or has applied a pair.
    fn claimed(&self, around: &Surroundings, practice: Option<&str>, key: &RowKey) -> bool {
        let Some(handle) = &around.realm else { return true };
        let catalogue = handle.realm.provider().catalogue();
        let namespace = self.object.namespace().unwrap_or_default();
        let place = (namespace.as_str(), self.object.spec.endpoint_ref.name.as_str());
        let others = claims::declarers(self.context, place, practice, &key.event);
        others.iter().filter(|other| other.metadata.uid != self.object.metadata.uid).any(|other| {
            let applied = other.status.as_ref().and_then(|status| status.applied.as_ref());
            Sibling { object: other, older: false }.declares(practice, key, catalogue)
                || applied.is_some_and(|applied| pairs::covers_pair(applied, practice, key, catalogue))
        })
    }

    /// Forgets the refusals that a new generation or another realm makes void.
    fn adjust(&self, handle: Option<&RealmHandle>, account: Option<i64>) {
        let mut mind = self.memory.plan();
        let realm = handle.map(|handle| &handle.realm);
        let same_realm = realm.is_none_or(|realm| mind.realm.upgrade().is_some_and(|known| Arc::ptr_eq(&known, realm)));
        let generation = (self.object.metadata.generation, account);
        if same_realm && mind.generation == generation {
            return;
        }
        mind.generation = generation;
        if let Some(realm) = realm {
            mind.realm = Arc::downgrade(realm);
        }
        mind.plan.refused.clear();
        mind.plan.unmovable.clear();
        mind.plan.undeletable.clear();
        mind.plan.corrections = Corrections::default();
        mind.plan.reactivated.clear();
        mind.plan.seen.off = None;
        mind.plan.seen.attempt = None;
    }

    /// A person asked for a fresh look: list now, once.
    async fn answer(&mut self, around: &Surroundings) -> Result<(), PassError> {
        let status = self.object.status.as_ref();
        let handled = status.and_then(|status| status.last_handled_reconcile_at.as_deref());
        let asked = request::unanswered(&*self.object, handled).filter(|asked| self.answered.as_ref() != Some(asked));
        // Outside the grants nothing is called.
        let asked = asked.filter(|_| around.reach.subscription(&self.object.spec).is_ok());
        if let (Some(asked), Some(handle), EndpointLink::Usable { remote_id, leaving, .. }) =
            (asked, &around.realm, &around.link)
        {
            handle.realm.refresh_practices(Some(handle.realm.read(Mirror::now))).await?;
            for place in leaving.iter().chain([remote_id]) {
                self.list_rows(place, around).await?;
            }
            let mut mind = self.memory.plan();
            mind.plan.refused.clear();
            mind.plan.undeletable.clear();
            drop(mind);
            self.answered = Some(asked);
        }
        Ok(())
    }

    async fn execute(&mut self, plan: SubscriptionPlan, around: &Surroundings) -> Result<Option<Done>, PassError> {
        let mut plan = plan;
        if let Some(answered) = &self.answered {
            plan.status.last_handled_reconcile_at = Some(answered.clone());
        }
        match &plan.step {
            SubscriptionStep::AddFinalizer => {
                self.object = self.writer().add_finalizer(&self.object, REMOTE_FINALIZER).await?;
            }
            SubscriptionStep::Acknowledge { fresh } => {
                self.memory.plan().plan.fresh.extend(fresh.iter().cloned());
                self.write_status(&plan.status, &plan.notes).await?;
            }
            SubscriptionStep::ListPractices => {
                let Some(handle) = &around.realm else { return Ok(Some(Done::rest(None))) };
                handle.realm.refresh_practices(None).await?;
            }
            SubscriptionStep::ListRows(id) => self.list_rows(id, around).await?,
            SubscriptionStep::Calls(_)
                if self.definition.is_none() && self.object.metadata.deletion_timestamp.is_some() =>
            {
                let going = definition::is_going::<WebhookSubscription>(self.context).await?;
                self.definition = Some(going);
                self.memory.plan().plan.definition_going = going;
            }
            SubscriptionStep::Calls(calls) => {
                self.context.events.publish(&*self.object, &plan.notes).await;
                self.calls(calls, around).await?;
                self.progress(&plan.status).await?;
            }
            SubscriptionStep::RemoveFinalizer => {
                self.context.events.publish(&*self.object, &plan.notes).await;
                self.writer().remove_finalizer(&self.object, REMOTE_FINALIZER).await?;
                return Ok(Some(Done::rest(None)));
            }
            SubscriptionStep::Rest => {
                self.write_status(&plan.status, &plan.notes).await?;
                return Ok(Some(Done::rest(plan.again)));
            }
        }
        Ok(None)
    }

    async fn write_status(&mut self, status: &WebhookSubscriptionStatus, notes: &[Note]) -> Result<(), PassError> {
        if self.object.status.as_ref() != Some(status) {
            self.object = self.writer().status(&self.object, status).await?;
            self.memory.counters_written(std::time::Instant::now());
        }
        self.context.events.publish(&*self.object, notes).await;
        Ok(())
    }

    /// Pairs that have a row now: should it go missing, that is a loss like any other (rules.md *Absence*).
    fn forget_fresh(&self, around: &Surroundings) {
        let (EndpointLink::Usable { remote_id, .. }, Some(handle)) = (&around.link, &around.realm) else { return };
        let mut mind = self.memory.plan();
        if !mind.plan.fresh.is_empty() {
            handle.realm.read(|mirror| mind.plan.fresh.retain(|key| mirror.rows(remote_id, key).is_empty()));
            mind.plan.fresh.shrink_to_fit();
        }
    }

    /// While an object works its counters are written now and then, so that a person sees it move.
    async fn progress(&mut self, status: &WebhookSubscriptionStatus) -> Result<(), PassError> {
        let due = self.memory.counters_due(self.context.timing.plan.counters, std::time::Instant::now());
        if due.is_ok() && self.object.metadata.deletion_timestamp.is_none() {
            self.write_status(status, &[]).await?;
        }
        Ok(())
    }

    async fn list_rows(&self, id: &RemoteId, around: &Surroundings) -> Result<(), PassError> {
        let Some(realm) = self.realm_for(id, around) else { return Err(PassError::Conflict) };
        if realm.read(|mirror| mirror.practice_list().is_none()) {
            realm.refresh_practices(None).await?;
        }
        match realm.refresh_rows(id, Some(realm.read(Mirror::now))).await {
            Ok(()) => Ok(()),
            // The endpoint is not there any more; its own object finds out from the list and says so.
            Err(error @ CallError::NotFound) => {
                realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }
}
