//! `make model`: the searches with the large bounds, and the page about them.

use std::time::Duration;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let large = arguments.iter().any(|argument| argument == "large");
    let only = std::env::var("ONLY").unwrap_or_default();
    if arguments.iter().any(|argument| argument == "mutants") {
        for mutant in model::Mutant::ALL {
            let mut caught = None;
            for scenario in model::all(false).iter().filter(|scenario| scenario.name.contains(mutant.scenarios())) {
                let outcome = model::search(scenario, Some(*mutant), 3_000_000, Duration::from_secs(60));
                println!("   {}: {} states {:?}", scenario.name, outcome.states, outcome.took);
                if let Some(found) = outcome.counterexample {
                    caught = Some((scenario.name, found.property));
                    break;
                }
            }
            println!(
                "{}: {:?}",
                mutant.name(),
                caught.map(|(name, property)| (name, property.chars().take(120).collect::<String>()))
            );
        }
        return;
    }
    for scenario in model::all(large).into_iter().filter(|scenario| scenario.name.contains(&only)) {
        let outcome = model::search(&scenario, None, 50_000_000, Duration::from_secs(120));
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
