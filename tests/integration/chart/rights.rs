//! The rules against the API server's audit log: a life of every kind under exactly the chart's rights uses each of them, and
//! asks for nothing else. In both modes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use external_webhooks::runtime::{Lease, LeaseTiming};
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};
use testbed::control_plane::AuditRequest;
use testbed::nexhealth::EndpointPatch;
use tokio_util::sync::CancellationToken;

use super::{CHART, documents};
use crate::support::{PATIENCE, SUNSHINE, World, endpoint, events, monitor, office_hours, secret, subscription};

/// Group, resource with subresource, name (`*`: any), verb.
type Right = (String, String, String, String);

/// Lists and watches: what was asked for, and whether of metadata alone.
type Lists = Vec<(String, bool)>;

/// A change of a spec that is another one each turn.
type Edit = fn(u32) -> Value;

/// What the file's rules allow, each alone.
fn rights(file: &str) -> BTreeSet<Right> {
    let mut rights = BTreeSet::new();
    for document in documents(&std::fs::read_to_string(format!("{CHART}/rbac/{file}")).unwrap()) {
        for rule in document["rules"].as_array().into_iter().flatten() {
            let texts = |field: &str| -> Vec<String> {
                let list = rule[field].as_array().into_iter().flatten();
                list.map(|text| text.as_str().unwrap().to_owned()).collect()
            };
            let names = if rule["resourceNames"].is_null() { vec!["*".to_owned()] } else { texts("resourceNames") };
            for group in texts("apiGroups") {
                for resource in texts("resources") {
                    for name in &names {
                        for verb in texts("verbs") {
                            rights.insert((group.clone(), resource.clone(), name.clone(), verb));
                        }
                    }
                }
            }
        }
    }
    rights
}

/// The right that a request needs, under its own name and under any.
fn needs(request: &AuditRequest) -> [Right; 2] {
    let path = request.uri.trim_start_matches('/');
    let group = path.strip_prefix("apis/").and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let resource = match request.subresource.as_str() {
        "" => request.resource.clone(),
        subresource => format!("{}/{subresource}", request.resource),
    };
    [request.name.as_str(), "*"].map(|name| (group.to_owned(), resource.clone(), name.to_owned(), request.verb.clone()))
}

/// A client with the operator's rights, and its namespace.
async fn operator(world: &World) -> (Client, String) {
    let read = Kubeconfig::read_from(&world.kubeconfig).unwrap();
    let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
    let namespace = config.default_namespace.clone();
    (Client::try_from(config).unwrap(), namespace)
}

async fn lead(world: &mut World, end: &CancellationToken) {
    let (client, own) = operator(world).await;
    let timing = LeaseTiming {
        duration: Duration::from_secs(4),
        renew: Duration::from_millis(500),
        retry: Duration::from_millis(200),
    };
    let identity = format!("test-{:08x}", rand::random::<u32>());
    let lease = Lease::start(client, &own, "external-webhooks", &identity, timing, end.clone());
    assert!(lease.acquired().await);
    world.settings.lease = lease;
    world.start_operator();
}

fn with(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    object
}

