//! What is made of which values.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::{Value, json};

use super::{CHART, ROOT, SETS, documents, helm, of_kind, rendered, set, succeeds, template, text};

#[tokio::test]
async fn lint_finds_nothing() {
    for name in SETS {
        let mut command = helm(None).await;
        command.args(["lint", "--strict", CHART, "--values", &set(name)]);
        succeeds(command).await;
    }
}

#[tokio::test]
async fn two_renders_are_the_same_bytes() {
    for name in SETS {
        let values = set(name);
        let args = ["--values", values.as_str()];
        assert_eq!(rendered(&args).await, rendered(&args).await, "{name}: GitOps would show a diff for ever");
    }
}

/// Files of a folder by name.
fn files(folder: &str) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| (text(path.file_name().unwrap().as_encoded_bytes()), std::fs::read_to_string(path).unwrap()))
        .collect()
}

#[tokio::test]
async fn the_definitions_are_those_of_crds() {
    let (ours, own) = (files(&format!("{ROOT}/crds")), files(&format!("{CHART}/files/crds")));
    assert!(ours == own, "the chart's definitions are out of date: run make crds");
    let expected: Vec<Value> = ours.values().flat_map(|text| documents(text)).collect();
    for (keep, kept) in [("true", json!("keep")), ("false", Value::Null)] {
        let all = documents(&rendered(&["--set", &format!("crds.keep={keep}")]).await);
        let mut made: Vec<Value> = of_kind(&all, "CustomResourceDefinition").into_iter().cloned().collect();
        for definition in &mut made {
            let metadata = definition["metadata"].as_object_mut().unwrap();
            let policy =
                metadata.remove("annotations").map_or(Value::Null, |all| all["helm.sh/resource-policy"].clone());
            assert_eq!(policy, kept);
            assert!(metadata.remove("labels").is_some());
        }
        made.sort_by_key(|definition| definition["metadata"]["name"].to_string());
        assert_eq!(made, expected);
    }
    let without = documents(&rendered(&["--set", "crds.enabled=false"]).await);
    assert!(of_kind(&without, "CustomResourceDefinition").is_empty());
}

/// The chart's rules and the file that the integration tests apply: equal in everything but labels.
async fn assert_rights(file: &str, args: &[&str]) {
    let made = documents(&rendered(args).await);
    let is_rights = |document: &Value| document["apiVersion"].as_str().unwrap().starts_with("rbac.authorization");
    let key = |document: &Value| format!("{} {}", document["kind"], document["metadata"]["name"]);
    let plain = |document: &Value| {
        let mut document = document.clone();
        document["metadata"].as_object_mut().unwrap().remove("labels");
        (key(&document), document)
    };
    let source = documents(&std::fs::read_to_string(format!("{CHART}/rbac/{file}")).unwrap());
    let expected: BTreeMap<_, _> = source.iter().filter(|document| is_rights(document)).map(plain).collect();
    let found: BTreeMap<_, _> = made.iter().filter(|document| is_rights(document)).map(plain).collect();
    assert!(expected.len() >= 4, "{file}: {:?}", expected.keys());
    assert_eq!(found, expected, "{file}");
}

#[tokio::test]
async fn the_rules_are_those_that_the_tests_run_under() {
    assert_rights("cluster.yaml", &[]).await;
    assert_rights("namespaced.yaml", &["--set", "namespaces={watched-namespace}"]).await;
    let reasons = rendered(&[]).await;
    assert!(reasons.contains("# get: API keys and our own signing keys"), "the reasons are rendered too");
    let none = documents(&rendered(&["--set", "rbac.create=false"]).await);
    assert!(!none.iter().any(|document| document["kind"].as_str().unwrap().contains("Role")));
}

