//! The adapter against a small server, row by row of what is known of the provider. Nothing here knows the simulator.

use std::time::Duration;

use super::*;
use crate::provider::caller::CallObserver;
use crate::provider::fence::Fence;
use crate::provider::gate::{Gate, GateConfig};
use crate::provider::http::{CallLimits, HttpClient};
use crate::provider::test_server::{Server, answer, install_tls};
use crate::signing::Keys;

struct Nobody;

impl CallObserver for Nobody {
    fn observed(&self, provider: &'static str, operation: &'static str, _: &str, _: f64) {
        assert_eq!((provider, operation), ("insighthealth", "prove_credentials"));
    }
}

/// A lease that is lost: a proof needs none.
struct Never;

impl Fence for Never {
    fn time_left(&self) -> Duration {
        Duration::ZERO
    }
}

async fn proof(status: u16, body: &'static str) -> (Result<(), CallError>, Server) {
    install_tls();
    let server = Server::start(move |_| async move { answer(status, &[], body) }).await;
    let account = InsightHealthAccount {
        base_url: BaseUrl::parse(&server.url, DEFAULT_BASE_URL, &[&server.url]).unwrap(),
        api_key: SecretText::new("canary-api-key"),
        signing_key: SecretText::new("canary-signing-key"),
        ehr: "athena".into(),
    };
    let gate = Arc::new(Gate::new(GateConfig { requests_per_minute: 60_000, burst: 1000, in_flight: 8 }));
    let http = HttpClient::new(CallLimits::default(), None).unwrap();
    let insight =
        InsightHealth::new(account, Wiring { gate, http, observer: Arc::new(Nobody), fence: Arc::new(Never) }).unwrap();
    (insight.authenticate().await, server)
}

#[tokio::test]
async fn a_proof_is_a_signed_request_that_holds_no_appointment() {
    let (proven, server) = proof(200, r#"{"message":"ok","success":true,"code":200}"#).await;
    assert_eq!(proven, Ok(()));
    let seen = server.seen().remove(0);
    assert_eq!(seen.line(), "POST /v2/webhooks/athena/sync-appointments");
    assert_eq!(seen.header("x-api-key"), "canary-api-key");
    assert_eq!(&*seen.body, b"[]");
    let (key, message) = (SecretText::new("canary-signing-key"), Message { timestamp: None, body: &seen.body });
    let signature = seen.header("x-webhook-signature");
    assert!(signature.starts_with("sha256="));
    assert!(INSIGHT_HEALTH.verify(Keys { current: &key, previous: None }, message, signature).is_some());
}

#[tokio::test]
async fn each_shape_of_an_answer() {
    let unreadable = |cause| Err(CallError::Unavailable { cause, ambiguity: None });
    for (status, body, means) in [
        (200, r#"{"message":"ok","success":true,"code":200,"warnings":["x"]}"#, Ok(())),
        (
            400,
            r#"{"message":"No","errors":["appointments[0].appointment.id is required."],"success":false,"code":400}"#,
            Ok(()),
        ),
        (400, "", Ok(())),
        (401, r#"{"error":"Missing X-API-Key header","success":false}"#, Err(CallError::CredentialsRejected)),
        (401, "", Err(CallError::CredentialsRejected)),
        (
            403,
            r#"{"message":"API key is not authorized for EHR 'x'","success":false,"code":403}"#,
            Err(CallError::CredentialsRejected),
        ),
        (500, r#"{"message":"x","success":false,"code":500}"#, unreadable(Unavailable::Server(500))),
        (404, "", unreadable(Unavailable::NoSuchRoute)),
        (429, "", Err(CallError::RateLimited { retry_after: None })),
        // What is no answer of this provider proves nothing.
        (200, "", unreadable(Unavailable::BadAnswer)),
        (200, "[]", unreadable(Unavailable::BadAnswer)),
        (200, r#"{"success":false,"code":403}"#, Err(CallError::CredentialsRejected)),
        (200, r#"{"success":false}"#, unreadable(Unavailable::BadAnswer)),
        (200, r#"{"code":true,"data":[]}"#, Err(CallError::OtherServer { like: "NexHealth" })),
        (401, r#"{"message":"Unauthorized"}"#, Err(CallError::OtherServer { like: "Hero Health" })),
    ] {
        assert_eq!(proof(status, body).await.0, means, "{status} {body}");
    }
}

#[test]
fn keys_that_cannot_be_sent_are_refused_before_anything_is() {
    install_tls();
    let account = |api_key: &str, signing_key: &str| InsightHealthAccount {
        base_url: BaseUrl::parse(DEFAULT_BASE_URL, DEFAULT_BASE_URL, &[""; 0]).unwrap(),
        api_key: SecretText::new(api_key),
        signing_key: SecretText::new(signing_key),
        ehr: "athena".into(),
    };
    let gate = Arc::new(Gate::new(GateConfig { requests_per_minute: 60_000, burst: 1000, in_flight: 8 }));
    let http = HttpClient::new(CallLimits::default(), None).unwrap();
    let wiring = Wiring { gate, http, observer: Arc::new(Nobody), fence: Arc::new(Never) };
    let make = |account| InsightHealth::new(account, wiring.clone()).err();
    assert!(matches!(make(account("a\nb", "key")), Some(SetupError::ApiKey(_))));
    assert_eq!(make(account("key", "")), Some(SetupError::SigningKey));
    assert_eq!(make(account("key", "key")), None);
}
