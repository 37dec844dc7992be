//! A provider that answers nothing but 503 for longer than the grace of ten minutes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testbed::nexhealth::{Fault, HookAction, MadeUp, When};

use crate::Failure;
use crate::figures::{Figures, Outage};
use crate::ready::Ready;
use crate::shape::Shape;
use crate::stage::{Stage, count};

const OBJECTS: usize = 2_000;
/// Shorter than the grace of ten minutes, by more than a probe.
const BEFORE: Duration = Duration::from_secs(570);
/// Long enough after it for every object to say so at 20 a second.
const AFTER: Duration = Duration::from_secs(240);
/// Calls that were on their way when the outage began.
const SETTLING: Duration = Duration::from_secs(10);

/// Measures it.
pub async fn run(figures: &mut Figures) -> Result<(), Failure> {
    let mut stage = Stage::start(None).await?;
    let result = measure(&mut stage, figures).await;
    stage.stop().await;
    result
}

async fn measure(stage: &mut Stage, figures: &mut Figures) -> Result<(), Failure> {
    let shape = Shape::new(OBJECTS, true);
    stage.create_all(shape.endpoint_objects()).await?;
    stage.create_all(shape.subscription_objects()).await?;
    let (operator, _) = stage.converge(&shape).await?;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (now, most, settled) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let (in_flight, peak, counting) = (now.clone(), most.clone(), settled.clone());
    let (calls_mark, mut audit_mark, began) = (stage.simulator.mark(), stage.plane.audit().mark(), Instant::now());
    stage.simulator.on_request(move |_| {
        let together = in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        if counting.load(Ordering::SeqCst) {
            peak.fetch_max(together, Ordering::SeqCst);
        }
        let left = in_flight.clone();
        // Long enough for calls to overlap, if there are several.
        let busy = async move {
            tokio::time::sleep(Duration::from_millis(200)).await;
            left.fetch_sub(1, Ordering::SeqCst);
        };
        HookAction::Wait(Box::pin(busy), Box::new(HookAction::Inject(Fault::Status(When::Before, MadeUp::status(503)))))
    });
    tokio::time::sleep(SETTLING).await;
    settled.store(true, Ordering::SeqCst);
    let of_objects = |stage: &Stage, mark| stage.writes(mark).map(|writes| count(&writes, "webhooksubscriptions"));
    progress(BEFORE - SETTLING).await;
    let writes_before = of_objects(stage, audit_mark)?;
    audit_mark = stage.plane.audit().mark();
    progress(AFTER).await;
    let writes_after = of_objects(stage, audit_mark)?;
    let (calls, minutes) = (stage.simulator.count_since(calls_mark), began.elapsed().as_secs_f64() / 60.0);
    let (ready, back) = (Ready::start(stage), Instant::now());
    stage.simulator.clear_hooks();
    ready.reaches(shape.endpoints + shape.objects(), Duration::from_secs(300)).await?;
    let found = Outage {
        objects: shape.objects(),
        minutes,
        calls,
        at_once: most.load(Ordering::SeqCst),
        writes_before,
        writes_after,
        recovery: back.elapsed().as_secs_f64(),
    };
    eprintln!("      {found:?}");
    figures.outage = Some(found);
    operator.stop().await
}

async fn progress(length: Duration) {
    let began = Instant::now();
    while began.elapsed() < length {
        tokio::time::sleep(Duration::from_secs(30).min(length.saturating_sub(began.elapsed()))).await;
        eprintln!("      {:.0} of {:.0} s of this stretch", began.elapsed().as_secs_f64(), length.as_secs_f64());
    }
}
