//! `/webhook_endpoints`.

use crate::support::{OTHER_URL, PRACTICE, URL, rows_path, started, started_with};
use serde_json::{Value, json};
use testbed::nexhealth::{DeleteWithRows, Duplicates, SecretOnList};

const PATH: &str = "/webhook_endpoints";

#[tokio::test]
async fn create_answers_the_whole_object() {
    let (_simulator, client) = started().await;
    let answer = client.post(PATH, json!({"target_url": URL})).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (201, "application/vnd.Nexhealth+json;version=2"));
    let data = answer.data();
    assert_eq!((&data["target_url"], &data["active"]), (&json!(URL), &json!(true)));
    assert_eq!(data["secret_key"].as_str().unwrap().len(), 14);
    for field in ["created_at", "updated_at"] {
        let time = data[field].as_str().unwrap();
        assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    }
    assert!(!data["undocumented_field"].is_null());
}

#[tokio::test]
async fn ids_count_up_and_keys_differ() {
    let (_simulator, client) = started().await;
    let first = client.post(PATH, json!({"target_url": URL})).await;
    let second = client.post(PATH, json!({"target_url": URL, "active": false})).await;
    assert_eq!(second.id(), first.id() + 1);
    assert_ne!(first.data()["secret_key"], second.data()["secret_key"]);
    assert_eq!(second.data()["active"], json!(false));
}

