//! The adapter against a small server, row by row of what is known of the provider. Nothing here knows the simulator.

use std::time::Duration;

use axum::response::Response;

use super::*;
use crate::provider::caller::CallObserver;
use crate::provider::error::{Ambiguity, Unavailable};
use crate::provider::fence::Fence;
use crate::provider::gate::{Gate, GateConfig};
use crate::provider::http::{CallLimits, HttpClient};
use crate::provider::model::home::{fingerprint_of, home, home_of_unknown_key};
use crate::provider::model::{NewRow, RemoteId, RemoteRow, RowPatch};
use crate::provider::test_server::{Seen, Server, answer, install_tls};

const KEY: &str = "0123456789abcdef";
const URL: &str = "https://h.test/a?t=canary-url";

struct Nobody;

impl CallObserver for Nobody {
    fn observed(&self, provider: &'static str, _: &'static str, _: &str, _: f64) {
        assert_eq!(provider, "herohealth");
    }
}

struct Always;

impl Fence for Always {
    fn time_left(&self) -> Duration {
        Duration::MAX
    }
}

async fn bench(api: impl Fn(Seen) -> Response + Clone + Send + Sync + 'static) -> (HeroHealth, Server) {
    install_tls();
    let server = Server::start(move |seen| {
        let answer = api(seen);
        async move { answer }
    })
    .await;
    let account = HeroHealthAccount {
        base_url: BaseUrl::parse(&server.url, DEFAULT_BASE_URL, &[&server.url]).unwrap(),
        api_key: SecretText::new("canary-api-key"),
        practice_group_id: "pg-1".into(),
    };
    let gate = Arc::new(Gate::new(GateConfig { requests_per_minute: 60_000, burst: 1000, in_flight: 8 }));
    let http = HttpClient::new(CallLimits::default(), None).unwrap();
    (
        HeroHealth::new(account, Wiring { gate, http, observer: Arc::new(Nobody), fence: Arc::new(Always) }).unwrap(),
        server,
    )
}

fn webhook(id: &str, key: &str) -> String {
    format!(
        r#"{{"id":"{id}","event_type":"prescription.issued","url":"{URL}","signing_key":{key},"created_at":"2026-01-01T00:00:00Z","updated_at":"x","more":[1]}}"#
    )
}

async fn listed(status: u16, body: &str) -> Result<Vec<RemoteRow>, CallError> {
    let body = body.to_owned();
    let (hero, _) = bench(move |_| answer(status, &[], body.clone())).await;
    RowCalls::list(&hero, &RowScope::Account).await
}

fn new_row(hero: &HeroHealth) -> NewRow {
    let (home, _) = hero.keyring.offer(URL, &SecretText::new(KEY));
    NewRow {
        endpoint: home,
        practice: None,
        resource_type: "".into(),
        event: "prescription.issued".into(),
        active: true,
        payload_version: "".into(),
    }
}

#[tokio::test]
async fn every_call_carries_both_headers_and_a_create_says_everything_at_once() {
    let (hero, server) = bench(|seen| match seen.method.as_str() {
        "POST" => answer(200, &[], webhook("wh_1", &format!("\"{KEY}\""))),
        "GET" => answer(200, &[], "[]"),
        _ => answer(204, &[], ""),
    })
    .await;
    let row = RowCalls::create(&hero, &new_row(&hero)).await.unwrap();
    assert_eq!(
        (row.id.as_str(), &*row.event, row.practice.as_deref(), row.active),
        ("wh_1", "prescription.issued", None, true)
    );
    assert_eq!(row.endpoint, home(URL, &SecretText::new(KEY).fingerprint()));
    hero.authenticate().await.unwrap();
    RowCalls::delete(&hero, &row).await.unwrap();
    let seen = server.seen();
    let lines: Vec<String> = seen.iter().map(Seen::line).collect();
    assert_eq!(lines, ["POST /v1/webhooks", "GET /v1/webhooks", "DELETE /v1/webhooks/wh_1"]);
    for call in &seen {
        assert_eq!((call.header("x-api-key"), call.header("x-practice-group-id")), ("canary-api-key", "pg-1"));
    }
    let body: serde_json::Value = serde_json::from_slice(&seen[0].body).unwrap();
    let wanted = serde_json::json!({
        "event_type": "prescription.issued", "url": URL, "signing_key": KEY, "description": "managed by external-webhooks",
    });
    assert_eq!(body, wanted);
}

