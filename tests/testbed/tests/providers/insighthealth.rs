//! The inbound route of Insight Health, and the four shapes of its refusals.

use crate::support::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};
use testbed::insighthealth::{ApiKey, EmptyBatch, RateLimit, SimConfig, Simulator, sign::sign};

pub const PATH: &str = "/v2/webhooks/athena/sync-appointments";

async fn started() -> (Simulator, Client) {
    let simulator = Simulator::start(SimConfig::default()).await.unwrap();
    let client = Client::new(simulator.base_url(), &[]);
    (simulator, client)
}

/// A signed request.
pub async fn sync(client: &Client, path: &str, body: &str) -> Answer {
    signed(client, path, body, SimConfig::API_KEY, &sign(SimConfig::SIGNING_KEY, body.as_bytes())).await
}

async fn signed(client: &Client, path: &str, body: &str, key: &str, signature: &str) -> Answer {
    let headers = [("x-api-key", key), ("x-webhook-signature", signature), ("content-type", "application/json")];
    client.with(&headers).send(Method::POST, path, Some(body.to_owned())).await.unwrap()
}

pub fn item(id: &str) -> Value {
    json!({
        "appointment": {
            "id": id, "status": "arrived", "start_time": "03/14/2026 09:30", "start_date": "03/14/2026",
            "created_time": "03/01/2026 17:05", "type": "follow-up"
        },
        "patient": {
            "id": "p1", "first_name": "Sim", "last_name": "Ulated", "birth_date": "12/31/1980", "gender": "female"
        },
        "practitioner": {"id": "d1", "first_name": "Doc", "last_name": "Tor"}
    })
}

fn put(mut item: Value, part: &str, field: &str, value: Value) -> Value {
    item[part][field] = value;
    item
}

#[tokio::test]
async fn a_batch_or_a_bare_object_is_taken_in() {
    let (simulator, client) = started().await;
    let optional = {
        let mut item = item("a2");
        item["location"] = json!({"id": "l1"});
        item["department_id"] = json!("7");
        put(item, "appointment", "status", json!("teleported"))
    };
    let answer = sync(&client, PATH, &json!([item("a1"), optional]).to_string()).await;
    assert_eq!((answer.status, &answer.json["success"], &answer.json["code"]), (200, &json!(true), &json!(200)));
    assert!(answer.json["message"].is_string() && answer.json.get("warnings").is_none());
    assert_eq!(sync(&client, PATH, &item("a3").to_string()).await.status, 200);
    let seen: Vec<_> = simulator.appointments().into_iter().map(|one| (one.id, one.status, one.organisation)).collect();
    let expected = [("a1", "arrived"), ("a2", "booked"), ("a3", "arrived")];
    let expected = expected.map(|(id, status)| (id.to_owned(), status.to_owned(), SimConfig::ORGANISATION.to_owned()));
    assert_eq!(seen, expected, "a status that nobody knows becomes booked");
}

#[tokio::test]
async fn partial_success_is_a_success_with_warnings() {
    let (simulator, client) = started().await;
    let bad = put(item(""), "patient", "gender", Value::Null);
    let answer = sync(&client, PATH, &json!([item("a1"), bad]).to_string()).await;
    let warnings =
        json!(["appointments[1].appointment.id is required.", "appointments[1].patient.gender is required."]);
    assert_eq!((answer.status, &answer.json["success"], &answer.json["warnings"]), (200, &json!(true), &warnings));
    assert_eq!(simulator.appointments().len(), 1);
}

#[tokio::test]
async fn nothing_valid_is_400_with_errors() {
    let (simulator, client) = started().await;
    let answer = sync(&client, PATH, &json!([put(item("a1"), "appointment", "id", json!(" "))]).to_string()).await;
    assert_eq!(answer.status, 400);
    let expected = json!(["appointments[0].appointment.id is required."]);
    assert_eq!(
        (&answer.json["errors"], &answer.json["success"], &answer.json["code"]),
        (&expected, &json!(false), &json!(400))
    );
    // The authentication page's own example leaves these out.
    let mut example = item("a1");
    for (part, field) in [
        ("appointment", "start_date"),
        ("appointment", "created_time"),
        ("appointment", "type"),
        ("patient", "birth_date"),
        ("patient", "gender"),
    ] {
        example[part].as_object_mut().unwrap().remove(field).unwrap();
    }
    let answer = sync(&client, PATH, &example.to_string()).await;
    assert_eq!((answer.status, answer.json["errors"].as_array().unwrap().len()), (400, 5));
    for body in ["{}", "null", "\"a\"", "{", r#"{"appointments": []}"#] {
        assert_eq!(sync(&client, PATH, body).await.status, 400, "{body}");
    }
    assert!(simulator.appointments().is_empty());
}

#[tokio::test]
async fn dates_are_checked_letter_for_letter_unless_switched() {
    let (simulator, client) = started().await;
    let wrong = [
        put(item("a1"), "appointment", "start_date", json!("2026-03-14")),
        put(item("a1"), "appointment", "start_time", json!("03/14/2026T09:30")),
        put(item("a1"), "appointment", "created_time", json!("03/01/2026")),
        put(item("a1"), "patient", "birth_date", json!("31/12/1980")),
    ];
    for item in &wrong {
        assert_eq!(sync(&client, PATH, &item.to_string()).await.status, 400, "{item}");
    }
    simulator.switch(|switches| switches.dates_checked = false);
    for item in &wrong {
        assert_eq!(sync(&client, PATH, &item.to_string()).await.status, 200, "{item}");
    }
}

