//! What is generated from the table of conditions (`src/api/table`) and from the code: the reference page, the alert rules,
//! the dashboard, the health checks for Argo CD and Flux, the file for kube-state-metrics.
//!
//! `make generated` writes the files (`UPDATE_GENERATED=1`); without it each test compares what is committed with what
//! would be written, and then tries it: the rules in promtool, the scripts in Lua, the expressions in CEL.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests end by panicking")]

mod alerts;
mod argo;
mod dashboard;
mod flux;
mod ksm;
mod links;
mod page;
mod promtool;
mod providers;
mod rules;
mod selectors;

use std::path::{Path, PathBuf};

/// First words of every file that is made here.
const MADE: &str = "Made by `make generated` from src/api/table; do not edit.";

/// The folder of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares a committed file with what it should be, or writes it.
fn golden(path: &str, text: &str) {
    let place: PathBuf = root().join(path);
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        std::fs::write(&place, text).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&place).unwrap_or_default();
    if committed == text {
        return;
    }
    let differs = |(one, two): &(&str, &str)| one != two;
    let first = committed.lines().zip(text.lines()).position(|pair| differs(&pair));
    let line = first.unwrap_or(committed.lines().count().min(text.lines().count()));
    let of = |text: &str| text.lines().nth(line).unwrap_or("(its end)").to_owned();
    panic!(
        "{path} is not what the table makes: run make generated and commit.\nline {}\n  is     {}\n  should {}",
        line + 1,
        of(&committed),
        of(text)
    );
}
