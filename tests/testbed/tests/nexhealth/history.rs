//! Ledger, journal, and what can be proved from them.

use crate::support::{Client, OTHER_URL, PRACTICE, SOON, URL, rows_path, started};
use serde_json::json;
use testbed::nexhealth::{Actor, Change, EndpointPatch, LiveQuery, Mark, RowPatch, SimConfig, Simulator};

const EVENT: &str = "patient_created";

#[tokio::test]
async fn the_ledger_has_every_call_in_order() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let mark = simulator.mark();
    let row = client.create_row(endpoint, PRACTICE, "Patient", EVENT).await;
    client.get("/nowhere").await;
    let calls = simulator.ledger();
    let seen: Vec<_> = calls.iter().map(|call| (call.method.as_str(), call.path.as_str(), call.status)).collect();
    let rows = rows_path(endpoint);
    let expected = [
        ("POST", "/authenticates", Some(201)),
        ("POST", "/webhook_endpoints", Some(201)),
        ("POST", rows.as_str(), Some(201)),
        ("GET", "/nowhere", Some(404)),
    ];
    assert_eq!(seen, expected);
    assert!(calls.windows(2).all(|pair| pair[0].seq < pair[1].seq && pair[0].at <= pair[1].at));
    assert_eq!((calls[1].endpoint_id, calls[1].subscription_id), (Some(endpoint), None));
    assert_eq!((calls[2].endpoint_id, calls[2].subscription_id), (Some(endpoint), Some(row)));
    assert_eq!(calls[2].query_value("subdomain"), Some(PRACTICE));
    assert_eq!(calls[2].body, Some(json!({"resource_type": "Patient", "event": EVENT})));
    assert_eq!(calls[2].api_version.as_deref(), Some("v3.0.0"));
    assert_eq!((simulator.count_since(mark), simulator.calls_since(mark).len()), (2, 2));
    assert_eq!(calls.iter().filter(|call| call.is_write()).count(), 2);
}

#[tokio::test]
async fn the_ledger_holds_no_secret() {
    let (simulator, client) = started().await;
    client.post("/webhook_endpoints", json!({"target_url": URL, "secret_key": "hush", "x": [{"token": "hush"}]})).await;
    let text = format!("{:?}", simulator.ledger());
    assert!(!text.contains("hush") && !text.contains(SimConfig::API_KEY), "{text}");
    assert!(!text.contains(client.authorization.as_deref().unwrap()));
}

#[tokio::test]
async fn waiting_for_calls() {
    let (simulator, client) = started().await;
    let listed = |calls: &[testbed::nexhealth::Call]| calls.iter().any(|call| call.path == "/institutions");
    let (seen, _) = tokio::join!(simulator.wait_for(listed, SOON), client.get("/institutions"));
    assert!(seen);
    assert!(!simulator.wait_for(|calls| calls.len() > 99, std::time::Duration::ZERO).await);
}

#[tokio::test]
async fn a_person_leaves_journal_entries_but_no_calls() {
    let (simulator, client) = started().await;
    let mark = simulator.mark();
    let portal = simulator.edit();
    let endpoint = portal.create_endpoint(SimConfig::ORGANISATION, URL).id;
    let other = portal.create_endpoint(SimConfig::ORGANISATION, OTHER_URL).id;
    let row = portal.create_row(endpoint, PRACTICE, "Patient", EVENT).unwrap().id;
    assert!(portal.create_row(endpoint, "nowhere", "Patient", EVENT).is_none());
    assert!(portal.create_row(1, PRACTICE, "Patient", EVENT).is_none());
    portal.patch_row(row, RowPatch { active: Some(false), new_endpoint_id: None }).unwrap();
    portal.patch_row(row, RowPatch { active: None, new_endpoint_id: Some(other) }).unwrap();
    portal.patch_endpoint(endpoint, &EndpointPatch { target_url: Some(OTHER_URL.to_owned()), active: None }).unwrap();
    portal.set_endpoint_active(endpoint, false).unwrap();
    assert!(portal.delete_row(row) && !portal.delete_row(row));
    assert!(portal.delete_endpoint(endpoint) && !portal.delete_endpoint(endpoint));
    assert_eq!(simulator.count_since(mark), 0);
    let journal = simulator.journal();
    assert_eq!(journal.len(), 9);
    assert!(journal.iter().all(|entry| entry.actor == Actor::Person && entry.seq > mark.0));
    assert!(matches!(&journal[4].change, Change::RowMoved { after, .. } if after.endpoint_id == other));
    assert_eq!(client.get("/webhook_endpoints").await.ids(), [other]);
}

