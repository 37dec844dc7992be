//! The values: nothing unknown is taken, and the table in the chart's README is what `values.yaml` says.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{CHART, documents, template, text};

/// Where the table is, between these lines.
const BEGIN: &str = "<!-- values: written by make chart-docs -->";
const END: &str = "<!-- end of values -->";

#[tokio::test]
async fn unknown_keys_are_refused_at_every_depth() {
    for wrong in
        ["replicas=2", "image.tga=1", "metrics.serviceMonitor.enable=true", "logFormat=xml", "namespaces={Not_A_Name}"]
    {
        let refused = template(&["--set", wrong]).await;
        assert!(!refused.status.success(), "{wrong} is taken");
        let word = wrong.split(['=', '.']).next().unwrap();
        assert!(text(&refused.stderr).contains(word), "{wrong}: {}", text(&refused.stderr));
    }
}

/// Paths of the values below a schema; an object whose keys are the user's counts as one.
fn schema_paths(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) => {
            assert_eq!(schema["additionalProperties"], false, "{path} takes unknown keys");
            for (name, property) in properties {
                schema_paths(&format!("{path}{}{name}", if path.is_empty() { "" } else { "." }), property, found);
            }
        }
        None => {
            found.insert(path.to_owned());
        }
    }
}

#[test]
fn the_schema_and_the_values_know_the_same_keys() {
    let schema: Value = serde_json::from_str(&read("values.schema.json")).unwrap();
    let mut known = BTreeSet::new();
    schema_paths("", &schema, &mut known);
    // Helm gives it to every chart of a chart.
    known.remove("global");
    let rows = rows();
    // Resources are names of the user's, of which we set some.
    let written: BTreeSet<String> = rows
        .iter()
        .map(|row| match row.key.rsplit_once('.') {
            Some((parent @ ("resources.requests" | "resources.limits"), _)) => parent.to_owned(),
            _ => row.key.clone(),
        })
        .collect();
    assert_eq!(known, written);
}

fn read(file: &str) -> String {
    std::fs::read_to_string(format!("{CHART}/{file}")).unwrap_or_default()
}

/// One value.
struct Row {
    key: String,
    default: Value,
    about: String,
}

/// Every value with its comment, in the order of `values.yaml`.
fn rows() -> Vec<Row> {
    let text = read("values.yaml");
    let values = documents(&text).remove(0);
    let (mut rows, mut parents, mut about) = (Vec::new(), Vec::<String>::new(), String::new());
    for line in text.lines() {
        let inner = line.trim_start();
        if let Some(comment) = inner.strip_prefix("# -- ") {
            about = comment.to_owned();
            continue;
        }
        let depth = (line.len() - inner.len()) / 2;
        let Some((key, _)) = inner.split_once(':').filter(|_| !inner.starts_with('#') && !inner.starts_with('-'))
        else {
            continue;
        };
        parents.truncate(depth);
        parents.push(key.to_owned());
        if about.is_empty() {
            continue;
        }
        let path = format!("/{}", parents.join("/"));
        let default = values.pointer(&path).unwrap_or_else(|| panic!("{path} is not in values.yaml")).clone();
        rows.push(Row { key: parents.join("."), default, about: std::mem::take(&mut about) });
    }
    rows
}

fn table() -> String {
    let mut table = String::from("| value | default | is |\n|---|---|---|\n");
    for Row { key, default, about } in rows() {
        table.push_str(&format!("| `{key}` | `{default}` | {} |\n", about.replace('|', "\\|")));
    }
    table
}

/// `make chart-docs` sets `UPDATE_CHART_DOCS`.
#[test]
fn the_readme_has_the_table_of_values() {
    let readme = read("README.md");
    let (before, rest) = readme.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!("{before}{BEGIN}\n{}{END}{after}", table());
    if std::env::var_os("UPDATE_CHART_DOCS").is_some() {
        std::fs::write(format!("{CHART}/README.md"), expected).unwrap();
        return;
    }
    assert!(readme == expected, "charts/external-webhooks/README.md is out of date: run make chart-docs");
}
