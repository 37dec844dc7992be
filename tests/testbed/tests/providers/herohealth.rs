//! `/v1/webhooks` of Hero Health.

use crate::support::{Answer, Client};
use reqwest::Method;
use serde_json::{Value, json};
use testbed::herohealth::{
    Actor, ApiKey, Change, Duplicates, ErrorForm, EventList, KeyOnList, ListForm, LiveQuery, Mark, RateLimit,
    SimConfig, Simulator, catalogue,
};

pub const PATH: &str = "/v1/webhooks";
pub const URL: &str = "https://hooks.example.com/hero";
pub const EVENT: &str = "appointment.confirmed";
const JSON: (&str, &str) = ("content-type", "application/json");

pub fn client(simulator: &Simulator, key: &str, group: &str) -> Client {
    Client::new(simulator.base_url(), &[("x-api-key", key), ("x-practice-group-id", group), JSON])
}

pub async fn started() -> (Simulator, Client) {
    let simulator = Simulator::start(SimConfig::default()).await.unwrap();
    let client = client(&simulator, SimConfig::API_KEY, SimConfig::GROUP);
    (simulator, client)
}

fn webhook() -> Value {
    json!({"event_type": EVENT, "url": URL, "signing_key": "a-key-of-our-own"})
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name).unwrap();
    object
}

fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

