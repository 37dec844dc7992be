//! The alert rules, charts/external-webhooks/files/alerts.yaml, in Prometheus' own form.

use std::fmt::Write;

use external_webhooks::api::table::{Alert, rows};

use crate::rules::rule;
use crate::{MADE, golden};

/// Where the rules are.
pub const RULES: &str = "charts/external-webhooks/files/alerts.yaml";

/// Where the runbooks of the documentation are served.
const RUNBOOKS: &str = "https://external-webhooks.io/docs/runbooks";

/// The name under which Prometheus knows an alert.
pub fn name(alert: Alert) -> String {
    format!("ExternalWebhooks{alert}")
}

#[test]
fn the_rules_are_as_made() {
    let mut text = format!("# {MADE}\ngroups:\n  - name: external-webhooks\n    rules:\n");
    for alert in Alert::ALL {
        let rule = rule(*alert);
        let line = |text: &mut String, indent: usize, line: &str| writeln!(text, "{:indent$}{line}", "").unwrap();
        line(&mut text, 6, &format!("- alert: {}", name(*alert)));
        line(&mut text, 8, "expr: |-");
        for part in rule.expr.lines() {
            line(&mut text, 10, part);
        }
        line(&mut text, 8, &format!("for: {}", rule.lasting));
        if let Some(keep) = rule.keep {
            line(&mut text, 8, &format!("keep_firing_for: {keep}"));
        }
        line(&mut text, 8, &format!("labels: {{severity: {}}}", alert.severity().as_str()));
        line(&mut text, 8, "annotations:");
        line(&mut text, 10, &format!("summary: \"{}\"", rule.summary));
        line(&mut text, 10, &format!("description: \"{}\"", rule.description));
        line(&mut text, 10, &format!("runbook_url: {RUNBOOKS}/{}.html", alert.slug()));
    }
    golden(RULES, &text);
}

/// An alert that rows name must look at conditions, or at a metric that is made of the same one.
#[test]
fn an_alert_that_rows_name_looks_at_their_conditions() {
    for alert in Alert::ALL {
        let told = rows().any(|row| row.alert == Some(*alert));
        let expr = rule(*alert).expr;
        let looks = ["external_webhooks_condition", "external_webhooks_deletion_blocked_seconds"];
        assert!(
            !told || looks.iter().any(|metric| expr.contains(metric)),
            "{alert} has rows and looks elsewhere: {expr}"
        );
    }
}
