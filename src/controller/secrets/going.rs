//! With `--namespace`, the rights to Secrets are given inside the watched namespaces and end 5 s after one starts to go,
//! while the in-use finalizer must still leave (api.md). So it leaves as soon as a namespace is seen going.
//!
//! A question every two seconds, because the contract gives `get` on namespaces and no `watch`.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError};

use tracing::{debug, info};

use super::in_use::{let_all_go, namespace_is_going};
use crate::controller::context::Context;

/// Looks until the process ends.
pub async fn watch_namespace(context: Arc<Context>, namespace: String) {
    tokio::select! {
        () = context.shutdown.cancelled() => return,
        () = context.synced() => {}
    }
    loop {
        tokio::select! {
            () = context.shutdown.cancelled() => return,
            () = tokio::time::sleep(context.timing.namespace_poll) => {}
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

/// Records whether a namespace is going; answers whether that is news and it is.
fn mark(context: &Context, namespace: &str, going: bool) -> bool {
    let mut known: std::sync::MutexGuard<'_, HashSet<String>> =
        context.going_namespaces.lock().unwrap_or_else(PoisonError::into_inner);
    if going { known.insert(namespace.to_owned()) } else { known.remove(namespace) && false }
}
