//! The chart: what it makes, what others think of it, and whether what it installs works. There is no kubelet here, so where a
//! Deployment would run pods the test runs the binary with the Deployment's arguments, environment and ServiceAccount.
//!
//! | file | subject |
//! |---|---|
//! | `render` | what is made of which values, without a cluster |
//! | `values` | the schema, and the table of values in the chart's README |
//! | `judges` | kube-score, and kubeconform with the API server's own schemas on every manifest of the repository |
//! | `install` | an API server takes it; installed, changed, removed, and installed again |
//! | `rights` | no rule is missing and none unused, in both modes |
//! | `upgrade` | from the version before the last change of the definitions to this one and back, in the middle of a rotation |

mod install;
mod judges;
mod render;
mod rights;
mod upgrade;
mod values;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use testbed::control_plane::ControlPlane;
use testbed::control_plane::tools::HELM;

use crate::support::Running;

/// The chart.
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/charts/external-webhooks");
/// The repository.
const ROOT: &str = env!("CARGO_MANIFEST_DIR");
/// Release and namespace, so that names are those of `rbac/`.
const RELEASE: &str = "external-webhooks";
/// See [`RELEASE`].
const SYSTEM: &str = "external-webhooks-system";
/// The sets of values that everything is tried with.
const SETS: [&str; 3] = ["default", "namespaced", "everything"];

/// The file of a set of values.
fn set(name: &str) -> String {
    format!("{CHART}/ci/{name}-values.yaml")
}

/// A `helm` that neither reads nor writes anything of the user's.
async fn helm(cluster: Option<&ControlPlane>) -> Command {
    let mut command = Command::new(HELM.find().await.unwrap());
    let home = std::env::temp_dir().join("external-webhooks-helm");
    for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(name, &home);
    }
    let nowhere = PathBuf::from("/dev/null");
    command.env("KUBECONFIG", cluster.map_or(nowhere, ControlPlane::admin_kubeconfig));
    command
}

/// Runs a program beside the runtime.
async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs a program that must succeed, and answers what it printed.
async fn succeeds(command: Command) -> String {
    let shown = format!("{command:?}");
    let output = output(command).await;
    assert!(output.status.success(), "{shown}\n{}\n{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// `helm template` with these arguments.
async fn template(args: &[&str]) -> Output {
    let mut command = helm(None).await;
    command.args(["template", RELEASE, CHART, "--namespace", SYSTEM]).args(args);
    output(command).await
}

/// What the chart makes of these arguments, as text.
async fn rendered(args: &[&str]) -> String {
    let output = template(args).await;
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The documents of a YAML text.
fn documents(yaml: &str) -> Vec<Value> {
    let all: Vec<Value> = serde_saphyr::from_multiple(yaml).unwrap_or_else(|error| panic!("{error}\n{yaml}"));
    all.into_iter().filter(|document| !document.is_null()).collect()
}

/// The documents of a kind.
fn of_kind<'a>(all: &'a [Value], kind: &str) -> Vec<&'a Value> {
    all.iter().filter(|document| document["kind"] == kind).collect()
}

/// Starts the binary as the container of this Deployment: its arguments, its environment and nothing else. Two things stand in
/// for what a kubelet gives: the kubeconfig for the mounted token, and a free port of this machine for the pod's own.
fn run_as(deployment: &Value, binary: &Path, kubeconfig: &Path) -> Running {
    let pod = &deployment["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let mut command = Command::new(binary);
    for argument in container["args"].as_array().unwrap() {
        let argument = argument.as_str().unwrap();
        command.arg(if argument.starts_with("--http-addr=") { "--http-addr=127.0.0.1:0" } else { argument });
    }
    command.env_clear().env("KUBECONFIG", kubeconfig);
    for variable in container["env"].as_array().unwrap() {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            None => variable["value"].as_str().unwrap(),
            Some("metadata.name") => "operator-0",
            Some("metadata.namespace") => deployment["metadata"]["namespace"].as_str().unwrap(),
            Some(other) => panic!("a field that this test does not know: {other}"),
        };
        command.env(variable["name"].as_str().unwrap(), value);
    }
    Running::start(command)
}
