//! The commands of `docs/tutorials` are run, in the order of the site, each page on what the pages before it have left: against
//! a cluster of their own, the real binary with the rights of the chart, and a simulated provider.
//!
//! A block marked `sh` is run as it stands. One marked `sh outside` is not, because it needs what is not here (a chart
//! repository, somebody else's cluster); there may be few of these. What must be there before a page begins, such as an endpoint
//! that somebody made by hand, is made by `tests/integration/tutorials/<page>.sh`.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::control_plane::{ControlPlane, Options};
use testbed::nexhealth::{ApiKey, Mode, Organisation, SimConfig, Simulator};
use tokio::process::{Child, Command};

use crate::support::PATIENCE;

const SYSTEM: &str = "external-webhooks-system";
/// A page is done within this, waits for the operator included.
const PAGE: Duration = Duration::from_secs(240);
/// The key of another organisation with the same practices, for the page on moving there.
const NEXT_KEY: &str = "canary-key-of-the-next-account-0001";
const KEY: &str = "canary-key-of-the-tutorials-000001";
const MOST_OUTSIDE: usize = 6;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages in the order of the site, by name.
fn pages() -> Vec<String> {
    let summary = read(&root().join("docs/SUMMARY.md"));
    let links = summary.split("(tutorials/").skip(1).filter_map(|rest| rest.split(".md)").next());
    links.filter(|name| *name != "README").map(str::to_owned).collect()
}

/// The commands of a page, and how many of its blocks are not run.
fn commands(page: &str) -> (String, usize) {
    let (mut script, mut outside, mut within) = (String::new(), 0, None);
    for line in page.lines() {
        match within {
            Some(_) if line.starts_with("```") => within = None,
            Some(true) => script.push_str(&format!("{line}\n")),
            Some(false) => {}
            None if line.starts_with("```") => {
                within = Some(line == "```sh");
                outside += usize::from(line == "```sh outside");
            }
            None => {}
        }
    }
    (script, outside)
}

/// Accounts of the tutorials name no URL, as a reader's do not: the cluster points them at the simulator.
fn simulated(base_url: &str) -> String {
    let expression = format!("[JSONPatch{{op: 'add', path: '/spec/baseUrl', value: '{base_url}'}}]");
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicy",
        "metadata": {"name": "simulated-provider"},
        "spec": {
            "failurePolicy": "Fail", "reinvocationPolicy": "Never",
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["external-webhooks.io"], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"],
                "resources": ["provideraccounts", "clusterprovideraccounts"],
            }]},
            "matchConditions": [{"name": "no-url", "expression": "!has(object.spec.baseUrl)"}],
            "mutations": [{"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingAdmissionPolicyBinding",
        "metadata": {"name": "simulated-provider"}, "spec": {"policyName": "simulated-provider"},
    });
    format!("{policy}\n---\n{binding}")
}

