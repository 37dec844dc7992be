//! Converging, resting, restarting: one API server per case.

use std::time::{Duration, Instant};

use testbed::control_plane::AuditRequest;

use crate::figures::{Converge, Figures, Memory, Rest, Restart};
use crate::operator::Operator;
use crate::shape::Shape;
use crate::stage::{Stage, count};
use crate::{Failure, floor};

/// Counters are written up to ten seconds after what they count.
const SETTLED: Duration = Duration::from_secs(15);
/// How long an idle operator is looked at; its memory is read at the end.
const REST: Duration = Duration::from_secs(60);
/// How long a restart may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// One case.
pub async fn run(figures: &mut Figures, shape: Shape, foreign: usize, restart: bool) -> Result<(), Failure> {
    let mut stage = Stage::start(None).await?;
    let result = measure(&mut stage, figures, shape, foreign, restart).await;
    stage.stop().await;
    result
}

async fn measure(
    stage: &mut Stage,
    figures: &mut Figures,
    shape: Shape,
    foreign: usize,
    restart: bool,
) -> Result<(), Failure> {
    stage.foreign_secrets(foreign).await?;
    stage.create_all(shape.endpoint_objects()).await?;
    stage.create_all(shape.subscription_objects()).await?;
    let (calls_mark, audit_mark) = (stage.simulator.mark(), stage.plane.audit().mark());
    let (operator, took) = stage.converge(&shape).await?;
    let calls = stage.simulator.count_since(calls_mark);
    let cpu = operator.usage()?.cpu;
    eprintln!("      ready after {:.1} s, {calls} calls, {cpu:.1} CPU-seconds", took.as_secs_f64());
    tokio::time::sleep(SETTLED).await;
    let writes = stage.writes(audit_mark)?;
    let rest = rest(stage, &operator).await?;
    let usage = operator.usage()?;
    eprintln!("      at rest: {rest:?}, {:.1} MiB, at most {:.1} MiB", usage.rss, usage.peak);
    let memory = Memory { objects: shape.objects(), foreign_secrets: foreign, rss: usage.rss, peak: usage.peak };
    Figures::put(&mut figures.memory, memory, |a, b| (a.objects, a.foreign_secrets) == (b.objects, b.foreign_secrets));
    operator.stop().await?;
    if restart {
        let found = restarted(stage, &shape).await?;
        Figures::put(&mut figures.restart, found, |a, b| (a.rows, a.objects) == (b.rows, b.objects));
    }
    if foreign > 0 {
        return Ok(());
    }
    let bare = floor::provider(&shape).await?.as_secs_f64();
    let client = floor::kubernetes(stage, &shape, &writes).await?.as_secs_f64();
    eprintln!("      floor: {bare:.1} s of calls, {client:.1} s of writes");
    let converge = Converge {
        rows: shape.rows,
        endpoints: shape.endpoints,
        objects: shape.objects(),
        calls,
        endpoint_writes: count(&writes, "webhookendpoints") + signing_secrets(&writes),
        subscription_writes: count(&writes, "webhooksubscriptions"),
        account_writes: count(&writes, "provideraccounts") + count(&writes, "secrets") - signing_secrets(&writes),
        events: count(&writes, "events"),
        seconds: took.as_secs_f64(),
        floor: Some((bare, client)),
        cpu,
        peak: usage.peak,
        rss: usage.rss,
        rest,
    };
    Figures::put(&mut figures.converge, converge, |a, b| (a.rows, a.objects) == (b.rows, b.objects));
    Ok(())
}

fn signing_secrets(writes: &[AuditRequest]) -> usize {
    writes.iter().filter(|write| write.resource == "secrets" && write.name != "nexhealth").count()
}

/// Looks at an operator that has nothing to do.
async fn rest(stage: &Stage, operator: &Operator) -> Result<Rest, Failure> {
    let (calls_mark, audit_mark, began) = (stage.simulator.mark(), stage.plane.audit().mark(), Instant::now());
    let cpu = operator.usage()?.cpu;
    tokio::time::sleep(REST).await;
    let calls = stage.simulator.calls_since(calls_mark);
    Ok(Rest {
        seconds: began.elapsed().as_secs_f64(),
        rounds: calls.iter().filter(|call| call.path == "/institutions").count(),
        calls: calls.len(),
        writes: stage.writes(audit_mark)?.len(),
        cpu: operator.usage()?.cpu - cpu,
    })
}

/// Starts the operator again with everything in place.
async fn restarted(stage: &mut Stage, shape: &Shape) -> Result<Restart, Failure> {
    let floor = floor::lists(stage, &stage.simulator).await?.as_secs_f64();
    let (calls_mark, audit_mark, began) = (stage.simulator.mark(), stage.plane.audit().mark(), Instant::now());
    let operator = stage.operator().await?;
    let mut begun = false;
    let seconds = loop {
        // Zero before the first list is zero of nothing.
        let left = operator.metric("external_webhooks_unconfirmed_objects").await?;
        begun = begun || left > 0.0;
        if begun && left == 0.0 {
            break began.elapsed().as_secs_f64();
        }
        if began.elapsed() > PATIENCE {
            return Err(format!("{left} objects are not confirmed\n{}", operator.log_tail()));
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    };
    tokio::time::sleep(Duration::from_secs(5)).await;
    let (calls, writes) = (stage.simulator.count_since(calls_mark), stage.writes(audit_mark)?);
    eprintln!("      restart: {seconds:.2} s (floor {floor:.2} s), {calls} calls, {} writes", writes.len());
    for write in writes.iter().take(5) {
        eprintln!("        {} {}/{} {}", write.verb, write.resource, write.subresource, write.name);
    }
    let peak = operator.usage()?.peak;
    operator.stop().await?;
    let Shape { rows, endpoints, .. } = *shape;
    Ok(Restart { rows, objects: shape.objects(), endpoints, seconds, floor, calls, writes: writes.len(), peak })
}
