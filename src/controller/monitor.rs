//! `PracticeSyncMonitor`: observe, judge, report. It makes no calls of its own: one answer serves all monitors of a realm
//! (`polls`), and it leaves nothing behind, so it has no finalizer.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use kube::ResourceExt;

use super::accounts::{AccountName, RealmHandle};
use super::context::Context;
use super::driver::{Done, object_key};
use super::error::PassError;
use super::write::Writer;
use super::{found_by, office_hours, request, wakes};
use crate::api::PracticeSyncMonitor;
use crate::plan::monitor::{self as plan, MonitorInput, MonitorMemory, MonitorPlan};
use crate::plan::{AccountView, Note};
use crate::provider::model::Practice;
use crate::provider::model::sync::Place;
use crate::runtime::metrics::Freshness;

/// What this process remembers of a monitor.
#[derive(Default)]
pub struct MonitorMind {
    plan: MonitorMemory,
    /// Events of changes whose status is not written yet.
    unsent: Vec<Note>,
}

/// One pass.
pub async fn pass(context: &Arc<Context>, object: Arc<PracticeSyncMonitor>) -> Result<Done, PassError> {
    let memory = context.monitor_memory.of(&object.uid().unwrap_or_default());
    let account = account_of(&object);
    let (view, handle) = surroundings(context, &account);
    let handled = object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.clone());
    let mut asked = request::unanswered(&*object, handled.as_deref());
    match &handle {
        Some(handle) if asked.is_some() => handle.realm.refresh_syncs().await?,
        _ => asked = None,
    }
    let hours = office_hours::of(context, &object).await?;
    let (named, unreadable) = (named(context, &object, &account), hours.forbidden);
    let places = handle.as_ref().and_then(|handle| handle.realm.places());
    let of = |key: &str| -> Option<Vec<Place>> { Some(places.as_ref()?.get(key).cloned().unwrap_or_default()) };
    let now = Timestamp::now();
    let plan = plan::plan(
        &MonitorInput {
            object: &object,
            account: (view, account.1.clone()),
            practices: handle.as_ref().and_then(|handle| practices(handle, &object)),
            syncs: handle.as_ref().and_then(|handle| handle.realm.syncs()),
            interval: handle.as_ref().map_or(context.timing.plan.outage_grace, |handle| handle.sync_interval()),
            hours: hours.hours,
            places: &of,
            named: &named,
            outage: context.outages.since(&account),
            now,
        },
        &mut memory.plan().plan,
    );
    memory.plan().unsent.extend(plan.notes.iter().cloned());
    tell(context, &object, &account, handle.as_deref(), &plan);
    let again = plan.again.into_iter().chain(unreadable.then_some(context.timing.backoff.1)).min();
    if let Some(mut status) = plan.status {
        status.last_handled_reconcile_at = asked.or(handled);
        if object.status.as_ref() != Some(&status) {
            let writer = Writer { context, cache: &context.monitor_cache };
            writer.status(&object, &status).await?;
        }
    }
    let notes = std::mem::take(&mut memory.plan().unsent);
    context.events.publish_later(&*object, notes).await;
    Ok(Done::rest(again))
}

/// Namespace and name of a monitor's account.
pub fn account_of(object: &PracticeSyncMonitor) -> AccountName {
    (object.namespace().unwrap_or_default(), object.spec.account_ref.name.clone())
}

/// Monitors of an account.
pub fn of_account(context: &Context, account: &AccountName) -> Vec<Arc<PracticeSyncMonitor>> {
    let mut found = context.monitor_cache.find(found_by::account(&account.0, &account.1));
    found.retain(|object| belongs(object, account));
    found
}

/// Those of them that watch every practice.
pub fn fleets_of(context: &Context, account: &AccountName) -> Vec<Arc<PracticeSyncMonitor>> {
    let mut found = context.monitor_cache.find(found_by::fleet(&account.0, &account.1));
    found.retain(|object| belongs(object, account));
    found
}

fn belongs(object: &PracticeSyncMonitor, account: &AccountName) -> bool {
    object.metadata.namespace.as_deref() == Some(&account.0) && object.spec.account_ref.name == account.1
}

fn surroundings(context: &Context, account: &AccountName) -> (AccountView, Option<Arc<RealmHandle>>) {
    match context.accounts.get(&account.0, &account.1) {
        Some(entry) => {
            let lacks = |handle: &Arc<RealmHandle>| {
                let provider = handle.realm.provider();
                let what = "sync status to watch";
                provider.syncs().is_none().then(|| AccountView::Lacks { provider: provider.catalogue().provider, what })
            };
            let ready = matches!(entry.view(), AccountView::Ready { .. });
            let lacks = entry.realm.as_ref().filter(|_| ready).and_then(lacks);
            (lacks.unwrap_or_else(|| entry.view()), entry.realm)
        }
        // Its first pass has not been yet.
        None if context.account_cache.get(&account.0, &account.1).is_some() => {
            (AccountView::Unavailable { long: false }, None)
        }
        None => (AccountView::NotFound, None),
    }
}

/// The practices that a monitor could be about; all of them where the one it names is not there, for the message.
fn practices(handle: &RealmHandle, object: &PracticeSyncMonitor) -> Option<Vec<Practice>> {
    handle.realm.read(|mirror| {
        mirror.practice_list()?;
        let one = object.spec.practice.as_deref().and_then(|name| mirror.practice_by_name(name));
        Some(one.map_or_else(|| mirror.practices().to_vec(), |one| vec![one.clone()]))
    })
}

/// Practices that other monitors of the account name: they are no part of a fleet.
fn named(context: &Context, object: &PracticeSyncMonitor, account: &AccountName) -> HashSet<String> {
    if object.spec.all_practices.is_none() {
        return HashSet::new();
    }
    let others = of_account(context, account);
    let stays = |other: &&Arc<PracticeSyncMonitor>| other.metadata.deletion_timestamp.is_none();
    others.iter().filter(stays).filter_map(|other| other.spec.practice.clone()).collect()
}

/// Tells everybody else what the plan has found.
fn tell(
    context: &Context,
    object: &PracticeSyncMonitor,
    account: &AccountName,
    handle: Option<&RealmHandle>,
    plan: &MonitorPlan,
) {
    let freshness = plan.office_open.map(|open| Freshness {
        last: plan.ages.map(|age| age.and_then(|age| age.last)),
        open: plan.ages.map(|age| age.and_then(|age| age.open)),
        office_open: Some(open),
    });
    context.metrics.set_freshness(&object_key(object), freshness);
    if let Some(handle) = handle {
        if plan.wants_places {
            handle.want_places();
        } else if plan.wants_syncs {
            handle.poll.notify_one();
        }
    }
    let Some(members) = &plan.members else { return };
    let expected = context.monitor_cache.count(found_by::account(&account.0, &account.1));
    let percent = context.account_cache.get(&account.0, &account.1).map_or(100, |account| account.spec.outage_percent);
    let uid = object.uid().unwrap_or_default();
    if context.outages.tell(account, &uid, members.clone(), (expected, percent), Timestamp::now()) {
        wakes::outage(context, account);
    }
}
