//! When a rotation is due, and when it is overdue.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::api::endpoint::SigningSecretStatus;
use crate::api::rotation::{RotationPhase, RotationSpec, RotationStatus};
use crate::api::{ConditionType, DurationText, Reason, WebhookEndpoint, WebhookEndpointStatus};
use crate::plan::condition::{Is, Verdict, find, kept};
use crate::plan::endpoint::{EndpointInput, LeavingRow, SecretView, Stuck};
use crate::plan::frozen::freeze;
use crate::provider::model::{RemoteEndpoint, RemoteId, canonical_url};

/// What a rotation may take beside its pauses, and how late it may begin, before it is overdue. The CRD keeps as much free
/// between two rotations.
pub const MARGIN: Duration = Duration::from_secs(3600);

/// Why a rotation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A new `requestId`.
    Requested,
    /// The interval is over.
    Due,
    /// rules.md *Keys and the Secret*: the key is lost.
    KeyLost,
}

/// The pauses of a spec.
#[derive(Clone, Copy, Debug)]
pub struct Pauses {
    /// How old a key may get.
    pub interval: Option<Duration>,
    /// How long the replaced key stays.
    pub overlap: Duration,
    /// What receivers get to load the new key.
    pub publish_delay: Duration,
}

/// What is wrong with the pauses of a spec that an older schema let through.
pub fn problem(spec: &RotationSpec) -> Option<String> {
    let fields = [
        ("interval", spec.interval.as_ref()),
        ("overlap", Some(&spec.overlap)),
        ("publishDelay", Some(&spec.publish_delay)),
    ];
    let bad = fields.into_iter().find(|(_, text)| text.is_some_and(|text| text.get().is_none()))?;
    let name = bad.0;
    Some(format!(
        "spec.signingSecret.rotation.{name} is not a duration: write whole hours, minutes and seconds, such as 49h or 1h30m"
    ))
}

/// The pauses, once [`problem`] has found nothing.
pub fn pauses(spec: &RotationSpec) -> Pauses {
    let get = |text: &DurationText| text.get().unwrap_or_default();
    Pauses {
        interval: spec.interval.as_ref().map(get),
        overlap: get(&spec.overlap),
        publish_delay: get(&spec.publish_delay),
    }
}

/// When the key is due. A fleet that was made in one minute is not replaced in one: each object is up to an hour early, by
/// a share that its UID gives.
pub fn next(object: &WebhookEndpoint, last: Timestamp) -> Option<Timestamp> {
    let interval = pauses(&object.spec.signing_secret.rotation).interval?;
    let uid = object.metadata.uid.as_deref().unwrap_or_default();
    let early = interval.min(MARGIN * 10) / 10;
    let share = Sha256::digest(uid.as_bytes()).first().copied().unwrap_or_default();
    let early = early.mul_f64(f64::from(share) / 256.0);
    last.checked_add(signed(interval.saturating_sub(early))).ok()
}

/// When the key was last replaced: as the status says, or the Secret, should the status be lost.
pub fn last(known: Option<&SigningSecretStatus>, secret: &SecretView) -> Option<Timestamp> {
    let noted = match secret {
        SecretView::Ours { rotated_at, .. } => *rotated_at,
        SecretView::Missing | SecretView::Foreign => None,
    };
    known.and_then(|known| known.last_rotation_time.as_ref()).map(|time| time.0).or(noted)
}

/// Why a rotation should begin now, if it should.
pub fn cause(input: &EndpointInput<'_>, status: &WebhookEndpointStatus) -> Option<Cause> {
    let request = &input.object.spec.signing_secret.rotation.request_id;
    let handled = status.rotation.as_ref().and_then(|rotation| rotation.last_handled_request_id.as_ref());
    // Without bookkeeping nobody knows whether this one was handled (never twice for one request).
    if !request.is_empty() && handled.is_some_and(|handled| handled != request) {
        return Some(Cause::Requested);
    }
    let known = status.signing_secret.as_ref();
    let due = known.and_then(|known| known.last_rotation_time.as_ref()).and_then(|last| next(input.object, last.0));
    (due.is_some_and(|due| due <= input.now) && !duplicate_believed(input, status)).then_some(Cause::Due)
}

/// Whether the provider refused the second endpoint of the last rotation. It is hardly tried again by itself: a
/// person has to give the endpoint another URL.
pub fn duplicate_refused(status: &WebhookEndpointStatus) -> bool {
    kept(&status.conditions, ConditionType::RotationOverdue)
        .is_some_and(|overdue| overdue.reason == Reason::DuplicateUrlRefused)
}

/// Whether that refusal is still believed (rules.md *Outcomes*: for 6 h): a single one may have been an accident.
pub fn duplicate_believed(input: &EndpointInput<'_>, status: &WebhookEndpointStatus) -> bool {
    duplicate_refused(status) && believed_until(input, status).is_none_or(|until| input.now < until)
}

