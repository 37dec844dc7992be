//! What a `WebhookSubscription` needs next: rules.md *Pairs*, *Create* (rows), *Absence* (rows).

mod draft;
mod judge;
mod settle;
mod switched_off;
mod undeclared;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::condition::Report;
use super::contention::Corrections;
use super::gaps::Loss;
use super::grants::{LentRows, Reach};
use super::outcome::{AccountBlock, account_block};
use super::pairs::{self, Item, Sibling};
use super::row_calls::RowCall;
use super::{AccountPolicy, AccountView, Note, PlanTiming, Refusal};
use crate::api::endpoint::{AccountRef, Reactivation};
use crate::api::subscription::{Applied, EventSpec};
use crate::api::{REMOTE_FINALIZER, Reason, WebhookSubscription, WebhookSubscriptionStatus};
use crate::provider::model::{Catalogue, RemoteId, RemoteRow, RemoteRows, RowKey};

pub(super) use draft::Draft;
use work::Work;

/// The endpoint object that a subscription names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointLink {
    /// Not there.
    NotFound,
    /// There, but without a remote endpoint whose key is published.
    NotReady,
    /// On its way out; its remote goes with everything on it.
    Going,
    /// Usable.
    Usable {
        /// The remote endpoint.
        remote_id: RemoteId,
        /// The former one of a rotation, from which rows are moved by the endpoint object itself.
        leaving: Option<RemoteId>,
        /// Why nothing is delivered, if so.
        silent: Option<&'static str>,
        /// Whether it was switched off at the provider.
        off_remotely: bool,
        /// `spec.reactivation` of the endpoint, which decides for what is on it as well.
        reactivation: Reactivation,
    },
}

/// A row on an endpoint that the object was on before.
#[derive(Clone, Debug)]
pub struct OldRow {
    /// The practice's name.
    pub practice: Option<Arc<str>>,
    /// The row.
    pub row: RemoteRow,
    /// Whether it can be moved: same realm.
    pub movable: bool,
    /// Whether another object there declares it.
    pub declared_there: bool,
}

/// The endpoints that the object was on before and that some object still holds.
#[derive(Clone, Debug, Default)]
pub struct OldEndpoints {
    /// Those whose rows are not known yet.
    pub unlisted: Vec<RemoteId>,
    /// Ours on the others: the pairs in `status.applied`.
    pub rows: Vec<OldRow>,
    /// Those of the same realm.
    pub same_realm: Vec<RemoteId>,
    /// Those whose last list of rows is older than our last write there.
    pub unsettled: Vec<RemoteId>,
    /// Those that cannot be asked now, because the account of their object cannot be used.
    pub unreachable: Vec<RemoteId>,
}

/// Everything a subscription's plan may look at.
pub struct SubscriptionInput<'a> {
    /// The object.
    pub object: &'a WebhookSubscription,
    /// Its endpoint.
    pub link: EndpointLink,
    /// The account of that endpoint, and its name.
    pub account: (AccountView, AccountRef),
    /// What the account's spec allows.
    pub policy: AccountPolicy,
    /// What it lends for the hosts that the endpoint delivers to.
    pub reach: &'a Reach,
    /// The provider's catalogue.
    pub catalogue: &'a Catalogue,
    /// Rows and practices of the realm; `None` while the account cannot be used.
    pub rows: Option<&'a dyn RemoteRows>,
    /// Endpoints it was on before.
    pub old: OldEndpoints,
    /// Other objects on the same endpoint that may declare one of this object's pairs.
    pub siblings: Vec<Sibling<'a>>,
    /// Whether any other object of the endpoint declares or has applied a pair, in whatever state it is. Asked only about
    /// rows that this object would delete although nobody's change asked for it.
    pub claimed: &'a dyn Fn(Option<&str>, &RowKey) -> bool,
    /// Where rows carry URL and key of their own, and nothing about them can be changed (rules.md *Providers of another
    /// shape*); `None` where an endpoint has both.
    pub own_rows: Option<OwnRows>,
    /// How many of those may be deleted now (rules.md *Pairs*, *Pace*).
    pub paced: usize,
    /// How often the account is observed.
    pub observe_interval: Duration,
    /// Until when a process before this one has surely looked (rules.md *Delivery gaps*).
    pub last_alive: Timestamp,
    /// What this process remembers.
    pub memory: &'a SubscriptionMemory,
    /// Now.
    pub now: Timestamp,
    /// Injected durations.
    pub timing: &'a PlanTiming,
}

/// Rows that carry URL and key of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OwnRows {
    /// The endpoint's `spec.active` is false: nothing can be switched there, so none may be.
    pub off: bool,
}

