//! With `--namespace`, the rights to Secrets are given inside the watched namespaces and end 5 s after one starts to go,
//! while the in-use finalizer must still leave (api.md). So it leaves as soon as a namespace is seen going.
//!
//! A crash after that leaves the next process without the key, and `deletionPolicy: Orphan` is the way out: no order of
//! steps avoids both that and a namespace that hangs. Where the rights are given for the whole cluster nothing is let go.
//!
//! A question every two seconds, because the contract gives `get` on namespaces and no `watch`.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::Api;
use kube::api::PostParams;
use tracing::{debug, info};

use super::in_use::{let_all_go, namespace_is_going};
use crate::controller::context::Context;
use crate::controller::error::PassError;

/// Looks until the process ends.
pub async fn watch_namespace(context: Arc<Context>, namespace: String) {
    tokio::select! {
        () = context.shutdown.cancelled() => return,
        () = context.synced() => {}
    }
    let mut rights_end_with_it = None;
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(context.timing.namespace_poll) => {}
        }
        match rights_end_with_it {
            Some(true) => {}
            // The finalizer stays until the account goes: then a crash in between does not cost the key.
            Some(false) => return context.shutdown.cancelled().await,
            None => {
                rights_end_with_it = our_rights_end_with_it(&context).await.ok();
                continue;
            }
        }
        let going = match namespace_is_going(&context, &namespace).await {
            Ok(going) => going,
            Err(error) => {
                debug!(%error, namespace, "cannot see whether the namespace is going");
                continue;
            }
        };
        if !mark(&context, &namespace, going) {
            continue;
        }
        match let_all_go(&context, &namespace).await {
            Ok(()) => {
                info!(namespace, "the namespace is going; its API key Secrets are released, the keys stay in memory")
            }
            Err(error) => {
                debug!(%error, namespace, "the Secrets of the namespace could not be released; trying again");
                mark(&context, &namespace, false);
            }
        }
    }
}

/// Whether our rights to Secrets are given inside the watched namespaces. Where they are given for the whole cluster they
/// outlive a namespace.
async fn our_rights_end_with_it(context: &Context) -> Result<bool, PassError> {
    let patch = ResourceAttributes {
        resource: Some("secrets".to_owned()),
        verb: Some("patch".to_owned()),
        ..ResourceAttributes::default()
    };
    let spec =
        SelfSubjectAccessReviewSpec { resource_attributes: Some(patch), ..SelfSubjectAccessReviewSpec::default() };
    let review = SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() };
    let reviews: Api<SelfSubjectAccessReview> = Api::all(context.client.clone());
    match context.kube(reviews.create(&PostParams::default(), &review)).await {
        Ok(review) => Ok(!review.status.is_some_and(|status| status.allowed)),
        // Who may not even ask has not been given much.
        Err(PassError::Forbidden) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Records whether a namespace is going; answers whether that is news and it is.
fn mark(context: &Context, namespace: &str, going: bool) -> bool {
    let mut known: std::sync::MutexGuard<'_, HashSet<String>> =
        context.going_namespaces.lock().unwrap_or_else(PoisonError::into_inner);
    if going {
        return known.insert(namespace.to_owned());
    }
    known.remove(namespace);
    false
}
