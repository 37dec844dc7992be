//! Every fault, the hooks and the going down of the whole provider.

use crate::support::{Answer, Client, PRACTICE, SOON, URL, started};
use reqwest::Method;
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use testbed::nexhealth::{Call, Fault, HookAction, MadeUp, Matcher, SimConfig, Simulator, When};
use tokio::{sync::Notify, task::JoinHandle};

const PATH: &str = "/webhook_endpoints";

/// Starts, sets the fault for the next create, creates.
async fn create_under(fault: Fault) -> (Simulator, Client, reqwest::Result<Answer>) {
    let (simulator, client) = started().await;
    let name = fault.name();
    let rule = simulator.faults().on(Matcher::new("POST", PATH).once(), fault);
    let answer = client.try_call(Method::POST, PATH, json!({"target_url": URL})).await;
    let call = simulator.calls("POST", PATH).remove(0);
    assert_eq!((call.fault, simulator.faults().hits(rule)), (Some(name), 1));
    (simulator, client, answer)
}

/// Whether the chain of causes speaks of a reset by the peer.
fn was_reset(error: &reqwest::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        let kind = error.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        if kind == Some(std::io::ErrorKind::ConnectionReset) {
            return true;
        }
        cause = error.source();
    }
    false
}

#[tokio::test]
async fn reset_before_effect() {
    let (simulator, client, answer) = create_under(Fault::Reset(When::Before)).await;
    assert!(was_reset(&answer.err().unwrap()));
    assert!(simulator.endpoints().is_empty());
    let call = simulator.calls("POST", PATH).remove(0);
    assert_eq!((call.status, call.effect), (None, false));
    assert_eq!(client.post(PATH, json!({"target_url": URL})).await.status, 201);
}

#[tokio::test]
async fn reset_after_effect() {
    let (simulator, client, answer) = create_under(Fault::Reset(When::After)).await;
    assert!(was_reset(&answer.err().unwrap()));
    let call = simulator.calls("POST", PATH).remove(0);
    assert_eq!((call.status, call.effect, call.endpoint_id), (None, true, Some(simulator.endpoints()[0].id)));
    assert_eq!(client.get(PATH).await.ids().len(), 1);
}

#[tokio::test]
async fn close_before_and_after_effect() {
    for (when, made) in [(When::Before, 0), (When::After, 1)] {
        let (simulator, _, answer) = create_under(Fault::Close(when)).await;
        assert!(!was_reset(&answer.err().unwrap()));
        assert_eq!(simulator.endpoints().len(), made);
    }
}

/// Sends a create and waits until the ledger has it in this state.
async fn sent(simulator: &Simulator, client: Client, state: fn(&Call) -> bool) -> JoinHandle<()> {
    let task = tokio::spawn(async move {
        client.post(PATH, json!({"target_url": URL})).await;
    });
    let there = |calls: &[Call]| calls.iter().any(|call| call.method == "POST" && call.path == PATH && state(call));
    assert!(simulator.wait_for(there, SOON).await);
    task
}

#[tokio::test]
async fn hang_before_and_after_effect() {
    for (when, made) in [(When::Before, 0), (When::After, 1)] {
        let (simulator, client) = started().await;
        simulator.faults().on(Matcher::new("POST", PATH), Fault::Hang(when));
        let hangs = if when == When::Before { |call: &Call| call.fault.is_some() } else { |call: &Call| call.effect };
        let task = sent(&simulator, client, hangs).await;
        assert_eq!((simulator.endpoints().len(), task.is_finished()), (made, false));
        assert_eq!(simulator.calls("POST", PATH)[0].status, None);
        // Nothing that hangs keeps the simulator from ending.
        simulator.shutdown().await;
        assert!(task.await.is_err());
    }
}

#[tokio::test]
async fn delay_after_effect() {
    let (simulator, client) = started().await;
    let pause = Duration::from_millis(50);
    simulator.faults().on(Matcher::new("POST", PATH), Fault::Delay(When::After, pause));
    let begun = std::time::Instant::now();
    assert_eq!(client.post(PATH, json!({"target_url": URL})).await.status, 201);
    assert!(begun.elapsed() >= pause);
}

#[tokio::test]
async fn a_late_effect_comes_even_if_the_client_has_gone() {
    let (simulator, client) = started().await;
    let late = Fault::Delay(When::Before, Duration::from_millis(100));
    simulator.faults().on(Matcher::new("POST", PATH), late);
    sent(&simulator, client, |call| call.fault.is_some()).await.abort();
    assert!(simulator.wait_until(|simulator| simulator.endpoints().len() == 1, SOON).await);
}

#[tokio::test]
async fn status_with_and_without_effect() {
    for (when, made) in [(When::Before, 0), (When::After, 1)] {
        let (simulator, _, answer) = create_under(Fault::Status(when, MadeUp::retry_after(503, "7"))).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.retry_after.as_deref()), (503, Some("7")));
        assert_eq!(answer.json["code"], json!(false));
        assert_eq!(simulator.endpoints().len(), made);
    }
    let own = MadeUp { status: 422, body: Some(json!({"error": "own"})), retry_after: None };
    let (_, _, answer) = create_under(Fault::Status(When::Before, own)).await;
    assert_eq!(answer.unwrap().json, json!({"error": "own"}));
}

