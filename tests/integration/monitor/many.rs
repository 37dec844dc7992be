//! The fleet, and an outage of many practices.

use serde_json::json;
use testbed::nexhealth::{Institution, SimConfig};

use super::{KIND, read, verdict};
use crate::support::{HILLTOP, LAKESIDE, SUNSHINE, World, fleet, monitor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_fleet_takes_in_who_joins_and_leaves_out_who_has_a_monitor() {
    let world = World::named("fleet").start().await;
    let mut all = fleet("fleet");
    all["spec"]["allPractices"] = json!({"except": [HILLTOP]});
    world.apply([all]).await;
    let object = verdict(&world, "fleet", "SyncHealthy", "True/Green").await;
    assert_eq!(object.status()["practices"], json!({"total": 2, "healthy": 2}));
    assert!(object.status()["institutionId"].is_null() && object.status()["syncs"].is_null());
    let riverside = Institution::new(104, "riverside-dental", "Riverside Dental");
    world.provider.edit().add_institution(SimConfig::ORGANISATION, riverside);
    let counts = |total: i64| move |object: &crate::support::Object| object.status()["practices"]["total"] == total;
    world.wait(KIND, "fleet", "three practices", counts(3)).await;
    read(&world, "riverside-dental", 90);
    let object = verdict(&world, "fleet", "SyncHealthy", "False/Stale").await;
    let unhealthy = &object.status()["practices"]["unhealthy"];
    assert_eq!((&unhealthy[0]["practice"], &unhealthy[0]["reason"]), (&json!("riverside-dental"), &json!("Stale")));
    assert!(object.message("ReadHealthy").starts_with("riverside-dental: "), "{}", object.message("ReadHealthy"));
    world.until_event("fleet", "Stale").await;
    // A monitor of its own takes it out, and gives it back when it goes.
    world.apply([monitor("riverside", "riverside-dental")]).await;
    verdict(&world, "riverside", "SyncHealthy", "False/Stale").await;
    let object = world.wait(KIND, "fleet", "two practices", counts(2)).await;
    assert_eq!(object.said("SyncHealthy"), "True/Green");
    world.delete(KIND, "riverside").await;
    world.wait(KIND, "fleet", "three practices again", counts(3)).await;
    world.provider.edit().remove_institution("riverside-dental").unwrap();
    world.wait(KIND, "fleet", "two practices again", counts(2)).await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_outage_one_alert() {
    let more = ["a-dental", "b-dental", "c-dental", "d-dental", "e-dental"];
    let provider = |config: &mut SimConfig| {
        let made = more.iter().zip(201..).map(|(name, id)| Institution::new(id, name, name));
        config.organisations[0].institutions.extend(made);
    };
    let world = World::named("wide-outage").provider(provider).start().await;
    world.apply(more.iter().map(|name| monitor(name, name))).await;
    world.apply([fleet("fleet")]).await;
    verdict(&world, "fleet", "SyncHealthy", "True/Green").await;
    for name in more {
        verdict(&world, name, "SyncHealthy", "True/Green").await;
    }
    let account = || world.recorder.get("ProviderAccount", "default").unwrap();
    // Two of eight are no outage.
    read(&world, "a-dental", 90);
    read(&world, SUNSHINE, 90);
    verdict(&world, "a-dental", "SyncHealthy", "False/Stale").await;
    verdict(&world, "fleet", "SyncHealthy", "False/Stale").await;
    assert_eq!(account().said("ProviderWideOutage"), "-/-");
    // Three are.
    read(&world, "b-dental", 90);
    for name in ["a-dental", "b-dental", "fleet"] {
        let object = verdict(&world, name, "SyncHealthy", "False/ProviderWideOutage").await;
        assert!(object.message("SyncHealthy").contains("status page"), "{}", object.message("SyncHealthy"));
    }
    let says = |said: &'static str| move |object: &crate::support::Object| object.said("ProviderWideOutage") == said;
    let told = world.wait("ProviderAccount", "default", "an outage", says("True/ProviderWideOutage")).await;
    assert!(told.is_ready(), "the account itself works: {}", told.value);
    world.until_event("default", "ProviderWideOutage").await;
    assert!(world.provider.edit_sync(LAKESIDE, |_| {}));
    // It ends with the practices.
    read(&world, "b-dental", 5);
    read(&world, SUNSHINE, 5);
    world.wait("ProviderAccount", "default", "no outage", says("-/-")).await;
    let object = verdict(&world, "a-dental", "SyncHealthy", "False/Stale").await;
    assert!(object.message("SyncHealthy").contains("server or browser"), "what is left is its own: {}", object.value);
    verdict(&world, "b-dental", "SyncHealthy", "True/Green").await;
    world.finish().await;
}
