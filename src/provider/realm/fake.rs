//! A provider in memory whose calls can be held, counted and made to fail.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Semaphore;

use crate::provider::gate::{Errand, Lane};
use crate::provider::model::{
    Catalogue, EndpointPatch, KeyOrigin, NewEndpoint, NewRow, Practice, RemoteEndpoint, RemoteId, RemoteRow, RowPatch,
    RowScope,
};
use crate::provider::{CallError, EndpointCalls, PracticeCalls, Provider, RowCalls, SyncCalls};

static NO_EVENTS: Catalogue = Catalogue { provider: "Fake", name_alone: false, events: Vec::new() };

#[derive(Default)]
pub(super) struct State {
    pub(super) endpoints: BTreeMap<RemoteId, RemoteEndpoint>,
    pub(super) rows: BTreeMap<RemoteId, RemoteRow>,
    pub(super) practices: Vec<Practice>,
    calls: Vec<&'static str>,
    errands: Vec<(&'static str, Errand)>,
    held: HashMap<&'static str, Arc<Semaphore>>,
    failing: HashMap<&'static str, CallError>,
    next: u32,
}

#[derive(Default)]
pub(super) struct Fake(Mutex<State>);

impl Fake {
    pub(super) fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap())
    }

    pub(super) fn endpoint(&self, id: &str, url: &str) -> RemoteId {
        let remote = RemoteEndpoint {
            id: RemoteId::new(id),
            target_url: url.to_owned(),
            active: true,
            created_at: None,
            updated_at: None,
            key: None,
        };
        self.state(|state| state.endpoints.insert(remote.id.clone(), remote.clone()));
        remote.id
    }

    pub(super) fn calls(&self, name: &str) -> usize {
        self.state(|state| state.calls.iter().filter(|call| **call == name).count())
    }

    pub(super) fn all_calls(&self) -> Vec<&'static str> {
        self.state(|state| std::mem::take(&mut state.calls))
    }

    /// The lane of each call of this name, as it is now.
    pub(super) fn lanes(&self, name: &str) -> Vec<Lane> {
        self.state(|state| {
            let named = state.errands.iter().filter(|(call, _)| *call == name);
            named.map(|(_, errand)| errand.lane()).collect()
        })
    }

    pub(super) fn hold(&self, name: &'static str) {
        self.state(|state| state.held.insert(name, Arc::new(Semaphore::new(0))));
    }

    pub(super) fn release(&self, name: &'static str) {
        if let Some(gate) = self.state(|state| state.held.remove(name)) {
            gate.add_permits(100);
        }
    }

    /// The next call of this name fails; with an ambiguous error it takes effect first.
    pub(super) fn fail(&self, name: &'static str, error: CallError) {
        self.state(|state| state.failing.insert(name, error));
    }

    pub(super) async fn until_called(&self, name: &str, times: usize) {
        while self.calls(name) < times {
            tokio::task::yield_now().await;
        }
    }

    async fn call<T>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut State) -> Result<T, CallError>,
    ) -> Result<T, CallError> {
        let (gate, failure) = self.state(|state| {
            state.calls.push(name);
            state.errands.push((name, Errand::current()));
            (state.held.get(name).cloned(), state.failing.remove(name))
        });
        if let Some(gate) = gate {
            let _permit = gate.acquire().await;
        }
        match failure {
            Some(error) if error.ambiguity().is_some() => {
                let _ = self.state(effect);
                Err(error)
            }
            Some(error) => Err(error),
            None => self.state(effect),
        }
    }
}

fn fresh_id(state: &mut State) -> RemoteId {
    state.next += 1;
    RemoteId::new((1000 + state.next).to_string())
}

#[async_trait]
impl Provider for Fake {
    fn name(&self) -> &'static str {
        "fake"
    }
    fn catalogue(&self) -> &'static Catalogue {
        &NO_EVENTS
    }
    fn recipe(&self) -> crate::signing::Recipe {
        crate::signing::NEXHEALTH
    }
    fn key_origin(&self) -> KeyOrigin {
        KeyOrigin::Provider
    }
    fn endpoints(&self) -> Option<&dyn EndpointCalls> {
        Some(self)
    }
    fn rows(&self) -> Option<&dyn RowCalls> {
        Some(self)
    }
    fn practices(&self) -> Option<&dyn PracticeCalls> {
        Some(self)
    }
    fn syncs(&self) -> Option<&dyn SyncCalls> {
        None
    }
    async fn authenticate(&self) -> Result<(), CallError> {
        self.call("authenticate", |_| Ok(())).await
    }
}

