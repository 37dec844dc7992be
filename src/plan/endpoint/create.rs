//! rules.md *Create*, from no id to an id; also for the second endpoint of a rotation.

use jiff::{SignedDuration, Timestamp};

use super::adopt;
use super::correct::difference;
use super::draft::Draft;
use super::standing::{Standing, standing};
use super::{EndpointInput, EndpointPlan, EndpointStep, SecretView, progressing, rejected, secret_name};
use crate::api::Reason;
use crate::api::endpoint::{LastCreate, PendingCreate};
use crate::plan::condition::Report;
use crate::plan::create::{self, Intent};
use crate::plan::rotation::{self, MAX_UNREADABLE, Publish};
use crate::plan::{Note, Refusal, elapsed, target, wire_time};
use crate::provider::model::{EndpointPatch, NewEndpoint, RemoteEndpoint, RemoteId, canonical_url};
use crate::signing::SecretText;

/// What an endpoint is made for.
pub(in crate::plan) enum Purpose {
    /// The object has none.
    First,
    /// A rotation needs a second one; the first stands so.
    Rotation(Standing),
}

impl Purpose {
    /// Nothing now. While the first endpoint is there, what is said is about that one.
    fn rest(self, draft: Draft<'_>, report: Report, again: Option<std::time::Duration>) -> EndpointPlan {
        match self {
            Self::First => draft.rest(report, again),
            Self::Rotation(state) => state.rest(draft, again),
        }
    }

    fn acknowledge(self, draft: Draft<'_>, doing: &str) -> EndpointPlan {
        match self {
            Self::First => draft.acknowledge(progressing(doing)),
            Self::Rotation(state) => state.acknowledge(draft),
        }
    }
}

/// Brings one endpoint into being, or finds the one that an earlier attempt made.
pub(in crate::plan) fn make(input: &EndpointInput<'_>, mut draft: Draft<'_>, purpose: Purpose) -> EndpointPlan {
    let remote = &input.remote;
    let refused = match purpose {
        Purpose::First => input.memory.refused,
        Purpose::Rotation(_) => input.memory.second_refused,
    };
    let refused = refused.filter(|refusal| refusal.holds(input.now, input.timing));
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
        match input.delete_refused(id) {
            None => return draft.step(EndpointStep::Delete(id.clone())),
            Some(refusal) if made_by(input, &intents, id) => {
                let again = refusal.left(input.now, input.timing);
                return purpose.rest(draft, unreadable_and_stuck(id, refusal), Some(again));
            }
            // A former endpoint of a rotation, which nothing is gained by waiting for.
            Some(_) => {}
        }
    } else if !draft.status.removing.is_empty() {
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
    if let Some(safe) = both_lost(input, &draft) {
        let wait = elapsed(input.now, safe);
        if wait.is_zero() {
            return draft.step(EndpointStep::ListEndpoints);
        }
        let report = progressing("two creates with different URLs may have been lost; looking for the first");
        return purpose.rest(draft, report, Some(wait));
    }
    // An id that a 201 named is ours beyond doubt; a lower one is a twin of it only if a POST before it was lost.
    let made = input.memory.made.as_ref().filter(|made| !may_be_lost(input) && ours.contains(made));
    if let Some(keep) = made.or(ours.first()) {
        return match purpose {
            Purpose::First => take(input, draft, keep, None),
            Purpose::Rotation(state) => take_second(input, draft, keep, state),
        };
    }
    // What somebody else has there is no business of a rotation: its own first endpoint has the same URL.
    if let Purpose::First = purpose {
        if let Some((from, to)) = adopt::both_possessed(input, &foreign) {
            return resume(input, draft, from, to);
        }
        let recreating = pending.is_some() || last.is_some();
        match adopt::choose(input, &foreign, recreating) {
            adopt::Choice::Adopt(id, right) => return adopt::adopt(input, draft, &id, right),
            adopt::Choice::Leave(report) => return draft.rest(report, None),
            adopt::Choice::Make => {}
        }
    }
    if draft.is_frozen() {
        let shown = target::shown(&input.object.spec.target_url);
        let name = secret_name(input.object);
        return draft.would([
            format!("create a remote endpoint that delivers to {shown}"),
            format!("publish its signing key in the Secret {name:?}"),
        ]);
    }
    if let Some(look_after) = remote.uncertain {
        let wait = elapsed(input.now, look_after);
        if wait.is_zero() {
            return draft.step(EndpointStep::ListEndpoints);
        }
        let report = progressing("the answer to creating the remote endpoint was lost; looking for it soon");
        return purpose.rest(draft, report, Some(wait));
    }
    if let Some(refusal) = refused {
        return match purpose {
            Purpose::Rotation(state) if rotation::means_duplicate(refusal.status) => {
                rotation::duplicate_refused(input, draft, refusal.status, state)
            }
            purpose => purpose.rest(draft, rejected(refusal), Some(refusal.left(input.now, input.timing))),
        };
    }
    if let Some((MAX_UNREADABLE.., at)) = input.memory.unreadable {
        let left = input.timing.rejected.saturating_sub(elapsed(at, input.now));
        if !left.is_zero() {
            return purpose.rest(draft, no_key_is_shown(), Some(left));
        }
    }
    let asked = pending.as_ref().map(|pending| pending.target_url.as_ref().unwrap_or(&input.object.spec.target_url));
    // A POST needs an intent that this very process has acknowledged: a write of it fails if the object has moved on, and
    // the one who wrote the intent that is there may have finished it meanwhile.
    if asked != Some(&input.object.spec.target_url) || !input.memory.intent_is_mine {
        // What the intent before may still make is remembered as ours.
        if let Some(pending) = pending.clone().filter(|_| may_be_lost(input)) {
            draft.status.last_create = Some(ended(input, pending, last));
        }
        let last = draft.status.last_create.as_ref();
        let seen_remote_ids = create::seen(&input.object.spec.target_url, &remote.same_url, last, input.timing);
        let mut own = intent(input, seen_remote_ids);
        // Never the same as before, or nothing would be written.
        if let Some(before) = pending.filter(|before| *before == own) {
            own.since.0 = before.since.0.checked_add(SignedDuration::from_secs(1)).unwrap_or(before.since.0);
        }
        draft.status.pending_create = Some(own);
        return purpose.acknowledge(draft, "creating the remote endpoint");
    }
    let spec = &input.object.spec;
    draft.step(EndpointStep::Create(NewEndpoint { target_url: spec.target_url.clone(), active: spec.active }))
}

