//! The pages for people: every link leads somewhere, every page is on the site, and what is generated is up to date.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::refuse;
use crate::scan::root;

/// What is linked to and not written yet; a link to it is no mistake, and it belongs on the site from the day it is there.
const AWAITED: &[&str] = &[];
/// Listed by whoever builds the site.
const RUNBOOKS: &str = "docs/runbooks";

fn markdown(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(root().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(markdown(path.strip_prefix(root()).unwrap().to_str().unwrap()));
        } else if path.extension().is_some_and(|extension| extension == "md") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every page of the repository.
fn pages() -> Vec<PathBuf> {
    let top = ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"].map(|name| root().join(name));
    top.into_iter().chain(["docs", "examples", "deploy"].into_iter().flat_map(markdown)).collect()
}

/// A page without its code.
fn without_code(text: &str) -> String {
    let mut within = false;
    let mut kept = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            within = !within;
        } else if !within {
            let pieces = line.split('`').enumerate().map(|(index, piece)| if index % 2 == 0 { piece } else { "" });
            kept.push_str(&pieces.collect::<Vec<_>>().join("`"));
            kept.push('\n');
        }
    }
    kept
}

/// Targets of the links of a page.
fn links(text: &str) -> Vec<String> {
    let code_free = without_code(text);
    let targets = code_free.split("](").skip(1).filter_map(|rest| rest.split(')').next()).map(str::to_owned);
    targets.collect()
}

/// The anchors of a page: its headings, as those who render it name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut within = false;
    let mut found = BTreeSet::new();
    for line in text.lines() {
        within ^= line.trim_start().starts_with("```");
        if let Some(heading) = line.strip_prefix('#').filter(|_| !within) {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter));
            found.insert(kept.collect::<String>().replace(' ', "-"));
        }
    }
    found
}

/// A path without `..`, as it would be opened.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        if part == std::path::Component::ParentDir {
            normal.pop();
        } else {
            normal.push(part);
        }
    }
    normal
}

fn broken(page: &Path, text: &str) -> Vec<String> {
    let mut broken = Vec::new();
    for link in links(text) {
        if link.contains("://") || link.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = link.split_once('#').map_or((link.as_str(), None), |(path, anchor)| (path, Some(anchor)));
        let folder = page.parent().unwrap();
        let target = if path.is_empty() { page.to_owned() } else { normal(&folder.join(path)) };
        let name = target.strip_prefix(root()).unwrap_or(&target).display().to_string();
        if !target.exists() {
            if !AWAITED.contains(&name.as_str()) {
                broken.push(format!("{link}: {name} is not there"));
            }
        } else if let Some(anchor) = anchor {
            let text = if path.is_empty() { text.to_owned() } else { std::fs::read_to_string(&target).unwrap() };
            if !anchors(&text).contains(anchor) {
                broken.push(format!("{link}: {name} has no such heading"));
            }
        }
    }
    broken
}

#[test]
fn every_link_leads_somewhere() {
    let mut complaints = Vec::new();
    for page in pages() {
        let name = page.strip_prefix(root()).unwrap().display().to_string();
        let text = std::fs::read_to_string(&page).unwrap();
        complaints.extend(broken(&page, &text).into_iter().map(|link| format!("{name}: {link}")));
    }
    refuse("links of pages lead somewhere", complaints);
    let planted =
        "[a](nowhere.md) `[b](code.md)` [c](README.md#no-such-heading) [d](README.md) [e](https://example.com)";
    assert_eq!(broken(&root().join("planted.md"), planted).len(), 2, "broken links are seen");
}

#[test]
fn every_page_is_on_the_site() {
    let summary = root().join("docs/SUMMARY.md");
    let listed: BTreeSet<PathBuf> = links(&std::fs::read_to_string(&summary).unwrap())
        .into_iter()
        .map(|link| normal(&summary.parent().unwrap().join(link)))
        .collect();
    let runbooks = root().join(RUNBOOKS);
    let pages = pages().into_iter().filter(|page| *page != summary && !page.starts_with(&runbooks));
    let missing = pages.filter(|page| !listed.contains(page));
    refuse("every page is in docs/SUMMARY.md", missing.map(|page| page.display().to_string()).collect());
}

#[test]
fn the_reference_is_what_the_definitions_say() {
    let mut definitions: Vec<Value> = Vec::new();
    for entry in std::fs::read_dir(root().join("crds")).unwrap() {
        definitions.push(serde_saphyr::from_str(&std::fs::read_to_string(entry.unwrap().path()).unwrap()).unwrap());
    }
    let page = std::fs::read_to_string(root().join("docs/reference.md")).unwrap_or_default();
    assert!(
        page == testbed::reference::page(&definitions),
        "docs/reference.md is out of date: run make reference and commit it"
    );
}
