//! Office hours that many monitors share: ConfigMaps, read once for all of them and watched by their metadata.
//!
//! The watch begins when the first monitor refers to a ConfigMap: who uses none pays for none.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, ResourceExt};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::cache::is_newer;
use super::context::Context;
use super::error::PassError;
use super::memory::lock;
use super::{found_by, wakes};
use crate::api::office_hours::ConfigMapKeyRef;
use crate::api::{PracticeSyncMonitor, Reason};
use crate::plan::monitor::HoursTrouble;
use crate::plan::monitor::hours::Hours;

/// Namespace and name of a ConfigMap.
type Name = (String, String);

/// What was read of ConfigMaps.
#[derive(Default)]
pub struct Book {
    read: Mutex<HashMap<Name, Page>>,
    /// Held while one is read: thousands of monitors of one ConfigMap make one read.
    reading: tokio::sync::Mutex<()>,
    /// Somebody refers to a ConfigMap.
    wanted: CancellationToken,
}

/// One ConfigMap as it was read.
struct Page {
    /// `None`: it was not there.
    version: Option<String>,
    /// By key that was asked for; `None`: it was not there.
    hours: HashMap<String, Option<Result<Arc<Hours>, String>>>,
}

/// The office hours of a monitor.
pub struct Found {
    /// `Ok(None)`: always open.
    pub hours: Result<Option<Arc<Hours>>, HoursTrouble>,
    /// The ConfigMap may not be read, and no watch tells when it may.
    pub forbidden: bool,
}

/// The office hours of a monitor, wherever they stand.
///
/// # Errors
/// The API server does not answer.
pub async fn of(context: &Context, object: &PracticeSyncMonitor) -> Result<Found, PassError> {
    let unusable = |message| HoursTrouble { reason: Reason::InvalidOfficeHours, message, watched: false };
    let found = |hours| Found { hours, forbidden: false };
    if let Some(written) = &object.spec.office_hours {
        let checked = Hours::check(written, "spec.officeHours").map(|hours| Some(Arc::new(hours)));
        return Ok(found(checked.map_err(unusable)));
    }
    let Some(from) = &object.spec.office_hours_from else { return Ok(found(Ok(None))) };
    let (namespace, reference) = (object.namespace().unwrap_or_default(), &from.config_map_ref);
    let missing = |what: String| HoursTrouble { reason: Reason::OfficeHoursNotFound, message: what, watched: true };
    let field = "spec.officeHoursFrom.configMapRef";
    match read(context, &namespace, reference).await {
        Ok(Lookup::Hours(hours)) => Ok(found(Ok(Some(hours)))),
        Ok(Lookup::Unusable(message)) => Ok(found(Err(unusable(message)))),
        Ok(Lookup::NoMap) => Ok(found(Err(missing(format!(
            "{field} names the ConfigMap {:?}, which is not in this namespace: create it, or correct the name",
            reference.name
        ))))),
        Ok(Lookup::NoKey) => Ok(found(Err(missing(format!(
            "{field}: the ConfigMap {:?} has no text under the key {:?}: add it there, or correct the key",
            reference.name, reference.key
        ))))),
        Err(PassError::Forbidden) => Ok(Found {
            hours: Err(missing(format!(
                "the operator may not read the ConfigMap {:?} that {field} names: give its ServiceAccount the rights of the chart in this namespace",
                reference.name
            ))),
            forbidden: true,
        }),
        Err(error) => Err(error),
    }
}

enum Lookup {
    Hours(Arc<Hours>),
    Unusable(String),
    NoMap,
    NoKey,
}

async fn read(context: &Context, namespace: &str, reference: &ConfigMapKeyRef) -> Result<Lookup, PassError> {
    let book = &context.office_hours;
    book.wanted.cancel();
    let name = (namespace.to_owned(), reference.name.clone());
    if let Some(known) = book.known(&name, &reference.key) {
        return Ok(known);
    }
    let _alone = book.reading.lock().await;
    if let Some(known) = book.known(&name, &reference.key) {
        return Ok(known);
    }
    let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), namespace);
    let map = context.kube(api.get_opt(&reference.name)).await?;
    let place = format!("the key {:?} of the ConfigMap {:?}", reference.key, reference.name);
    let text = map.as_ref().and_then(|map| map.data.as_ref()?.get(&reference.key));
    let hours = text.map(|text| Hours::read(text, &place).map(Arc::new));
    book.note(name.clone(), map.and_then(|map| map.metadata.resource_version), &reference.key, hours);
    Ok(book.known(&name, &reference.key).unwrap_or(Lookup::NoMap))
}

