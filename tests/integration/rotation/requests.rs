//! What begins a rotation, and what does not.

use jiff::{SignedDuration, Timestamp};
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use testbed::nexhealth::Mark;

use external_webhooks::api::WebhookEndpoint;

use super::{
    assert_always_ready, assert_no_gap, assert_one, assert_two_at_most, handled, ids, made, phase, rotated, rotating,
};
use crate::support::{Object, SUNSHINE, World, endpoint, events, pairs, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_rotates_once_whatever_comes_after() {
    let mut world = World::named("rotate-once").brief_logs().start().await;
    let events = events(3);
    // There before the key was first published: nothing to replace.
    let intake = |request: &str| rotating("intake", "0s", "1s", request);
    world.apply([intake("zero"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    world.wait("WebhookEndpoint", "intake", "recorded", |object| handled(object) == "zero").await;
    world.rounds(2).await;
    let first = assert_one(&world, "intake").await;
    assert_eq!(made(&world, "intake", Mark::default()).len(), 1);
    let mark = world.provider.mark();
    world.apply([intake("one")]).await;
    let object = rotated(&world, "intake", "one").await;
    let second = assert_one(&world, "intake").await;
    assert!(first.id != second.id && first.secret_key != second.secret_key);
    assert!(object.status()["rotation"]["fromRemoteId"].is_null(), "{}", object.status());
    // Neither time, nor another process, nor the same request again begins another.
    world.rounds(2).await;
    world.kill_operator().await;
    world.start_operator();
    world.rounds(2).await;
    world.apply([intake("one")]).await;
    world.rounds(1).await;
    assert_eq!(ids(&made(&world, "intake", mark)), [second.id], "{}", world.report());
    // Any other value is a new request, one that was used before too; an empty one is none.
    world.apply([intake("")]).await;
    world.ready("WebhookEndpoint", "intake").await;
    world.rounds(2).await;
    assert_eq!(made(&world, "intake", mark).len(), 1, "{}", world.report());
    world.apply([intake("zero")]).await;
    rotated(&world, "intake", "zero").await;
    assert_one(&world, "intake").await;
    assert_eq!(made(&world, "intake", mark).len(), 2);
    assert_no_gap(&world, "intake", mark, &pairs(&[SUNSHINE], &events));
    assert_two_at_most(&world, "intake");
    assert_always_ready(&world);
    world.finish().await;
}

fn endpoints(world: &World) -> Api<WebhookEndpoint> {
    Api::namespaced(world.client.clone(), world.namespace.name())
}

/// Changes the status as no operator would, while none runs.
async fn tamper(world: &mut World, name: &str, status: Value) {
    let patch = Patch::Merge(json!({"status": status}));
    endpoints(world).patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    world.record_anew().await;
}

fn by_interval(interval: &str) -> Value {
    let mut object = rotating("intake", "0s", "0s", "");
    object["spec"]["signingSecret"]["rotation"]["interval"] = json!(interval);
    object
}

fn ago(hours: i64) -> String {
    let second = Timestamp::now().checked_sub(SignedDuration::from_hours(hours)).unwrap().as_second();
    Timestamp::from_second(second).unwrap().to_string()
}

fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_replaced_when_it_is_old_enough() {
    let mut world = World::named("rotate-interval").brief_logs().start().await;
    world.apply([by_interval("48h"), subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.all_ready().await;
    let due = |object: &Object| object.status()["signingSecret"]["nextRotationTime"].is_string();
    let object = world.wait("WebhookEndpoint", "intake", "due some time", due).await;
    let signing = &object.status()["signingSecret"];
    let wait = time(&signing["nextRotationTime"]).duration_since(time(&signing["lastRotationTime"])).as_hours();
    assert!((1..=72).contains(&wait), "due after {wait} h of 48 h: {signing}");
    let (first, mark) = (assert_one(&world, "intake").await, world.provider.mark());
    // Half an interval old, more than any spread: not due.
    world.stop_operator().await;
    tamper(&mut world, "intake", json!({"signingSecret": {"lastRotationTime": ago(1), "nextRotationTime": null}}))
        .await;
    world.start_operator();
    world.rounds(2).await;
    world.wait("WebhookEndpoint", "intake", "due some time", due).await;
    assert!(made(&world, "intake", mark).is_empty(), "{}", world.report());
    // Two intervals old.
    world.stop_operator().await;
    tamper(&mut world, "intake", json!({"signingSecret": {"lastRotationTime": ago(96), "nextRotationTime": ago(48)}}))
        .await;
    world.start_operator();
    let replaced = |object: &Object| {
        let last = time(&object.status()["signingSecret"]["lastRotationTime"]);
        let fresh = Timestamp::now().duration_since(last) < SignedDuration::from_mins(10);
        object.is_ready() && phase(object).is_empty() && fresh && due(object)
    };
    let object = world.wait("WebhookEndpoint", "intake", "replaced", replaced).await;
    let second = assert_one(&world, "intake").await;
    assert_ne!(second.secret_key, first.secret_key);
    assert!(time(&object.status()["signingSecret"]["nextRotationTime"]) > Timestamp::now());
    world.rounds(2).await;
    assert_eq!(ids(&made(&world, "intake", mark)), [second.id], "{}", world.report());
    world.finish().await;
}

/// As after a restore of the objects, long after: nobody knows how old the key is. Then nothing is replaced, and it is said.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_bookkeeping_nothing_is_replaced() {
    let mut world = World::named("rotate-forgot").brief_logs().start().await;
    world.apply([by_interval("48h")]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    world.stop_operator().await;
    let bare = Patch::Merge(json!({"metadata": {"annotations": {"external-webhooks.io/rotated-at": null}}}));
    world.secrets().patch("intake-signing", &PatchParams::default(), &bare).await.unwrap();
    tamper(
        &mut world,
        "intake",
        json!({"rotation": null, "signingSecret": {"lastRotationTime": null, "nextRotationTime": null}}),
    )
    .await;
    world.start_operator();
    let said = |object: &Object| object.said("RotationOverdue") == "True/BookkeepingLost";
    let object = world.wait("WebhookEndpoint", "intake", "says so", said).await;
    assert_eq!(object.condition("Ready")["status"], "True", "{}", object.status());
    assert!(object.message("RotationOverdue").contains("requestId"), "{}", object.message("RotationOverdue"));
    world.rounds(2).await;
    assert!(made(&world, "intake", mark).is_empty(), "{}", world.report());
    // The way out that it names.
    let mut asked = by_interval("48h");
    asked["spec"]["signingSecret"]["rotation"]["requestId"] = json!("now");
    world.apply([asked]).await;
    let object = rotated(&world, "intake", "now").await;
    assert_eq!(object.said("RotationOverdue"), "-/-");
    assert_one(&world, "intake").await;
    world.finish().await;
}

/// A lost status finds the time in the Secret, and a rotation that was under way in its two keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_status_in_the_middle_resumes() {
    let mut world = World::named("rotate-restored").brief_logs().start().await;
    let events = events(3);
    let intake = |overlap: &str| rotating("intake", "0s", overlap, "one");
    world.apply([rotating("intake", "0s", "3600s", ""), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    world.apply([intake("3600s")]).await;
    super::reaches(&world, "intake", "Draining").await;
    world.stop_operator().await;
    let lost = json!([{"op": "replace", "path": "/status", "value": {"observedGeneration": -1}}]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(lost).unwrap());
    endpoints(&world).patch_status("intake", &PatchParams::default(), &patch).await.unwrap();
    world.record_anew().await;
    world.apply([intake("1s")]).await;
    world.start_operator();
    let done =
        |object: &Object| object.is_ready() && phase(object).is_empty() && object.status()["remoteId"].is_string();
    world.wait("WebhookEndpoint", "intake", "at the end", done).await;
    world
        .until("one endpoint", |world| {
            let found = world.recorder.get("WebhookEndpoint", "intake");
            super::remotes(world, "intake").len() == 1 && found.is_some_and(|object| done(&object))
        })
        .await;
    world.rounds(2).await;
    world.all_ready().await;
    assert_one(&world, "intake").await;
    assert_no_gap(&world, "intake", mark, &pairs(&[SUNSHINE], &events));
    assert_two_at_most(&world, "intake");
    world.finish().await;
}

/// Not while it is switched off at the provider: first that is put right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_while_it_is_switched_off_remotely() {
    let mut world = World::named("rotate-off-remotely").brief_logs().start().await;
    let mut intake = by_interval("48h");
    intake["spec"]["reactivation"] = json!("Never");
    world.apply([intake]).await;
    world.all_ready().await;
    let (remote, mark) = (world.remote_of("intake"), world.provider.mark());
    world.provider.edit().deactivate(remote.id);
    world.says("WebhookEndpoint", "intake", "False/SwitchedOffRemotely").await;
    world.stop_operator().await;
    tamper(&mut world, "intake", json!({"signingSecret": {"lastRotationTime": ago(96), "nextRotationTime": ago(48)}}))
        .await;
    world.start_operator();
    let said = |object: &Object| object.said("RotationOverdue") == "True/SwitchedOffRemotely";
    world.wait("WebhookEndpoint", "intake", "says so", said).await;
    world.rounds(2).await;
    world.assert_writes(mark, []);
    world.provider.edit().set_endpoint_active(remote.id, true).unwrap();
    let rotated = |object: &Object| {
        object.is_ready() && phase(object).is_empty() && object.status()["remoteId"] != remote.id.to_string().as_str()
    };
    let object = world.wait("WebhookEndpoint", "intake", "rotated", rotated).await;
    assert_eq!(object.said("RotationOverdue"), "-/-");
    assert_one(&world, "intake").await;
    world.finish().await;
}

/// The example with ten lines of spec, to which nobody adds anything: never.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn not_by_itself() {
    let world = World::named("rotate-never").brief_logs().start().await;
    world.apply([endpoint("intake")]).await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    world.rounds(2).await;
    assert!(object.status()["signingSecret"]["nextRotationTime"].is_null(), "{}", object.status());
    world.assert_writes(Mark::default(), [("POST endpoint", 1)]);
    world.finish().await;
}
