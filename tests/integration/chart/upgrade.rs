//! From the version before the last change of the definitions to this one, and back, each time in the middle of a rotation
//! while events arrive. Nothing is lost, nothing is refused for good, no subscription is missing for a moment.
//!
//! `previous/` is that version as git has it (`make previous` writes it anew). Its operator is the one that `PREVIOUS_OPERATOR`
//! names (`make upgrade-test` builds it); without, this one's runs under the former definitions of the kinds that there were.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use testbed::control_plane::ControlPlane;

use super::install::{deployment, helms, passes, stops};
use super::{CHART, RELEASE, SYSTEM, documents, run_as};
use crate::rotation::{assert_always_ready, assert_no_gap, assert_one, reaches, rotated, rotating};
use crate::support::{
    Deliveries, LAKESIDE, Mood, Running, SUNSHINE, World, bare_cluster, events, pairs, repeats, subscription,
};

const BINARY: &str = env!("CARGO_BIN_EXE_external-webhooks");
/// Names the former version's operator.
const OPERATOR: &str = "PREVIOUS_OPERATOR";
/// The former version's `crds/` and chart.
const PREVIOUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/chart/previous");
const PACE: Duration = Duration::from_millis(100);

/// Where the former version ends and this one begins.
struct Versions {
    cluster: &'static ControlPlane,
    kubeconfig: PathBuf,
    allowed: String,
}

impl Versions {
    /// Whether the former version had a chart; before, it was applied by hand.
    fn had_chart() -> bool {
        Path::new(PREVIOUS).join("chart/templates").is_dir()
    }

    /// Makes definitions and rights those of the former version.
    async fn apply_previous(cluster: &ControlPlane) {
        if Self::had_chart() {
            let chart = format!("{PREVIOUS}/chart");
            helms(cluster, &["upgrade", "--install", RELEASE, &chart, "--force-conflicts"]).await;
        } else {
            cluster.install_crds(format!("{PREVIOUS}/crds")).await.unwrap();
            let mut rules = format!("{PREVIOUS}/chart/rbac/cluster.yaml");
            if std::env::var_os(OPERATOR).is_none() {
                // It watches kinds that were not there, and waits for them.
                for file in std::fs::read_dir(format!("{CHART}/files/crds")).unwrap().map(|entry| entry.unwrap()) {
                    if !Path::new(PREVIOUS).join("crds").join(file.file_name()).exists() {
                        let definition = std::fs::read_to_string(file.path()).unwrap();
                        cluster.apply_yaml(&definition).await.unwrap();
                    }
                }
                rules = format!("{CHART}/rbac/cluster.yaml");
            }
            cluster.apply_yaml(&std::fs::read_to_string(rules).unwrap()).await.unwrap();
        }
    }

    /// Starts the former operator.
    fn start_previous(&self) -> Running {
        let binary = std::env::var_os(OPERATOR).map_or_else(|| PathBuf::from(BINARY), PathBuf::from);
        let mut command = Command::new(binary);
        command.args(["run", "--http-addr=127.0.0.1:0", "--allowed-base-url", &self.allowed]);
        command.env_clear().env("KUBECONFIG", &self.kubeconfig).env("RUST_LOG", "info");
        Running::start(command)
    }

    /// Installs this version over whatever is there, and starts its operator.
    async fn start_present(&self) -> Running {
        let allowed = format!("allowedBaseUrls={{{}}}", self.allowed);
        let args = ["upgrade", "--install", RELEASE, CHART, "--take-ownership", "--force-conflicts", "--set", &allowed];
        helms(self.cluster, &args).await;
        let found = deployment(&self.cluster.admin()).await;
        let running = run_as(&found, Path::new(BINARY), &self.kubeconfig);
        passes(&running, &found, "readinessProbe").await;
        running
    }
}

/// The fields of definitions, each as its definition's name and its path.
fn fields(definitions: &[Value]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for definition in definitions {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(definition["metadata"]["name"].as_str().unwrap(), schema, &mut found);
    }
    found
}

fn walk(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), field, found);
    }
    if schema["items"].is_object() {
        walk(&format!("{path}[]"), &schema["items"], found);
    }
}

/// The fields that the cluster knows.
async fn served(world: &World) -> BTreeSet<String> {
    let text = world.kubectl(&["get", "crd", "-o", "json"]).await;
    let list: Value = serde_json::from_str(&text).unwrap();
    fields(list["items"].as_array().unwrap())
}

/// The fields of a folder's definitions.
fn written(folder: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    fields(&files.flat_map(|path| documents(&std::fs::read_to_string(path).unwrap())).collect::<Vec<_>>())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_and_back_in_the_middle_of_a_rotation() {
    let cluster = bare_cluster().await;
    let namespace = format!(r#"{{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{SYSTEM}"}}}}"#);
    cluster.apply_yaml(&namespace).await.unwrap();
    Versions::apply_previous(cluster).await;
    let kubeconfig = cluster.service_account_client(SYSTEM, RELEASE).await.unwrap().1;
    let world = World::named("upgrade").provider(repeats).on(cluster, kubeconfig.clone()).prepare().await;
    let versions = Versions { cluster, kubeconfig, allowed: world.provider.base_url() };
    let old = versions.start_previous();
    let declared = events(2);
    let intake = |request: &str| rotating("intake", "4s", "4s", request);
    world.apply([world.secret(), world.account("default"), intake("")]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE, LAKESIDE], &declared)]).await;
    world.all_ready().await;
    let (pairs, mark) = (pairs(&[SUNSHINE, LAKESIDE], &declared), world.provider.mark());
    let deliveries = Deliveries::start(&world, "intake-signing", &pairs, PACE, Mood::Busy).await;

    world.apply([intake("there")]).await;
    reaches(&world, "intake", "Publishing").await;
    let new = versions.start_present().await;
    let present = written(&format!("{CHART}/files/crds"));
    assert_eq!(served(&world).await, present, "these definitions");
    stops(old).await;
    rotated(&world, "intake", "there").await;
    assert_one(&world, "intake").await;

    world.apply([intake("back")]).await;
    reaches(&world, "intake", "Publishing").await;
    Versions::apply_previous(cluster).await;
    let former = written(&format!("{PREVIOUS}/crds"));
    let served = served(&world).await;
    assert!(served.is_superset(&former) && (served != present || former == present), "the former definitions");
    let old = versions.start_previous();
    stops(new).await;
    rotated(&world, "intake", "back").await;
    assert_one(&world, "intake").await;
    world.all_ready().await;

    let (account, broken) = deliveries.end(true).await;
    assert!(broken.is_empty(), "{}\n{account:?}\n{}", broken.join("\n"), world.report());
    assert!(account.happened > 50, "{account:?}");
    assert_no_gap(&world, "intake", mark, &pairs);
    assert_always_ready(&world);
    stops(old).await;
    world.finish().await;
}
