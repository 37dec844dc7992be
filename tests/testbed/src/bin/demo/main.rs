//! `make demo`: the real operator against a real API server and a simulated provider, each claim checked as it is made.
//!
//! | file | subject |
//! |---|---|
//! | `stage` | everything that runs: control plane, simulator, receiver, operator; its start and its end |
//! | `cluster` | a cluster of its own, or an existing one with the chart |
//! | `operator` | the operator's binary as a child process, with no more rights than it ships with |
//! | `kubectl` | the commands that a person would type |
//! | `watch` | prints conditions as they change |
//! | `examples` | the YAML of `examples/`, with the simulator in place of the provider |
//! | `narrator` | what is printed, and how |
//! | `scenes` | what is shown: one file per scene |
//! | `keep` | `KEEP=1`: leaves it running, with words on how to play with it |

mod cluster;
mod examples;
mod keep;
mod kubectl;
mod narrator;
mod operator;
mod scenes;
mod stage;
mod watch;

use std::process::ExitCode;
use std::time::Instant;

use narrator::{Narrator, seconds};
use stage::Stage;
use tokio::signal::unix::{SignalKind, signal};

/// Why the demo ends: a sentence for a person.
type Failure = String;

/// Exit code of a process that was interrupted, as shells have it.
const INTERRUPTED: u8 = 130;

/// How a run ended.
enum Ending {
    Held,
    Broke(Failure),
    Interrupted,
}

#[tokio::main]
async fn main() -> ExitCode {
    let scene = match scenes::find(std::env::var("SCENE").ok().as_deref()) {
        Ok(scene) => scene,
        Err(message) => {
            eprintln!("demo: {message}");
            return ExitCode::from(2);
        }
    };
    let narrator = Narrator::new();
    // Before anything is started, so that Ctrl-C at any time stops what has been.
    let interrupted = match interrupted() {
        Ok(interrupted) => interrupted,
        Err(error) => {
            eprintln!("demo: cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    tokio::pin!(interrupted);
    let begun = Instant::now();
    let mut stage = None;
    let ending = tokio::select! {
        result = run(&narrator, scene, &mut stage) => result.map_or_else(Ending::Broke, |()| Ending::Held),
        () = &mut interrupted => Ending::Interrupted,
    };
    let took = begun.elapsed();
    let ending = match (ending, stage.as_mut()) {
        (Ending::Held, Some(stage)) if keep::wanted() => {
            narrator.verdict(true, &format!("every step held, in {}", seconds(took)));
            tokio::select! {
                result = keep::keep(&narrator, stage) => result.map_or_else(Ending::Broke, |()| Ending::Held),
                () = &mut interrupted => Ending::Held,
            }
        }
        (ending, _) => ending,
    };
    if let (Ending::Broke(failure), stage) = (&ending, stage.as_ref()) {
        narrator.broken(failure);
        if let Some(log) = stage.and_then(Stage::operator_log) {
            narrator.log_tail(&log);
        }
    }
    let stopped = match stage {
        Some(stage) => stage.stop().await,
        None => Ok(()),
    };
    let (code, words) = match (ending, stopped) {
        (Ending::Held, Ok(())) => (0, format!("every step held, in {} after the build; all is stopped", seconds(took))),
        (Ending::Held, Err(failure)) => {
            narrator.broken(&failure);
            (1, "the demo failed at its end; everything that was started is stopped".to_owned())
        }
        (Ending::Broke(_), _) => (1, "the demo failed; everything that was started is stopped".to_owned()),
        (Ending::Interrupted, _) => (INTERRUPTED, "interrupted; everything that was started is stopped".to_owned()),
    };
    narrator.verdict(code == 0, &words);
    ExitCode::from(code)
}

async fn run(narrator: &Narrator, scene: &scenes::Scene, stage: &mut Option<Stage>) -> Result<(), Failure> {
    narrator.title("external-webhooks: a real Kubernetes API server, the real operator, a simulated NexHealth");
    Stage::start(narrator, stage).await?;
    let Some(stage) = stage else { return Err("nothing was started".to_owned()) };
    (scene.play)(narrator, stage).await
}

/// Completes at the first SIGINT or SIGTERM.
fn interrupted() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
