//! Create, scale, edit, rename: exactly the expected calls, and no declared pair ever without a live row.

use serde_json::json;
use testbed::nexhealth::Mark;

use crate::support::{LAKESIDE, SUNSHINE, World, endpoint, events, pairs, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn created_from_nothing() {
    let world = World::named("create").start().await;
    let events = events(2);
    world.apply([endpoint("intake"), subscription("sunshine", "intake", &[SUNSHINE], &events)]).await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    world.ready("WebhookSubscription", "sunshine").await;
    world.ready("ProviderAccount", "default").await;
    world.assert_writes(Mark::default(), [("POST endpoint", 1), ("POST row", 2)]);
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)));
    let remote = world.provider.endpoints().remove(0);
    assert_eq!(object.status()["remoteId"], remote.id.to_string());
    assert_eq!(world.secret_value("intake-signing", "current").await, Some(remote.secret_key));
    for kind in ["provideraccount/default", "webhookendpoint/intake", "webhooksubscription/sunshine"] {
        world.kubectl(&["wait", "--for=condition=Ready", "--timeout=20s", kind]).await;
    }
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scaled_from_1_to_40_to_5_events() {
    let world = World::named("scale").start().await;
    let all = events(40);
    world.apply([endpoint("intake"), subscription("sunshine", "intake", &[SUNSHINE], &all[..1])]).await;
    world.ready("WebhookSubscription", "sunshine").await;
    let mark = world.provider.mark();
    world.apply([subscription("sunshine", "intake", &[SUNSHINE], &all)]).await;
    world.ready("WebhookSubscription", "sunshine").await;
    world.assert_writes(mark, [("POST row", 39)]);
    world.assert_unbroken(mark, &pairs(&[SUNSHINE], &all[..1]));
    let mark = world.provider.mark();
    world.apply([subscription("sunshine", "intake", &[SUNSHINE], &all[..5])]).await;
    let object = world.ready("WebhookSubscription", "sunshine").await;
    world.assert_writes(mark, [("DELETE row", 35)]);
    world.assert_unbroken(mark, &pairs(&[SUNSHINE], &all[..5]));
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &all[..5])));
    assert_eq!((&object.status()["desired"], &object.status()["active"]), (&json!(5), &json!(5)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renamed_practice_creates_before_it_deletes() {
    let world = World::named("rename-practice").start().await;
    let events = events(3);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "one").await;
    let mark = world.provider.mark();
    world.apply([subscription("one", "intake", &[LAKESIDE], &events)]).await;
    world.ready("WebhookSubscription", "one").await;
    world.assert_writes(mark, [("POST row", 3), ("DELETE row", 3)]);
    let order: Vec<String> =
        world.provider.calls_since(mark).into_iter().filter(|call| call.is_write()).map(|call| call.method).collect();
    assert_eq!(order, ["POST", "POST", "POST", "DELETE", "DELETE", "DELETE"]);
    assert!(world.has_exactly(&pairs(&[LAKESIDE], &events)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn renamed_object_hands_over_without_a_call() {
    let world = World::named("rename-object").start().await;
    let events = events(3);
    world.apply([endpoint("intake"), subscription("old", "intake", &[SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "old").await;
    let mark = world.provider.mark();
    world.apply([subscription("new", "intake", &[SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "new").await;
    world.delete("WebhookSubscription", "old").await;
    world.gone("WebhookSubscription", "old").await;
    world.rounds(2).await;
    world.assert_writes(mark, []);
    world.assert_unbroken(mark, &pairs(&[SUNSHINE], &events));
    assert!(world.event_reasons("old").await.contains(&"HandedOver".to_owned()));
    world.finish().await;
}
