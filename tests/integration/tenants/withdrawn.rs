//! A withdrawn grant stops create, patch, rotation, adoption and Secret writes; what exists stays, and can be deleted.

use serde_json::json;

use super::Town;
use crate::support::{HILLTOP, LAKESIDE, SUNSHINE, all_practices, endpoint, events, pairs, subscription};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_stops_but_deletion() {
    let town = Town::new("withdrawn").await;
    let (world, events) = (&town.world, events(2));
    town.lends(json!([town.grant(json!({"allPractices": {}}))])).await;
    world.apply([town.tenant(endpoint("intake")), subscription("one", "intake", &[SUNSHINE, LAKESIDE], &events)]).await;
    world.all_ready().await;
    let held = world.remote_of("intake");

    town.lends(json!([])).await;
    town.not_granted("WebhookEndpoint", "intake").await;
    town.not_granted("WebhookSubscription", "one").await;
    let mark = world.provider.mark();
    // Everything that an operator repairs, changes, replaces or answers.
    let row = world.provider.rows().into_iter().find(|row| row.subdomain.as_deref() == Some(LAKESIDE)).unwrap();
    assert!(world.provider.edit().delete_row(row.id));
    world.secrets().delete("intake-signing", &Default::default()).await.unwrap();
    let mut changed = town.tenant(endpoint("intake"));
    changed["spec"]["targetUrl"] = "https://hooks.example.com/other".into();
    changed["spec"]["signingSecret"] = json!({"rotation": {"requestId": "now"}});
    changed["spec"]["verification"] = json!({"interval": "0s"});
    changed["metadata"]["annotations"] = json!({"external-webhooks.io/reconcile-requested-at": "now"});
    let mut wider = subscription("one", "intake", &[SUNSHINE, LAKESIDE, HILLTOP], &events);
    wider["metadata"]["annotations"] = json!({"external-webhooks.io/reconcile-requested-at": "now"});
    world.apply([changed, wider, town.tenant(endpoint("more"))]).await;
    for name in ["intake", "more"] {
        town.not_granted("WebhookEndpoint", name).await;
    }
    town.not_granted("WebhookSubscription", "one").await;
    town.quiet(mark, &[]).await;
    assert!(world.secret_value("intake-signing", "current").await.is_none(), "no Secret is written");
    assert!(world.recorder.get("WebhookEndpoint", "intake").unwrap().status()["lastHandledReconcileAt"].is_null());
    let is_there = |id: i64| world.provider.endpoints().iter().any(|remote| remote.id == id);
    assert!(is_there(held.id), "what exists stays");

    world.delete("WebhookSubscription", "one").await;
    world.gone("WebhookSubscription", "one").await;
    assert!(world.provider.rows().is_empty());
    world.delete("WebhookEndpoint", "intake").await;
    world.delete("WebhookEndpoint", "more").await;
    world.gone("WebhookEndpoint", "intake").await;
    world.gone("WebhookEndpoint", "more").await;
    assert!(!is_there(held.id));
    town.quiet(mark, &[("DELETE row", 3), ("DELETE endpoint", 1)]).await;
    town.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_practice_of_all_that_were_granted() {
    let town = Town::new("withdrawn-one").await;
    let (world, events) = (&town.world, events(1));
    let lend = |practices: &[&str]| json!([town.grant(json!({"practices": practices}))]);
    town.lends(lend(&[SUNSHINE, LAKESIDE])).await;
    world.apply([town.tenant(endpoint("intake")), all_practices("all", "intake", &[], &events)]).await;
    world.all_ready().await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE, LAKESIDE], &events)));
    let mark = world.provider.mark();
    town.lends(lend(&[SUNSHINE, HILLTOP])).await;
    let message = town.not_granted("WebhookSubscription", "all").await;
    assert!(message.contains(LAKESIDE) && message.contains("spec.allPractices.except"), "{message}");
    world.ready("WebhookEndpoint", "intake").await;
    town.quiet(mark, &[]).await;
    world.apply([all_practices("all", "intake", &[LAKESIDE], &events)]).await;
    world.ready("WebhookSubscription", "all").await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE, HILLTOP], &events)));
    town.quiet(mark, &[("POST row", 1), ("DELETE row", 1)]).await;
    town.world.finish().await;
}
