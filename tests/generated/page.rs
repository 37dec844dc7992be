//! The reference page, docs/conditions.md.

use std::fmt::Write;

use external_webhooks::api::ConditionType;
use external_webhooks::api::table::{Beside, ITEMS, KINDS, Row, about, rows};

use crate::{MADE, golden};

#[test]
fn the_page_is_as_made() {
    let mut page = format!("<!-- {MADE} -->\n# Conditions and reasons\n\n");
    page.push_str(
        "What `kubectl describe` shows, per kind. `Ready` is the summary. Beside it stands `Reconciling` (work goes on, or something is waited for), or \
         `Stalled` (only a person or a change is expected to help), or neither, with the same reason and message. The message says which field to change. \
         An alert is told by the [rules of the chart](alerts.md) and leads to its runbook; where none is named nobody has to be told, or the alert of the cause tells.\n",
    );
    for kind in KINDS.iter().filter(|kind| **kind != "ClusterProviderAccount") {
        let title = if *kind == "ProviderAccount" { "ProviderAccount and ClusterProviderAccount" } else { kind };
        write!(page, "\n## {title}\n").unwrap();
        for condition in ConditionType::ALL {
            let rows: Vec<&Row> = rows().filter(|row| row.kinds.contains(kind) && row.kind == *condition).collect();
            if !rows.is_empty() {
                section(&mut page, *condition, &rows);
            }
        }
    }
    page.push_str("\n## Items of a WebhookSubscription\n\nReasons in `status.failures`.\n\n| reason | means | do |\n|---|---|---|\n");
    for item in ITEMS {
        writeln!(page, "| `{}` | {} | {} |", item.reason, item.means, item.act).unwrap();
    }
    golden("docs/conditions.md", &page);
}

fn section(page: &mut String, condition: ConditionType, rows: &[&Row]) {
    write!(page, "\n### `{condition}`\n\n{}.\n\n", sentence(about(condition))).unwrap();
    let summary = condition == ConditionType::Ready;
    let (head, line) = if summary { ("| beside ", "|---") } else { ("", "") };
    writeln!(page, "| is | reason {head}| means | do | alert |\n|---|---{line}|---|---|---|").unwrap();
    for row in rows {
        let reasons = row.reasons.iter().map(|reason| format!("`{reason}`")).collect::<Vec<_>>().join(", ");
        let beside = match row.beside {
            [] => String::new(),
            some => format!("| {} ", some.iter().map(|beside| word(*beside)).collect::<Vec<_>>().join(" or ")),
        };
        let act = if row.act.is_empty() { "nothing" } else { row.act };
        let alert = row.alert.map_or_else(String::new, |alert| {
            format!("[{alert}](runbooks/{}.md), {}", alert.slug(), alert.severity().as_str())
        });
        writeln!(page, "| {} | {reasons} {beside}| {} | {act} | {alert} |", row.is.as_str(), row.means).unwrap();
    }
}

fn word(beside: Beside) -> &'static str {
    match beside {
        Beside::AtRest => "-",
        Beside::Reconciling => "`Reconciling`",
        Beside::Stalled => "`Stalled`",
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}
