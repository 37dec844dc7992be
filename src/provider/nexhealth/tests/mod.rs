//! The adapter against a small server. What the server answers is in each test; nothing here knows the simulator.

mod fence;
mod routes;
mod secrecy;
mod session;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::Response;
use base64::Engine;

use super::*;
use crate::provider::caller::CallObserver;
use crate::provider::error::Ambiguity;
use crate::provider::fence::Fence;
use crate::provider::gate::{Gate, GateConfig};
use crate::provider::http::{CallLimits, HttpClient};
use crate::provider::model::{
    EndpointPatch, NewEndpoint, NewRow, RemoteEndpoint, RemoteId, RemoteRow, RowPatch, RowScope,
};
use crate::provider::test_server::{Seen, Server, answer, install_tls};

const KEY: &str = "canary-api-key";
const ENDPOINT: &str =
    r#"{"id":5,"target_url":"https://h.test/a?t=canary-url","active":true,"secret_key":"canary-signing-key"}"#;
const ROW: &str = r#"{"id":9,"webhook_endpoint_id":5,"institution_id":7,"resource_type":"Patient","event":"patient_created","active":true}"#;

/// Metrics of a test.
#[derive(Default)]
struct Journal(Mutex<Vec<(&'static str, String)>>);

impl CallObserver for Journal {
    fn observed(&self, provider: &'static str, operation: &'static str, code: &str, seconds: f64) {
        assert_eq!(provider, "nexhealth");
        assert!(seconds >= 0.0);
        self.0.lock().unwrap().push((operation, code.to_owned()));
    }
}

/// A lease of a test.
struct TimeLeft(Mutex<Duration>);

impl Fence for TimeLeft {
    fn time_left(&self) -> Duration {
        *self.0.lock().unwrap()
    }
}

struct Bench {
    nexhealth: Arc<NexHealth>,
    server: Server,
    journal: Arc<Journal>,
    gate: Arc<Gate>,
    fence: Arc<TimeLeft>,
}

impl Bench {
    /// `api` answers all but sign-ins, `sign_in` the n-th sign-in (from 1).
    async fn new(
        api: impl Fn(Seen) -> Response + Clone + Send + Sync + 'static,
        sign_in: impl Fn(usize) -> Response + Clone + Send + Sync + 'static,
        timing: TokenTiming,
    ) -> Self {
        let sign_ins = Arc::new(AtomicUsize::new(0));
        let server = Server::start(move |seen| {
            let (api, sign_in, sign_ins) = (api.clone(), sign_in.clone(), sign_ins.clone());
            async move {
                if seen.uri.path() == "/authenticates" {
                    let turn = sign_ins.fetch_add(1, Ordering::SeqCst) + 1;
                    tokio::time::sleep(Duration::from_millis(30)).await;
                    sign_in(turn)
                } else {
                    api(seen)
                }
            }
        })
        .await;
        install_tls();
        let limits = CallLimits { deadline: Duration::from_secs(10), ..CallLimits::default() };
        let gate = Arc::new(Gate::new(GateConfig { requests_per_minute: 60_000, burst: 1000, in_flight: 8 }));
        let (journal, fence) = (Arc::new(Journal::default()), Arc::new(TimeLeft(Mutex::new(Duration::MAX))));
        let http = HttpClient::new(limits, None).unwrap();
        let account = account(&server.url, KEY, timing);
        let nexhealth = NexHealth::new(
            account,
            Wiring { gate: gate.clone(), http, observer: journal.clone(), fence: fence.clone() },
        )
        .unwrap();
        Self { nexhealth: Arc::new(nexhealth), server, journal, gate, fence }
    }

    async fn answering(api: impl Fn(Seen) -> Response + Clone + Send + Sync + 'static) -> Self {
        Self::new(api, good_sign_in, TokenTiming::default()).await
    }

    async fn endpoints(&self) -> Result<Vec<RemoteEndpoint>, CallError> {
        EndpointCalls::list(&*self.nexhealth, false).await
    }

    fn sign_ins(&self) -> usize {
        self.server.seen().iter().filter(|seen| seen.uri.path() == "/authenticates").count()
    }

    fn api_calls(&self) -> usize {
        self.server.seen().len() - self.sign_ins()
    }
}

fn account(url: &str, key: &str, token_timing: TokenTiming) -> NexHealthAccount {
    let base_url = BaseUrl::parse(url, DEFAULT_BASE_URL, &[url]).unwrap();
    NexHealthAccount { base_url, api_key: SecretText::new(key), api_version: "v3.0.0".into(), token_timing }
}

/// A token that names its turn, so that the server can tell them apart.
fn jwt(turn: usize, life: i64) -> String {
    let exp = jiff::Timestamp::now().as_second() + life;
    let claims = format!(r#"{{"jti":"{turn}","exp":{exp}}}"#);
    format!("{turn}.{}.canary-token", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(claims))
}

fn good_sign_in(turn: usize) -> Response {
    ok(201, &format!(r#"{{"token":"{}"}}"#, jwt(turn, 3600)))
}

fn ok(status: u16, data: &str) -> Response {
    let headers = [("content-type", "application/vnd.Nexhealth+json;version=2")];
    answer(status, &headers, format!(r#"{{"code":true,"description":[["Description"]],"data":{data},"error":null}}"#))
}

fn empty_list(_: Seen) -> Response {
    ok(200, "[]")
}

fn new_endpoint() -> NewEndpoint {
    NewEndpoint { target_url: "https://h.test/a?t=canary-url".into(), active: true }
}

fn new_row(practice: Option<&str>) -> NewRow {
    NewRow {
        endpoint: RemoteId::new("5"),
        practice: practice.map(Arc::from),
        resource_type: "Patient".into(),
        event: "patient_created".into(),
        active: true,
        payload_version: "v3.1.0".into(),
    }
}

fn row() -> RemoteRow {
    RemoteRow {
        id: RemoteId::new("9"),
        endpoint: RemoteId::new("5"),
        practice: Some("7".into()),
        resource_type: "Patient".into(),
        event: "patient_created".into(),
        active: true,
        created_at: None,
    }
}

fn bad_answer(ambiguity: Option<Ambiguity>) -> CallError {
    CallError::Unavailable { cause: Unavailable::BadAnswer, ambiguity }
}
