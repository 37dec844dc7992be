//! rules.md *Which remote is mine*: endpoints that the object did not make in any way it remembers, and may still take.

use super::create::take;
use super::draft::Draft;
use super::{EndpointInput, EndpointPlan, SecretView, secret_name};
use crate::api::Reason;
use crate::api::endpoint::Adoption;
use crate::plan::condition::{Is, Report, Verdict};
use crate::plan::create::Candidate;
use crate::plan::target;
use crate::provider::model::{RemoteEndpoint, RemoteId, canonical_url};

const BY_ID: &str = "spec.adoptRemoteId names it";
const BY_POLICY: &str = "spec.adoption is IfUnclaimed";

/// What is to be done about endpoints with the object's URL that no intent of it has made.
pub(super) enum Choice {
    /// Take this one; the text says by what right.
    Adopt(RemoteId, &'static str),
    /// Do nothing, and say why.
    Leave(Report),
    /// Nothing stands in the way of making one.
    Make,
}

/// Looks at `foreign`, which are unclaimed, in the order of the rule: possession of the key, the id that a person named,
/// the policy.
pub(super) fn choose(input: &EndpointInput<'_>, foreign: &[RemoteId], recreating: bool) -> Choice {
    let spec = &input.object.spec;
    if let Some(id) = possessed(input, foreign) {
        // On the way of an adoption the key is in the Secret before the id is in the status.
        let right = match (&spec.adopt_remote_id, spec.adoption) {
            (Some(wanted), _) if *wanted == id.as_str() => BY_ID,
            (None, Adoption::IfUnclaimed) => BY_POLICY,
            _ => "the Secret holds its signing key",
        };
        return Choice::Adopt(id, right);
    }
    if let Some(other) = input.remote.same_url.iter().find(|candidate| candidate.held_elsewhere) {
        return Choice::Leave(claimed_elsewhere(input, &other.endpoint.id));
    }
    // One that was adopted under a grant that has been withdrawn, and is made again now, adopts nothing.
    let granted = input.share.adoption(&spec.target_url);
    if let Some(wanted) = spec.adopt_remote_id.as_deref().filter(|_| granted) {
        match adoptable(input, wanted) {
            Ok(id) => return Choice::Adopt(id, BY_ID),
            Err(message) if !recreating => return Choice::Leave(Report::stalled(Reason::CannotAdopt, message)),
            // One that was adopted, held and then deleted at the provider is made again like any other (*No bricks*).
            Err(_) => {}
        }
    }
    match (spec.adoption, foreign) {
        (_, []) => Choice::Make,
        (_, _) if !granted => Choice::Leave(remote_exists_unlent()),
        (Adoption::IfUnclaimed, [id]) => Choice::Adopt(id.clone(), BY_POLICY),
        (Adoption::IfUnclaimed, several) => Choice::Leave(ambiguous(several)),
        (Adoption::Never, [id, ..]) => Choice::Leave(remote_exists(id)),
    }
}

/// An unclaimed endpoint whose key the object's own Secret holds: a status that was lost, or a restored backup.
fn possessed(input: &EndpointInput<'_>, foreign: &[RemoteId]) -> Option<RemoteId> {
    let SecretView::Ours { current, previous, .. } = &input.secret else { return None };
    let holds = |key: &Option<_>| {
        let key = key.as_ref()?;
        let mut unclaimed = input.remote.same_url.iter().filter(|candidate| foreign.contains(&candidate.endpoint.id));
        unclaimed.find(|candidate| candidate.endpoint.key.as_ref() == Some(key))
    };
    holds(current).or_else(|| holds(previous)).map(|candidate| candidate.endpoint.id.clone())
}

/// Two unclaimed endpoints whose keys the object's own Secret holds: that of `previous`, and that of `current`.
pub(super) fn both_possessed<'a>(
    input: &'a EndpointInput<'_>,
    foreign: &[RemoteId],
) -> Option<(&'a RemoteEndpoint, &'a RemoteEndpoint)> {
    let SecretView::Ours { current: Some(current), previous: Some(previous), .. } = &input.secret else { return None };
    let holder = |key| {
        let mut unclaimed = input.remote.same_url.iter().map(|candidate| &candidate.endpoint);
        unclaimed.find(|endpoint| foreign.contains(&endpoint.id) && endpoint.key.as_ref() == Some(key))
    };
    let (from, to) = (holder(previous)?, holder(current)?);
    (from.id != to.id).then_some((from, to))
}

fn adoptable(input: &EndpointInput<'_>, wanted: &str) -> Result<RemoteId, String> {
    judge_named(input, wanted).map_err(|message| match input.share.is_lent() {
        false => message,
        // Whoever shares the account must not learn from it which ids there are, and where they deliver to.
        true => format!(
            "spec.adoptRemoteId names remote endpoint {wanted}, which is not an unclaimed endpoint that delivers to spec.targetUrl: correct the id or spec.targetUrl, or remove the field to have an endpoint made"
        ),
    })
}

