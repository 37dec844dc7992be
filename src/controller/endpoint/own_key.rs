//! Endpoint objects at providers that have no endpoints: which shape it is, and what their plan looks at.

use crate::api::WebhookEndpointStatus;
use crate::controller::accounts::RealmHandle;
use crate::plan::endpoint::{EndpointInput, EndpointPlan};
use crate::plan::own_key::{self, OwnKeyInput};
use crate::provider::mirror::Mirror;
use crate::provider::model::RemoteId;

/// The shape of provider whose keys we make.
pub(super) struct Shape {
    registers: bool,
    provider: &'static str,
}

/// `None`: the provider has endpoints. While the account cannot be used, the status tells what the object was made under.
pub(super) fn shape(handle: Option<&RealmHandle>, status: Option<&WebhookEndpointStatus>) -> Option<Shape> {
    match handle.map(|handle| handle.realm.provider()) {
        Some(provider) if provider.endpoints().is_some() => None,
        Some(provider) => Some(Shape { registers: provider.rows().is_some(), provider: provider.catalogue().provider }),
        None => status?.home.as_ref().map(|_| Shape { registers: true, provider: "the provider" }),
    }
}

impl Shape {
    pub(super) fn plan(&self, input: EndpointInput<'_>, handle: Option<&RealmHandle>) -> EndpointPlan {
        let nothing = Mirror::default();
        let keyring = handle.and_then(|handle| handle.realm.provider().keyring());
        let known: Vec<RemoteId> = keyring.map(|keyring| keyring.homes()).unwrap_or_default();
        let decide = |rows: &Mirror| {
            let Self { registers, provider } = *self;
            own_key::plan(&OwnKeyInput { endpoint: input, provider, registers, rows, known })
        };
        match handle {
            Some(handle) => handle.realm.read(decide),
            None => decide(&nothing),
        }
    }
}
