//! Deletion in every order of the three kinds, and of the whole namespace.

use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{SUNSHINE, World, endpoint, events, subscription};

const ACCOUNT: (&str, &str) = ("ProviderAccount", "default");
const ENDPOINT: (&str, &str) = ("WebhookEndpoint", "intake");
const SUBSCRIPTION: (&str, &str) = ("WebhookSubscription", "one");

const ORDERS: [[(&str, &str); 3]; 6] = [
    [ACCOUNT, ENDPOINT, SUBSCRIPTION],
    [ACCOUNT, SUBSCRIPTION, ENDPOINT],
    [ENDPOINT, ACCOUNT, SUBSCRIPTION],
    [ENDPOINT, SUBSCRIPTION, ACCOUNT],
    [SUBSCRIPTION, ACCOUNT, ENDPOINT],
    [SUBSCRIPTION, ENDPOINT, ACCOUNT],
];

/// Deletes in this order, each once the one before is gone or says what it waits for.
async fn deleted(name: &'static str, policy: &str, order: [(&str, &str); 3]) -> (World, testbed::nexhealth::Mark) {
    let world = World::named(name).start().await;
    let with_policy = |mut object: Value| {
        object["spec"]["deletionPolicy"] = json!(policy);
        object
    };
    let one = subscription("one", "intake", &[SUNSHINE], &events(2));
    world.apply([with_policy(endpoint("intake")), with_policy(one)]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    for (kind, name) in order {
        world.delete(kind, name).await;
        let answered = |world: &World| {
            world.recorder.get(kind, name).is_none_or(|object| object.said("Ready").ends_with("/Deleting"))
        };
        world.until(&format!("{kind} gone or waiting, in {order:?}"), answered).await;
    }
    for (kind, name) in order {
        world.gone(kind, name).await;
    }
    (world, mark)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn delete_in_every_order_empties_the_remote() {
    join_all(ORDERS.map(|order| async move {
        let (world, mark) = deleted("delete", "Delete", order).await;
        assert!(world.provider.endpoints().is_empty() && world.provider.rows().is_empty(), "{order:?}");
        let place = |kind| order.iter().position(|wanted| *wanted == kind);
        let expected = match place(SUBSCRIPTION) < place(ENDPOINT) {
            true => vec![("DELETE row", 2), ("DELETE endpoint", 1)],
            // Everything on an endpoint goes with it.
            false => vec![("DELETE endpoint", 1)],
        };
        world.assert_writes(mark, expected);
        let key = world.secrets().get("nexhealth").await.unwrap();
        assert_eq!(key.metadata.finalizers, None, "the account's Secret is let go");
        world.finish().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orphan_in_every_order_leaves_the_remote_and_its_key() {
    join_all(ORDERS.map(|order| async move {
        let (world, mark) = deleted("orphan", "Orphan", order).await;
        world.assert_writes(mark, []);
        let remote = world.provider.endpoints().remove(0);
        assert_eq!(world.provider.rows_on(remote.id).len(), 2, "{order:?}");
        // Garbage collection works on owner references.
        let secret = world.secrets().get("intake-signing").await.unwrap();
        assert_eq!(secret.metadata.owner_references, None, "{order:?}");
        assert_eq!(world.secret_value("intake-signing", "current").await, Some(remote.secret_key));
        assert!(world.event_reasons("intake").await.contains(&"Orphaned".to_owned()));
        world.finish().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleting_namespace_takes_the_remote_along() {
    let world = World::named("namespace").start().await;
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(3))]).await;
    world.all_ready().await;
    world.namespace.delete().await.unwrap();
    let gone = world.namespace.is_gone_within(Duration::from_secs(40)).await.unwrap();
    assert!(gone, "{}", world.report());
    assert!(world.provider.endpoints().is_empty() && world.provider.rows().is_empty());
    world.finish().await;
}