/// What this process remembers of a subscription object.
#[derive(Clone, Debug, Default)]
pub struct SubscriptionMemory {
    /// Our CRD is being removed: nothing remote is deleted (rules.md *Deletion*).
    pub definition_going: bool,
    /// Pairs that the provider refused to create or to switch.
    pub refused: HashMap<RowKey, Refusal>,
    /// Pairs that the provider refused to move.
    pub unmovable: HashSet<RowKey>,
    /// Rows whose DELETE was refused for good.
    pub undeletable: HashMap<RemoteId, Refusal>,
    /// Pairs that this process added to `applied`: their absence is no loss.
    pub fresh: HashSet<RowKey>,
    /// Start of the list that first showed many rows missing.
    pub missing_since: Option<Timestamp>,
    /// What earlier passes have seen.
    pub seen: Seen,
    /// What was put back under the present spec.
    pub corrections: Corrections,
    /// When this process last switched on which rows that were switched off remotely.
    pub reactivated: BTreeMap<RemoteId, Timestamp>,
}

/// Since when something is as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Since when rows are off that should be on.
    pub off: Option<Timestamp>,
    /// The last attempt at switching them on.
    pub attempt: Option<Attempt>,
    /// Rows in the object's scope that nobody declares, and the start of the list that first showed them so.
    pub undeclared: HashMap<RemoteId, Timestamp>,
    /// Practices, by key, that the key no longer reaches.
    pub unreachable: HashMap<Arc<str>, Timestamp>,
}

/// One attempt at switching rows on, however many batches it takes and whatever cuts one of them short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it began.
    pub since: Timestamp,
    /// Rows that it has not reached yet.
    pub left: BTreeSet<RemoteId>,
}

/// The next kind of step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubscriptionStep {
    /// Put our finalizer on.
    AddFinalizer,
    /// Write the status (with what is about to be applied) and plan again only once it is acknowledged.
    Acknowledge {
        /// Pairs that are declared for the first time by this write.
        fresh: Vec<RowKey>,
    },
    /// List practices.
    ListPractices,
    /// List rows of one endpoint, starting now.
    ListRows(RemoteId),
    /// Independent calls.
    Calls(Vec<RowCall>),
    /// Take our finalizer off.
    RemoveFinalizer,
    /// Nothing now.
    Rest,
}

/// What to do, what to say, when to look again.
#[derive(Clone, Debug)]
pub struct SubscriptionPlan {
    /// The step.
    pub step: SubscriptionStep,
    /// The status that follows; written when the step is `Acknowledge` or `Rest`, and now and then during `Calls`.
    pub status: WebhookSubscriptionStatus,
    /// Events to publish with it.
    pub notes: Vec<Note>,
    /// When to plan again without being woken.
    pub again: Option<Duration>,
    /// To be remembered as [`SubscriptionMemory::missing_since`].
    pub missing_since: Option<Timestamp>,
    /// To be remembered as [`SubscriptionMemory::seen`], where this pass has looked.
    pub seen: Option<Seen>,
    /// What is lost and not repaired; where this pass has looked and finds nothing, what was lost is repaired.
    pub losses: Vec<Loss>,
}

/// Plans one subscription object.
pub fn plan(input: &SubscriptionInput<'_>) -> SubscriptionPlan {
    if input.object.metadata.deletion_timestamp.is_some() {
        return super::subscription_deletion::plan(input);
    }
    let draft = Draft::new(input);
    if input.policy.releasing {
        return super::subscription_deletion::release(input, draft);
    }
    let endpoint = &input.object.spec.endpoint_ref.name;
    let (remote_id, leaving) = match &input.link {
        EndpointLink::NotFound | EndpointLink::Going => {
            let message = format!(
                "spec.endpointRef names the WebhookEndpoint {endpoint:?}, which is not in this namespace or is being deleted: create it, or correct the name"
            );
            return draft.rest(Report::waiting(Reason::EndpointNotFound, message), None);
        }
        EndpointLink::NotReady => match account_block(&input.account.0, &input.account.1) {
            Some(AccountBlock::Report(report)) => return draft.rest(report, None),
            Some(AccountBlock::LeaveUnchanged) => return draft.unchanged(),
            None if draft.is_frozen() => {
                let spec = &input.object.spec;
                let whose = match (&spec.practices, &spec.all_practices) {
                    (Some(practices), _) => format!("of {}", practices.join(", ")),
                    (None, Some(_)) => "of every practice".to_owned(),
                    (None, None) => "of the account".to_owned(),
                };
                let line = |event: &EventSpec| {
                    format!("make sure {} {whose} exists, once the WebhookEndpoint has a remote endpoint", event.event)
                };
                return draft.would(spec.events.iter().map(line));
            }
            None => {
                let message = format!(
                    "the WebhookEndpoint {endpoint:?} has no remote endpoint with a published key yet; see its conditions"
                );
                return draft.rest(Report::unknown(Reason::EndpointNotReady, message), None);
            }
        },
        EndpointLink::Usable { remote_id, leaving, .. } => (remote_id, leaving.as_ref()),
    };
    match account_block(&input.account.0, &input.account.1) {
        Some(AccountBlock::Report(report)) => return draft.rest(report, None),
        Some(AccountBlock::LeaveUnchanged) => return draft.unchanged(),
        None => {}
    }
    if let Err(report) = input.reach.subscription(&input.object.spec) {
        return draft.rest(report, None);
    }
    let Some(rows) = input.rows else { return draft.unchanged() };
    if let Some(report) = withdrawn(input, rows) {
        return draft.rest(report, None);
    }
    let lent = LentRows { rows, reach: input.reach };
    let rows: &dyn RemoteRows = if input.reach.is_narrow() { &lent } else { rows };
    let held = input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER);
    if !held && !draft.is_frozen() {
        return draft.step(SubscriptionStep::AddFinalizer);
    }
    let Some(items) = pairs::declared(&input.object.spec, input.catalogue, rows) else {
        return draft.step(SubscriptionStep::ListPractices);
    };
    let new = applied(input, rows, &items, remote_id);
    if !draft.is_frozen()
        && let Some(draft) = announce(input, rows, &items, &new)
    {
        return draft;
    }
    if let Some(unlisted) = input.old.unlisted.first() {
        return draft.step(SubscriptionStep::ListRows(unlisted.clone()));
    }
    if !rows.known(remote_id) {
        return draft.step(SubscriptionStep::ListRows(remote_id.clone()));
    }
    // What was on one that is gone is missing like anything else.
    let leaving = leaving.filter(|id| !rows.vanished(id, input.timing.absence_gap));
    if let Some(unlisted) = leaving.filter(|id| !rows.known(id)) {
        return draft.step(SubscriptionStep::ListRows(unlisted.clone()));
    }
    Work { input, rows, remote_id, leaving, items: &items, new: &new }.plan(draft)
}

