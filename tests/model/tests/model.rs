//! The searches with the small bounds, and that every guard left out of the plan is noticed.
#![allow(clippy::unwrap_used, reason = "tests end by panicking")]

use std::time::Duration;

use model::{Mutant, Outcome, Scenario, all, search};

/// More than any search here has; none ends by the clock.
const MOST: u64 = 3_000_000;
const NO_LIMIT: Duration = Duration::from_secs(24 * 3600);

fn run(scenario: &Scenario, mutant: Option<Mutant>) -> Outcome {
    search(scenario, mutant, MOST, NO_LIMIT)
}

#[test]
fn every_state_within_small_bounds_keeps_the_invariants() {
    for scenario in all(false) {
        let outcome = run(&scenario, None);
        if let Some(found) = outcome.counterexample {
            panic!("{}: {}\n  {}", scenario.name, found.property, found.trace.join("\n  "));
        }
        assert!(outcome.complete, "{}: more than {MOST} states", scenario.name);
        assert!(outcome.depth > 20, "{}: something keeps the search from going on", scenario.name);
    }
}

#[test]
fn every_guard_that_is_left_out_is_noticed() {
    for mutant in Mutant::ALL {
        let scenarios = all(false);
        let mut searched = scenarios.iter().filter(|scenario| scenario.name.contains(mutant.scenarios()));
        let caught = searched.any(|scenario| run(scenario, Some(*mutant)).counterexample.is_some());
        assert!(caught, "nothing is broken where {}", mutant.name());
    }
}
