//! The Grafana dashboard, charts/external-webhooks/files/dashboard.json.

use serde_json::{Value, json};

use crate::golden;

/// Where the dashboard is.
pub const DASHBOARD: &str = "charts/external-webhooks/files/dashboard.json";

/// How a panel draws.
#[derive(Clone, Copy)]
enum Draw {
    /// One number.
    Number,
    /// Lines over time.
    Lines,
    /// Labels and value of each series now.
    Table,
}

struct Panel {
    title: &'static str,
    says: &'static str,
    draw: Draw,
    unit: &'static str,
    /// Query and legend.
    queries: &'static [(&'static str, &'static str)],
}

const fn panel(
    title: &'static str,
    says: &'static str,
    draw: Draw,
    unit: &'static str,
    queries: &'static [(&'static str, &'static str)],
) -> Panel {
    Panel { title, says, draw, unit, queries }
}

const SECTIONS: &[(&str, &[Panel])] = &[
    (
        "Fleet",
        &[
            panel(
                "Ready",
                "Part of all objects whose Ready is True",
                Draw::Number,
                "percentunit",
                &[(
                    "avg(max by (kind, namespace, name) (external_webhooks_condition{namespace=~\"$namespace\",type=\"Ready\",status=\"True\"}))",
                    "",
                )],
            ),
            panel(
                "Waiting for a person",
                "Objects that are Stalled",
                Draw::Number,
                "none",
                &[(
                    "count(max by (kind, namespace, name) (external_webhooks_condition{namespace=~\"$namespace\",type=\"Stalled\",status=\"True\"}) == 1) or vector(0)",
                    "",
                )],
            ),
            panel(
                "Deletions held up",
                "Objects that are being deleted while something is in the way",
                Draw::Number,
                "none",
                &[(
                    "count(max by (kind, namespace, name) (external_webhooks_deletion_blocked_seconds{namespace=~\"$namespace\"})) or vector(0)",
                    "",
                )],
            ),
            panel(
                "Delivery gaps, 7 days",
                "Time in which events of an endpoint could not arrive",
                Draw::Number,
                "s",
                &[(
                    "sum(increase(external_webhooks_delivery_gap_seconds_total{namespace=~\"$namespace\"}[7d])) or vector(0)",
                    "",
                )],
            ),
            panel(
                "Not ready, and why",
                "docs/conditions.md says what each reason means and what to do",
                Draw::Table,
                "none",
                &[(
                    "max by (kind, namespace, name, status, reason) (external_webhooks_condition_reason{namespace=~\"$namespace\",type=\"Ready\",status!=\"True\"})",
                    "",
                )],
            ),
            panel(
                "Ready by kind",
                "How many objects of each kind are ready",
                Draw::Lines,
                "none",
                &[(
                    "sum by (kind) (max by (kind, namespace, name) (external_webhooks_condition{namespace=~\"$namespace\",type=\"Ready\",status=\"True\"}))",
                    "{{kind}}",
                )],
            ),
            panel(
                "Held back and unclaimed",
                "Objects under suspend or Observe, and remote endpoints that no object claims",
                Draw::Lines,
                "none",
                &[
                    (
                        "sum(max by (kind, namespace, name) (external_webhooks_suspended{namespace=~\"$namespace\"}))",
                        "held back",
                    ),
                    (
                        "sum(max by (kind, namespace, name) (external_webhooks_unclaimed_endpoints{namespace=~\"$namespace\"}))",
                        "unclaimed",
                    ),
                ],
            ),
        ],
    ),
    (
        "Account budget",
        &[
            panel(
                "Budget left",
                "Part of each account's spec.rateLimit that is left: 1 all, 0 none",
                Draw::Lines,
                "percentunit",
                &[("max by (provider, account) (external_webhooks_provider_budget_ratio)", "{{account}}")],
            ),
            panel(
                "Waiting for the budget",
                "Seconds per second that calls wait for the budget or for a Retry-After",
                Draw::Lines,
                "none",
                &[("sum by (provider) (rate(external_webhooks_provider_throttled_seconds_total[5m]))", "{{provider}}")],
            ),
            panel(
                "Calls by how they ended",
                "Calls per second; a code that is no number says why there was none",
                Draw::Lines,
                "reqps",
                &[(
                    "sum by (provider, operation, code) (rate(external_webhooks_provider_requests_total[5m]))",
                    "{{provider}} {{operation}} {{code}}",
                )],
            ),
            panel(
                "Time of calls",
                "By operation, the median and the slowest hundredth",
                Draw::Lines,
                "s",
                &[
                    (
                        "histogram_quantile(0.5, sum by (le, operation) (rate(external_webhooks_provider_request_duration_seconds_bucket[5m])))",
                        "{{operation}} median",
                    ),
                    (
                        "histogram_quantile(0.99, sum by (le, operation) (rate(external_webhooks_provider_request_duration_seconds_bucket[5m])))",
                        "{{operation}} 99 %",
                    ),
                ],
            ),
        ],
    ),
    (
        "Rotation",
        &[
            panel(
                "Keys due",
                "Time until the signing key is due to be replaced; below zero it is late",
                Draw::Table,
                "s",
                &[(
                    "sort(max by (namespace, name) (external_webhooks_secret_rotation_due_timestamp_seconds{namespace=~\"$namespace\"}) - time())",
                    "",
                )],
            ),
            panel(
                "Under way",
                "For how long the present phase has been going on; Draining takes two days",
                Draw::Table,
                "s",
                &[(
                    "max by (namespace, name, phase) (external_webhooks_rotation_phase_seconds{namespace=~\"$namespace\"})",
                    "",
                )],
            ),
            panel(
                "Overdue",
                "Endpoints whose key could not be replaced in time, and why",
                Draw::Table,
                "none",
                &[(
                    "max by (namespace, name, reason) (external_webhooks_condition_reason{namespace=~\"$namespace\",type=\"RotationOverdue\",status=\"True\"})",
                    "",
                )],
            ),
            panel(
                "Receivers that fail the self-test",
                "How the receiver answered; genuine should be 2xx, forged 4xx",
                Draw::Table,
                "none",
                &[(
                    "max by (namespace, name, event, class) (external_webhooks_self_test_answer{namespace=~\"$namespace\",event=\"genuine\",class!=\"2xx\"} or external_webhooks_self_test_answer{namespace=~\"$namespace\",event=\"forged\",class!=\"4xx\"})",
                    "",
                )],
            ),
            panel(
                "Certificates of receivers",
                "Time until they end",
                Draw::Table,
                "s",
                &[(
                    "sort(max by (namespace, name) (external_webhooks_target_certificate_expiry_timestamp_seconds{namespace=~\"$namespace\"}) - time())",
                    "",
                )],
            ),
        ],
    ),
    (
        "Practices",
        &[
            panel(
                "Open and not fresh",
                "Monitors that say so while a practice of theirs is open",
                Draw::Table,
                "none",
                &[(
                    "max by (kind, namespace, name, reason) (external_webhooks_condition_reason{namespace=~\"$namespace\",type=\"SyncHealthy\",status=\"False\"}) and on (kind, namespace, name) max by (kind, namespace, name) (external_webhooks_office_open) == 1",
                    "",
                )],
            ),
            panel(
                "Fresh",
                "Part of all monitors with a verdict that is good",
                Draw::Number,
                "percentunit",
                &[(
                    "avg(max by (kind, namespace, name) (external_webhooks_condition{namespace=~\"$namespace\",type=\"SyncHealthy\",status=\"True\"}))",
                    "",
                )],
            ),
            panel(
                "Provider-wide outages",
                "Accounts that see many practices go bad together",
                Draw::Number,
                "none",
                &[(
                    "count(max by (kind, namespace, name) (external_webhooks_condition{namespace=~\"$namespace\",type=\"ProviderWideOutage\",status=\"True\"}) == 1) or vector(0)",
                    "",
                )],
            ),
            panel(
                "Open time since the last good read",
                "The worst practice of each monitor, within office hours",
                Draw::Lines,
                "s",
                &[(
                    "topk(10, max by (namespace, name) (external_webhooks_sync_read_age_seconds{namespace=~\"$namespace\",clock=\"open\"}))",
                    "{{namespace}}/{{name}}",
                )],
            ),
            panel(
                "Open time since the last good write",
                "The worst practice of each monitor, within office hours",
                Draw::Lines,
                "s",
                &[(
                    "topk(10, max by (namespace, name) (external_webhooks_sync_write_age_seconds{namespace=~\"$namespace\",clock=\"open\"}))",
                    "{{namespace}}/{{name}}",
                )],
            ),
        ],
    ),
    (
        "Operator",
        &[
            panel(
                "Leaders",
                "One, but for the seconds of a change",
                Draw::Number,
                "none",
                &[("sum(external_webhooks_leader)", "")],
            ),
            panel(
                "Longest wait for a pass",
                "Above 600 s the liveness probe fails",
                Draw::Lines,
                "s",
                &[("max(external_webhooks_oldest_unreconciled_seconds)", "longest wait")],
            ),
            panel(
                "Unconfirmed objects",
                "Their remote side was not confirmed since their last change",
                Draw::Lines,
                "none",
                &[("max(external_webhooks_unconfirmed_objects)", "unconfirmed")],
            ),
            panel(
                "Passes by how they ended",
                "Failed ones are trouble with the API server or the provider",
                Draw::Lines,
                "ops",
                &[("sum by (kind, outcome) (rate(external_webhooks_reconcile_total[5m]))", "{{kind}} {{outcome}}")],
            ),
            panel(
                "Writes to Kubernetes",
                "Nothing while nothing changes",
                Draw::Lines,
                "ops",
                &[("sum by (kind, verb) (rate(external_webhooks_kube_writes_total[5m]))", "{{kind}} {{verb}}")],
            ),
        ],
    ),
];

