//! Sign-ins, 401s and 429s.

use futures::future::join_all;

use super::*;

#[tokio::test]
async fn fifty_calls_share_one_sign_in() {
    let bench = Bench::answering(empty_list).await;
    let outcomes = join_all((0..50).map(|_| bench.endpoints())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!((bench.sign_ins(), bench.api_calls()), (1, 50));
    let first = &bench.server.seen()[0];
    assert_eq!((first.line().as_str(), first.header("authorization")), ("POST /authenticates", KEY));
    assert!(bench.server.seen().iter().all(|seen| seen.header("nex-api-version") == "v3.0.0"));
    assert!(bench.server.seen()[1].header("authorization").starts_with("Bearer 1."));
}

#[tokio::test]
async fn fifty_calls_share_one_failed_sign_in() {
    let bench = Bench::new(empty_list, |_| answer(503, &[], ""), TokenTiming::default()).await;
    let outcomes = join_all((0..50).map(|_| bench.endpoints())).await;
    let unavailable = CallError::Unavailable { cause: Unavailable::Server(503), ambiguity: None };
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().err() == Some(&unavailable)));
    assert_eq!((bench.sign_ins(), bench.api_calls()), (1, 0));
    assert!(bench.endpoints().await.is_err());
    assert_eq!(bench.sign_ins(), 2, "a later call tries again");
}

#[tokio::test]
async fn fifty_401s_about_one_token_lead_to_one_sign_in() {
    let bench = Bench::answering(|seen| {
        if seen.header("authorization").starts_with("Bearer 1.") { answer(401, &[], "{}") } else { ok(200, "[]") }
    })
    .await;
    let outcomes = join_all((0..50).map(|_| bench.endpoints())).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(bench.sign_ins(), 2);
}

#[tokio::test]
async fn a_write_is_made_again_after_one_401() {
    let bench = Bench::answering(|seen| {
        if seen.header("authorization").starts_with("Bearer 1.") { answer(401, &[], "") } else { ok(201, ENDPOINT) }
    })
    .await;
    let made = EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await.unwrap();
    assert_eq!(made.id, RemoteId::new("5"));
    assert_eq!((bench.sign_ins(), bench.api_calls()), (2, 2));
    let codes = bench.journal.0.lock().unwrap().clone();
    let expected = [("sign_in", "201"), ("create_endpoint", "401"), ("sign_in", "201"), ("create_endpoint", "201")];
    assert_eq!(codes, expected.map(|(operation, code)| (operation, code.to_owned())));
}

#[tokio::test]
async fn a_401_forever_is_about_the_key_and_costs_two_calls() {
    let bench = Bench::answering(|_| answer(401, &[], "")).await;
    let error = EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await.unwrap_err();
    assert_eq!(error, CallError::CredentialsRejected);
    assert_eq!((bench.sign_ins(), bench.api_calls()), (2, 2));
}

#[tokio::test]
async fn a_refused_sign_in_is_not_repeated_by_every_call() {
    for status in [400, 401, 403, 422] {
        let bench = Bench::new(empty_list, move |_| answer(status, &[], ""), TokenTiming::default()).await;
        let outcomes = join_all((0..20).map(|_| bench.endpoints())).await;
        assert!(outcomes.iter().all(|outcome| outcome.as_ref().err() == Some(&CallError::CredentialsRejected)));
        assert_eq!(bench.endpoints().await.unwrap_err(), CallError::CredentialsRejected);
        assert_eq!(bench.sign_ins(), 1);
        assert_eq!(bench.nexhealth.authenticate().await, Err(CallError::CredentialsRejected));
        assert_eq!(bench.sign_ins(), 2, "a proof really asks");
    }
}

