//! Each kind in each state that tools judge: the test data of the health checks is written by this run, and the queries of
//! the alert rules and of the dashboard are held against its metrics.
//!
//! `UPDATE_GENERATED=1` (part of `make generated`) writes deploy/argocd/.../testdata; else what is committed must say the
//! same of each object as this run does.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::{Value, json};
use testbed::nexhealth::{Mode, Receiver, SimConfig};

use crate::support::{
    HILLTOP, Object, SUNSHINE, World, endpoint, events, monitor, secret, subscription, unknown_labels,
};

const ACCOUNT: &str = "ProviderAccount";
const ENDPOINT: &str = "WebhookEndpoint";
const SUBSCRIPTION: &str = "WebhookSubscription";
const MONITOR: &str = "PracticeSyncMonitor";

/// Objects by kind and state, with what Argo CD is to say.
#[derive(Default)]
struct States(BTreeMap<(&'static str, &'static str), (&'static str, Object)>);

impl States {
    fn add(&mut self, kind: &'static str, state: &'static str, status: &'static str, object: Object) {
        self.0.insert((kind, state), (status, object));
    }

    /// Every kind as it stands now.
    fn add_each(&mut self, world: &World, names: [(&'static str, &str); 4], state: &'static str) {
        for (kind, name) in names {
            self.add(kind, state, "Progressing", world.recorder.get(kind, name).unwrap());
        }
    }
}

const NAMES: [(&str, &str); 4] =
    [(ACCOUNT, "default"), (ENDPOINT, "intake"), (SUBSCRIPTION, "sunshine"), (MONITOR, "sunshine")];

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    object
}

fn account(world: &World, name: &str, secret: &str) -> Value {
    let mut object = world.account(name);
    object["spec"]["nexHealth"]["apiKeySecretRef"]["name"] = json!(secret);
    with(object, "allowInsecureTargets", json!(true))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_state_is_judged_by_objects_of_this_run() {
    let world = World::named("health").provider(|provider| provider.organisations[0].keys[0].mode = Mode::Sandbox);
    let mut world = world.prepare().await;
    let receiver = Receiver::start().await.unwrap();
    let intake = |events: usize| {
        let tested = with(endpoint("intake"), "targetUrl", json!(receiver.url("/intake")));
        let tested = with(tested, "verification", json!({"interval": "1h"}));
        let rotation = json!({"rotation": {"publishDelay": "0s", "interval": "720h"}});
        let of = crate::support::events(events);
        (with(tested, "signingSecret", rotation), subscription("sunshine", "intake", &[SUNSHINE], &of))
    };
    // Before all others, so that its id is the same in every run.
    world.provider.edit().create_endpoint(SimConfig::ORGANISATION, "https://hooks.example.com/taken");
    let provider = world.provider.clone();
    receiver.answer_with(move |received| {
        let keys: Vec<String> = provider.endpoints().into_iter().map(|endpoint| endpoint.secret_key).collect();
        if received.verifies(&keys) { 200 } else { 401 }
    });
    let mut states = States::default();
    world.apply([world.secret(), account(&world, "default", "nexhealth")]).await;
    world.apply([intake(1).0, intake(1).1, monitor("sunshine", SUNSHINE)]).await;
    states.add_each(&world, NAMES, "new");

    world.start_operator();
    for (kind, name) in NAMES {
        world.ready(kind, name).await;
    }
    world.wait(ENDPOINT, "intake", "tested", |object| object.said("Verified") == "True/SignatureVerified").await;
    world.wait(MONITOR, "sunshine", "judged", |object| object.said("SyncHealthy") == "True/Green").await;
    for (kind, name) in NAMES {
        states.add(kind, "healthy", "Healthy", world.ready(kind, name).await);
    }
    worse(&world, &mut states).await;
    rotating(&world, &mut states).await;

    // What a self-test found is told by the process that made it.
    let before = world.metrics_page();
    world.stop_operator().await;
    let account = with(account(&world, "default", "nexhealth"), "outagePercent", json!(40));
    world.apply([account, with(intake(2).0, "reactivation", json!("Never")), intake(2).1]).await;
    world.apply([with(monitor("sunshine", SUNSHINE), "confirm", json!("1m"))]).await;
    states.add_each(&world, NAMES, "edited");
    world.start_operator();
    world.delete(ACCOUNT, "default").await;
    let going =
        world.wait(ACCOUNT, "default", "held up", |object| object.said("DeletionBlocked") == "True/InUse").await;
    states.add(ACCOUNT, "deleting", "Progressing", going);
    let measured = |world: &World| {
        let silent = unknown_labels(&format!("{before}{}", world.metrics_page())).1;
        // The first only when a call had to wait, the second only where a receiver has TLS.
        let rare = ["provider_throttled_seconds_total", "target_certificate_expiry_timestamp_seconds"];
        silent.iter().all(|name| rare.iter().any(|rare| *name == format!("external_webhooks_{rare}")))
    };
    world.until("every metric that queries ask for has a series", measured).await;
    let (wrong, _) = unknown_labels(&format!("{before}{}", world.metrics_page()));
    assert!(wrong.is_empty(), "queries of rules or dashboard use labels that are not there: {wrong:?}");
    judge(&states);
    world.finish().await;
}

/// What waits, what a person must mend, and what is held back.
async fn worse(world: &World, states: &mut States) {
    let one = events(1);
    let elsewhere = json!({"configMapRef": {"name": "office", "key": "hours"}});
    world.apply([secret("refused", "canary-key-of-nobody")]).await;
    world
        .apply([
            account(world, "refused", "refused"),
            account(world, "keyless", "nowhere"),
            endpoint("taken"),
            with(endpoint("homeless"), "accountRef", json!({"name": "nobody"})),
            with(endpoint("held"), "suspend", json!(true)),
            subscription("partly", "intake", &[HILLTOP, "nobody"], &one),
            subscription("homeless", "nobody", &[SUNSHINE], &one),
            with(subscription("held", "intake", &[HILLTOP], &events(2)), "suspend", json!(true)),
            monitor("nobody", "nobody"),
            with(monitor("hours", SUNSHINE), "officeHoursFrom", elsewhere),
            with(monitor("held", SUNSHINE), "suspend", json!(true)),
            monitor("stale", HILLTOP),
        ])
        .await;
    for (kind, name, ready, state, status) in [
        (ACCOUNT, "refused", "False/CredentialsRejected", "degraded", "Degraded"),
        (ACCOUNT, "keyless", "False/SecretMissing", "waiting", "Progressing"),
        (ENDPOINT, "taken", "False/RemoteExists", "degraded", "Degraded"),
        (ENDPOINT, "homeless", "False/AccountNotFound", "waiting", "Progressing"),
        (ENDPOINT, "held", "False/Suspended", "suspended", "Suspended"),
        (SUBSCRIPTION, "partly", "False/PartlyRejected", "degraded", "Degraded"),
        (SUBSCRIPTION, "homeless", "False/EndpointNotFound", "waiting", "Progressing"),
        (SUBSCRIPTION, "held", "False/Suspended", "suspended", "Suspended"),
        (MONITOR, "nobody", "False/PracticeNotFound", "degraded", "Degraded"),
        (MONITOR, "hours", "False/OfficeHoursNotFound", "waiting", "Progressing"),
        (MONITOR, "held", "False/Suspended", "suspended", "Suspended"),
    ] {
        states.add(kind, state, status, world.says(kind, name, ready).await);
    }
    // A clinic that switches its server off never blocks a rollout.
    assert!(world.provider.edit_sync(HILLTOP, |sync| sync.read_status = "red".to_owned()));
    let red = |object: &Object| object.said("SyncHealthy") == "False/Red";
    states.add(MONITOR, "practice-down", "Healthy", world.wait(MONITOR, "stale", "red", red).await);
}

async fn rotating(world: &World, states: &mut States) {
    let request = |id: &str| {
        let rotation = json!({"rotation": {"publishDelay": "0s", "requestId": id}});
        with(endpoint("turning"), "signingSecret", rotation)
    };
    world.apply([request("")]).await;
    world.ready(ENDPOINT, "turning").await;
    world.apply([request("1")]).await;
    let draining = |object: &Object| object.is_ready() && object.said("Rotating") == "True/Draining";
    states.add(ENDPOINT, "rotating", "Healthy", world.wait(ENDPOINT, "turning", "draining", draining).await);
}

fn judge(states: &States) {
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    let mut tests: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for ((kind, state), (status, object)) in &states.0 {
        let path = format!("testdata/{state}.yaml");
        let message = match (object.is_current(), object.condition("Ready").is_null()) {
            (_, true) => "Waiting for the operator's first pass",
            (false, _) => "Waiting for the operator to see the latest change",
            (true, false) => object.message("Ready"),
        };
        tests
            .entry(kind)
            .or_default()
            .push(json!({"healthStatus": {"status": status, "message": message}, "inputPath": path}));
        let text = serde_saphyr::to_string(&plain(&object.value)).unwrap();
        let file = folder(kind).join(&path);
        if update {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
            continue;
        }
        let committed =
            std::fs::read_to_string(&file).unwrap_or_else(|_| panic!("no {}: make generated", file.display()));
        let committed: Value = serde_saphyr::from_str(&committed).unwrap();
        assert_eq!(said(&committed), said(&object.value), "{kind} {state}: run make generated and commit");
    }
    for (kind, tests) in tests {
        let file = folder(kind).join("health_test.yaml");
        let text = serde_saphyr::to_string(&json!({"tests": tests})).unwrap();
        if update {
            std::fs::write(file, text).unwrap();
            continue;
        }
        let committed: Value = serde_saphyr::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        assert_eq!(committed, json!({"tests": tests}), "{kind}: run make generated and commit");
    }
}

/// What tools look at.
fn said(object: &Value) -> (bool, BTreeSet<String>) {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    let text = |condition: &Value| {
        format!("{} {} {} {}", condition["type"], condition["status"], condition["reason"], condition["message"])
    };
    let current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    (current, conditions.map(text).collect())
}

/// Without what is another in every run.
fn plain(object: &Value) -> Value {
    let mut object = object.clone();
    let metadata = object["metadata"].as_object_mut().unwrap();
    metadata.insert("namespace".to_owned(), "clinics".into());
    // Nothing could apply an object that has these.
    metadata.retain(|name, _| name != "uid" && name != "resourceVersion");
    scrub(&mut object);
    object
}

fn scrub(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(scrub),
        Value::Array(items) => items.iter_mut().for_each(scrub),
        Value::String(text) if text.parse::<jiff::Timestamp>().is_ok() => "2026-01-05T09:00:00Z".clone_into(text),
        Value::String(text) if text == "127.0.0.1" => "hooks.example.com".clone_into(text),
        Value::String(text) if text.starts_with("sha256:") => text.replace_range(7.., &"0".repeat(text.len() - 7)),
        Value::String(text) if text.starts_with("http://127.0.0.1:") => {
            *text = text
                .splitn(4, '/')
                .nth(3)
                .map_or("https://nexhealth.info".to_owned(), |path| format!("https://hooks.example.com/{path}"));
        }
        _ => {}
    }
}

fn folder(kind: &str) -> PathBuf {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.join("deploy/argocd/resource_customizations/external-webhooks.io").join(kind)
}
