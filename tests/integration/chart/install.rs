//! An API server takes what the chart makes, and what it installs works: with the Deployment's arguments, environment and
//! ServiceAccount, through a change of values, removal, and a second installation.

use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;

use super::{CHART, RELEASE, SETS, SYSTEM, documents, helm, of_kind, rendered, run_as, set, succeeds};
use crate::support::{PATIENCE, Running, SUNSHINE, World, bare_cluster, endpoint, events, get, pairs, subscription};

const BINARY: &str = env!("CARGO_BIN_EXE_external-webhooks");

/// What stands in for the Prometheus operator's definitions, which are not in this repository.
const MONITORING: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: PLURAL.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {plural: PLURAL, singular: SINGULAR, kind: KIND}
  versions:
    - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
"#;

/// A cluster with the namespaces that the sets of values name.
async fn prepared() -> &'static ControlPlane {
    let cluster = bare_cluster().await;
    for (plural, kind) in [("servicemonitors", "ServiceMonitor"), ("prometheusrules", "PrometheusRule")] {
        let singular = kind.to_lowercase();
        let yaml = MONITORING.replace("PLURAL", plural).replace("SINGULAR", &singular).replace("KIND", kind);
        cluster.apply_yaml(&yaml).await.unwrap();
    }
    for name in [SYSTEM, "clinics", "billing"] {
        // The strictest profile: a pod that asks for more is refused.
        let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        cluster.apply_yaml(&object.to_string()).await.unwrap();
    }
    cluster
}

/// `helm install`, `upgrade` and so on.
pub(super) async fn helms(cluster: &ControlPlane, args: &[&str]) -> String {
    let mut command = helm(Some(cluster)).await;
    command.args(args).args(["--namespace", SYSTEM]);
    succeeds(command).await
}

pub(super) async fn deployment(client: &Client) -> Value {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), SYSTEM);
    serde_json::to_value(deployments.get(RELEASE).await.unwrap()).unwrap()
}

/// Asks a probe as a kubelet does.
async fn probe(running: &Running, deployment: &Value, name: &str) -> u16 {
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let action = &container[name]["httpGet"];
    let port = container["ports"].as_array().unwrap().iter().find(|port| port["name"] == action["port"]).unwrap();
    let listens = format!(":{}", port["containerPort"]);
    let args = container["args"].as_array().unwrap();
    assert!(
        args.iter().any(|argument| argument.as_str().unwrap().ends_with(&listens)),
        "the probe asks elsewhere: {args:?}"
    );
    get(&running.address().unwrap(), action["path"].as_str().unwrap()).await.0
}