/// Whether a present intent may have made an endpoint that is on its way out: then another POST would make one more.
fn made_by(input: &EndpointInput<'_>, intents: &[Intent<'_>], id: &RemoteId) -> bool {
    let mut listed = input.remote.same_url.iter().map(|candidate| &candidate.endpoint);
    let url = &input.object.spec.target_url;
    listed
        .find(|endpoint| endpoint.id == *id)
        .is_none_or(|endpoint| intents.iter().any(|intent| intent.matches(endpoint, url, input.timing)))
}

/// The second endpoint of a rotation is there: its id into the status, before its key into the Secret.
fn take_second(input: &EndpointInput<'_>, mut draft: Draft<'_>, id: &RemoteId, state: Standing) -> EndpointPlan {
    let mut found = input.remote.same_url.iter().map(|candidate| &candidate.endpoint);
    let Some(endpoint) = found.find(|endpoint| endpoint.id == *id) else {
        return draft.step(EndpointStep::ListEndpoints);
    };
    if endpoint.key.is_none() {
        draft.status.removing.push(id.as_str().to_owned());
        return state.acknowledge(draft);
    }
    close(input, &mut draft);
    rotation::prepared(draft, id, state)
}

/// The id is known: the key into the Secret first, then the id into the status.
///
/// `right` is there where the object did not make the endpoint and takes it over.
pub(super) fn take(
    input: &EndpointInput<'_>,
    mut draft: Draft<'_>,
    id: &RemoteId,
    right: Option<&str>,
) -> EndpointPlan {
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
        return draft.step(EndpointStep::PublishSecret(Publish::only(id)));
    }
    close(input, &mut draft);
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
    rotation::record_request(input, &mut draft);
    if difference(input, endpoint) != EndpointPatch::default() {
        return draft.acknowledge(progressing("the spec was edited while the remote endpoint was made; changing it"));
    }
    standing(input, &mut draft, endpoint).acknowledge(draft)
}