/// Everything that the operator does in the cluster.
async fn live(world: &mut World) {
    let end = CancellationToken::new();
    lead(world, &end).await;
    let hours =
        r#"{timeZone: UTC, weekly: [{days: [Mon, Tue, Wed, Thu, Fri, Sat, Sun], open: "00:00", close: "24:00"}]}"#;
    let shared = json!({"configMapRef": {"name": "office", "key": "hours"}});
    world.apply([world.secret(), world.account("default"), endpoint("intake"), office_hours("office", hours)]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    world.apply([with(monitor("sunshine", SUNSHINE), "officeHoursFrom", shared)]).await;
    world.all_ready().await;
    // The same Event twice.
    let held = world.remote_of("intake");
    let moved = EndpointPatch { target_url: Some("https://elsewhere.example.com/".into()), active: None };
    for _ in 0..2 {
        world.provider.edit().patch_endpoint(held.id, &moved).unwrap();
        world.until("put back", |world| world.remote_of("intake").target_url == held.target_url).await;
    }
    meet(world).await;
    if world.settings.everywhere {
        lend(world).await;
    }
    // Another process reads before it plans.
    world.stop_operator().await;
    world.settings.lease.release().await;
    lead(world, &end).await;
    let rotation = json!({"rotation": {"publishDelay": "0s", "overlap": "0s", "requestId": "now"}});
    world.apply([with(endpoint("intake"), "signingSecret", rotation)]).await;
    let rotated = |world: &World| world.remote_of("intake").id != held.id;
    world.until("another key", |world| world.provider.endpoints().len() == 1 && rotated(world)).await;
    world.all_ready().await;
    // Somebody replaces the Secret: whether its namespace goes too decides what that means.
    world.secrets().delete("nexhealth", &DeleteParams::default()).await.unwrap();
    world.says("ProviderAccount", "default", "False/SecretMissing").await;
    let began = Instant::now();
    while world.secrets().get_opt("nexhealth").await.unwrap().is_some() {
        assert!(began.elapsed() < PATIENCE, "the Secret is not let go\n{}", world.report());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.apply([secret("nexhealth", &world.api_key())]).await;
    world.all_ready().await;
    let bad = Patch::Merge(json!({"data": {"previous": "AAAA"}}));
    world.secrets().patch("intake-signing", &PatchParams::default(), &bad).await.unwrap();
    world.rounds(2).await;
    for (kind, name) in [
        ("PracticeSyncMonitor", "sunshine"),
        ("WebhookSubscription", "one"),
        ("WebhookEndpoint", "intake"),
        ("ProviderAccount", "default"),
    ] {
        world.delete(kind, name).await;
        world.gone(kind, name).await;
    }
    world.stop_operator().await;
    world.settings.lease.release().await;
    end.cancel();
}

/// Edits objects of every kind faster than the operator writes their status, until its writes have met the edits: then it reads
/// the object as it is.
async fn meet(world: &World) {
    let (_, own) = operator(world).await;
    let user = format!("system:serviceaccount:{own}:external-webhooks");
    let edits: [(&str, &str, Edit); 4] = [
        ("ProviderAccount", "default", |turn| json!({"outagePercent": 30 + turn % 2})),
        (
            "WebhookEndpoint",
            "intake",
            |turn| json!({"signingSecret": {"template": {"labels": {"turn": format!("{}", turn % 2)}}}}),
        ),
        ("WebhookSubscription", "one", |turn| json!({"undeclared": if turn % 2 == 0 { "Report" } else { "Delete" }})),
        ("PracticeSyncMonitor", "sunshine", |turn| json!({"confirm": format!("{}s", turn % 2)})),
    ];
    for (kind, name, edit) in edits {
        let resource = resource(kind);
        let api = Api::namespaced_with(world.client.clone(), world.namespace.name(), &resource);
        meet_one(world, &user, &api, &resource, name, edit).await;
    }
    world.all_ready().await;
}

fn resource(kind: &str) -> ApiResource {
    let kind = kube::core::GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind);
    ApiResource::from_gvk_with_plural(&kind, &format!("{}s", kind.kind.to_lowercase()))
}

async fn meet_one(world: &World, user: &str, api: &Api<DynamicObject>, resource: &ApiResource, name: &str, edit: Edit) {
    let (mark, began, mut turn) = (world.cluster.audit().mark(), Instant::now(), 0);
    let read = |request: &AuditRequest| request.verb == "get" && request.resource == resource.plural;
    while !world.cluster.audit().requests(user, mark).unwrap().iter().any(read) {
        assert!(began.elapsed() < PATIENCE, "{}: no write met an edit\n{}", resource.kind, world.report());
        for _ in 0..10 {
            turn += 1;
            let patch = Patch::Merge(json!({"spec": edit(turn)}));
            api.patch(name, &PatchParams::default(), &patch).await.unwrap();
        }
    }
}

/// A life of the cluster's account, where there may be one: it lends to every namespace, and one endpoint takes it.
async fn lend(world: &World) {
    let (_, own) = operator(world).await;
    let user = format!("system:serviceaccount:{own}:external-webhooks");
    let mut account = world.account("shared");
    account["kind"] = "ClusterProviderAccount".into();
    account["spec"]["nexHealth"]["apiKeySecretRef"]["namespace"] = world.namespace.name().into();
    account["spec"]["grants"] =
        json!([{"namespaceSelector": {}, "targetHosts": ["hooks.example.com"], "accountWide": {}}]);
    let reference = json!({"kind": "ClusterProviderAccount", "name": "shared"});
    account["apiVersion"] = "external-webhooks.io/v1alpha1".into();
    // The record is of the namespace, so it does not see this one.
    world.cluster.apply_yaml(&account.to_string()).await.unwrap();
    world.apply([with(endpoint("lent"), "accountRef", reference)]).await;
    world.ready("WebhookEndpoint", "lent").await;
    let resource = resource("ClusterProviderAccount");
    let api: Api<DynamicObject> = Api::all_with(world.client.clone(), &resource);
    meet_one(world, &user, &api, &resource, "shared", |turn| json!({"outagePercent": 30 + turn % 2})).await;
    world.delete("WebhookEndpoint", "lent").await;
    world.gone("WebhookEndpoint", "lent").await;
    api.delete("shared", &DeleteParams::default()).await.unwrap();
    let began = Instant::now();
    while api.get_opt("shared").await.unwrap().is_some() {
        assert!(began.elapsed() < PATIENCE, "the cluster's account does not go\n{}", world.report());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Lives, and compares what was asked for with what is allowed.
async fn assert_rights_are_used(mut world: World, file: &str) {
    // What the log does not tell: whether a list is of whole objects or of their metadata.
    let (proxy, whole) = (world.cluster.proxy().await.unwrap(), Arc::<Mutex<Lists>>::default());
    let through = world.kubeconfig.with_file_name(format!("{}.kubeconfig", world.namespace.name()));
    world.kubeconfig = proxy.kubeconfig(&world.kubeconfig, &through).unwrap();
    let seen = whole.clone();
    proxy.on_request(move |call| {
        if ["LIST", "WATCH"].contains(&call.verb)
            && ["secrets", "configmaps", "namespaces"].contains(&call.resource.as_str())
        {
            let metadata = call.accept.contains("as=PartialObjectMetadata");
            seen.lock().unwrap().push((call.uri.clone(), metadata));
        }
        None
    });
    let (_, own) = operator(&world).await;
    let (mark, user) = (world.cluster.audit().mark(), format!("system:serviceaccount:{own}:external-webhooks"));
    live(&mut world).await;
    let requests = world.cluster.audit().requests(&user, mark).unwrap();
    let refused: Vec<&AuditRequest> = requests.iter().filter(|request| request.code == 403).collect();
    assert!(refused.is_empty(), "a rule is missing: {refused:#?}");
    let used: BTreeSet<Right> =
        requests.iter().filter(|request| !request.resource.is_empty()).flat_map(needs).collect();
    let unused: Vec<Right> = rights(file).difference(&used).cloned().collect();
    assert!(unused.is_empty(), "nothing uses {unused:#?}");
    let lists = whole.lock().unwrap().clone();
    assert!(lists.len() >= 2 && lists.iter().all(|(_, metadata)| *metadata), "more than metadata: {lists:#?}");
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_rule_for_the_cluster_is_missing_or_unused() {
    let mut world = World::named("rights-cluster").own_cluster().prepare().await;
    world.settings.everywhere = true;
    assert_rights_are_used(world, "cluster.yaml").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_rule_for_namespaces_is_missing_or_unused() {
    let world = World::named("rights-namespaced").namespaced().prepare().await;
    assert_rights_are_used(world, "namespaced.yaml").await;
}