/// Waits until that holds, so that no account is ever made that would ask the real provider.
async fn in_force(cluster: &ControlPlane, base_url: &str) {
    let account =
        read(&root().join("examples/one-practice/account.yaml")).replace("namespace: clinics", "namespace: default");
    let arguments = ["create", "--dry-run=server", "-o", "jsonpath={.spec.baseUrl}", "-f", "-"];
    let began = Instant::now();
    loop {
        let answer = crate::support::kubectl(cluster, &arguments, &account).await;
        if answer.as_deref() == Ok(base_url) {
            return;
        }
        assert!(began.elapsed() < PATIENCE * 3, "accounts are not pointed at the simulator: {answer:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn provider() -> SimConfig {
    let mut config = SimConfig::default();
    config.organisations[0].keys = vec![ApiKey::new("main", KEY, Mode::Production)];
    // A practice may let several organisations have its events; it is the same practice to all of them.
    config.organisations.push(Organisation {
        name: "next".to_owned(),
        keys: vec![ApiKey::new("next", NEXT_KEY, Mode::Production)],
        institutions: config.organisations[0].institutions.clone(),
    });
    config
}

/// The operator's own binary, as a Deployment starts it.
async fn operator(cluster: &ControlPlane, base_url: &str, log: &Path) -> Child {
    cluster.install_operator_rbac(SYSTEM).await.unwrap();
    let (_, kubeconfig) = cluster.service_account_client(SYSTEM, "external-webhooks").await.unwrap();
    let log = std::fs::File::create(log).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_external-webhooks"));
    command.args(["run", "--http-addr", "127.0.0.1:0", "--log-format", "text", "--allowed-base-url", base_url]);
    command.env("KUBECONFIG", kubeconfig).env_remove("POD_NAMESPACE");
    command.stdout(log.try_clone().unwrap()).stderr(log).kill_on_drop(true);
    command.spawn().unwrap()
}

/// Runs a page's commands as its reader would: in the root of the repository, ending at the first that fails.
async fn run(cluster: &ControlPlane, base_url: &str, script: &str) -> Result<(), String> {
    let kubectl = cluster.kubectl();
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-x", "-c", script]).current_dir(root());
    for (name, value) in kubectl.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    let beside = Path::new(kubectl.get_program()).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", beside.display()));
    command.env("NEXHEALTH_API_KEY", KEY).env("NEXT_API_KEY", NEXT_KEY).env("NEXHEALTH_URL", base_url);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let Ok(output) = tokio::time::timeout(PAGE, command.output()).await else {
        return Err(format!("it was not done within {} s", PAGE.as_secs()));
    };
    let output = output.unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(()) } else { Err(format!("{said}\n{complained}")) }
}

/// What a failure is understood by.
async fn state(cluster: &ControlPlane, log: &Path) -> String {
    let mut text = String::new();
    for arguments in [
        &["get", "hooks", "-A"][..],
        &["get", "hooks", "-A", "-o", "jsonpath={range .items[*]}{.kind} {.metadata.name} {.status}{\"\\n\"}{end}"],
    ] {
        text.push_str(&crate::support::kubectl(cluster, arguments, "").await.unwrap_or_else(|error| error));
    }
    let log = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    text + &lines[lines.len().saturating_sub(60)..].join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_tutorials_tell_people_to_type_works() {
    let cluster = ControlPlane::start(Options::default()).await.unwrap();
    cluster.install_crds(root().join("crds")).await.unwrap();
    let simulator = Simulator::start(provider()).await.unwrap();
    let base_url = simulator.base_url();
    cluster.apply_yaml(&simulated(&base_url)).await.unwrap();
    in_force(&cluster, &base_url).await;
    let log = cluster.dir().join("operator.log");
    let operator = operator(&cluster, &base_url, &log).await;
    let (mut ran, mut outside) = (0, 0);
    for page in pages() {
        let text = read(&root().join(format!("docs/tutorials/{page}.md")));
        let (script, left_out) = commands(&text);
        outside += left_out;
        // A page about a kind that this version does not serve yet is run from the day on which it does.
        let needs = text.split("<!-- needs ").nth(1).and_then(|rest| rest.split(" -->").next());
        if needs.is_some_and(|file| !root().join(file).exists()) {
            continue;
        }
        let before = root().join(format!("tests/integration/tutorials/{page}.sh"));
        let before = if before.exists() { read(&before) } else { String::new() };
        assert!(!script.is_empty() || left_out > 0, "{page} tells nobody to do anything");
        if let Err(failure) = run(&cluster, &base_url, &format!("{before}\n{script}")).await {
            panic!("docs/tutorials/{page}.md: {failure}\n{}", state(&cluster, &log).await);
        }
        ran += 1;
    }
    assert!(ran > 6, "only {ran} pages were run");
    assert!(outside <= MOST_OUTSIDE, "{outside} blocks are not run");
    let left: Vec<String> = simulator.endpoints().into_iter().map(|remote| remote.target_url).collect();
    assert_eq!(left, ["https://old.example.com/hook"], "the last page leaves at the provider what it said it would");
    let objects = crate::support::kubectl(&cluster, &["get", "hooks", "-A", "-o", "json"], "").await;
    let objects: Value = serde_json::from_str(&objects.unwrap_or_else(|_| "{}".to_owned())).unwrap();
    assert_eq!(objects["items"].as_array().map_or(0, Vec::len), 0, "{objects}");
    drop(operator);
    simulator.shutdown().await;
    cluster.shutdown().await;
}
