//! What others think of the chart and of every manifest of the repository.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use kube::Client;
use serde_json::{Map, Value, json};
use testbed::control_plane::tools::{KUBE_SCORE, KUBECONFORM};

use super::{ROOT, SETS, output, rendered, set, text};
use crate::support::cluster;

/// kube-score's tests that we answer with no, and why.
const NOT_OURS: &[(&str, &str)] = &[
    // The tag of a release never moves, so pulling it again and again only makes a registry's outage ours.
    ("--ignore-test", "container-image-pull-policy"),
];

#[tokio::test]
async fn kube_score_finds_nothing_critical() {
    let folder = tempfile::tempdir().unwrap();
    for name in SETS {
        let path = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, rendered(&["--values", &set(name)]).await).unwrap();
        let mut command = Command::new(KUBE_SCORE.find().await.unwrap());
        command.arg("score").args(NOT_OURS.iter().flat_map(|(flag, test)| [flag, test]));
        // No limit of CPU on purpose: throttled probes cause restarts.
        command.arg("--ignore-container-cpu-limit").args(["--output-format", "ci"]).arg(path);
        let said = text(&output(command).await.stdout);
        assert!(said.contains("[OK]"), "{name}: {said}");
        let critical: Vec<&str> = said.lines().filter(|line| line.contains("[CRITICAL]")).collect();
        assert!(critical.is_empty(), "{name}: {critical:#?}");
    }
}

/// Kinds whose definitions are other projects' and not in this repository.
const THEIRS: &str = "ServiceMonitor,PrometheusRule,Kustomization,Component,Application,AppProject,GitRepository,\
                      OCIRepository,HelmRepository,HelmRelease,ExternalSecret,SecretStore,ClusterSecretStore";

/// YAML that is no manifest: part of a file's path, and what it is.
const NO_MANIFEST: &[&str] = &[
    "charts/external-webhooks/Chart.yaml",
    "charts/external-webhooks/values.yaml",
    "charts/external-webhooks/ci/",
    "charts/external-webhooks/files/alerts.yaml",
    "charts/external-webhooks/templates/",
    "deploy/argocd/resource_customizations/",
    "deploy/flux/health-checks.yaml",
    "deploy/kube-state-metrics/",
    "tests/generated/rules/",
    "tests/integration/chart/previous/",
    // The list of cases of an Argo CD health script; the cases themselves are judged.
    "/health_test.yaml",
    ".github/",
];

/// What kubeconform says about files, with the schemas of this folder.
async fn conform(schemas: &Path, files: &[PathBuf]) -> (bool, String) {
    let mut command = Command::new(KUBECONFORM.find().await.unwrap());
    let location = schemas.join("{{.ResourceKind}}_{{.Group}}_{{.ResourceAPIVersion}}.json");
    command.args(["-strict", "-summary", "-skip", THEIRS, "-schema-location"]).arg(location).args(files);
    let output = output(command).await;
    (output.status.success(), text(&output.stdout) + &text(&output.stderr))
}

#[tokio::test]
async fn every_manifest_of_the_repository_is_what_the_server_publishes() {
    let (cluster, _) = cluster().await;
    let folder = tempfile::tempdir().unwrap();
    let schemas = folder.path().join("schemas");
    write_schemas(&cluster.admin(), &schemas).await;
    let mut files = manifests(Path::new(ROOT));
    assert!(files.iter().any(|file| file.ends_with("examples/three-practices/20-endpoint.yaml")), "{files:?}");
    for name in SETS {
        let path = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&path, rendered(&["--values", &set(name)]).await).unwrap();
        files.push(path);
    }
    let (passed, said) = conform(&schemas, &files).await;
    assert!(passed, "{said}");
    // It can fail: a field that nobody knows, and a value of another type.
    let wrong = folder.path().join("wrong.yaml");
    for line in ["targetUrI: https://a.example.com", "active: perhaps"] {
        let text = format!(
            "apiVersion: external-webhooks.io/v1alpha1\nkind: WebhookEndpoint\nmetadata: {{name: a}}\nspec:\n  targetUrl: https://a.example.com\n  {line}\n"
        );
        std::fs::write(&wrong, text).unwrap();
        assert!(!conform(&schemas, std::slice::from_ref(&wrong)).await.0, "{line} passes");
    }
}

/// Every YAML file of the repository that is a manifest.
fn manifests(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let relative = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            // What is built, and what version control keeps.
            if path.is_dir() && !matches!(relative.as_str(), "target" | ".git" | ".cache") {
                folders.push(path);
            } else if relative.ends_with(".yaml") && !NO_MANIFEST.iter().any(|part| relative.contains(part)) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Writes a schema for each kind that the server publishes, each complete in itself.
async fn write_schemas(client: &Client, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let request = axum::http::Request::get("/openapi/v2").body(Vec::new()).unwrap();
    let api: Value = client.request(request).await.unwrap();
    let definitions = api["definitions"].as_object().unwrap();
    let mut kinds = 0;
    for (name, definition) in definitions {
        for kind in definition["x-kubernetes-group-version-kind"].as_array().into_iter().flatten() {
            let part = |field: &str| kind[field].as_str().unwrap_or_default().to_owned();
            let mut used = BTreeMap::new();
            collect(name, definitions, &mut used);
            let reference = format!("#/definitions/{name}");
            let schema = json!({"$ref": reference, "definitions": used});
            // kubeconform's names; what has no group has its version there.
            let group = if part("group").is_empty() { part("version") } else { part("group") };
            let file = format!("{}_{group}_{}.json", part("kind").to_lowercase(), part("version"));
            std::fs::write(folder.join(file), schema.to_string()).unwrap();
            kinds += 1;
        }
    }
    assert!(kinds > 50, "{kinds} kinds");
}

/// A definition and all that it refers to.
fn collect(name: &str, all: &Map<String, Value>, used: &mut BTreeMap<String, Value>) {
    if used.contains_key(name) {
        return;
    }
    let mut definition = all[name].clone();
    let mut references = BTreeSet::new();
    close(&mut definition, &mut references);
    used.insert(name.to_owned(), definition);
    for reference in references {
        collect(&reference, all, used);
    }
}

/// Refuses unknown fields wherever fields are named, and notes the references.
fn close(schema: &mut Value, references: &mut BTreeSet<String>) {
    let reference = schema["$ref"].as_str().and_then(|text| text.strip_prefix("#/definitions/"));
    if let Some(name) = reference {
        references.insert(name.to_owned());
        return;
    }
    // This form of schema cannot say that something is a string or a number; the format of these says so.
    if schema["format"] == "int-or-string" {
        *schema = json!({"type": ["string", "integer"]});
        return;
    }
    let preserves = schema["x-kubernetes-preserve-unknown-fields"] == true;
    let Some(parts) = schema.as_object_mut() else { return };
    parts.remove("format");
    if parts.contains_key("properties") && !parts.contains_key("additionalProperties") && !preserves {
        parts.insert("additionalProperties".into(), Value::Bool(false));
    }
    for (name, part) in parts.iter_mut() {
        match (name.as_str(), part) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(|one| close(one, references)),
            ("items" | "additionalProperties", part) if part.is_object() => close(part, references),
            _ => {}
        }
    }
}