#[test]
fn the_dashboard_is_as_made() {
    golden(DASHBOARD, &format!("{}\n", serde_json::to_string_pretty(&dashboard()).unwrap()));
}

fn dashboard() -> Value {
    let (mut panels, mut y, mut id) = (Vec::new(), 0, 0);
    let mut next = || {
        id += 1;
        id
    };
    for (title, section) in SECTIONS {
        panels.push(json!({
            "id": next(), "type": "row", "title": title, "collapsed": false, "panels": [],
            "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
        }));
        y += 1;
        let (mut x, mut row) = (0, 0);
        for panel in *section {
            let (width, height) = match panel.draw {
                Draw::Number => (6, 4),
                Draw::Lines => (12, 8),
                Draw::Table => (12, 8),
            };
            if x + width > 24 {
                (x, y, row) = (0, y + row, 0);
            }
            panels.push(drawn(panel, next(), json!({"x": x, "y": y, "w": width, "h": height})));
            (x, row) = (x + width, row.max(height));
        }
        y += row;
    }
    let variable = |name: &str, label: &str| json!({"name": name, "label": label, "hide": 0});
    let merge = |mut one: Value, two: Value| {
        one.as_object_mut().unwrap().extend(two.as_object().unwrap().clone());
        one
    };
    let source = merge(variable("datasource", "Data source"), json!({"type": "datasource", "query": "prometheus"}));
    let namespace = json!({
        "type": "query", "datasource": {"type": "prometheus", "uid": "${datasource}"}, "refresh": 2, "sort": 1,
        "query": {"query": "label_values(external_webhooks_condition, namespace)", "refId": "namespace"},
        "includeAll": true, "multi": true, "allValue": ".*", "current": {"text": "All", "value": "$__all"},
    });
    json!({
        "uid": "external-webhooks", "title": "external-webhooks", "tags": ["external-webhooks"], "schemaVersion": 39,
        "version": 1, "editable": true, "refresh": "1m", "time": {"from": "now-24h", "to": "now"}, "timezone": "browser",
        "templating": {"list": [source, merge(variable("namespace", "Namespace"), namespace)]},
        "annotations": {"list": []}, "links": [], "panels": panels,
    })
}

fn drawn(panel: &Panel, id: i64, place: Value) -> Value {
    let table = matches!(panel.draw, Draw::Table);
    let target = |(at, (query, legend)): (usize, &(&str, &str))| {
        json!({
            "refId": char::from(b'A' + u8::try_from(at).unwrap()).to_string(), "expr": query, "legendFormat": legend,
            "instant": !matches!(panel.draw, Draw::Lines), "range": matches!(panel.draw, Draw::Lines),
            "format": if table { "table" } else { "time_series" },
            "datasource": {"type": "prometheus", "uid": "${datasource}"},
        })
    };
    let (kind, options) = match panel.draw {
        Draw::Number => ("stat", json!({"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"})),
        Draw::Lines => ("timeseries", json!({"legend": {"displayMode": "list", "placement": "bottom"}})),
        Draw::Table => ("table", json!({"showHeader": true})),
    };
    let hidden = json!([{"id": "organize", "options": {"excludeByName": {"Time": true}}}]);
    json!({
        "id": id, "type": kind, "title": panel.title, "description": panel.says, "gridPos": place, "options": options,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "transformations": if table { hidden } else { json!([]) },
        "targets": panel.queries.iter().enumerate().map(target).collect::<Vec<_>>(),
    })
}
