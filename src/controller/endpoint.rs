//! `WebhookEndpoint`: observe, plan, execute, report.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Weak};

use jiff::Timestamp;
use kube::ResourceExt;

use super::accounts::{AccountEntry, RealmHandle};
use super::claims;
use super::context::{Context, LastRead};
use super::driver::{Done, MAX_STEPS};
use super::error::PassError;
use super::memory::Memory;
use super::secrets;
use super::write::Writer;
use crate::api::endpoint::SubscriptionCounts;
use crate::api::{REMOTE_FINALIZER, WebhookEndpoint, WebhookEndpointStatus};
use crate::plan::create::Candidate;
use crate::plan::endpoint::{
    self as plan, EndpointInput, EndpointMemory, EndpointPlan, EndpointStep, RemoteSide, SecretView,
};
use crate::plan::pairs::Sibling;
use crate::plan::{AccountView, Note, Refusal};
use crate::provider::CallError;
use crate::provider::mirror::{CreateState, Mirror, Seq};
use crate::provider::model::{Absence, RemoteEndpoint, RemoteId, canonical_url};
use crate::provider::realm::Realm;
use crate::signing::SecretText;

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
    /// Generation whose refusals are remembered.
    generation: Option<i64>,
}

/// One pass.
pub async fn pass(context: &Arc<Context>, object: Arc<WebhookEndpoint>) -> Result<Done, PassError> {
    let memory = context.endpoint_memory.of(&object.uid().unwrap_or_default());
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
    memory: Arc<Memory<EndpointMind>>,
    object: Arc<WebhookEndpoint>,
}

