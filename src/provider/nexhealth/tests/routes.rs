//! What is sent, and which answers are taken.

use super::*;

#[tokio::test]
async fn the_routes() {
    let bench = Bench::answering(|seen| match (seen.method.as_str(), seen.uri.path()) {
        ("GET", "/institutions") => ok(200, r#"[{"id":7,"subdomain":"a b"}]"#),
        ("GET", "/sync_status") => ok(200, r#"[{"institution_id":7,"read_status":"green"}]"#),
        ("GET", "/locations") => ok(200, r#"[{"id":7,"locations":[{"id":71,"tz":"America/Denver"}]}]"#),
        ("GET", "/webhook_endpoints") => ok(200, &format!("[{ENDPOINT}]")),
        ("GET", _) => ok(200, &format!("[{ROW}]")),
        ("POST", "/webhook_endpoints") | ("PATCH", "/webhook_endpoints/5") => ok(200, ENDPOINT),
        ("DELETE", _) => answer(204, &[], ""),
        _ => ok(201, ROW),
    })
    .await;
    let it = &*bench.nexhealth;
    let (endpoints, rows, practices) = (it.endpoints().unwrap(), it.rows().unwrap(), it.practices().unwrap());
    assert_eq!(&*practices.list().await.unwrap()[0].name, "a b");
    assert_eq!(endpoints.list(false).await.unwrap().len(), 1);
    assert_eq!(endpoints.list(true).await.unwrap(), [], "a server that ignores the filter");
    assert!(endpoints.create(&new_endpoint()).await.unwrap().key.is_some());
    let patch = EndpointPatch { target_url: None, active: Some(false) };
    endpoints.patch(&RemoteId::new("5"), &patch).await.unwrap();
    endpoints.delete(&RemoteId::new("5")).await.unwrap();
    assert_eq!(rows.list(&RowScope::Endpoint(RemoteId::new("5"))).await.unwrap().len(), 1);
    assert_eq!(rows.create(&new_row(Some("a b&c"))).await.unwrap().practice.as_deref(), Some("7"));
    let patch = RowPatch { active: None, new_endpoint: Some(RemoteId::new("6")) };
    rows.patch(&row(), Some("a/b"), &patch).await.unwrap();
    rows.delete(&row()).await.unwrap();
    let syncs = it.syncs().unwrap();
    assert_eq!(&*syncs.list().await.unwrap()[0].0, "7");
    assert_eq!(&*syncs.places().await.unwrap()[0].id, "71");
    let seen = bench.server.seen();
    let lines: Vec<String> = seen.iter().skip(1).map(Seen::line).collect();
    let expected = [
        "GET /institutions",
        "GET /webhook_endpoints",
        "GET /webhook_endpoints?active=false",
        "POST /webhook_endpoints",
        "PATCH /webhook_endpoints/5",
        "DELETE /webhook_endpoints/5",
        "GET /webhook_endpoints/5/webhook_subscriptions",
        "POST /webhook_endpoints/5/webhook_subscriptions?subdomain=a+b%26c",
        "PATCH /webhook_endpoints/5/webhook_subscriptions/9?subdomain=a%2Fb",
        "DELETE /webhook_endpoints/5/webhook_subscriptions/9",
        "GET /sync_status",
        "GET /locations",
    ];
    assert_eq!(lines, expected);
    let body = |index: usize| String::from_utf8(seen[index].body.to_vec()).unwrap();
    assert_eq!(body(4), r#"{"active":true,"target_url":"https://h.test/a?t=canary-url"}"#);
    assert_eq!(body(5), r#"{"active":false}"#);
    assert_eq!(body(8), r#"{"active":true,"event":"patient_created","resource_type":"Patient"}"#);
    assert_eq!(body(9), r#"{"new_endpoint_id":6}"#);
    assert_eq!((seen[8].header("nex-api-version"), seen[9].header("nex-api-version")), ("v3.1.0", "v3.0.0"));
    assert_eq!(seen[8].header("content-type"), "application/json");
}

#[tokio::test]
async fn writes_whose_answer_cannot_be_read_are_ambiguous() {
    let ambiguous = Err(bad_answer(Some(Ambiguity::Answered)));
    for (status, body) in [
        (201, ""),
        (204, ""),
        (206, ROW),
        (201, "<html>"),
        (200, r#"{"code":false,"data":{"id":5}}"#),
        (200, r#"{"code":true,"data":null}"#),
        (200, r#"{"code":true,"data":[]}"#),
        (201, r#"{"code":true,"data":{"target_url":"https://h.test","active":true}}"#),
    ] {
        let bench = Bench::answering(move |_| answer(status, &[], body)).await;
        let (endpoints, rows) = (bench.nexhealth.endpoints().unwrap(), bench.nexhealth.rows().unwrap());
        assert_eq!(endpoints.create(&new_endpoint()).await.map(|_| ()), ambiguous, "{status} {body}");
        assert_eq!(rows.create(&new_row(Some("a"))).await.map(|_| ()), ambiguous, "{status} {body}");
        assert_eq!(rows.patch(&row(), Some("a"), &RowPatch::default()).await.map(|_| ()), ambiguous);
        let patched = endpoints.patch(&RemoteId::new("5"), &EndpointPatch::default()).await;
        assert_eq!(patched.map(|_| ()), ambiguous);
        if !body.contains("[]") {
            assert_eq!(endpoints.list(false).await.unwrap_err(), bad_answer(None), "{status} {body}");
        }
    }
    let bench = Bench::answering(|_| ok(200, ENDPOINT).map(|_| axum::body::Body::from(r#"{"code":false}"#))).await;
    assert_eq!(EndpointCalls::delete(&*bench.nexhealth, &RemoteId::new("5")).await, ambiguous);
    let bench = Bench::answering(|_| answer(202, &[], "")).await;
    let error = RowCalls::create(&*bench.nexhealth, &new_row(None)).await.unwrap_err();
    assert_eq!(error.ambiguity(), Some(Ambiguity::Accepted));
}

#[tokio::test]
async fn an_answer_about_another_thing_is_not_taken() {
    let bench =
        Bench::answering(|seen| ok(200, if seen.line().contains("subscriptions") { ROW } else { ENDPOINT })).await;
    let (endpoints, rows) = (bench.nexhealth.endpoints().unwrap(), bench.nexhealth.rows().unwrap());
    let ambiguous = bad_answer(Some(Ambiguity::Answered));
    assert_eq!(endpoints.patch(&RemoteId::new("6"), &EndpointPatch::default()).await.unwrap_err(), ambiguous);
    let other = RemoteRow { id: RemoteId::new("10"), ..row() };
    assert_eq!(rows.patch(&other, None, &RowPatch::default()).await.unwrap_err(), ambiguous);
    assert_eq!(rows.create(&new_row(None)).await.unwrap_err(), ambiguous, "asked for the account, got a practice");
}

#[tokio::test]
async fn what_cannot_be_sent_is_not_sent() {
    let bench = Bench::answering(empty_list).await;
    let endpoints = bench.nexhealth.endpoints().unwrap();
    for id in ["", "..", "5/..", "5?x", "ä"] {
        assert_eq!(endpoints.delete(&RemoteId::new(id)).await, Err(CallError::Rejected { status: 400 }), "{id}");
    }
    let rows = bench.nexhealth.rows().unwrap();
    assert!(rows.list(&RowScope::Account).await.is_err());
    let new = NewRow { payload_version: "v3\n".into(), ..new_row(None) };
    assert!(rows.create(&new).await.is_err());
    assert!(bench.server.seen().is_empty());
}
