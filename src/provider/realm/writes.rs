//! Writes: begun in the mirror, sent, and settled there whatever becomes of the caller.
//!
//! A caller's future may be dropped at any moment (shutdown, a deadline of its own). The call has been sent all the same,
//! so it runs in a task of its own, and its answer is applied by that task.
//!
//! Each kind of write has its lane (rules.md *Gate*). Whoever calls from a more urgent errand takes the write along: a row
//! that was there before is made again in the lane of repairs.

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;

use super::Realm;
use crate::provider::canonical::canonical_url;
use crate::provider::gate::{Errand, Lane};
use crate::provider::mirror::{Changes, Failure, Mirror};
use crate::provider::model::{
    EndpointPatch, NewEndpoint, NewRow, RemoteEndpoint, RemoteId, RemoteRow, RowKey, RowPatch,
};
use crate::provider::{Ambiguity, CallError, Unavailable};

/// Applies a write's outcome. Dropped without one (a panic of the adapter, the end of the runtime), it settles as a lost
/// answer, so that no claim stays open for ever.
struct Settlement<T, F: FnOnce(&mut Mirror, Result<&T, Failure>) -> Changes> {
    realm: Arc<Realm>,
    settle: Option<F>,
    answer: std::marker::PhantomData<fn(&T)>,
}

impl<T, F: FnOnce(&mut Mirror, Result<&T, Failure>) -> Changes> Settlement<T, F> {
    fn finish(&mut self, result: &Result<T, CallError>) {
        let Some(settle) = self.settle.take() else { return };
        let result = result.as_ref().map_err(|error| self.realm.timing.failure(error, Timestamp::now()));
        let changes = self.realm.change(|mirror| settle(mirror, result));
        self.realm.publish(changes);
    }
}

impl<T, F: FnOnce(&mut Mirror, Result<&T, Failure>) -> Changes> Drop for Settlement<T, F> {
    fn drop(&mut self) {
        self.finish(&Err(lost()));
    }
}

fn lost() -> CallError {
    CallError::Unavailable { cause: Unavailable::Reset, ambiguity: Some(Ambiguity::TimedOut) }
}

/// A plan asked for what this shape of provider does not have.
fn unsupported() -> CallError {
    CallError::Rejected { status: 405 }
}

impl Realm {
    /// Makes an endpoint. Nothing here keeps a second one from being made: rules.md *Create* does, by its intent.
    ///
    /// # Errors
    /// See [`CallError`]; after an ambiguous one the URL is in doubt ([`Mirror::endpoint_create_state`]).
    pub async fn create_endpoint(self: &Arc<Self>, new: &NewEndpoint) -> Result<RemoteEndpoint, CallError> {
        let url = canonical_url(&new.target_url).unwrap_or_else(|| new.target_url.clone());
        self.change(|mirror| mirror.begin_endpoint_create(&url));
        let (provider, new) = (self.provider.clone(), new.clone());
        let call = async move {
            match provider.endpoints() {
                Some(calls) => calls.create(&new).await,
                None => Err(unsupported()),
            }
        };
        let settle = move |mirror: &mut Mirror, result: Result<&RemoteEndpoint, Failure>| match result {
            Ok(remote) => mirror.endpoint_created(&url, remote.clone()),
            Err(Failure::Uncertain { look_after }) => {
                mirror.endpoint_create_uncertain(&url, look_after);
                Changes::default()
            }
            Err(Failure::Refused | Failure::NotFound) => {
                mirror.endpoint_create_failed(&url);
                Changes::default()
            }
        };
        self.write(Lane::Creates, call, settle).await
    }

