//! What several scenes ask of the provider, the cluster and the receiver.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use testbed::nexhealth::{Call, Mark, Received};

use crate::Failure;
use crate::examples::NAMESPACE;
use crate::narrator::Narrator;
use crate::stage::Stage;

/// For what takes a second or two; a busy machine may need more.
pub const SOON: Duration = Duration::from_secs(30);
/// The examples' observeInterval here, with room.
pub const OBSERVED: Duration = Duration::from_secs(45);
/// The practice and event that things happen to.
pub const PRACTICE: &str = "sunshine-dental";
pub const EVENT: (&str, &str) = ("Appointment", "appointment_insertion");
/// The Secret of the examples' endpoint.
pub const SECRET: &str = "intake-signing";

/// Practice and event.
pub type Pair = (String, String);

/// kubectl's own wait, on every object of the examples.
pub async fn all_ready(narrator: &Narrator, stage: &Stage) -> Result<(), Failure> {
    let wait = ["wait", "--for=condition=Ready", "hooks", "--all", "-n", NAMESPACE, "--timeout=45s"];
    stage.kubectl().show(narrator, &wait).await?;
    narrator.done("every object is Ready");
    Ok(())
}

/// Waits until the endpoint's status counts so many live subscriptions.
pub async fn counted(narrator: &Narrator, stage: &Stage, live: usize) -> Result<(), Failure> {
    narrator.say("(counters in the status follow within 10 s, so that many changes are one write)");
    let counted = format!("--for=jsonpath={{.status.subscriptions.active}}={live}");
    stage.kubectl().quiet(&["wait", &counted, "whe/intake", "-n", NAMESPACE, "--timeout=30s"]).await?;
    Ok(())
}

/// `kubectl get`, shown.
pub async fn table(narrator: &Narrator, stage: &Stage, kinds: &str) -> Result<(), Failure> {
    let table = stage.kubectl().show(narrator, &["get", kinds, "-n", NAMESPACE]).await?;
    narrator.table(&table);
    Ok(())
}

/// What a command prints once it names `wanted`.
pub async fn eventually(stage: &Stage, args: &[&str], wanted: &str) -> Result<String, Failure> {
    let deadline = Instant::now() + SOON;
    loop {
        let text = stage.kubectl().quiet(args).await?;
        if text.contains(wanted) {
            return Ok(text);
        }
        if Instant::now() > deadline {
            return Err(format!("no {wanted} in the output of kubectl {}: {}", args.join(" "), text.trim()));
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Exactly these pairs on this endpoint, each once and live.
pub fn provider_has(stage: &Stage, endpoint: i64, declared: &[Pair]) -> Result<(), Failure> {
    let mut missing: Vec<&Pair> = declared.iter().collect();
    missing.sort();
    let mut there: Vec<Pair> = stage
        .simulator
        .rows_on(endpoint)
        .into_iter()
        .filter(|row| row.active)
        .filter_map(|row| Some((row.subdomain?, row.event)))
        .collect();
    there.sort();
    if there.iter().collect::<Vec<_>>() == missing {
        return Ok(());
    }
    missing.retain(|pair| !there.contains(pair));
    Err(format!("the provider has {} subscriptions instead of {}; missing: {missing:?}", there.len(), declared.len()))
}

/// The key in the Secret, which must be the one that this endpoint signs with. Never printed.
pub async fn published_key(stage: &Stage, endpoint: i64) -> Result<String, Failure> {
    let secret = stage.kubectl().get(&["secret", SECRET, "-n", NAMESPACE]).await?;
    let current = secret["data"]["current"].as_str().unwrap_or_default();
    let current = BASE64_STANDARD.decode(current).map_err(|error| format!("the Secret's current: {error}"))?;
    let current = String::from_utf8(current).map_err(|_| "the Secret's current is no text".to_owned())?;
    let endpoints = stage.simulator.endpoints();
    let at_provider = endpoints.iter().find(|one| one.id == endpoint).map(|one| &one.secret_key);
    if current.is_empty() || at_provider != Some(&current) {
        return Err("the Secret does not hold the key that the provider signs with".to_owned());
    }
    Ok(current)
}

/// Lets the event happen, and waits until it has arrived at this path.
pub async fn emit(stage: &Stage, path: &str) -> Result<Received, Failure> {
    let before = stage.receiver.received().len();
    let data = json!({"appointment": {"id": 4711, "note": "made up for the demo"}});
    let sent = stage.simulator.emit(PRACTICE, EVENT.0, EVENT.1, "", data);
    if sent != 1 {
        return Err(format!("the provider sent the event {sent} times instead of once"));
    }
    stage.receiver.wait_for(|received| received.len() > before, SOON).await;
    let event = stage.receiver.received().into_iter().nth(before);
    let event = event.ok_or_else(|| "the event did not arrive".to_owned())?;
    if event.path != path {
        return Err(format!("the event arrived at {} instead of {path}", event.path));
    }
    Ok(event)
}

/// Whether this key, and no other, proves who sent the event.
pub fn check_signature(event: &Received, key: &str) -> Result<(), Failure> {
    if !event.verifies(&[key]) {
        return Err("the signature does not verify with the key in the Secret".to_owned());
    }
    let mut changed = event.clone();
    let mut body = changed.body.to_vec();
    body.push(b' ');
    changed.body = body.into();
    if changed.verifies(&[key]) || event.verifies(&["another key"]) {
        return Err("a changed event, or another key, verifies too".to_owned());
    }
    Ok(())
}

/// Calls by method, such as `1 GET /institutions, 36 POST webhook_subscriptions`.
pub fn calls(calls: &[Call]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for call in calls {
        let route = call.path.split('/').rfind(|part| part.chars().any(char::is_alphabetic)).unwrap_or_default();
        let route = route.split('?').next().unwrap_or_default();
        *counts.entry(format!("{} {route}", call.method)).or_default() += 1;
    }
    let counts = counts.iter().map(|(call, count)| format!("{count} {call}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// The calls since then that were no mere looks, in words.
pub fn writes(stage: &Stage, mark: Mark) -> String {
    let writes: Vec<Call> = stage.simulator.calls_since(mark).into_iter().filter(|call| call.method != "GET").collect();
    calls(&writes)
}

/// The calls since then that could change something.
pub fn written(stage: &Stage, mark: Mark) -> Vec<Call> {
    stage.simulator.calls_since(mark).into_iter().filter(Call::is_write).collect()
}
