//! `WebhookEndpoint`: observe, plan, execute, report.

mod leave;
mod observe;
mod own_key;
mod rotation;
mod self_test;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::Timestamp;
use kube::ResourceExt;

use super::account_kind;
use super::accounts::RealmHandle;
use super::claims;
use super::context::{Context, LastRead};
use super::definition;
use super::driver::{Done, MAX_STEPS, object_key};
use super::error::PassError;
use super::homes;
use super::memory::Memory;
use super::policy;
use super::request;
use super::write::Writer;
use crate::api::{REMOTE_FINALIZER, WebhookEndpoint, WebhookEndpointStatus};
use crate::plan::endpoint::{self as plan, EndpointInput, EndpointMemory, EndpointPlan, EndpointStep};
use crate::plan::gaps::Loss;
use crate::plan::rotation::Pair;
use crate::plan::{Note, Refusal};
use crate::provider::CallError;
use crate::provider::mirror::{Mirror, Seq};
use crate::provider::model::{EndpointPatch, RemoteEndpoint, RemoteId};
use crate::provider::realm::Realm;

pub use self_test::self_test_facts;

/// Of an account that has no realm now.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(300);

/// What this process remembers of an endpoint object.
#[derive(Default)]
pub struct EndpointMind {
    /// What its plans remember.
    pub plan: EndpointMemory,
    /// The Secret as last read.
    pub secret: LastRead,
    /// Moments below belong to this realm's mirror.
    realm: Weak<Realm>,
    /// When the present intent was acknowledged.
    intent: Option<Seq>,
    /// When our DELETEs were answered with success.
    deleted: HashMap<RemoteId, Seq>,
    /// A self-test is under way.
    testing: bool,
    /// Generations of object and account whose refusals are remembered.
    generation: (Option<i64>, Option<i64>),
}

/// One pass.
pub async fn pass(context: &Arc<Context>, object: Arc<WebhookEndpoint>) -> Result<Done, PassError> {
    let memory = context.endpoint_memory.of(&object.uid().unwrap_or_default());
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
    memory: Arc<Memory<EndpointMind>>,
    object: Arc<WebhookEndpoint>,
    /// The request for a fresh observation that this pass has answered.
    answered: Option<String>,
    /// Whether the CRD is going, once this pass has looked.
    definition: Option<bool>,
}

