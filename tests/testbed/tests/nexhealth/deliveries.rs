//! Deliveries, retries, signatures, deactivation, and the receiver.

use crate::support::{Client, OTHER_URL, PRACTICE, SOON, URL, rows_path};
use serde_json::{Value, json};
use std::time::Duration;
use testbed::nexhealth::{
    Actor, Change, Deactivation, DeliveryErrors, DeliveryOutcome, EventTime, Received, Receiver, SimConfig, SimTiming,
    Simulator,
};

const EVENT: &str = "patient_created";

struct Scene {
    simulator: Simulator,
    client: Client,
    receiver: Receiver,
    endpoint: i64,
    row: i64,
}

fn millis(values: &[u64]) -> Vec<Duration> {
    values.iter().copied().map(Duration::from_millis).collect()
}

/// An endpoint with one row, its host routed to a receiver.
async fn scene(retries: &[u64], deactivate_after: u64) -> Scene {
    let timing = SimTiming {
        retry_offsets: millis(retries),
        deactivate_after: Duration::from_millis(deactivate_after),
        request_timeout: SOON,
    };
    let simulator = Simulator::start(SimConfig { timing, ..SimConfig::default() }).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    simulator.route_host("hooks.example.com", receiver.address());
    let client = Client::signed_in(&simulator, SimConfig::API_KEY).await;
    let endpoint = client.create_endpoint(URL).await;
    let row = client.create_row(endpoint, PRACTICE, "Patient", EVENT).await;
    Scene { simulator, client, receiver, endpoint, row }
}

impl Scene {
    fn emit(&self) -> usize {
        self.simulator.emit(PRACTICE, "Patient", EVENT, "", json!({"patients": [{"id": 7}]}))
    }

    async fn arrived(&self, count: usize) -> bool {
        self.receiver.wait_for(|received| received.len() >= count, SOON).await
    }

    async fn logged(&self, outcome: DeliveryOutcome) -> bool {
        let there = |simulator: &Simulator| simulator.deliveries().iter().any(|one| one.outcome == outcome);
        self.simulator.wait_until(there, SOON).await
    }

    fn key(&self, endpoint: i64) -> String {
        let endpoints = self.simulator.endpoints();
        endpoints.into_iter().find(|one| one.id == endpoint).unwrap().secret_key
    }
}

/// Retries that go on until the test has done what it wants to do between two of them.
fn often() -> Vec<u64> {
    (1..=1_000).map(|n| n * 20).collect()
}

const LONG: u64 = 1_000_000;

#[test]
fn the_defaults_are_the_documented_times() {
    let timing = SimTiming::default();
    assert_eq!(timing.retry_offsets.len(), 10);
    assert_eq!(timing.retry_offsets[0], Duration::from_secs(30));
    assert_eq!(timing.retry_offsets[9], Duration::from_secs(48 * 3_600));
    assert_eq!(timing.deactivate_after, Duration::from_secs(48 * 3_600));
}

#[tokio::test]
async fn a_delivery_has_envelope_headers_and_signature() {
    let scene = scene(&[], LONG).await;
    assert_eq!(scene.emit(), 1);
    assert!(scene.arrived(1).await);
    let received = scene.receiver.received().remove(0);
    assert_eq!(received.path, "/a");
    let body = received.json();
    let fields: Vec<_> = body.as_object().unwrap().keys().cloned().collect();
    let expected =
        ["data", "event_name", "event_time", "institution_id", "resource_type", "subdomain", "webhook_subscription_id"];
    assert_eq!(fields, expected);
    assert_eq!((&body["institution_id"], &body["subdomain"]), (&json!(101), &json!(PRACTICE)));
    assert_eq!((&body["webhook_subscription_id"], &body["event_name"]), (&json!(scene.row), &json!(EVENT)));
    assert_eq!(body["data"], json!({"patients": [{"id": 7}]}));
    assert!(body["event_time"].as_str().unwrap().ends_with('Z'));
    assert!(received.timestamp.as_deref().unwrap().ends_with('Z'));
    let key = scene.key(scene.endpoint);
    assert!(received.verifies(&["wrong".to_owned(), key]));
    assert!(!received.verifies(&["wrong"]));
    assert!(scene.logged(DeliveryOutcome::Answered(200)).await);
    let log = scene.simulator.deliveries();
    assert_eq!(
        (log.len(), log[0].attempt, log[0].endpoint_id, log[0].subscription_id),
        (1, 1, scene.endpoint, scene.row)
    );
}