fn id(answer: &Answer) -> String {
    answer.json["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_webhook_is_made_listed_and_deleted() {
    let (simulator, client) = started().await;
    let full = with(with(webhook(), "description", json!("intake")), "headers", json!({"x-tenant": "a"}));
    let made = client.post(PATH, &full).await;
    assert_eq!(made.status, 200);
    for name in ["event_type", "url", "signing_key", "headers"] {
        assert_eq!(made.json[name], full[name], "{name}");
    }
    assert!(made.json["created_at"].is_string() && made.json["created_at"] == made.json["updated_at"]);
    assert!(made.json.get("description").is_none(), "the page's answer has no description");
    let list = client.get(PATH).await;
    assert_eq!((list.status, &list.json), (200, &json!([made.json])));
    let gone = client.delete(&format!("{PATH}/{}", id(&made))).await;
    assert_eq!((gone.status, gone.json), (204, Value::Null));
    assert_eq!(client.get(PATH).await.json, json!([]));

    let calls = simulator.ledger();
    let seen: Vec<_> = calls.iter().map(|call| (call.method.as_str(), call.resource_id.clone())).collect();
    let made_id = Some(id(&made));
    assert_eq!(seen, [("POST", made_id.clone()), ("GET", None), ("DELETE", made_id), ("GET", None)]);
    assert!(calls.iter().all(|call| call.caller.as_deref() == Some("north") && call.effect));
    assert_eq!(calls[0].body.as_ref().unwrap()["signing_key"], "***", "no key in the ledger");
}

#[tokio::test]
async fn what_is_optional_may_be_left_out_and_is_left_out_of_the_answer() {
    let (_simulator, client) = started().await;
    let made = client.post(PATH, &without(webhook(), "signing_key")).await;
    assert_eq!(made.status, 200);
    assert!(made.json.get("signing_key").is_none() && made.json.get("headers").is_none());
}

#[tokio::test]
async fn both_headers_are_wanted_on_every_call() {
    let (simulator, client) = started().await;
    let (key, group) = (("x-api-key", SimConfig::API_KEY), ("x-practice-group-id", SimConfig::GROUP));
    let cases: [(&[(&str, &str)], u16); 6] = [
        (&[], 401),
        (&[group], 401),
        (&[("x-api-key", "guessed"), group], 401),
        (&[("authorization", SimConfig::API_KEY), group], 401),
        (&[key], 400),
        (&[key, ("x-practice-group-id", SimConfig::OTHER_GROUP)], 403),
    ];
    for (headers, status) in cases {
        let stranger = client.with(&[headers, &[JSON]].concat());
        for (method, path) in [(Method::GET, PATH), (Method::POST, PATH), (Method::DELETE, "/v1/webhooks/wh_1")] {
            let body = (method == Method::POST).then(|| webhook().to_string());
            assert_eq!(stranger.send(method, path, body).await.unwrap().status, status, "{headers:?}");
        }
    }
    assert!(simulator.webhooks().is_empty());
    simulator.add_key(ApiKey { webhooks: false, ..ApiKey::new("bookings", "other-functions", SimConfig::GROUP) });
    let bookings = client.with(&[("x-api-key", "other-functions"), group, JSON]);
    assert_eq!(bookings.get(PATH).await.status, 403, "keys are scoped by function");
    simulator.revoke_key(SimConfig::API_KEY);
    assert_eq!(client.get(PATH).await.status, 401);
}

#[tokio::test]
async fn practice_groups_do_not_see_each_other() {
    let (simulator, north) = started().await;
    let south = client(&simulator, SimConfig::OTHER_API_KEY, SimConfig::OTHER_GROUP);
    let made = north.post(PATH, &webhook()).await;
    assert_eq!(south.get(PATH).await.json, json!([]));
    assert_eq!(south.delete(&format!("{PATH}/{}", id(&made))).await.status, 404);
    assert_eq!(simulator.webhooks().len(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_refused() {
    let (simulator, client) = started().await;
    let cases = [
        without(webhook(), "event_type"),
        without(webhook(), "url"),
        // The security page's own example posts this field and this value.
        with(without(webhook(), "event_type"), "event", json!("appointment.created")),
        with(webhook(), "event_type", json!("appointment.created")),
        with(webhook(), "event_type", json!("Appointment.Confirmed")),
        with(webhook(), "event_type", json!([EVENT])),
        with(webhook(), "url", json!("hooks.example.com/hero")),
        with(webhook(), "url", json!("http://hooks.example.com/hero")),
        with(webhook(), "url", json!("ftp://hooks.example.com/hero")),
        with(webhook(), "signing_key", json!("")),
        with(webhook(), "signing_key", Value::Null),
        with(webhook(), "headers", json!({"x-tenant": 1})),
        with(webhook(), "headers", json!(["x-tenant"])),
        with(webhook(), "active", json!(true)),
        json!([webhook()]),
    ];
    for case in cases {
        let answer = client.post(PATH, &case).await;
        assert_eq!(answer.status, 400, "{case}");
        assert!(answer.json["message"].is_string(), "{}", answer.json);
    }
    let plain = client.with(&[("x-api-key", SimConfig::API_KEY), ("x-practice-group-id", SimConfig::GROUP)]);
    assert_eq!(plain.post(PATH, &webhook()).await.status, 400, "no media type");
    assert_eq!(client.send(Method::POST, PATH, Some("{".into())).await.unwrap().status, 400);
    assert_eq!(client.send(Method::POST, PATH, None).await.unwrap().status, 400);
    assert!(simulator.webhooks().is_empty() && simulator.journal().is_empty());

    simulator.switch(|switches| (switches.unknown_fields_refused, switches.https_only) = (false, false));
    assert_eq!(client.post(PATH, &with(webhook(), "active", json!(true))).await.status, 200);
    assert_eq!(client.post(PATH, &with(webhook(), "url", json!("http://hooks.example.com/"))).await.status, 200);
}

#[tokio::test]
async fn nothing_can_be_changed_and_no_one_can_be_read_alone() {
    let (simulator, client) = started().await;
    let path = format!("{PATH}/{}", id(&client.post(PATH, &webhook()).await));
    let other = Some(json!({"url": "https://hooks.example.com/other"}).to_string());
    for method in [Method::GET, Method::PATCH, Method::PUT, Method::POST] {
        assert_eq!(client.send(method, &path, other.clone()).await.unwrap().status, 404);
    }
    assert_eq!(client.delete(&format!("{PATH}/wh_unknown")).await.status, 404);
    assert_eq!(client.get("/v1/webhooks/").await.status, 404);
    assert_eq!(client.get("/webhook_endpoints").await.status, 404, "another provider's route");
    assert_eq!(simulator.webhooks()[0].url, URL);
}

#[tokio::test]
async fn the_list_can_be_narrowed_to_an_event() {
    let (_simulator, client) = started().await;
    client.post(PATH, &webhook()).await;
    client.post(PATH, &with(webhook(), "event_type", json!("prescription.issued"))).await;
    let list = client.get("/v1/webhooks?event_type=prescription.issued").await.json;
    assert_eq!((list.as_array().unwrap().len(), &list[0]["event_type"]), (1, &json!("prescription.issued")));
    assert_eq!(client.get("/v1/webhooks?event_type=appointment.created").await.status, 400);
}

#[tokio::test]
async fn copies_of_the_page_list_different_events() {
    let (simulator, client) = started().await;
    let all = catalogue::ALWAYS.iter().chain(&catalogue::WRITE_TO_RECORD).chain([&catalogue::FORM_SUBMISSION]);
    let names: Vec<&str> = all.copied().collect();
    for (events, expected) in [(EventList::Older, 6), (EventList::Present, 8), (EventList::WithForms, 9)] {
        simulator.switch(|switches| switches.events = events);
        let mut accepted = 0;
        for name in &names {
            let status = client.post(PATH, &with(webhook(), "event_type", json!(name))).await.status;
            accepted += usize::from(status == 200);
        }
        assert_eq!(accepted, expected, "{events:?}");
    }
}

#[tokio::test]
async fn duplicates_are_two_webhooks_unless_switched() {
    let (simulator, client) = started().await;
    let first = client.post(PATH, &webhook()).await;
    let second = client.post(PATH, &webhook()).await;
    assert_ne!(id(&first), id(&second));
    simulator.switch(|switches| switches.duplicates = Duplicates::Refuse);
    assert_eq!(client.post(PATH, &webhook()).await.status, 409);
    let elsewhere = with(webhook(), "url", json!("https://hooks.example.com/other"));
    assert_eq!(client.post(PATH, &elsewhere).await.status, 200);
    assert_eq!(simulator.webhooks().len(), 3);
}

#[tokio::test]
async fn lists_may_hide_keys_but_creates_never_do() {
    let (simulator, client) = started().await;
    let listed = async |form: KeyOnList| {
        simulator.switch(|switches| switches.key_on_list = form);
        let made = client.post(PATH, &webhook()).await;
        assert_eq!(made.json["signing_key"], "a-key-of-our-own");
        client.get(PATH).await.json[0].get("signing_key").cloned()
    };
    assert_eq!(listed(KeyOnList::Returned).await, Some(json!("a-key-of-our-own")));
    assert_eq!(listed(KeyOnList::Masked).await, Some(json!("*".repeat(16))));
    assert_eq!(listed(KeyOnList::Absent).await, None);
}

#[tokio::test]
async fn forms_and_statuses_that_no_page_tells() {
    let (simulator, client) = started().await;
    simulator.switch(|switches| {
        (switches.list_form, switches.error_form) = (ListForm::Data, ErrorForm::Nested);
        (switches.create_status, switches.delete_status, switches.not_found_status) = (201, 200, 410);
    });
    let made = client.post(PATH, &webhook()).await;
    assert_eq!(made.status, 201);
    assert_eq!(client.get(PATH).await.json["data"].as_array().unwrap().len(), 1);
    let path = format!("{PATH}/{}", id(&made));
    let gone = client.delete(&path).await;
    assert_eq!((gone.status, &gone.json["id"]), (200, &made.json["id"]));
    let again = client.delete(&path).await;
    assert_eq!((again.status, again.json), (410, json!({"error": {"message": "Not found"}})));
    simulator.switch(|switches| switches.error_form = ErrorForm::Empty);
    assert_eq!(client.delete(&path).await.json, Value::Null);
}

#[tokio::test]
async fn the_limit_is_per_key_and_off_until_switched_on() {
    let (simulator, client) = started().await;
    for _ in 0..20 {
        assert_eq!(client.get(PATH).await.status, 200);
    }
    simulator.switch(|switches| switches.rate_limit = Some(RateLimit { per_minute: 1, burst: 2 }));
    let statuses = [client.get(PATH).await.status, client.get(PATH).await.status, client.get(PATH).await.status];
    assert_eq!(statuses, [200, 200, 429]);
    let south = self::client(&simulator, SimConfig::OTHER_API_KEY, SimConfig::OTHER_GROUP);
    assert_eq!(south.get(PATH).await.status, 200);
}

#[tokio::test]
async fn the_journal_proves_gaps_and_doubles() {
    let (simulator, client) = started().await;
    let old = id(&client.post(PATH, &webhook()).await);
    let new = with(webhook(), "signing_key", json!("another-key"));
    let start = simulator.mark();
    client.post(PATH, &new).await;
    client.delete(&format!("{PATH}/{old}")).await;
    let lives = |query: &LiveQuery, since| -> Vec<usize> {
        simulator.timeline(query, since).iter().map(|stretch| stretch.live).collect()
    };
    let all = LiveQuery::new(SimConfig::GROUP, EVENT);
    assert_eq!(lives(&all, start), [1, 2, 1], "new, then delete: no gap");
    assert_eq!(lives(&all.clone().signed_with("another-key"), start), [0, 1]);
    assert_eq!(lives(&all.clone().to("https://hooks.example.com/other"), start), [0]);
    simulator.edit().delete(&simulator.webhooks()[0].id).unwrap();
    assert_eq!(lives(&all, Mark::default()), [0, 1, 2, 1, 0]);
    let journal = simulator.journal();
    assert!(matches!((&journal[3].actor, &journal[3].change), (Actor::Person, Change::Deleted(_))));
    assert!(matches!(journal[0].actor, Actor::Call(call) if call == simulator.ledger()[0].seq));
    let by_hand = simulator.edit().create(SimConfig::GROUP, EVENT, URL, None);
    assert_eq!(client.get(PATH).await.json[0]["id"], by_hand.id);
    assert_eq!(simulator.secrets()[2..], ["a-key-of-our-own", "another-key"]);
}
