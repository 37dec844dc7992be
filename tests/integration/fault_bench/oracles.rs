//! What must hold after every plan. The numbers are those of the project's list of oracles.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use external_webhooks::api::REMOTE_FINALIZER;
use serde_json::Value;
use testbed::nexhealth::Call;

use super::history::History;
use super::plan::Shot;
use super::rig::Rig;
use super::scenario::{Scenario, Wanted};
use super::signatures;
use crate::support::{Object, breaches, panics};

/// How long before a `Retry-After` ends calls that were already on their way may still arrive.
const UNDER_WAY_MS: i128 = 250;
/// How often one write may be repeated, whatever goes wrong.
const REPEATS: usize = 25;

/// What a GitOps tool makes of an object, by the rules of kstatus.
pub fn kstatus(object: &Object) -> &'static str {
    let is_true = |kind: &str| object.condition(kind)["status"] == "True";
    if !object.value["metadata"]["deletionTimestamp"].is_null() {
        "Terminating"
    } else if !object.is_current() || is_true("Reconciling") {
        "InProgress"
    } else if is_true("Stalled") {
        "Failed"
    } else if !is_true("Ready") {
        "InProgress"
    } else {
        "Current"
    }
}

/// Why the end is not reached yet, if it is not: O1, O4, O5 and O12, as they are at this moment.
pub fn unfinished(rig: &Rig) -> Option<String> {
    let latest = rig.world.recorder.latest();
    let mut specs: Vec<(&str, &str, &Value)> = Vec::new();
    for object in latest.values() {
        let removed = rig.plan.scenario.removes(object.kind, object.name(), rig.plan.seed);
        match (removed, object.gone) {
            (true, true) => {}
            (true, false) => return Some(format!("{} {} is still there", object.kind, object.name())),
            (false, true) => return Some(format!("{} {} is gone", object.kind, object.name())),
            (false, false) => {
                if kstatus(object) != "Current" && !(rig.plan.scenario == Scenario::LostKey && is_given_up(rig)) {
                    let said = (object.said("Ready"), object.message("Ready"));
                    return Some(format!("{} {} is {}: {said:?}", object.kind, object.name(), kstatus(object)));
                }
                if object.condition("Rotating")["status"] == "True" {
                    return Some(format!("{} {} is {}", object.kind, object.name(), object.said("Rotating")));
                }
                specs.push((object.kind, object.name(), &object.value["spec"]));
            }
        }
    }
    if rig.helped {
        // What a person gave up stays at the provider.
        return None;
    }
    let wanted = Wanted::by(&specs);
    let history = History::of(&rig.world.provider.journal(), &rig.foreign);
    if rig.plan.scenario.rotates() && !history.replaced() && !is_given_up(rig) {
        return Some("O1: the key was not replaced yet".to_owned());
    }
    let (found, counts) = history.now(&rig.foreign);
    if found != wanted || counts != (wanted.endpoints.len(), wanted.rows.len()) {
        return Some(format!("O1: the provider has {counts:?} {found:?}, wanted {wanted:?}"));
    }
    None
}

/// Whether the provider refused the second endpoint and it was said so: then nothing changes before a person asks again
/// (rules.md *Rotation*).
fn is_given_up(rig: &Rig) -> bool {
    let no =
        |shot: &Shot| matches!(shot.trouble.name, "400" | "403" | "404-though-there" | "409" | "422-echoes-the-key");
    let refused = rig.plan.shots.iter().any(|shot| shot.target.what == "POST.endpoint" && no(shot));
    let intake = rig.world.recorder.get("WebhookEndpoint", "intake");
    refused && intake.is_some_and(|intake| intake.said("RotationOverdue") == "True/DuplicateUrlRefused")
}

/// Everything that is broken at the end of a plan.
pub async fn broken(rig: &Rig) -> Vec<String> {
    let mut found = Vec::new();
    found.extend(unfinished(rig));
    let world = &rig.world;
    let history = History::of(&world.provider.journal(), &rig.foreign);
    found.extend(history.trespass.iter().map(|text| format!("O7: {text}")));
    found.extend(history.harmed(&rig.foreign).into_iter().map(|text| format!("O7: {text}")));
    found.extend(gaps_and_twins(rig, &history));
    found.extend(early_releases(rig));
    found.extend(keys(rig, &history).await);
    found.extend(noticed(rig, &history));
    found.extend(signatures::unverifiable(rig).into_iter().map(|text| format!("O6: {text}")));
    found.extend(impatience(rig, &world.provider.ledger()));
    found.extend(world.leaks().await.into_iter().map(|text| format!("O9: {text}")));
    found.extend(breaches(&world.recorder.versions()).into_iter().map(|text| format!("O10: {text}")));
    found.extend(panics(world.namespace.name()).into_iter().map(|text| format!("O11: {text}")));
    found
}

/// O2, and no gap because of us: a pair that is live and is wanted to the end is never without a live row in between, and
/// has no more rows at once than answers were lost.
fn gaps_and_twins(rig: &Rig, history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let (now, _) = history.now(&rig.foreign);
    let losses = rig.losses();
    let detours = if rig.plan.scenario.rotates() { rig.injector.detours() } else { 0 };
    for ((practice, event), line) in &history.live {
        let wanted = now.rows.iter().any(|(_, p, e, active)| p == practice && e == event && *active);
        let began = line.iter().position(|(_, live)| *live > 0).unwrap_or(line.len());
        if wanted && let Some((at, _)) = line[began..].iter().find(|(_, live)| *live == 0) {
            found.push(format!("gap: {practice} {event} had no live row at {at}: {line:?}"));
        }
        if let Some((at, live)) = line.iter().find(|(_, live)| *live > 1 + losses + detours) {
            found.push(format!("O2: {practice} {event} had {live} live rows at {at} after {losses} lost answers"));
        }
    }
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, endpoint) in &history.made {
        *made.entry(&endpoint.target_url).or_default() += 1;
    }
    let rotations = usize::from(rig.plan.scenario.rotates());
    for (url, count) in made.into_iter().filter(|(_, count)| *count > 1 + rotations + losses) {
        found.push(format!("O2: {count} endpoints were made for {url} after {losses} lost answers"));
    }
    found
}

