//! Pages that alerts and the table lead to are there.

use external_webhooks::api::Reason;
use external_webhooks::api::table::{Alert, ITEMS, rows};

use crate::root;

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let folder = root().join("docs/runbooks");
    for alert in Alert::ALL {
        let path = folder.join(format!("{}.md", alert.slug()));
        let text =
            std::fs::read_to_string(&path).unwrap_or_else(|_| panic!("there is no docs/runbooks/{}.md", alert.slug()));
        let parts = ["## What it means", "## First look", "## What to do", "## What not to do"];
        for part in parts {
            assert!(text.contains(&format!("\n{part}\n")), "the runbook of {alert} has no part {part:?}");
        }
    }
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let known = name == "README.md" || Alert::ALL.iter().any(|alert| name == format!("{}.md", alert.slug()));
        assert!(known, "docs/runbooks/{name} belongs to no alert");
    }
}

/// What says what a reason means is made from the table; a second list would soon say something else.
#[test]
fn no_page_lists_reasons_by_hand() {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "md") || path.ends_with("conditions.md") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        found.extend(text.lines().filter(|line| explains(line)).map(|line| format!("{}: {line}", path.display())));
    }
    assert!(found.is_empty(), "link to docs/conditions.md instead:\n{}", found.join("\n"));
    assert!(explains("| `InSync`, `Authenticated` | all | well |"), "the test can fail");
    assert!(!explains("| `intake` | an endpoint |"));
}

/// Whether a row of a table is about reasons.
fn explains(line: &str) -> bool {
    let Some(cell) = line.strip_prefix("| `").and_then(|rest| rest.split(" |").next()) else { return false };
    let mut names = cell.split([',', '`', ' ', '/']).filter(|word| !word.is_empty()).peekable();
    names.peek().is_some() && names.all(|name| Reason::named(name).is_some())
}

/// The reference page is in docs/, so its links are relative to that.
#[test]
fn links_of_the_table_lead_somewhere() {
    let texts = rows().flat_map(|row| [row.means, row.act]).chain(ITEMS.iter().flat_map(|item| [item.means, item.act]));
    for link in texts.flat_map(links) {
        let (file, heading) = link.split_once('#').unwrap_or((link, ""));
        let text =
            std::fs::read_to_string(root().join("docs").join(file)).unwrap_or_else(|_| panic!("{link} leads nowhere"));
        let slugs = text.lines().filter(|line| line.starts_with('#')).map(slug);
        assert!(heading.is_empty() || slugs.into_iter().any(|slug| slug == heading), "{link}: no such heading");
    }
}

fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next())
}

/// As GitHub and mdBook make it of a heading.
fn slug(line: &str) -> String {
    let kept = line.trim_start_matches('#').trim().to_lowercase();
    kept.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c)).map(|c| if c == ' ' { '-' } else { c }).collect()
}
