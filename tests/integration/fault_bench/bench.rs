//! Which plans are run, how many at a time, and what is said about them.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::StreamExt;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};

use super::plan::{Plan, Shot, Target};
use super::rig::{self, Outcome};
use super::scenario::Scenario;
use super::{ordeals, report, troubles};

/// A plan and what came of it.
pub struct Run {
    /// The plan.
    pub plan: Plan,
    /// How often the fault struck.
    pub hits: usize,
    /// What broke.
    pub broken: Vec<String>,
    /// How long it took.
    pub took: Duration,
}

/// Runs plans, some at a time.
pub async fn run_all(plans: Vec<Plan>, at_a_time: usize) -> Vec<Run> {
    let total = plans.len();
    let began = Instant::now();
    let mut runs = Vec::new();
    let mut running = futures::stream::iter(plans.into_iter().map(one)).buffer_unordered(at_a_time);
    while let Some(run) = running.next().await {
        if !run.broken.is_empty() {
            eprintln!("BROKEN {}: {}", run.plan, run.broken.join("; "));
        }
        runs.push(run);
        if runs.len().is_multiple_of(50) {
            let seconds = began.elapsed().as_secs_f64();
            eprintln!("{} of {total} plans, {:.2} s per plan", runs.len(), seconds / runs.len() as f64);
        }
    }
    runs
}

async fn one(plan: Plan) -> Run {
    let began = Instant::now();
    let outcome = outcome(&plan).await;
    if !outcome.broken.is_empty() {
        keep(&plan, &outcome);
    }
    Run { hits: outcome.hits, broken: outcome.broken, took: began.elapsed(), plan }
}

/// A panic of the bench itself is a failed plan too.
async fn outcome(plan: &Plan) -> Outcome {
    let own = plan.clone();
    match tokio::spawn(async move { rig::run(&own).await }).await {
        Ok(outcome) => outcome,
        Err(error) => {
            let panic = error.try_into_panic().ok();
            let text = panic.and_then(|panic| panic.downcast::<String>().ok()).map_or_else(String::new, |text| *text);
            let first = text.lines().next().unwrap_or_default().to_owned();
            Outcome { hits: 0, learned: Vec::new(), broken: vec![format!("panic: {first}")], report: text }
        }
    }
}

/// Writes the report of a failed plan where a person finds it.
fn keep(plan: &Plan, outcome: &Outcome) {
    let Some(folder) = std::env::var_os("FAULTS_REPORTS") else { return };
    let file = std::path::PathBuf::from(folder).join(plan.to_string().replace(['/', ':'], "_"));
    let text = format!("{plan}\n{}\n{}", outcome.broken.join("\n"), outcome.report);
    if let Err(error) = std::fs::write(&file, text) {
        eprintln!("cannot write {}: {error}", file.display());
    }
}

/// The calls of a scenario, from a run in which nothing goes wrong.
pub async fn learn(scenario: Scenario, seed: u64) -> (Run, Vec<Target>) {
    let plan = Plan { scenario, shots: Vec::new(), seed };
    let began = Instant::now();
    let outcome = outcome(&plan).await;
    if !outcome.broken.is_empty() {
        keep(&plan, &outcome);
        eprintln!("BROKEN {plan}: {}", outcome.broken.join("; "));
    }
    let targets = worthwhile(outcome.learned);
    (Run { plan, hits: 0, broken: outcome.broken, took: began.elapsed() }, targets)
}

/// Reads are asked for again and again; the first of each kind stand for all. Every write counts.
fn worthwhile(targets: Vec<Target>) -> Vec<Target> {
    let enough = |target: &Target| match target.verb() {
        "GET" => 2,
        "LIST" | "WATCH" => 1,
        _ if target.is_sign_in() => 1,
        _ => usize::MAX,
    };
    targets.into_iter().filter(|target| target.nth <= enough(target)).collect()
}