impl Pass<'_> {
    fn writer(&self) -> Writer<'_, WebhookEndpoint> {
        Writer { context: self.context, cache: &self.context.endpoint_cache }
    }

    /// Observe, plan, execute once; `Some` when there is nothing left to do now.
    async fn step(&mut self) -> Result<Option<Done>, PassError> {
        let namespace = self.object.namespace().unwrap_or_default();
        let account = self.context.accounts.get(&namespace, &self.object.spec.account_ref.name);
        let realm = account.as_ref().and_then(|account| account.realm.clone());
        self.adjust(realm.as_deref());
        let (remote, listed_keys) = realm.as_ref().map(|handle| self.remote(handle)).unwrap_or_default();
        let secret = self.secret(&listed_keys).await?;
        let now = Timestamp::now();
        let plan = {
            let mind = self.memory.plan();
            plan::plan(&EndpointInput {
                object: &self.object,
                account: self.view(account.as_ref()),
                remote,
                secret,
                rival: realm.as_ref().and_then(|handle| claims::rival(self.context, &self.object, handle)),
                leaving_subscriptions: claims::leaving(self.context, &self.object),
                memory: mind.plan.clone(),
                process_started: self.context.process_started,
                predecessor: self.context.timing.lease,
                now,
                timing: &self.context.timing.plan,
            })
        };
        self.execute(plan, realm).await
    }

    fn view(&self, account: Option<&AccountEntry>) -> AccountView {
        let namespace = self.object.namespace().unwrap_or_default();
        match account {
            Some(account) => account.view(),
            // Its first pass in this process is still to come.
            None if self.context.account_cache.get(&namespace, &self.object.spec.account_ref.name).is_some() => {
                AccountView::Unavailable { long: false }
            }
            None => AccountView::NotFound,
        }
    }

    /// Forgets what a new generation or another realm makes void.
    fn adjust(&self, handle: Option<&RealmHandle>) {
        let mut mind = self.memory.plan();
        if mind.generation != self.object.metadata.generation {
            mind.generation = self.object.metadata.generation;
            mind.plan.refused = None;
            mind.plan.delete_refused = None;
            mind.plan.rows_in_the_way = None;
        }
        let same =
            handle.is_some_and(|handle| mind.realm.upgrade().is_some_and(|realm| Arc::ptr_eq(&realm, &handle.realm)));
        if let (false, Some(handle)) = (same, handle) {
            mind.realm = Arc::downgrade(&handle.realm);
            mind.intent = None;
            mind.deleted.clear();
            mind.plan.refused = None;
            mind.plan.made = None;
        }
    }

    /// The mirror, as far as it concerns this object, and the keys of the remotes it holds or may take.
    fn remote(&self, handle: &RealmHandle) -> (RemoteSide, Vec<SecretText>) {
        let others = claims::held_by_others(self.context, &self.object, &handle.realm.key().origin);
        let mind = self.memory.plan();
        handle.realm.read(|mirror| {
            let status = self.object.status.clone().unwrap_or_default();
            let held_id = status.remote_id.as_deref().map(RemoteId::new);
            let list = mirror.endpoint_list();
            let since =
                |id: &RemoteId| list.is_some_and(|list| mind.deleted.get(id).is_none_or(|at| list.started > *at));
            let removing: Vec<RemoteId> = status.removing.iter().map(RemoteId::new).collect();
            let candidates = self.candidates(mirror, held_id.as_ref(), &removing, &others);
            let held = held_id.as_ref().and_then(|id| mirror.endpoint(id)).cloned();
            let keys = held.iter().chain(candidates.iter().map(|candidate| &candidate.endpoint));
            let keys = keys.filter_map(|endpoint| endpoint.key.clone()).collect();
            let uncertain =
                canonical_url(&self.object.spec.target_url).and_then(|url| match mirror.endpoint_create_state(&url) {
                    CreateState::Uncertain { look_after } => Some(look_after),
                    CreateState::Free | CreateState::InFlight => None,
                });
            let side = RemoteSide {
                listed: list.is_some(),
                listed_since_intent: list.is_some_and(|list| mind.intent.is_none_or(|at| list.started > at)),
                listed_at: list.map(|list| list.at),
                absence: held_id.as_ref().filter(|_| held.is_none()).and_then(|id| absence(mirror, id)),
                gone: held_id.as_ref().is_some_and(|id| held.is_none() && mind.deleted.contains_key(id) && since(id)),
                removing_gone: removing.iter().all(|id| mirror.endpoint(id).is_none() && since(id)),
                removing: removing.into_iter().filter(|id| mirror.endpoint(id).is_some()).collect(),
                rows: held.as_ref().and_then(|endpoint| self.counts(mirror, handle, endpoint)),
                held,
                same_url: candidates,
                uncertain,
            };
            (side, keys)
        })
    }

    fn candidates(
        &self,
        mirror: &Mirror,
        held: Option<&RemoteId>,
        removing: &[RemoteId],
        others: &HashSet<RemoteId>,
    ) -> Vec<Candidate> {
        let Some(url) = canonical_url(&self.object.spec.target_url) else { return Vec::new() };
        let list = mirror.endpoint_list();
        let candidate = |endpoint: &RemoteEndpoint| {
            let id = &endpoint.id;
            // A decision to take or to remove an endpoint rests on a list of its rows as young as the list that shows it.
            let fresh = mirror.row_list(id).is_some_and(|rows| list.is_some_and(|list| rows.started > list.started));
            let known = mirror.saw_created(id) || fresh;
            let taken = others.contains(id) || removing.contains(id);
            Candidate { endpoint: endpoint.clone(), rows: known.then(|| mirror.row_counts(id).total), taken }
        };
        mirror.endpoints_with_url(&url).filter(|endpoint| Some(&endpoint.id) != held).map(candidate).collect()
    }

    fn counts(&self, mirror: &Mirror, handle: &RealmHandle, endpoint: &RemoteEndpoint) -> Option<SubscriptionCounts> {
        if !mirror.row_list_known(&endpoint.id) {
            return None;
        }
        let namespace = self.object.namespace().unwrap_or_default();
        let subscriptions = claims::subscriptions(self.context, &namespace, &self.object.name_any());
        let catalogue = handle.realm.provider().catalogue();
        let declared = |key: &crate::provider::model::RowKey| {
            let practice =
                key.practice.as_deref().map(|key| mirror.practice_by_key(key).map(|practice| &*practice.name));
            subscriptions.iter().any(|subscription| {
                let sibling = Sibling { object: subscription, older: false };
                match practice {
                    None => sibling.declares(None, key, catalogue),
                    Some(Some(name)) => sibling.declares(Some(name), key, catalogue),
                    Some(None) => false,
                }
            })
        };
        let undeclared = mirror.rows_of(&endpoint.id).filter(|row| !declared(&row.key())).count();
        let active = mirror.row_counts(&endpoint.id).active;
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Some(SubscriptionCounts { active: number(active), undeclared: number(undeclared) })
    }

    /// The Secret, read only where nothing that was read before is still true.
    async fn secret(&self, listed: &[SecretText]) -> Result<SecretView, PassError> {
        let known = match &self.memory.plan().secret {
            LastRead::Known(secret) => Some(secret.clone()),
            LastRead::Unknown => None,
        };
        let secret = match known {
            Some(secret) => secret,
            None => {
                let namespace = self.object.namespace().unwrap_or_default();
                let read =
                    secrets::read(self.context, &namespace, &plan::secret_name(&self.object)).await?.map(Arc::new);
                self.memory.plan().secret = LastRead::Known(read.clone());
                read
            }
        };
        Ok(secrets::view(&self.object, secret.as_deref(), listed))
    }

    async fn execute(
        &mut self,
        plan: EndpointPlan,
        handle: Option<Arc<RealmHandle>>,
    ) -> Result<Option<Done>, PassError> {
        let realm = handle.as_ref().map(|handle| handle.realm.clone());
        match (&plan.step, realm) {
            (EndpointStep::AddFinalizer, _) => {
                self.object = self.writer().add_finalizer(&self.object, REMOTE_FINALIZER).await?;
            }
            (EndpointStep::Acknowledge, realm) => {
                let intends = self.object.status.as_ref().is_none_or(|status| status.pending_create.is_none());
                self.write_status(&plan.status, &plan.notes).await?;
                if intends && plan.status.pending_create.is_some() {
                    let mut mind = self.memory.plan();
                    mind.plan = EndpointMemory { intent_is_mine: true, ..EndpointMemory::default() };
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
                self.changed(&realm, id, answer).await?;
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
                mind.plan.delete_refused = None;
            }
            (EndpointStep::PublishSecret(id), Some(realm)) => self.publish(&realm, id).await?,
            (EndpointStep::ReleaseSecret, _) => self.release().await?,
            (EndpointStep::RemoveFinalizer, _) => {
                self.context.events.publish(&*self.object, &plan.notes).await;
                self.writer().remove_finalizer(&self.object, REMOTE_FINALIZER).await?;
                return Ok(Some(Done::rest(None)));
            }
            // Steps on the remote side are planned only with a realm; without one there is nothing to do but wait.
            (EndpointStep::Rest, _) | (_, None) => return self.rest(&plan).await.map(Some),
        }
        Ok(None)
    }

    async fn rest(&mut self, plan: &EndpointPlan) -> Result<Done, PassError> {
        let counters_only = self.object.status.as_ref().is_some_and(|before| {
            *before != plan.status
                && WebhookEndpointStatus { subscriptions: plan.status.subscriptions, ..before.clone() } == plan.status
        });
        let now = std::time::Instant::now();
        if counters_only && let Err(left) = self.memory.counters_due(self.context.timing.plan.counters, now) {
            return Ok(Done::rest(Some(plan.again.map_or(left, |again| again.min(left)))));
        }
        self.write_status(&plan.status, &plan.notes).await?;
        Ok(Done::rest(plan.again))
    }

    async fn write_status(&mut self, status: &WebhookEndpointStatus, notes: &[Note]) -> Result<(), PassError> {
        if self.object.status.as_ref() != Some(status) {
            self.object = self.writer().status(&self.object, status).await?;
            self.memory.counters_written(std::time::Instant::now());
        }
        self.context.events.publish(&*self.object, notes).await;
        Ok(())
    }

    async fn list_world(&self, realm: &Arc<Realm>) -> Result<(), PassError> {
        realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?;
        realm.refresh_practices(Some(realm.read(Mirror::now))).await?;
        Ok(())
    }

    async fn list_rows(&self, realm: &Arc<Realm>, id: &RemoteId) -> Result<(), PassError> {
        match realm.refresh_rows(id, Some(realm.read(Mirror::now))).await {
            Ok(()) => {}
            // The endpoint is not there any more: the endpoint list must say so.
            Err(CallError::NotFound) => realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?,
            Err(error) => return Err(error.into()),
        }
        let mut mind = self.memory.plan();
        if mind.plan.delete_refused.is_some() {
            mind.plan.rows_in_the_way = Some(realm.read(|mirror| mirror.rows_of(id).collect()));
        }
        Ok(())
    }

    fn created(&self, answer: Result<RemoteEndpoint, CallError>) -> Result<(), PassError> {
        let mut mind = self.memory.plan();
        match answer {
            Ok(made) => mind.plan.made = Some(made.id),
            Err(error) if error.ambiguity().is_some() => mind.plan.lost_post = Some(Timestamp::now()),
            Err(CallError::Rejected { status }) => mind.plan.refused = Some(Refusal { status, at: Timestamp::now() }),
            Err(CallError::NotFound) => mind.plan.refused = Some(Refusal { status: 404, at: Timestamp::now() }),
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn changed(&self, realm: &Arc<Realm>, id: &RemoteId, answer: Result<(), CallError>) -> Result<(), PassError> {
        match answer {
            Ok(()) => {
                let text = format!("remote endpoint {id} was changed to what the spec declares");
                self.context.events.publish(&*self.object, &[Note::normal("Updated", "Update", text)]).await;
            }
            Err(CallError::NotFound) => realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?,
            Err(CallError::Rejected { status }) => {
                self.memory.plan().plan.refused = Some(Refusal { status, at: Timestamp::now() });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn deleted(&self, realm: &Arc<Realm>, id: &RemoteId, answer: Result<(), CallError>) -> Result<(), PassError> {
        match answer {
            Ok(()) => _ = self.memory.plan().deleted.insert(id.clone(), realm.read(Mirror::now)),
            Err(CallError::NotFound) => realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?,
            Err(CallError::Rejected { status }) => {
                self.memory.plan().plan.delete_refused = Some(Refusal { status, at: Timestamp::now() });
            }
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    async fn publish(&self, realm: &Realm, id: &RemoteId) -> Result<(), PassError> {
        let key = realm.read(|mirror| mirror.endpoint(id).and_then(|endpoint| endpoint.key.clone()));
        let before = match &self.memory.plan().secret {
            LastRead::Known(secret) => secret.clone(),
            LastRead::Unknown => None,
        };
        let Some(key) = key else { return Err(PassError::Conflict) };
        let written = secrets::publish(self.context, &self.object, before.as_deref(), &key).await;
        self.memory.plan().secret = match &written {
            Ok(_) => LastRead::Unknown,
            Err(_) => LastRead::Unknown,
        };
        self.memory.plan().secret = LastRead::Known(Some(Arc::new(written?)));
        let text = format!("the signing key of remote endpoint {id} is in the Secret");
        self.context.events.publish(&*self.object, &[Note::normal("SecretPublished", "Publish", text)]).await;
        Ok(())
    }

    async fn release(&self) -> Result<(), PassError> {
        let before = match &self.memory.plan().secret {
            LastRead::Known(Some(secret)) => secret.clone(),
            _ => return Err(PassError::Conflict),
        };
        let written = secrets::release(self.context, &self.object, &before).await;
        self.memory.plan().secret = LastRead::Unknown;
        match written {
            Ok(_) | Err(PassError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// What plans see of an absence: the run of lists with a witness where there is one.
fn absence(mirror: &Mirror, id: &RemoteId) -> Option<Absence> {
    let absence = mirror.absence(id)?;
    Some(match absence.witnessed_run {
        Some(run) => Absence { first: run.first, last: run.last, lists: run.lists, witnessed: true },
        None => Absence { first: absence.first, last: absence.last, lists: absence.lists, witnessed: false },
    })
}
