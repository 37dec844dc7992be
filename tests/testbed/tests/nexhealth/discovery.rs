//! `/sync_status`, `/institutions`, `/locations`.

use crate::support::{PRACTICE, started};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use std::time::Duration;
use testbed::nexhealth::{Institution, Location, SimConfig, SyncSource, SyncTime};

#[tokio::test]
async fn sync_status_has_one_element_per_sync() {
    let (simulator, client) = started().await;
    let answer = client.get("/sync_status").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/vnd.Nexhealth+json;version=2"));
    assert_eq!(answer.json["error"], Value::Null);
    assert_eq!(answer.data().as_array().unwrap().len(), 3);
    let sync = &answer.data()[0];
    assert_eq!((&sync["institution_id"], &sync["sync_source_type"]), (&json!(101), &json!("DataSource")));
    assert_eq!((&sync["read_status"], &sync["emr"]["type"]), (&json!("green"), &json!("onprem")));
    assert_eq!(sync["locations"][0]["id"], json!(1011));
    let read: Timestamp = sync["read_status_at"].as_str().unwrap().parse().unwrap();
    assert!(read < Timestamp::now() - SignedDuration::from_mins(4));
    assert!(simulator.set_syncs(PRACTICE, vec![SyncSource::healthy(vec![]), SyncSource::healthy(vec![])]));
    assert_eq!(client.get(&format!("/sync_status?subdomain={PRACTICE}")).await.data().as_array().unwrap().len(), 2);
    assert!(simulator.set_syncs(PRACTICE, vec![]));
    assert_eq!(client.get(&format!("/sync_status?subdomain={PRACTICE}")).await.data(), &json!([]));
    assert!(!simulator.set_syncs("nowhere", vec![]));
}

#[tokio::test]
async fn sync_status_filters() {
    let (simulator, client) = started().await;
    simulator.edit_sync(PRACTICE, |sync| sync.read_status = "red".to_owned());
    simulator.edit_sync("hilltop-dental", |sync| sync.write_status = "red".to_owned());
    let found = async |query: &str| {
        let answer = client.get(&format!("/sync_status?{query}")).await;
        assert_eq!(answer.status, 200, "{query}");
        let ids = answer.data().as_array().unwrap().iter().map(|sync| sync["institution_id"].as_i64().unwrap());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(found("read_status=red").await, [101]);
    assert_eq!(found("write_status=red").await, [103]);
    assert_eq!(found("read_status=green&write_status=green").await, [102]);
    assert_eq!(found("location_ids[]=1011&location_ids[]=1021").await, [101, 102]);
    assert_eq!(client.get("/sync_status?read_status=yellow").await.status, 400);
    assert_eq!(client.get("/sync_status?location_ids[]=x").await.status, 400);
    assert_eq!(client.get("/sync_status?subdomain=nowhere").await.status, 403);
}

#[tokio::test]
async fn sync_status_says_whatever_a_test_wants() {
    let (simulator, client) = started().await;
    let at: Timestamp = "2030-01-01T00:00:00Z".parse().unwrap();
    simulator.edit_sync(PRACTICE, |sync| {
        sync.read_status = "mauve".to_owned();
        sync.read_status_at = SyncTime::Text("yesterday".to_owned());
        sync.write_status_at = SyncTime::Null;
        sync.emr["type"] = json!(["cloud", "onprem"]);
        sync.location_ids = None;
        sync.overlay.insert("write_status".to_owned(), json!(7));
    });
    simulator.edit_sync("lakeside-dental", |sync| {
        sync.read_status_at = SyncTime::At(at);
        sync.write_status_at = SyncTime::Ago(Duration::from_secs(86_400 * 365 * 200));
    });
    let answer = client.get("/sync_status").await;
    let odd = &answer.data()[0];
    assert_eq!((&odd["read_status"], &odd["read_status_at"]), (&json!("mauve"), &json!("yesterday")));
    assert_eq!((&odd["write_status_at"], &odd["locations"]), (&Value::Null, &Value::Null));
    assert_eq!((&odd["emr"]["type"], &odd["write_status"]), (&json!(["cloud", "onprem"]), &json!(7)));
    assert_eq!(answer.data()[1]["read_status_at"], json!("2030-01-01T00:00:00.000Z"));
    assert!(answer.data()[1]["write_status_at"].as_str().unwrap().starts_with("18"));
}

#[tokio::test]
async fn institutions_and_one_institution() {
    let (simulator, client) = started().await;
    let all = client.get("/institutions").await;
    assert_eq!((all.ids(), &all.json["count"]), (vec![101, 102, 103], &json!(3)));
    assert_eq!(all.data()[0]["subdomain"], json!(PRACTICE));
    assert_eq!(all.data()[0]["locations"][0]["inactive"], json!(false));
    assert_eq!(client.get("/institutions/102").await.data()["subdomain"], json!("lakeside-dental"));
    assert_eq!(client.get("/institutions/999").await.status, 404);
    let added = Institution::new(104, "riverside-dental", "Riverside Dental");
    assert!(simulator.edit().add_institution(SimConfig::ORGANISATION, added));
    simulator.edit().remove_institution(PRACTICE).unwrap();
    assert_eq!(client.get("/institutions").await.ids(), [102, 103, 104]);
    assert_eq!(client.get("/institutions/101").await.status, 404);
}

#[tokio::test]
async fn locations_nest_in_institutions() {
    let (simulator, client) = started().await;
    let all = client.get("/locations").await;
    assert_eq!(all.ids(), [101, 102, 103]);
    assert_eq!(all.data()[0]["locations"][0]["tz"], json!("America/New_York"));
    let mut second = Institution::new(105, "annex-dental", "Annex Dental");
    second.locations.push(Location {
        id: 1052,
        name: "Annex".to_owned(),
        tz: "America/Denver".to_owned(),
        foreign_id: Some("77".to_owned()),
        inactive: true,
    });
    simulator.edit().add_institution(SimConfig::ORGANISATION, second);
    assert_eq!(client.get("/locations?inactive=true").await.ids(), [105]);
    let found = client.get("/locations?foreign_id=77").await;
    assert_eq!(found.data()[0]["locations"].as_array().unwrap().len(), 1);
    assert_eq!(client.get("/locations?subdomain=annex-dental").await.ids(), [105]);
    assert_eq!(client.get("/locations?subdomain=nowhere").await.status, 403);
    assert_eq!(client.get("/locations?inactive=perhaps").await.status, 400);
    assert_eq!(client.get("/locations/1052").await.data()["institution_id"], json!(105));
    assert_eq!(client.get("/locations/1").await.status, 404);
}
