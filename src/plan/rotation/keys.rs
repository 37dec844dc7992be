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
    /// One that is to be made now.
    New,
    /// The key of this home, which the process remembers or a list shows.
    Home(RemoteId),
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

/// How the Secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As it should be.
    AsWanted,
    /// To be written.
    Write(Publish),
    /// The key is neither in the Secret nor shown by the provider.
    Lost,
}

/// The Secret while one key is in use.
pub fn one(input: &EndpointInput<'_>, endpoint: &RemoteEndpoint) -> Keys {
    let SecretView::Ours { current, previous, dressed, .. } = &input.secret else {
        return if endpoint.key.is_some() { Keys::Write(Publish::only(&endpoint.id)) } else { Keys::Lost };
    };
    let neat = *dressed && previous.is_none();
    match (&endpoint.key, current) {
        (Some(key), Some(current)) if key == current && neat => Keys::AsWanted,
        (Some(_), _) => Keys::Write(Publish::only(&endpoint.id)),
        (None, Some(current)) if is_published(input, current) => {
            if neat {
                Keys::AsWanted
            } else {
                Keys::Write(Publish { current: Source::Current, previous: None })
            }
        }
        (None, _) => Keys::Lost,
    }
}

/// The Secret while both keys are in use: `current` is that of `to`, `previous` that of `from`, where that still exists.
///
/// `published` says that an earlier pass found it so.
pub fn both(input: &EndpointInput<'_>, from: Option<&RemoteEndpoint>, to: &RemoteEndpoint, published: bool) -> Keys {
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
                if published || is_published(input, previous) || former == Some(previous) =>
            {
                current
            }
            (Some(current), None) if published && is_published(input, current) => current,
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
            (_, Some(previous)) if published || is_published(input, previous) => Some((previous, Source::Previous)),
            (Some(current), _) if current != new && is_published(input, current) => Some((current, Source::Current)),
            _ => None,
        },
    };
    let as_wanted = dressed && current == Some(new) && previous == wanted.as_ref().map(|(key, _)| *key);
    if as_wanted {
        return Keys::AsWanted;
    }
    Keys::Write(Publish { current: current_source, previous: wanted.map(|(_, source)| source) })
}

/// The fingerprint of what the Secret holds as `previous`: the former key, by which it is known again on the way back.
pub fn former_fingerprint(input: &EndpointInput<'_>) -> Option<String> {
    match &input.secret {
        SecretView::Ours { previous: Some(previous), .. } => Some(previous.fingerprint()),
        _ => None,
    }
}

/// The Secret back at the former key alone, after the new one's endpoint is gone; `None` where it is so.
pub fn back_to(input: &EndpointInput<'_>, from: &RemoteEndpoint) -> Option<Publish> {
    match (&input.secret, &from.key) {
        (SecretView::Ours { current, previous, .. }, Some(key)) => {
            (current.as_ref() != Some(key) || previous.is_some()).then(|| Publish::only(&from.id))
        }
        (SecretView::Ours { previous: Some(_), .. }, None) => {
            Some(Publish { current: Source::Previous, previous: None })
        }
        (SecretView::Missing | SecretView::Foreign, Some(_)) => Some(Publish::only(&from.id)),
        _ => None,
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