#[tokio::test]
async fn bad_creates_are_400_and_leave_nothing() {
    let (simulator, client) = started().await;
    let bad = [
        json!({}),
        json!({"target_url": ""}),
        json!({"target_url": 5}),
        json!({"target_url": "hooks.example.com"}),
        json!({"target_url": "ftp://hooks.example.com"}),
        json!({"target_url": "http://hooks.example.com"}),
        json!({"target_url": URL, "active": "yes"}),
        json!([URL]),
    ];
    for body in bad {
        let answer = client.post(PATH, body.clone()).await;
        assert_eq!((answer.status, &answer.json["code"]), (400, &json!(false)), "{body}");
    }
    assert_eq!(client.post(PATH, json!({})).await.error(), r#"["Missing parameter target_url"]"#);
    assert!(simulator.endpoints().is_empty());
    assert!(simulator.journal().is_empty());
}

#[tokio::test]
async fn list_filters_by_active_and_counts() {
    let (simulator, client) = started().await;
    let on = client.create_endpoint(URL).await;
    let off = client.post(PATH, json!({"target_url": OTHER_URL, "active": false})).await.id();
    let all = client.get(PATH).await;
    assert_eq!((all.ids(), &all.json["count"]), (vec![on, off], &json!(2)));
    assert_eq!(client.get(&format!("{PATH}?active=true")).await.ids(), [on]);
    assert_eq!(client.get(&format!("{PATH}?active=false")).await.ids(), [off]);
    assert_eq!(client.get(&format!("{PATH}?active=maybe")).await.status, 400);
    assert_eq!(simulator.calls("GET", PATH)[1].query_value("active"), Some("true"));
}

#[tokio::test]
async fn there_is_no_get_of_one() {
    let (_simulator, client) = started().await;
    let id = client.create_endpoint(URL).await;
    assert_eq!(client.get(&format!("{PATH}/{id}")).await.status, 404);
}

#[tokio::test]
async fn patch_changes_what_it_names_and_keeps_the_key() {
    let (simulator, client) = started().await;
    let id = client.create_endpoint(URL).await;
    let before = simulator.endpoints().remove(0);
    let answer = client.patch(&format!("{PATH}/{id}"), json!({"active": false})).await;
    assert_eq!((answer.status, &answer.data()["active"]), (200, &json!(false)));
    let answer = client.patch(&format!("{PATH}/{id}"), json!({"target_url": OTHER_URL})).await;
    assert_eq!((&answer.data()["target_url"], &answer.data()["active"]), (&json!(OTHER_URL), &json!(false)));
    let after = simulator.endpoints().remove(0);
    assert_eq!(before.secret_key, after.secret_key);
    assert_eq!(before.created_at, after.created_at);
    assert!(after.updated_at > before.updated_at);
}

#[tokio::test]
async fn bad_patches() {
    let (_simulator, client) = started().await;
    let id = client.create_endpoint(URL).await;
    let path = format!("{PATH}/{id}");
    assert_eq!(client.patch(&path, json!({"target_url": "http://hooks.example.com"})).await.status, 400);
    assert_eq!(client.patch(&path, json!({"active": null})).await.status, 400);
    assert_eq!(client.patch(&format!("{PATH}/1"), json!({"active": true})).await.status, 404);
    assert_eq!(client.patch(&format!("{PATH}/x"), json!({"active": true})).await.status, 404);
}

#[tokio::test]
async fn delete_is_204_without_a_body_then_404() {
    let (simulator, client) = started().await;
    let id = client.create_endpoint(URL).await;
    let answer = client.delete(&format!("{PATH}/{id}")).await;
    assert_eq!((answer.status, answer.json, answer.content_type.as_str()), (204, Value::Null, ""));
    assert_eq!(client.delete(&format!("{PATH}/{id}")).await.status, 404);
    assert!(simulator.endpoints().is_empty());
}

#[tokio::test]
async fn delete_with_rows_cascades_or_is_refused() {
    let (simulator, client) = started_with(|switches| switches.delete_with_rows = DeleteWithRows::Refuse).await;
    let id = client.create_endpoint(URL).await;
    client.create_row(id, PRACTICE, "Patient", "patient_created").await;
    assert_eq!(client.delete(&format!("{PATH}/{id}")).await.status, 400);
    assert_eq!(simulator.rows_on(id).len(), 1);
    simulator.switch(|switches| switches.delete_with_rows = DeleteWithRows::Cascade);
    assert_eq!(client.delete(&format!("{PATH}/{id}")).await.status, 204);
    assert!(simulator.rows().is_empty());
    assert_eq!(client.get(&rows_path(id)).await.status, 404);
}

#[tokio::test]
async fn duplicate_urls_may_be_refused() {
    let (_simulator, client) = started_with(|switches| switches.duplicate_target_url = Duplicates::Refuse).await;
    let id = client.create_endpoint(URL).await;
    let answer = client.post(PATH, json!({"target_url": URL})).await;
    assert_eq!((answer.status, answer.error()), (400, r#"["Target url has already been taken"]"#.to_owned()));
    let second = client.create_endpoint(OTHER_URL).await;
    assert_eq!(client.patch(&format!("{PATH}/{second}"), json!({"target_url": URL})).await.status, 400);
    assert_eq!(client.patch(&format!("{PATH}/{id}"), json!({"target_url": URL})).await.status, 200);
}

#[tokio::test]
async fn the_key_may_be_hidden_after_the_create() {
    let (simulator, client) = started().await;
    let created = client.post(PATH, json!({"target_url": URL})).await;
    assert_eq!(client.get(PATH).await.data()[0]["secret_key"], created.data()["secret_key"]);
    simulator.switch(|switches| switches.secret_on_list = SecretOnList::Masked);
    assert_eq!(client.get(PATH).await.data()[0]["secret_key"], json!("**************"));
    simulator.switch(|switches| switches.secret_on_list = SecretOnList::Absent);
    assert_eq!(client.get(PATH).await.data()[0].get("secret_key"), None);
    let patched = client.patch(&format!("{PATH}/{}", created.id()), json!({"active": true})).await;
    assert_eq!(patched.data().get("secret_key"), None);
    assert!(client.post(PATH, json!({"target_url": URL})).await.data()["secret_key"].is_string());
}

#[tokio::test]
async fn subdomain_is_ignored_with_a_note() {
    let (simulator, client) = started().await;
    let note = "Note that following parameters are ignored: subdomain.";
    let answer = client.get(&format!("{PATH}?subdomain={PRACTICE}")).await;
    assert_eq!((answer.status, &answer.json["code"]), (200, &json!(true)));
    assert_eq!((&answer.json["description"], &answer.json["error"]), (&json!(note), &json!([])));
    simulator.switch(|switches| switches.ignored_note = testbed::nexhealth::IgnoredNote::InError);
    let answer = client.get(&format!("{PATH}?subdomain={PRACTICE}")).await;
    assert_eq!((&answer.json["description"], &answer.json["error"]), (&Value::Null, &json!([note])));
    assert_eq!(answer.json["code"], json!(true));
}

#[tokio::test]
async fn extra_fields_and_clock_are_switches() {
    let (_simulator, client) = started_with(|switches| {
        switches.extra_fields = false;
        switches.clock_offset = jiff::SignedDuration::from_hours(-48);
        switches.secret_length = 5;
    })
    .await;
    let answer = client.post(PATH, json!({"target_url": URL})).await;
    let data = answer.data();
    assert_eq!(data.as_object().unwrap().len(), 6);
    assert_eq!(data["secret_key"].as_str().unwrap().len(), 5);
    let created: jiff::Timestamp = data["created_at"].as_str().unwrap().parse().unwrap();
    assert!(created < jiff::Timestamp::now() - jiff::SignedDuration::from_hours(47));
}
