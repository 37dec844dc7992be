//! `/webhook_endpoints/{id}/webhook_subscriptions`.

use crate::support::{OTHER_URL, PRACTICE, URL, rows_path, started, started_with};
use serde_json::{Value, json};
use testbed::nexhealth::{
    Duplicates, LostInstitution, PairCheck, V2,
    catalogue::{ONBOARDING, pairs},
};

fn patient() -> Value {
    json!({"resource_type": "Patient", "event": "patient_created"})
}

#[tokio::test]
async fn create_answers_the_whole_object() {
    let (_simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let answer = client.post(&format!("{}?subdomain={PRACTICE}", rows_path(endpoint)), patient()).await;
    assert_eq!((answer.status, answer.content_type.as_str()), (201, "application/json"));
    let data = answer.data();
    assert_eq!((&data["webhook_endpoint_id"], &data["institution_id"]), (&json!(endpoint), &json!(101)));
    assert_eq!((&data["resource_type"], &data["event"]), (&json!("Patient"), &json!("patient_created")));
    assert_eq!((&data["active"], data.get("subdomain"), data.get("version")), (&json!(true), None, None));
    assert!(data["created_at"].as_str().unwrap().ends_with('Z'));
}

#[tokio::test]
async fn all_fifty_pairs_are_accepted() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    for pair in pairs() {
        let query = if pair.institution_scoped() { format!("?subdomain={PRACTICE}") } else { String::new() };
        let body = json!({"resource_type": pair.resource_type, "event": pair.event});
        let answer = client.post(&format!("{}{query}", rows_path(endpoint)), body).await;
        assert_eq!(answer.status, 201, "{pair:?}: {}", answer.json);
        assert_eq!(answer.data()["institution_id"].is_null(), pair.resource_type == ONBOARDING);
    }
    assert_eq!(simulator.rows_on(endpoint).len(), 50);
    let listed = client.get(&rows_path(endpoint)).await;
    assert_eq!((listed.ids().len(), listed.json.get("page_info")), (50, None));
    assert_eq!(client.get(&format!("{}?subdomain={PRACTICE}", rows_path(endpoint))).await.ids().len(), 47);
}

#[tokio::test]
async fn wrong_pairs_are_400() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let path = format!("{}?subdomain={PRACTICE}", rows_path(endpoint));
    let wrong = [
        json!({"resource_type": "Patient", "event": "charge_created"}),
        json!({"resource_type": "patient", "event": "patient_created"}),
        json!({"resource_type": "Appointment", "event": "appointment_insertion.complete"}),
        json!({"resource_type": "Provider", "event": "provider_created"}),
        json!({"resource_type": "Patient"}),
        json!({"event": "patient_created"}),
        json!({"resource_type": "Patient", "event": "patient_created", "active": 1}),
    ];
    for body in wrong {
        assert_eq!(client.post(&path, body.clone()).await.status, 400, "{body}");
    }
    assert!(simulator.rows().is_empty());
    simulator.switch(|switches| switches.pair_check = PairCheck::AcceptAny);
    let lower = client.post(&path, json!({"resource_type": "patient", "event": "patient_created"})).await;
    assert_eq!((lower.status, &lower.data()["resource_type"]), (201, &json!("patient")));
}

#[tokio::test]
async fn events_may_be_closed_to_the_account() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    simulator.switch(|switches| switches.events_not_enabled = ["patient_created".to_owned()].into());
    let path = format!("{}?subdomain={PRACTICE}", rows_path(endpoint));
    assert_eq!(client.post(&path, patient()).await.status, 400);
}