#[tokio::test]
async fn the_journal_names_the_call_behind_a_change() {
    let (simulator, client) = started().await;
    client.create_endpoint(URL).await;
    let call = simulator.calls("POST", "/webhook_endpoints").remove(0);
    assert_eq!(simulator.journal()[0].actor, Actor::Call(call.seq));
}

async fn one_row() -> (Simulator, Client, i64, i64) {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    let row = client.create_row(endpoint, PRACTICE, "Patient", EVENT).await;
    (simulator, client, endpoint, row)
}

#[tokio::test]
async fn a_move_leaves_no_gap_and_no_twin() {
    let (simulator, client, from, row) = one_row().await;
    let mark = simulator.mark();
    assert!(simulator.was_ever_without_live_row(PRACTICE, EVENT, Mark::default()));
    let to = client.create_endpoint(URL).await;
    let path = format!("{}/{row}?subdomain={PRACTICE}", rows_path(from));
    client.patch(&path, json!({"new_endpoint_id": to})).await;
    client.delete(&format!("/webhook_endpoints/{from}")).await;
    assert!(!simulator.was_ever_without_live_row(PRACTICE, EVENT, mark));
    assert!(!simulator.had_two_live_rows(PRACTICE, EVENT, Mark::default()));
    assert!(simulator.was_ever_without_live_row("lakeside-dental", EVENT, mark));
}

#[tokio::test]
async fn gaps_and_twins_are_found_even_when_repaired() {
    let (simulator, client, endpoint, row) = one_row().await;
    let mark = simulator.mark();
    client.delete(&format!("{}/{row}", rows_path(endpoint))).await;
    client.create_row(endpoint, PRACTICE, "Patient", EVENT).await;
    assert!(simulator.was_ever_without_live_row(PRACTICE, EVENT, mark));
    let mark = simulator.mark();
    let twin = client.create_row(endpoint, PRACTICE, "Patient", EVENT).await;
    client.delete(&format!("{}/{twin}", rows_path(endpoint))).await;
    assert!(simulator.had_two_live_rows(PRACTICE, EVENT, mark));
    assert!(!simulator.was_ever_without_live_row(PRACTICE, EVENT, mark));
}

#[tokio::test]
async fn inactive_endpoints_and_other_urls_do_not_count() {
    let (simulator, client, endpoint, _) = one_row().await;
    let mark = simulator.mark();
    let live = |query: &LiveQuery| simulator.timeline(query, mark).last().unwrap().live;
    let query = LiveQuery::new(PRACTICE, EVENT);
    assert_eq!(live(&query.clone().on_url(URL).of(SimConfig::ORGANISATION)), 1);
    assert_eq!(live(&query.clone().on_url(OTHER_URL)), 0);
    assert_eq!(live(&query.clone().of("other")), 0);
    client.patch(&format!("/webhook_endpoints/{endpoint}"), json!({"active": false})).await;
    let counts: Vec<_> = simulator.timeline(&query, mark).into_iter().map(|stretch| stretch.live).collect();
    assert_eq!(counts, [1, 0]);
}

#[tokio::test]
async fn onboarding_has_a_timeline_too() {
    let (simulator, client) = started().await;
    let endpoint = client.create_endpoint(URL).await;
    client.post(&rows_path(endpoint), json!({"resource_type": "Onboarding", "event": "onboarding_created"})).await;
    let timeline = simulator.timeline(&LiveQuery::onboarding("onboarding_created"), Mark::default());
    assert_eq!(timeline.iter().map(|stretch| stretch.live).collect::<Vec<_>>(), [0, 1]);
}
