//! rules.md *Pairs*: which (practice, event) pairs an object declares, has applied, and who else declares them.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::nearest::{did_you_mean, did_you_mean_event};
use crate::api::condition::ItemReason;
use crate::api::subscription::{AllPractices, Applied, AppliedScope, EventSpec};
use crate::api::{DeletionPolicy, WebhookSubscription, WebhookSubscriptionSpec};
use crate::provider::model::{Catalogue, RemoteRows, RowKey};

/// One declared or applied pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The practice's name; `None` for events of the account.
    pub practice: Option<Arc<str>>,
    /// Base event name.
    pub event: Arc<str>,
    /// Its identity in rows, or why it can have none.
    pub key: Result<RowKey, ItemProblem>,
}

/// Why a declared pair cannot become a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemProblem {
    /// In one word.
    pub reason: ItemReason,
    /// With the remedy.
    pub message: String,
}

impl ItemProblem {
    fn new(reason: ItemReason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Every pair that a spec declares, in the spec's order; `None` while the practices are not known.
pub fn declared(spec: &WebhookSubscriptionSpec, catalogue: &Catalogue, rows: &dyn RemoteRows) -> Option<Vec<Item>> {
    let practices: Vec<Option<Arc<str>>> = if spec.account_wide.is_some() {
        vec![None]
    } else if let Some(all) = &spec.all_practices {
        let names = rows.practice_names()?;
        names.into_iter().filter(|name| !all.except.iter().any(|except| **except == **name)).map(Some).collect()
    } else {
        rows.practice_names()?;
        spec.practices.iter().flatten().map(|name| Some(Arc::from(name.as_str()))).collect()
    };
    let events: Vec<Declared> = spec.events.iter().map(|event| Declared::new(event, catalogue)).collect();
    let mut items = Vec::with_capacity(practices.len() * events.len());
    for practice in practices {
        let practice_key = practice.as_ref().map(|name| rows.practice_key(name).ok_or_else(|| unreached(name, rows)));
        for event in &events {
            let key = resolve(event, practice_key.as_ref());
            items.push(Item { practice: practice.clone(), event: event.name.clone(), key });
        }
    }
    Some(items)
}

/// One declared event and what the catalogue says of it, looked up once for all practices.
struct Declared {
    name: Arc<str>,
    practice_scoped: Option<bool>,
    resource_type: Result<Arc<str>, ItemProblem>,
}

impl Declared {
    fn new(spec: &EventSpec, catalogue: &Catalogue) -> Self {
        let known = catalogue.find(&spec.event);
        let resource_type = match catalogue.resource_type(spec.resource_type.as_deref(), &spec.event) {
            Some(_) if catalogue.name_alone && spec.resource_type.is_some() => {
                let message = format!(
                    "{} has no resource types, the event's name says all: remove resourceType",
                    catalogue.provider
                );
                Err(ItemProblem::new(ItemReason::ResourceTypeMissing, message))
            }
            Some(resource_type) => Ok(resource_type),
            None => {
                let message = format!(
                    "the catalogue does not know {}{}: correct the name, or set its resourceType",
                    spec.event,
                    did_you_mean_event(&spec.event, catalogue)
                );
                Err(ItemProblem::new(ItemReason::ResourceTypeMissing, message))
            }
        };
        let practice_scoped = if catalogue.name_alone { Some(false) } else { known.map(|known| known.practice_scoped) };
        Self { name: Arc::from(spec.event.as_str()), practice_scoped, resource_type }
    }
}

fn unreached(name: &str, rows: &dyn RemoteRows) -> ItemProblem {
    let names = rows.practice_names().unwrap_or_default();
    let message = format!(
        "the account's key does not reach a practice named {name:?}{}: correct the name in spec.practices, or have the practice granted to the key; it is picked up by itself",
        did_you_mean(name, names.iter().map(|name| &**name))
    );
    ItemProblem::new(ItemReason::PracticeNotFound, message)
}

fn resolve(event: &Declared, practice: Option<&Result<Arc<str>, ItemProblem>>) -> Result<RowKey, ItemProblem> {
    let name = &event.name;
    match (event.practice_scoped, &practice) {
        (Some(true), None) => {
            let message = format!("{name} belongs to a practice: declare it under spec.practices or spec.allPractices");
            return Err(ItemProblem::new(ItemReason::NeedsPractice, message));
        }
        (Some(false), Some(_)) => {
            let message = format!("{name} belongs to the account: declare it in an object with spec.accountWide: {{}}");
            return Err(ItemProblem::new(ItemReason::NeedsAccountWide, message));
        }
        _ => {}
    }
    let resource_type = event.resource_type.clone()?;
    let practice = practice.cloned().transpose()?;
    Ok(RowKey { practice, resource_type, event: event.name.clone() })
}

/// How an event is named in `applied`: plainly where the catalogue gives its resource type, else as `resourceType/event`,
/// with an empty type where nobody knows one. A `/` of the type itself is escaped, so that the name can be read back.
fn applied_name(spec: &EventSpec, catalogue: &Catalogue) -> String {
    let event = &spec.event;
    if catalogue.name_alone {
        return event.clone();
    }
    let known = catalogue.find(event).map(|known| &*known.resource_type);
    let plain = !event.contains('/');
    match (spec.resource_type.as_deref(), known) {
        (Some(written), known) if known != Some(written) => format!("{}/{event}", escaped(written)),
        (_, Some(known)) if !plain => format!("{}/{event}", escaped(known)),
        (None, None) if !plain => format!("/{event}"),
        _ => event.clone(),
    }
}

fn escaped(resource_type: &str) -> String {
    resource_type.replace('%', "%25").replace('/', "%2F")
}

/// The resource type and event that [`applied_name`] has named; `None` where no row can have been made.
fn named(name: &str, catalogue: &Catalogue) -> Option<(Arc<str>, Arc<str>)> {
    if catalogue.name_alone {
        return Some((Arc::from(""), Arc::from(name)));
    }
    match name.split_once('/') {
        Some(("", _)) => None,
        Some((written, event)) => {
            let resource_type = written.replace("%2F", "/").replace("%25", "%");
            Some((Arc::from(resource_type), Arc::from(event)))
        }
        None => catalogue.find(name).map(|known| (known.resource_type.clone(), known.event.clone())),
    }
}

/// What a spec declares, in the form of `status.applied`.
pub fn as_applied(spec: &WebhookSubscriptionSpec, endpoint: &str, catalogue: &Catalogue) -> Applied {
    Applied {
        endpoint_remote_id: Some(endpoint.to_owned()),
        moving_endpoint_remote_ids: Vec::new(),
        scope: AppliedScope {
            practices: spec.practices.clone().unwrap_or_default(),
            all_practices: spec.all_practices.clone(),
            account_wide: spec.account_wide,
        },
        events: spec.events.iter().map(|event| applied_name(event, catalogue)).collect(),
        active: Some(spec.active),
    }
}

/// The union of what was applied and what is declared now: written before the first call of a change.
pub fn union(old: &Applied, new: &Applied) -> Applied {
    let endpoint = old.endpoint_remote_id.clone().or_else(|| new.endpoint_remote_id.clone());
    let mut moving = old.moving_endpoint_remote_ids.clone();
    moving.retain(|id| Some(id) != endpoint.as_ref());
    for id in new.endpoint_remote_id.iter().chain(&new.moving_endpoint_remote_ids) {
        if Some(id) != endpoint.as_ref() && !moving.contains(id) {
            moving.push(id.clone());
        }
    }
    let practices = merged(&old.scope.practices, &new.scope.practices);
    let all_practices = match (&old.scope.all_practices, &new.scope.all_practices) {
        (Some(a), Some(b)) => {
            Some(AllPractices { except: a.except.iter().filter(|name| b.except.contains(name)).cloned().collect() })
        }
        (a, b) => a.clone().or_else(|| b.clone()),
    };
    Applied {
        endpoint_remote_id: endpoint,
        moving_endpoint_remote_ids: moving,
        scope: AppliedScope {
            practices,
            all_practices,
            account_wide: old.scope.account_wide.or(new.scope.account_wide),
        },
        events: merged(&old.events, &new.events),
        active: if old.active == new.active { old.active } else { None },
    }
}

fn merged(a: &[String], b: &[String]) -> Vec<String> {
    let known: BTreeSet<&String> = a.iter().collect();
    a.iter().chain(b.iter().filter(|name| !known.contains(name))).cloned().collect()
}

/// Whether everything in `new` is already in `old`, in whatever order.
pub fn covers(old: &Applied, new: &Applied) -> bool {
    let all = |a: &[String], b: &[String]| b.iter().all(|name| a.contains(name));
    let endpoints = new
        .endpoint_remote_id
        .iter()
        .chain(&new.moving_endpoint_remote_ids)
        .all(|id| old.endpoint_remote_id.as_ref() == Some(id) || old.moving_endpoint_remote_ids.contains(id));
    let every_practice = match (&old.scope.all_practices, &new.scope.all_practices) {
        (Some(a), Some(b)) => all(&b.except, &a.except),
        (a, b) => a.is_some() || b.is_none(),
    };
    endpoints
        && every_practice
        && all(&old.scope.practices, &new.scope.practices)
        && all(&old.events, &new.events)
        && (old.scope.account_wide.is_some() || new.scope.account_wide.is_none())
        && (old.active == new.active || old.active.is_none())
}

/// Every pair that was applied and can still be named, with its identity in rows.
pub fn applied(applied: &Applied, catalogue: &Catalogue, rows: &dyn RemoteRows) -> Vec<(Option<Arc<str>>, RowKey)> {
    let mut names: Vec<Arc<str>> = applied.scope.practices.iter().map(|name| Arc::from(name.as_str())).collect();
    if let Some(all) = &applied.scope.all_practices {
        let more = rows.practice_names().unwrap_or_default();
        names.extend(more.into_iter().filter(|name| !all.except.iter().any(|except| **except == **name)));
        names.sort();
        names.dedup();
    }
    let mut practices: Vec<_> =
        names.into_iter().filter_map(|name| key_of(&name, rows).map(|key| (Some(name), Some(key)))).collect();
    if applied.scope.account_wide.is_some() {
        practices.push((None, None));
    }
    let mut pairs = Vec::new();
    for (resource_type, event) in applied.events.iter().filter_map(|name| named(name, catalogue)) {
        for (practice, key) in &practices {
            let key = RowKey { practice: key.clone(), resource_type: resource_type.clone(), event: event.clone() };
            pairs.push((practice.clone(), key));
        }
    }
    pairs
}

/// The key of a practice, also of one that the account's key no longer reaches: what was made there is still ours.
fn key_of(name: &str, rows: &dyn RemoteRows) -> Option<Arc<str>> {
    rows.practice_key(name).or_else(|| rows.former_key(name))
}

/// Another object on the same endpoint.
pub struct Sibling<'a> {
    /// The object.
    pub object: &'a WebhookSubscription,
    /// Whether it is older than the object that is planned.
    pub older: bool,
}

impl Sibling<'_> {
    /// Whether it declares this pair. A deleting object declares nothing, unless it leaves its rows on purpose.
    pub fn declares(&self, practice: Option<&str>, key: &RowKey, catalogue: &Catalogue) -> bool {
        let spec = &self.object.spec;
        if self.object.metadata.deletion_timestamp.is_some() && spec.deletion_policy == DeletionPolicy::Delete {
            return false;
        }
        let scope = match practice {
            None => spec.account_wide.is_some(),
            Some(name) => {
                spec.practices.iter().flatten().any(|own| own == name)
                    || spec.all_practices.as_ref().is_some_and(|all| !all.except.iter().any(|except| except == name))
            }
        };
        scope
            && spec.events.iter().any(|event| {
                let resource_type = catalogue.resource_type(event.resource_type.as_deref(), &event.event);
                event.event == *key.event
                    && resource_type.is_some_and(|resource_type| resource_type == key.resource_type)
            })
    }
}

