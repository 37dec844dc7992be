//! Writes of finalizers and status, each with the resourceVersion it was planned on: a write planned on an older object
//! is refused by the API server instead of undoing what came between.

use std::sync::Arc;
use std::time::Instant;

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::info;

use super::cache::{Cache, Place};
use super::context::Context;
use super::error::PassError;
use super::kinds::{self, Controlled};
use crate::api::{ConditionType, Reason};
use crate::plan::Note;
use crate::plan::condition::{find, is_true};
use crate::runtime::metrics::{Kind, Verb};

/// Writes for objects of one kind.
pub struct Writer<'a, K: Controlled> {
    /// The context.
    pub context: &'a Context,
    /// The kind's cache.
    pub cache: &'a Cache<K>,
}

impl<K: Controlled> Writer<'_, K> {
    /// Adds a finalizer.
    pub async fn add_finalizer(&self, object: &K, finalizer: &str) -> Result<Arc<K>, PassError> {
        let mut finalizers = object.finalizers().to_vec();
        if finalizers.iter().any(|present| present == finalizer) {
            return Ok(Arc::new(object.clone()));
        }
        finalizers.push(finalizer.to_owned());
        self.patch(object, false, "/metadata/finalizers", json!(finalizers)).await
    }

    /// Takes a finalizer off; an object that is gone already is what was wanted.
    pub async fn remove_finalizer(&self, object: &K, finalizer: &str) -> Result<(), PassError> {
        let mut finalizers = object.finalizers().to_vec();
        finalizers.retain(|present| present != finalizer);
        match self.patch(object, false, "/metadata/finalizers", json!(finalizers)).await {
            Ok(_) | Err(PassError::Gone) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Replaces the status.
    pub async fn status(&self, object: &K, status: &impl Serialize) -> Result<Arc<K>, PassError> {
        let value = serde_json::to_value(status).map_err(|error| PassError::Kube(error.to_string()))?;
        self.await_turn(object, &value)?;
        let written = self.patch(object, true, "/status", value).await?;
        if let Some(note) = tell(object, &written) {
            self.context.events.publish(&*written, &[note]).await;
        }
        Ok(written)
    }

    /// That an outage has lasted is news of every object at the same moment, so it is told in turns (rules.md *Outcomes*).
    fn await_turn(&self, object: &K, status: &Value) -> Result<(), PassError> {
        let outage = [Reason::ProviderUnavailable, Reason::ObservationStale].map(Reason::as_str);
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        let tells = conditions.any(|condition| {
            condition["type"] == "Ready" && condition["reason"].as_str().is_some_and(|reason| outage.contains(&reason))
        });
        let told = find(K::conditions(object), ConditionType::Ready)
            .is_some_and(|ready| outage.contains(&ready.reason.as_str()));
        let account = matches!(K::METRIC, Kind::ProviderAccount | Kind::ClusterProviderAccount);
        if account || !tells || told {
            return Ok(());
        }
        let memory = K::memories(self.context).of(&object.uid().unwrap_or_default());
        let (turns, valid) = (&self.context.outage_turns, self.context.timing.plan.outage_grace);
        memory.outage_turn(turns, valid, Instant::now()).map_err(PassError::Later)
    }

    /// Reads the object as it is now (quorum).
    pub async fn read(&self, object: &K) -> Result<Arc<K>, PassError> {
        let api = self.api(object);
        let fresh = self.context.kube(api.get(&object.name_any())).await?;
        if fresh.uid() != object.uid() {
            return Err(PassError::Gone);
        }
        Ok(kinds::wrote(self.context, self.cache, fresh))
    }

    fn api(&self, object: &K) -> Api<K> {
        <K::Scope as Place>::api(self.context.client.clone(), &object.namespace().unwrap_or_default())
    }

    async fn patch(&self, object: &K, status: bool, path: &str, value: Value) -> Result<Arc<K>, PassError> {
        let patch: json_patch::Patch = serde_json::from_value(json!([
            {"op": "test", "path": "/metadata/uid", "value": object.uid()},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": object.resource_version()},
            {"op": "add", "path": path, "value": value},
        ]))
        .map_err(|error| PassError::Kube(error.to_string()))?;
        let (api, name, params) = (self.api(object), object.name_any(), PatchParams::default());
        let patch = Patch::<()>::Json(patch);
        let written = if status {
            self.context.kube_write(api.patch_status(&name, &params, &patch)).await
        } else {
            self.context.kube_write(api.patch(&name, &params, &patch)).await
        };
        self.context.wrote(K::METRIC, if status { Verb::PatchStatus } else { Verb::Patch });
        Ok(kinds::wrote(self.context, self.cache, written?))
    }
}

/// Whether a person should hear of it although it may end by itself: events are lost meanwhile, or may soon be.
fn is_loud(reason: &str) -> bool {
    let loud = [Reason::ScopeSuspect, Reason::SwitchedOffRemotely, Reason::SecretMissing, Reason::ProviderUnavailable];
    loud.iter().any(|loud| loud.as_str() == reason)
}

/// A change of `Ready`: a log line, or the Event (which is one too) where only a person will help.
fn tell<K: Controlled>(before: &K, after: &K) -> Option<Note> {
    let ready = |object: &K| find(K::conditions(object), ConditionType::Ready).cloned();
    let now = ready(after)?;
    if ready(before).is_some_and(|before| before.status == now.status && before.reason == now.reason) {
        return None;
    }
    if is_true(K::conditions(after), ConditionType::Stalled) || now.status == "False" && is_loud(&now.reason) {
        let reason = Reason::named(&now.reason)?;
        return Some(Note::warning(reason.as_str(), "Reconcile", now.message));
    }
    let (namespace, name) = (after.namespace().unwrap_or_default(), after.name_any());
    info!(kind = K::NAME, namespace, name, ready = now.status, reason = now.reason, "{}", now.message);
    None
}