fn believed_until(input: &EndpointInput<'_>, status: &WebhookEndpointStatus) -> Option<Timestamp> {
    let said = find(&status.conditions, ConditionType::RotationOverdue)?;
    after(said.last_transition_time.0, input.timing.rejected)
}

/// `RotationOverdue`, where it has to be said.
///
/// `off` says that the remote endpoint was found switched off at the provider.
pub fn overdue(input: &EndpointInput<'_>, status: &WebhookEndpointStatus, off: bool) -> Option<Verdict> {
    status.remote_id.as_ref()?;
    if input.object.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let (reason, message) = match running(status) {
        Some((rotation, phase)) => running_late(input, rotation, phase, off)?,
        None => not_begun(input, status, off)?,
    };
    Some(Verdict::new(ConditionType::RotationOverdue, Is::True, reason, message))
}

/// When the verdict of [`overdue`] may be another one without anything else having changed.
pub fn look_again(input: &EndpointInput<'_>, status: &WebhookEndpointStatus) -> Option<Duration> {
    let pauses = pauses(&input.object.spec.signing_secret.rotation);
    let moments: [Option<Timestamp>; 3] = match running(status) {
        Some((rotation, phase)) => [late_at(rotation, phase, pauses), None, None],
        None => {
            let next = status.signing_secret.as_ref().and_then(|known| known.next_rotation_time.as_ref());
            let believed = duplicate_refused(status).then(|| believed_until(input, status)).flatten();
            [next.map(|next| next.0), next.and_then(|next| after(next.0, MARGIN)), believed]
        }
    };
    let ahead = moments.into_iter().flatten().filter_map(|moment| Duration::try_from(moment - input.now).ok());
    ahead.filter(|wait| !wait.is_zero()).min()
}

fn running(status: &WebhookEndpointStatus) -> Option<(&RotationStatus, RotationPhase)> {
    let rotation = status.rotation.as_ref()?;
    Some((rotation, rotation.phase?))
}

/// When a phase has lasted too long. Draining lasts as long as it is told to.
fn late_at(rotation: &RotationStatus, phase: RotationPhase, pauses: Pauses) -> Option<Timestamp> {
    match phase {
        RotationPhase::Preparing | RotationPhase::Publishing | RotationPhase::Switching => {
            let since = rotation.published_at.as_ref().or(rotation.started_at.as_ref())?;
            after(since.0, pauses.publish_delay + MARGIN)
        }
        RotationPhase::Draining | RotationPhase::Retiring => {
            after(rotation.switched_at.as_ref()?.0, pauses.overlap + MARGIN)
        }
    }
}

fn running_late(
    input: &EndpointInput<'_>,
    rotation: &RotationStatus,
    phase: RotationPhase,
    off: bool,
) -> Option<(Reason, String)> {
    if let Some(said) = refused(input, rotation, phase) {
        return Some(said);
    }
    let pauses = pauses(&input.object.spec.signing_secret.rotation);
    let late = late_at(rotation, phase, pauses).is_some_and(|late| late <= input.now);
    if matches!(phase, RotationPhase::Publishing | RotationPhase::Switching) && off {
        return Some((Reason::SwitchedOffRemotely, OFF.to_owned()));
    }
    let new = input.remote.other.as_ref().and_then(|other| other.endpoint.as_ref());
    if let (RotationPhase::Publishing, Some(new)) = (phase, new.filter(|new| new_differs(input, new)))
        && input.memory.other_refused.is_some()
    {
        let message = format!(
            "the provider refuses to change the new remote endpoint {} to what the spec declares, so nothing is moved there: change spec.targetUrl and spec.active so that it agrees, or correct that endpoint at the provider",
            new.id
        );
        return Some((Reason::Rejected, message));
    }
    if !late {
        return None;
    }
    if let Some(said) = frozen(input) {
        return Some(said);
    }
    let message = format!(
        "the rotation has been {phase:?} for longer than it should; nothing is lost meanwhile, both keys verify: look at the other conditions of this object and of its account, and at the log of the operator"
    );
    Some((Reason::Overrun, message))
}

