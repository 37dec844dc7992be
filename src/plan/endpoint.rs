//! What a `WebhookEndpoint` needs next: rules.md *Create*, *Which remote is mine*, *Absence*, *Keys and the Secret*.

mod adopt;
mod draft;
mod held;
mod input;

use std::time::Duration;

use jiff::SignedDuration;

use super::condition::{Is, Report, Verdict};
use super::contention::Field;
use super::create::{self, Intent};
use super::outcome::{AccountBlock, account_block};
use super::{AccountView, Note, Refusal, elapsed, target, wire_time};
use crate::api::endpoint::{LastCreate, PendingCreate};
use crate::api::{ConditionType, REMOTE_FINALIZER, Reason, WebhookEndpoint, WebhookEndpointStatus};
use crate::provider::model::{EndpointPatch, NewEndpoint, RemoteId, RemoteRow, canonical_url};
use crate::signing::SecretText;

pub(super) use draft::Draft;
use held::{difference, in_sync, maintain};
pub use input::{EndpointInput, EndpointMemory, RemoteSide, SecretView};

/// After so many new endpoints without a readable key, one more would be no better.
const MAX_UNREADABLE: u32 = 2;

/// The next kind of step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointStep {
    /// Put our finalizer on.
    AddFinalizer,
    /// Write the status and plan again only once it is acknowledged.
    Acknowledge,
    /// List endpoints, starting now.
    ListEndpoints,
    /// List endpoints and practices, starting now: a round with a witness.
    ListWorld,
    /// List the rows of one endpoint.
    ListRows(RemoteId),
    /// POST.
    Create(NewEndpoint),
    /// PATCH.
    Patch(RemoteId, EndpointPatch),
    /// PATCH of the switch, after it was switched off remotely.
    Reactivate(RemoteId),
    /// DELETE.
    Delete(RemoteId),
    /// DELETE these rows, because the endpoint cannot go before them.
    DeleteRows(Vec<RemoteRow>),
    /// Write the key of this remote endpoint into the Secret.
    PublishSecret(RemoteId),
    /// Take our owner reference off the Secret, so that garbage collection keeps a live key.
    ReleaseSecret,
    /// Take our finalizer off.
    RemoveFinalizer,
    /// Nothing now.
    Rest,
}

/// What to do, what to say, when to look again.
#[derive(Clone, Debug)]
pub struct EndpointPlan {
    /// The step.
    pub step: EndpointStep,
    /// The status that follows; written when the step is `Acknowledge` or `Rest`.
    pub status: WebhookEndpointStatus,
    /// Events to publish once the step is done.
    pub notes: Vec<Note>,
    /// What a PATCH puts back because somebody else has changed it.
    pub corrects: Vec<Field>,
    /// Seconds of delivery gaps that this status ends.
    pub gap_seconds: f64,
    /// When to plan again without being woken.
    pub again: Option<Duration>,
}

/// The name of the Secret that an endpoint publishes.
pub fn secret_name(object: &WebhookEndpoint) -> String {
    let own = || format!("{}-signing", object.metadata.name.as_deref().unwrap_or_default());
    object.spec.signing_secret.name.clone().unwrap_or_else(own)
}

