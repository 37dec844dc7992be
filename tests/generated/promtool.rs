//! The rules tried by Prometheus' own tester, and that each alert is tried both ways.

use std::collections::BTreeMap;
use std::path::PathBuf;

use external_webhooks::api::table::Alert;
use serde::Deserialize;
use serde_json::Value;
use testbed::control_plane::tools::PROMTOOL;

use crate::alerts::{RULES, name};
use crate::dashboard::DASHBOARD;
use crate::root;

#[derive(Deserialize)]
struct File {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    alert_rule_test: Vec<Expectation>,
}

#[derive(Deserialize)]
struct Expectation {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<Value>,
}

#[tokio::test]
async fn every_alert_fires_and_is_silent_when_it_should() {
    let mut files = Vec::new();
    let mut tried: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for entry in std::fs::read_dir(root().join("tests/generated/rules")).unwrap() {
        let path = entry.unwrap().path();
        let file: File = serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        for expectation in file.tests.into_iter().flat_map(|case| case.alert_rule_test) {
            let count = tried.entry(expectation.alertname).or_default();
            *(if expectation.exp_alerts.is_empty() { &mut count.1 } else { &mut count.0 }) += 1;
        }
        files.push(path);
    }
    for alert in Alert::ALL {
        let (firing, silent) = tried.remove(&name(*alert)).unwrap_or_default();
        assert!(firing > 0, "no test in tests/generated/rules in which {alert} fires");
        assert!(silent > 0, "no test in tests/generated/rules in which {alert} is silent");
    }
    assert!(tried.is_empty(), "tests of alerts that are not there: {tried:?}");
    run(&["check".into(), "rules".into(), root().join(RULES)]).await;
    run(&[vec!["test".into(), "rules".into()], files].concat()).await;
}

/// Prometheus reads the dashboard's queries too, as if they were rules.
#[tokio::test]
async fn the_queries_of_the_dashboard_are_understood() {
    let text = std::fs::read_to_string(root().join(DASHBOARD)).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array()).flatten();
    let rule = |target: &Value| {
        let query = target["expr"].as_str().unwrap().replace("$namespace", ".*");
        serde_json::json!({"record": "external_webhooks:query", "expr": query})
    };
    let rules: Vec<Value> = targets.map(rule).collect();
    assert!(rules.len() > 25, "only {} queries", rules.len());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rules.yaml");
    let groups = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(&file, groups.to_string()).unwrap();
    run(&["check".into(), "rules".into(), "--lint=none".into(), file]).await;
}

async fn run(args: &[PathBuf]) {
    let promtool = PROMTOOL.find().await.unwrap();
    let output = std::process::Command::new(promtool).args(args).output().unwrap();
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "promtool {args:?}\n{}{}", said(&output.stdout), said(&output.stderr));
}
