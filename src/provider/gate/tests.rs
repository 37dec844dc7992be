//! Limits, lanes, pauses and the breaker, by tokio's stopped clock.

use super::*;

pub(super) fn gate(requests_per_minute: u32, burst: u32) -> Arc<Gate> {
    Arc::new(Gate::new(GateConfig { requests_per_minute, burst, in_flight: 8 }))
}

/// Sends as fast as the gate lets, and notes when each call went.
async fn hammer(gate: &Arc<Gate>, calls: usize, workers: usize) -> Vec<Duration> {
    let (start, times) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let tasks: Vec<_> = (0..workers)
        .map(|_| {
            let (gate, times) = (gate.clone(), times.clone());
            tokio::spawn(async move {
                for _ in 0..calls / workers {
                    let _permit = gate.enter().await.unwrap();
                    times.lock().unwrap().push(start.elapsed());
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut times = times.lock().unwrap().clone();
    times.sort();
    times
}

async fn enters_within(gate: &Arc<Gate>, seconds: u64) -> bool {
    tokio::time::timeout(Duration::from_secs(seconds), gate.enter()).await.is_ok()
}

/// Waits in a lane, notes its name when its turn comes, and leaves at once.
fn queue_up(gate: &Arc<Gate>, order: &Arc<Mutex<Vec<Lane>>>, lane: Lane, calls: usize) {
    for _ in 0..calls {
        let (gate, order) = (gate.clone(), order.clone());
        tokio::spawn(Errand::new(lane).run(async move {
            let _permit = gate.enter().await.unwrap();
            order.lock().unwrap().push(lane);
        }));
    }
}

async fn settle() {
    tokio::time::sleep(Duration::from_millis(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_limits_never_hands_out_two_bursts() {
    let gate = gate(60, 10);
    let first = hammer(&gate, 12, 4).await.len();
    gate.reconfigure(120, 40);
    let start = Instant::now();
    hammer(&gate, 40, 8).await;
    assert_eq!(first, 12);
    assert!(start.elapsed() >= Duration::from_secs(19), "40 calls at 2/s without a burst: {:?}", start.elapsed());
    gate.reconfigure(120, 40);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let start = Instant::now();
    hammer(&gate, 40, 8).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "same limits again: what was earned stays");
}

#[tokio::test(start_paused = true)]
async fn eight_in_flight() {
    let gate = gate(6000, 100);
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(gate.enter().await.unwrap());
    }
    assert!(!enters_within(&gate, 5).await);
    held.pop();
    assert!(enters_within(&gate, 5).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_stops_waiting_leaves_nothing_behind() {
    let gate = gate(60, 1);
    let held = gate.enter().await.unwrap();
    for _ in 0..20 {
        assert!(!enters_within(&gate, 1).await);
    }
    // One whose turn has come and who does not look any more.
    let late = tokio::spawn({
        let gate = gate.clone();
        async move { gate.enter().await.map(drop) }
    });
    settle().await;
    drop(held);
    late.abort();
    assert!(enters_within(&gate, 3).await, "the turn went on to the next");
}

#[tokio::test(start_paused = true)]
async fn lanes_share_four_to_three_to_two_to_one() {
    let (gate, order) = (gate(600, 1), Arc::default());
    let held = gate.enter().await.unwrap();
    for lane in [Lane::Reads, Lane::Creates, Lane::Repairs, Lane::Deletes] {
        queue_up(&gate, &order, lane, 400);
    }
    settle().await;
    drop(held);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let served = order.lock().unwrap().clone();
    // The stopped clock moves in whole milliseconds, so one call every 100 ms becomes one every 101.
    assert!(served.len() >= 590, "{}", served.len());
    for start in [0, 100, 400] {
        let share = |lane| served[start..start + 100].iter().filter(|other| **other == lane).count();
        let shares = [Lane::Deletes, Lane::Repairs, Lane::Creates, Lane::Reads].map(share);
        let fair = shares.iter().zip([40_usize, 30, 20, 10]).all(|(got, due)| got.abs_diff(due) <= 2);
        assert!(fair, "{shares:?} of 100");
    }
}

#[tokio::test(start_paused = true)]
async fn a_lane_with_nobody_in_it_costs_nothing_and_saves_nothing_up() {
    let (gate, order) = (gate(600, 1), Arc::default());
    let held = gate.enter().await.unwrap();
    queue_up(&gate, &order, Lane::Reads, 100);
    settle().await;
    drop(held);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let alone = order.lock().unwrap().len();
    assert!(alone >= 49, "reads have all of it while nobody else waits: {alone}");
    queue_up(&gate, &order, Lane::Deletes, 100);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let served = order.lock().unwrap()[alone..].to_vec();
    let reads = served.iter().filter(|lane| **lane == Lane::Reads).count();
    assert!((4..=8).contains(&reads), "a fifth from the first call on: {reads} of {}", served.len());
}

#[tokio::test(start_paused = true)]
async fn what_is_late_goes_first_and_shuts_nobody_out() {
    let (gate, order) = (gate(600, 1), Arc::default());
    let held = gate.enter().await.unwrap();
    queue_up(&gate, &order, Lane::Creates, 10);
    settle().await;
    let (errand, lever) = Errand::with_lever(Lane::Reads);
    for _ in 0..5 {
        let (gate, order) = (gate.clone(), order.clone());
        tokio::spawn(errand.clone().run(async move {
            let _permit = gate.enter().await.unwrap();
            order.lock().unwrap().push(Lane::Front);
        }));
    }
    settle().await;
    lever.raise(Lane::Front);
    settle().await;
    drop(held);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let served = order.lock().unwrap().clone();
    let (late, work) = (Lane::Front, Lane::Creates);
    assert_eq!(served[..6], [late, work, late, work, late, work]);
    assert_eq!(served.len(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_pause_holds_every_call_until_it_has_passed() {
    let gate = gate(6000, 100);
    let start = Instant::now();
    gate.pause(Some(Duration::from_secs(7)));
    gate.pause(Some(Duration::from_secs(2)));
    let times = hammer(&gate, 8, 8).await;
    assert!(times[0] >= Duration::from_secs(7) && start.elapsed() <= Duration::from_secs(8), "{times:?}");
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_a_year_is_ten_minutes() {
    let gate = gate(6000, 100);
    let start = Instant::now();
    gate.pause(Some(Duration::from_secs(365 * 86_400)));
    let _permit = gate.enter().await.unwrap();
    assert!(start.elapsed() >= LONGEST_PAUSE && start.elapsed() <= LONGEST_PAUSE + Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn without_retry_after_pauses_double_and_a_success_resets_them() {
    let gate = gate(6000, 100);
    for base in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0] {
        let start = Instant::now();
        for _ in 0..8 {
            gate.pause(None);
            gate.succeeded();
        }
        let _permit = gate.enter().await.unwrap();
        let waited = start.elapsed().as_secs_f64();
        assert!(waited >= base && waited <= base * 1.5 + 0.01, "{base}: {waited}");
    }
    gate.succeeded();
    let start = Instant::now();
    gate.pause(None);
    let _permit = gate.enter().await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn an_open_breaker_sends_everybody_away_but_probes() {
    let gate = gate(60, 1);
    let held = gate.enter().await.unwrap();
    let waiting: Vec<_> = (0..1000)
        .map(|_| {
            let gate = gate.clone();
            tokio::spawn(async move { gate.enter().await.map(drop) })
        })
        .collect();
    let probe = tokio::spawn({
        let gate = gate.clone();
        Errand::new(Lane::Reads).probing().run(async move { gate.enter().await.map(drop) })
    });
    settle().await;
    let opened = Instant::now();
    gate.open_breaker();
    for call in waiting {
        assert_eq!(call.await.unwrap(), Err(BreakerOpen));
    }
    assert_eq!(gate.enter().await.err(), Some(BreakerOpen));
    assert_eq!(opened.elapsed(), Duration::ZERO, "at once");
    drop(held);
    assert_eq!(probe.await.unwrap(), Ok(()));
    gate.close_breaker();
    assert!(gate.enter().await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn waits_for_the_provider_are_told_from_a_gate_that_stands_still() {
    let gate = gate(60, 1);
    assert!(!gate.holds_calls());
    let held = gate.enter().await.unwrap();
    let waiting = tokio::spawn({
        let gate = gate.clone();
        async move { gate.enter().await.map(drop) }
    });
    settle().await;
    assert!(gate.holds_calls());
    tokio::time::sleep(SILENT).await;
    assert!(!gate.holds_calls(), "no call takes so long");
    gate.pause(Some(Duration::from_secs(30)));
    assert!(gate.holds_calls());
    drop(held);
    waiting.await.unwrap().unwrap();
    assert!(!gate.holds_calls());
}

#[tokio::test(start_paused = true)]
async fn the_ratio_tells_how_much_of_the_last_minute_is_used() {
    let gate = gate(60, 40);
    assert!(gate.budget_ratio().abs() < f64::EPSILON);
    hammer(&gate, 40, 4).await;
    assert!((gate.budget_ratio() - 0.4).abs() < 0.01, "{}", gate.budget_ratio());
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(gate.budget_ratio().abs() < f64::EPSILON);
}

#[tokio::test(start_paused = true)]
async fn nonsense_limits_do_not_stop_the_gate() {
    let gate = Arc::new(Gate::new(GateConfig { requests_per_minute: 0, burst: 0, in_flight: 0 }));
    let _permit = gate.enter().await.unwrap();
    gate.reconfigure(0, 0);
    gate.reconfigure(u32::MAX, u32::MAX);
    gate.reconfigure(1, u32::MAX);
}
