//! Three providers, side by side: one with endpoints and subscriptions, one with a webhook per event, one with nothing to
//! register; and an account that is pointed at the wrong one's server.

use std::collections::BTreeSet;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use testbed::herohealth::{self, LiveQuery, SignatureForm};
use testbed::insighthealth::{self, Destination, Note};
use testbed::nexhealth::Received;

use super::checks::{self, SOON};
use crate::Failure;
use crate::examples::{self, NAMESPACE};
use crate::narrator::Narrator;
use crate::stage::Stage;

const ONE_PRACTICE: &str = "examples/one-practice";
const HERO: &str = "examples/hero-health";
const INSIGHT: &str = "examples/insight-health";
/// The practice group that the Hero Health example names.
const GROUP: &str = "pg-4711";

pub async fn play(narrator: &Narrator, stage: &mut Stage) -> Result<(), Failure> {
    let hero = start_hero(stage).await?;
    let insight = insighthealth::Simulator::start(insighthealth::SimConfig::default()).await;
    let insight = insight.map_err(|error| format!("the simulator: {error}"))?;
    insight.route_host("hooks.example.com", stage.receiver.address());
    stage.restart_operator_allowing(&[hero.base_url(), insight.base_url()]).await?;
    narrator.done(&format!(
        "and a simulated Hero Health on {}, an Insight Health on {}",
        hero.base_url(),
        insight.base_url()
    ));
    split(narrator, stage).await?;
    fused(narrator, stage, &hero).await?;
    fixed(narrator, stage, &insight).await?;
    narrator.step("All three, as a person sees them");
    checks::all_ready(narrator, stage).await?;
    checks::table(narrator, stage, "hooks").await?;
    wrong_server(narrator, stage, &insight.base_url()).await?;
    hero.shutdown().await;
    insight.shutdown().await;
    Ok(())
}

async fn start_hero(stage: &Stage) -> Result<herohealth::Simulator, Failure> {
    let keys = vec![herohealth::ApiKey::new("main", herohealth::SimConfig::API_KEY, GROUP)];
    let config = herohealth::SimConfig { keys, ..herohealth::SimConfig::default() };
    let hero = herohealth::Simulator::start(config).await.map_err(|error| format!("the simulator: {error}"))?;
    hero.route_host("hooks.example.com", stage.receiver.address());
    Ok(hero)
}

fn secret(name: &str, values: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": values})
}

async fn apply(
    narrator: &Narrator,
    stage: &Stage,
    path: &str,
    base_url: &str,
    more: Vec<Value>,
) -> Result<(), Failure> {
    let mut documents = more;
    documents.extend(examples::read(path, base_url)?);
    narrator.command(&format!("kubectl apply -f {path}"));
    let applied = stage.kubectl().apply(documents).await?;
    narrator.output(&applied);
    Ok(())
}

/// What the Secret holds. Never printed.
async fn key(stage: &Stage, secret: &str) -> Result<String, Failure> {
    let secret = stage.kubectl().get(&["secret", secret, "-n", NAMESPACE]).await?;
    let current = BASE64_STANDARD.decode(secret["data"]["current"].as_str().unwrap_or_default());
    let current = current.ok().and_then(|bytes| String::from_utf8(bytes).ok()).filter(|key| !key.is_empty());
    current.ok_or_else(|| "the Secret holds no key".to_owned())
}

/// Waits for the next event at this path.
async fn arrived(stage: &Stage, path: &str, before: usize) -> Result<Received, Failure> {
    let there = |received: &[Received]| received.iter().skip(before).any(|event| event.path == path);
    stage.receiver.wait_for(there, SOON).await;
    let event = stage.receiver.received().into_iter().skip(before).find(|event| event.path == path);
    event.ok_or_else(|| format!("nothing arrived at {path}"))
}

async fn split(narrator: &Narrator, stage: &Stage) -> Result<(), Failure> {
    narrator.step("NexHealth: an endpoint, subscriptions on it, and the key that the provider chose");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    let own = secret("nexhealth", &json!({"api-key": stage.api_key}));
    apply(narrator, stage, ONE_PRACTICE, &stage.simulator.base_url(), vec![namespace, own]).await?;
    checks::all_ready(narrator, stage).await?;
    let (endpoints, rows) = (stage.simulator.endpoints(), stage.simulator.rows());
    if (endpoints.len(), rows.len()) != (1, 2) {
        return Err(format!("expected one endpoint with two subscriptions: {} and {}", endpoints.len(), rows.len()));
    }
    let id = endpoints.first().map(|endpoint| endpoint.id).unwrap_or_default();
    checks::published_key(stage, id).await?;
    narrator.done("1 endpoint, 2 subscriptions; the Secret holds the provider's key");
    Ok(())
}

