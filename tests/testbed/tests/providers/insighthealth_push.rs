//! The notes that Insight Health pushes.

use crate::support::SOON;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::time::Duration;
use testbed::insighthealth::{Destination, Note, Sent, SimConfig, SimTiming, Simulator};
use testbed::nexhealth::{Received, Receiver};

async fn scene(retries: &[u64]) -> (Simulator, Receiver) {
    let retry_offsets = retries.iter().copied().map(Duration::from_millis).collect();
    let timing = SimTiming { retry_offsets, request_timeout: SOON };
    let simulator = Simulator::start(SimConfig { timing, ..SimConfig::default() }).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    simulator.route_host("hooks.example.com", receiver.address());
    simulator.edit().arrange(SimConfig::ORGANISATION, destination("our-signing-key"));
    (simulator, receiver)
}

fn destination(signing_key: &str) -> Destination {
    let url = "https://hooks.example.com/notes".to_owned();
    Destination { url, api_key: "our-api-key".to_owned(), signing_key: signing_key.to_owned() }
}

fn note() -> Note {
    let sections = [("Plan".to_owned(), "Rest \u{2014} and water".to_owned())].into();
    Note { patient_id: "p1".into(), encounter_id: "e1".into(), template_name: "SOAP".into(), sections }
}

fn signed_with(received: &Received, key: &str) -> bool {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(&received.body);
    let expected = format!("sha256={}", hex::encode(mac.finalize().into_bytes()));
    received.header("x-webhook-signature") == Some(&expected)
}

#[tokio::test]
async fn a_note_is_pushed_with_the_receivers_own_keys() {
    let (simulator, receiver) = scene(&[]).await;
    let first = simulator.push(SimConfig::ORGANISATION, &note()).unwrap();
    let second = simulator.push(SimConfig::ORGANISATION, &note()).unwrap();
    assert_ne!(first, second, "a note that is made again has a new id");
    assert!(receiver.wait_for(|received| received.len() == 2, SOON).await);
    for received in receiver.received() {
        assert_eq!(received.header("x-api-key"), Some("our-api-key"));
        assert!(signed_with(&received, "our-signing-key"));
        let mut body = received.json();
        let id = body.as_object_mut().unwrap().remove("summary_id").unwrap();
        assert!([first.as_str(), second.as_str()].contains(&id.as_str().unwrap()));
        let sections = json!({"Plan": "Rest \u{2014} and water"});
        let rest = json!({"patient_id": "p1", "encounter_id": "e1", "template_name": "SOAP", "sections": sections});
        assert_eq!(body, rest);
    }
}

#[tokio::test]
async fn nothing_is_pushed_where_nothing_is_arranged() {
    let (simulator, _receiver) = scene(&[]).await;
    assert_eq!(simulator.push("somebody-else", &note()), None);
}

#[tokio::test]
async fn a_refused_note_is_lost_unless_retries_are_switched_on() {
    let (simulator, receiver) = scene(&[]).await;
    receiver.answer(500);
    simulator.push(SimConfig::ORGANISATION, &note());
    assert!(simulator.wait_until(|simulator| !simulator.pushed().is_empty(), SOON).await);
    let only = simulator.pushed().remove(0);
    assert_eq!((only.outcome, only.tried_again), (Sent::Answered(500), false));
}

#[tokio::test]
async fn a_retry_has_the_keys_that_are_arranged_when_it_is_sent() {
    let often: Vec<u64> = (1..=100_000).collect();
    let (simulator, receiver) = scene(&often).await;
    receiver.answer_with(|received| if signed_with(received, "our-next-key") { 200 } else { 401 });
    let id = simulator.push(SimConfig::ORGANISATION, &note()).unwrap();
    assert!(receiver.wait_for(|received| !received.is_empty(), SOON).await);
    simulator.edit().arrange(SimConfig::ORGANISATION, destination("our-next-key"));
    let accepted = |simulator: &Simulator| simulator.pushed().iter().any(|one| one.outcome == Sent::Answered(200));
    assert!(simulator.wait_until(accepted, SOON).await);
    let last = simulator.pushed().pop().unwrap();
    assert_eq!((last.summary_id, last.tried_again, last.url.as_str()), (id, false, "https://hooks.example.com/notes"));
    assert!(last.attempt > 1);
}