#[tokio::test]
async fn suffix_offset_and_header_are_as_asked() {
    let scene = scene(&[], LONG).await;
    scene.client.create_row(scene.endpoint, PRACTICE, "Appointment", "appointment_insertion").await;
    scene.simulator.switch(|switches| {
        switches.event_time = EventTime::Offset;
        switches.delivery_errors = DeliveryErrors::Always;
        switches.signature_header = "x-nexhealth-signature".to_owned();
    });
    scene.simulator.emit(PRACTICE, "Appointment", "appointment_insertion", ".timed_out", json!({"appointment": {}}));
    assert!(scene.arrived(1).await);
    let received = scene.receiver.received().remove(0);
    assert_eq!(received.event_name(), "appointment_insertion.timed_out");
    assert!(received.json()["event_time"].as_str().unwrap().ends_with("+00:00"));
    assert_eq!((received.json()["delivery_errors"].clone(), received.signature), (json!([]), None));
}

#[tokio::test]
async fn onboarding_has_neither_institution_nor_subdomain() {
    let scene = scene(&[], LONG).await;
    let body = json!({"resource_type": "Onboarding", "event": "onboarding_created"});
    scene.client.post(&rows_path(scene.endpoint), body).await;
    assert_eq!(scene.simulator.emit_onboarding("onboarding_created", json!({"onboardings": []})), 1);
    assert!(scene.arrived(1).await);
    let body = scene.receiver.received().remove(0).json();
    assert_eq!((&body["institution_id"], &body["subdomain"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn only_live_rows_of_the_pair_and_practice_hear_of_it() {
    let scene = scene(&[], LONG).await;
    let Scene { simulator, client, endpoint, row, .. } = &scene;
    let data = || json!({});
    assert_eq!(simulator.emit("lakeside-dental", "Patient", EVENT, "", data()), 0);
    assert_eq!(simulator.emit(PRACTICE, "Patient", "patient_updated", "", data()), 0);
    client.create_row(*endpoint, PRACTICE, "Patient", EVENT).await;
    assert_eq!(scene.emit(), 2);
    let path = format!("{}/{row}?subdomain={PRACTICE}", rows_path(*endpoint));
    client.patch(&path, json!({"active": false})).await;
    assert_eq!(scene.emit(), 1);
    client.patch(&format!("/webhook_endpoints/{endpoint}"), json!({"active": false})).await;
    assert_eq!(scene.emit(), 0);
}

#[tokio::test]
async fn retries_name_the_earlier_errors_and_carry_a_new_time() {
    let scene = scene(&[10, 25, 45], LONG).await;
    scene.receiver.answer_with(|received| {
        let errors = received.json()["delivery_errors"].as_array().map_or(0, Vec::len);
        if errors < 2 { 500 } else { 204 }
    });
    scene.emit();
    assert!(scene.logged(DeliveryOutcome::Answered(204)).await);
    let received = scene.receiver.received();
    assert_eq!(received.len(), 3);
    let times: Vec<_> = received.iter().map(|one| one.timestamp.clone().unwrap()).collect();
    assert!(times[0] < times[1] && times[1] <= times[2], "{times:?}");
    let key = scene.key(scene.endpoint);
    assert!(received.iter().all(|one| one.verifies(&[&key])));
    assert_eq!(received[0].json().get("delivery_errors"), None);
    let errors = &received[2].json()["delivery_errors"];
    assert_eq!((&errors[0]["code"], &errors[0]["attempts"]), (&json!("500"), &json!(1)));
    assert_eq!(
        (&errors[1]["message"], &errors[1]["timestamp"]),
        (&json!("500 Internal Server Error"), &json!(times[1]))
    );
    let attempts: Vec<_> = scene.simulator.deliveries().iter().map(|one| one.attempt).collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn offsets_count_from_the_first_failure() {
    let scene = scene(&[20, 60], LONG).await;
    scene.receiver.answer(500);
    let begun = std::time::Instant::now();
    scene.emit();
    assert!(scene.logged(DeliveryOutcome::GivenUp("no retry is left")).await);
    assert!(begun.elapsed() >= Duration::from_millis(60));
    assert_eq!(scene.receiver.received().len(), 3);
}

#[tokio::test]
async fn an_unreachable_target_is_a_failure_too() {
    let scene = scene(&[], LONG).await;
    let path = format!("/webhook_endpoints/{}", scene.endpoint);
    scene.client.patch(&path, json!({"target_url": "https://nowhere.example.com/"})).await;
    scene.emit();
    assert!(scene.logged(DeliveryOutcome::Unreachable("no route to host".to_owned())).await);
}

#[tokio::test]
async fn a_failing_period_switches_the_endpoint_off() {
    let scene = scene(&[10, 30], 30).await;
    scene.receiver.answer(503);
    scene.emit();
    let off = |simulator: &Simulator| simulator.endpoints().iter().all(|one| !one.active);
    assert!(scene.simulator.wait_until(off, SOON).await);
    assert!(scene.simulator.rows()[0].active);
    let journal = scene.simulator.journal();
    let last = journal.last().unwrap();
    assert_eq!(last.actor, Actor::Provider);
    assert!(matches!(&last.change, Change::EndpointPatched { after, .. } if !after.active));
    assert_eq!(scene.client.get("/webhook_endpoints").await.data()[0]["active"], json!(false));
    assert_eq!(scene.emit(), 0);

    scene.receiver.answer(200);
    let path = format!("/webhook_endpoints/{}", scene.endpoint);
    scene.client.patch(&path, json!({"active": true})).await;
    assert_eq!(scene.emit(), 1);
    assert!(scene.logged(DeliveryOutcome::Answered(200)).await);
    assert!(scene.simulator.endpoints()[0].active);
}

#[tokio::test]
async fn a_failing_period_may_take_the_rows_with_it() {
    let scene = scene(&[10], 10).await;
    scene.simulator.switch(|switches| switches.deactivation = Deactivation::WithSubscriptions);
    scene.receiver.answer(503);
    scene.emit();
    let off = |simulator: &Simulator| simulator.rows().iter().all(|one| !one.active);
    assert!(scene.simulator.wait_until(off, SOON).await);
    assert!(!scene.simulator.endpoints()[0].active);
}

#[tokio::test]
async fn one_success_ends_the_failing_period() {
    let scene = scene(&[10], 40).await;
    scene.receiver.answer_with(|received| if received.json().get("delivery_errors").is_some() { 200 } else { 500 });
    for round in 1..=5 {
        scene.emit();
        let successes = |simulator: &Simulator| {
            simulator.deliveries().iter().filter(|one| one.outcome == DeliveryOutcome::Answered(200)).count()
        };
        assert!(scene.simulator.wait_until(|simulator| successes(simulator) == round, SOON).await);
    }
    assert!(scene.simulator.endpoints()[0].active);
}

#[tokio::test]
async fn what_is_gone_or_off_ends_waiting_messages() {
    let scene = scene(&often(), LONG).await;
    let portal = scene.simulator.edit();
    scene.receiver.answer(500);
    for reason in ["switched off", "the subscription is gone", "the endpoint is gone"] {
        let endpoint = portal.create_endpoint(SimConfig::ORGANISATION, URL);
        let spare = portal.create_endpoint(SimConfig::ORGANISATION, OTHER_URL);
        let row = portal.create_row(endpoint.id, PRACTICE, "Charge", "charge_created").unwrap();
        let seen = scene.receiver.received().len();
        assert_eq!(scene.simulator.emit(PRACTICE, "Charge", "charge_created", "", json!({})), 1);
        assert!(scene.arrived(seen + 1).await);
        match reason {
            "switched off" => drop(portal.set_endpoint_active(endpoint.id, false)),
            "the subscription is gone" => drop(portal.delete_row(row.id)),
            _ => {
                let to_spare = testbed::nexhealth::RowPatch { active: None, new_endpoint_id: Some(spare.id) };
                portal.patch_row(row.id, to_spare).unwrap();
                portal.delete_endpoint(endpoint.id);
            }
        }
        assert!(scene.logged(DeliveryOutcome::GivenUp(reason)).await, "{reason}");
        portal.delete_row(row.id);
    }
}

#[tokio::test]
async fn waiting_messages_resume_only_if_switched() {
    let scene = scene(&often(), LONG).await;
    scene.simulator.switch(|switches| switches.reactivation_resumes_retries = true);
    scene.receiver.answer(500);
    scene.emit();
    assert!(scene.arrived(1).await);
    scene.simulator.edit().set_endpoint_active(scene.endpoint, false);
    scene.receiver.answer(200);
    scene.simulator.edit().set_endpoint_active(scene.endpoint, true);
    assert!(scene.logged(DeliveryOutcome::Answered(200)).await);
}

#[tokio::test]
async fn waiting_messages_stay_with_the_old_endpoint_of_a_moved_row() {
    for follows in [false, true] {
        let scene = scene(&often(), LONG).await;
        scene.simulator.switch(|switches| switches.waiting_messages_follow_move = follows);
        scene.receiver.answer(500);
        scene.emit();
        assert!(scene.arrived(1).await);
        let to = scene.client.create_endpoint(OTHER_URL).await;
        let path = format!("{}/{}?subdomain={PRACTICE}", rows_path(scene.endpoint), scene.row);
        assert_eq!(scene.client.patch(&path, json!({"new_endpoint_id": to})).await.status, 200);
        scene.receiver.answer(200);
        let accepted = |received: &[Received]| received.iter().any(|one| one.status == 200);
        assert!(scene.receiver.wait_for(accepted, SOON).await);
        let retry = scene.receiver.received().pop().unwrap();
        let (from_path, from) = if follows { ("/b", to) } else { ("/a", scene.endpoint) };
        assert_eq!(retry.path, from_path);
        assert!(retry.verifies(&[scene.key(from)]));
        let seen = scene.receiver.received().len();
        scene.emit();
        assert!(scene.arrived(seen + 1).await);
        assert_eq!(scene.receiver.received()[seen].path, "/b");
    }
}

#[tokio::test]
async fn deliveries_go_on_while_the_api_is_down() {
    let scene = scene(&[], LONG).await;
    scene.simulator.go_down().await;
    scene.emit();
    assert!(scene.arrived(1).await);
}

#[tokio::test]
async fn the_receiver_refuses_what_its_keys_did_not_sign() {
    let scene = scene(&[], LONG).await;
    scene.receiver.require_keys(Some(vec!["other".to_owned()]));
    scene.emit();
    assert!(scene.logged(DeliveryOutcome::Answered(401)).await);
    scene.receiver.require_keys(Some(vec!["other".to_owned(), scene.key(scene.endpoint)]));
    scene.emit();
    assert!(scene.logged(DeliveryOutcome::Answered(200)).await);
    assert_eq!(scene.receiver.received().iter().map(|one| one.status).collect::<Vec<_>>(), [401, 200]);
}
