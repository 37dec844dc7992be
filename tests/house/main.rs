//! The house rules as tests: who may name whom, what `plan/` may not do, and what every file owes its reader.
//!
//! The rules are text scans over code without comments, strings and tests; each scan is itself tested on planted violations.
#![allow(clippy::unwrap_used, reason = "tests end by panicking")]

mod crds;
mod docs;
mod layers;
mod scan;
mod tidy;

use scan::Source;

/// Panics with every complaint, so that one run shows all that is wrong.
fn refuse(rule: &str, complaints: Vec<String>) {
    assert!(complaints.is_empty(), "{rule}:\n  {}", complaints.join("\n  "));
}

/// Complaints of one rule over files.
fn complaints<'a>(sources: impl IntoIterator<Item = &'a Source>, rule: impl Fn(&Source) -> Vec<String>) -> Vec<String> {
    sources
        .into_iter()
        .flat_map(|source| {
            let found = rule(source);
            found.into_iter().map(|complaint| format!("{}: {complaint}", source.path))
        })
        .collect()
}
