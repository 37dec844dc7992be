//! The rules tried by Prometheus' own tester, and that each alert is tried both ways.

use std::collections::BTreeMap;

use external_webhooks::api::table::Alert;
use serde::Deserialize;
use testbed::control_plane::tools::PROMTOOL;

use crate::alerts::{RULES, name};
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
    exp_alerts: Vec<serde_json::Value>,
}

#[tokio::test]
async fn every_alert_fires_and_is_silent_when_it_should() {
    let promtool = PROMTOOL.find().await.unwrap();
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
    for args in [
        vec!["check".into(), "rules".into(), root().join(RULES)],
        [vec!["test".into(), "rules".into()], files].concat(),
    ] {
        let output = std::process::Command::new(&promtool).args(&args).output().unwrap();
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "promtool {args:?}\n{}{}", said(&output.stdout), said(&output.stderr));
    }
}
