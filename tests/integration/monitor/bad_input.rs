//! Bad input that only shows at run time: a message that names what to change, no wrong verdict, and recovery at once.

use k8s_openapi::api::core::v1::ConfigMap;
use k8s_openapi::api::rbac::v1::Role;
use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::{KIND, read, verdict, with};
use crate::support::{Object, SUNSHINE, World, monitor, office_hours};

const GOOD: &str =
    "timeZone: UTC\nweekly: [{days: [Mon, Tue, Wed, Thu, Fri, Sat, Sun], open: \"00:00\", close: \"24:00\"}]";

fn shared() -> Value {
    with(monitor("one", SUNSHINE), "officeHoursFrom", json!({"configMapRef": {"name": "office", "key": "hours"}}))
}

fn week(zone: &str, windows: Value) -> Value {
    with(monitor("one", SUNSHINE), "officeHours", json!({"timeZone": zone, "weekly": windows}))
}

/// It says why and what to do, and blames nobody.
async fn complains(world: &World, reason: &str, progress: &str, words: &[&str]) -> Object {
    let object = world.says(KIND, "one", &format!("False/{reason}")).await;
    assert_eq!(object.said(progress), format!("True/{reason}"), "{}", object.value);
    for kind in ["ReadHealthy", "WriteHealthy", "SyncHealthy"] {
        assert_eq!(object.said(kind), format!("Unknown/{reason}"), "{}", object.value);
    }
    for word in words {
        assert!(object.message("Ready").contains(word), "{word:?} is not in {}", object.message("Ready"));
    }
    object
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hours_that_mean_nothing() {
    let world = World::named("bad-hours").watches_only().start().await;
    // It would be bad if anybody judged it.
    read(&world, SUNSHINE, 90);
    let all = json!([{"days": ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"], "open": "00:00", "close": "24:00"}]);
    let clash = json!([
        {"days": ["Mon", "Tue"], "open": "08:00", "close": "12:00"}, {"days": ["Tue"], "open": "11:00", "close": "17:00"}
    ]);
    world.apply([week("America/Pheonix", all.clone())]).await;
    complains(&world, "InvalidOfficeHours", "Stalled", &["spec.officeHours.timeZone", "did you mean America/Phoenix"])
        .await;
    world.apply([week("UTC", clash)]).await;
    complains(&world, "InvalidOfficeHours", "Stalled", &["spec.officeHours.weekly", "overlap", "Tue"]).await;
    world.apply([week("UTC", all)]).await;
    verdict(&world, "one", "ReadHealthy", "False/Stale").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_that_is_not_there_or_holds_nonsense() {
    let world = World::named("bad-map").watches_only().start().await;
    read(&world, SUNSHINE, 90);
    world.apply([shared()]).await;
    let place: &[&str] = &["spec.officeHoursFrom.configMapRef", "\"office\"", "create it"];
    complains(&world, "OfficeHoursNotFound", "Reconciling", place).await;
    let mut other = office_hours("office", GOOD);
    other["data"] = json!({"other": GOOD});
    world.apply([other]).await;
    let no_key: &[&str] = &["no text under the key \"hours\""];
    world.wait(KIND, "one", "no key", |object| object.message("Ready").contains(no_key[0])).await;
    complains(&world, "OfficeHoursNotFound", "Reconciling", no_key).await;
    for (text, words) in [
        ("not: [yaml", &["\"hours\"", "not YAML"][..]),
        ("weekly: []", &["weekly is empty"]),
        ("weekly: [{days: [Mon], open: \"08:00\", close: \"08:00\"}]", &["close must differ from open"]),
        ("closedDate: [\"2026-12-25\"]", &["did you mean closedDates"]),
    ] {
        world.apply([office_hours("office", text)]).await;
        world
            .wait(KIND, "one", words[0], |object| words.iter().all(|word| object.message("Ready").contains(word)))
            .await;
        complains(&world, "InvalidOfficeHours", "Stalled", words).await;
    }
    world.apply([office_hours("office", GOOD)]).await;
    verdict(&world, "one", "ReadHealthy", "False/Stale").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_config_map_that_may_not_be_read() {
    let world = World::named("no-rights").namespaced().start().await;
    let roles: Api<Role> = Api::namespaced(world.client.clone(), world.namespace.name());
    let role = roles.get("external-webhooks").await.unwrap();
    let rules = role.rules.clone().unwrap();
    let about_maps = |rule: &&k8s_openapi::api::rbac::v1::PolicyRule| {
        rule.resources.iter().flatten().any(|resource| resource == "configmaps")
    };
    assert_eq!(rules.iter().filter(about_maps).count(), 1, "the chart gives the right in a rule of its own");
    let without: Vec<_> = rules.iter().filter(|rule| !about_maps(rule)).cloned().collect();
    let set = async |rules: &[k8s_openapi::api::rbac::v1::PolicyRule]| {
        let patch = Patch::Merge(json!({"rules": rules}));
        roles.patch("external-webhooks", &PatchParams::default(), &patch).await.unwrap();
    };
    set(&without).await;
    // RBAC takes effect a moment after it is written: as soon as the operator itself is refused.
    world.apply([office_hours("office", GOOD)]).await;
    let kubeconfig = Kubeconfig::read_from(&world.kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(Client::try_from(config).unwrap(), world.namespace.name());
    let refused = async || matches!(maps.get("office").await, Err(kube::Error::Api(status)) if status.is_forbidden());
    let began = std::time::Instant::now();
    while !refused().await {
        assert!(began.elapsed() < crate::support::PATIENCE, "the right is still there");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    world.apply([shared()]).await;
    let words: &[&str] = &["may not read the ConfigMap \"office\"", "rights of the chart"];
    complains(&world, "OfficeHoursNotFound", "Reconciling", words).await;
    set(&rules).await;
    verdict(&world, "one", "ReadHealthy", "True/Green").await;
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_practice_or_an_account_that_is_not_there() {
    let world = World::named("bad-names").start().await;
    let mut orphan = monitor("one", SUNSHINE);
    orphan["spec"]["accountRef"] = json!({"name": "other"});
    world.apply([orphan, monitor("two", "sunshine-dentl")]).await;
    complains(&world, "AccountNotFound", "Reconciling", &["spec.accountRef", "\"other\""]).await;
    let object = world.says(KIND, "two", "False/PracticeNotFound").await;
    assert_eq!(object.said("Stalled"), "True/PracticeNotFound");
    assert!(object.message("Ready").contains("did you mean sunshine-dental"), "{}", object.value);
    world.apply([world.account("other")]).await;
    verdict(&world, "one", "ReadHealthy", "True/Green").await;
    world.finish().await;
}