#[tokio::test]
async fn subdomain_belongs_in_the_query() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let path = rows_path(endpoint);
    let mut in_body = patient();
    in_body["subdomain"] = json!(PRACTICE);
    assert_eq!(client.post(&path, in_body.clone()).await.status, 403);
    assert_eq!(client.post(&format!("{path}?subdomain={PRACTICE}"), in_body).await.status, 403);
    let missing = client.post(&path, patient()).await;
    assert_eq!((missing.status, missing.error()), (400, r#"["Missing parameter subdomain"]"#.to_owned()));
    let unknown = client.post(&format!("{path}?subdomain=sunshine-dentl"), patient()).await;
    assert_eq!(unknown.status, 403);
    assert_eq!(unknown.error(), r#"["You don't have access to perform this action."]"#);
    assert!(simulator.rows().is_empty());
}

#[tokio::test]
async fn onboarding_takes_no_subdomain() {
    let (_simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let body = json!({"resource_type": "Onboarding", "event": "onboarding_created"});
    let refused = client.post(&format!("{}?subdomain={PRACTICE}", rows_path(endpoint)), body.clone()).await;
    assert_eq!(refused.status, 400);
    let made = client.post(&rows_path(endpoint), body).await;
    assert_eq!((made.status, &made.data()["institution_id"]), (201, &Value::Null));
    let path = format!("{}/{}", rows_path(endpoint), made.id());
    assert_eq!(client.patch(&path, json!({"active": false})).await.status, 400);
    assert_eq!(client.patch(&format!("{path}?subdomain={PRACTICE}"), json!({"active": false})).await.status, 200);
}

#[tokio::test]
async fn unknown_endpoints_are_404() {
    let (_simulator, client) = started().await;
    assert_eq!(client.get(&rows_path(1)).await.status, 404);
    assert_eq!(client.post(&format!("{}?subdomain={PRACTICE}", rows_path(1)), patient()).await.status, 404);
}

#[tokio::test]
async fn duplicates_are_allowed_unless_switched() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let path = format!("{}?subdomain={PRACTICE}", rows_path(endpoint));
    let (first, second) = (client.post(&path, patient()).await, client.post(&path, patient()).await);
    assert_eq!((second.status, second.id()), (201, first.id() + 1));
    simulator.switch(|switches| switches.duplicate_subscription = Duplicates::Refuse);
    assert_eq!(client.post(&path, patient()).await.status, 400);
}

#[tokio::test]
async fn list_filters() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let here = client.create_row(endpoint, PRACTICE, "Patient", "patient_created").await;
    let there = client.create_row(endpoint, "lakeside-dental", "Patient", "patient_created").await;
    let other = client.create_row(endpoint, PRACTICE, "Charge", "charge_created").await;
    let path = rows_path(endpoint);
    assert_eq!(client.get(&path).await.ids(), [here, there, other]);
    assert_eq!(client.get(&format!("{path}?subdomain={PRACTICE}")).await.ids(), [here, other]);
    assert_eq!(client.get(&format!("{path}?resource_type=Charge")).await.ids(), [other]);
    assert_eq!(client.get(&format!("{path}?event=patient_created")).await.ids(), [here, there]);
    assert_eq!(client.get(&format!("{path}?subdomain=nowhere")).await.status, 403);

    simulator.edit().remove_institution("lakeside-dental").unwrap();
    assert_eq!(client.get(&path).await.ids(), [here, there, other]);
    assert_eq!(client.get(&format!("{path}?subdomain=lakeside-dental")).await.status, 403);
    simulator.switch(|switches| switches.lost_institution = LostInstitution::Hidden);
    assert_eq!(client.get(&path).await.ids(), [here, other]);
}

#[tokio::test]
async fn patch_needs_any_reachable_subdomain() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let row = client.create_row(endpoint, PRACTICE, "Patient", "patient_created").await;
    let path = format!("{}/{row}", rows_path(endpoint));
    assert_eq!(client.patch(&path, json!({"active": false})).await.status, 400);
    assert_eq!(client.patch(&format!("{path}?subdomain=nowhere"), json!({"active": false})).await.status, 403);
    let answer = client.patch(&format!("{path}?subdomain=lakeside-dental"), json!({"active": false})).await;
    assert_eq!((answer.status, &answer.data()["active"]), (200, &json!(false)));
    let answer = client.patch(&format!("{path}?subdomain={PRACTICE}"), json!({})).await;
    assert_eq!(answer.data()["active"], json!(false));
    simulator.switch(|switches| switches.v2 = V2::Accept);
    let old = client.with(&[("nex-api-version", "v2")]);
    assert_eq!(old.patch(&path, json!({"active": true})).await.status, 200);
}

#[tokio::test]
async fn resource_type_and_event_cannot_be_changed() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let row = client.create_row(endpoint, PRACTICE, "Patient", "patient_created").await;
    let path = format!("{}/{row}?subdomain={PRACTICE}", rows_path(endpoint));
    let answer = client.patch(&path, json!({"resource_type": "Charge", "event": "charge_created"})).await;
    assert_eq!((answer.status, &answer.data()["event"]), (200, &json!("patient_created")));
    assert_eq!(simulator.rows()[0].resource_type, "Patient");
}

#[tokio::test]
async fn rows_move_with_new_endpoint_id() {
    let (simulator, client) = started().await;
    let (from, to) = (client.create_endpoint(URL).await, client.create_endpoint(OTHER_URL).await);
    let row = client.create_row(from, PRACTICE, "Patient", "patient_created").await;
    let path = format!("{}/{row}?subdomain={PRACTICE}", rows_path(from));
    assert_eq!(client.patch(&path, json!({"new_endpoint_id": 1})).await.status, 404);
    assert_eq!(client.patch(&path, json!({"new_endpoint_id": "x"})).await.status, 400);
    let moved = client.patch(&path, json!({"new_endpoint_id": to})).await;
    assert_eq!((moved.status, &moved.data()["webhook_endpoint_id"]), (200, &json!(to)));
    assert_eq!(moved.id(), row);
    assert_eq!(client.patch(&path, json!({"active": true})).await.status, 404);
    assert_eq!(client.delete(&format!("{}/{row}", rows_path(from))).await.status, 404);
    assert_eq!(client.get(&rows_path(from)).await.ids(), Vec::<i64>::new());
    assert_eq!(client.get(&rows_path(to)).await.ids(), [row]);
    assert_eq!(simulator.calls("PATCH", &rows_path(from)).len(), 4);
}

#[tokio::test]
async fn delete_is_204_then_404() {
    let (_simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let row = client.create_row(endpoint, PRACTICE, "Patient", "patient_created").await;
    let path = format!("{}/{row}", rows_path(endpoint));
    assert_eq!(client.get(&path).await.status, 404);
    assert_eq!(client.delete(&path).await.status, 204);
    assert_eq!(client.delete(&path).await.status, 404);
}

#[tokio::test]
async fn the_beta_knows_payload_versions() {
    let (_simulator, client) = started_with(|switches| switches.beta = true).await;
    let client = client.with(&[("nex-api-version", "v3.1.0")]);
    let endpoint = client.create_endpoint(URL).await;
    let path = format!("{}?subdomain={PRACTICE}", rows_path(endpoint));
    assert_eq!(client.post(&path, patient()).await.data()["version"], json!("v3.1.0"));
    let provider =
        |version: &str| json!({"resource_type": "Provider", "event": "provider_created", "version": version});
    assert_eq!(client.post(&path, provider("v3.1.0")).await.status, 201);
    assert_eq!(client.post(&path, provider("v3.0.0")).await.status, 422);
    assert_eq!(client.post(&path, provider("v7")).await.status, 422);
}