/// What the provider said no to.
fn refused(input: &EndpointInput<'_>, rotation: &RotationStatus, phase: RotationPhase) -> Option<(Reason, String)> {
    let memory = &input.memory;
    let holds = |refusal: &crate::plan::Refusal| refusal.holds(input.now, input.timing);
    if phase == RotationPhase::Preparing && memory.unreadable.is_some_and(|(count, _)| count >= super::MAX_UNREADABLE) {
        let message = "the provider shows no signing key for the new remote endpoint, so it cannot be published; the present key stays in use: have the provider return secret_key to this account's API key";
        return Some((Reason::KeyUnreadable, message.to_owned()));
    }
    if let (RotationPhase::Preparing, Some(refusal)) = (phase, memory.second_refused.filter(holds)) {
        let message = format!(
            "the provider refuses to make the second remote endpoint (HTTP {}), although it made the first: have it allow this account's API key to make endpoints. It is tried again when the spec or the account changes, and every few hours; the present key stays in use",
            refusal.status
        );
        return Some((Reason::Rejected, message));
    }
    let stuck = input.remote.leaving.iter().flat_map(|leaving| &leaving.stuck);
    // One that cannot be moved is made and deleted instead; not so without its practice's name.
    let no_way = |(leaving, stuck): &&(LeavingRow, Stuck)| {
        let nameless = leaving.row.practice.is_some() && leaving.practice.is_none();
        (!matches!(stuck, Stuck::Move(_)) || nameless && !leaving.there) && holds(&stuck.refusal())
    };
    let stuck = stuck.filter(no_way);
    if let Some((leaving, stuck)) = stuck.min_by(|a, b| a.0.row.id.cmp(&b.0.row.id)) {
        let id = &leaving.row.id;
        let message = format!(
            "the provider neither moves subscription {id} to the new remote endpoint nor replaces it (HTTP {}): have its practice granted to the account's key, or delete that subscription at the provider. Until then it stays where it is, and its events arrive",
            stuck.refusal().status
        );
        return Some((Reason::MoveRefused, message));
    }
    if phase == RotationPhase::Preparing
        && let Some((id, refusal)) = input.remote.removing.iter().find_map(|id| Some((id, input.delete_refused(id)?)))
    {
        let message = format!(
            "the provider shows no key for its new endpoint {id} and refuses to delete it (HTTP {}): delete it there; another one is made then. The present key stays in use",
            refusal.status
        );
        return Some((Reason::RemoteNotDeleted, message));
    }
    let from = rotation.from_remote_id.as_deref().filter(|_| phase == RotationPhase::Retiring)?;
    let refusal = input.delete_refused(&RemoteId::new(from))?;
    let message = format!(
        "the provider refuses to delete the former remote endpoint {from} (HTTP {}): delete it there. Until then its key stays in the Secret under \"previous\"",
        refusal.status
    );
    Some((Reason::RemoteNotDeleted, message))
}

fn not_begun(input: &EndpointInput<'_>, status: &WebhookEndpointStatus, off: bool) -> Option<(Reason, String)> {
    if duplicate_refused(status) {
        return Some((Reason::DuplicateUrlRefused, DUPLICATE.to_owned()));
    }
    let known = status.signing_secret.as_ref()?;
    let requested = cause(input, status) == Some(Cause::Requested);
    if input.object.spec.signing_secret.rotation.interval.is_some() && known.last_rotation_time.is_none() && !requested
    {
        let message = "nothing says when this key was last replaced (status.signingSecret.lastRotationTime and the Secret's annotation external-webhooks.io/rotated-at are gone), so the interval cannot be counted: set spec.signingSecret.rotation.requestId to a new value, which replaces the key once and begins to count anew";
        return Some((Reason::BookkeepingLost, message.to_owned()));
    }
    let late =
        known.next_rotation_time.as_ref().and_then(|next| after(next.0, MARGIN)).is_some_and(|late| late <= input.now);
    if !late && !requested {
        return None;
    }
    if off {
        return Some((Reason::SwitchedOffRemotely, OFF.to_owned()));
    }
    frozen(input).filter(|_| late)
}

/// Whether the new endpoint would deliver something else than is declared.
pub fn new_differs(input: &EndpointInput<'_>, new: &RemoteEndpoint) -> bool {
    let spec = &input.object.spec;
    new.active != spec.active || canonical_url(&new.target_url) != canonical_url(&spec.target_url)
}

/// The provider refuses a second endpoint with the same target URL.
pub fn duplicate() -> Verdict {
    Verdict::new(ConditionType::RotationOverdue, Is::True, Reason::DuplicateUrlRefused, DUPLICATE)
}

fn frozen(input: &EndpointInput<'_>) -> Option<(Reason, String)> {
    freeze(input.object.spec.suspend, input.policy).map(|freeze| {
        let report = freeze.report();
        (report.reason, format!("the rotation of the signing key waits: {}", report.message))
    })
}

const OFF: &str = "the remote endpoint is switched off at the provider, and the key is not replaced before it is on again; its Active condition says what to do";

const DUPLICATE: &str = "the provider refuses a second endpoint with this target URL, so the key cannot be replaced beside the present one: change spec.targetUrl (another path or query that reaches the same receiver) and spec.signingSecret.rotation.requestId in one edit. The present key stays in use";

fn after(from: Timestamp, time: Duration) -> Option<Timestamp> {
    from.checked_add(signed(time)).ok()
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}
