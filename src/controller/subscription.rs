//! `WebhookSubscription`: observe, plan, execute, report.

use std::sync::{Arc, Weak};

use futures::{FutureExt, StreamExt};
use jiff::Timestamp;
use kube::ResourceExt;

use super::accounts::RealmHandle;
use super::claims;
use super::context::Context;
use super::driver::{Done, MAX_STEPS};
use super::error::PassError;
use super::memory::Memory;
use super::write::Writer;
use crate::api::{
    ConditionType, DeletionPolicy, REMOTE_FINALIZER, Reason, WebhookEndpoint, WebhookSubscription,
    WebhookSubscriptionStatus,
};
use crate::plan::condition::find;
use crate::plan::pairs::{self, Sibling};
use crate::plan::row_calls::RowCall;
use crate::plan::subscription::{
    self as plan, EndpointLink, OldEndpoints, OldRow, SubscriptionInput, SubscriptionMemory, SubscriptionPlan,
    SubscriptionStep,
};
use crate::plan::{AccountView, Note, Refusal};
use crate::provider::CallError;
use crate::provider::mirror::Mirror;
use crate::provider::model::{Catalogue, NewRow, RemoteId, RemoteRows, RowPatch};
use crate::provider::realm::Realm;

/// What this process remembers of a subscription object.
#[derive(Default)]
pub struct SubscriptionMind {
    /// What its plans remember.
    pub plan: SubscriptionMemory,
    realm: Weak<Realm>,
    generation: Option<i64>,
}

/// Calls of one batch that wait at the gate at the same time.
const AT_ONCE: usize = 16;

/// One pass.
pub async fn pass(context: &Arc<Context>, object: Arc<WebhookSubscription>) -> Result<Done, PassError> {
    let memory = context.subscription_memory.of(&object.uid().unwrap_or_default());
    let mut pass = Pass { context, memory, object };
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
}

/// What stands around the object: its endpoint object, account and realm.
struct Surroundings {
    link: EndpointLink,
    account: (AccountView, String),
    api_version: Arc<str>,
    realm: Option<Arc<RealmHandle>>,
}

