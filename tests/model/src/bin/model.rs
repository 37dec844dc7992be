//! `make model`: the searches with the large bounds, what left-out guards break, and the page about both.
//!
//! `ONLY=<words of a name>` runs one search; `MODEL_SECONDS` bounds each (a search that does not end is said to be cut);
//! `MODEL_PAGE` is where the page goes.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use model::{Mutant, Outcome, PROPERTIES, Scenario, all, search};

/// What fits into the memory of a laptop.
const MOST: u64 = 20_000_000;

const INTRODUCTION: &str = include_str!("introduction.md");

fn main() -> ExitCode {
    let setting = |name: &str| std::env::var(name).unwrap_or_default();
    let only = setting("ONLY");
    let longest = Duration::from_secs(setting("MODEL_SECONDS").parse().unwrap_or(100));
    let mut searched = Vec::new();
    let mut broken = false;
    for scenario in all(true).into_iter().filter(|scenario| scenario.name.contains(&only)) {
        let outcome = search(&scenario, None, MOST, longest);
        println!("{}", line(&scenario, &outcome));
        if let Some(found) = &outcome.counterexample {
            broken = true;
            println!("BROKEN: {}\n  {}", found.property, found.trace.join("\n  "));
        }
        searched.push((scenario, outcome));
    }
    let caught = if only.is_empty() { mutants() } else { Vec::new() };
    broken |= caught.iter().any(|(_, by)| by.is_none());
    let page = setting("MODEL_PAGE");
    if !page.is_empty()
        && only.is_empty()
        && let Err(error) = std::fs::write(&page, text(&searched, &caught))
    {
        println!("{page}: {error}");
        broken = true;
    }
    if broken { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Which property notices that a guard is left out, and after how many states.
fn mutants() -> Vec<(&'static Mutant, Option<(u64, String)>)> {
    let catch = |mutant: &'static Mutant| {
        let small = all(false);
        let mut searches = small.iter().filter(|scenario| scenario.name.contains(mutant.scenarios()));
        let by = searches.find_map(|scenario| {
            let outcome = search(scenario, Some(*mutant), MOST, Duration::MAX / 4);
            outcome.counterexample.map(|found| (outcome.states, found.property))
        });
        println!("without guard: {}: {}", mutant.name(), by.as_ref().map_or("NOT NOTICED", |(_, property)| property));
        (mutant, by)
    };
    Mutant::ALL.iter().map(catch).collect()
}

fn line(scenario: &Scenario, outcome: &Outcome) -> String {
    let end = if outcome.complete { "complete" } else { "cut" };
    let Outcome { states, events, depth, took, .. } = outcome;
    format!("{}: {states} states, {events} events, depth {depth}, {end}, {} s", scenario.name, took.as_secs())
}

fn text(searched: &[(Scenario, Outcome)], caught: &[(&Mutant, Option<(u64, String)>)]) -> String {
    let mut page = INTRODUCTION.to_owned();
    page.push_str("\n## Properties\n\n| | |\n|---|---|\n");
    for (name, what) in PROPERTIES {
        _ = writeln!(page, "| {name} | {what} |");
    }
    let states: u64 = searched.iter().map(|(_, outcome)| outcome.states).sum();
    let events: u64 = searched.iter().map(|(_, outcome)| outcome.events).sum();
    let broken = searched.iter().filter(|(_, outcome)| outcome.counterexample.is_some()).count();
    _ = writeln!(
        page,
        "\n## Searches\n\n{states} states, {events} events between them; {broken} of {} searches found a property broken.\n\
         Complete: every state within the bounds was seen. Cut: all states up to the depth, and part of the next.\n\n\
         | search | bounds | states | events | depth | |\n|---|---|---|---|---|---|",
        searched.len()
    );
    for (scenario, outcome) in searched {
        let end = match (&outcome.counterexample, outcome.complete) {
            (Some(found), _) => format!("**broken: {}**", found.property),
            (None, true) => "complete".to_owned(),
            (None, false) => "cut".to_owned(),
        };
        let Outcome { states, events, depth, .. } = outcome;
        _ = writeln!(page, "| {} | {} | {states} | {events} | {depth} | {end} |", scenario.name, scenario.bounds());
    }
    page.push_str("\n## Guards left out\n\nEach was left out of the plan alone, with the small bounds.\n\n");
    page.push_str("| without | what is broken | after states |\n|---|---|---|\n");
    for (mutant, by) in caught {
        let (states, property) = by.clone().unwrap_or((0, "**not noticed**".to_owned()));
        _ = writeln!(page, "| {} | {property} | {states} |", mutant.name());
    }
    page
}