impl Book {
    fn known(&self, name: &Name, key: &str) -> Option<Lookup> {
        let pages = lock(&self.read);
        let page = pages.get(name)?;
        if page.version.is_none() {
            return Some(Lookup::NoMap);
        }
        Some(match page.hours.get(key)? {
            Some(Ok(hours)) => Lookup::Hours(hours.clone()),
            Some(Err(message)) => Lookup::Unusable(message.clone()),
            None => Lookup::NoKey,
        })
    }

    fn note(&self, name: Name, version: Option<String>, key: &str, hours: Option<Result<Arc<Hours>, String>>) {
        let mut pages = lock(&self.read);
        let page = pages.entry(name).or_insert_with(|| Page { version: None, hours: HashMap::new() });
        if page.version != version {
            *page = Page { version, hours: HashMap::new() };
        }
        page.hours.insert(key.to_owned(), hours);
    }

    /// A ConfigMap is now at this version (`None`: gone). Answers whether what was read is outdated by that.
    fn outdated(&self, name: &Name, version: Option<&str>) -> bool {
        let mut pages = lock(&self.read);
        let Some(page) = pages.get(name) else { return true };
        let newer = is_newer(version, page.version.as_deref());
        if newer {
            pages.remove(name);
        }
        newer
    }

    /// What was read within a scope.
    fn names(&self, namespace: Option<&str>) -> Vec<Name> {
        let pages = lock(&self.read);
        pages.keys().filter(|name| namespace.is_none_or(|namespace| name.0 == namespace)).cloned().collect()
    }
}

/// Watches the metadata of ConfigMaps until the process ends.
pub async fn watch(context: Arc<Context>, namespace: Option<String>) {
    tokio::select! {
        () = context.shutdown.cancelled() => return,
        () = context.office_hours.wanted.cancelled() => {}
    }
    let api: Api<PartialObjectMeta<ConfigMap>> = match &namespace {
        Some(namespace) => Api::namespaced(context.client.clone(), namespace),
        None => Api::all(context.client.clone()),
    };
    let mut events = watcher(api, watcher::Config::default()).default_backoff().boxed();
    let mut listed: HashSet<Name> = HashSet::new();
    loop {
        let event = tokio::select! {
            () = context.shutdown.cancelled() => return,
            event = events.try_next() => event,
        };
        match event {
            Ok(Some(watcher::Event::Apply(map))) => changed(&context, &map, false),
            Ok(Some(watcher::Event::Delete(map))) => changed(&context, &map, true),
            Ok(Some(watcher::Event::Init)) => listed.clear(),
            Ok(Some(watcher::Event::InitApply(map))) => {
                let name = (map.namespace().unwrap_or_default(), map.name_any());
                // Of the thousands that a cluster may have, those that some monitor refers to.
                if !users(&context, &name).is_empty() {
                    listed.insert(name);
                }
                changed(&context, &map, false);
            }
            Ok(Some(watcher::Event::InitDone)) => {
                for name in context.office_hours.names(namespace.as_deref()) {
                    if !listed.contains(&name) && context.office_hours.outdated(&name, None) {
                        wake(&context, &name);
                    }
                }
                listed = HashSet::new();
            }
            Ok(None) => return,
            Err(error) => warn!(%error, "watching ConfigMaps failed; trying again"),
        }
    }
}

fn changed(context: &Context, map: &PartialObjectMeta<ConfigMap>, gone: bool) {
    let name = (map.namespace().unwrap_or_default(), map.name_any());
    let version = map.resource_version().filter(|_| !gone);
    if context.office_hours.outdated(&name, version.as_deref()) {
        wake(context, &name);
    }
}

fn wake(context: &Context, name: &Name) {
    for object in users(context, name) {
        wakes::wake(context, &*object);
    }
}

/// Monitors that refer to a ConfigMap.
fn users(context: &Context, name: &Name) -> Vec<Arc<PracticeSyncMonitor>> {
    let mut found = context.monitor_cache.find(found_by::config_map(&name.0, &name.1));
    found.retain(|object| {
        let from = object.spec.office_hours_from.as_ref();
        object.metadata.namespace.as_deref() == Some(&name.0)
            && from.is_some_and(|from| from.config_map_ref.name == name.1)
    });
    found
}
