//! With `--namespace` accounts of the cluster are off, and objects that refer to one say so.

use serde_json::json;

use crate::support::{CLUSTER_ACCOUNT, SUNSHINE, World, endpoint, monitor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn objects_that_refer_to_one_say_what_to_do() {
    let world = World::named("tenants-off").namespaced().start().await;
    let mark = world.provider.mark();
    let refer = |mut object: serde_json::Value| {
        object["spec"]["accountRef"] = json!({"kind": CLUSTER_ACCOUNT, "name": "default"});
        object
    };
    world.apply([refer(endpoint("intake")), refer(monitor("one", SUNSHINE))]).await;
    for (kind, name) in [("WebhookEndpoint", "intake"), ("PracticeSyncMonitor", "one")] {
        let object = world.says(kind, name, "False/InvalidSpec").await;
        assert_eq!(object.said("Stalled"), "True/InvalidSpec");
        let message = object.message("Ready");
        assert!(message.contains("--namespace") && message.contains("create a ProviderAccount"), "{message}");
    }
    world.rounds(2).await;
    world.assert_writes(mark, []);
    world.delete("WebhookEndpoint", "intake").await;
    world.gone("WebhookEndpoint", "intake").await;
    world.finish().await;
}
