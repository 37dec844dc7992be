//! Objects as last seen by the watch or as last written by us, whichever is newer.
//!
//! After a write the watch lags behind; a pass that planned on the older object would repeat a step. Every object that
//! the API server returned from a write of ours is therefore preferred until the watch has caught up.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::NamespaceResourceScope;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

/// What a kind must be to have a controller.
pub trait Kind:
    Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
    + Serialize
    + Send
    + Sync
    + 'static
{
}

impl<K> Kind for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize
        + Send
        + Sync
        + 'static
{
}

/// One watched scope: a namespace, or (`None`) all of them.
pub struct Watched<K: Kind> {
    /// The namespace.
    pub namespace: Option<String>,
    /// What the watch saw.
    pub store: Store<K>,
    /// Wakes an object of this scope.
    pub wake: UnboundedSender<ObjectRef<K>>,
    /// Cancelled once the first list is in the store. Not [`Store::wait_until_ready`], which wakes only the last of
    /// several tasks that wait for it.
    pub filled: CancellationToken,
}

/// All objects of one kind.
pub struct Cache<K: Kind> {
    watched: Vec<Watched<K>>,
    written: Mutex<HashMap<String, Arc<K>>>,
}

impl<K: Kind> Cache<K> {
    /// Over these scopes.
    pub fn new(watched: Vec<Watched<K>>) -> Self {
        Self { watched, written: Mutex::default() }
    }

    /// Waits until every watch has delivered its first list.
    pub async fn synced(&self) {
        for watched in &self.watched {
            watched.filled.cancelled().await;
        }
    }

    /// Remembers what the API server returned from a write.
    pub fn wrote(&self, object: K) -> Arc<K> {
        let object = Arc::new(object);
        if let Some(uid) = object.uid() {
            self.lock().insert(uid, object.clone());
        }
        object
    }

    /// The newest version known.
    pub fn latest(&self, seen: Arc<K>) -> Arc<K> {
        let Some(uid) = seen.meta().uid.as_deref() else { return seen };
        let mut written = self.lock();
        match written.get(uid) {
            Some(object) if is_newer(&**object, &*seen) => object.clone(),
            Some(_) => {
                written.remove(uid);
                seen
            }
            None => seen,
        }
    }

    /// An object by name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.seen(namespace, name).map(|object| self.latest(object))
    }

    /// An object by name as the watch last saw it, whatever we have written since.
    pub fn seen(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let reference = ObjectRef::<K>::new(name).within(namespace);
        let mut watched = self.watched.iter().filter(|watched| watched.covers(namespace));
        watched.find_map(|watched| watched.store.get(&reference))
    }

    /// Every object.
    pub fn all(&self) -> Vec<Arc<K>> {
        let seen = self.watched.iter().flat_map(|watched| watched.store.state());
        if self.lock().is_empty() { seen.collect() } else { seen.map(|object| self.latest(object)).collect() }
    }

    /// UIDs of what one watch knows.
    pub fn seen_in(&self, namespace: Option<&str>) -> Vec<Arc<K>> {
        let watched = self.watched.iter().filter(|watched| watched.namespace.as_deref() == namespace);
        watched.flat_map(|watched| watched.store.state()).collect()
    }

    /// Every object of a namespace.
    pub fn of_namespace(&self, namespace: &str) -> Vec<Arc<K>> {
        let mut objects = self.all();
        objects.retain(|object| object.meta().namespace.as_deref() == Some(namespace));
        objects
    }

    /// Plans an object again.
    pub fn wake(&self, object: &K) {
        let Some(namespace) = object.meta().namespace.as_deref() else { return };
        for watched in self.watched.iter().filter(|watched| watched.covers(namespace)) {
            // Fails only when the controller has ended, and then nobody need be woken.
            let _ = watched.wake.unbounded_send(ObjectRef::from_obj(object));
        }
    }

    /// The object is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<K>>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Kind> Watched<K> {
    fn covers(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }
}

/// Resource versions of one kind grow as numbers; where they are not numbers the watch is believed.
fn is_newer<K: Resource>(a: &K, b: &K) -> bool {
    let number = |object: &K| object.meta().resource_version.as_deref()?.parse::<u128>().ok();
    matches!((number(a), number(b)), (Some(a), Some(b)) if a > b)
}
