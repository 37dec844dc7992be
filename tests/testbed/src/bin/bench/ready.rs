//! Counts objects that are ready, by the API server's own word.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt, watcher};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::Failure;
use crate::stage::Stage;

const KINDS: [&str; 3] = ["WebhookEndpoint", "WebhookSubscription", "PracticeSyncMonitor"];

/// Watches while it lives.
pub struct Ready {
    names: watch::Receiver<HashSet<(String, String)>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Ready {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Ready {
    /// Begins to watch.
    pub fn start(stage: &Stage) -> Self {
        let (sender, names) = watch::channel(HashSet::new());
        let watch = |kind: &'static str| {
            let (api, sender) = (stage.api(kind), sender.clone());
            tokio::spawn(async move {
                let mut events = watcher(api, watcher::Config::default()).default_backoff().applied_objects().boxed();
                while let Some(event) = events.next().await {
                    let Ok(object) = event else { continue };
                    let name = (kind.to_owned(), object.metadata.name.clone().unwrap_or_default());
                    let ready = is_ready(&object);
                    sender.send_if_modified(|names| if ready { names.insert(name) } else { names.remove(&name) });
                }
            })
        };
        let tasks = KINDS.map(watch).into();
        Self { names, tasks }
    }

    /// Waits until this many are ready.
    pub async fn reaches(&self, count: usize, limit: Duration) -> Result<(), Failure> {
        let (mut names, began) = (self.names.clone(), Instant::now());
        let mut told = Instant::now();
        loop {
            let now = names.borrow_and_update().len();
            if now >= count {
                return Ok(());
            }
            if began.elapsed() > limit {
                return Err(format!("only {now} of {count} objects are ready after {} s", limit.as_secs()));
            }
            if told.elapsed() > Duration::from_secs(10) {
                told = Instant::now();
                eprintln!("      {now} of {count} ready after {:.0} s", began.elapsed().as_secs_f64());
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), names.changed()).await;
        }
    }

    /// Waits until this one is ready.
    pub async fn sees(&self, kind: &str, name: &str, limit: Duration) -> Result<(), Failure> {
        let (mut names, wanted) = (self.names.clone(), (kind.to_owned(), name.to_owned()));
        let seen = tokio::time::timeout(limit, names.wait_for(|names| names.contains(&wanted))).await;
        seen.map_err(|_| format!("{kind} {name} is not ready after {} s", limit.as_secs()))?
            .map(drop)
            .map_err(|error| error.to_string())
    }
}

/// `Ready=True` about the present generation.
fn is_ready(object: &DynamicObject) -> bool {
    let status = &object.data["status"];
    let ready = |condition: &serde_json::Value| condition["type"] == "Ready" && condition["status"] == "True";
    status["observedGeneration"].as_i64() == object.metadata.generation
        && status["conditions"].as_array().is_some_and(|conditions| conditions.iter().any(ready))
}