/// What nobody may notice of a rotation: never more than two endpoints, besides those of lost answers; and where the process
/// does no more than die, `Ready` is true in every version.
fn noticed(rig: &Rig, history: &History) -> Vec<String> {
    let (scenario, losses) = (rig.plan.scenario, rig.losses());
    if !scenario.rotates() {
        return Vec::new();
    }
    let mut found = Vec::new();
    if history.most_endpoints > 2 + losses {
        found.push(format!("O2: {} endpoints at once after {losses} lost answers", history.most_endpoints));
    }
    if scenario == Scenario::LostKey || !rig.plan.only_crashes() {
        return found;
    }
    let versions = rig.world.recorder.versions();
    let ready = |object: &Object| object.condition("Ready")["status"] == "True";
    let ours = versions.iter().filter(|object| object.kind == "WebhookEndpoint");
    let unready = ours.skip_while(|object| !ready(object)).find(|object| !ready(object));
    found.extend(unready.map(|object| format!("O10: {} was not Ready at {}", object.name(), object.version())));
    found
}

/// O4: when a finalizer was taken off, what the object held was gone.
fn early_releases(rig: &Rig) -> Vec<String> {
    let mut found = Vec::new();
    if rig.helped {
        return found;
    }
    let latest = rig.world.recorder.latest();
    for write in rig.injector.kube_writes() {
        let Some(rest) = write.what.strip_prefix("PATCH webhookendpoints/") else { continue };
        let body = &write.body;
        if !body.contains("/metadata/finalizers") || body.contains(REMOTE_FINALIZER) || write.done.is_none() {
            continue;
        }
        let Some(object) = latest.get(&("WebhookEndpoint".to_owned(), rest.to_owned())) else { continue };
        let id = object.status()["remoteId"].as_str().and_then(|id| id.parse::<i64>().ok());
        if let Some(id) = id.filter(|id| write.remotes.0.contains(id)) {
            found.push(format!("O4: {rest} was let go while remote endpoint {id} was there"));
        }
    }
    found
}

/// O5: the key of each endpoint is in its Secret; and it was there before the endpoint got its first row.
async fn keys(rig: &Rig, history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let lost = rig.plan.scenario == Scenario::LostKey && is_given_up(rig);
    if rig.plan.scenario == Scenario::NamespaceDelete || lost {
        return found;
    }
    let world = &rig.world;
    for object in world.recorder.latest().values().filter(|object| object.kind == "WebhookEndpoint" && !object.gone) {
        let id = object.status()["remoteId"].as_str().and_then(|id| id.parse::<i64>().ok());
        let remote = world.provider.endpoints().into_iter().find(|remote| Some(remote.id) == id);
        let name = object.status()["signingSecret"]["name"].as_str().unwrap_or_default().to_owned();
        let kept = if name.is_empty() { None } else { world.secret_value(&name, "current").await };
        if remote.map(|remote| remote.secret_key) != kept {
            found.push(format!("O5: the Secret {name:?} of {} does not hold the key of {id:?}", object.name()));
        }
        if !name.is_empty() && world.secret_value(&name, "previous").await.is_some() {
            found.push(format!("O5: the Secret {name:?} of {} still holds a previous key", object.name()));
        }
    }
    let writes = rig.injector.kube_writes();
    for (_, endpoint) in &history.made {
        let first =
            history.rows_made.iter().filter(|(_, row)| row.endpoint_id == endpoint.id).map(|(call, _)| *call).min();
        let Some(first) = first else { continue };
        let key = BASE64_STANDARD.encode(&endpoint.secret_key);
        let published = writes.iter().any(|write| {
            let holds = write.body.contains(&key);
            holds && write.done.is_some_and(|mark| mark.0 < first)
        });
        if !published {
            found.push(format!("O5: endpoint {} got a row before its key was in the Secret", endpoint.id));
        }
    }
    found
}

/// O8: nobody calls before `Retry-After` is over, and no write is repeated without end.
fn impatience(rig: &Rig, calls: &[Call]) -> Vec<String> {
    let mut found = Vec::new();
    // These two name a time of at least one second.
    let named = |shot: &Shot| matches!(shot.trouble.name, "429-seconds" | "429-date");
    let timed = !rig.plan.shots.is_empty() && rig.plan.shots.iter().all(named);
    for call in calls.iter().filter(|call| timed && call.status == Some(429)) {
        let since = |other: &Call| other.at.duration_since(call.at).as_millis();
        let same_key = |other: &&Call| other.caller == call.caller;
        let early = calls.iter().filter(same_key).find(|other| (UNDER_WAY_MS..900).contains(&since(other)));
        if let Some(early) = early {
            found.push(format!("O8: call {} came {} ms after the 429 of call {}", early.seq, since(early), call.seq));
        }
    }
    let mut repeats: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls.iter().filter(|call| call.is_write()) {
        let body = call.body.as_ref().map(Value::to_string).unwrap_or_default();
        *repeats.entry(format!("{} {} {:?} {body}", call.method, call.path, call.query)).or_default() += 1;
    }
    for (what, count) in repeats.into_iter().filter(|(_, count)| *count > REPEATS) {
        found.push(format!("O8: {count} times {what}"));
    }
    found
}
