//! Breadth-first search over every state, on two threads.
//!
//! Own code rather than the `stateright` crate: that one always brings a web server, stores states as they are (here they
//! must be normalised to be finite), and cannot tell whether a state that several ways lead to must come to rest.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::actions::{self, Action};
use crate::fair;
use crate::mutant::Mutant;
use crate::properties::{unsettled, wrong};
use crate::scenario::Scenario;
use crate::world::{Budget, World};

const SHARDS: usize = 64;
const THREADS: usize = 2;
/// States that a thread takes at a time.
const CHUNK: usize = 64;

/// More steps than any state needs to come to rest.
const LONGEST_REST: usize = 400;

/// What a search found.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// States seen.
    pub states: u64,
    /// Events tried.
    pub events: u64,
    /// Length of the longest of the shortest ways to a state.
    pub depth: usize,
    /// Whether every state within the bounds was seen.
    pub complete: bool,
    /// How long it took.
    pub took: Duration,
    /// A state that breaks a property, and the way to it.
    pub counterexample: Option<Counterexample>,
}

/// A way to a state that breaks a property.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// What is broken.
    pub property: String,
    /// The events that lead there, and the state.
    pub trace: Vec<String>,
}

struct Search<'a> {
    scenario: &'a Scenario,
    mutant: Option<Mutant>,
    parents: Vec<Mutex<HashMap<u64, u64>>>,
    /// States from which the fair path is known to come to rest.
    good: Vec<Mutex<HashSet<u64>>>,
    events: AtomicU64,
    states: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Option<(World, String)>>,
}

fn print(world: &World) -> u64 {
    let mut hasher = DefaultHasher::new();
    world.hash(&mut hasher);
    hasher.finish()
}

fn shard(print: u64) -> usize {
    (print >> 32) as usize % SHARDS
}

/// Searches a scenario, for at most so long and so many states.
pub fn search(scenario: &Scenario, mutant: Option<Mutant>, most: u64, longest: Duration) -> Outcome {
    let began = Instant::now();
    let search = Search {
        scenario,
        mutant,
        parents: (0..SHARDS).map(|_| Mutex::default()).collect(),
        good: (0..SHARDS).map(|_| Mutex::default()).collect(),
        events: AtomicU64::new(0),
        states: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        found: Mutex::new(None),
    };
    let mut start = scenario.start();
    start.normalise();
    let mut frontier = Vec::new();
    if search.is_new(&start, 0) {
        frontier.push(start);
    }
    let mut depth = 0;
    while !frontier.is_empty() && !search.stop.load(Ordering::Relaxed) {
        frontier = search.level(frontier, most, began + longest);
        depth += usize::from(!frontier.is_empty());
    }
    let found = search.found.lock().unwrap_or_else(PoisonError::into_inner).take();
    let counterexample = found.map(|(world, property)| {
        let trace = search.trace(&world);
        Counterexample { property, trace }
    });
    Outcome {
        states: search.states.load(Ordering::Relaxed),
        events: search.events.load(Ordering::Relaxed),
        depth,
        complete: !search.stop.load(Ordering::Relaxed),
        took: began.elapsed(),
        counterexample,
    }
}

impl Search<'_> {
    /// All states that follow those of a level and were not seen before.
    fn level(&self, frontier: Vec<World>, most: u64, until: Instant) -> Vec<World> {
        let work = Mutex::new(frontier.into_iter());
        let next = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    let mut fresh = Vec::new();
                    loop {
                        let some: Vec<World> = {
                            let mut work = work.lock().unwrap_or_else(PoisonError::into_inner);
                            work.by_ref().take(CHUNK).collect()
                        };
                        let late = Instant::now() > until || self.states.load(Ordering::Relaxed) > most;
                        if late {
                            self.stop.store(true, Ordering::Relaxed);
                        }
                        if some.is_empty() || self.stop.load(Ordering::Relaxed) {
                            break;
                        }
                        for world in &some {
                            self.expand(world, &mut fresh);
                        }
                    }
                    next.lock().unwrap_or_else(PoisonError::into_inner).append(&mut fresh);
                });
            }
        });
        next.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn expand(&self, world: &World, fresh: &mut Vec<World>) {
        let from = print(world);
        let mut events = 0;
        actions::each(world, self.scenario, self.mutant, &mut |_, mut next| {
            events += 1;
            next.normalise();
            if next != *world && self.is_new(&next, from) {
                fresh.push(next);
            }
        });
        self.events.fetch_add(events, Ordering::Relaxed);
    }

    /// Takes a state in, if it was not seen before, and checks it.
    fn is_new(&self, world: &World, from: u64) -> bool {
        let print = print(world);
        {
            let mut parents = self.parents[shard(print)].lock().unwrap_or_else(PoisonError::into_inner);
            if parents.contains_key(&print) {
                return false;
            }
            parents.insert(print, from);
        }
        self.states.fetch_add(1, Ordering::Relaxed);
        let wrong = wrong(world).map(str::to_owned).or_else(|| self.restless(world));
        if let Some(property) = wrong {
            self.found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert((world.clone(), property));
            self.stop.store(true, Ordering::Relaxed);
        }
        true
    }

    /// Whether a state does not come to rest as it should when nothing more goes wrong.
    fn restless(&self, world: &World) -> Option<String> {
        // What is in flight is settled by states of their own.
        if !world.late.is_empty() || world.procs.len() > 1 {
            return None;
        }
        let mut at = world.clone();
        at.left = Budget::default();
        at.normalise();
        let mut path = HashSet::new();
        loop {
            let print = print(&at);
            if self.good[shard(print)].lock().unwrap_or_else(PoisonError::into_inner).contains(&print) {
                break;
            }
            if !path.insert(print) {
                if let Some(why) = unsettled(&at) {
                    return Some(format!("without further faults it comes to rest wrongly: {why}"));
                }
                break;
            }
            if path.len() > LONGEST_REST {
                return Some("without further faults it never comes to rest".to_owned());
            }
            at = fair::next(&at, self.mutant);
            if let Some(broken) = wrong(&at) {
                return Some(format!("without further faults: {broken}"));
            }
        }
        for print in path {
            self.good[shard(print)].lock().unwrap_or_else(PoisonError::into_inner).insert(print);
        }
        None
    }

    /// The way to a state, in words.
    fn trace(&self, world: &World) -> Vec<String> {
        let mut prints = vec![print(world)];
        while let Some(from) = prints.last().and_then(|print| {
            let parents = self.parents[shard(*print)].lock().unwrap_or_else(PoisonError::into_inner);
            parents.get(print).copied().filter(|from| *from != 0)
        }) {
            prints.push(from);
        }
        prints.reverse();
        let mut at = self.scenario.start();
        at.normalise();
        let mut trace = Vec::new();
        for wanted in &prints[1..] {
            let mut step: Option<(Action, World)> = None;
            actions::each(&at, self.scenario, self.mutant, &mut |action, mut next| {
                next.normalise();
                if step.is_none() && print(&next) == *wanted {
                    step = Some((action, next));
                }
            });
            let Some((action, next)) = step else { break };
            trace.push(format!("{action:?}"));
            at = next;
        }
        trace.push(format!("{at:#?}"));
        trace
    }
}