/// Every fault at every call.
pub fn every(scenario: Scenario, targets: &[Target], seed: u64) -> Vec<Plan> {
    let mut plans = Vec::new();
    for target in targets {
        for trouble in troubles::ALL.iter().filter(|trouble| trouble.fits(target)) {
            let takes_over = trouble.name == "old-leader-lands-last";
            // To whoever is told that there is nothing, there is nothing to adopt: it makes an endpoint, by the rules.
            let hides = scenario == Scenario::Adopt && trouble.name == "nothing-listed";
            if takes_over != (scenario == Scenario::LeaderChange) || hides {
                continue;
            }
            plans.push(Plan { scenario, shots: vec![Shot { target: target.clone(), trouble }], seed });
        }
    }
    plans
}

/// Two or three things at once.
pub fn mixes(scenario: Scenario, targets: &[Target], seed: u64, count: usize) -> Vec<Plan> {
    let mut random = StdRng::seed_from_u64(seed.wrapping_mul(1_000_003) + scenario as u64);
    let single = every(scenario, targets, seed);
    let mut plans = Vec::new();
    while plans.len() < count && single.len() > 3 {
        let wanted = random.random_range(2..=3);
        let mut aimed = HashSet::new();
        let shots: Vec<Shot> = single
            .sample(&mut random, wanted)
            .flat_map(|plan| plan.shots.clone())
            .filter(|shot| aimed.insert(shot.target.clone()))
            .collect();
        if shots.len() > 1 {
            plans.push(Plan { scenario, shots, seed });
        }
    }
    plans
}

