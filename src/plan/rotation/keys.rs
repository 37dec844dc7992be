//! The Secret as a function of the phase and the two keys (rules.md *Rotation*): never "shift what is there".
//!
//! A provider may hide keys in its lists. Then the Secret itself is the only copy, and the fingerprint in the status tells
//! whether what it holds is what was published.

use crate::plan::endpoint::{EndpointInput, SecretView};
use crate::provider::model::{RemoteEndpoint, RemoteId};
use crate::signing::SecretText;

/// Where a key that is to be published comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The key of this remote endpoint.
    Remote(RemoteId),
    /// What the Secret now holds as `current`.
    Current,
    /// What the Secret now holds as `previous`.
    Previous,
}

/// What the Secret is to hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The newest key.
    pub current: Source,
    /// The one before it, during a rotation.
    pub previous: Option<Source>,
}

impl Publish {
    /// One key alone.
    pub fn only(id: &RemoteId) -> Self {
        Self { current: Source::Remote(id.clone()), previous: None }
    }
}

/// How the Secret stands while both keys are in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As it should be.
    AsWanted,
    /// To be written.
    Write(Publish),
    /// The new key is neither in the Secret nor shown by the provider.
    Lost,
}

/// What the Secret lacks while one key is in use; `None` also where that key is lost.
pub fn one(input: &EndpointInput<'_>, endpoint: &RemoteEndpoint) -> Option<Publish> {
    let (current, neat) = match &input.secret {
        SecretView::Ours { current, previous, dressed, .. } => (current.as_ref(), *dressed && previous.is_none()),
        SecretView::Missing | SecretView::Foreign => (None, false),
    };
    match &endpoint.key {
        Some(key) => (!neat || current != Some(key)).then(|| Publish::only(&endpoint.id)),
        None => current
            .filter(|current| !neat && is_published(input, current))
            .map(|_| Publish { current: Source::Current, previous: None }),
    }
}

/// The Secret while both keys are in use: `current` is that of `to`, `previous` that of `from`, where that still exists.
///
/// `switched` says that an earlier pass found it so.
pub fn both(input: &EndpointInput<'_>, from: Option<&RemoteEndpoint>, to: &RemoteEndpoint, switched: bool) -> Keys {
    let nothing = (None, None, false);
    let (current, previous, dressed) = match &input.secret {
        SecretView::Ours { current, previous, dressed, .. } => (current.as_ref(), previous.as_ref(), *dressed),
        SecretView::Missing | SecretView::Foreign => nothing,
    };
    let former = from.and_then(|from| from.key.as_ref());
    let new = match &to.key {
        Some(key) => key,
        // Both were written together, so one that is known vouches for the other.
        None => match (current, previous) {
            (Some(current), Some(previous))
                if switched || is_published(input, previous) || former == Some(previous) =>
            {
                current
            }
            (Some(current), None) if switched && is_published(input, current) => current,
            _ => return Keys::Lost,
        },
    };
    let current_source = match &to.key {
        Some(_) => Source::Remote(to.id.clone()),
        None => Source::Current,
    };
    let wanted = match (former, from) {
        (Some(key), Some(from)) => Some((key, Source::Remote(from.id.clone()))),
        // Hidden, or gone with its endpoint: before the first write it is `current`, after it `previous`.
        _ => match (current, previous) {
            (_, Some(previous)) => Some((previous, Source::Previous)),
            (Some(current), None) if current != new && is_published(input, current) => Some((current, Source::Current)),
            _ => None,
        },
    };
    let as_wanted = dressed && current == Some(new) && previous == wanted.as_ref().map(|(key, _)| *key);
    if as_wanted {
        return Keys::AsWanted;
    }
    Keys::Write(Publish { current: current_source, previous: wanted.map(|(_, source)| source) })
}

/// The Secret back at the former key alone, after the new one's endpoint is gone.
pub fn back_to(input: &EndpointInput<'_>, from: &RemoteEndpoint) -> Option<Publish> {
    match (&input.secret, &from.key) {
        (SecretView::Ours { previous: Some(_), .. }, None) => {
            Some(Publish { current: Source::Previous, previous: None })
        }
        _ => one(input, from),
    }
}

/// Whether the Secret lacks the former key, so that nothing it signed can be verified any more.
pub fn former_is_lost(input: &EndpointInput<'_>) -> bool {
    !matches!(input.secret, SecretView::Ours { previous: Some(_), .. })
}

/// Whether a key in the Secret is the one that was published there, as far as the status can tell.
fn is_published(input: &EndpointInput<'_>, key: &SecretText) -> bool {
    let status = input.object.status.as_ref();
    let known = status.and_then(|status| status.signing_secret.as_ref()).map(|known| known.fingerprint.as_str());
    known.is_none_or(|fingerprint| fingerprint == key.fingerprint())
}