fn judge_named(input: &EndpointInput<'_>, wanted: &str) -> Result<RemoteId, String> {
    let Some(Candidate { endpoint, taken, .. }) = &input.remote.named else {
        return Err(format!(
            "spec.adoptRemoteId names remote endpoint {wanted}, which the provider does not list for this account: correct the id, or remove the field to have an endpoint made"
        ));
    };
    if *taken {
        return Err(format!(
            "spec.adoptRemoteId names remote endpoint {wanted}, which another WebhookEndpoint holds: use that one, or correct the id"
        ));
    }
    if canonical_url(&endpoint.target_url) != canonical_url(&input.object.spec.target_url) {
        return Err(format!(
            "spec.adoptRemoteId names remote endpoint {wanted}, which delivers to {}, not to spec.targetUrl: set spec.targetUrl to that URL first (it can be changed once the endpoint is adopted)",
            target::shown(&endpoint.target_url)
        ));
    }
    Ok(endpoint.id.clone())
}

/// Takes an endpoint over: the key into the Secret, then the id into the status. It never begins with a PATCH.
pub(super) fn adopt(input: &EndpointInput<'_>, draft: Draft<'_>, id: &RemoteId, right: &'static str) -> EndpointPlan {
    if let Some(endpoint) = listed(input, id) {
        if draft.is_frozen() {
            return draft.would([format!("adopt remote endpoint {id} ({right}) and publish its signing key")]);
        }
        if endpoint.key.is_none() && !holds_a_key(&input.secret) {
            return draft.rest(unreadable(input, id), None);
        }
    }
    take(input, draft, id, Some(right))
}

fn listed<'a>(input: &'a EndpointInput<'_>, id: &RemoteId) -> Option<&'a RemoteEndpoint> {
    let candidates = input.remote.same_url.iter().chain(&input.remote.named);
    candidates.map(|candidate| &candidate.endpoint).find(|endpoint| endpoint.id == *id)
}

fn holds_a_key(secret: &SecretView) -> bool {
    matches!(secret, SecretView::Ours { current: Some(_), .. })
}

fn unreadable(input: &EndpointInput<'_>, id: &RemoteId) -> Report {
    let message = format!(
        "the provider does not show the signing key of endpoint {id}, so it cannot be published in the Secret {:?}: have the provider return secret_key to this account's API key, or delete that endpoint there and remove spec.adoptRemoteId, so that a new one with a new key is made",
        secret_name(input.object)
    );
    Report::stalled(Reason::KeyUnreadable, message.clone()).with(Verdict::new(
        crate::api::ConditionType::SecretPublished,
        Is::False,
        Reason::KeyUnreadable,
        message,
    ))
}

/// Somebody else's endpoint with the same URL, named with what would adopt it.
pub(super) fn remote_exists(id: &RemoteId) -> Report {
    let message = format!(
        "the provider already has endpoint {id} with this target URL, and this object did not make it; a second one would deliver each event twice. To take it over set spec.adoptRemoteId: {:?}, or spec.adoption: IfUnclaimed; else delete it at the provider, or give spec.targetUrl a distinguishing path or query",
        id.as_str()
    );
    Report::stalled(Reason::RemoteExists, message)
}

/// The same, said to a namespace that must not take it over.
fn remote_exists_unlent() -> Report {
    let message = "the provider already has an endpoint with this target URL, and this object did not make it; a second one would deliver each event twice. Give spec.targetUrl a distinguishing path or query, or have allowAdoption: true set in a grant with that host in spec.grants of the ClusterProviderAccount and set spec.adoption: IfUnclaimed here";
    Report::stalled(Reason::RemoteExists, message)
}

fn ambiguous(several: &[RemoteId]) -> Report {
    let names = several.iter().take(10).map(RemoteId::as_str).collect::<Vec<_>>().join(", ");
    let message = format!(
        "the provider has several unclaimed endpoints with this target URL ({names}), and nothing says which to adopt: set spec.adoptRemoteId to one of them, or delete the others at the provider"
    );
    Report::stalled(Reason::AmbiguousRemote, message)
}

fn claimed_elsewhere(input: &EndpointInput<'_>, id: &RemoteId) -> Report {
    if input.share.is_lent() {
        let message = "another WebhookEndpoint that shares the account delivers to this target URL; a second one would deliver each event twice: give spec.targetUrl a distinguishing path or query";
        return Report::stalled(Reason::Conflict, message);
    }
    let message = format!(
        "remote endpoint {id} has this target URL and another WebhookEndpoint holds it, perhaps under another account that sees the same organisation; a second one would deliver each event twice: point subscriptions at that one, or give spec.targetUrl a distinguishing path or query"
    );
    Report::stalled(Reason::Conflict, message)
}
