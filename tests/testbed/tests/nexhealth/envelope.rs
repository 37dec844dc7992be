//! The envelope in all its documented forms, on every route.

use crate::support::{PRACTICE, URL, rows_path, started, started_with};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testbed::nexhealth::{DescriptionForm, EnvelopeStyle, ErrorForm};

#[tokio::test]
async fn fixed_forms() {
    let (simulator, client) = started().await;
    let forms = [
        (DescriptionForm::Null, ErrorForm::List, json!(null), json!([])),
        (DescriptionForm::Text, ErrorForm::Null, json!("Description"), json!(null)),
        (DescriptionForm::List, ErrorForm::Text, json!(["Description"]), json!("")),
        (DescriptionForm::NestedList, ErrorForm::List, json!([["Description"]]), json!([])),
    ];
    for (description, error, said, errors) in forms {
        simulator.switch(|switches| switches.envelope = EnvelopeStyle::Fixed(description, error));
        let answer = client.get("/institutions").await;
        assert_eq!((&answer.json["description"], &answer.json["error"]), (&said, &errors));
    }
    simulator.switch(|switches| switches.envelope = EnvelopeStyle::Fixed(DescriptionForm::Null, ErrorForm::Text));
    assert_eq!(client.get("/nowhere").await.json["error"], json!("Not found"));
}

#[tokio::test]
async fn rotation_covers_every_form() {
    let (_simulator, client) = started_with(|switches| switches.envelope = EnvelopeStyle::Rotate).await;
    let mut seen = BTreeSet::new();
    for _ in 0..12 {
        let answer = client.get("/sync_status").await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(true)));
        seen.insert(format!("{}{}", answer.json["description"], answer.json["error"]));
    }
    assert_eq!(seen.len(), 12);
}

#[tokio::test]
async fn by_route_every_success_has_the_fields() {
    let (_simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    client.create_row(endpoint, PRACTICE, "Patient", "patient_created").await;
    for path in ["/webhook_endpoints", &rows_path(endpoint), "/sync_status", "/institutions", "/locations"] {
        let answer = client.get(path).await;
        assert_eq!((answer.status, &answer.json["code"]), (200, &json!(true)), "{path}");
        assert!(answer.data().is_array(), "{path}");
        assert_eq!(answer.json["description"], Value::Null, "{path}");
    }
}