#[tokio::test]
async fn empty_body() {
    let (simulator, client, answer) = create_under(Fault::EmptyBody).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.json), (201, Value::Null));
    assert_eq!(client.get(PATH).await.ids(), [simulator.endpoints()[0].id]);
}

#[tokio::test]
async fn a_body_can_end_after_any_byte() {
    let (simulator, client) = started().await;
    let whole = client.request(Method::GET, "/institutions", &Value::Null).send().await.unwrap();
    let length = whole.content_length().unwrap() as usize;
    for kept in [0, 1, length / 2, length - 1] {
        simulator.faults().clear();
        simulator.faults().on(Matcher::new("GET", "/institutions"), Fault::TruncatedBody(kept));
        let mut response = client.request(Method::GET, "/institutions", &Value::Null).send().await.unwrap();
        assert_eq!((response.status().as_u16(), response.content_length()), (200, Some(length as u64)));
        let mut seen = 0;
        let error = loop {
            match response.chunk().await {
                Ok(Some(bytes)) => seen += bytes.len(),
                Ok(None) => panic!("the body was whole"),
                Err(error) => break error,
            }
        };
        assert_eq!(seen, kept, "{error}");
    }
}

#[tokio::test]
async fn wrong_shape() {
    let (_, client, answer) = create_under(Fault::WrongShape).await;
    assert!(answer.unwrap().data().is_array());
    let (simulator, _) = started().await;
    let client = Client { base: simulator.base_url(), ..client };
    let mut client = client;
    client.sign_in(SimConfig::API_KEY).await;
    simulator.faults().on(Matcher::new("GET", PATH), Fault::WrongShape);
    assert!(client.get(PATH).await.data().is_object());
}

#[tokio::test]
async fn html_page() {
    for (when, made) in [(When::Before, 0), (When::After, 1)] {
        let (simulator, _, answer) = create_under(Fault::Html(when, 502)).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, answer.content_type.as_str()), (502, "text/html; charset=utf-8"));
        assert_eq!(simulator.endpoints().len(), made);
    }
}

#[tokio::test]
async fn code_false_under_success() {
    for (when, made) in [(When::Before, 0), (When::After, 1)] {
        let (simulator, _, answer) = create_under(Fault::CodeFalse(when)).await;
        let answer = answer.unwrap();
        assert_eq!((answer.status, &answer.json["code"], answer.data()), (201, &json!(false), &Value::Null));
        assert_eq!(simulator.endpoints().len(), made);
    }
}

#[tokio::test]
async fn accepted_now_visible_later() {
    let (simulator, client, answer) = create_under(Fault::AcceptedLater(Duration::from_millis(200))).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.data()), (202, &Value::Null));
    assert!(simulator.wait_until(|simulator| simulator.endpoints().len() == 1, SOON).await);
    let call = simulator.calls("POST", PATH).remove(0);
    assert_eq!((call.status, call.effect, call.endpoint_id), (Some(202), true, Some(simulator.endpoints()[0].id)));
    assert_eq!(client.get(PATH).await.ids().len(), 1);
}

#[tokio::test]
async fn success_without_effect() {
    let (simulator, client, answer) = create_under(Fault::WithoutEffect).await;
    assert_eq!(answer.unwrap().status, 201);
    assert!(simulator.endpoints().is_empty() && simulator.journal().is_empty());
    let id = client.create_endpoint(URL).await;
    simulator.faults().on(Matcher::new("DELETE", "/webhook_endpoints/*"), Fault::WithoutEffect);
    assert_eq!(client.delete(&format!("{PATH}/{id}")).await.status, 204);
    assert_eq!(client.get(PATH).await.ids(), [id]);
}

#[tokio::test]
async fn other_status_and_edited_body() {
    let (_, _, answer) = create_under(Fault::OtherStatus(200)).await;
    let answer = answer.unwrap();
    assert_eq!((answer.status, answer.data()["target_url"].as_str()), (200, Some(URL)));
    let edit = Fault::EditBody(Arc::new(|body| body["data"]["id"] = json!("text")));
    let (_, _, answer) = create_under(edit).await;
    assert_eq!(answer.unwrap().data()["id"], json!("text"));
}

#[tokio::test]
async fn slow_body() {
    let (_, _, answer) = create_under(Fault::SlowBody { piece: 50, pause: Duration::from_millis(5) }).await;
    assert_eq!(answer.unwrap().data()["target_url"], json!(URL));
}

