//! rules.md *Rotation* from outside: what users ask for, what they edit, delete and lose in the middle of it, and whether
//! receivers noticed.
//!
//! | file | subject |
//! |---|---|
//! | `requests` | what begins a rotation, and what does not |
//! | `special` | a leaked key, a lost key, a URL that the provider refuses twice, rows of nobody |
//! | `stopped` | five endpoints, each stopped in one phase of its rotation |
//! | `edits` | edits in each phase |
//! | `endings` | deletion, release and crashes in each phase |
//! | `damage` | what other hands take away in each phase |
//! | `delivery` | several rotations under steady delivery, the operator killed in between |

mod damage;
mod delivery;
mod edits;
mod endings;
mod requests;
mod special;
mod stopped;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use testbed::nexhealth::{Actor, Change, Endpoint, Mark};

use crate::support::{Object, World, endpoint};

/// An endpoint with durations of its rotation, and a request.
pub fn rotating(name: &str, publish_delay: &str, overlap: &str, request: &str) -> Value {
    let mut object = endpoint(name);
    object["spec"]["signingSecret"] =
        json!({"rotation": {"publishDelay": publish_delay, "overlap": overlap, "requestId": request}});
    object
}

/// The phase that the status names; empty while no rotation runs.
pub fn phase(object: &Object) -> &str {
    object.status()["rotation"]["phase"].as_str().unwrap_or_default()
}

/// The request that was last acted on.
fn handled(object: &Object) -> &str {
    object.status()["rotation"]["lastHandledRequestId"].as_str().unwrap_or_default()
}

/// Waits until the endpoint is in this phase, and says so.
pub async fn reaches(world: &World, name: &str, wanted: &str) -> Object {
    let there = |object: &Object| phase(object) == wanted && object.said("Rotating") == format!("True/{wanted}");
    world.wait("WebhookEndpoint", name, wanted, there).await
}

/// Waits until a request is answered, no rotation runs, and the endpoint is ready.
pub async fn rotated(world: &World, name: &str, request: &str) -> Object {
    let done = |object: &Object| {
        object.is_ready() && phase(object).is_empty() && handled(object) == request && object.said("Rotating") == "-/-"
    };
    world.wait("WebhookEndpoint", name, &format!("rotated for {request}"), done).await
}

/// Endpoints that the operator has made since a mark with a URL under this path.
pub fn made(world: &World, name: &str, since: Mark) -> Vec<Endpoint> {
    let url = format!("https://hooks.example.com/{name}");
    let journal = world.provider.journal().into_iter().filter(|entry| entry.seq > since.0);
    let made = journal.filter_map(|entry| match (entry.actor, entry.change) {
        (Actor::Call(_), Change::EndpointCreated(endpoint)) => Some(endpoint),
        _ => None,
    });
    made.filter(|endpoint| endpoint.target_url.starts_with(&url)).collect()
}

/// The endpoints of ours under this path that are there.
pub fn remotes(world: &World, name: &str) -> Vec<Endpoint> {
    let url = format!("https://hooks.example.com/{name}");
    world.provider.endpoints().into_iter().filter(|endpoint| endpoint.target_url.starts_with(&url)).collect()
}

/// Asserts the end of every rotation: one remote endpoint, held, whose key alone is in the Secret.
pub async fn assert_one(world: &World, name: &str) -> Endpoint {
    let remotes = remotes(world, name);
    assert_eq!(remotes.len(), 1, "{name}: {:?}\n{}", ids(&remotes), world.report());
    let remote = world.remote_of(name);
    assert_eq!(remote.id, remotes[0].id, "{name}\n{}", world.report());
    let secret = format!("{name}-signing");
    let key = world.secret_value(&secret, "current").await;
    assert!(key.as_ref() == Some(&remote.secret_key), "{name}: current is another key\n{}", world.report());
    assert!(world.secret_value(&secret, "previous").await.is_none(), "{name}: previous is still there");
    remote
}

/// Ids, for words that must not show keys.
pub fn ids(endpoints: &[Endpoint]) -> Vec<i64> {
    endpoints.iter().map(|endpoint| endpoint.id).collect()
}

/// Asserts that at every instant since the mark these pairs had a live row on a live endpoint under this path.
pub fn assert_no_gap(world: &World, name: &str, since: Mark, pairs: &[(&str, &str)]) {
    let journal = world.provider.journal();
    for (practice, event) in pairs {
        let (mut live, mut on) = (BTreeMap::new(), BTreeMap::new());
        let url = format!("https://hooks.example.com/{name}");
        for entry in &journal {
            match &entry.change {
                Change::EndpointCreated(one) | Change::EndpointPatched { after: one, .. } => {
                    on.insert(one.id, one.active && one.target_url.starts_with(&url));
                }
                Change::EndpointDeleted(one) => drop(on.remove(&one.id)),
                Change::RowCreated(row)
                | Change::RowPatched { after: row, .. }
                | Change::RowMoved { after: row, .. } => {
                    if row.event == *event && row.subdomain.as_deref() == Some(practice) {
                        live.insert(row.id, (row.endpoint_id, row.active));
                    }
                }
                Change::RowDeleted(row) => drop(live.remove(&row.id)),
                Change::InstitutionAdded(_) | Change::InstitutionRemoved(_) => {}
            }
            let is_live = |(id, active): &&(i64, bool)| *active && on.get(id) == Some(&true);
            let gap = entry.seq > since.0 && !live.values().any(|row| is_live(&row));
            assert!(!gap, "{name}: {practice} {event} had no live row at {}\n{}", entry.seq, world.report());
        }
    }
}

/// Asserts that there never were more than two endpoints under this path at once.
pub fn assert_two_at_most(world: &World, name: &str) {
    let (url, mut there) = (format!("https://hooks.example.com/{name}"), BTreeSet::new());
    for entry in world.provider.journal() {
        match &entry.change {
            Change::EndpointCreated(one) if one.target_url.starts_with(&url) => drop(there.insert(one.id)),
            Change::EndpointDeleted(one) => drop(there.remove(&one.id)),
            _ => {}
        }
        assert!(there.len() <= 2, "{name}: {there:?} at {}\n{}", entry.seq, world.report());
    }
}

/// Asserts that `Ready` was true in every version of an endpoint and of the subscriptions, once it had been.
pub fn assert_always_ready(world: &World) {
    let mut was = BTreeSet::new();
    for object in world.recorder.versions() {
        let name = (object.kind, object.name().to_owned());
        if object.condition("Ready")["status"] == "True" {
            was.insert(name);
        } else {
            let (status, report) = (object.status(), world.report());
            assert!(!was.contains(&name), "{name:?} was not ready at {}: {status}\n{report}", object.version());
        }
    }
}
