//! Calls on rows, sent: by the subscription whose rows they are, or by an endpoint that moves them in a rotation.

use std::future::Future;
use std::sync::Arc;

use futures::{FutureExt, StreamExt};

use crate::plan::row_calls::{MADE_OTHERWISE, RowCall};
use crate::provider::CallError;
use crate::provider::mirror::Mirror;
use crate::provider::model::{NewRow, RemoteRow, RowKey, RowPatch};
use crate::provider::realm::Realm;

/// Calls of one batch that wait at the gate at the same time.
const AT_ONCE: usize = 16;

/// Sends independent calls; their answers come in the order of the calls.
pub async fn all<'a, F>(calls: &'a [RowCall], send: impl Fn(&'a RowCall) -> F) -> Vec<Result<(), CallError>>
where
    F: Future<Output = Result<(), CallError>> + Send + 'a,
{
    let waiting: Vec<_> = calls.iter().map(|call| send(call).boxed()).collect();
    futures::stream::iter(waiting).buffered(AT_ONCE).collect().await
}

/// Sends one call. `version` pins the payload of a row that is made.
///
/// # Errors
/// See [`CallError`]; a 404 has ordered the list that tells more.
pub async fn send(realm: &Arc<Realm>, call: &RowCall, version: &Arc<str>) -> Result<(), CallError> {
    match call {
        RowCall::Create { endpoint, key, practice, active } => {
            let new = NewRow {
                endpoint: endpoint.clone(),
                practice: practice.clone(),
                resource_type: key.resource_type.clone(),
                event: key.event.clone(),
                active: *active,
                payload_version: version.clone(),
            };
            make(realm, &new, key).await.map(drop)
        }
        // Nothing can be changed there: a row is made anew and the former one deleted at once, because receivers may not be
        // able to tell two deliveries of one event from two events.
        RowCall::Move { row, to, .. } if realm.provider().keyring().is_some() => {
            let new = NewRow {
                endpoint: to.clone(),
                practice: None,
                resource_type: row.resource_type.clone(),
                event: row.event.clone(),
                active: true,
                payload_version: version.clone(),
            };
            if !make(realm, &new, &row.key()).await? {
                // Somebody else's POST has not been answered yet; the next pass sees what comes of it.
                return Ok(());
            }
            delete(realm, row).await
        }
        RowCall::Move { row, to, practice } => {
            let patch = RowPatch { active: None, new_endpoint: Some(to.clone()) };
            // A 404 calls the lists of both endpoints into question; whoever reads them next finds out which one is gone.
            realm.patch_row(row, practice.as_deref(), &patch).await.map(drop)
        }
        RowCall::Switch { row, practice, active, .. } => {
            let patch = RowPatch { active: Some(*active), new_endpoint: None };
            realm.patch_row(row, practice.as_deref(), &patch).await.map(drop)
        }
        RowCall::Delete { row } | RowCall::Prune { row, .. } => delete(realm, row).await,
    }
}

/// Makes one row. `false`: nothing was sent, because another pass has the claim.
async fn make(realm: &Arc<Realm>, new: &NewRow, key: &RowKey) -> Result<bool, CallError> {
    match realm.create_row(new, key.practice.clone()).await {
        Ok(None) => Ok(false),
        Ok(Some(made)) if made.key() == *key && made.endpoint == new.endpoint => Ok(true),
        // Not what was asked for, and it would be asked for again and again: what was made by this very call is taken back,
        // and the pair counts as refused.
        Ok(Some(other)) => {
            realm.delete_row(&other).await?;
            Err(CallError::Rejected { status: MADE_OTHERWISE })
        }
        Err(CallError::NotFound) => {
            // A 404 orders a list: of endpoints, where this one's own object finds out.
            realm.refresh_endpoints(Some(realm.read(Mirror::now))).await?;
            Err(CallError::NotFound)
        }
        Err(error) => Err(error),
    }
}

async fn delete(realm: &Arc<Realm>, row: &RemoteRow) -> Result<(), CallError> {
    match realm.delete_row(row).await {
        // A 404 orders a list; the row's absence is read there.
        Err(CallError::NotFound) => realm.refresh_rows(&row.endpoint, Some(realm.read(Mirror::now))).await,
        answer => answer,
    }
}
