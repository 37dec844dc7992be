//! Edits of one field, each with exactly the calls that it needs.

use serde_json::json;
use testbed::nexhealth::{ApiKey, Institution, LiveQuery, Mark, Mode, SimConfig};

use crate::support::{
    HILLTOP, LAKESIDE, SUNSHINE, World, account_wide, all_practices, endpoint, events, pairs, secret, subscription,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn target_url() {
    let world = World::named("target-url").start().await;
    let events = events(2);
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let (mark, key) = (world.provider.mark(), world.secret_value("intake-signing", "current").await);
    let mut edited = endpoint("intake");
    edited["spec"]["targetUrl"] = json!("https://elsewhere.example.com/hooks?tenant=7");
    world.apply([edited]).await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    world.all_ready().await;
    world.assert_writes(mark, [("PATCH endpoint", 1)]);
    world.assert_unbroken(mark, &pairs(&[SUNSHINE], &events));
    assert_eq!(world.provider.endpoints()[0].target_url, "https://elsewhere.example.com/hooks?tenant=7");
    assert_eq!(object.status()["targetHost"], "elsewhere.example.com");
    assert_eq!(world.secret_value("intake-signing", "current").await, key);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_of_an_endpoint() {
    let world = World::named("active-endpoint").start().await;
    world.apply([endpoint("intake"), subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    let mut off = endpoint("intake");
    off["spec"]["active"] = json!(false);
    world.apply([off]).await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    assert_eq!(object.said("Active"), "False/AsDeclared");
    world.says("WebhookSubscription", "one", "False/EndpointInactive").await;
    world.assert_writes(mark, [("PATCH endpoint", 1)]);
    assert!(!world.provider.endpoints()[0].active);
    world.apply([endpoint("intake")]).await;
    let object = world.ready("WebhookEndpoint", "intake").await;
    assert_eq!(object.said("Active"), "True/Delivering");
    world.all_ready().await;
    world.assert_writes(mark, [("PATCH endpoint", 2)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn active_of_a_subscription() {
    let world = World::named("active-subscription").start().await;
    let events = events(2);
    let on = subscription("one", "intake", &[SUNSHINE], &events);
    world.apply([endpoint("intake"), on.clone()]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    let mut off = on.clone();
    off["spec"]["active"] = json!(false);
    world.apply([off]).await;
    let object = world.ready("WebhookSubscription", "one").await;
    assert_eq!(object.status()["active"], 0);
    assert!(world.provider.rows().iter().all(|row| !row.active));
    world.apply([on]).await;
    world.ready("WebhookSubscription", "one").await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)));
    world.assert_writes(mark, [("PATCH row", 4)]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_ref_within_an_account_moves_the_rows() {
    let world = World::named("move").start().await;
    let events = events(3);
    world.apply([endpoint("a"), endpoint("b"), subscription("one", "a", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let (mark, before) = (world.provider.mark(), world.provider.rows());
    world.apply([subscription("one", "b", &[SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "one").await;
    world.assert_writes(mark, [("PATCH row", 3)]);
    world.assert_unbroken(mark, &pairs(&[SUNSHINE], &events));
    let b = world.remote_of("b").id;
    let after = world.provider.rows();
    assert!(after.iter().all(|row| row.endpoint_id == b), "{after:?}");
    let ids = |rows: &[testbed::nexhealth::Row]| rows.iter().map(|row| row.id).collect::<Vec<_>>();
    assert_eq!(ids(&after), ids(&before), "the rows are the same ones");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_ref_into_another_account_creates_before_it_deletes() {
    let other = "canary-key-of-another-account-000001";
    let add = |config: &mut SimConfig| {
        config.organisations[0].keys.push(ApiKey::new("other", other, Mode::Production));
    };
    let world = World::named("move-account").provider(add).start().await;
    let events = events(3);
    let mut account = world.account("other");
    account["spec"]["nexHealth"]["apiKeySecretRef"]["name"] = json!("other");
    let mut b = endpoint("b");
    b["spec"]["accountRef"] = json!({"name": "other"});
    world.apply([secret("other", other), account, endpoint("a"), b]).await;
    world.apply([subscription("one", "a", &[SUNSHINE], &events)]).await;
    world.all_ready().await;
    let mark = world.provider.mark();
    world.apply([subscription("one", "b", &[SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "one").await;
    world.assert_writes(mark, [("POST row", 3), ("DELETE row", 3)]);
    for (practice, event) in pairs(&[SUNSHINE], &events) {
        assert!(!world.provider.was_ever_without_live_row(practice, event, mark));
    }
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_practices_follows_the_institutions() {
    let world = World::named("all-practices").start().await;
    let events = events(2);
    world.apply([endpoint("intake"), all_practices("all", "intake", &[HILLTOP], &events)]).await;
    world.all_ready().await;
    assert!(world.has_exactly(&pairs(&[SUNSHINE, LAKESIDE], &events)));
    let mark = world.provider.mark();
    world.provider.edit().add_institution(SimConfig::ORGANISATION, Institution::new(104, "new-dental", "New Dental"));
    let grown = pairs(&[SUNSHINE, LAKESIDE, "new-dental"], &events);
    world.until("rows of the new practice", |world| world.has_exactly(&grown)).await;
    world.ready("WebhookSubscription", "all").await;
    world.assert_writes(mark, [("POST row", 2)]);
    let mark = world.provider.mark();
    world.apply([all_practices("all", "intake", &[HILLTOP, SUNSHINE], &events)]).await;
    world.ready("WebhookSubscription", "all").await;
    world.assert_writes(mark, [("DELETE row", 2)]);
    world.assert_unbroken(mark, &pairs(&[LAKESIDE, "new-dental"], &events));
    assert!(world.has_exactly(&pairs(&[LAKESIDE, "new-dental"], &events)));
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn account_wide_events_have_no_practice() {
    let world = World::named("account-wide").start().await;
    let onboarding: Vec<_> = testbed::nexhealth::catalogue::pairs().filter(|pair| !pair.institution_scoped()).collect();
    world.apply([endpoint("intake"), account_wide("wide", "intake", &onboarding)]).await;
    let object = world.ready("WebhookSubscription", "wide").await;
    assert_eq!(object.status()["active"], 3);
    world.assert_writes(Mark::default(), [("POST endpoint", 1), ("POST row", 3)]);
    for pair in &onboarding {
        let live = world.provider.timeline(&LiveQuery::onboarding(pair.event), world.provider.mark());
        assert_eq!(live[0].live, 1, "{}", pair.event);
    }
    world.delete("WebhookSubscription", "wide").await;
    world.gone("WebhookSubscription", "wide").await;
    assert!(world.provider.rows().is_empty());
    world.finish().await;
}
