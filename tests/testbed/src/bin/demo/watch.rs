//! Prints conditions as they change, beside what the scene says.

use std::collections::HashMap;
use std::time::Instant;

use futures::{StreamExt, TryStreamExt};
use kube::api::{ApiResource, DynamicObject};
use kube::core::GroupVersionKind;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::task::JoinSet;

use crate::examples::NAMESPACE;
use crate::narrator::{Style, print, seconds};

const KINDS: [&str; 4] = ["ProviderAccount", "WebhookEndpoint", "WebhookSubscription", "PracticeSyncMonitor"];
/// Told by the others: work under way, and what never fails here.
const SILENT: [&str; 2] = ["Reconciling", "KnownEvents"];

/// Prints until it is dropped.
pub struct Watch {
    _tasks: JoinSet<()>,
}

impl Watch {
    pub fn start(client: &Client, style: Style) -> Self {
        let (mut tasks, begun) = (JoinSet::new(), Instant::now());
        for kind in KINDS {
            tasks.spawn(one_kind(client.clone(), kind, style, begun));
        }
        Self { _tasks: tasks }
    }
}

async fn one_kind(client: Client, kind: &'static str, style: Style, begun: Instant) {
    let gvk = GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind);
    let resource = ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", kind.to_lowercase()));
    let api: Api<DynamicObject> = Api::namespaced_with(client, NAMESPACE, &resource);
    let mut events = watcher(api, watcher::Config::default()).boxed();
    let mut seen: HashMap<(String, String), String> = HashMap::new();
    loop {
        match events.try_next().await {
            Ok(Some(Event::Apply(object) | Event::InitApply(object))) => {
                for (condition, text) in changed(&object, &mut seen) {
                    line(begun, kind, &object.name_any(), &format!("{condition:<16} {}", dress(style, &text)));
                }
            }
            Ok(Some(Event::Delete(object))) => {
                seen.retain(|(name, _), _| *name != object.name_any());
                line(begun, kind, &object.name_any(), "gone");
            }
            Ok(Some(Event::Init | Event::InitDone)) => {}
            // The demo's checks do not rest on what is printed here.
            Ok(None) | Err(_) => tokio::time::sleep(std::time::Duration::from_millis(200)).await,
        }
    }
}

/// Conditions that are not as they were.
fn changed(object: &DynamicObject, seen: &mut HashMap<(String, String), String>) -> Vec<(String, String)> {
    let mut changes = Vec::new();
    for condition in object.data["status"]["conditions"].as_array().into_iter().flatten() {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let (kind, now) = (text("type").to_owned(), format!("{:<8}{}", text("status"), text("reason")));
        if SILENT.contains(&kind.as_str()) {
            continue;
        }
        let before = seen.insert((object.name_any(), kind.clone()), now.clone());
        if before.as_ref() != Some(&now) {
            changes.push((kind, now));
        }
    }
    changes
}

fn dress(style: Style, text: &str) -> String {
    if text.starts_with("True") {
        style.good(text)
    } else if text.starts_with("False") {
        style.bad(text)
    } else {
        style.waiting(text)
    }
}

fn line(begun: Instant, kind: &str, name: &str, what: &str) {
    print(&format!("      {:>7}  {:<37} {what}", seconds(begun.elapsed()), format!("{kind}/{name}")));
}
