//! What a share is, and that a label gives it and takes it at once.

use serde_json::json;

use super::Town;
use crate::support::{
    HILLTOP, LAKESIDE, SUNSHINE, all_practices, endpoint, events, fleet, monitor, pairs, subscription,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_of_the_namespace_lends_what_the_grant_says_and_nothing_else() {
    let town = Town::new("lent").await;
    let (world, events) = (&town.world, events(2));
    let team = json!({"matchLabels": {"team": town.account()}, "matchExpressions": [{"key": "off", "operator": "DoesNotExist"}]});
    let practices = json!([SUNSHINE, HILLTOP, "not-reached"]);
    town.lends(json!([town.grant(json!({"namespaceSelector": team, "practices": practices}))])).await;
    let mark = world.provider.mark();
    world
        .apply([
            town.tenant(endpoint("intake")),
            all_practices("all", "intake", &[], &events),
            town.tenant(monitor("one", SUNSHINE)),
            town.tenant(fleet("fleet")),
        ])
        .await;
    for (kind, name) in
        [("WebhookEndpoint", "intake"), ("PracticeSyncMonitor", "one"), ("PracticeSyncMonitor", "fleet")]
    {
        let message = town.not_granted(kind, name).await;
        assert!(message.contains("namespaceSelector") && message.contains(&town.account()), "{message}");
    }
    world.says("WebhookSubscription", "all", "Unknown/EndpointNotReady").await;
    town.quiet(mark, &[]).await;
    assert!(world.secret_value("intake-signing", "current").await.is_none());
    let untouched = world.recorder.get("WebhookEndpoint", "intake").unwrap();
    assert!(untouched.value["metadata"]["finalizers"].is_null(), "nothing of ours holds it");

    town.label(json!({"team": town.account()})).await;
    world.all_ready().await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE, HILLTOP], &events)), "{}", world.report());
    town.quiet(mark, &[("POST endpoint", 1), ("POST row", 4)]).await;
    let fleet =
        world.wait("PracticeSyncMonitor", "fleet", "judged", |object| !object.status()["practices"].is_null()).await;
    assert_eq!(fleet.status()["practices"]["total"], 1, "what it is lent, without the one that has its own monitor");
    assert!(!town.seen_by_tenant().await.contains(LAKESIDE), "nobody tells of a practice that is not lent");

    world.apply([subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "one").await;
    town.label(json!({"off": ""})).await;
    for (kind, name) in [("WebhookEndpoint", "intake"), ("WebhookSubscription", "all"), ("PracticeSyncMonitor", "one")]
    {
        town.not_granted(kind, name).await;
    }
    assert!(world.has_exactly(&pairs(&[SUNSHINE, HILLTOP], &events)), "what exists stays");
    town.label(json!({"off": null})).await;
    world.all_ready().await;
    town.quiet(mark, &[("POST endpoint", 1), ("POST row", 4)]).await;
    town.world.finish().await;
}
