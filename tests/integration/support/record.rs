//! Every version of every object of our kinds in one namespace, as a watch sees them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use external_webhooks::api::{
    ClusterProviderAccount, PracticeSyncMonitor, ProviderAccount, WebhookEndpoint, WebhookSubscription,
};
use futures::TryStreamExt;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use serde_json::Value;
use tokio_util::task::AbortOnDropHandle;

/// Kinds that are recorded.
pub const KINDS: [&str; 5] =
    ["ProviderAccount", "WebhookEndpoint", "WebhookSubscription", "PracticeSyncMonitor", CLUSTER_ACCOUNT];

/// The kind that is in no namespace.
pub const CLUSTER_ACCOUNT: &str = "ClusterProviderAccount";

/// One version of one object.
#[derive(Clone, Debug)]
pub struct Object {
    /// Its kind.
    pub kind: &'static str,
    /// All of it.
    pub value: Value,
    /// Whether this is its last version, after which it was gone.
    pub gone: bool,
}

impl Object {
    /// Its name.
    pub fn name(&self) -> &str {
        self.value["metadata"]["name"].as_str().unwrap_or_default()
    }

    /// Its UID.
    pub fn uid(&self) -> &str {
        self.value["metadata"]["uid"].as_str().unwrap_or_default()
    }

    /// Its generation.
    pub fn generation(&self) -> i64 {
        self.value["metadata"]["generation"].as_i64().unwrap_or_default()
    }

    /// Its version, as a number: etcd counts.
    pub fn version(&self) -> u64 {
        self.value["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
    }

    /// Its status.
    pub fn status(&self) -> &Value {
        &self.value["status"]
    }

    /// One condition; null if there is none.
    pub fn condition(&self, kind: &str) -> &Value {
        let mut conditions = self.status()["conditions"].as_array().into_iter().flatten();
        conditions.find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
    }

    /// `status/reason` of a condition.
    pub fn said(&self, kind: &str) -> String {
        let condition = self.condition(kind);
        let text = |field: &str| condition[field].as_str().unwrap_or("-").to_owned();
        format!("{}/{}", text("status"), text("reason"))
    }

    /// The message of a condition.
    pub fn message(&self, kind: &str) -> &str {
        self.condition(kind)["message"].as_str().unwrap_or_default()
    }

    /// Whether the status is about this generation.
    pub fn is_current(&self) -> bool {
        self.status()["observedGeneration"].as_i64() == Some(self.generation())
    }

    /// Whether it is ready as it is declared now.
    pub fn is_ready(&self) -> bool {
        self.is_current() && self.condition("Ready")["status"] == "True"
    }
}

type Versions = Arc<Mutex<Vec<Object>>>;

/// The record of one namespace.
pub struct Recorder {
    versions: Versions,
    _watches: Vec<AbortOnDropHandle<()>>,
}

impl Recorder {
    /// Begins to watch; nothing of ours may be in the namespace yet.
    pub fn start(client: &Client, namespace: &str) -> Self {
        let versions = Versions::default();
        let watch = |resource: ApiResource, kind| {
            let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
            AbortOnDropHandle::new(tokio::spawn(record(api, kind, watcher::Config::default(), versions.clone())))
        };
        let watches = vec![
            watch(ApiResource::erase::<ProviderAccount>(&()), KINDS[0]),
            watch(ApiResource::erase::<WebhookEndpoint>(&()), KINDS[1]),
            watch(ApiResource::erase::<WebhookSubscription>(&()), KINDS[2]),
            watch(ApiResource::erase::<PracticeSyncMonitor>(&()), KINDS[3]),
        ];
        Self { versions, _watches: watches }
    }

    /// The same, and the account of the cluster that has the namespace's name.
    pub fn with_cluster_account(client: &Client, namespace: &str) -> Self {
        let mut recorder = Self::start(client, namespace);
        let resource = ApiResource::erase::<ClusterProviderAccount>(&());
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        let config = watcher::Config::default().fields(&format!("metadata.name={namespace}"));
        let task = tokio::spawn(record(api, CLUSTER_ACCOUNT, config, recorder.versions.clone()));
        recorder._watches.push(AbortOnDropHandle::new(task));
        recorder
    }

    /// Every version so far, oldest first within each kind.
    pub fn versions(&self) -> Vec<Object> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many versions there are so far.
    pub fn count(&self) -> usize {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// The newest version of each object, also of those that are gone.
    pub fn latest(&self) -> BTreeMap<(String, String), Object> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        versions.iter().map(|object| ((object.kind.to_owned(), object.name().to_owned()), object.clone())).collect()
    }

    /// One object, if it is there.
    pub fn get(&self, kind: &str, name: &str) -> Option<Object> {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = versions.iter().rev().find(|object| object.kind == kind && object.name() == name);
        newest.filter(|object| !object.gone).cloned()
    }

    /// Whether a version at least as new was seen.
    pub fn has_seen(&self, kind: &str, name: &str, version: u64) -> bool {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest = versions.iter().rev();
        newest.any(|object| object.kind == kind && object.name() == name && object.version() >= version)
    }
}

async fn record(api: Api<DynamicObject>, kind: &'static str, config: watcher::Config, versions: Versions) {
    let mut events = std::pin::pin!(watcher::watcher(api, config));
    loop {
        let (object, gone) = match events.try_next().await {
            Ok(Some(Event::Apply(object) | Event::InitApply(object))) => (object, false),
            Ok(Some(Event::Delete(object))) => (object, true),
            Ok(Some(Event::Init | Event::InitDone)) | Err(_) => continue,
            Ok(None) => return,
        };
        let mut value = serde_json::to_value(object).unwrap();
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.remove("managedFields");
        }
        versions.lock().unwrap_or_else(PoisonError::into_inner).push(Object { kind, value, gone });
    }
}
