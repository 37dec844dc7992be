//! The invariants of architecture.md that can be seen in one state, and what it means that a world is at rest.

use crate::actions::is_refused;
use crate::world::{Ep, FOREIGN, World};

/// What every search checks, in words for the report. Those of a single write are in `provider`.
pub const ALL: &[(&str, &str)] = &[
    ("no gap", "no write of ours takes the last live subscription of a declared pair"),
    (
        "no twin",
        "at most one endpoint of ours, two during a rotation, and one more for each lost answer to a create, crash during it, or change of leader",
    ),
    ("no trespass", "nothing that we did not make is changed or deleted, and no such id is held"),
    ("key first", "no subscription is made on an endpoint whose key was never in the Secret"),
    ("no refusal", "while a rotation runs, and unless somebody does harm, the receiver can verify every delivery"),
    ("no loss", "a delivery that was refused is accepted before its retries end and its endpoint goes"),
    ("two endpoints", "toRemoteId is never fromRemoteId"),
    (
        "no brick, no orphan",
        "without further faults every state comes to rest: one endpoint as declared, each declared pair on it once, its key in the Secret, Ready; or, once the object has gone, nothing",
    ),
];

/// What is wrong with a state.
pub fn wrong(world: &World) -> Option<&'static str> {
    if world.broken.is_some() {
        return world.broken;
    }
    let status = world.object.as_ref().and_then(|object| object.status.as_ref());
    let rotation = status.and_then(|status| status.rotation.as_ref());
    let rotates = rotation.is_some_and(|rotation| rotation.phase.is_some());
    let ours = world.eps.iter().filter(|ep| ep.mine && !is_lost_to_others(world, ep)).count();
    // An object that went under `Orphan` may have left both endpoints of a rotation behind.
    if !world.orphaned && ours > 1 + usize::from(rotates) + usize::from(world.excuses) {
        return Some("more endpoints of ours than lost answers explain");
    }
    if let Some(status) = status {
        let foreign = |id: u8| world.ep(id).is_some_and(|ep| !ep.mine);
        if foreign(status.remote) || status.removing.iter().any(|id| foreign(*id)) {
            return Some("the object holds somebody else's endpoint");
        }
    }
    if rotation.is_some_and(|rotation| rotation.from != 0 && rotation.from == rotation.to) {
        return Some("a rotation to the endpoint that it comes from");
    }
    let calm = !world.harmed && world.object.as_ref().is_some_and(|object| !object.leaked && !object.deleting);
    // The first deliveries of the first endpoint may come before its key was loaded.
    if calm && rotates && world.receiver.current != 0 && world.eps.iter().any(|ep| is_refused(world, ep)) {
        return Some("the receiver refuses deliveries during a rotation although nobody has done harm");
    }
    None
}

/// An endpoint that nobody had taken up yet when somebody else made a row on it is by rule not ours any more.
fn is_lost_to_others(world: &World, ep: &Ep) -> bool {
    let status = world.object.as_ref().and_then(|object| object.status.as_ref());
    let held = status.map(|status| status.remote).unwrap_or_default();
    world.harmed && ep.id != held && ep.rows.iter().any(|row| row.pair >= world.setup.pairs)
}

/// What is wrong with a world that has come to rest.
pub fn unsettled(world: &World) -> Option<&'static str> {
    let status = world.object.as_ref().and_then(|object| object.status.as_ref());
    let lost_to_others = |ep: &Ep| is_lost_to_others(world, ep);
    let mut ours = world.eps.iter().filter(|ep| ep.mine && !lost_to_others(ep));
    let Some(object) = &world.object else {
        let left = ours.next().is_some() && !world.orphaned;
        return left.then_some("the object has gone and an endpoint of it has not");
    };
    if object.deleting {
        return Some("the object does not go");
    }
    let Some(status) = status else { return Some("no status") };
    if object.suspend {
        return None;
    }
    let taken = world.eps.iter().any(|ep| (!ep.mine || lost_to_others(ep)) && ep.url == object.url);
    if taken && ours.clone().next().is_none() {
        // A person has to decide, and is told.
        return (!status.stalled).then_some("a stranger has the URL, and nobody is told");
    }
    let (Some(ep), None) = (ours.next(), ours.next()) else { return Some("not exactly one endpoint of ours") };
    if ep.id != status.remote {
        return Some("the object holds another endpoint");
    }
    if (ep.url, ep.active) != (object.url, object.active) {
        return Some("the endpoint is not as declared");
    }
    if (0..world.setup.pairs).any(|pair| ep.rows.iter().filter(|row| row.pair == pair).count() != 1) {
        return Some("a declared pair is not subscribed exactly once");
    }
    if world.setup.foreign_row && !world.harmed && !ep.rows.iter().any(|row| row.pair == FOREIGN) {
        return Some("somebody else's subscription was not moved along");
    }
    match &world.secret {
        Some(secret) if secret.current == ep.id && secret.previous == 0 => {}
        _ => return Some("the Secret does not hold just the endpoint's key"),
    }
    if !status.removing.is_empty() || status.rotation.as_ref().is_some_and(|rotation| rotation.phase.is_some()) {
        return Some("something is still under way");
    }
    if status.rotation.as_ref().and_then(|rotation| rotation.handled) != Some(object.request) {
        return Some("the request for a rotation was not handled");
    }
    (!status.ready).then_some("the object is not Ready")
}
