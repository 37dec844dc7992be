//! Thousands of monitors of one account: one read of sync status serves all of them, and at rest nothing is written.

use std::time::{Duration, Instant};

use crate::Failure;
use crate::figures::{Figures, Monitors, Rest};
use crate::ready::Ready;
use crate::shape;
use crate::stage::{Stage, count};

/// As many as one account may have.
pub const COUNT: usize = 5_000;
/// Objects say that a first verdict is there; what else is written then comes soon.
const SETTLED: Duration = Duration::from_secs(20);
/// Two reads of sync status, and a bit.
const REST: Duration = Duration::from_secs(130);
const PATIENCE: Duration = Duration::from_secs(300);

/// Measures it.
pub async fn run(figures: &mut Figures, objects: usize) -> Result<(), Failure> {
    let mut stage = Stage::start_with(None, objects).await?;
    let result = measure(&mut stage, figures, objects).await;
    stage.stop().await;
    result
}

async fn measure(stage: &mut Stage, figures: &mut Figures, objects: usize) -> Result<(), Failure> {
    stage.create_all((0..objects).map(shape::monitor).collect()).await?;
    let (ready, audit_mark, began) = (Ready::start(stage), stage.plane.audit().mark(), Instant::now());
    let operator = stage.operator().await?;
    let reached = ready.reaches(objects, PATIENCE).await;
    reached.map_err(|error| format!("{error}\n{}", operator.log_tail()))?;
    let seconds = began.elapsed().as_secs_f64();
    drop(ready);
    eprintln!("      a first verdict on all after {seconds:.1} s");
    tokio::time::sleep(SETTLED).await;
    let writes = count(&stage.writes(audit_mark)?, "practicesyncmonitors");
    let (calls_mark, audit_mark, began) = (stage.simulator.mark(), stage.plane.audit().mark(), Instant::now());
    let cpu = operator.usage()?.cpu;
    tokio::time::sleep(REST).await;
    let calls = stage.simulator.calls_since(calls_mark);
    let usage = operator.usage()?;
    let found = Monitors {
        objects,
        seconds,
        writes,
        rest: Rest {
            seconds: began.elapsed().as_secs_f64(),
            rounds: calls.iter().filter(|call| call.path == "/sync_status").count(),
            calls: calls.len(),
            writes: stage.writes(audit_mark)?.len(),
            cpu: usage.cpu - cpu,
        },
        rss: usage.rss,
        peak: usage.peak,
    };
    eprintln!("      {found:?}");
    figures.monitors = Some(found);
    operator.stop().await
}
