//! Any limits, any latencies, any mix of lanes: the budget holds at the provider, is used, and nobody is left behind.

use proptest::prelude::*;
use tokio::task::JoinSet;

use super::tests::gate;
use super::*;

const MINUTE: Duration = Duration::from_secs(60);

/// When a call was sent, when it was counted by the provider, and in which lane it went.
struct Sent {
    left: Duration,
    arrived: Duration,
    lane: Lane,
    number: usize,
}

/// Sends calls that all wait from the start. Each reaches the provider somewhere between its sending and its answer.
async fn send_all(gate: &Arc<Gate>, calls: &[(Lane, u64, u64)]) -> Vec<Sent> {
    let start = Instant::now();
    let mut tasks = JoinSet::new();
    for (number, (lane, there, back)) in calls.iter().copied().enumerate() {
        let gate = gate.clone();
        tasks.spawn(Errand::new(lane).run(async move {
            let _permit = gate.enter().await.unwrap();
            let left = start.elapsed();
            tokio::time::sleep(Duration::from_millis(there)).await;
            let arrived = start.elapsed();
            tokio::time::sleep(Duration::from_millis(back)).await;
            Sent { left, arrived, lane, number }
        }));
        // Calls of one lane are told apart by when they came.
        tokio::task::yield_now().await;
    }
    tasks.join_all().await
}

fn busiest_minute(mut times: Vec<Duration>) -> usize {
    times.sort();
    let until = |from: Duration| times.partition_point(|at| *at < from + MINUTE);
    times.iter().enumerate().map(|(place, from)| until(*from) - place).max().unwrap_or(0)
}

/// Whether a provider with exactly this bucket would have refused one of these calls. Tokens are counted in units of
/// which one call needs `60 s` and `rate` come back per nanosecond, so that nothing is rounded.
fn refused(mut arrivals: Vec<Duration>, rate: u32, burst: u32) -> bool {
    arrivals.sort();
    let (call, full) = (MINUTE.as_nanos(), MINUTE.as_nanos() * u128::from(burst));
    let (mut left, mut at) = (full, Duration::ZERO);
    arrivals.into_iter().any(|now| {
        left = full.min(left + (now - at).as_nanos() * u128::from(rate));
        at = now;
        let refused = left < call;
        left = left.saturating_sub(call);
        refused
    })
}

fn lanes() -> impl Strategy<Value = Lane> {
    prop_oneof![Just(Lane::Deletes), Just(Lane::Repairs), Just(Lane::Creates), Just(Lane::Reads), Just(Lane::Front)]
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_provider_with_exactly_this_bucket_never_refuses(
        rate in 1..2000_u32,
        burst in 1..60_u32,
        calls in proptest::collection::vec((lanes(), 0..900_u64, 0..900_u64), 1..300),
    ) {
        let sent = run(async { send_all(&gate(rate, burst), &calls).await });
        prop_assert_eq!(sent.len(), calls.len(), "every call has its turn");
        let arrived: Vec<_> = sent.iter().map(|sent| sent.arrived).collect();
        prop_assert!(!refused(arrived.clone(), rate, burst));
        for times in [arrived, sent.iter().map(|sent| sent.left).collect()] {
            let busiest = busiest_minute(times);
            prop_assert!(busiest <= (rate + burst) as usize, "{busiest} in a minute");
        }
    }

    #[test]
    fn within_a_lane_first_come_is_first_served(
        calls in proptest::collection::vec((lanes(), Just(3), Just(3)), 1..200),
    ) {
        let mut sent = run(async { send_all(&gate(600, 4), &calls).await });
        sent.sort_by_key(|sent| (sent.lane, sent.left, sent.number));
        for pair in sent.windows(2).filter(|pair| pair[0].lane == pair[1].lane) {
            prop_assert!(pair[0].number < pair[1].number);
        }
    }

    /// The budget is used to 95 % while work waits, as soon as the burst covers what is in flight.
    #[test]
    fn nothing_is_wasted_while_work_waits(
        rate in 60..2000_u32,
        spare in 1..30_u32,
        calls in proptest::collection::vec((lanes(), 0..100_u64, 0..100_u64), 300),
    ) {
        // In flight at this rate with the longest latency.
        let burst = (rate / 60).div_ceil(5) + spare;
        prop_assume!(burst < 300 && rate / 60 * 200 / 1000 < 8);
        let sent = run(async { send_all(&gate(rate, burst), &calls).await });
        let last = sent.iter().map(|sent| sent.left).max().unwrap().as_secs_f64();
        let due = (sent.len() as u32 - burst) as f64 * 60.0 / f64::from(rate);
        prop_assert!(last <= due / 0.95 + 0.5, "{} calls at {rate}+{burst} took {last}, due {due}", sent.len());
    }
}

#[test]
fn the_judge_of_buckets_can_say_no() {
    let second = Duration::from_secs;
    assert!(!refused(vec![second(1), second(1), second(2)], 60, 2));
    assert!(refused(vec![second(1), second(1), second(1)], 60, 2));
    assert_eq!(busiest_minute(vec![second(0), second(59), second(60), second(61)]), 3);
}
