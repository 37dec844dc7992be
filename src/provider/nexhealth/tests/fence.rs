//! What is not sent: writes without lease time, and anything while the breaker is open.

use super::*;
use crate::provider::gate::{Errand, Lane};

#[tokio::test]
async fn a_write_starts_only_with_more_lease_time_than_its_deadline() {
    let bench = Bench::answering(|seen| if seen.method == "GET" { ok(200, "[]") } else { ok(201, ENDPOINT) }).await;
    let deadline = CallLimits::default().write_deadline;
    bench.endpoints().await.unwrap();
    let before = bench.server.seen().len();
    for left in [Duration::ZERO, Duration::from_secs(1), deadline] {
        *bench.fence.0.lock().unwrap() = left;
        let error = EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await.unwrap_err();
        assert_eq!((error.ambiguity(), error), (None, CallError::Fenced));
        assert_eq!(bench.server.seen().len(), before, "nothing was sent");
    }
    bench.endpoints().await.unwrap();
    *bench.fence.0.lock().unwrap() = deadline + Duration::from_millis(1);
    EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await.unwrap();
    assert_eq!(bench.server.seen().len(), before + 2, "reads need no lease, and a write with time left goes");
}

#[tokio::test]
async fn lease_time_that_ran_out_at_the_gate_counts() {
    let bench = Bench::answering(|_| ok(201, ENDPOINT)).await;
    bench.nexhealth.authenticate().await.unwrap();
    bench.gate.pause(Some(Duration::from_secs(1)));
    let nexhealth = bench.nexhealth.clone();
    let write = tokio::spawn(async move { EndpointCalls::create(&*nexhealth, &new_endpoint()).await });
    while !bench.gate.holds_calls() {
        tokio::task::yield_now().await;
    }
    *bench.fence.0.lock().unwrap() = Duration::ZERO;
    assert_eq!(write.await.unwrap(), Err(CallError::Fenced));
    assert_eq!(bench.api_calls(), 0);
}

#[tokio::test]
async fn an_open_breaker_lets_only_probes_out_and_they_sign_in_too() {
    let bench = Bench::answering(empty_list).await;
    bench.gate.open_breaker();
    let open = CallError::Unavailable { cause: Unavailable::BreakerOpen, ambiguity: None };
    for _ in 0..20 {
        assert_eq!(bench.endpoints().await.unwrap_err(), open);
        let made = EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await;
        assert_eq!(made.unwrap_err(), open, "a write that was not sent is not ambiguous");
    }
    assert_eq!(bench.server.seen().len(), 0);
    let probe = Errand::new(Lane::Reads).probing();
    assert_eq!(probe.run(bench.endpoints()).await, Ok(Vec::new()));
    assert_eq!((bench.sign_ins(), bench.api_calls()), (1, 1));
}