#[tokio::test]
async fn an_empty_batch_creates_nothing_whatever_is_answered() {
    let (simulator, client) = started().await;
    assert_eq!(sync(&client, PATH, "[]").await.status, 400);
    simulator.switch(|switches| switches.empty_batch = EmptyBatch::Accepted);
    assert_eq!(sync(&client, PATH, "[]").await.status, 200);
    assert!(simulator.appointments().is_empty());
    // With wrong credentials it is not looked at.
    assert_eq!(signed(&client, PATH, "[]", SimConfig::API_KEY, &sign("wrong", b"[]")).await.status, 401);
}

#[tokio::test]
async fn a_401_has_another_shape_than_all_others() {
    let (simulator, client) = started().await;
    let body = item("a1").to_string();
    let genuine = sign(SimConfig::SIGNING_KEY, body.as_bytes());
    let digits = genuine.strip_prefix("sha256=").unwrap();
    let plain = client.with(&[("content-type", "application/json"), ("x-webhook-signature", &genuine)]);
    let answer = plain.send(Method::POST, PATH, Some(body.clone())).await.unwrap();
    assert_eq!((answer.status, answer.json), (401, json!({"error": "Missing X-API-Key header", "success": false})));
    let cases = [
        ("guessed", genuine.clone()),
        (SimConfig::API_KEY, digits.to_owned()),
        (SimConfig::API_KEY, format!("sha256={}", digits.to_uppercase())),
        (SimConfig::API_KEY, format!("sha1={digits}")),
        (SimConfig::API_KEY, sign("wrong", body.as_bytes())),
        (SimConfig::API_KEY, sign(SimConfig::SIGNING_KEY, format!("{body} ").as_bytes())),
        // Signed with the API key instead of the signing key.
        (SimConfig::API_KEY, sign(SimConfig::API_KEY, body.as_bytes())),
        (SimConfig::API_KEY, String::new()),
    ];
    for (key, signature) in cases {
        let answer = signed(&client, PATH, &body, key, &signature).await;
        assert_eq!(answer.status, 401, "{key} {signature}");
        assert!(
            answer.json["error"].is_string()
                && answer.json.get("code").is_none()
                && answer.json.get("message").is_none()
        );
    }
    let unsigned = client.with(&[("content-type", "application/json"), ("x-api-key", SimConfig::API_KEY)]);
    assert_eq!(unsigned.send(Method::POST, PATH, Some(body.clone())).await.unwrap().status, 401);
    assert!(simulator.appointments().is_empty());
    // There is no time in a signature: what was accepted is accepted again.
    assert_eq!(sync(&client, PATH, &body).await.status, 200);
    assert_eq!(sync(&client, PATH, &body).await.status, 200);
    assert_eq!(simulator.appointments().len(), 2);
}

#[tokio::test]
async fn a_key_is_bound_to_its_ehr() {
    let (simulator, client) = started().await;
    let other = "/v2/webhooks/epic/sync-appointments";
    let answer = sync(&client, other, "[]").await;
    assert_eq!((answer.status, &answer.json["success"], &answer.json["code"]), (403, &json!(false), &json!(403)));
    assert!(answer.json["message"].as_str().unwrap().starts_with("API key is not authorized for EHR 'epic'"));
    let unsigned = |order: bool| {
        simulator.switch(|switches| switches.ehr_before_signature = order);
        signed(&client, other, "[]", SimConfig::API_KEY, "sha256=00")
    };
    assert_eq!(unsigned(false).await.status, 401);
    assert_eq!(unsigned(true).await.status, 403);
}

#[tokio::test]
async fn there_is_no_other_route() {
    let (simulator, client) = started().await;
    for (method, path) in [
        (Method::GET, PATH),
        (Method::DELETE, PATH),
        (Method::POST, "/v2/webhooks"),
        (Method::POST, "/v1/webhooks/athena/sync-appointments"),
        (Method::GET, "/v1/webhooks"),
        (Method::POST, "/authenticates"),
    ] {
        let answer = client.send(method, path, None).await.unwrap();
        assert_eq!((answer.status, &answer.json["success"]), (404, &json!(false)), "{path}");
    }
    assert!(simulator.appointments().is_empty());
}

#[tokio::test]
async fn keys_are_exchanged_out_of_band() {
    let (simulator, client) = started().await;
    let next = ApiKey {
        label: "next".into(),
        value: "next-key".into(),
        signing_key: "next-signing-key".into(),
        organisation: SimConfig::ORGANISATION.into(),
        ehr: SimConfig::EHR.into(),
    };
    let signature = sign("next-signing-key", b"[]");
    let as_next = || signed(&client, PATH, "[]", "next-key", &signature);
    assert_eq!(as_next().await.status, 401);
    simulator.edit().add_key(next.clone());
    assert_eq!(as_next().await.status, 400, "known, and the batch is empty");
    assert_eq!(sync(&client, PATH, "[]").await.status, 400, "both work until one is taken back");
    simulator.edit().revoke_key(SimConfig::API_KEY);
    assert_eq!(sync(&client, PATH, "[]").await.status, 401);
    assert_eq!(simulator.secrets(), ["next-key", "next-signing-key"]);
    let callers: Vec<_> = simulator.ledger().into_iter().map(|call| call.caller).collect();
    assert_eq!(callers, [None, Some("next".into()), Some("main".into()), None]);
}

#[tokio::test]
async fn the_limit_is_off_until_switched_on() {
    let (simulator, client) = started().await;
    simulator.switch(|switches| switches.rate_limit = Some(RateLimit { per_minute: 1, burst: 1 }));
    assert_eq!(sync(&client, PATH, &item("a1").to_string()).await.status, 200);
    assert_eq!(sync(&client, PATH, &item("a2").to_string()).await.status, 429);
    assert_eq!(simulator.appointments().len(), 1);
}