#[tokio::test]
async fn each_watched_namespace_has_its_own_rights_and_names_follow_the_release() {
    let all = documents(&rendered(&["--set", "namespaces={b,a,b}", "--set", "fullnameOverride=hooks"]).await);
    let place = |kind: &str| -> BTreeSet<String> {
        let found = of_kind(&all, kind).into_iter();
        found
            .map(|one| {
                format!(
                    "{}/{}",
                    one["metadata"]["namespace"].as_str().unwrap_or("-"),
                    one["metadata"]["name"].as_str().unwrap()
                )
            })
            .collect()
    };
    let expected = ["a/hooks", "b/hooks", "external-webhooks-system/hooks-lease"].map(str::to_owned);
    assert_eq!(place("Role"), BTreeSet::from(expected.clone()));
    assert_eq!(place("RoleBinding"), BTreeSet::from(expected));
    assert_eq!(place("ClusterRole"), BTreeSet::from(["-/hooks-namespaced".to_owned()]));
    for binding in of_kind(&all, "RoleBinding").into_iter().chain(of_kind(&all, "ClusterRoleBinding")) {
        assert_eq!(
            binding["subjects"],
            json!([{"kind": "ServiceAccount", "name": "hooks", "namespace": "external-webhooks-system"}])
        );
        assert_eq!(binding["roleRef"]["name"], binding["metadata"]["name"]);
    }
    let args = &of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"];
    assert!(args.to_string().contains(r#""--namespace=b","--namespace=a""#), "each once: {args}");
    // A long name is cut so that the suffixes of roles fit.
    let long = format!("fullnameOverride={}", "n".repeat(80));
    for document in documents(&rendered(&["--set", &long]).await) {
        assert!(document["metadata"]["name"].as_str().unwrap().len() <= 63);
    }
}

#[tokio::test]
async fn replicas_and_election_belong_together() {
    let kinds = |all: &[Value], kind: &str| of_kind(all, kind).len();
    let one = documents(&rendered(&[]).await);
    let deployment = of_kind(&one, "Deployment")[0].clone();
    assert_eq!(deployment["spec"]["strategy"]["type"], "RollingUpdate");
    assert_eq!(kinds(&one, "PodDisruptionBudget"), 0, "a budget for one replica would hold up every drain");
    assert!(deployment["spec"]["template"]["spec"]["topologySpreadConstraints"].is_null());
    let two = documents(&rendered(&["--set", "replicaCount=2"]).await);
    assert_eq!(kinds(&two, "PodDisruptionBudget"), 1);
    let spread = &of_kind(&two, "Deployment")[0]["spec"]["template"]["spec"]["topologySpreadConstraints"];
    assert_eq!(spread.as_array().map(Vec::len), Some(2));
    let without = documents(&rendered(&["--set", "leaderElection.enabled=false"]).await);
    let without = of_kind(&without, "Deployment")[0];
    assert_eq!(without["spec"]["strategy"], json!({"type": "Recreate"}));
    let refused = template(&["--set", "leaderElection.enabled=false,replicaCount=2"]).await;
    assert!(!refused.status.success() && text(&refused.stderr).contains("replicaCount"), "{}", text(&refused.stderr));
}

/// A flag that no value reaches is one that users of the chart do not have.
#[tokio::test]
async fn every_flag_of_the_operator_is_a_value() {
    let help = Command::new(env!("CARGO_BIN_EXE_external-webhooks")).args(["run", "--help"]).output().unwrap();
    let help = text(&help.stdout);
    let flags: BTreeSet<&str> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("--"))
        .map(|rest| rest.split([' ', '=', '[']).next().unwrap_or_default())
        .collect();
    assert!(flags.contains("http-addr") && flags.len() >= 6, "{flags:?}");
    let mut used = String::new();
    for name in SETS {
        let all = documents(&rendered(&["--values", &set(name)]).await);
        used.push_str(&of_kind(&all, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]["args"].to_string());
    }
    let missing: Vec<_> = flags.iter().filter(|flag| !used.contains(&format!("\"--{flag}"))).collect();
    assert!(missing.is_empty(), "no value sets {missing:?}");
}

#[tokio::test]
async fn monitoring_carries_the_files_of_the_chart() {
    let all = documents(&rendered(&["--values", &set("namespaced")]).await);
    let rule = of_kind(&all, "PrometheusRule")[0];
    let alerts = documents(&std::fs::read_to_string(format!("{CHART}/files/alerts.yaml")).unwrap());
    assert_eq!(rule["spec"], alerts[0], "PrometheusRule takes what Prometheus takes");
    assert_eq!(of_kind(&all, "ServiceMonitor").len(), 1);
    let dashboard = of_kind(&all, "ConfigMap")[0]["data"]["external-webhooks.json"].as_str().unwrap();
    let source = std::fs::read_to_string(format!("{CHART}/files/dashboard.json")).unwrap();
    let parsed = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert_eq!(parsed(dashboard), parsed(&source));
    let plain = documents(&rendered(&[]).await);
    for kind in ["PrometheusRule", "ServiceMonitor", "ConfigMap"] {
        assert!(of_kind(&plain, kind).is_empty(), "{kind} is a switch");
    }
}
