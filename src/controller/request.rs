//! The annotation by which a person asks for one fresh observation. It is answered in the status and never cleared: it
//! may stand in Git.

use kube::{Resource, ResourceExt};

use crate::api::RECONCILE_REQUESTED_AT;

/// Longest value that is answered; the status field has this bound.
const LIMIT: usize = 1024;

/// The value that is asked for and not answered yet.
pub fn unanswered(object: &impl Resource, handled: Option<&str>) -> Option<String> {
    let asked: String = object.annotations().get(RECONCILE_REQUESTED_AT)?.chars().take(LIMIT).collect();
    (Some(asked.as_str()) != handled).then_some(asked)
}