impl Pass<'_> {
    fn writer(&self) -> Writer<'_, WebhookSubscription> {
        Writer { context: self.context, cache: &self.context.subscription_cache }
    }

    async fn step(&mut self) -> Result<Option<Done>, PassError> {
        let now = Timestamp::now();
        let namespace = self.object.namespace().unwrap_or_default();
        let around = self.surroundings(&namespace);
        self.adjust(around.realm.as_deref());
        let siblings = self.siblings(&namespace, &self.object.spec.endpoint_ref.name);
        let none = Catalogue::default();
        let catalogue = around.realm.as_ref().map_or(&none, |handle| handle.realm.provider().catalogue());
        let old = self.old_endpoints(&namespace, &around, catalogue);
        let plan = {
            let memory = self.memory.plan();
            let decide = |rows: Option<&dyn RemoteRows>| {
                plan::plan(&SubscriptionInput {
                    object: &self.object,
                    link: around.link.clone(),
                    account: around.account.clone(),
                    catalogue,
                    rows,
                    old: old.clone(),
                    siblings: siblings.iter().map(|(object, older)| Sibling { object, older: *older }).collect(),
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
        self.memory.plan().plan.missing_since = plan.missing_since;
        self.execute(plan, &around).await
    }

    /// Forgets the refusals that a new generation or another realm makes void.
    fn adjust(&self, handle: Option<&RealmHandle>) {
        let mut mind = self.memory.plan();
        let realm = handle.map(|handle| &handle.realm);
        let same_realm = realm.is_none_or(|realm| mind.realm.upgrade().is_some_and(|known| Arc::ptr_eq(&known, realm)));
        if same_realm && mind.generation == self.object.metadata.generation {
            return;
        }
        mind.generation = self.object.metadata.generation;
        if let Some(realm) = realm {
            mind.realm = Arc::downgrade(realm);
        }
        mind.plan.refused.clear();
        mind.plan.unmovable.clear();
        mind.plan.undeletable.clear();
    }

    fn surroundings(&self, namespace: &str) -> Surroundings {
        let nowhere = |link| Surroundings {
            link,
            account: (AccountView::NotFound, String::new()),
            api_version: Arc::from(""),
            realm: None,
        };
        let Some(endpoint) = self.context.endpoint_cache.get(namespace, &self.object.spec.endpoint_ref.name) else {
            return nowhere(EndpointLink::NotFound);
        };
        let name = endpoint.spec.account_ref.name.clone();
        let link = link(&endpoint);
        match self.context.accounts.get(namespace, &name) {
            Some(entry) => {
                Surroundings { link, account: (entry.view(), name), api_version: entry.api_version, realm: entry.realm }
            }
            None if self.context.account_cache.get(namespace, &name).is_some() => {
                Surroundings { account: (AccountView::Unavailable { long: false }, name), ..nowhere(link) }
            }
            None => Surroundings { account: (AccountView::NotFound, name), ..nowhere(link) },
        }
    }

    /// Other objects on an endpoint object, and whether each is older than this one.
    fn siblings(&self, namespace: &str, endpoint: &str) -> Vec<(Arc<WebhookSubscription>, bool)> {
        let age = |object: &WebhookSubscription| (object.creation_timestamp().map(|time| time.0), object.uid());
        let own = age(&self.object);
        let others = claims::subscriptions(self.context, namespace, endpoint).into_iter();
        others
            .filter(|other| other.metadata.uid != self.object.metadata.uid)
            .map(|other| {
                let older = age(&other) < own;
                (other, older)
            })
            .collect()
    }

    /// Endpoints that `status.applied` names besides the present one, as far as some object still holds them.
    fn old_endpoints(&self, namespace: &str, around: &Surroundings, catalogue: &Catalogue) -> OldEndpoints {
        let mut old = OldEndpoints::default();
        let Some(applied) = self.object.status.as_ref().and_then(|status| status.applied.as_ref()) else { return old };
        let here = match &around.link {
            EndpointLink::Usable { remote_id, .. } => Some(remote_id.as_str()),
            _ => None,
        };
        let named = applied.endpoint_remote_id.iter().chain(&applied.moving_endpoint_remote_ids);
        for id in named.filter(|id| Some(id.as_str()) != here) {
            let Some(holder) = claims::holder(self.context, namespace, id) else { continue };
            // Its own deletion takes the rows along.
            let goes =
                holder.metadata.deletion_timestamp.is_some() && holder.spec.deletion_policy == DeletionPolicy::Delete;
            let Some(handle) = claims::realm_of(self.context, &holder).filter(|_| !goes) else { continue };
            let same_realm = around.realm.as_ref().is_some_and(|own| Arc::ptr_eq(own, &handle));
            let id = RemoteId::new(id);
            let there = self.siblings(namespace, &holder.name_any());
            handle.realm.read(|mirror| {
                if !mirror.row_list_known(&id) || mirror.practice_list().is_none() {
                    return old.unlisted.push(id.clone());
                }
                for (practice, key) in pairs::applied(applied, catalogue, mirror) {
                    let declared_there = there.iter().any(|(object, _)| {
                        Sibling { object, older: false }.declares(practice.as_deref(), &key, catalogue)
                    });
                    let rows = mirror.rows(&id, &key).into_iter();
                    old.rows.extend(rows.map(|row| OldRow {
                        practice: practice.clone(),
                        row,
                        movable: same_realm,
                        declared_there,
                    }));
                }
                if same_realm {
                    old.same_realm.push(id.clone());
                }
            });
        }
        old
    }

    async fn execute(&mut self, plan: SubscriptionPlan, around: &Surroundings) -> Result<Option<Done>, PassError> {
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

    /// While an object works its counters are written now and then, so that a person sees it move.
    async fn progress(&mut self, status: &WebhookSubscriptionStatus) -> Result<(), PassError> {
        let due = self.memory.counters_due(self.context.timing.plan.counters, std::time::Instant::now());
        if due.is_ok() && self.object.metadata.deletion_timestamp.is_none() {
            self.write_status(status, &[]).await?;
        }
        Ok(())
    }

    /// The realm of the endpoint object that holds an id.
    fn realm_for(&self, id: &RemoteId, around: &Surroundings) -> Option<Arc<Realm>> {
        let present = matches!(&around.link, EndpointLink::Usable { remote_id, .. } if remote_id == id);
        if present {
            return around.realm.as_ref().map(|handle| handle.realm.clone());
        }
        let holder = claims::holder(self.context, &self.object.namespace().unwrap_or_default(), id.as_str())?;
        claims::realm_of(self.context, &holder).map(|handle| handle.realm.clone())
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

    /// Independent calls: each fails alone. What stops them all, such as an outage, is answered once.
    async fn calls(&self, calls: &[RowCall], around: &Surroundings) -> Result<(), PassError> {
        let waiting: Vec<_> = calls.iter().map(|call| self.call(call, around).boxed()).collect();
        let answers: Vec<Result<(), CallError>> = futures::stream::iter(waiting).buffered(AT_ONCE).collect().await;
        let (mut made, mut moved, mut switched, mut deleted) = (0, 0, 0, 0);
        let mut general = None;
        for (call, answer) in calls.iter().zip(answers) {
            match answer {
                Ok(()) => match call {
                    RowCall::Create { .. } => made += 1,
                    RowCall::Move { .. } => moved += 1,
                    RowCall::Switch { .. } => switched += 1,
                    RowCall::Delete { .. } => deleted += 1,
                },
                Err(error) => general = self.failed(call, error).or(general),
            }
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
                self.context.events.publish(&*self.object, &[Note::normal(reason, action, text)]).await;
            }
        }
        general.map_or(Ok(()), |error| Err(error.into()))
    }

    async fn call(&self, call: &RowCall, around: &Surroundings) -> Result<(), CallError> {
        let Some(realm) = self.realm_for(call.endpoint(), around) else { return Ok(()) };
        match call {
            RowCall::Create { endpoint, key, practice, active } => {
                let new = NewRow {
                    endpoint: endpoint.clone(),
                    practice: practice.clone(),
                    resource_type: key.resource_type.clone(),
                    event: key.event.clone(),
                    active: *active,
                    payload_version: around.api_version.clone(),
                    fused: None,
                };
                realm.create_row(&new, key.practice.clone()).await.map(drop)
            }
            RowCall::Move { row, to, practice } => {
                let patch = RowPatch { active: None, new_endpoint: Some(to.clone()) };
                realm.patch_row(row, practice.as_deref(), &patch).await.map(drop)
            }
            RowCall::Switch { row, practice, active } => {
                let patch = RowPatch { active: Some(*active), new_endpoint: None };
                realm.patch_row(row, practice.as_deref(), &patch).await.map(drop)
            }
            RowCall::Delete { row } => match realm.delete_row(row).await {
                // A 404 orders a list; the row's absence is read there.
                Err(CallError::NotFound) => realm.refresh_rows(&row.endpoint, Some(realm.read(Mirror::now))).await,
                answer => answer,
            },
        }
    }

    /// Remembers a failure of one item; answers one that is about everything.
    fn failed(&self, call: &RowCall, error: CallError) -> Option<CallError> {
        let refusal = |status| Refusal { status, at: Timestamp::now() };
        let status = match error {
            CallError::Rejected { status } => status,
            // Of a create: the endpoint is gone, and its own object finds out. Of a row: the list has been ordered.
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
            RowCall::Delete { row } => _ = memory.undeletable.insert(row.id.clone(), refusal(status)),
        }
        None
    }
}

/// How a subscription sees its endpoint object.
pub fn link(endpoint: &WebhookEndpoint) -> EndpointLink {
    if endpoint.metadata.deletion_timestamp.is_some() && endpoint.spec.deletion_policy == DeletionPolicy::Delete {
        return EndpointLink::Going;
    }
    let Some(status) = &endpoint.status else { return EndpointLink::NotReady };
    // The id is written only after the key is in the Secret (rules.md *Create*).
    let Some(id) = &status.remote_id else { return EndpointLink::NotReady };
    let active = find(&status.conditions, ConditionType::Active);
    let silent = if !endpoint.spec.active {
        Some("the WebhookEndpoint is switched off by its spec.active, so nothing is delivered: set it to true")
    } else if active.is_some_and(|active| active.reason == Reason::SwitchedOffRemotely.as_str()) {
        Some(
            "the WebhookEndpoint was switched off at the provider, so nothing is delivered; its Active condition says what to do",
        )
    } else {
        None
    };
    EndpointLink::Usable { remote_id: RemoteId::new(id), silent }
}
