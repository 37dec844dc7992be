//! The faults and hooks that every simulator shares, at the calls of these two.

use crate::herohealth::{EVENT, PATH, URL, started};
use crate::insighthealth::{self, item};
use crate::support::{Answer, Client, SOON};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use testbed::herohealth::{Fault, HookAction, MadeUp, Matcher, Simulator, When};
use testbed::insighthealth as insight;

/// A create under a fault: the answer, and whether there is a webhook now.
async fn create_under(fault: Fault) -> (Option<Answer>, bool) {
    let (simulator, client) = started().await;
    let (name, rule) = (fault.name(), simulator.faults().on(Matcher::new("POST", PATH).once(), fault));
    let body = json!({"event_type": EVENT, "url": URL}).to_string();
    let answer = client.send(Method::POST, PATH, Some(body)).await.ok();
    let call = simulator.calls("POST", PATH).remove(0);
    assert_eq!((call.fault, simulator.faults().hits(rule)), (Some(name), 1));
    let made = simulator.webhooks().len();
    assert_eq!(call.effect && call.resource_id.is_some() && call.fault != Some("success without effect"), made == 1);
    (answer, made == 1)
}

#[tokio::test]
async fn what_cuts_the_connection() {
    for when in [When::Before, When::After] {
        for fault in [Fault::Reset(when), Fault::Close(when)] {
            let name = fault.name();
            let (answer, made) = create_under(fault).await;
            assert_eq!((answer.is_none(), made), (true, when == When::After), "{name}");
        }
    }
    let (answer, made) = create_under(Fault::TruncatedBody(5)).await;
    assert!(answer.is_none() && made);
}

#[tokio::test]
async fn what_changes_the_answer() {
    for when in [When::Before, When::After] {
        for fault in [Fault::Status(when, MadeUp::status(503)), Fault::Html(when, 502)] {
            let (answer, made) = create_under(fault).await;
            assert!(answer.unwrap().status > 500);
            assert_eq!(made, when == When::After);
        }
    }
    let usual = create_under(Fault::Status(When::Before, MadeUp::status(500))).await.0.unwrap();
    assert_eq!(usual.json, json!({"message": "Internal server error"}), "its own failure, not another provider's");
    let (answer, made) = create_under(Fault::WithoutEffect).await;
    assert!(answer.unwrap().json["id"].is_string() && !made);
    let (answer, made) = create_under(Fault::EmptyBody).await;
    assert_eq!((answer.map(|answer| (answer.status, answer.json)), made), (Some((200, Value::Null)), true));
    let (answer, made) = create_under(Fault::WrongShape).await;
    assert!(answer.unwrap().json.is_array() && made);
    let (answer, made) = create_under(Fault::CodeFalse(When::After)).await;
    assert_eq!((answer.map(|answer| (answer.status, answer.json)), made), (Some((200, usual.json)), true));
    let (answer, made) = create_under(Fault::OtherStatus(202)).await;
    assert_eq!((answer.map(|answer| answer.status), made), (Some(202), true));
    let (answer, made) = create_under(Fault::Redirect { status: 307, location: URL.into() }).await;
    assert_eq!((answer.map(|answer| answer.status), made), (Some(307), false));
}

#[tokio::test]
async fn what_comes_late() {
    let (simulator, client) = started().await;
    simulator.faults().on(Matcher::any().once(), Fault::AcceptedLater(Duration::from_millis(1)));
    assert_eq!(client.post(PATH, &json!({"event_type": EVENT, "url": URL})).await.status, 202);
    assert!(simulator.wait_until(|simulator| simulator.webhooks().len() == 1, SOON).await);
}

#[tokio::test]
async fn hooks_see_each_call_and_its_effect() {
    let (simulator, client) = started().await;
    simulator.on_effect(|call| {
        let made = call.method == "POST" && call.effect && call.resource_id.is_some();
        if made { HookAction::Inject(Fault::Reset(When::After)) } else { HookAction::Proceed }
    });
    let body = json!({"event_type": EVENT, "url": URL}).to_string();
    assert!(client.send(Method::POST, PATH, Some(body)).await.is_err());
    simulator.clear_hooks();
    assert_eq!(client.get(PATH).await.json.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn it_goes_down_and_comes_back_as_it_was() {
    let (simulator, client) = started().await;
    client.post(PATH, &json!({"event_type": EVENT, "url": URL})).await;
    simulator.go_down().await;
    assert!(client.send(Method::GET, PATH, None).await.is_err());
    simulator.come_back().await.unwrap();
    assert_eq!(client.get(PATH).await.json.as_array().unwrap().len(), 1);
    simulator.shutdown().await;
}

#[tokio::test]
async fn insight_suffers_the_same() {
    let simulator = insight::Simulator::start(insight::SimConfig::default()).await.unwrap();
    let client = Client::new(simulator.base_url(), &[]);
    let path = insighthealth::PATH;
    let body = item("a1").to_string();
    for (fault, status, taken_in) in [
        (Fault::Status(When::Before, MadeUp::status(500)), 500, 0),
        (Fault::CodeFalse(When::Before), 200, 0),
        (Fault::Status(When::After, MadeUp::status(500)), 500, 1),
        (Fault::CodeFalse(When::After), 200, 2),
    ] {
        simulator.faults().on(Matcher::new("POST", "/v2/**").once(), fault);
        let answer = insighthealth::sync(&client, path, &body).await;
        assert_eq!((answer.status, &answer.json["success"]), (status, &json!(false)));
        assert_eq!(simulator.appointments().len(), taken_in);
        simulator.faults().clear();
    }
}

/// Both are held by the same handle, so a test written for one can be written for all.
#[tokio::test]
async fn waiting_for_a_call() {
    let (simulator, client) = started().await;
    let waits = simulator.wait_for(|calls| calls.iter().any(|call| call.status == Some(200)), SOON);
    let (seen, _) = tokio::join!(waits, client.get(PATH));
    assert!(seen);
    let mark = simulator.mark();
    client.get(PATH).await;
    let since: fn(&Simulator, _) -> usize = Simulator::count_since;
    assert_eq!((since(&simulator, mark), simulator.calls_since(mark).len()), (1, 1));
}
