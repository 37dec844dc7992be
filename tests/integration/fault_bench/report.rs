//! `docs/reliability.md`, written from what was run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::bench::Run;
use super::scenario::Scenario;
use super::{tally, troubles};

/// What stands before the figures.
const INTRODUCTION: &str = include_str!("introduction.md");
/// What stands after them.
const LIMITS: &str = include_str!("limits.md");

/// The page of the model, of which one line is repeated.
const MODEL: &str = include_str!("../../../docs/model.md");

/// Something that was done to real processes or to the shared servers, and what came of it.
pub struct Ordeal {
    /// What was done.
    pub what: String,
    /// What broke; empty if nothing did.
    pub broken: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// How many plans were run, were hit, and broke something.
#[derive(Clone, Copy, Default)]
struct Cell {
    run: usize,
    hit: usize,
    broken: usize,
}

impl Cell {
    fn count(&mut self, run: &Run) {
        self.run += 1;
        self.hit += usize::from(run.hits > 0 || run.plan.shots.is_empty());
        self.broken += usize::from(!run.broken.is_empty());
    }

    fn text(self) -> String {
        match (self.run, self.broken) {
            (0, _) => String::new(),
            (_, 0) => self.hit.to_string(),
            (_, broken) => format!("{} **{broken} broken**", self.hit),
        }
    }
}

/// The whole page.
pub fn page(runs: &[Run], ordeals: &[Ordeal], took: Duration, at_a_time: usize) -> String {
    let mut all = Cell::default();
    let mut cells: BTreeMap<(&str, Scenario), Cell> = BTreeMap::new();
    for run in runs {
        all.count(run);
        cells.entry((run.plan.fault(), run.plan.scenario)).or_default().count(run);
    }
    let seeds: BTreeSet<String> = runs.iter().map(|run| run.plan.seed.to_string()).collect();
    let seeds = seeds.into_iter().collect::<Vec<_>>().join(", ");
    let each = took.as_secs_f64() / runs.len().max(1) as f64;
    let mut page = String::from(INTRODUCTION);
    page.push_str(&format!(
        "\n## Figures\n\n| | |\n|---|---|\n| plans run | {} |\n| plans in which the fault struck | {} |\n| plans with a broken oracle | {} |\n| seeds | {seeds} |\n| time | {:.0} min, {each:.2} s per plan, {at_a_time} at a time |\n",
        all.run,
        all.hit,
        all.broken,
        took.as_secs_f64() / 60.0,
    ));
    page.push_str("\n## Faults and scenarios\n\nEach number counts plans in which the fault struck. Nothing broke unless a cell says so.\n\n");
    page.push_str(&table(&cells));
    page.push_str(&tally::section());
    page.push_str("\n## Every order of events\n\n");
    let found = MODEL.lines().find(|line| line.contains(" states, ")).unwrap_or("not searched yet");
    page.push_str(&format!("The plan of an endpoint, searched exhaustively ([model.md](model.md)): {found}\n"));
    page.push_str("\n## Real processes and shared servers\n\n| what | outcome | time |\n|---|---|---|\n");
    for ordeal in ordeals {
        let outcome = if ordeal.broken.is_empty() { "nothing broke".to_owned() } else { ordeal.broken.join("; ") };
        page.push_str(&format!("| {} | {outcome} | {:.0} s |\n", ordeal.what, ordeal.took.as_secs_f64()));
    }
    page.push_str("\n## What broke\n\n");
    let broken: Vec<&Run> = runs.iter().filter(|run| !run.broken.is_empty()).collect();
    if broken.is_empty() {
        page.push_str("Nothing.\n");
    }
    for run in broken {
        let why: String = run.broken.first().map(|text| text.chars().take(160).collect()).unwrap_or_default();
        page.push_str(&format!("- `make faults PLAN={}`: {}\n", run.plan, why.replace('\n', " ")));
    }
    page.push_str(LIMITS);
    page
}

fn table(cells: &BTreeMap<(&str, Scenario), Cell>) -> String {
    let names: Vec<&str> = Scenario::ALL.into_iter().map(Scenario::name).collect();
    let mut text = format!("| fault | code | {} |\n|---|---|{}\n", names.join(" | "), "---|".repeat(names.len()));
    let rows = troubles::ALL.iter().map(|trouble| (trouble.name, trouble.code));
    let extra = [("(none)", ""), ("(two or three at once)", "")];
    let mut told = BTreeSet::new();
    for (name, _) in extra.into_iter().chain(rows) {
        // One name can be a fault of both sides.
        if !told.insert(name) {
            continue;
        }
        let codes: BTreeSet<&str> =
            troubles::ALL.iter().filter(|one| one.name == name).flat_map(|one| one.code.split(' ')).collect();
        let row: Vec<String> = Scenario::ALL
            .into_iter()
            .map(|scenario| cells.get(&(name, scenario)).copied().unwrap_or_default().text())
            .collect();
        if row.iter().any(|cell| !cell.is_empty()) {
            let codes = codes.into_iter().collect::<Vec<_>>().join(" ");
            text.push_str(&format!("| {name} | {codes} | {} |\n", row.join(" | ")));
        }
    }
    text
}