#[async_trait]
impl EndpointCalls for Fake {
    async fn list(&self, inactive_only: bool) -> Result<Vec<RemoteEndpoint>, CallError> {
        // The plain list hides the inactive: the worst case that the second look is for.
        let name = if inactive_only { "list_inactive" } else { "list_endpoints" };
        self.call(name, |state| {
            Ok(state.endpoints.values().filter(|remote| remote.active != inactive_only).cloned().collect())
        })
        .await
    }
    async fn create(&self, new: &NewEndpoint) -> Result<RemoteEndpoint, CallError> {
        let (target_url, active) = (new.target_url.clone(), new.active);
        self.call("create_endpoint", |state| {
            let id = fresh_id(state);
            let (created_at, updated_at, key) = (None, None, None);
            let remote = RemoteEndpoint { id: id.clone(), target_url, active, created_at, updated_at, key };
            state.endpoints.insert(id, remote.clone());
            Ok(remote)
        })
        .await
    }
    async fn patch(&self, id: &RemoteId, patch: &EndpointPatch) -> Result<RemoteEndpoint, CallError> {
        self.call("patch_endpoint", |state| {
            let remote = state.endpoints.get_mut(id).ok_or(CallError::NotFound)?;
            remote.active = patch.active.unwrap_or(remote.active);
            remote.target_url = patch.target_url.clone().unwrap_or_else(|| remote.target_url.clone());
            Ok(remote.clone())
        })
        .await
    }
    async fn delete(&self, id: &RemoteId) -> Result<(), CallError> {
        self.call("delete_endpoint", |state| {
            state.rows.retain(|_, row| row.endpoint != *id);
            state.endpoints.remove(id).map(|_| ()).ok_or(CallError::NotFound)
        })
        .await
    }
}

#[async_trait]
impl RowCalls for Fake {
    async fn list(&self, scope: &RowScope) -> Result<Vec<RemoteRow>, CallError> {
        self.call("list_rows", |state| {
            let covered = |row: &&RemoteRow| match scope {
                RowScope::Endpoint(id) => row.endpoint == *id,
                RowScope::Account => true,
            };
            Ok(state.rows.values().filter(covered).cloned().collect())
        })
        .await
    }
    async fn create(&self, new: &NewRow) -> Result<RemoteRow, CallError> {
        self.call("create_row", |state| {
            let id = fresh_id(state);
            let practice = new.practice.as_ref().and_then(|name| state.practices.iter().find(|p| p.name == *name));
            let row = RemoteRow {
                id: id.clone(),
                endpoint: new.endpoint.clone(),
                practice: practice.map(|practice| practice.key.clone()),
                resource_type: new.resource_type.clone(),
                event: new.event.clone(),
                active: new.active,
                created_at: None,
            };
            state.rows.insert(id, row.clone());
            Ok(row)
        })
        .await
    }
    async fn patch(&self, row: &RemoteRow, _: Option<&str>, patch: &RowPatch) -> Result<RemoteRow, CallError> {
        self.call("patch_row", |state| {
            let row = state.rows.get_mut(&row.id).ok_or(CallError::NotFound)?;
            row.active = patch.active.unwrap_or(row.active);
            row.endpoint = patch.new_endpoint.clone().unwrap_or_else(|| row.endpoint.clone());
            Ok(row.clone())
        })
        .await
    }
    async fn delete(&self, row: &RemoteRow) -> Result<(), CallError> {
        self.call("delete_row", |state| state.rows.remove(&row.id).map(|_| ()).ok_or(CallError::NotFound)).await
    }
}

#[async_trait]
impl PracticeCalls for Fake {
    async fn list(&self) -> Result<Vec<Practice>, CallError> {
        self.call("list_practices", |state| Ok(state.practices.clone())).await
    }
}
