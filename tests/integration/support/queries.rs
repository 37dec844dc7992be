//! What the alert rules and the dashboard ask of the metrics, read from the files that the chart installs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

/// Labels that a scrape adds.
const OF_THE_SCRAPE: [&str; 2] = ["job", "namespace"];

/// One query: metrics with the labels that it selects by, and the labels by which it groups.
#[derive(Debug, Default)]
pub struct Query {
    /// The text.
    pub text: String,
    /// Names of metrics, each with labels in its braces.
    pub metrics: Vec<(String, BTreeSet<String>)>,
    /// Labels after `by` and `on`.
    pub groups: BTreeSet<String>,
}

/// Every query of the rules and the dashboard.
pub fn queries() -> Vec<Query> {
    let file = |name: &str| {
        let path = format!("{}/charts/external-webhooks/files/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap()
    };
    let rules: Value = serde_saphyr::from_str(&file("alerts.yaml")).unwrap();
    let dashboard: Value = serde_json::from_str(&file("dashboard.json")).unwrap();
    let mut texts = Vec::new();
    expressions(&rules, &mut texts);
    expressions(&dashboard, &mut texts);
    assert!(texts.len() > 40, "only {} queries were found", texts.len());
    texts.into_iter().map(|text| parse(&text)).collect()
}

fn expressions(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if name == "expr" => found.push(text.clone()),
                    other => expressions(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| expressions(item, found)),
        _ => {}
    }
}

fn parse(text: &str) -> Query {
    let mut query = Query { text: text.to_owned(), ..Query::default() };
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for (at, _) in text.match_indices("external_webhooks_") {
        let rest = &text[at..];
        let name: String = rest.chars().take_while(|c| word(*c)).collect();
        let inside = rest[name.len()..].strip_prefix('{').and_then(|rest| rest.split('}').next()).unwrap_or_default();
        // A comma inside a value would be cut here too; its half names no label of ours and fails loudly.
        let labels = inside.split(',').filter(|part| !part.is_empty());
        query.metrics.push((name, labels.map(|part| part.chars().take_while(|c| word(*c)).collect()).collect()));
    }
    for start in ["by (", "on ("] {
        for part in text.split(start).skip(1) {
            let inside = part.split(')').next().unwrap_or_default();
            query.groups.extend(inside.split(',').map(|label| label.trim().to_owned()));
        }
    }
    query
}

/// Metrics that queries name and a page has no family of.
pub fn unknown_metrics(page: &str) -> BTreeSet<String> {
    let families: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let known = |name: &str| {
        let stems = ["_total", "_bucket", "_count", "_sum"].into_iter().filter_map(|end| name.strip_suffix(end));
        families.contains(name) || stems.into_iter().any(|stem| families.contains(stem))
    };
    let names = queries().into_iter().flat_map(|query| query.metrics).map(|(name, _)| name);
    names.filter(|name| !known(name)).collect()
}

/// Labels that queries use and series of a page do not have, and metrics that the page has no series of.
pub fn unknown_labels(page: &str) -> (Vec<String>, BTreeSet<String>) {
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap_or_default();
        let inside = line.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inside, _)| inside);
        let names = inside.split("=\"").filter_map(|part| part.rsplit([',', '"']).next());
        labels.entry(name).or_default().extend(names.filter(|name| !name.is_empty()));
    }
    let (mut wrong, mut silent) = (Vec::new(), BTreeSet::new());
    for query in queries() {
        let mut all: BTreeSet<&str> = OF_THE_SCRAPE.into();
        let mut whole = true;
        for (metric, used) in &query.metrics {
            let Some(has) = labels.get(metric.as_str()) else {
                silent.insert(metric.clone());
                whole = false;
                continue;
            };
            all.extend(has);
            wrong.extend(
                used.iter()
                    .filter(|label| !has.contains(label.as_str()))
                    .map(|label| format!("{metric} has no {label}")),
            );
        }
        let strange = query.groups.iter().filter(|label| whole && !all.contains(label.as_str()));
        wrong.extend(strange.map(|label| format!("nothing has {label} in {}", query.text)));
    }
    (wrong, silent)
}

#[test]
fn a_mistyped_query_is_found() {
    let query =
        parse("max by (kind, name) (external_webhooks_x_total{a=\"1\",b=~\"2\"}) and on (c) external_webhooks_y");
    let labels = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
    let expected = [
        ("external_webhooks_x_total".to_owned(), labels(&["a", "b"])),
        ("external_webhooks_y".to_owned(), labels(&[])),
    ];
    assert_eq!(query.metrics, expected);
    assert_eq!(query.groups, labels(&["kind", "name", "c"]));
    let page = "# TYPE external_webhooks_leader gauge\nexternal_webhooks_leader{x=\"1\"} 1\n";
    assert!(unknown_metrics(page).contains("external_webhooks_condition"));
    assert!(!unknown_metrics(page).contains("external_webhooks_leader"));
    let page = "external_webhooks_condition{kind=\"A\",name=\"b\"} 1\n";
    let (wrong, silent) = unknown_labels(page);
    assert!(wrong.contains(&"external_webhooks_condition has no type".to_owned()), "{wrong:?}");
    assert!(silent.contains("external_webhooks_leader"), "{silent:?}");
}