async fn fused(narrator: &Narrator, stage: &Stage, hero: &herohealth::Simulator) -> Result<(), Failure> {
    narrator.step("Hero Health: a webhook per event, each with the key that the operator made and published first");
    let own = secret("hero-health", &json!({"api-key": herohealth::SimConfig::API_KEY}));
    apply(narrator, stage, HERO, &hero.base_url(), vec![own]).await?;
    checks::all_ready(narrator, stage).await?;
    let first = key(stage, "hero-intake-signing").await?;
    let signed_with = |key: &str| hero.webhooks().iter().filter(|one| one.signing_key.as_deref() == Some(key)).count();
    if (hero.webhooks().len(), signed_with(&first)) != (3, 3) {
        return Err(format!("expected three webhooks with the Secret's key: {}", hero.webhooks().len()));
    }
    verify(stage, hero, &first).await?;
    narrator.done("3 webhooks; an event verifies with the Secret's key");
    let mark = hero.mark();
    let rotate = r#"{"spec":{"signingSecret":{"rotation":{"requestId":"now","publishDelay":"1s","overlap":"1s"}}}}"#;
    let patch = ["patch", "whe", "hero-intake", "-n", NAMESPACE, "--type=merge", "-p", rotate];
    stage.kubectl().show(narrator, &patch).await?;
    let moved = |_: &Stage| match signed_with(&first) {
        0 if hero.webhooks().len() == 3 => Ok(()),
        left => Err(format!("{left} webhooks still sign with the former key")),
    };
    stage.until(SOON, moved).await?;
    let second = key(stage, "hero-intake-signing").await?;
    verify(stage, hero, &second).await?;
    let events: BTreeSet<String> = hero.webhooks().into_iter().map(|webhook| webhook.event_type).collect();
    for event in &events {
        let live = hero.timeline(&LiveQuery::new(GROUP, event), mark);
        if live.iter().any(|stretch| stretch.live == 0 || stretch.live > 2) {
            return Err(format!("{event} was without a webhook, or had more than two"));
        }
    }
    narrator
        .done("another key: each webhook was made anew, then the former one deleted; no event was ever without one");
    Ok(())
}

async fn verify(stage: &Stage, hero: &herohealth::Simulator, key: &str) -> Result<(), Failure> {
    let before = stage.receiver.received().len();
    if hero.emit(GROUP, "appointment.confirmed", "4711") != 1 {
        return Err("the event should have one webhook".to_owned());
    }
    let event = arrived(stage, "/hero-health", before).await?;
    let header = |name: &str| event.header(name).unwrap_or_default().to_owned();
    let (time, signature) = (header(herohealth::sign::TIMESTAMP), header(herohealth::sign::SIGNATURE));
    if signature == herohealth::sign::sign(key, &time, &event.body, SignatureForm::Hex) {
        return Ok(());
    }
    Err("the event does not verify with the Secret's key".to_owned())
}

async fn fixed(narrator: &Narrator, stage: &Stage, insight: &insighthealth::Simulator) -> Result<(), Failure> {
    narrator.step("Insight Health: nothing to register, so nothing is pretended");
    let keys = json!({
        "api-key": insighthealth::SimConfig::API_KEY,
        "signing-key": insighthealth::SimConfig::SIGNING_KEY,
    });
    apply(narrator, stage, INSIGHT, &insight.base_url(), vec![secret("insight-health", &keys)]).await?;
    let fields = r#"jsonpath={range .status.conditions[?(@.type=="Ready")]}{.reason}: {.message}{"\n"}{end}"#;
    let get = ["get", "whe", "push-notes", "-n", NAMESPACE, "-o", fields];
    checks::eventually(stage, &get, "Unmanaged").await?;
    let said = stage.kubectl().show(narrator, &get).await?;
    narrator.table(&said);
    let account = ["get", "pacct", "insight-health", "-n", NAMESPACE, "-o", fields];
    let said = checks::eventually(stage, &account, "Authenticated").await?;
    narrator.table(&said);
    let calls = insight.ledger();
    if calls.iter().any(|call| call.body != Some(json!([]))) || !insight.appointments().is_empty() {
        return Err("the proof of the keys should be an empty batch".to_owned());
    }
    narrator.done("its keys are proven by an empty batch, which creates nothing");
    narrator.say("(a person gives the provider the URL and the Secret's key, as the message says)");
    let signing_key = key(stage, "push-notes-signing").await?;
    let url = "https://hooks.example.com/push-notes".to_owned();
    let destination =
        Destination { url, api_key: "a key of the receiver's".to_owned(), signing_key: signing_key.clone() };
    insight.edit().arrange(insighthealth::SimConfig::ORGANISATION, destination);
    let before = stage.receiver.received().len();
    let note = Note { template_name: "made up for the demo".to_owned(), ..Note::default() };
    insight.push(insighthealth::SimConfig::ORGANISATION, &note).ok_or("nothing was pushed")?;
    let event = arrived(stage, "/push-notes", before).await?;
    let expected = insighthealth::sign::sign(&signing_key, &event.body);
    if event.header(insighthealth::sign::SIGNATURE) != Some(expected.as_str()) {
        return Err("the note does not verify with the Secret's key".to_owned());
    }
    narrator.done("what it pushes verifies with the Secret's key");
    Ok(())
}

async fn wrong_server(narrator: &Narrator, stage: &Stage, insight: &str) -> Result<(), Failure> {
    narrator.step("A Hero Health account that is pointed at Insight Health's server");
    let mut account = examples::read(HERO, insight)?.into_iter().find(|object| object["kind"] == "ProviderAccount");
    let account = account.as_mut().ok_or("no account in the example")?;
    account["metadata"]["name"] = json!("mistaken");
    stage.kubectl().apply(vec![account.clone()]).await?;
    let fields = r#"jsonpath={range .status.conditions[?(@.type=="Ready")]}{.reason}: {.message}{"\n"}{end}"#;
    let get = ["get", "pacct", "mistaken", "-n", NAMESPACE, "-o", fields];
    checks::eventually(stage, &get, "spec.baseUrl").await?;
    let said = stage.kubectl().show(narrator, &get).await?;
    narrator.table(&said);
    if !said.contains("Insight Health") {
        return Err("it should say whose server it is".to_owned());
    }
    narrator.done("it says whose server that is, and what to correct");
    Ok(())
}
