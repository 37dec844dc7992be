//! What the Secret is to hold, as a function of the phase and the keys' fingerprints. Never "shift what is there".

use super::{OwnKeyInput, rotation};
use crate::api::WebhookEndpointStatus;
use crate::api::rotation::RotationPhase;
use crate::plan::endpoint::SecretView;
use crate::plan::rotation::{Keys, Publish, Source};
use crate::provider::model::home::fingerprint_of;
use crate::signing::SecretText;

/// The Secret in the present phase. `fingerprint` is that of the newest key that is known to be published.
pub(super) fn wanted(own: &OwnKeyInput<'_>, status: &WebhookEndpointStatus, fingerprint: &str) -> Keys {
    let phase = status.rotation.as_ref().and_then(|rotation| rotation.phase);
    match phase {
        None | Some(RotationPhase::Retiring) => exactly(own, fingerprint, None),
        Some(RotationPhase::Preparing) => another(own, fingerprint),
        Some(RotationPhase::Publishing | RotationPhase::Switching | RotationPhase::Draining) => {
            exactly(own, fingerprint, rotation::former(status).as_deref())
        }
    }
}

/// Where a key with this fingerprint is at hand.
pub(super) fn source(own: &OwnKeyInput<'_>, fingerprint: &str) -> Option<Source> {
    let is = |key: &Option<SecretText>| key.as_ref().is_some_and(|key| key.fingerprint() == fingerprint);
    if let SecretView::Ours { current, previous, .. } = &own.endpoint.secret {
        if is(current) {
            return Some(Source::Current);
        }
        if is(previous) {
            return Some(Source::Previous);
        }
    }
    let known = own.known.iter().find(|home| fingerprint_of(home).as_deref() == Some(fingerprint));
    known.map(|home| Source::Home(home.clone()))
}

/// This key, and the former one as far as it is at hand.
fn exactly(own: &OwnKeyInput<'_>, fingerprint: &str, former: Option<&str>) -> Keys {
    let Some(current) = source(own, fingerprint) else { return Keys::Lost };
    let previous = former.and_then(|former| source(own, former));
    let kept = match &own.endpoint.secret {
        SecretView::Ours { previous, dressed, .. } => *dressed && previous.is_some() == former.is_some(),
        SecretView::Missing | SecretView::Foreign => false,
    };
    let as_wanted = kept && current == Source::Current && previous.as_ref().is_none_or(|at| *at == Source::Previous);
    // A former key that is nowhere at hand cannot be put back.
    let unfindable = former.is_some() && previous.is_none() && current == Source::Current && is_dressed(own);
    if as_wanted || unfindable {
        return Keys::AsWanted;
    }
    Keys::Write(Publish { current, previous })
}

/// A new key beside the present one. What [`Source::New`] made is told from what was there by its fingerprint, and from
/// what somebody else wrote by the operator's own annotation.
fn another(own: &OwnKeyInput<'_>, present: &str) -> Keys {
    let kept = source(own, present);
    if let SecretView::Ours { current: Some(current), dressed: true, .. } = &own.endpoint.secret
        && current.fingerprint() != present
        && kept.as_ref().is_none_or(|at| *at == Source::Previous)
    {
        return Keys::AsWanted;
    }
    Keys::Write(Publish { current: Source::New, previous: kept })
}

fn is_dressed(own: &OwnKeyInput<'_>) -> bool {
    matches!(own.endpoint.secret, SecretView::Ours { dressed: true, .. })
}