#[tokio::test]
async fn huge_body() {
    let (simulator, client) = started().await;
    simulator.faults().on(Matcher::new("GET", PATH), Fault::HugeBody(3_000_000));
    let response = client.request(Method::GET, PATH, &Value::Null).send().await.unwrap();
    assert_eq!(response.content_length(), None);
    assert_eq!(response.bytes().await.unwrap().len(), 3_000_000);
    simulator.faults().clear();
    simulator.faults().on(Matcher::new("GET", PATH), Fault::HugeBody(u64::MAX));
    let mut endless = client.request(Method::GET, PATH, &Value::Null).send().await.unwrap();
    assert!(endless.chunk().await.unwrap().is_some());
}

#[tokio::test]
async fn redirect() {
    let location = "http://169.254.169.254/latest".to_owned();
    let (simulator, client) = started().await;
    simulator.faults().on(Matcher::any(), Fault::Redirect { status: 307, location: location.clone() });
    let response = client.request(Method::GET, PATH, &Value::Null).send().await.unwrap();
    assert_eq!(response.status().as_u16(), 307);
    assert_eq!(response.headers()["location"].to_str().unwrap(), location);
}

#[tokio::test]
async fn rules_count_and_can_be_taken_back() {
    let (simulator, client) = started().await;
    let down = || Fault::Status(When::Before, MadeUp::status(503));
    let rule = simulator.faults().on(Matcher::new("GET", "/webhook_endpoints/**").nth(2).times(2), down());
    let statuses = async |client: &Client| {
        let mut statuses = Vec::new();
        for _ in 0..4 {
            statuses.push(client.get(&format!("{PATH}/1/webhook_subscriptions")).await.status);
        }
        statuses
    };
    assert_eq!(statuses(&client).await, [404, 503, 503, 404]);
    assert_eq!(simulator.faults().hits(rule), 2);
    let only_sunshine = Matcher::path("/sync_status").filter(|call| call.query_value("subdomain") == Some(PRACTICE));
    let rule = simulator.faults().on(only_sunshine, down());
    assert_eq!(client.get("/sync_status").await.status, 200);
    assert_eq!(client.get(&format!("/sync_status?subdomain={PRACTICE}")).await.status, 503);
    simulator.faults().remove(rule);
    assert_eq!(client.get(&format!("/sync_status?subdomain={PRACTICE}")).await.status, 200);
}

#[tokio::test]
async fn a_cut_ends_only_its_own_connection() {
    let (simulator, client) = started().await;
    let go_on = Arc::new(Notify::new());
    let (held, released) = (go_on.clone(), go_on.clone());
    simulator.on_request(move |call| {
        let held = held.clone();
        if call.path == "/institutions" {
            HookAction::wait(async move { held.notified().await })
        } else {
            HookAction::Proceed
        }
    });
    simulator.faults().on(Matcher::new("POST", PATH), Fault::Reset(When::Before));
    let other = client.clone();
    let waiting = tokio::spawn(async move { other.get("/institutions").await.status });
    assert!(simulator.wait_for(|calls| calls.iter().any(|call| call.path == "/institutions"), SOON).await);
    assert!(client.try_call(Method::POST, PATH, json!({"target_url": URL})).await.is_err());
    released.notify_one();
    assert_eq!(waiting.await.unwrap(), 200);
}

#[tokio::test]
async fn hooks_see_requests_before_and_after_the_effect() {
    let (simulator, client) = started().await;
    simulator.on_request(|call| match call.path.as_str() {
        "/institutions" => HookAction::Inject(Fault::Status(When::Before, MadeUp::status(500))),
        _ => HookAction::Proceed,
    });
    assert_eq!(client.get("/institutions").await.status, 500);
    assert_eq!(simulator.calls("GET", "/institutions")[0].fault, Some("status without effect"));

    let reached = Arc::new(Notify::new());
    let signal = reached.clone();
    simulator.clear_hooks();
    simulator.on_effect(move |call| {
        assert_eq!(call.status, Some(201));
        assert!(call.endpoint_id.is_some());
        signal.notify_one();
        HookAction::block()
    });
    let crashed = tokio::spawn(async move { client.post(PATH, json!({"target_url": URL})).await.status });
    reached.notified().await;
    assert_eq!(simulator.endpoints().len(), 1);
    crashed.abort();
    assert_eq!(simulator.calls("POST", PATH)[0].status, None);
}

#[tokio::test]
async fn the_provider_can_go_down_and_come_back() {
    let (simulator, client) = started().await;
    let id = client.create_endpoint(URL).await;
    simulator.go_down().await;
    let error = client.try_call(Method::GET, PATH, Value::Null).await.err().unwrap();
    assert!(error.is_connect(), "{error:?}");
    simulator.come_back().await.unwrap();
    assert_eq!(client.get(PATH).await.ids(), [id]);
}

#[tokio::test]
async fn it_stops_when_dropped_or_shut_down() {
    let (simulator, client) = started().await;
    simulator.shutdown().await;
    assert!(client.try_call(Method::GET, PATH, Value::Null).await.is_err());
    let (simulator, client) = started().await;
    drop(simulator);
    tokio::task::yield_now().await;
    assert!(client.try_call(Method::GET, PATH, Value::Null).await.is_err());
}