    /// Changes an endpoint.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn patch_endpoint(
        self: &Arc<Self>,
        id: &RemoteId,
        patch: &EndpointPatch,
    ) -> Result<RemoteEndpoint, CallError> {
        self.change(|mirror| mirror.begin_endpoint_write(id));
        let (provider, asked, patch) = (self.provider.clone(), id.clone(), patch.clone());
        let call = async move {
            match provider.endpoints() {
                Some(calls) => calls.patch(&asked, &patch).await,
                None => Err(unsupported()),
            }
        };
        let id = id.clone();
        let settle = move |mirror: &mut Mirror, result: Result<&RemoteEndpoint, Failure>| match result {
            Ok(remote) => mirror.endpoint_patched(remote.clone()),
            Err(_) => endpoint_failed(mirror, &id),
        };
        self.write(Lane::Repairs, call, settle).await
    }

    /// Deletes an endpoint, and its rows with it.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_endpoint(self: &Arc<Self>, id: &RemoteId) -> Result<(), CallError> {
        self.change(|mirror| mirror.begin_endpoint_write(id));
        let (provider, asked) = (self.provider.clone(), id.clone());
        let call = async move {
            match provider.endpoints() {
                Some(calls) => calls.delete(&asked).await,
                None => Err(unsupported()),
            }
        };
        let id = id.clone();
        let settle = move |mirror: &mut Mirror, result: Result<&(), Failure>| match result {
            Ok(()) => mirror.endpoint_deleted(&id),
            Err(_) => endpoint_failed(mirror, &id),
        };
        self.write(Lane::Deletes, call, settle).await
    }

    /// Makes a row; `practice_key` is the key of the practice that `new` names. `Ok(None)`: nothing was sent, because the
    /// pair has a row, one is being made, or one may still appear.
    ///
    /// # Errors
    /// See [`CallError`]; after an ambiguous one the pair is in doubt ([`Mirror::row_create_state`]).
    pub async fn create_row(
        self: &Arc<Self>,
        new: &NewRow,
        practice_key: Option<Arc<str>>,
    ) -> Result<Option<RemoteRow>, CallError> {
        let endpoint = new.endpoint.clone();
        let key = RowKey { practice: practice_key, resource_type: new.resource_type.clone(), event: new.event.clone() };
        if !self.change(|mirror| mirror.begin_row_create(&endpoint, &key)) {
            return Ok(None);
        }
        let (provider, new) = (self.provider.clone(), new.clone());
        let call = async move {
            match provider.rows() {
                Some(calls) => calls.create(&new).await,
                None => Err(unsupported()),
            }
        };
        let settle = move |mirror: &mut Mirror, result: Result<&RemoteRow, Failure>| match result {
            Ok(row) => mirror.row_created(&endpoint, &key, row),
            Err(failure) => mirror.row_create_failed(&endpoint, &key, failure),
        };
        self.write(Lane::Creates, call, settle).await.map(Some)
    }

    /// Switches or moves a row; `practice` is any practice name the key reaches, where the provider asks for one.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn patch_row(
        self: &Arc<Self>,
        row: &RemoteRow,
        practice: Option<&str>,
        patch: &RowPatch,
    ) -> Result<RemoteRow, CallError> {
        self.change(|mirror| mirror.begin_row_write(&row.id, patch.new_endpoint.as_ref()));
        let (provider, asked, patch) = (self.provider.clone(), row.clone(), patch.clone());
        let practice = practice.map(str::to_owned);
        let call = async move {
            match provider.rows() {
                Some(calls) => calls.patch(&asked, practice.as_deref(), &patch).await,
                None => Err(unsupported()),
            }
        };
        let id = row.id.clone();
        let settle = move |mirror: &mut Mirror, result: Result<&RemoteRow, Failure>| match result {
            Ok(row) => mirror.row_patched(row),
            Err(failure) => mirror.row_write_failed(&id, failure),
        };
        self.write(Lane::Repairs, call, settle).await
    }

    /// Deletes a row.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn delete_row(self: &Arc<Self>, row: &RemoteRow) -> Result<(), CallError> {
        self.change(|mirror| mirror.begin_row_write(&row.id, None));
        let (provider, asked) = (self.provider.clone(), row.clone());
        let call = async move {
            match provider.rows() {
                Some(calls) => calls.delete(&asked).await,
                None => Err(unsupported()),
            }
        };
        let id = row.id.clone();
        let settle = move |mirror: &mut Mirror, result: Result<&(), Failure>| match result {
            Ok(()) => mirror.row_deleted(&id),
            Err(failure) => mirror.row_write_failed(&id, failure),
        };
        self.write(Lane::Deletes, call, settle).await
    }

    async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        lane: Lane,
        call: impl Future<Output = Result<T, CallError>> + Send + 'static,
        settle: impl FnOnce(&mut Mirror, Result<&T, Failure>) -> Changes + Send + 'static,
    ) -> Result<T, CallError> {
        let answer = std::marker::PhantomData;
        let mut settlement = Settlement { realm: self.clone(), settle: Some(settle), answer };
        let errand = Errand::new(lane.max(Errand::current().lane()));
        let task = tokio::spawn(async move {
            let result = errand.run(call).await;
            settlement.realm.note(&result);
            settlement.finish(&result);
            result
        });
        task.await.unwrap_or_else(|_| Err(lost()))
    }
}

fn endpoint_failed(mirror: &mut Mirror, id: &RemoteId) -> Changes {
    mirror.endpoint_write_failed(id);
    Changes::default()
}
