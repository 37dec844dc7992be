//! Objects as last seen by the watch or as last written by us, whichever is newer, and who has which property.
//!
//! After a write the watch lags behind; a pass that planned on the older object would repeat a step. What the API server
//! returned from a write of ours is therefore put here at once, and an older event of the watch is not believed.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::index::{Index, Key};
use super::memory::lock;
use super::queue::{Action, Queue, Urgency};

/// Where the objects of a kind are: in namespaces, or in the cluster.
pub trait Place {
    /// The API of one namespace; of a kind without namespaces, of all objects.
    fn api<K: Resource<DynamicType = (), Scope = Self>>(client: Client, namespace: &str) -> Api<K>;
}

impl Place for NamespaceResourceScope {
    fn api<K: Resource<DynamicType = (), Scope = Self>>(client: Client, namespace: &str) -> Api<K> {
        Api::namespaced(client, namespace)
    }
}

impl Place for ClusterResourceScope {
    fn api<K: Resource<DynamicType = (), Scope = Self>>(client: Client, _: &str) -> Api<K> {
        Api::all(client)
    }
}

/// What a kind must be to have a controller.
pub trait Kind:
    Resource<DynamicType = (), Scope: Place> + Clone + Debug + DeserializeOwned + Serialize + Send + Sync + 'static
{
    /// The properties that objects of this kind are looked for by.
    fn keys(&self) -> Vec<Key>;

    /// Lets go of room that its lists were given for growing: an object at rest does not grow.
    fn shrink(&mut self);
}

/// All objects of one kind.
pub struct Cache<K: Kind> {
    /// One for each watch, cancelled once its first list is in here.
    filled: Vec<CancellationToken>,
    state: Mutex<State<K>>,
    queue: Queue,
}

struct State<K> {
    names: HashMap<Name, u32>,
    places: Vec<Option<Slot<K>>>,
    free: Vec<u32>,
    index: Index,
}

/// Namespace and name.
type Name = (Box<str>, Box<str>);

struct Slot<K> {
    object: Arc<K>,
    /// The last list of its watch that showed it.
    listed: u64,
}

/// What became of a version of an object.
pub enum Put<K> {
    /// It is news; this was known before.
    News {
        /// The version before, of the same object.
        before: Option<Arc<K>>,
        /// What is known now.
        now: Arc<K>,
        /// An object that had the name before and must be gone.
        replaced: Option<Arc<K>>,
    },
    /// This very version or a newer one was known.
    Known(Arc<K>),
}

impl<K: Kind> Cache<K> {
    /// Of this many watches.
    pub fn new(watches: usize) -> Self {
        let state = State { names: HashMap::new(), places: Vec::new(), free: Vec::new(), index: Index::default() };
        let filled = std::iter::repeat_with(CancellationToken::new).take(watches).collect();
        Self { filled, state: Mutex::new(state), queue: Queue::default() }
    }

    /// Waits until every watch has delivered its first list.
    pub async fn synced(&self) {
        for filled in &self.filled {
            filled.cancelled().await;
        }
    }

    /// A watch has delivered a list.
    pub fn fill(&self, watch: usize) {
        if let Some(filled) = self.filled.get(watch) {
            filled.cancel();
        }
    }

    /// A watch shows an object; `list` numbers its lists.
    pub fn see(&self, object: K, list: u64) -> Put<K> {
        let mut state = lock(&self.state);
        let name = name_of(&object);
        let place = state.names.get(&name).copied();
        let known = place.and_then(|place| state.at_mut(place));
        if let Some(known) = known {
            known.listed = list;
            if known.object.meta().uid == object.meta().uid {
                return state.renew(place, object);
            }
        }
        let replaced = place.and_then(|place| state.take(place));
        let place = state.free.pop().unwrap_or_else(|| {
            state.places.push(None);
            u32::try_from(state.places.len() - 1).unwrap_or(u32::MAX)
        });
        let now = Arc::new(object);
        state.index.replace(place, Vec::new(), now.keys());
        state.names.insert(name, place);
        if let Some(slot) = state.places.get_mut(place as usize) {
            *slot = Some(Slot { object: now.clone(), listed: list });
        }
        Put::News { before: None, now, replaced }
    }

    /// The API server returned this from a write or a read of ours. An object that the watch has not shown yet, or shows
    /// no more, is not kept.
    pub fn wrote(&self, object: K) -> Put<K> {
        let mut state = lock(&self.state);
        let place = state.names.get(&name_of(&object)).copied();
        match place.and_then(|place| state.at_mut(place)) {
            Some(known) if known.object.meta().uid == object.meta().uid => state.renew(place, object),
            _ => Put::Known(Arc::new(object)),
        }
    }

    /// The newest version known of an object.
    pub fn latest(&self, seen: Arc<K>) -> Arc<K> {
        let known = self.get(&seen.namespace().unwrap_or_default(), &seen.name_any());
        known.filter(|known| known.meta().uid == seen.meta().uid).unwrap_or(seen)
    }

