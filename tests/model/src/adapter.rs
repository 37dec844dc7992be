//! The one place where the model and the operator meet: what a process sees becomes the input of the real
//! `plan::endpoint::plan`, and what that decides becomes a [`Decision`].
//!
//! It stands for `controller/endpoint/observe.rs`, and is kept beside it line by line.

use std::time::Duration;

use external_webhooks::api::rotation::RotationSpec;
use external_webhooks::api::{DeletionPolicy, DurationText, REMOTE_FINALIZER, WebhookEndpoint, WebhookEndpointSpec};
use external_webhooks::plan::create::Candidate;
use external_webhooks::plan::endpoint::{
    self as real, EndpointInput, EndpointMemory, EndpointStep, RemoteSide, SecretView,
};
use external_webhooks::plan::{AccountPolicy, AccountView, PlanTiming};
use external_webhooks::provider::model::{Absence, RemoteEndpoint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::time::{Time, Timed};
use crate::wire::{
    at, id_number, key_text, key_text_or_none, remote_id, request_text, status_in, status_out, ticks, url_number,
    url_text, wire,
};
use crate::world::{Id, Known, Mind, Mirror, Object, Secret, Status, Url};

/// Between two lists that together prove something gone.
pub const ABSENCE_GAP: i16 = 1;
/// After which a lost POST is looked for.
pub const LOOK_AFTER: i16 = 1;
/// Before which a write that was sent takes effect, if it ever does.
pub const OUTSTANDING: i16 = 2;
/// For how long a deposed process may go on.
pub const LEASE: i16 = 1;
/// In which receivers load a changed Secret.
pub const PUBLISH_DELAY: i16 = 1;
/// For how long the provider repeats what was refused.
pub const RETRIES: i16 = 2;
/// How long a replaced key stays.
pub const OVERLAP: i16 = 3;
const SLACK: i16 = 3;

/// What a process sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct View {
    pub now: Time,
    pub started: Time,
    pub object: Object,
    pub secret: Option<Secret>,
    pub mirror: Mirror,
    pub mind: Mind,
}

impl Timed for View {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        see(&mut self.now);
        see(&mut self.started);
        self.object.times(see);
        self.secret.times(see);
        self.mirror.times(see);
        self.mind.times(see);
    }
}

/// A step of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    AddFinalizer,
    Acknowledge,
    ListEndpoints,
    ListRows(Id),
    Create {
        url: Url,
        active: bool,
    },
    Patch {
        id: Id,
        url: Option<Url>,
        active: Option<bool>,
    },
    Reactivate(Id),
    Delete(Id),
    Publish(Secret),
    ReleaseSecret,
    RemoveFinalizer,
    Rest,
    /// The plan asked for something that the model does not know.
    Unknown,
}

/// What a plan decides.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    pub step: Step,
    pub status: Status,
}

impl Timed for Decision {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        self.status.times(see);
        if let Step::Publish(secret) = &mut self.step {
            secret.times(see);
        }
    }
}

fn timing() -> PlanTiming {
    PlanTiming {
        absence_gap: ticks(ABSENCE_GAP),
        outstanding: ticks(OUTSTANDING),
        clock_slack: ticks(SLACK),
        reactivation: [ticks(1); 4],
        reactivation_reset: ticks(1),
        failing: Duration::ZERO,
        ..PlanTiming::default()
    }
}

/// Runs the real plan.
pub fn plan(view: &View) -> Decision {
    let object = object(&view.object);
    let timing = timing();
    let status = view.object.status.clone().unwrap_or_default();
    let plan = real::plan(&EndpointInput {
        object: &object,
        account: AccountView::Ready { allow_insecure: false },
        policy: AccountPolicy::default(),
        remote: remote(view, &status),
        secret: secret(view.secret.as_ref()),
        rival: None,
        leaving_subscriptions: 0,
        unsettled_subscriptions: 0,
        losses: &[],
        last_alive: at(view.now),
        memory: memory(&view.mind),
        process_started: at(view.started),
        predecessor: ticks(LEASE),
        now: at(view.now),
        timing: &timing,
    });
    let number = |id: &external_webhooks::provider::model::RemoteId| id_number(id.as_str());
    let step = match &plan.step {
        EndpointStep::AddFinalizer => Step::AddFinalizer,
        EndpointStep::Acknowledge => Step::Acknowledge,
        EndpointStep::ListEndpoints | EndpointStep::ListWorld => Step::ListEndpoints,
        EndpointStep::ListRows(id) => Step::ListRows(number(id)),
        EndpointStep::Create(new) => Step::Create { url: url_number(&new.target_url), active: new.active },
        EndpointStep::Patch(id, patch) => {
            Step::Patch { id: number(id), url: patch.target_url.as_deref().map(url_number), active: patch.active }
        }
        EndpointStep::Reactivate(id) => Step::Reactivate(number(id)),
        EndpointStep::Delete(id) => Step::Delete(number(id)),
        EndpointStep::PublishSecret(id) => {
            Step::Publish(Secret { current: number(id), previous: 0, rotated: None, owned: true })
        }
        EndpointStep::ReleaseSecret => Step::ReleaseSecret,
        EndpointStep::RemoveFinalizer => Step::RemoveFinalizer,
        EndpointStep::Rest => Step::Rest,
        EndpointStep::DeleteRows(_) => Step::Unknown,
    };
    Decision { step, status: status_in(&plan.status) }
}