#[tokio::test]
async fn sign_ins_that_cannot_be_read() {
    for (status, data) in
        [(404, "{}"), (201, "null"), (201, "{}"), (200, r#"{"token":""}"#), (201, r#"{"token":"a\nb"}"#)]
    {
        let bench = Bench::new(empty_list, move |_| ok(status, data), TokenTiming::default()).await;
        let error = EndpointCalls::create(&*bench.nexhealth, &new_endpoint()).await.unwrap_err();
        let cause = if status == 404 { Unavailable::NoSuchRoute } else { Unavailable::BadAnswer };
        assert_eq!(error, CallError::Unavailable { cause, ambiguity: None }, "{data}");
    }
}

#[tokio::test]
async fn an_expired_token_is_replaced_and_a_dead_one_makes_no_hot_loop() {
    let short = TokenTiming { shortest: Duration::from_millis(50), ..TokenTiming::default() };
    let bench = Bench::new(empty_list, |turn| ok(201, &format!(r#"{{"token":"{}"}}"#, jwt(turn, 2))), short).await;
    bench.endpoints().await.unwrap();
    tokio::time::sleep(Duration::from_millis(2050)).await;
    bench.endpoints().await.unwrap();
    assert_eq!(bench.sign_ins(), 2);
    for life in [-3600, 0] {
        let dead = move |turn| ok(201, &format!(r#"{{"token":"{}"}}"#, jwt(turn, life)));
        let bench = Bench::new(empty_list, dead, TokenTiming::default()).await;
        for _ in 0..5 {
            bench.endpoints().await.unwrap();
        }
        assert_eq!(bench.sign_ins(), 1);
    }
    let bench = Bench::new(empty_list, |_| ok(201, r#"{"token":"garbage"}"#), TokenTiming::default()).await;
    for _ in 0..5 {
        bench.endpoints().await.unwrap();
    }
    assert_eq!(bench.sign_ins(), 1);
}

#[tokio::test]
async fn a_proof_signs_in_once_for_all_who_ask_at_the_same_time() {
    let bench = Bench::answering(empty_list).await;
    bench.endpoints().await.unwrap();
    let proofs = join_all((0..10).map(|_| bench.nexhealth.authenticate())).await;
    assert!(proofs.iter().all(Result::is_ok));
    assert_eq!(bench.sign_ins(), 2);
}

#[tokio::test]
async fn a_429_holds_the_next_call() {
    let turn = Arc::new(AtomicUsize::new(0));
    let bench = Bench::answering(move |_| {
        let first = turn.fetch_add(1, Ordering::SeqCst) == 0;
        if first { answer(429, &[("retry-after", "1")], "") } else { ok(200, "[]") }
    })
    .await;
    let started = std::time::Instant::now();
    let limited = CallError::RateLimited { retry_after: Some(Duration::from_secs(1)) };
    assert_eq!(bench.endpoints().await.unwrap_err(), limited);
    bench.endpoints().await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert!(bench.gate.throttled_total() >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_proof_that_cannot_be_had_does_not_take_a_good_token_away() {
    let second_fails = |turn| if turn == 2 { answer(503, &[], "") } else { good_sign_in(turn) };
    let bench = Bench::new(empty_list, second_fails, TokenTiming::default()).await;
    bench.endpoints().await.unwrap();
    let (proof, list) = futures::join!(bench.nexhealth.authenticate(), bench.endpoints());
    assert!(proof.is_err() && list.is_ok());
    bench.endpoints().await.unwrap();
    assert_eq!(bench.sign_ins(), 2);
}

#[tokio::test]
async fn a_worker_that_leaves_during_its_sign_in_does_not_block_the_others() {
    let bench = Bench::answering(empty_list).await;
    let asked = async {
        while bench.sign_ins() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        () = asked => {}
        _ = bench.endpoints() => panic!("answered before the sign-in was"),
    }
    bench.endpoints().await.unwrap();
    assert_eq!(bench.sign_ins(), 2);
}

#[tokio::test]
async fn a_sign_in_finds_a_place_although_all_workers_wait_for_it() {
    let bench = Bench::answering(|seen| {
        if seen.header("authorization").starts_with("Bearer 1.") { answer(401, &[], "") } else { ok(200, "[]") }
    })
    .await;
    let calls = join_all((0..100).map(|_| bench.endpoints()));
    let outcomes = tokio::time::timeout(Duration::from_secs(10), calls).await.unwrap();
    assert!(outcomes.iter().all(Result::is_ok));
}
