//! Kubernetes Events, each also a log line. Publishing one never fails a pass: an API server that refuses Events must not stop the work.

use std::time::Duration;

use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::{Client, Resource, ResourceExt};
use tracing::{debug, info, warn};

use crate::plan::Note;

/// Publishes Events; one per process, because it folds repeats together.
pub struct Events {
    recorder: Recorder,
    /// Longest that one may take. Passes wait for it, and an API server that never answers must not stop them.
    deadline: Duration,
}

impl Events {
    /// Reports as this process.
    pub fn new(client: Client, instance: Option<String>, deadline: Duration) -> Self {
        let reporter = Reporter { controller: "external-webhooks".into(), instance };
        Self { recorder: Recorder::new(client, reporter), deadline }
    }

    /// Publishes notes about an object.
    pub async fn publish<K: Resource<DynamicType = ()>>(&self, object: &K, notes: &[Note]) {
        for note in notes {
            let (kind, namespace, name) = (K::kind(&()), object.namespace().unwrap_or_default(), object.name_any());
            if note.warning {
                warn!(%kind, namespace, name, event = note.reason, "{}", note.text);
            } else {
                info!(%kind, namespace, name, event = note.reason, "{}", note.text);
            }
            let event = Event {
                type_: if note.warning { EventType::Warning } else { EventType::Normal },
                reason: note.reason.to_owned(),
                note: Some(note.text.chars().take(1000).collect()),
                action: note.action.to_owned(),
                secondary: None,
            };
            let object = object.object_ref(&());
            match tokio::time::timeout(self.deadline, self.recorder.publish(&event, &object)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => debug!(%error, "an Event was not taken"),
                Err(_) => debug!("an Event was not taken in time"),
            }
        }
    }
}