/// Waits until a probe answers with success.
pub(super) async fn passes(running: &Running, deployment: &Value, name: &str) {
    let began = Instant::now();
    while running.address().is_none() || probe(running, deployment, name).await != 200 {
        assert!(began.elapsed() < PATIENCE, "{name} does not pass\n{}", running.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Ends the process as a kubelet does, and expects it to end well.
pub(super) async fn stops(mut running: Running) {
    let id = running.child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let log = running.log();
    let ended = tokio::task::spawn_blocking(move || running.child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(0), "{log}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_takes_every_set_of_values() {
    let cluster = prepared().await;
    let client = cluster.admin();
    for name in SETS {
        helms(cluster, &["install", RELEASE, CHART, "--dry-run=server", "--values", &set(name)]).await;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("all.yaml");
        let text = rendered(&["--values", &set(name), "--no-hooks"]).await;
        std::fs::write(&path, &text).unwrap();
        let mut kubectl = cluster.kubectl();
        kubectl.args(["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f"]).arg(&path);
        succeeds(kubectl).await;
        // The restricted profile judges pods, so the Deployment's and the test's are tried as such.
        let all = documents(&rendered(&["--values", &set(name)]).await);
        let template = &of_kind(&all, "Deployment")[0]["spec"]["template"];
        let mut operator =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
        operator["metadata"]["name"] = json!("operator");
        // Accounts are made with the chart, and this is only its pod.
        operator["spec"]["serviceAccountName"] = json!("default");
        let pods: Api<Pod> = Api::namespaced(client.clone(), SYSTEM);
        for pod in [&operator, of_kind(&all, "Pod")[0]] {
            let pod: Pod = serde_json::from_value(pod.clone()).unwrap();
            let tried = PostParams { dry_run: true, ..PostParams::default() };
            let began = Instant::now();
            // The namespace's own account comes a moment after the namespace.
            while let Err(error) = pods.create(&tried, &pod).await {
                assert!(error.to_string().contains("serviceaccount") && began.elapsed() < PATIENCE, "{name}: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_installed_works_and_what_is_removed_leaves_remotes_alone() {
    let cluster = prepared().await;
    let client = cluster.admin();
    let world = World::named("chart").on(cluster, Path::new("/dev/null").to_owned());
    // A world watches objects of our kinds, so the chart comes first; the provider's address is a value of it.
    helms(cluster, &["install", RELEASE, CHART]).await;
    let world = world.prepare().await;
    let allowed = format!("allowedBaseUrls={{{}}}", world.provider.base_url());
    helms(cluster, &["upgrade", RELEASE, CHART, "--set", &allowed]).await;
    let found = deployment(&client).await;
    let account = found["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap().to_owned();
    let kubeconfig = cluster.service_account_client(SYSTEM, &account).await.unwrap().1;
    let running = run_as(&found, Path::new(BINARY), &kubeconfig);
    passes(&running, &found, "livenessProbe").await;
    passes(&running, &found, "readinessProbe").await;
    let declared = events(2);
    world.apply([world.secret(), world.account("default"), endpoint("intake")]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE], &declared)]).await;
    world.all_ready().await;
    tested(&found, &running).await;

    // Two replicas, and the namespace alone: the first process stays while the second comes.
    let namespaces = format!("namespaces={{{}}}", world.namespace.name());
    let (mark, more) = (world.provider.mark(), ["--set", "replicaCount=2", "--set", &allowed, "--set", &namespaces]);
    helms(cluster, &[&["upgrade", RELEASE, CHART][..], &more].concat()).await;
    let found = deployment(&client).await;
    let second = run_as(&found, Path::new(BINARY), &kubeconfig);
    passes(&second, &found, "readinessProbe").await;
    stops(running).await;
    world.apply([subscription("two", "intake", &[SUNSHINE], &events(3))]).await;
    world.all_ready().await;
    world.assert_unbroken(mark, &pairs(&[SUNSHINE], &declared));

    // Uninstalled: the pods end, the definitions and everything else stay.
    let mark = world.provider.mark();
    stops(second).await;
    let said = helms(cluster, &["uninstall", RELEASE]).await;
    assert!(said.contains("webhookendpoints.external-webhooks.io"), "helm says what it leaves: {said}");
    assert!(world.has_exactly(&pairs(&[SUNSHINE], &events(3))));
    let kept = world.recorder.get("WebhookEndpoint", "intake").unwrap();
    assert!(kept.is_ready() && !kept.value["metadata"]["finalizers"].is_null());
    // Installed again, it goes on from there and makes nothing anew.
    helms(cluster, &["install", RELEASE, CHART, "--set", &allowed]).await;
    let found = deployment(&client).await;
    // Another account of the same name; the tokens of the first one have ended with it.
    let kubeconfig = cluster.service_account_client(SYSTEM, &account).await.unwrap().1;
    let third = run_as(&found, Path::new(BINARY), &kubeconfig);
    passes(&third, &found, "readinessProbe").await;
    let mut edited = endpoint("intake");
    edited["spec"]["signingSecret"] = json!({"template": {"labels": {"team": "a"}}});
    world.apply([edited]).await;
    world.all_ready().await;
    world.assert_writes(mark, []);

    // For good, in the order that the notes give.
    world.kubectl(&["delete", "hooks", "--all", "-A", "--timeout=60s"]).await;
    assert!(world.provider.endpoints().is_empty());
    stops(third).await;
    helms(cluster, &["uninstall", RELEASE]).await;
    let selector = "app.kubernetes.io/instance=external-webhooks,app.kubernetes.io/name=external-webhooks";
    let removed = world.kubectl(&["delete", "crd", "-l", selector]).await;
    assert!(removed.contains("webhookendpoints.external-webhooks.io"), "the label of the notes finds them: {removed}");
    world.finish().await;
}

/// `helm test`, as far as it goes without a kubelet: what its pod would ask for, asked of the process.
async fn tested(deployment: &Value, running: &Running) {
    let all = documents(&rendered(&[]).await);
    let pod = of_kind(&all, "Pod")[0];
    let service = of_kind(&all, "Service")[0];
    let command = pod["spec"]["containers"][0]["command"].as_array().unwrap();
    let url = command.last().unwrap().as_str().unwrap().strip_prefix("http://").unwrap();
    let (host, path) = url.split_once('/').unwrap();
    let port = &service["spec"]["ports"][0]["port"];
    assert_eq!(host, format!("{}.{SYSTEM}:{port}", service["metadata"]["name"].as_str().unwrap()));
    assert_eq!(service["spec"]["selector"], deployment["spec"]["selector"]["matchLabels"]);
    assert_ne!(
        pod["metadata"]["labels"]["app.kubernetes.io/name"],
        service["spec"]["selector"]["app.kubernetes.io/name"]
    );
    assert_eq!(get(&running.address().unwrap(), &format!("/{path}")).await.0, 200);
}