/// rules.md *Which remote is mine*: the Secret holds the keys of two unclaimed endpoints, so a rotation was under way.
fn resume(input: &EndpointInput<'_>, mut draft: Draft<'_>, from: &RemoteEndpoint, to: &RemoteEndpoint) -> EndpointPlan {
    if draft.is_frozen() {
        let line =
            format!("take over remote endpoints {} and {}, and go on with the rotation of their key", from.id, to.id);
        return draft.would([line]);
    }
    close(input, &mut draft);
    draft.status.remote_id = Some(from.id.as_str().to_owned());
    rotation::record_request(input, &mut draft);
    rotation::resumed(input, &mut draft, from, to);
    standing(input, &mut draft, from).acknowledge(draft)
}

/// The intent to make an endpoint with the spec's URL, from now on.
pub(super) fn intent(input: &EndpointInput<'_>, seen_remote_ids: Vec<String>) -> PendingCreate {
    let target_url = Some(input.object.spec.target_url.clone());
    PendingCreate { since: wire_time(input.now), target_url, seen_remote_ids }
}

/// The present intent has done what it was for. What one before it may still make is not forgotten for that.
pub(in crate::plan) fn close(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    let Some(pending) = draft.status.pending_create.take() else { return };
    let last = draft.status.last_create.take().filter(|last| last.outstanding);
    draft.status.last_create = Some(match last {
        last if may_be_lost(input) => ended(input, pending, last),
        Some(last) => last,
        None => LastCreate { outstanding: false, ..ended(input, pending, None) },
    });
}

/// An intent that is over and may have lost a POST, joined with the one before it, which may as well.
fn ended(input: &EndpointInput<'_>, pending: PendingCreate, before: Option<LastCreate>) -> LastCreate {
    let PendingCreate { since, target_url, seen_remote_ids } = pending;
    let mut ended = LastCreate { since, until: wire_time(input.now), target_url, seen_remote_ids, outstanding: true };
    let url = |last: &LastCreate| canonical_url(last.target_url.as_ref().unwrap_or(&input.object.spec.target_url));
    if let Some(before) = before.filter(|before| before.outstanding && url(before) == url(&ended)) {
        ended.since = before.since.min(ended.since);
        let earlier = before.seen_remote_ids.into_iter().filter(|id| !ended.seen_remote_ids.contains(id));
        let earlier: Vec<String> = earlier.collect();
        ended.seen_remote_ids.extend(earlier);
        ended.seen_remote_ids.truncate(create::SEEN_LIMIT);
    }
    ended
}

/// Whether a POST of the present intent may have been lost: its answer was ambiguous, or its process ended.
fn may_be_lost(input: &EndpointInput<'_>) -> bool {
    let status = input.object.status.as_ref();
    let since = status.and_then(|status| status.pending_create.as_ref()).map(|pending| pending.since.0);
    // Times in a status are whole seconds.
    let since = since.map(|since| since.saturating_sub(SignedDuration::from_secs(1)).unwrap_or(since));
    let lost = input.memory.lost_post.is_some_and(|lost| since.is_none_or(|since| since <= lost));
    lost || !input.memory.intent_is_mine
}

/// The status remembers one create that ended. Where the present one has another URL and both may have been lost, the end
/// of the first is waited for: from when on a list shows all that it made.
fn both_lost(input: &EndpointInput<'_>, draft: &Draft<'_>) -> Option<Timestamp> {
    let status = &draft.status;
    let pending = status.pending_create.as_ref().filter(|_| may_be_lost(input))?;
    let last = status.last_create.as_ref().filter(|last| last.outstanding)?;
    let spec = &input.object.spec.target_url;
    let url = |url: &Option<String>| canonical_url(url.as_ref().unwrap_or(spec));
    if url(&pending.target_url) == url(&last.target_url) {
        return None;
    }
    let late = SignedDuration::try_from(input.timing.outstanding + input.predecessor).ok()?;
    let safe = last.until.0.checked_add(late).ok()?;
    input.remote.listed_at.is_none_or(|listed| listed < safe).then_some(safe)
}

fn published(secret: &SecretView, key: &SecretText) -> bool {
    matches!(secret, SecretView::Ours { current: Some(current), dressed: true, .. } if current == key)
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
