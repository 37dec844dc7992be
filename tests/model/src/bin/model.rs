//! `make model`: the searches with the large bounds, and the page about them.

use std::time::Duration;

fn main() {
    let large = std::env::args().any(|argument| argument == "large");
    let only = std::env::var("ONLY").unwrap_or_default();
    for scenario in model::all(large).into_iter().filter(|scenario| scenario.name.contains(&only)) {
        let outcome = model::search(&scenario, None, 50_000_000, Duration::from_secs(60));
        println!(
            "{}: {} states, {} events, depth {}, complete {}, {:?}",
            scenario.name, outcome.states, outcome.events, outcome.depth, outcome.complete, outcome.took
        );
        if let Some(found) = outcome.counterexample {
            println!("BROKEN: {}", found.property);
            for line in found.trace {
                println!("  {line}");
            }
        }
    }
}
