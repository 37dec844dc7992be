//! Every YAML that a reader may apply is accepted by a real API server, unknown fields included: `examples/`, `deploy/` (other
//! projects' kinds by their own schemas), what Kustomize makes of it, and every YAML in the docs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use testbed::control_plane::ControlPlane;

use crate::support::{cluster, kubectl};

const OURS: &str = "external-webhooks.io/";
const KUSTOMIZE: &str = "kustomize.config.k8s.io/";
/// Kinds that the chart's own tests judge, by the schemas of the project that has them.
const ELSEWHERE: &[&str] = &["monitoring.coreos.com/"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Files with this extension in a folder and everything below it, by name, as paths from the root of the repository.
fn files(folder: &str, extension: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            found.extend(files(&name, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            found.push(name);
        }
    }
    found.sort();
    found
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn documents(origin: &str, text: &str) -> Vec<Value> {
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{origin} is no YAML: {error}"));
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

fn api_version(document: &Value) -> &str {
    document["apiVersion"].as_str().unwrap_or_default()
}

/// The blocks of a page that are marked with a language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut block: Option<String> = None;
    for line in page.lines() {
        match &mut block {
            Some(_) if line.trim_start().starts_with("```") => found.extend(block.take()),
            Some(text) => text.push_str(&format!("{line}\n")),
            None if line.trim_start() == format!("```{language}") => block = Some(String::new()),
            None => {}
        }
    }
    found
}

/// Kinds that this version has definitions of.
fn served() -> BTreeSet<String> {
    let definitions = files("crds", "yaml").into_iter().flat_map(|file| documents(&file, &read(&file)));
    definitions.map(|definition| definition["spec"]["names"]["kind"].as_str().unwrap().to_owned()).collect()
}

/// All YAML, by where it comes from, without what only Kustomize reads.
async fn everything(cluster: &ControlPlane) -> Vec<(String, Vec<Value>)> {
    let mut all = Vec::new();
    for file in ["examples", "deploy"].into_iter().flat_map(|folder| files(folder, "yaml")) {
        let found = documents(&file, &read(&file));
        if found
            .iter()
            .any(|document| api_version(document).starts_with(KUSTOMIZE) && document["kind"] == "Kustomization")
        {
            let folder = root().join(&file);
            let folder = folder.parent().unwrap().to_str().unwrap();
            let made = kubectl(cluster, &["kustomize", folder], "").await;
            let made = made.unwrap_or_else(|error| panic!("kubectl kustomize {folder}: {error}"));
            all.push((format!("kubectl kustomize {folder}"), documents(&file, &made)));
        }
        all.push((file, found));
    }
    let pages = ["README.md", "examples/README.md", "deploy/README.md"].map(str::to_owned);
    for page in pages.into_iter().chain(files("docs", "md")) {
        let found = blocks(&read(&page), "yaml").iter().flat_map(|block| documents(&page, block)).collect::<Vec<_>>();
        all.push((page, found));
    }
    let mut fragments = 0;
    for (_, documents) in &mut all {
        documents.retain(|document| {
            let version = api_version(document);
            // A part of an object, to be written into one of the reader's own, or another program's configuration.
            fragments += usize::from(version.is_empty());
            let apart = version.is_empty() || version.starts_with(KUSTOMIZE);
            !apart && !ELSEWHERE.iter().any(|group| version.starts_with(group))
        });
    }
    assert!(fragments < 40, "{fragments} documents are no objects, so that nothing judges them");
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_manifest_is_accepted() {
    let (cluster, _) = cluster().await;
    let foreign = tokio::task::spawn_blocking(testbed::foreign::definitions);
    cluster.apply_yaml(&foreign.await.unwrap().unwrap()).await.unwrap();
    let (all, served) = (everything(cluster).await, served());
    let namespaces: BTreeSet<&str> = all
        .iter()
        .flat_map(|(_, found)| found)
        .filter_map(|document| document["metadata"]["namespace"].as_str())
        .collect();
    for name in namespaces {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        cluster.apply_yaml(&namespace.to_string()).await.unwrap();
    }
    let (mut judged, mut refused, mut awaited) = (0, Vec::new(), Vec::new());
    for (origin, found) in all {
        let known = |document: &&Value| {
            let kinds = [&document["kind"], &document["spec"]["accountRef"]["kind"]];
            let ours = api_version(document).starts_with(OURS);
            !ours || kinds.iter().filter_map(|kind| kind.as_str()).all(|kind| served.contains(kind))
        };
        let (items, unknown): (Vec<&Value>, Vec<&Value>) = found.iter().partition(known);
        awaited.extend(unknown.into_iter().map(Value::to_string));
        if items.is_empty() {
            continue;
        }
        judged += items.len();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        let arguments = ["apply", "--dry-run=server", "--validate=strict", "-f", "-"];
        if let Err(error) = kubectl(cluster, &arguments, &list).await {
            refused.push(format!("{origin}: {error}"));
        }
    }
    assert!(refused.is_empty(), "{}", refused.join("\n"));
    assert!(judged > 60, "only {judged} documents were found");
    // A kind that is documented before it is served is judged from the day on which its definition is in crds/.
    assert!(awaited.iter().all(|document| document.contains("ClusterProviderAccount")), "not served: {awaited:?}");
}

#[test]
fn every_sample_is_listed_for_its_readers() {
    for folder in ["examples", "deploy"] {
        let listed = read(&format!("{folder}/README.md"));
        for file in files(folder, "yaml") {
            let path = Path::new(&file).strip_prefix(folder).unwrap();
            let mut ways = path.ancestors().filter(|part| !part.as_os_str().is_empty());
            let found = ways.any(|part| {
                let part = part.to_str().unwrap();
                listed.contains(&format!("`{part}`")) || listed.contains(&format!("`{part}/`"))
            });
            assert!(found, "{folder}/README.md does not say what {file} is");
        }
    }
}

/// Whether a definition has this field, as a JSON pointer.
fn has_field(kind: &str, pointer: &str) -> bool {
    let definitions = files("crds", "yaml").into_iter().flat_map(|file| documents(&file, &read(&file)));
    let definition = definitions.into_iter().find(|definition| definition["spec"]["names"]["kind"] == kind).unwrap();
    let mut schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    for name in pointer.split('/').skip(1) {
        schema = &schema["properties"][name];
    }
    schema.is_object()
}

#[test]
fn what_samples_name_in_other_words_is_there() {
    let application = documents("clinics.yaml", &read("deploy/argocd/clinics.yaml")).remove(0);
    let ignored = application["spec"]["ignoreDifferences"].as_array().unwrap();
    for rule in ignored {
        for pointer in rule["jsonPointers"].as_array().unwrap() {
            let (kind, pointer) = (rule["kind"].as_str().unwrap(), pointer.as_str().unwrap());
            assert!(has_field(kind, pointer), "{kind} has no {pointer}");
        }
    }
    assert!(!ignored.is_empty() && !has_field("WebhookEndpoint", "/spec/suspended"), "a pointer can be wrong");
    for folder in [&application["spec"]["source"]["path"], &json!("deploy/flux/operator")] {
        assert!(root().join(folder.as_str().unwrap()).join("kustomization.yaml").exists(), "{folder}");
    }
    for kustomization in documents("kustomizations.yaml", &read("deploy/flux/kustomizations.yaml")) {
        let path = kustomization["spec"]["path"].as_str().unwrap();
        assert!(root().join(path).join("kustomization.yaml").exists(), "{path}");
    }
}

#[test]
fn blocks_are_found_by_their_language() {
    let page = "a\n```yaml\nb: c\n```\n```sh\nd\n```\n```yaml values\ne\n```\n";
    assert_eq!(blocks(page, "yaml"), ["b: c\n"]);
    assert_eq!(blocks(page, "sh"), ["d\n"]);
}