impl Pass<'_> {
    fn writer(&self) -> Writer<'_, WebhookEndpoint> {
        Writer { context: self.context, cache: &self.context.endpoint_cache }
    }

    /// Observe, plan, execute once; `Some` when there is nothing left to do now.
    async fn step(&mut self) -> Result<Option<Done>, PassError> {
        let namespace = self.object.namespace().unwrap_or_default();
        let name = account_kind::of_endpoint(&self.object);
        let account = self.context.accounts.get(&name);
        let realm = account.as_ref().and_then(|account| account.realm.clone());
        self.adjust(realm.as_deref(), account.as_ref().and_then(|account| account.generation));
        let (share, applied) = self.share(&name, &namespace);
        if let Some(handle) = realm.as_ref().filter(|_| share.allows(&self.object, &applied).is_ok()) {
            self.answer(handle).await?;
        }
        let (remote, listed_keys) = realm.as_ref().map(|handle| self.remote(handle)).unwrap_or_default();
        let secret = self.secret(&listed_keys).await?;
        let now = Timestamp::now();
        let policy = policy::of(self.context, &name);
        let losses = self.context.losses.of(&self.object.uid().unwrap_or_default());
        let interval = realm.as_ref().map_or(DEFAULT_INTERVAL, |handle| handle.interval());
        let gaps = self.object.status.iter().flat_map(|status| &status.delivery_gaps);
        let has_gap = gaps.into_iter().any(|gap| gap.to.is_none());
        let own = own_key::shape(realm.as_deref(), self.object.status.as_ref());
        if let Some(handle) = realm.as_ref().filter(|_| own.is_some()) {
            homes::offer(self.context, &self.object, &handle.realm, &secret);
            homes::tell_all(self.context, &self.object, &handle.realm).await?;
        }
        let wants_unsettled = has_gap || own.is_some() && self.object.metadata.deletion_timestamp.is_some();
        let plan = {
            let mind = self.memory.plan();
            let input = EndpointInput {
                object: &self.object,
                account: self.view(&name, account.as_ref(), &namespace),
                remote,
                secret,
                rival: realm.as_ref().and_then(|handle| claims::rival(self.context, &self.object, handle)),
                policy,
                share,
                applied: &applied,
                leaving_subscriptions: claims::leaving(self.context, &self.object, policy.releasing),
                unsettled_subscriptions: if wants_unsettled {
                    claims::unsettled(self.context, &self.object)
                } else {
                    0
                },
                losses: &losses,
                last_alive: self.context.last_alive(interval),
                memory: EndpointMemory { definition_going: self.definition == Some(true), ..mind.plan.clone() },
                process_started: self.context.process_started,
                predecessor: self.context.timing.lease,
                now,
                timing: &self.context.timing.plan,
            };
            match own {
                None => plan::plan(&input),
                Some(shape) => shape.plan(input, realm.as_deref()),
            }
        };
        self.execute(plan, realm, &losses).await
    }

    async fn execute(
        &mut self,
        plan: EndpointPlan,
        handle: Option<Arc<RealmHandle>>,
        losses: &[Loss],
    ) -> Result<Option<Done>, PassError> {
        let mut plan = plan;
        if let Some(answered) = &self.answered {
            plan.status.last_handled_reconcile_at = Some(answered.clone());
        }
        let realm = handle.as_ref().map(|handle| handle.realm.clone());
        match (&plan.step, realm) {
            (EndpointStep::AddFinalizer, _) => {
                self.object = self.writer().add_finalizer(&self.object, REMOTE_FINALIZER).await?;
            }
            (EndpointStep::Acknowledge, realm) => {
                let before = self.object.status.as_ref().and_then(|status| status.pending_create.clone());
                let phase = self.phase();
                self.write_status(&plan, losses).await?;
                self.entered(phase);
                if plan.status.pending_create.is_some() && plan.status.pending_create != before {
                    let mut mind = self.memory.plan();
                    // A new intent forgets what was about the one before, and nothing else.
                    mind.plan.intent_is_mine = true;
                    mind.plan.made = None;
                    mind.plan.unreadable = None;
                    mind.plan.refused = None;
                    mind.plan.second_refused = None;
                    mind.intent = realm.map(|realm| realm.read(Mirror::now));
                }
            }
            (EndpointStep::ListEndpoints, Some(realm)) => {
                realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?;
            }
            (EndpointStep::ListWorld, Some(realm)) => self.list_world(&realm).await?,
            (EndpointStep::ListRows(id), Some(realm)) => self.list_rows(&realm, id).await?,
            (EndpointStep::Create(new), Some(realm)) => {
                let answer = realm.create_endpoint(new).await;
                self.created(answer)?;
            }
            (EndpointStep::Patch(id, patch), Some(realm)) => {
                let answer = realm.patch_endpoint(id, patch).await.map(drop);
                if self.changed(&realm, id, answer, &plan.notes).await? {
                    let (now, timing) = (Timestamp::now(), &self.context.timing.plan);
                    let mut mind = self.memory.plan();
                    plan.corrects.iter().for_each(|field| mind.plan.corrections.record(id, *field, now, timing));
                }
            }
            (EndpointStep::Reactivate(id), Some(realm)) => {
                let patch = EndpointPatch { target_url: None, active: Some(true) };
                let answer = realm.patch_endpoint(id, &patch).await.map(drop);
                if self.changed(&realm, id, answer, &plan.notes).await? {
                    self.memory.plan().plan.reactivated = Some(Timestamp::now());
                }
            }
            (EndpointStep::Delete(_) | EndpointStep::DeleteRows(_), Some(_)) if self.is_first_delete() => {
                self.definition = Some(definition::is_going::<WebhookEndpoint>(self.context).await?);
            }
            (EndpointStep::Delete(id), Some(realm)) => {
                let answer = realm.delete_endpoint(id).await;
                self.deleted(&realm, id, answer).await?;
            }
            (EndpointStep::DeleteRows(rows), Some(realm)) => {
                for row in rows {
                    match realm.delete_row(row).await {
                        Ok(()) | Err(CallError::NotFound) => {}
                        Err(error) => return Err(error.into()),
                    }
                }
                let mut mind = self.memory.plan();
                mind.plan.rows_in_the_way = Some(Vec::new());
                mind.plan.rows_tried = Some(Timestamp::now());
                mind.plan.delete_refused.clear();
            }
            (EndpointStep::Rows(calls), Some(realm)) => self.move_rows(&realm, calls).await?,
            (EndpointStep::PublishSecret(publish), Some(realm)) => self.publish(&realm, publish).await?,
            (EndpointStep::ReleaseSecret, _) => self.release().await?,
            (EndpointStep::RemoveFinalizer, _) => {
                self.context.events.publish(&*self.object, &plan.notes).await;
                self.writer().remove_finalizer(&self.object, REMOTE_FINALIZER).await?;
                return Ok(Some(Done::rest(None)));
            }
            // Steps on the remote side are planned only with a realm; without one there is nothing to do but wait.
            (EndpointStep::Rest, _) | (_, None) => {
                let done = self.rest(&plan, losses).await?;
                if let (Some(order), Some(handle)) = (&plan.test, &handle) {
                    self.start_test(order, &handle.realm);
                }
                return Ok(Some(done));
            }
        }
        Ok(None)
    }

    /// A person asked for a fresh look: list now, once.
    async fn answer(&mut self, handle: &RealmHandle) -> Result<(), PassError> {
        let status = self.object.status.as_ref();
        let handled = status.and_then(|status| status.last_handled_reconcile_at.as_deref());
        let asked = request::unanswered(&*self.object, handled).filter(|asked| self.answered.as_ref() != Some(asked));
        let Some(asked) = asked else { return Ok(()) };
        let (here, leaving) = claims::places(&self.object).unzip();
        self.list_world(&handle.realm).await?;
        for id in leaving.flatten().iter().chain(&here) {
            self.list_rows(&handle.realm, id).await?;
        }
        let mut mind = self.memory.plan();
        mind.secret = LastRead::Unknown;
        mind.plan.refused = None;
        mind.plan.delete_refused.clear();
        mind.plan.test_asked = true;
        drop(mind);
        self.answered = Some(asked);
        Ok(())
    }

    fn is_first_delete(&self) -> bool {
        self.definition.is_none() && self.object.metadata.deletion_timestamp.is_some()
    }

    async fn rest(&mut self, plan: &EndpointPlan, losses: &[Loss]) -> Result<Done, PassError> {
        let counters_only = self.object.status.as_ref().is_some_and(|before| {
            *before != plan.status
                && plan.status
                    == WebhookEndpointStatus {
                        subscriptions: plan.status.subscriptions,
                        delivery_gaps: plan.status.delivery_gaps.clone(),
                        ..before.clone()
                    }
        });
        let now = std::time::Instant::now();
        if counters_only && let Err(left) = self.memory.counters_due(self.context.timing.plan.counters, now) {
            return Ok(Done::rest(Some(plan.again.map_or(left, |again| again.min(left)))));
        }
        self.write_status(plan, losses).await?;
        Ok(Done::rest(plan.again))
    }

    async fn write_status(&mut self, plan: &EndpointPlan, losses: &[Loss]) -> Result<(), PassError> {
        if self.object.status.as_ref() != Some(&plan.status) {
            self.object = self.writer().status(&self.object, &plan.status).await?;
            self.memory.counters_written(std::time::Instant::now());
        }
        self.context.losses.recorded(&self.object.uid().unwrap_or_default(), losses);
        if plan.gap_seconds > 0.0 {
            self.context.metrics.delivery_gap(&object_key(&*self.object), plan.gap_seconds);
        }
        self.context.events.publish(&*self.object, &plan.notes).await;
        Ok(())
    }

    async fn list_world(&self, realm: &Arc<Realm>) -> Result<(), PassError> {
        realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?;
        realm.refresh_practices(Some(realm.read(Mirror::now))).await?;
        Ok(())
    }

    async fn list_rows(&self, realm: &Arc<Realm>, id: &RemoteId) -> Result<(), PassError> {
        // Rows are moved by the names of their practices.
        if realm.read(|mirror| mirror.practice_list().is_none()) {
            realm.refresh_practices(None).await?;
        }
        let former = self.object.status.as_ref().and_then(Pair::of).map(|pair| pair.from);
        match realm.refresh_rows(id, Some(realm.read(Mirror::now))).await {
            Ok(()) if former.as_ref() == Some(id) => self.memory.plan().plan.looked_before_retiring = true,
            Ok(()) => {}
            // The endpoint is not there any more: the endpoint list must say so.
            Err(CallError::NotFound) => realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?,
            Err(error) => return Err(error.into()),
        }
        let mut mind = self.memory.plan();
        if mind.plan.delete_refused.contains_key(id) {
            mind.plan.rows_in_the_way = Some(realm.read(|mirror| mirror.rows_of(id).collect()));
        }
        Ok(())
    }

    fn created(&self, answer: Result<RemoteEndpoint, CallError>) -> Result<(), PassError> {
        let mut mind = self.memory.plan();
        match answer {
            Ok(made) => {
                if made.key.is_none() {
                    let before = mind.plan.unreadable.map_or(0, |(count, _)| count);
                    mind.plan.unreadable = Some((before + 1, Timestamp::now()));
                }
                mind.plan.made = Some(made.id);
            }
            Err(error) if error.ambiguity().is_some() => mind.plan.lost_post = Some(Timestamp::now()),
            Err(error @ (CallError::Rejected { .. } | CallError::NotFound)) => {
                let status = if let CallError::Rejected { status } = error { status } else { 404 };
                let refusal = Some(Refusal { status, at: Timestamp::now() });
                let second = self.object.status.as_ref().is_some_and(|status| status.remote_id.is_some());
                *(if second { &mut mind.plan.second_refused } else { &mut mind.plan.refused }) = refusal;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// After a PATCH: answers whether it was done.
    async fn changed(
        &self,
        realm: &Arc<Realm>,
        id: &RemoteId,
        answer: Result<(), CallError>,
        notes: &[Note],
    ) -> Result<bool, PassError> {
        match answer {
            Ok(()) => {
                self.context.events.publish(&*self.object, notes).await;
                return Ok(true);
            }
            Err(CallError::NotFound) => realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?,
            Err(CallError::Rejected { status }) => {
                let refusal = Some(Refusal { status, at: Timestamp::now() });
                let held = self.object.status.as_ref().and_then(|status| status.remote_id.as_deref());
                let plan = &mut self.memory.plan().plan;
                if held == Some(id.as_str()) {
                    plan.refused = refusal;
                } else {
                    plan.other_refused = refusal;
                }
            }
            Err(error) => return Err(error.into()),
        }
        Ok(false)
    }

    async fn deleted(&self, realm: &Arc<Realm>, id: &RemoteId, answer: Result<(), CallError>) -> Result<(), PassError> {
        match answer {
            Ok(()) => _ = self.memory.plan().deleted.insert(id.clone(), realm.read(Mirror::now)),
            Err(CallError::NotFound) => realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?,
            Err(CallError::Rejected { status }) => {
                let mut mind = self.memory.plan();
                mind.plan.delete_refused.insert(id.clone(), Refusal { status, at: Timestamp::now() });
                // What was in the way before is not what is in the way now.
                mind.plan.rows_in_the_way = None;
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }
}
