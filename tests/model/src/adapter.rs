//! The one place where the model and the operator meet: what a process sees becomes the input of the real
//! `plan::endpoint::plan`, and what that decides becomes a [`Decision`].
//!
//! It stands for `controller/endpoint/observe.rs`, and is kept beside it line by line.

use std::sync::Arc;
use std::time::Duration;

use external_webhooks::api::rotation::RotationSpec;
use external_webhooks::api::{DeletionPolicy, DurationText, REMOTE_FINALIZER, WebhookEndpoint, WebhookEndpointSpec};
use external_webhooks::plan::create::Candidate;
use external_webhooks::plan::endpoint::{
    self as real, EndpointInput, EndpointMemory, EndpointStep, Leaving, LeavingRow, OtherRemote, RemoteSide, SecretView,
};
use external_webhooks::plan::grants::Share;
use external_webhooks::plan::rotation::{Pair, Publish, Source};
use external_webhooks::plan::row_calls::RowCall;
use external_webhooks::plan::{AccountPolicy, AccountView, PlanTiming};
use external_webhooks::provider::model::{Absence, Moved, RemoteEndpoint, RemoteId, RemoteRow, RowCreateState};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::time::{Time, Timed};
use crate::wire::{
    at, id_number, key_text, key_text_or_none, remote_id, request_text, status_in, status_out, ticks, url_number,
    url_text, wire,
};
use crate::world::{Id, Known, Mind, Mirror, Object, Row, Secret, Status, Url};

/// Between two lists that together prove something gone.
pub const ABSENCE_GAP: i16 = 1;
/// After which a lost POST is looked for.
pub const LOOK_AFTER: i16 = 1;
/// Before which a write that was sent takes effect, if it ever does.
pub const OUTSTANDING: i16 = 2;
/// For how long a deposed process may go on.
pub const LEASE: i16 = 1;
/// Before which receivers load a changed Secret.
pub const PUBLISH_DELAY: i16 = 2;
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
    /// One of the rows that a rotation moves: they are moved in any order, and planned anew after each.
    MoveRow {
        row: u8,
        from: Id,
        to: Id,
    },
    DeleteRow {
        row: u8,
        on: Id,
    },
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
        share: Share::Whole,
        applied: &[],
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
        EndpointStep::PublishSecret(publish) => published(view, publish),
        EndpointStep::Rows(calls) => match calls.first() {
            Some(RowCall::Move { row, to, .. }) => {
                Step::MoveRow { row: id_number(row.id.as_str()), from: number(&row.endpoint), to: number(to) }
            }
            Some(RowCall::Delete { row }) => {
                Step::DeleteRow { row: id_number(row.id.as_str()), on: number(&row.endpoint) }
            }
            _ => Step::Unknown,
        },
        EndpointStep::ReleaseSecret => Step::ReleaseSecret,
        EndpointStep::RemoveFinalizer => Step::RemoveFinalizer,
        EndpointStep::Rest => Step::Rest,
        EndpointStep::DeleteRows(_) => Step::Unknown,
    };
    Decision { step, status: status_in(&plan.status) }
}

/// `Pass::publish` of the controller: where the keys come from.
fn published(view: &View, publish: &Publish) -> Step {
    let held = view.secret.clone().unwrap_or_default();
    let key = |source: &Source| match source {
        Source::Remote(id) => id_number(id.as_str()),
        Source::Current => held.current,
        Source::Previous => held.previous,
        Source::New | Source::Home(_) => unreachable!("keys are the provider's here"),
    };
    let previous = publish.previous.as_ref().map_or(0, key);
    Step::Publish(Secret { current: key(&publish.current), previous, owned: true })
}

/// `claims::places`: the endpoint that rows are made on, and the one that they may still be on.
pub fn places(status: &Status) -> (Id, Option<Id>) {
    if status.rotation.as_ref().is_none_or(|rotation| rotation.phase.is_none()) {
        return (status.remote, None);
    }
    Pair::of(&status_out(status)).map_or((status.remote, None), |pair| {
        let (to, from) = pair.places();
        (id_number(to.as_str()), from.map(|from| id_number(from.as_str())))
    })
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
        rotated_at: None,
    })
}

