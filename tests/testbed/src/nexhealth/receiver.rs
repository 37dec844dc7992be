//! A receiver of webhooks, as the operator's users run one: keeps what it gets and answers as it is told.

use super::sign::verify;
use crate::sim::{held, respond, server};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Response;
use jiff::Timestamp;
use serde_json::Value;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::watch;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// One delivery as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// When.
    pub at: Timestamp,
    /// Path and query.
    pub path: String,
    /// Header `timestamp`.
    pub timestamp: Option<String>,
    /// Header `signature`.
    pub signature: Option<String>,
    /// Every header, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The raw body.
    pub body: Bytes,
    /// What was answered.
    pub status: u16,
}

impl Received {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON; null if it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// `event_name` of the body.
    pub fn event_name(&self) -> String {
        self.json()["event_name"].as_str().unwrap_or_default().to_owned()
    }

    /// Whether one of these keys made the signature.
    pub fn verifies<S: AsRef<str>>(&self, keys: &[S]) -> bool {
        let (Some(timestamp), Some(signature)) = (&self.timestamp, &self.signature) else { return false };
        keys.iter().any(|key| verify(key.as_ref(), timestamp, &self.body, signature))
    }
}

type Answer = Arc<dyn Fn(&Received) -> u16 + Send + Sync>;

struct State {
    received: Mutex<Vec<Received>>,
    answer: Mutex<Answer>,
    keys: Mutex<Option<Vec<String>>>,
    changed: watch::Sender<usize>,
}

/// An HTTP server that records deliveries. Stops when dropped.
pub struct Receiver {
    state: Arc<State>,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Receiver {
    /// Starts on a free loopback port; answers 200.
    ///
    /// # Errors
    /// If no port can be bound.
    pub async fn start() -> io::Result<Self> {
        let listener = server::bind(0).await?;
        let address = listener.local_addr()?;
        let state = Arc::new(State {
            received: Mutex::default(),
            answer: Mutex::new(Arc::new(|_| 200)),
            keys: Mutex::default(),
            changed: watch::Sender::new(0),
        });
        let stop = CancellationToken::new();
        let shared = state.clone();
        let answer = move |request| shared.clone().take(request);
        tokio::spawn(server::serve(listener, stop.clone(), TaskTracker::new(), answer));
        Ok(Self { state, address, stop })
    }

    /// For [`super::Simulator::route_host`].
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// `http://127.0.0.1:port` and this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers this status from now on.
    pub fn answer(&self, status: u16) {
        self.answer_with(move |_| status);
    }

    /// Decides the status from the delivery.
    pub fn answer_with(&self, decide: impl Fn(&Received) -> u16 + Send + Sync + 'static) {
        *held(&self.state.answer) = Arc::new(decide);
    }

    /// Answers 401 to everything that none of these keys signed; `None` stops checking.
    pub fn require_keys(&self, keys: Option<Vec<String>>) {
        *held(&self.state.keys) = keys;
    }

    /// Everything received so far.
    pub fn received(&self) -> Vec<Received> {
        held(&self.state.received).clone()
    }

    /// Waits until what was received satisfies `predicate`; false if it did not in time.
    pub async fn wait_for(&self, predicate: impl Fn(&[Received]) -> bool, timeout: Duration) -> bool {
        let mut changes = self.state.changed.subscribe();
        let reached = async {
            while !predicate(&held(&self.state.received)) {
                if changes.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        tokio::time::timeout(timeout, reached).await.unwrap_or(false)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl State {
    async fn take(
        self: Arc<Self>,
        request: hyper::Request<hyper::body::Incoming>,
    ) -> Result<Response<server::Body>, server::Cut> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|_| server::Cut::Close)?.to_bytes();
        let header = |name: &str| Some(parts.headers.get(name)?.to_str().ok()?.to_owned());
        let headers = parts
            .headers
            .iter()
            .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
        let mut received = Received {
            at: Timestamp::now(),
            path: parts.uri.path_and_query().map(ToString::to_string).unwrap_or_default(),
            timestamp: header("timestamp"),
            signature: header("signature"),
            headers: headers.collect(),
            body,
            status: 0,
        };
        let refused = held(&self.keys).as_ref().is_some_and(|keys| !received.verifies(keys));
        let decide = held(&self.answer).clone();
        received.status = if refused { 401 } else { decide(&received) };
        let mut response = Response::new(respond::full(Bytes::new()));
        *response.status_mut() = hyper::StatusCode::from_u16(received.status).map_err(|_| server::Cut::Close)?;
        held(&self.received).push(received);
        self.changed.send_modify(|count| *count += 1);
        Ok(response)
    }
}