    /// An object by name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let state = lock(&self.state);
        let place = state.names.get(&(Box::from(namespace), Box::from(name)))?;
        state.at(*place).cloned()
    }

    /// Every object.
    pub fn all(&self) -> Vec<Arc<K>> {
        lock(&self.state).places.iter().flatten().map(|place| place.object.clone()).collect()
    }

    /// Objects with this property, and perhaps others: the property must be checked.
    pub fn find(&self, key: Key) -> Vec<Arc<K>> {
        self.find_any(&[key])
    }

    /// Objects with any of these properties, each once, and perhaps others.
    pub fn find_any(&self, keys: &[Key]) -> Vec<Arc<K>> {
        let state = lock(&self.state);
        let mut places: Vec<u32> = keys.iter().flat_map(|key| state.index.get(*key)).collect();
        places.sort_unstable();
        places.dedup();
        places.into_iter().filter_map(|place| state.at(place).cloned()).collect()
    }

    /// How many objects have this property, and perhaps others: no fewer than there are.
    pub fn count(&self, key: Key) -> usize {
        lock(&self.state).index.count(key)
    }

    /// Takes out what was not in this list of its watch, which covers a namespace or (`None`) all.
    pub fn take_unlisted(&self, namespace: Option<&str>, list: u64) -> Vec<Arc<K>> {
        let mut state = lock(&self.state);
        let covered = |place: &Slot<K>| {
            namespace.is_none_or(|namespace| place.object.meta().namespace.as_deref() == Some(namespace))
        };
        let unlisted =
            |place: &Option<Slot<K>>| place.as_ref().is_some_and(|place| covered(place) && place.listed != list);
        let places = state.places.iter().enumerate().filter(|(_, place)| unlisted(place));
        let places: Vec<u32> = places.filter_map(|(number, _)| u32::try_from(number).ok()).collect();
        places.into_iter().filter_map(|place| state.take(place)).collect()
    }

    /// Takes out an object that is gone.
    pub fn take(&self, object: &K) -> Option<Arc<K>> {
        let mut state = lock(&self.state);
        let place = *state.names.get(&name_of(object))?;
        let same = state.at(place).is_some_and(|known| known.meta().uid == object.meta().uid);
        if same { state.take(place) } else { None }
    }

    /// Plans an object again.
    pub fn wake(&self, object: &K) {
        self.wake_within(object, Duration::ZERO);
    }

    /// Plans an object again, after this time at the latest.
    pub fn wake_within(&self, object: &K, after: Duration) {
        let found = {
            let state = lock(&self.state);
            let place = state.names.get(&name_of(object)).copied();
            place.map(|place| (place, state.urgency(place)))
        };
        if let Some((place, urgency)) = found {
            self.queue.wake(place, urgency, after);
        }
    }

    /// The next object to be planned that is as urgent as `least`, and its ticket for [`Cache::planned`]. For one caller at
    /// a time.
    pub async fn next(&self, least: Urgency) -> (u32, Arc<K>) {
        loop {
            let place = self.queue.next(least).await;
            let object = lock(&self.state).at(place).cloned();
            match object {
                Some(object) => return (place, object),
                None => self.queue.done(place, Urgency::Usual, Action::await_change()),
            }
        }
    }

    /// The pass is over.
    pub fn planned(&self, ticket: u32, action: Action) {
        let urgency = lock(&self.state).urgency(ticket);
        self.queue.done(ticket, urgency, action);
    }
}

impl<K: Kind> State<K> {
    fn at(&self, place: u32) -> Option<&Arc<K>> {
        self.places.get(place as usize)?.as_ref().map(|place| &place.object)
    }

    fn urgency(&self, place: u32) -> Urgency {
        let going = self.at(place).is_some_and(|object| object.meta().deletion_timestamp.is_some());
        if going { Urgency::Going } else { Urgency::Usual }
    }

    fn at_mut(&mut self, place: u32) -> Option<&mut Slot<K>> {
        self.places.get_mut(place as usize)?.as_mut()
    }

    /// Another version of an object that is known.
    fn renew(&mut self, place: Option<u32>, object: K) -> Put<K> {
        let slot = place.and_then(|place| Some((place, self.places.get_mut(place as usize)?.as_mut()?)));
        let Some((place, known)) = slot else { return Put::Known(Arc::new(object)) };
        if !is_news(&object, &known.object) {
            return Put::Known(known.object.clone());
        }
        let now = Arc::new(object);
        let before = std::mem::replace(&mut known.object, now.clone());
        self.index.replace(place, before.keys(), now.keys());
        Put::News { before: Some(before), now, replaced: None }
    }

    fn take(&mut self, place: u32) -> Option<Arc<K>> {
        let taken = self.places.get_mut(place as usize)?.take()?.object;
        self.index.replace(place, taken.keys(), Vec::new());
        self.names.remove(&name_of(&*taken));
        self.free.push(place);
        Some(taken)
    }
}

fn name_of<K: Resource>(object: &K) -> Name {
    let meta = object.meta();
    (meta.namespace.as_deref().unwrap_or_default().into(), meta.name.as_deref().unwrap_or_default().into())
}

fn is_news<K: Resource>(object: &K, known: &K) -> bool {
    is_newer(object.meta().resource_version.as_deref(), known.meta().resource_version.as_deref())
}

/// Whether an object at this version is newer than what was known (`None`: it is not there). Resource versions of one kind
/// grow as numbers; where they are not numbers whatever comes last is believed.
pub fn is_newer(now: Option<&str>, known: Option<&str>) -> bool {
    let number = |version: Option<&str>| version?.parse::<u128>().ok();
    match (number(now), number(known)) {
        (Some(now), Some(known)) => now > known,
        _ => now != known,
    }
}
