//! `make bench`: what the released operator costs, beside what nobody can do in less, against a real API server.
//!
//! | file | subject |
//! |---|---|
//! | `parts` | what is measured: one file per part |
//! | `stage` | an API server and a provider for one case |
//! | `operator` | the released binary as a child process, and what the kernel says of it |
//! | `shape` | the objects of one case |
//! | `ready` | counts objects that are ready |
//! | `floor` | the bare loop and the bare client |
//! | `figures` | what was measured |
//! | `targets` | what was to be reached, and whether it was |
//! | `page`, `plot` | docs/performance.md and its plots |
//!
//! `ONLY=converge N=300` measures one part, or one case of it; figures measured before stay in the page.

mod figures;
mod floor;
mod operator;
mod page;
mod parts;
mod plot;
mod ready;
mod shape;
mod stage;
mod targets;

use std::process::ExitCode;
use std::time::Instant;

use figures::Figures;
use shape::Shape;

/// A sentence for a person.
type Failure = String;

const PARTS: [&str; 6] = ["converge", "memory", "budget", "latency", "monitors", "outage"];

#[tokio::main]
async fn main() -> ExitCode {
    let only = std::env::var("ONLY").ok().filter(|only| !only.is_empty());
    let size = std::env::var("N").ok().filter(|size| !size.is_empty());
    if let Some(only) = only.as_ref().filter(|only| !PARTS.contains(&only.as_str())) {
        eprintln!("bench: there is no part {only:?}; there are {}", PARTS.join(", "));
        return ExitCode::from(2);
    }
    let size = match size.map(|size| size.parse::<usize>()).transpose() {
        Ok(size) => size,
        Err(error) => {
            eprintln!("bench: N is not a number: {error}");
            return ExitCode::from(2);
        }
    };
    let begun = Instant::now();
    match run(only.as_deref(), size, begun).await {
        Ok(()) => {
            eprintln!("bench: done in {:.0} s; see docs/performance.md", begun.elapsed().as_secs_f64());
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

async fn run(only: Option<&str>, size: Option<usize>, begun: Instant) -> Result<(), Failure> {
    let mut figures = Figures::load();
    figures.machine = page::machine();
    // The outage takes a quarter of an hour alone, so it is measured only when it is asked for.
    let wanted = |part: &str| only.map_or(part != "outage", |only| only == part);
    let fits = |rows: usize| size.is_none_or(|size| size == rows);
    let say = |what: String| eprintln!("[{:>4.0} s] {what}", begun.elapsed().as_secs_f64());
    if wanted("converge") {
        for (rows, one_each) in [300, 1_000, 10_000].into_iter().flat_map(|rows| [(rows, false), (rows, true)]) {
            if fits(rows) {
                let shape = Shape::new(rows, one_each);
                say(format!("converge {rows} subscriptions in {} objects", shape.objects()));
                parts::converge::run(&mut figures, shape, 0, rows == 10_000).await?;
                finish(&figures)?;
            }
        }
    }
    if wanted("memory") {
        for (objects, foreign) in [(2_000, 0), (2_000, 5_000), (10_000, 5_000)] {
            if fits(objects) {
                say(format!("memory at {objects} objects among {foreign} foreign Secrets"));
                parts::converge::run(&mut figures, Shape::new(objects, true), foreign, false).await?;
                finish(&figures)?;
            }
        }
    }
    if wanted("budget") {
        say("a provider that allows just so much".to_owned());
        parts::budget::run(&mut figures).await?;
    }
    if wanted("latency") {
        say("from a request to Ready".to_owned());
        parts::latency::run(&mut figures).await?;
    }
    if wanted("monitors") {
        let count = size.unwrap_or(parts::monitors::COUNT);
        say(format!("{count} monitors"));
        parts::monitors::run(&mut figures, count).await?;
    }
    if wanted("outage") {
        say("an outage of more than ten minutes".to_owned());
        parts::outage::run(&mut figures).await?;
    }
    finish(&figures)
}

fn finish(figures: &Figures) -> Result<(), Failure> {
    figures.store()?;
    page::write(figures)
}