/// A number of plans in which every fault of every scenario appears before any appears again.
pub fn spread(mut plans: Vec<Plan>, count: usize, seed: u64) -> Vec<Plan> {
    plans.shuffle(&mut StdRng::seed_from_u64(seed));
    let mut seen: std::collections::HashMap<(Scenario, &'static str), usize> = std::collections::HashMap::new();
    let mut ranked: Vec<(usize, Plan)> = plans
        .into_iter()
        .map(|plan| {
            let times = seen.entry((plan.scenario, plan.fault())).or_default();
            *times += 1;
            (*times, plan)
        })
        .collect();
    ranked.sort_by_key(|(times, _)| *times);
    ranked.into_iter().take(count).map(|(_, plan)| plan).collect()
}

/// The calls of these scenarios, learned side by side.
async fn learn_all(wanted: Vec<(Scenario, u64)>, at_a_time: usize) -> Vec<(Run, Vec<Target>)> {
    let learning = wanted.into_iter().map(|(scenario, seed)| learn(scenario, seed));
    futures::stream::iter(learning).buffered(at_a_time).collect().await
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// One plan, with everything that is known of it if it fails.
async fn alone(line: &str) {
    let plan: Plan = line.parse().unwrap();
    let outcome = outcome(&plan).await;
    keep(&plan, &outcome);
    assert!(outcome.broken.is_empty(), "{plan}: {}\n{}", outcome.broken.join("; "), outcome.report);
    eprintln!("{plan}: whole, {} calls were hit", outcome.hits);
}

/// `make faults`. `PLAN` runs one plan; else `FAULTS_PLANS` says how many, `FAULTS_SEEDS` from how many seeds,
/// `FAULTS_AT_ONCE` how many at a time, `FAULTS_ONLY` of which scenario, `FAULTS_PAGE` where the report is written,
/// `FAULTS_REPORTS` the folder for what is known of each failed plan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes up to an hour; make faults runs it"]
async fn all() {
    if let Some(line) = std::env::var("PLAN").ok().filter(|line| !line.is_empty()) {
        return alone(&line).await;
    }
    let (began, at_a_time) = (Instant::now(), number("FAULTS_AT_ONCE", 10));
    let only = std::env::var("FAULTS_ONLY").unwrap_or_default();
    let seeds = 1..=number("FAULTS_SEEDS", 3) as u64;
    let scenarios = Scenario::ALL.into_iter().filter(|scenario| scenario.name().contains(&only));
    let wanted = scenarios.flat_map(|scenario| seeds.clone().map(move |seed| (scenario, seed))).collect();
    let (mut plans, mut runs) = (Vec::new(), Vec::new());
    for (run, targets) in learn_all(wanted, at_a_time).await {
        eprintln!("{}: {} calls learned in {:?}", run.plan, targets.len(), run.took);
        plans.extend(every(run.plan.scenario, &targets, run.plan.seed));
        plans.extend(mixes(run.plan.scenario, &targets, run.plan.seed, 40));
        runs.push(run);
    }
    eprintln!("{} plans are possible", plans.len());
    runs.extend(run_all(spread(plans, number("FAULTS_PLANS", 3000), 1), at_a_time).await);
    let took = began.elapsed();
    let ordeals = if only.is_empty() || only == "ordeals" { ordeals::all(1).await } else { Vec::new() };
    if let Some(file) = std::env::var_os("FAULTS_PAGE") {
        std::fs::write(file, report::page(&runs, &ordeals, took, at_a_time)).unwrap();
    }
    let lines = |run: &Run| format!("make faults PLAN={}: {}", run.plan, run.broken.join("; "));
    let mut broken: Vec<String> = runs.iter().filter(|run| !run.broken.is_empty()).map(lines).collect();
    let ordeals = ordeals.into_iter().filter(|ordeal| !ordeal.broken.is_empty());
    broken.extend(ordeals.map(|ordeal| format!("{}: {}", ordeal.what, ordeal.broken.join("; "))));
    let missed = runs.iter().filter(|run| !run.plan.shots.is_empty() && run.hits == 0).count();
    eprintln!("{} runs, {missed} without a hit, {} broken", runs.len(), broken.len());
    assert!(broken.is_empty(), "broken:\n{}", broken.join("\n"));
}

/// The part of it that always runs: a hundred plans, always the same as long as the operator makes the same calls.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fixed_hundred() {
    let wanted: Vec<(Scenario, u64)> = Scenario::ALL.into_iter().zip([1, 2, 3].into_iter().cycle()).collect();
    let (mut plans, mut runs) = (Vec::new(), Vec::new());
    for (run, targets) in learn_all(wanted, 8).await {
        let (scenario, seed) = (run.plan.scenario, run.plan.seed);
        // Namespaces take some seconds to go, whatever we do; a few of them must do here.
        let share = if scenario == Scenario::NamespaceDelete { 4 } else { 20 };
        let mut own = every(scenario, &targets, seed);
        own.extend(mixes(scenario, &targets, seed, 5));
        plans.extend(spread(own, share, seed));
        runs.push(run);
    }
    plans.shuffle(&mut StdRng::seed_from_u64(1));
    plans.truncate(100 - runs.len());
    runs.extend(run_all(plans, 10).await);
    let hit = runs.iter().filter(|run| run.hits > 0).count();
    let broken: Vec<String> = runs
        .iter()
        .filter(|run| !run.broken.is_empty())
        .map(|run| format!("make faults PLAN={}: {}", run.plan, run.broken.join("; ")))
        .collect();
    assert!(broken.is_empty(), "broken:\n{}", broken.join("\n"));
    assert!(runs.len() == 100 && hit >= 70, "{} runs, {hit} of them hit", runs.len());
}

/// How many kills of [`rotations_killed_at_every_call`] always run; `make faults` runs them all.
const KILLS: usize = 24;

/// A rotation under steady delivery, with the process killed at a call: before it, after it, after its answer, or with the
/// call carried out when the next process is at work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rotations_killed_at_every_call() {
    let (mut plans, mut runs) = (Vec::new(), Vec::new());
    for (run, targets) in learn_all(vec![(Scenario::Rotate, 1), (Scenario::Leak, 2)], 2).await {
        let own = every(run.plan.scenario, &targets, run.plan.seed);
        plans.extend(own.into_iter().filter(Plan::only_crashes));
        runs.push(run);
    }
    let possible = plans.len();
    runs.extend(run_all(spread(plans, number("FAULTS_KILLS", KILLS), 1), 8).await);
    let hit = runs.iter().filter(|run| run.hits > 0).count();
    let broken: Vec<String> = runs
        .iter()
        .filter(|run| !run.broken.is_empty())
        .map(|run| format!("make faults PLAN={}: {}", run.plan, run.broken.join("; ")))
        .collect();
    assert!(broken.is_empty(), "broken:\n{}", broken.join("\n"));
    assert!(hit * 10 >= (runs.len() - 2) * 9, "{hit} of {} kills struck, {possible} are possible", runs.len());
}