/// Plans one endpoint object.
pub fn plan(input: &EndpointInput<'_>) -> EndpointPlan {
    if input.object.metadata.deletion_timestamp.is_some() {
        return super::endpoint_deletion::plan(input);
    }
    let draft = Draft::new(input);
    if input.policy.releasing {
        return super::endpoint_deletion::release(input, draft);
    }
    if let Some(problem) = target::problem(&input.object.spec.target_url) {
        return draft.rest(Report::stalled(Reason::InvalidSpec, problem), None);
    }
    match account_block(&input.account, &input.object.spec.account_ref.name) {
        Some(AccountBlock::Report(report)) => return draft.rest(report, None),
        Some(AccountBlock::LeaveUnchanged) => return draft.unchanged(),
        None => {}
    }
    if let AccountView::Ready { allow_insecure: false } = input.account
        && target::is_insecure(&input.object.spec.target_url)
    {
        let message = "spec.targetUrl is http, which would send health data unencrypted: use https, or set spec.allowInsecureTargets on the account (sandboxes only)";
        return draft.rest(Report::stalled(Reason::InsecureTarget, message), None);
    }
    if let Some(rival) = &input.rival {
        let message = format!(
            "WebhookEndpoint {rival:?} has the same target URL, and each event would arrive twice: point subscriptions at that one, or give spec.targetUrl a distinguishing path or query"
        );
        return draft.rest(Report::stalled(Reason::Conflict, message), None);
    }
    let held = input.object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == REMOTE_FINALIZER);
    let only_looks = draft.is_frozen() && draft.has_nothing();
    if !held && !only_looks {
        return draft.step(EndpointStep::AddFinalizer);
    }
    if !input.remote.listed {
        return draft.step(EndpointStep::ListEndpoints);
    }
    if input.secret == SecretView::Foreign {
        return draft.rest(secret_conflict(input.object), None);
    }
    match draft.status.remote_id.clone() {
        None => create(input, draft),
        Some(id) => maintain(input, draft, &RemoteId::new(id)),
    }
}

fn secret_conflict(object: &WebhookEndpoint) -> Report {
    let name = secret_name(object);
    let message = format!(
        "the Secret {name:?} is somebody else's, so it is never overwritten and no key can be published: delete that Secret if nobody needs it, or delete this WebhookEndpoint and create it with another spec.signingSecret.name"
    );
    Report::stalled(Reason::SecretConflict, message.clone()).with(Verdict::new(
        ConditionType::SecretPublished,
        Is::False,
        Reason::SecretConflict,
        message,
    ))
}

