//! Which series of `external_webhooks_condition_reason` an alert is about, by the table.
//!
//! Where an alert is about everything of a type that no other alert tells, its selector names what is told elsewhere, so
//! that a reason which an older copy of the rules does not know is told rather than not.

use std::collections::BTreeSet;

use external_webhooks::api::condition::Is;
use external_webhooks::api::table::{Alert, Beside, KINDS, Row, rows};
use external_webhooks::api::{ConditionType, Reason};

/// A selector of everything of a type with one of these statuses that `alert` tells, by leaving out what it does not tell.
///
/// `Stalled` has no rows of its own: they are those of `Ready` beside which it stands.
pub fn all_but(alert: Alert, condition: ConditionType, statuses: &[Is]) -> String {
    let here = |row: &&Row| match condition {
        ConditionType::Stalled => row.kind == ConditionType::Ready && row.beside.contains(&Beside::Stalled),
        other => row.kind == other && statuses.contains(&row.is),
    };
    let own: BTreeSet<Reason> = reasons(rows().filter(here).filter(|row| row.alert == Some(alert)));
    assert!(!own.is_empty(), "no row of {condition} is told by {alert}");
    let kinds: Vec<&str> = KINDS
        .iter()
        .copied()
        .filter(|kind| rows().filter(here).any(|row| row.kinds.contains(kind) && row.alert == Some(alert)))
        .collect();
    let ours = |row: &&Row| row.kinds.iter().any(|kind| kinds.contains(kind));
    let others = reasons(rows().filter(here).filter(ours).filter(|row| row.alert != Some(alert)));
    if let Some(both) = own.intersection(&others).next() {
        panic!(
            "{both} of {condition} is told by {alert} on one kind and not on another; a selector cannot tell them apart"
        );
    }
    let mut labels = Vec::new();
    if kinds.len() < KINDS.len() {
        labels.push(matcher("kind", &kinds));
    }
    labels.push(format!("type=\"{condition}\""));
    labels.push(match statuses {
        [one] => format!("status=\"{}\"", one.as_str()),
        _ => "status!=\"True\"".to_owned(),
    });
    if !others.is_empty() {
        labels.push(format!("reason!~\"{}\"", joined(&others)));
    }
    format!("external_webhooks_condition_reason{{{}}}", labels.join(","))
}

/// Selectors of exactly the rows of an alert, one per status, joined by `or`. Where nothing else is told of these types
/// no reason is named, so that one which an older copy of the rules does not know is told.
pub fn exactly(alert: Alert) -> String {
    let mut parts: Vec<String> = Vec::new();
    for status in [Is::True, Is::False, Is::Unknown] {
        let told: Vec<&Row> = rows().filter(|row| row.alert == Some(alert) && row.is == status).collect();
        let types: BTreeSet<&str> = told.iter().map(|row| row.kind.as_str()).collect();
        if types.is_empty() {
            continue;
        }
        let other = rows().any(|row| row.is == status && types.contains(row.kind.as_str()) && row.alert != Some(alert));
        let types: Vec<&str> = types.into_iter().collect();
        let mut labels = vec![matcher("type", &types), matcher("status", &[status.as_str()])];
        if other {
            let names = joined(&reasons(told.into_iter()));
            labels.push(matcher("reason", &names.split('|').collect::<Vec<_>>()));
        }
        parts.push(format!("external_webhooks_condition_reason{{{}}}", labels.join(",")));
    }
    assert!(!parts.is_empty(), "no row is told by {alert}");
    parts.join("\n  or ")
}

fn matcher(label: &str, values: &[&str]) -> String {
    match values {
        [one] => format!("{label}=\"{one}\""),
        several => format!("{label}=~\"{}\"", several.join("|")),
    }
}

fn reasons<'a>(rows: impl Iterator<Item = &'a Row>) -> BTreeSet<Reason> {
    rows.flat_map(|row| row.reasons).copied().collect()
}

fn joined(reasons: &BTreeSet<Reason>) -> String {
    let mut names: Vec<&str> = reasons.iter().map(|reason| reason.as_str()).collect();
    names.sort_unstable();
    names.join("|")
}