#[tokio::test]
async fn nothing_is_changed_in_place_and_nothing_odd_is_put_into_a_route() {
    let (hero, server) = bench(|_| answer(200, &[], "[]")).await;
    let row = |id: &str| RemoteRow {
        id: RemoteId::new(id),
        endpoint: RemoteId::new("x"),
        practice: None,
        resource_type: "".into(),
        event: "e".into(),
        active: true,
        created_at: None,
    };
    let patch = RowPatch { active: Some(false), new_endpoint: None };
    assert_eq!(RowCalls::patch(&hero, &row("a"), None, &patch).await, Err(CallError::Rejected { status: 405 }));
    for id in ["", "..", "../x", "a/b", "a?b", "a b", &"a".repeat(254)] {
        assert_eq!(RowCalls::delete(&hero, &row(id)).await, Err(CallError::Rejected { status: 400 }), "{id}");
    }
    // A home whose key was never offered has nothing to be made with.
    let unknown = NewRow { endpoint: RemoteId::new("00000000-x"), ..new_row(&hero) };
    assert_eq!(RowCalls::create(&hero, &unknown).await.err(), Some(CallError::Rejected { status: 400 }));
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn lists_in_both_forms_and_keys_in_all_of_theirs() {
    let shown = format!("\"{KEY}\"");
    for body in [format!("[{}]", webhook("wh_1", &shown)), format!("{{\"data\":[{}]}}", webhook("wh_1", &shown))] {
        let rows = listed(200, &body).await.unwrap();
        assert_eq!(fingerprint_of(&rows[0].endpoint), Some(SecretText::new(KEY).fingerprint()));
        assert_eq!(rows[0].created_at, "2026-01-01T00:00:00Z".parse().ok());
    }
    for hidden in ["null", "\"\"", "\"****************\"", "\"0123\"", "7", "\"abcd****************\""] {
        let rows = listed(200, &format!("[{}]", webhook("wh_1", hidden))).await.unwrap();
        assert_eq!(rows[0].endpoint, home_of_unknown_key(URL), "{hidden}");
    }
    assert_eq!(listed(200, "[]").await.unwrap(), []);
}

#[tokio::test]
async fn what_is_known_of_an_id_tells_where_it_stands_when_lists_hide_keys() {
    let (hero, _) = bench(|seen| match seen.method.as_str() {
        "POST" => answer(201, &[], r#"{"id":"wh_1"}"#),
        _ => answer(200, &[], format!("[{},{}]", webhook("wh_1", "null"), webhook("wh_2", "null"))),
    })
    .await;
    let made = RowCalls::create(&hero, &new_row(&hero)).await.unwrap();
    let rows = RowCalls::list(&hero, &RowScope::Account).await.unwrap();
    assert_eq!(rows[0].endpoint, made.endpoint, "made by this process");
    assert_eq!(rows[1].endpoint, home_of_unknown_key(URL));
    assert!(hero.keyring.tell(&RemoteId::new("wh_2"), "sha256:00000000"));
    let rows = RowCalls::list(&hero, &RowScope::Account).await.unwrap();
    assert_eq!(rows[1].endpoint, home(URL, "sha256:00000000"), "a status knows it");
}

#[tokio::test]
async fn a_list_with_one_unreadable_element_is_no_list() {
    let good = webhook("wh_1", "null");
    for bad in [
        "",
        "{}",
        "null",
        "[1]",
        "{\"data\":null}",
        "<html>",
        &format!("[{good},{{\"id\":\"wh_2\",\"url\":\"{URL}\"}}]"),
        &format!("[{good},{{\"id\":\"wh_2\",\"event_type\":\"e\"}}]"),
        &format!("[{good},{{\"id\":\"../x\",\"event_type\":\"e\",\"url\":\"{URL}\"}}]"),
        &format!("[{good},{{\"event_type\":\"e\",\"url\":\"{URL}\"}}]"),
        &format!("[{good}"),
    ] {
        let error = listed(200, bad).await.unwrap_err();
        assert_eq!(error, CallError::Unavailable { cause: Unavailable::BadAnswer, ambiguity: None }, "{bad}");
    }
    assert!(listed(204, "").await.is_err());
}

#[tokio::test]
async fn statuses_mean_what_comes_next() {
    for (status, means) in [
        (400, CallError::Rejected { status: 400 }),
        (401, CallError::CredentialsRejected),
        (403, CallError::Rejected { status: 403 }),
        (404, CallError::Unavailable { cause: Unavailable::NoSuchRoute, ambiguity: None }),
        (429, CallError::RateLimited { retry_after: None }),
        (500, CallError::Unavailable { cause: Unavailable::Server(500), ambiguity: None }),
    ] {
        assert_eq!(listed(status, r#"{"message":"x"}"#).await.unwrap_err(), means);
        assert_eq!(listed(status, "").await.unwrap_err(), means);
    }
    let nexhealth = r#"{"code":false,"error":["Not authorized"],"data":null,"description":null}"#;
    assert_eq!(listed(401, nexhealth).await.unwrap_err(), CallError::OtherServer { like: "NexHealth" });
    let insight = r#"{"error":"Missing X-API-Key header","success":false}"#;
    assert_eq!(listed(404, insight).await.unwrap_err(), CallError::OtherServer { like: "Insight Health" });
}

#[tokio::test]
async fn an_answer_to_a_create_that_cannot_be_read_leaves_it_in_doubt() {
    for body in ["", "{}", "[]", r#"{"id":{}}"#, r#"{"id":".."}"#] {
        let (hero, _) = bench(move |_| answer(200, &[], body)).await;
        let error = RowCalls::create(&hero, &new_row(&hero)).await.unwrap_err();
        assert_eq!(error.ambiguity(), Some(Ambiguity::Answered), "{body}");
    }
    // What was made with another key or for another URL is not taken for ours.
    let other = webhook("wh_1", "\"somebody-elses-key\"");
    let (hero, _) = bench(move |_| answer(200, &[], other.clone())).await;
    let new = new_row(&hero);
    assert_ne!(RowCalls::create(&hero, &new).await.unwrap().endpoint, new.endpoint);
}

#[test]
fn all_events_of_the_source_are_known_and_belong_to_the_account() {
    let names: Vec<&str> = catalogue().events.iter().map(|known| &*known.event).collect();
    assert_eq!(names.len(), 8);
    for name in ["appointment.confirmed", "patient.medical-record-updated", "write-to-record.failed"] {
        assert!(names.contains(&name));
    }
    assert!(catalogue().name_alone && catalogue().find("form-submission.created").is_none());
    assert_eq!(catalogue().resource_type(None, "anything.new").as_deref(), Some(""));
}
