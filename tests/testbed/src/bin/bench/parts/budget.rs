//! A provider that allows just as much as the account says: all of it is used, and never more.

use testbed::nexhealth::RateLimit;

use crate::Failure;
use crate::figures::{Budget, Figures};
use crate::shape::Shape;
use crate::stage::Stage;

/// Some two and a half minutes of work.
const LIMIT: RateLimit = RateLimit { per_minute: 1_200, burst: 50 };
const ROWS: usize = 3_000;
const MINUTE: f64 = 60.0;

/// Measures it.
pub async fn run(figures: &mut Figures) -> Result<(), Failure> {
    let mut stage = Stage::start(Some(LIMIT)).await?;
    let result = measure(&mut stage, figures).await;
    stage.stop().await;
    result
}

async fn measure(stage: &mut Stage, figures: &mut Figures) -> Result<(), Failure> {
    let shape = Shape::new(ROWS, false);
    stage.create_all(shape.endpoint_objects()).await?;
    stage.create_all(shape.subscription_objects()).await?;
    let (operator, took) = stage.converge(&shape).await?;
    operator.stop().await?;
    let calls = stage.simulator.ledger();
    let times: Vec<f64> = calls.iter().map(|call| call.at.as_millisecond() as f64 / 1000.0).collect();
    let busiest = times
        .iter()
        .enumerate()
        .map(|(first, from)| times[first..].iter().take_while(|at| **at - from < MINUTE).count());
    // Work waits from the first row asked for to the last.
    let rows: Vec<f64> = calls
        .iter()
        .zip(&times)
        .filter(|(call, _)| call.method == "POST" && call.path.ends_with("/webhook_subscriptions"))
        .map(|(_, at)| *at)
        .collect();
    let (first, last) = (rows.first().copied().unwrap_or_default(), rows.last().copied().unwrap_or_default());
    let waited = times.iter().filter(|at| **at >= first && **at <= last).count() as f64;
    let allowed = (last - first) / MINUTE * f64::from(LIMIT.per_minute) + f64::from(LIMIT.burst);
    let found = Budget {
        rows: shape.rows,
        per_minute: LIMIT.per_minute,
        burst: LIMIT.burst,
        busiest: busiest.max().unwrap_or_default(),
        used: waited / allowed,
        refused: calls.iter().filter(|call| call.status == Some(429)).count(),
        seconds: took.as_secs_f64(),
    };
    eprintln!("      {found:?}");
    figures.budget = Some(found);
    Ok(())
}
