//! What Hero Health sends.

use crate::herohealth::{EVENT, PATH, URL, client};
use crate::support::SOON;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::json;
use sha2::Sha256;
use std::time::Duration;
use testbed::herohealth::{Sent, SignatureForm, SimConfig, SimTiming, Simulator, TimestampForm, Webhook};
use testbed::nexhealth::{Received, Receiver};

const KEY: &str = "a-key-of-our-own";

async fn scene(retries: &[u64]) -> (Simulator, Receiver, Webhook) {
    let retry_offsets = retries.iter().copied().map(Duration::from_millis).collect();
    let timing = SimTiming { retry_offsets, request_timeout: SOON };
    let simulator = Simulator::start(SimConfig { timing, ..SimConfig::default() }).await.unwrap();
    let receiver = Receiver::start().await.unwrap();
    simulator.route_host("hooks.example.com", receiver.address());
    let webhook = simulator.edit().create(SimConfig::GROUP, EVENT, URL, Some(KEY));
    (simulator, receiver, webhook)
}

async fn arrived(receiver: &Receiver, count: usize) -> Vec<Received> {
    assert!(receiver.wait_for(|received| received.len() >= count, SOON).await);
    receiver.received()
}

fn digest(received: &Received, timestamp: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY.as_bytes()).unwrap();
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(&received.body);
    mac.finalize().into_bytes().to_vec()
}

#[tokio::test]
async fn a_delivery_is_thin_and_signed() {
    let (simulator, receiver, _) = scene(&[]).await;
    assert_eq!(simulator.emit(SimConfig::GROUP, EVENT, "appt_7"), 1);
    let received = arrived(&receiver, 1).await.remove(0);
    let thin = json!({
        "object": "appointment", "id": "appt_7", "practice_group_id": SimConfig::GROUP, "event": EVENT
    });
    assert_eq!((received.json(), received.path.as_str()), (thin, "/hero"));
    let timestamp = received.header("x-herohealth-timestamp").unwrap();
    assert!(timestamp.parse::<i64>().is_ok(), "{timestamp}");
    assert_eq!(received.header("x-herohealth-signature").unwrap(), hex::encode(digest(&received, timestamp)));
}

#[tokio::test]
async fn encodings_that_no_page_tells() {
    let (simulator, receiver, _) = scene(&[]).await;
    let forms = [(SignatureForm::UpperHex, TimestampForm::Iso), (SignatureForm::Base64, TimestampForm::Seconds)];
    for (count, (signature, timestamp)) in forms.into_iter().enumerate() {
        simulator.switch(|switches| (switches.signature_form, switches.timestamp_form) = (signature, timestamp));
        simulator.emit(SimConfig::GROUP, EVENT, "appt_7");
        let received = arrived(&receiver, count + 1).await.pop().unwrap();
        let at = received.header("x-herohealth-timestamp").unwrap();
        assert_eq!(at.ends_with('Z'), timestamp == TimestampForm::Iso);
        let digest = digest(&received, at);
        let expected = match signature {
            SignatureForm::UpperHex => hex::encode_upper(digest),
            _ => BASE64_STANDARD.encode(digest),
        };
        assert_eq!(received.header("x-herohealth-signature").unwrap(), expected);
    }
}

#[tokio::test]
async fn without_a_key_nothing_is_signed_and_own_headers_are_sent() {
    let (simulator, receiver, webhook) = scene(&[]).await;
    simulator.edit().delete(&webhook.id).unwrap();
    let http = client(&simulator, SimConfig::API_KEY, SimConfig::GROUP);
    let body = json!({"event_type": EVENT, "url": URL, "headers": {"X-Tenant": "a"}});
    assert_eq!(http.post(PATH, &body).await.status, 200);
    simulator.emit(SimConfig::GROUP, EVENT, "appt_7");
    let received = arrived(&receiver, 1).await.remove(0);
    assert_eq!((received.header("x-herohealth-signature"), received.header("x-tenant")), (None, Some("a")));
}

#[tokio::test]
async fn each_webhook_of_the_event_and_group_hears_once() {
    let (simulator, receiver, _) = scene(&[]).await;
    simulator.edit().create(SimConfig::GROUP, EVENT, URL, Some(KEY));
    simulator.edit().create(SimConfig::GROUP, "prescription.issued", URL, Some(KEY));
    simulator.edit().create(SimConfig::OTHER_GROUP, EVENT, URL, Some(KEY));
    assert_eq!(simulator.emit(SimConfig::GROUP, EVENT, "appt_7"), 2);
    let received = arrived(&receiver, 2).await;
    // Nothing in the two tells which webhook sent it: receivers cannot know a double from a second event.
    assert_eq!(received[0].body, received[1].body);
    assert_eq!(simulator.emit(SimConfig::GROUP, "patient.added-to-sequence", "p_1"), 0);
}

#[tokio::test]
async fn a_refused_delivery_is_lost_unless_retries_are_switched_on() {
    let (simulator, receiver, _) = scene(&[]).await;
    receiver.answer(500);
    simulator.emit(SimConfig::GROUP, EVENT, "appt_7");
    assert!(simulator.wait_until(|simulator| !simulator.deliveries().is_empty(), SOON).await);
    let only = simulator.deliveries().remove(0);
    assert_eq!((only.outcome, only.tried_again, only.attempt), (Sent::Answered(500), false, 1));

    let (simulator, receiver, webhook) = scene(&[10, 20]).await;
    receiver.answer_with(|received| if received.body.is_empty() { 500 } else { 401 });
    simulator.emit(SimConfig::GROUP, EVENT, "appt_7");
    assert!(simulator.wait_until(|simulator| simulator.deliveries().len() == 3, SOON).await);
    let attempts: Vec<_> = simulator.deliveries().iter().map(|one| (one.attempt, one.tried_again)).collect();
    assert_eq!(attempts, [(1, true), (2, true), (3, false)]);
    assert!(simulator.deliveries().iter().all(|one| one.webhook_id == webhook.id && one.url == URL));
}

#[tokio::test]
async fn what_waits_for_its_retry_goes_with_its_webhook() {
    // Retries that would go on for longer than any test.
    let often: Vec<u64> = (1..=100_000).collect();
    let (simulator, receiver, webhook) = scene(&often).await;
    receiver.answer(503);
    simulator.emit(SimConfig::GROUP, EVENT, "appt_7");
    arrived(&receiver, 1).await;
    simulator.edit().delete(&webhook.id).unwrap();
    let ended = |simulator: &Simulator| simulator.deliveries().last().is_some_and(|last| !last.tried_again);
    assert!(simulator.wait_until(ended, SOON).await);
    assert!(simulator.deliveries().len() < often.len());
}

#[tokio::test]
async fn a_receiver_that_is_not_there() {
    let (simulator, receiver, _) = scene(&[]).await;
    drop(receiver);
    simulator.edit().create(SimConfig::GROUP, "prescription.issued", "https://elsewhere.example.com/", None);
    simulator.emit(SimConfig::GROUP, "prescription.issued", "rx_1");
    assert!(simulator.wait_until(|simulator| !simulator.deliveries().is_empty(), SOON).await);
    assert_eq!(simulator.deliveries()[0].outcome, Sent::Unreachable("no route to host".to_owned()));
}
