//! An endpoint object at a provider that has no endpoints, so that the signing key is ours to make (rules.md *Providers of
//! another shape*).
//!
//! *Fused*: what stands at the provider are rows, each with URL and key of its own. Where they stand is the object's *home*
//! (`provider::model::home`): its URL under its key. `status.home` is written once the key is in the Secret, and rows are
//! made there by subscription objects. A change of URL or key is a new home: what is on the former one is made anew here,
//! then deleted there, row by row, by this object, whoever declares it. *Static*: nothing is registered; the key is
//! published and people do the rest.
//!
//! | file | |
//! |---|---|
//! | `keys` | what the Secret is to hold |
//! | `moving` | rows on former homes, and rows that should not be at all |
//! | `rotation` | the phases of a key's replacement |
//! | `standing` | what the status says |
//! | `deletion` | the object goes |
//!
//! This module must not make a key: it says that one is to be made, and learns its fingerprint from the Secret.

mod deletion;
mod keys;
mod moving;
mod rotation;
mod standing;

use super::endpoint::{Draft, EndpointInput, EndpointPlan, EndpointStep, SecretView, preflight, secret_conflict};
use super::rotation::{Keys, Publish, Source, record_request};
use super::wire_time;
use crate::api::REMOTE_FINALIZER;
use crate::api::rotation::RotationPhase;
use crate::provider::model::home::home;
use crate::provider::model::{RemoteId, RemoteRows};
use moving::Moving;

/// Everything that the plan of such an object may look at.
pub struct OwnKeyInput<'a> {
    /// What every endpoint's plan looks at; its remote side is empty.
    pub endpoint: EndpointInput<'a>,
    /// What the provider calls itself.
    pub provider: &'static str,
    /// Whether rows are registered (fused), or nothing is (static).
    pub registers: bool,
    /// The rows of the realm.
    pub rows: &'a dyn RemoteRows,
    /// Homes whose keys are known besides what the Secret holds: the process remembers them, or a list shows them.
    pub known: Vec<RemoteId>,
}

/// Plans one endpoint object.
pub fn plan(own: &OwnKeyInput<'_>) -> EndpointPlan {
    let input = &own.endpoint;
    if input.object.metadata.deletion_timestamp.is_some() {
        return deletion::plan(own);
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
    if own.registers && !held && !only_looks {
        return draft.step(EndpointStep::AddFinalizer);
    }
    if input.secret == SecretView::Foreign {
        return draft.rest(secret_conflict(input.object), None);
    }
    match draft.status.signing_secret.clone() {
        Some(known) if draft.status.home.is_some() || !own.registers => go_on(own, draft, &known.fingerprint),
        _ => first(own, draft),
    }
}

/// No key is known to be published: take the one that the Secret holds, or have one made.
fn first(own: &OwnKeyInput<'_>, mut draft: Draft<'_>) -> EndpointPlan {
    let input = &own.endpoint;
    let SecretView::Ours { current: Some(current), previous, dressed, .. } = &input.secret else {
        if draft.is_frozen() {
            let name = super::endpoint::secret_name(input.object);
            return draft.would([format!("make a signing key and publish it in the Secret {name:?}")]);
        }
        return draft.step(EndpointStep::PublishSecret(Publish { current: Source::New, previous: None }));
    };
    let former = previous.as_ref().map(|_| Source::Previous);
    if !dressed {
        return draft.step(EndpointStep::PublishSecret(Publish { current: Source::Current, previous: former }));
    }
    let fingerprint = current.fingerprint();
    standing::note_key(own, &mut draft, &fingerprint);
    if own.registers {
        let here = home(&input.object.spec.target_url, &fingerprint);
        draft.status.home = Some(here.as_str().to_owned());
    }
    // rules.md *Which remote is mine*: two keys say that a rotation was under way.
    if let Some(previous) = previous {
        rotation::resumed(own, &mut draft, &previous.fingerprint());
    }
    record_request(input, &mut draft);
    draft.acknowledge(super::endpoint::progressing("the signing key is in the Secret"))
}

/// A key is published: is it there, is everything at its home?
fn go_on(own: &OwnKeyInput<'_>, mut draft: Draft<'_>, fingerprint: &str) -> EndpointPlan {
    let input = &own.endpoint;
    rotation::absorb(own, &mut draft);
    let phase = draft.status.rotation.as_ref().and_then(|rotation| rotation.phase);
    let keys = keys::wanted(own, &draft.status, fingerprint);
    if let Keys::Write(publish) = &keys {
        // Under suspend and Observe the Secret is kept as it was, and no new key is made.
        if publish.current != Source::New || !draft.is_frozen() {
            if phase == Some(RotationPhase::Publishing) && rotation::restart_pause(&mut draft.status) {
                return standing::of(own, &mut draft, None).acknowledge(draft);
            }
            return draft.step(EndpointStep::PublishSecret(publish.clone()));
        }
    }
    standing::note_key(own, &mut draft, fingerprint);
    record_request(input, &mut draft);
    let mut moving = Moving::Empty;
    if own.registers {
        let here = rotation::home_of(own, &draft.status, fingerprint);
        if draft.status.home.as_deref() != Some(here.as_str()) && !draft.is_frozen() {
            move_home(&mut draft, &here);
            return standing::of(own, &mut draft, None).acknowledge(draft);
        }
        moving = moving::look(own, &draft.status);
        if let (Moving::Do(step), false) = (&moving, draft.is_frozen()) {
            return draft.step(step.clone());
        }
        if let Moving::Look(step) = &moving {
            return draft.step(step.clone());
        }
    }
    rotation::next(own, draft, fingerprint, &keys, &moving)
}

/// What is on the present home moves to another one. It is written before the first call, so that a crash forgets neither.
fn move_home(draft: &mut Draft<'_>, here: &RemoteId) {
    let status = &mut draft.status;
    if let Some(before) = status.home.replace(here.as_str().to_owned()) {
        status.removing.retain(|id| *id != before);
        status.removing.push(before);
    }
    status.removing.retain(|id| id != here.as_str());
    // The oldest are found by their key, where lists show it.
    let many = status.removing.len().saturating_sub(MAX_FORMER);
    status.removing.drain(..many);
}

/// Former homes in a status.
const MAX_FORMER: usize = 16;

/// The key was replaced, and nothing of the former one is left.
fn replaced(own: &OwnKeyInput<'_>, draft: &mut Draft<'_>) {
    super::rotation::clear(&mut draft.status);
    draft.status.removing.clear();
    if let Some(known) = &mut draft.status.signing_secret {
        known.last_rotation_time = Some(wire_time(own.endpoint.now));
    }
}