/// Whether a pair is among what was applied.
pub fn covers_pair(applied: &Applied, practice: Option<&str>, key: &RowKey, catalogue: &Catalogue) -> bool {
    let scope = match practice {
        None => key.practice.is_some() || applied.scope.account_wide.is_some(),
        Some(name) => {
            let all = applied.scope.all_practices.as_ref();
            applied.scope.practices.iter().any(|own| own == name)
                || all.is_some_and(|all| !all.except.iter().any(|except| except == name))
        }
    };
    scope
        && applied
            .events
            .iter()
            .filter_map(|name| named(name, catalogue))
            .any(|(resource_type, event)| resource_type == key.resource_type && event == key.event)
}

/// Whether two objects may declare a common pair. May say yes too often, never no wrongly.
pub fn overlap(a: &WebhookSubscription, b: &WebhookSubscription) -> bool {
    let events = a.spec.events.iter().any(|event| b.spec.events.iter().any(|other| other.event == event.event));
    let all = a.spec.all_practices.is_some() || b.spec.all_practices.is_some();
    let practices = || {
        let of = |object: &WebhookSubscription| object.spec.practices.clone().unwrap_or_default();
        let (a, b) = (of(a), of(b));
        a.iter().any(|name| b.contains(name))
    };
    let account = a.spec.account_wide.is_some() && b.spec.account_wide.is_some();
    events && (all || account || practices())
}