fn memory(mind: &Mind) -> EndpointMemory {
    EndpointMemory {
        intent_is_mine: mind.intent_is_mine,
        made: (mind.made != 0).then(|| remote_id(mind.made)),
        lost_post: mind.lost_post.map(at),
        reactivated: mind.reactivated.map(at),
        looked_before_retiring: mind.looked_before_retiring,
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
    let known = |id: Id| mirror.get(id);
    let list = mirror.listed;
    let since = |id: Id| {
        let deleted = mind.deleted.iter().find(|(deleted, _)| *deleted == id);
        list.is_some_and(|(started, _)| deleted.is_none_or(|(_, at)| started > *at))
    };
    let gone = |id: Id| known(id).is_none() && mind.deleted.iter().any(|(deleted, _)| *deleted == id) && since(id);
    let held = known(status.remote);
    let pair = Pair::of(&status_out(status));
    let other = pair.as_ref().and_then(Pair::other).map(|id| id_number(id.as_str()));
    let intents = status.pending.iter().chain(&status.last).map(|intent| intent.url);
    let urls: Vec<Option<Url>> = intents.chain([Some(view.object.url)]).collect();
    let candidate = |known: &Known| {
        let fresh = known.listed.is_some_and(|rows| list.is_some_and(|(started, _)| rows > started));
        Candidate {
            endpoint: endpoint(known),
            rows: (known.created || fresh).then_some(known.rows.len()),
            taken: status.removing.contains(&known.id),
            held_elsewhere: false,
        }
    };
    let rotation = status.rotation.iter().filter(|rotation| rotation.phase.is_some());
    let held_ids: Vec<Id> = rotation.flat_map(|rotation| [rotation.from, rotation.to]).chain([status.remote]).collect();
    let is_held = |id: Id| held_ids.contains(&id) && !status.removing.contains(&id);
    let may_be_ours = |known: &&Known| !is_held(known.id) && (urls.contains(&Some(known.url)) || known.id == mind.made);
    let doubts = mirror.doubts.iter().filter(|doubt| urls.contains(&Some(doubt.url)));
    RemoteSide {
        listed: list.is_some(),
        listed_since_intent: list.is_some_and(|(started, _)| mind.intent.is_none_or(|at| started > at)),
        listed_at: list.map(|(_, time)| at(time)),
        absence: absence(mirror, status.remote).filter(|_| held.is_none()),
        gone: gone(status.remote),
        removing_gone: status.removing.iter().all(|id| known(*id).is_none() && since(*id)),
        removing: status.removing.iter().filter(|id| known(**id).is_some()).map(|id| remote_id(*id)).collect(),
        rows: None,
        held: held.map(endpoint),
        same_url: mirror.known.iter().filter(may_be_ours).map(candidate).collect(),
        named: None,
        seen_before: None,
        uncertain: doubts.map(|doubt| at(doubt.look)).max(),
        leaving: pair.as_ref().filter(|pair| pair.moves()).and_then(|pair| leaving(mirror, pair)),
        moved: pair.as_ref().map(|pair| moved(mirror, pair)).unwrap_or_default(),
        other: other.map(|id| OtherRemote {
            id: remote_id(id),
            endpoint: known(id).map(endpoint),
            absence: absence(mirror, id),
            gone: gone(id),
        }),
    }
}

fn absence(mirror: &Mirror, id: Id) -> Option<Absence> {
    let gone = mirror.gone.iter().find(|gone| gone.id == id)?;
    Some(Absence { first: at(gone.first), last: at(gone.last), lists: gone.lists.into(), witnessed: true, seen: None })
}

/// `leaving` of `controller/endpoint/rotation.rs`.
fn leaving(mirror: &Mirror, pair: &Pair) -> Option<Leaving> {
    let number = |id: &RemoteId| id_number(id.as_str());
    let from = mirror.get(number(&pair.from)).filter(|from| from.fresh && from.listed.is_some())?;
    let to = mirror.get(number(pair.to.as_ref()?));
    let describe = |row: &Row| LeavingRow {
        row: RemoteRow {
            id: remote_id(row.id),
            endpoint: pair.from.clone(),
            practice: None,
            resource_type: Arc::from("Appointment"),
            event: Arc::from(row.pair.to_string()),
            active: true,
            created_at: None,
        },
        practice: None,
        any_practice: None,
        there: to.is_some_and(|to| to.rows.iter().any(|known| known.pair == row.pair)),
        making: RowCreateState::Free,
    };
    let look_on_new = to.is_none_or(|to| !to.fresh);
    Some(Leaving { movable: from.rows.iter().map(describe).collect(), stuck: Vec::new(), look_on_new })
}

/// `Mirror::moved`.
fn moved(mirror: &Mirror, pair: &Pair) -> Moved {
    let number = |id: &RemoteId| id_number(id.as_str());
    let to = pair.to.as_ref().and_then(|to| mirror.get(number(to)));
    let (Some(from), Some(to)) = (mirror.get(number(&pair.from)), to) else { return Moved::ListFrom };
    for (known, is_to) in [(from, false), (to, true)] {
        if let Some(look) = known.doubt {
            return Moved::InDoubt { until: at(look), to: is_to };
        }
    }
    let list = |known: &Known| known.listed.filter(|listed| known.fresh && *listed > known.written);
    let Some(source) = list(from).filter(|_| from.rows.is_empty()) else { return Moved::ListFrom };
    match list(to).filter(|listed| *listed > source) {
        Some(_) => Moved::Proven,
        None => Moved::ListTo,
    }
}