fn object(object: &Object) -> WebhookEndpoint {
    let rotation = RotationSpec {
        overlap: DurationText::new(if object.leaked { "0s".to_owned() } else { format!("{OVERLAP}s") }),
        publish_delay: DurationText::new(format!("{PUBLISH_DELAY}s")),
        request_id: request_text(object.request),
        ..RotationSpec::default()
    };
    let spec = serde_json::from_value(serde_json::json!({"targetUrl": url_text(object.url)}));
    let mut spec: WebhookEndpointSpec = spec.expect("a spec needs no more");
    spec.active = object.active;
    spec.suspend = object.suspend;
    spec.deletion_policy = if object.orphan { DeletionPolicy::Orphan } else { DeletionPolicy::Delete };
    spec.signing_secret.rotation = rotation;
    let mut whole = WebhookEndpoint::new("intake", spec);
    whole.metadata = ObjectMeta {
        name: Some("intake".into()),
        namespace: Some("n".into()),
        uid: Some("intake".into()),
        generation: Some(object.generation.into()),
        finalizers: object.finalizer.then(|| vec![REMOTE_FINALIZER.to_owned()]),
        deletion_timestamp: object.deleting.then(|| wire(Time(0))),
        ..ObjectMeta::default()
    };
    whole.status = object.status.as_ref().map(status_out);
    whole
}

fn secret(secret: Option<&Secret>) -> SecretView {
    secret.map_or(SecretView::Missing, |secret| SecretView::Ours {
        current: key_text_or_none(secret.current),
        previous: key_text_or_none(secret.previous),
        dressed: true,
        owned: secret.owned,
    })
}

fn memory(mind: &Mind) -> EndpointMemory {
    EndpointMemory {
        intent_is_mine: mind.intent_is_mine,
        made: (mind.made != 0).then(|| remote_id(mind.made)),
        lost_post: mind.lost_post.map(at),
        reactivated: mind.reactivated.map(at),
        ..EndpointMemory::default()
    }
}

fn endpoint(known: &Known) -> RemoteEndpoint {
    RemoteEndpoint {
        id: remote_id(known.id),
        target_url: url_text(known.url),
        active: known.active,
        created_at: Some(at(known.made)),
        updated_at: None,
        key: Some(key_text(known.id)),
    }
}

/// `Pass::remote` of the controller.
fn remote(view: &View, status: &Status) -> RemoteSide {
    let (mirror, mind) = (&view.mirror, &view.mind);
    let known = |id: Id| mirror.known.iter().find(|known| known.id == id);
    let list = mirror.listed;
    let since = |id: Id| {
        let deleted = mind.deleted.iter().find(|(deleted, _)| *deleted == id);
        list.is_some_and(|(started, _)| deleted.is_none_or(|(_, at)| started > *at))
    };
    let held = known(status.remote);
    let urls = [
        Some(view.object.url),
        status.pending.as_ref().and_then(|intent| intent.url),
        status.last.as_ref().and_then(|intent| intent.url),
    ];
    let candidate = |known: &Known| {
        let fresh = known.listed.is_some_and(|rows| list.is_some_and(|(started, _)| rows > started));
        Candidate {
            endpoint: endpoint(known),
            rows: (known.created || fresh).then_some(known.rows.len()),
            taken: status.removing.contains(&known.id),
            held_elsewhere: false,
        }
    };
    let may_be_ours =
        |known: &&Known| known.id != status.remote && (urls.contains(&Some(known.url)) || known.id == mind.made);
    let gone = mirror.gone.iter().find(|gone| gone.id == status.remote && held.is_none());
    let doubts = mirror.doubts.iter().filter(|doubt| urls.contains(&Some(doubt.what)));
    RemoteSide {
        listed: list.is_some(),
        listed_since_intent: list.is_some_and(|(started, _)| mind.intent.is_none_or(|at| started > at)),
        listed_at: list.map(|(_, time)| at(time)),
        absence: gone.map(|gone| Absence {
            first: at(gone.first),
            last: at(gone.last),
            lists: gone.lists.into(),
            witnessed: true,
            seen: None,
        }),
        gone: held.is_none() && mind.deleted.iter().any(|(id, _)| *id == status.remote) && since(status.remote),
        removing_gone: status.removing.iter().all(|id| known(*id).is_none() && since(*id)),
        removing: status.removing.iter().filter(|id| known(**id).is_some()).map(|id| remote_id(*id)).collect(),
        rows: None,
        held: held.map(endpoint),
        same_url: mirror.known.iter().filter(may_be_ours).map(candidate).collect(),
        named: None,
        seen_before: None,
        uncertain: doubts.map(|doubt| at(doubt.look)).max(),
    }
}
