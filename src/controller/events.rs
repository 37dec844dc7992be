//! Kubernetes Events, each also a log line. Publishing one never fails a pass: an API server that refuses Events must not stop the work.
//!
//! What repeats itself is counted in the series of one Event. Only the last few are remembered for that: thousands of
//! objects make an Event each, once.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Patch, PatchParams, PostParams};
use kube::core::ObjectMeta;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, info, warn};

use super::index::Key;
use super::memory::lock;
use crate::plan::Note;

/// Who reports.
const CONTROLLER: &str = "external-webhooks";
/// How many Events are remembered, so that a repeat is counted instead of written anew.
const REMEMBERED: usize = 256;
/// For how long.
const REPEATS: Duration = Duration::from_secs(360);
/// Events that wait behind passes; whoever adds one more waits.
const WAITING: usize = 512;
/// Of them, how many are written at the same time.
const AT_ONCE: usize = 4;
/// How long one may take: a pass waits for some of them.
const DEADLINE: Duration = Duration::from_secs(10);
/// Longest note that the API server takes is 1024 bytes.
const NOTE: usize = 1000;

/// Publishes Events; one per process, because it counts repeats.
pub struct Events {
    publisher: Arc<Publisher>,
    waiting: mpsc::Sender<(ObjectReference, Note)>,
}

struct Publisher {
    client: Client,
    instance: String,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    events: HashMap<Key, Known>,
    /// In the order of their first publication.
    order: VecDeque<Key>,
}

/// An Event that was written.
#[derive(Clone)]
struct Known {
    name: String,
    count: i32,
    last: Instant,
}

impl Events {
    /// Reports as this process. What waits is written by one of `tasks`, also what is left when `end` comes.
    pub fn new(client: Client, instance: Option<String>, tasks: &TaskTracker, end: CancellationToken) -> Self {
        let instance = instance.unwrap_or_else(|| CONTROLLER.to_owned());
        let publisher = Arc::new(Publisher { client, instance, seen: Mutex::default() });
        let (waiting, queue) = mpsc::channel(WAITING);
        tasks.spawn(drain(publisher.clone(), queue, end));
        Self { publisher, waiting }
    }

    /// Publishes notes about an object and waits until they are.
    pub async fn publish<K: Resource<DynamicType = ()>>(&self, object: &K, notes: &[Note]) {
        for note in notes {
            tell(object, note);
            self.publisher.publish(&object.object_ref(&()), note).await;
        }
    }

    /// Publishes notes about an object when there is time: nothing waits for them.
    pub async fn publish_later<K: Resource<DynamicType = ()>>(&self, object: &K, notes: Vec<Note>) {
        for note in notes {
            tell(object, &note);
            // Refused only at the end of the process.
            let _ = self.waiting.send((object.object_ref(&()), note)).await;
        }
    }
}

fn tell<K: Resource<DynamicType = ()>>(object: &K, note: &Note) {
    let (kind, namespace, name) = (K::kind(&()), object.namespace().unwrap_or_default(), object.name_any());
    if note.warning {
        warn!(%kind, namespace, name, event = note.reason, "{}", note.text);
    } else {
        info!(%kind, namespace, name, event = note.reason, "{}", note.text);
    }
}

async fn drain(publisher: Arc<Publisher>, mut queue: mpsc::Receiver<(ObjectReference, Note)>, end: CancellationToken) {
    let events = futures::stream::poll_fn(|context| {
        if end.is_cancelled() {
            queue.close();
        }
        queue.poll_recv(context)
    });
    let write = |(object, note): (ObjectReference, Note)| {
        let publisher = publisher.clone();
        async move { publisher.publish(&object, &note).await }
    };
    let all = events.for_each_concurrent(AT_ONCE, write);
    tokio::pin!(all);
    tokio::select! {
        () = &mut all => return,
        () = end.cancelled() => {}
    }
    // Polled once more, it sees the end and takes only what waits already.
    all.await;
}

impl Publisher {
    async fn publish(&self, object: &ObjectReference, note: &Note) {
        match tokio::time::timeout(DEADLINE, self.write(object, note)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => debug!(%error, "an Event was not taken"),
            Err(_) => debug!("an Event was not taken in time"),
        }
    }

