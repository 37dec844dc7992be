//! The self-test through the real API server: what receivers get, what the object says, and what it costs.

use serde_json::{Value, json};
use testbed::nexhealth::{Mode, Received, Receiver};

use crate::support::{Object, World, endpoint};

/// A world with a sandbox account, whose targets may be unencrypted and on this machine.
async fn sandbox(name: &'static str) -> World {
    let world = World::named(name).provider(|provider| provider.organisations[0].keys[0].mode = Mode::Sandbox);
    let world = world.start().await;
    let mut account = world.account("default");
    account["spec"]["allowInsecureTargets"] = json!(true);
    world.apply([account]).await;
    world
}

/// An endpoint that delivers to this receiver, tested at once.
fn tested(name: &str, receiver: &Receiver, request: &str) -> Value {
    let mut object = endpoint(name);
    object["spec"]["targetUrl"] = json!(receiver.url(&format!("/{name}?token=x")));
    object["spec"]["verification"] = json!({"interval": "1h"});
    object["spec"]["signingSecret"] =
        json!({"rotation": {"publishDelay": "0s", "overlap": "0s", "requestId": request}});
    object
}

/// Makes a receiver check signatures with whatever keys the provider has given out.
fn check(world: &World, receiver: &Receiver) {
    let provider = world.provider.clone();
    receiver.answer_with(move |received| {
        let keys: Vec<String> = provider.endpoints().into_iter().map(|endpoint| endpoint.secret_key).collect();
        if received.verifies(&keys) { 200 } else { 401 }
    });
}

async fn says(world: &World, name: &str, verified: &str) -> Object {
    let holds = |object: &Object| object.is_ready() && object.said("Verified") == verified;
    world.wait("WebhookEndpoint", name, &format!("Verified is {verified}"), holds).await
}

fn versions(world: &World, name: &str) -> usize {
    world.recorder.versions().iter().filter(|object| object.kind == "WebhookEndpoint" && object.name() == name).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_verifies_is_told_from_one_that_does_not() {
    let mut world = sandbox("self-test").await;
    let (careful, careless) = (Receiver::start().await.unwrap(), Receiver::start().await.unwrap());
    check(&world, &careful);
    world.apply([tested("careful", &careful, ""), tested("careless", &careless, "")]).await;
    let object = says(&world, "careful", "True/SignatureVerified").await;
    says(&world, "careless", "False/SignatureNotChecked").await;
    world.until_event("careless", "SignatureNotChecked").await;

    let statuses: Vec<u16> = careful.received().iter().map(|received| received.status).collect();
    assert_eq!(statuses, [200, 401], "{}", world.report());
    let ours = |received: &Received| received.json()["resource_type"] == "ExternalWebhooksSelfTest";
    assert!(careful.received().iter().all(ours));
    let status = object.status();
    assert_eq!(status["verification"]["fingerprint"], status["signingSecret"]["fingerprint"]);
    assert_eq!(status["verification"]["targetUrl"], object.value["spec"]["targetUrl"]);
    let told = "event=\"forged\",class=\"4xx\"} 1";
    assert!(world.metrics_page().contains(told), "{}", world.metrics_page());

    // What fails is tried again and again, and writes nothing for it.
    let (written, before) = (versions(&world, "careless"), careless.received().len());
    let more = |received: &[Received]| received.len() >= before + 6;
    assert!(careless.wait_for(more, crate::support::PATIENCE).await, "{}", world.report());
    assert_eq!(versions(&world, "careless"), written, "{}", world.report());
    check(&world, &careless);
    says(&world, "careless", "True/SignatureVerified").await;

    // A restart tests nothing again.
    world.stop_operator().await;
    let before = (careful.received().len(), careless.received().len());
    world.start_operator();
    world.rounds(3).await;
    assert_eq!((careful.received().len(), careless.received().len()), before, "{}", world.report());

    // A new key is tested as well, and whoever has loaded it never hears of it otherwise.
    let known = status["verification"]["fingerprint"].clone();
    world.apply([tested("careful", &careful, "1")]).await;
    let renewed = |object: &Object| {
        let (tested, current) =
            (&object.status()["verification"]["fingerprint"], &object.status()["signingSecret"]["fingerprint"]);
        *tested != known && tested == current && object.said("Rotating") == "-/-" && object.is_ready()
    };
    world.wait("WebhookEndpoint", "careful", "the new key is tested", renewed).await;
    says(&world, "careful", "True/SignatureVerified").await;
    assert_eq!(careful.received().len(), before.0 + 2, "{}", world.report());
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_private_address_is_not_called_unless_the_operator_may() {
    let mut world = sandbox("self-test-private").await;
    world.stop_operator().await;
    world.settings.allow_private_targets = false;
    world.start_operator();
    let receiver = Receiver::start().await.unwrap();
    world.apply([tested("inside", &receiver, "")]).await;
    let object = says(&world, "inside", "Unknown/Unreachable").await;
    let message = object.condition("Verified")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("--allow-private-targets"), "{message}");
    assert_eq!(receiver.received().len(), 0);
    // While it is suspended nothing is tested, whatever the operator may.
    let mut suspended = tested("inside", &receiver, "");
    suspended["spec"]["suspend"] = json!(true);
    world.apply([suspended]).await;
    world.stop_operator().await;
    world.settings.allow_private_targets = true;
    world.start_operator();
    world.rounds(3).await;
    assert_eq!(receiver.received().len(), 0, "{}", world.report());
    check(&world, &receiver);
    world.apply([tested("inside", &receiver, "")]).await;
    says(&world, "inside", "True/SignatureVerified").await;
    world.finish().await;
}
