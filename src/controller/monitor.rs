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
use super::{account_kind, found_by, office_hours, request, tenancy, wakes};
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
    let (account, namespace) = (account_kind::of_monitor(&object), object.namespace().unwrap_or_default());
    let (view, handle) = standing(context, &account);
    // The labels of the namespace, which decide it, are on their way and wake the object.
    let Some(share) = tenancy::share(context, &account, &namespace) else { return Ok(Done::rest(None)) };
    let granted = share.monitor(object.spec.practice.as_deref()).is_ok();
    let handled = object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.clone());
    let mut asked = request::unanswered(&*object, handled.as_deref());
    match &handle {
        Some(handle) if asked.is_some() && granted => handle.realm.refresh_syncs().await?,
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
            account: (view, object.spec.account_ref.clone()),
            share,
            practices: handle.as_ref().and_then(|handle| practices(handle, &object)),
            syncs: handle.as_ref().and_then(|handle| handle.realm.syncs()),
            interval: handle.as_ref().map_or(context.timing.plan.outage_grace, |handle| handle.sync_interval()),
            hours: hours.hours,
            places: &of,
            named: &named,
            outage: context.outages.since(&account, &namespace),
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

/// Monitors of an account, in every namespace.
pub fn of_account(context: &Context, account: &AccountName) -> Vec<Arc<PracticeSyncMonitor>> {
    let mut found = context.monitor_cache.find(found_by::account(account));
    found.retain(|object| account_kind::of_monitor(object) == *account);
    found
}

/// Monitors of every practice, of the account and in the namespace of this one.
pub fn fleets_beside(context: &Context, object: &PracticeSyncMonitor) -> Vec<Arc<PracticeSyncMonitor>> {
    let (account, namespace) = (account_kind::of_monitor(object), object.namespace().unwrap_or_default());
    let mut found = context.monitor_cache.find(found_by::fleet(&namespace, &account));
    found.retain(|other| is_beside(other, &namespace, &account));
    found
}

fn is_beside(other: &PracticeSyncMonitor, namespace: &str, account: &AccountName) -> bool {
    other.metadata.namespace.as_deref() == Some(namespace) && account_kind::of_monitor(other) == *account
}

/// How the account stands for a monitor: one whose provider tells nothing of syncs leaves nothing to judge.
fn standing(context: &Context, account: &AccountName) -> (AccountView, Option<Arc<RealmHandle>>) {
    let entry = context.accounts.get(account);
    let view = account_kind::view(context, account, entry.as_ref());
    let realm = entry.and_then(|entry| entry.realm);
    let lacks = |handle: &Arc<RealmHandle>| {
        let provider = handle.realm.provider();
        let what = "sync status to watch";
        provider.syncs().is_none().then(|| AccountView::Lacks { provider: provider.catalogue().provider, what })
    };
    let ready = matches!(view, AccountView::Ready { .. });
    let lacks = realm.as_ref().filter(|_| ready).and_then(lacks);
    (lacks.unwrap_or(view), realm)
}

/// The practices that a monitor could be about; all of them where the one it names is not there, for the message.
fn practices(handle: &RealmHandle, object: &PracticeSyncMonitor) -> Option<Vec<Practice>> {
    handle.realm.read(|mirror| {
        mirror.practice_list()?;
        let one = object.spec.practice.as_deref().and_then(|name| mirror.practice_by_name(name));
        Some(one.map_or_else(|| mirror.practices().to_vec(), |one| vec![one.clone()]))
    })
}

/// Practices that other monitors of the account in this namespace name: they are no part of a fleet.
fn named(context: &Context, object: &PracticeSyncMonitor, account: &AccountName) -> HashSet<String> {
    if object.spec.all_practices.is_none() {
        return HashSet::new();
    }
    let namespace = object.metadata.namespace.as_deref().unwrap_or_default();
    let mut others = context.monitor_cache.find(found_by::neighbours(namespace, account));
    others.retain(|other| is_beside(other, namespace, account));
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
    let (namespace, uid) = (object.namespace().unwrap_or_default(), object.uid().unwrap_or_default());
    let expected = context.monitor_cache.count(found_by::neighbours(&namespace, account));
    let percent = account_kind::get(context, account).map_or(100, |account| account.spec().outage_percent);
    if context.outages.tell((account, &namespace), &uid, members.clone(), (expected, percent), Timestamp::now()) {
        wakes::outage(context, account);
    }
}