/// rules.md *Create*, from no id to an id.
fn create(input: &EndpointInput<'_>, mut draft: Draft<'_>) -> EndpointPlan {
    let remote = &input.remote;
    let refused = input.memory.refused.filter(|refusal| refusal.holds(input.now, input.timing));
    let last = draft.status.last_create.clone();
    let pending = draft.status.pending_create.clone();
    let mut intents: Vec<Intent<'_>> = last.iter().map(Intent::closed).collect();
    intents.extend(pending.iter().map(|pending| Intent::open(pending, input.now)));
    if pending.is_some() && !remote.listed_since_intent {
        return draft.step(EndpointStep::ListEndpoints);
    }
    // rules.md *Create*, key unreadable: the empty one goes first, so that there is never more than one of them.
    if let Some(id) = remote.removing.first() {
        if draft.is_frozen() {
            return draft
                .would([format!("delete the empty remote endpoint {id}, whose key the provider does not show")]);
        }
        let refusal = input.memory.delete_refused.filter(|refusal| refusal.holds(input.now, input.timing));
        return match refusal {
            None => draft.step(EndpointStep::Delete(id.clone())),
            Some(refusal) => {
                let again = refusal.left(input.now, input.timing);
                draft.rest(unreadable_and_stuck(id, refusal), Some(again))
            }
        };
    }
    if !draft.status.removing.is_empty() {
        if !remote.removing_gone {
            return draft.step(EndpointStep::ListEndpoints);
        }
        draft.status.removing.clear();
    }
    let (ours, foreign) = match create::judge(
        &input.object.spec.target_url,
        &remote.same_url,
        &intents,
        input.memory.made.as_ref(),
        input.timing,
    ) {
        create::Verdict::NeedRows(id) => return draft.step(EndpointStep::ListRows(id)),
        create::Verdict::Judged { ours, foreign } => (ours, foreign),
    };
    // An id that a 201 named is ours beyond doubt; a lower one is a twin of it only if a POST before it was lost.
    let made = input.memory.made.as_ref().filter(|made| !may_be_lost(input) && ours.contains(made));
    if let Some(keep) = made.or(ours.first()) {
        return take(input, draft, keep, None);
    }
    let recreating = pending.is_some() || last.is_some();
    match adopt::choose(input, &foreign, recreating) {
        adopt::Choice::Adopt(id, right) => return adopt::adopt(input, draft, &id, right),
        adopt::Choice::Leave(report) => return draft.rest(report, None),
        adopt::Choice::Make => {}
    }
    if draft.is_frozen() {
        let shown = target::shown(&input.object.spec.target_url);
        let name = secret_name(input.object);
        return draft.would([
            format!("create a remote endpoint that delivers to {shown}"),
            format!("publish its signing key in the Secret {name:?}"),
        ]);
    }
    if let Some(refusal) = refused {
        return draft.rest(rejected(refusal), Some(refusal.left(input.now, input.timing)));
    }
    if let Some(look_after) = remote.uncertain {
        let wait = elapsed(input.now, look_after);
        if wait.is_zero() {
            return draft.step(EndpointStep::ListEndpoints);
        }
        return draft
            .rest(progressing("the answer to creating the remote endpoint was lost; looking for it soon"), Some(wait));
    }
    if let Some((MAX_UNREADABLE.., at)) = input.memory.unreadable {
        let left = input.timing.rejected.saturating_sub(elapsed(at, input.now));
        if !left.is_zero() {
            return draft.rest(no_key_is_shown(), Some(left));
        }
    }
    let asked = pending.as_ref().map(|pending| pending.target_url.as_ref().unwrap_or(&input.object.spec.target_url));
    // A POST needs an intent that this very process has acknowledged: a write of it fails if the object has moved on, and
    // the one who wrote the intent that is there may have finished it meanwhile.
    if asked != Some(&input.object.spec.target_url) || !input.memory.intent_is_mine {
        // What the intent before may still make is remembered as ours.
        let before = pending.as_ref().map(|pending| pending.since.0);
        if let Some(pending) = pending.clone().filter(|_| may_be_lost(input)) {
            draft.status.last_create = Some(ended(input, pending, last));
        }
        let last = draft.status.last_create.as_ref();
        let seen_remote_ids = create::seen(&input.object.spec.target_url, &remote.same_url, last, input.timing);
        let mut own = intent(input, seen_remote_ids);
        // Never the same as before, or nothing would be written.
        let later = before.and_then(|before| before.checked_add(SignedDuration::from_secs(1)).ok());
        own.since.0 = later.map_or(own.since.0, |later| later.max(own.since.0));
        draft.status.pending_create = Some(own);
        return draft.acknowledge(progressing("creating the remote endpoint"));
    }
    let spec = &input.object.spec;
    draft.step(EndpointStep::Create(NewEndpoint { target_url: spec.target_url.clone(), active: spec.active }))
}

/// The id is known: the key into the Secret first, then the id into the status.
///
/// `right` is there where the object did not make the endpoint and takes it over.
fn take(input: &EndpointInput<'_>, mut draft: Draft<'_>, id: &RemoteId, right: Option<&str>) -> EndpointPlan {
    let mut found = input.remote.same_url.iter().chain(&input.remote.named);
    let Some(endpoint) = found.find(|candidate| candidate.endpoint.id == *id).map(|candidate| &candidate.endpoint)
    else {
        return draft.step(EndpointStep::ListEndpoints);
    };
    let in_secret = match &input.secret {
        SecretView::Ours { current, .. } => current.as_ref(),
        _ => None,
    };
    let Some(key) = endpoint.key.as_ref().or(in_secret.filter(|_| right.is_some())) else {
        // An empty endpoint whose key nobody will ever know is of no use: name it as on its way out, then make another.
        draft.status.removing.push(id.as_str().to_owned());
        return draft.acknowledge(progressing("the new remote endpoint shows no key; replacing it"));
    };
    if !published(&input.secret, key) {
        return draft.step(EndpointStep::PublishSecret(id.clone()));
    }
    let lost = may_be_lost(input);
    let pending = draft.status.pending_create.take();
    // What an intent before this one may still make is not forgotten for one that has made all it could.
    if let Some(pending) = pending {
        let last = draft.status.last_create.take().filter(|last| last.outstanding);
        draft.status.last_create = Some(match last {
            last if lost => ended(input, pending, last),
            Some(last) => last,
            None => LastCreate { outstanding: false, ..ended(input, pending, None) },
        });
    }
    draft.status.remote_id = Some(id.as_str().to_owned());
    let shown = target::shown(&endpoint.target_url);
    draft.notes.push(match right {
        None if input.memory.made.as_ref() == Some(id) => {
            Note::normal("Created", "Create", format!("remote endpoint {id} delivers to {shown}"))
        }
        None => {
            let text = format!(
                "found remote endpoint {id}, which an attempt made whose answer was lost; it delivers to {shown}"
            );
            Note::normal("Created", "Create", text)
        }
        Some(right) => Note::normal(
            "Adopted",
            "Adopt",
            format!("took over remote endpoint {id}, which delivers to {shown}: {right}"),
        ),
    });
    if difference(input, endpoint) != EndpointPatch::default() {
        return draft.acknowledge(progressing("the spec was edited while the remote endpoint was made; changing it"));
    }
    in_sync(input, draft, endpoint, EndpointStep::Acknowledge)
}