    async fn write(&self, object: &ObjectReference, note: &Note) -> kube::Result<()> {
        let api: Api<Event> = Api::namespaced(self.client.clone(), home(object));
        let text = shortened(&note.text);
        // The text too: the API server lets nobody change the note of an Event, and refuses a repeat that would.
        let key = Key::of((&object.uid, note.warning, note.reason, note.action, &text));
        let now = jiff::Timestamp::now();
        let known = lock(&self.seen).repeats(key, Instant::now());
        if let Some(known) = known {
            let series = json!({"count": known.count, "lastObservedTime": MicroTime(now)});
            let patch = Patch::Merge(json!({"series": series}));
            match api.patch(&known.name, &PatchParams::default(), &patch).await {
                // It has expired meanwhile.
                Err(kube::Error::Api(status)) if status.is_not_found() => {}
                written => return written.map(drop),
            }
        }
        self.create(&api, key, event(object, note, text, &self.instance, now)).await
    }

    async fn create(&self, api: &Api<Event>, key: Key, event: Event) -> kube::Result<()> {
        let name = event.name_any();
        api.create(&PostParams::default(), &event).await?;
        lock(&self.seen).remember(key, name, Instant::now());
        Ok(())
    }
}

/// The namespace of an Event: that of its object, and for one of the cluster the one where Kubernetes wants it.
fn home(object: &ObjectReference) -> &str {
    object.namespace.as_deref().unwrap_or("default")
}

fn shortened(text: &str) -> String {
    let mut end = text.len().min(NOTE);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn event(object: &ObjectReference, note: &Note, text: String, instance: &str, now: jiff::Timestamp) -> Event {
    let about = object.name.as_deref().unwrap_or(CONTROLLER);
    Event {
        metadata: ObjectMeta {
            namespace: Some(home(object).to_owned()),
            name: Some(format!("{about}.{:x}", now.as_nanosecond())),
            ..ObjectMeta::default()
        },
        action: Some(note.action.to_owned()),
        reason: Some(note.reason.to_owned()),
        type_: Some(if note.warning { "Warning" } else { "Normal" }.to_owned()),
        note: Some(text),
        event_time: Some(MicroTime(now)),
        regarding: Some(object.clone()),
        reporting_controller: Some(CONTROLLER.to_owned()),
        reporting_instance: Some(instance.to_owned()),
        ..Event::default()
    }
}

impl Seen {
    /// The Event that this one repeats, counted.
    fn repeats(&mut self, key: Key, now: Instant) -> Option<Known> {
        let known = self.events.get_mut(&key).filter(|known| now.saturating_duration_since(known.last) < REPEATS)?;
        known.count = known.count.saturating_add(1);
        known.last = now;
        Some(known.clone())
    }

    fn remember(&mut self, key: Key, name: String, now: Instant) {
        if self.events.insert(key, Known { name, count: 1, last: now }).is_none() {
            self.order.push_back(key);
        }
        while self.order.len() > REMEMBERED {
            let oldest = self.order.pop_front();
            oldest.and_then(|oldest| self.events.remove(&oldest));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeats_are_counted_and_only_the_last_events_are_remembered() {
        let (mut seen, start) = (Seen::default(), Instant::now());
        assert!(seen.repeats(Key::of(0_usize), start).is_none());
        for number in 0..=REMEMBERED {
            seen.remember(Key::of(number), format!("event {number}"), start);
        }
        assert!(seen.repeats(Key::of(0_usize), start).is_none(), "forgotten");
        let second = seen.repeats(Key::of(7_usize), start).unwrap();
        assert_eq!((second.name.as_str(), second.count), ("event 7", 2));
        assert_eq!(seen.repeats(Key::of(7_usize), start + REPEATS / 2).unwrap().count, 3);
        assert!(seen.repeats(Key::of(7_usize), start + REPEATS * 2).is_none(), "a new Event after a while");
        assert_eq!((seen.events.len(), seen.order.len()), (REMEMBERED, REMEMBERED));
    }

    #[test]
    fn a_note_is_cut_between_letters() {
        assert_eq!(shortened("short"), "short");
        let long = "ä".repeat(NOTE);
        assert_eq!(shortened(&long).len(), NOTE);
        assert_eq!(shortened(&format!("x{long}")).len(), NOTE - 1);
    }
}