/// A practice that `allPractices` meant when its events were subscribed, and that is no longer lent. What exists stays, and
/// the object says so instead of going on without it.
fn withdrawn(input: &SubscriptionInput<'_>, rows: &dyn RemoteRows) -> Option<Report> {
    let all = input.object.spec.all_practices.as_ref().filter(|_| input.reach.is_narrow())?;
    let scope = &input.object.status.as_ref()?.applied.as_ref()?.scope;
    let mut names: BTreeSet<String> = scope.practices.iter().cloned().collect();
    if let Some(before) = &scope.all_practices {
        let reached = rows.practice_names().unwrap_or_default().into_iter().map(|name| name.to_string());
        names.extend(reached.filter(|name| !before.except.contains(name)));
    }
    let meant = names.iter().filter(|name| !all.except.contains(name)).map(String::as_str);
    input.reach.first_beyond(meant).and_then(|name| input.reach.withdrawn(name))
}

/// What the spec declares, in the form of `status.applied`. Where not every practice is lent, those that are meant are
/// named, so that a later deletion takes back what was lent and nothing else.
fn applied(input: &SubscriptionInput<'_>, rows: &dyn RemoteRows, items: &[Item], remote_id: &RemoteId) -> Applied {
    let spec = &input.object.spec;
    let mut new = pairs::as_applied(spec, remote_id.as_str(), input.catalogue);
    if let Some(all) = new.scope.all_practices.take_if(|_| input.reach.is_narrow()) {
        let declared = items.iter().filter_map(|item| item.practice.as_deref());
        let mut names: BTreeSet<String> = declared.map(str::to_owned).collect();
        let before = input.object.status.as_ref().and_then(|status| status.applied.as_ref());
        let left = before.into_iter().flat_map(|before| &before.scope.practices);
        names.extend(left.filter(|name| !all.except.contains(name) && rows.practice_key(name).is_none()).cloned());
        new.scope.practices = names.into_iter().collect();
    }
    new
}

/// Before the first call of a change, `applied` becomes the union of old and new, so that whatever a crash leaves behind
/// is known to be ours.
fn announce(
    input: &SubscriptionInput<'_>,
    rows: &dyn RemoteRows,
    items: &[Item],
    new: &Applied,
) -> Option<SubscriptionPlan> {
    let mut draft = Draft::new(input);
    let old = draft.status.applied.take();
    if old.as_ref().is_some_and(|old| pairs::covers(old, new)) {
        return None;
    }
    let known: HashSet<RowKey> = match &old {
        Some(old) if old.endpoint_remote_id == new.endpoint_remote_id => {
            pairs::applied(old, input.catalogue, rows).into_iter().map(|(_, key)| key).collect()
        }
        _ => HashSet::new(),
    };
    let fresh = items.iter().filter_map(|item| item.key.clone().ok()).filter(|key| !known.contains(key)).collect();
    draft.status.applied = Some(old.map_or_else(|| new.clone(), |old| pairs::union(&old, new)));
    draft.status.desired = Some(count(items.len()));
    let report = Report::unknown(Reason::Progressing, "bringing the provider's subscriptions to the declared state");
    Some(draft.finish(report, SubscriptionStep::Acknowledge { fresh }, None))
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
