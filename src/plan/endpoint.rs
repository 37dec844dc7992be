//! What a `WebhookEndpoint` needs next: rules.md *Create*, *Which remote is mine*, *Absence*, *Keys and the
//! Secret*, *Rotation* (which has a module of its own).

mod adopt;
mod correct;
mod create;
mod draft;
mod held;
mod input;
mod standing;

use std::time::Duration;

use super::condition::{Is, Report, Verdict};
use super::contention::Field;
use super::outcome::{AccountBlock, account_block};
use super::rotation::{Publish, due};
use super::row_calls::RowCall;
use super::verification::TestOrder;
use super::{AccountView, Note, Refusal, target};
use crate::api::{ConditionType, REMOTE_FINALIZER, Reason, WebhookEndpoint, WebhookEndpointStatus};
use crate::provider::model::{EndpointPatch, NewEndpoint, RemoteId, RemoteRow};

pub(super) use correct::{correct_held, correct_other};
use create::intent;
pub(super) use create::{Purpose, close, make};
pub(super) use draft::Draft;
pub(super) use held::{Presence, presence, recreate};
pub use input::{EndpointInput, EndpointMemory, Leaving, LeavingRow, OtherRemote, RemoteSide, SecretView, Stuck};
pub(super) use standing::{Standing, close_gaps, lost, lost_key, standing};

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
    /// Independent calls on rows that a rotation moves.
    Rows(Vec<RowCall>),
    /// Write these keys into the Secret.
    PublishSecret(Publish),
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
    /// The self-test that is due, beside the step.
    pub test: Option<TestOrder>,
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
    let draft = match preflight(input, draft) {
        Ok(draft) => draft,
        Err(plan) => return *plan,
    };
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
        None => make(input, draft, Purpose::First),
        Some(id) => held::maintain(input, draft, &RemoteId::new(id)),
    }
}

/// What every shape of provider has in common: a spec that can be used, an account that can be used, nobody with a better
/// right to the URL.
pub(in crate::plan) fn preflight<'a>(
    input: &EndpointInput<'_>,
    draft: Draft<'a>,
) -> Result<Draft<'a>, Box<EndpointPlan>> {
    if let Some(problem) = target::problem(&input.object.spec.target_url) {
        return Err(Box::new(draft.rest(Report::stalled(Reason::InvalidSpec, problem), None)));
    }
    if let Some(problem) = due::problem(&input.object.spec.signing_secret.rotation) {
        return Err(Box::new(draft.rest(Report::stalled(Reason::InvalidSpec, problem), None)));
    }
    match account_block(&input.account, &input.object.spec.account_ref) {
        Some(AccountBlock::Report(report)) => return Err(Box::new(draft.rest(report, None))),
        Some(AccountBlock::LeaveUnchanged) => return Err(Box::new(draft.unchanged())),
        None => {}
    }
    if let Err(report) = input.share.allows(input.object, input.applied) {
        return Err(Box::new(draft.rest(report, None)));
    }
    if let AccountView::Ready { allow_insecure: false } = input.account
        && target::is_insecure(&input.object.spec.target_url)
    {
        let message = "spec.targetUrl is http, which would send health data unencrypted: use https, or set spec.allowInsecureTargets on the account (sandboxes only)";
        return Err(Box::new(draft.rest(Report::stalled(Reason::InsecureTarget, message), None)));
    }
    if let Some(rival) = &input.rival {
        let message = format!(
            "WebhookEndpoint {rival:?} has the same target URL, and each event would arrive twice: point subscriptions at that one, or give spec.targetUrl a distinguishing path or query"
        );
        return Err(Box::new(draft.rest(Report::stalled(Reason::Conflict, message), None)));
    }
    Ok(draft)
}

pub(in crate::plan) fn secret_conflict(object: &WebhookEndpoint) -> Report {
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

pub(in crate::plan) fn progressing(message: &str) -> Report {
    Report::unknown(Reason::Progressing, message)
}

fn rejected(refusal: Refusal) -> Report {
    let message = format!(
        "the provider refused this endpoint (HTTP {}): check spec.targetUrl (most refuse http and private hosts); it is tried again when the spec or the account changes",
        refusal.status
    );
    Report::stalled(Reason::Rejected, message)
}
