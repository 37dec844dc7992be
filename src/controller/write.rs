//! Writes of finalizers and status, each with the resourceVersion it was planned on: a write planned on an older object
//! is refused by the API server instead of undoing what came between.

use std::sync::Arc;

use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::cache::Cache;
use super::context::Context;
use super::error::PassError;
use super::kinds::Controlled;
use crate::api::ConditionType;
use crate::plan::condition::{find, is_true};
use crate::runtime::metrics::Verb;

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
        let written = self.patch(object, true, "/status", value).await?;
        tell(object, &written);
        Ok(written)
    }

    /// Reads the object as it is now (quorum).
    pub async fn read(&self, object: &K) -> Result<Arc<K>, PassError> {
        let api = self.api(object);
        let fresh = self.context.kube(api.get(&object.name_any())).await?;
        if fresh.uid() != object.uid() {
            return Err(PassError::Gone);
        }
        Ok(self.cache.wrote(fresh))
    }

    fn api(&self, object: &K) -> Api<K> {
        Api::namespaced(self.context.client.clone(), &object.namespace().unwrap_or_default())
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
            self.context.kube(api.patch_status(&name, &params, &patch)).await
        } else {
            self.context.kube(api.patch(&name, &params, &patch)).await
        };
        self.context.wrote(K::METRIC, if status { Verb::PatchStatus } else { Verb::Patch });
        Ok(self.cache.wrote(written?))
    }
}

/// Logs a change of `Ready`: whoever has only the log reads there what `kubectl describe` would say.
fn tell<K: Controlled>(before: &K, after: &K) {
    let ready = |object: &K| find(K::conditions(object), ConditionType::Ready).cloned();
    let Some(now) = ready(after) else { return };
    if ready(before).is_some_and(|before| before.status == now.status && before.reason == now.reason) {
        return;
    }
    let (namespace, name) = (after.namespace().unwrap_or_default(), after.name_any());
    let (ready, reason, text) = (now.status, now.reason, now.message);
    if is_true(K::conditions(after), ConditionType::Stalled) {
        warn!(kind = K::NAME, namespace, name, ready, reason, "{text}");
    } else {
        info!(kind = K::NAME, namespace, name, ready, reason, "{text}");
    }
}