/// The intent to make an endpoint with the spec's URL, from now on.
fn intent(input: &EndpointInput<'_>, seen_remote_ids: Vec<String>) -> PendingCreate {
    let target_url = Some(input.object.spec.target_url.clone());
    PendingCreate { since: wire_time(input.now), target_url, seen_remote_ids }
}

/// An intent that is over and may have lost a POST, joined with the one before it, which may as well.
fn ended(input: &EndpointInput<'_>, pending: PendingCreate, before: Option<LastCreate>) -> LastCreate {
    let PendingCreate { since, target_url, seen_remote_ids } = pending;
    let mut ended = LastCreate { since, until: wire_time(input.now), target_url, seen_remote_ids, outstanding: true };
    let url = |last: &LastCreate| canonical_url(last.target_url.as_ref().unwrap_or(&input.object.spec.target_url));
    if let Some(before) = before.filter(|before| before.outstanding && url(before) == url(&ended)) {
        ended.since = before.since.min(ended.since);
        let known = before.seen_remote_ids.into_iter().filter(|id| !ended.seen_remote_ids.contains(id)).collect::<Vec<_>>();
        ended.seen_remote_ids.extend(known);
        ended.seen_remote_ids.truncate(create::SEEN_LIMIT);
    }
    ended
}

/// Whether a POST of the present intent may have been lost: its answer was ambiguous, or its process ended.
fn may_be_lost(input: &EndpointInput<'_>) -> bool {
    input.memory.lost_post.is_some() || !input.memory.intent_is_mine
}

fn published(secret: &SecretView, key: &SecretText) -> bool {
    matches!(secret, SecretView::Ours { current: Some(current), dressed: true, .. } if current == key)
}

fn progressing(message: &str) -> Report {
    Report::unknown(Reason::Progressing, message)
}

fn no_key_is_shown() -> Report {
    let message = "the provider shows no signing key for the endpoints it makes, so no delivery could be verified: have it return secret_key to this account's API key. It is tried again after an edit of spec, and every few hours";
    Report::stalled(Reason::KeyUnreadable, message)
}

fn unreadable_and_stuck(id: &RemoteId, refusal: Refusal) -> Report {
    let message = format!(
        "the provider shows no key for its new endpoint {id} and refuses to delete it (HTTP {}): delete it there; another one is made then",
        refusal.status
    );
    Report::stalled(Reason::KeyUnreadable, message)
}

fn rejected(refusal: Refusal) -> Report {
    let message = format!(
        "the provider refused this endpoint (HTTP {}): check spec.targetUrl (most refuse http and private hosts); it is tried again when the spec or the account changes",
        refusal.status
    );
    Report::stalled(Reason::Rejected, message)
}
