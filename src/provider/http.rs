//! The HTTP client under the adapters: one request in, a whole answer or a [`CallError`] out.
//!
//! Everything that can go wrong on the way is sorted here by what happens next (rules.md *Outcomes*, *Create*
//! *Ambiguous answer*). Bodies of failures are not read, but for telling whether they are another
//! provider's, and no text of the remote side or of the transport gets into an error, so none can leak (invariant *No leak*).

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Proxy, Response, redirect};
use thiserror::Error;
use url::Url;
use zeroize::Zeroizing;

use crate::provider::dialect::Dialect;
use crate::provider::error::{Ambiguity, CallError, Unavailable};
use crate::provider::retry_after;

/// Below the 60 s after which load balancers drop idle connections: a write on a connection that is just being dropped
/// would end as an ambiguous reset.
const IDLE: Duration = Duration::from_secs(30);

/// As much of a refusal as is looked at to tell whose it is.
const REFUSAL: usize = 4096;

/// How long a call may take and how much it may bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallLimits {
    /// Of a read: from the first byte sent (connecting included) to the last byte read.
    pub deadline: Duration,
    /// The same of a write. Shorter, because a write starts only with more lease time left than this (rules.md *Leader*),
    /// and must do so also when one renewal has failed; long answers are those of lists.
    pub write_deadline: Duration,
    /// Share of it that connecting may take. Shorter than the deadline, because a connect that failed is never
    /// ambiguous while a deadline is.
    pub connect: Duration,
    /// Cap of a list's body; 10,000 rows are some 2 MB (rules.md *Mirror*).
    pub list_body: usize,
    /// Cap of every other body.
    pub other_body: usize,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            write_deadline: Duration::from_secs(15),
            connect: Duration::from_secs(5),
            list_body: 16 << 20,
            other_body: 1 << 20,
        }
    }
}

/// Why there is no client.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum ClientError {
    /// `main` installs the TLS provider before anything else.
    #[error("no TLS provider is installed")]
    NoTlsProvider,
    /// The proxy is no URL.
    #[error("the proxy is not a URL")]
    Proxy,
    /// In practice: no CA certificates in the image.
    #[error("the HTTP client cannot be set up (are there CA certificates?)")]
    Setup,
}

/// What a call does over there, which decides whether losing its answer matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing that matters; can be repeated.
    Read,
    /// Creates, changes or deletes.
    Write,
}

/// One request. No `Debug`: it carries credentials.
#[derive(Clone)]
pub(super) struct RequestParts {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Option<String>,
    effect: Effect,
    list: bool,
    dialect: Option<Dialect>,
}

impl RequestParts {
    pub(super) fn new(method: Method, url: Url, effect: Effect) -> Self {
        Self { method, url, headers: HeaderMap::new(), body: None, effect, list: false, dialect: None }
    }

    /// A GET whose body may be as large as a list.
    pub(super) fn list(url: Url) -> Self {
        Self { list: true, ..Self::new(Method::GET, url, Effect::Read) }
    }

    /// A call with which an account begins: an answer that is another provider's for certain is told apart.
    pub(super) fn spoken_by(mut self, dialect: Dialect) -> Self {
        self.dialect = Some(dialect);
        self
    }

    pub(super) fn effect(&self) -> Effect {
        self.effect
    }

    pub(super) fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    pub(super) fn json(mut self, body: &serde_json::Value) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = Some(body.to_string());
        self
    }
}

/// A 2xx answer, wholly read. Its body may hold keys, so it is wiped and never printed.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}, {} bytes)", self.status, self.body.len())
    }
}

/// The process's HTTP client; clones share their connections.
#[derive(Clone)]
pub struct HttpClient {
    inner: reqwest::Client,
    limits: CallLimits,
}

impl HttpClient {
    /// Builds the client. `proxy` comes from the operator's flags only; the environment is not asked, and redirects are
    /// not followed because they would carry credentials elsewhere.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(limits: CallLimits, proxy: Option<&str>) -> Result<Self, ClientError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ClientError::NoTlsProvider);
        }
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .connect_timeout(limits.connect)
            .pool_idle_timeout(IDLE);
        if let Some(proxy) = proxy {
            builder = builder.proxy(Proxy::all(proxy).map_err(|_| ClientError::Proxy)?);
        }
        Ok(Self { inner: builder.build().map_err(|_| ClientError::Setup)?, limits })
    }

    /// Sends one request. A 401 comes back as `Rejected {401}`: only the adapter knows whether signing in again helps.
    pub(super) async fn send(&self, parts: RequestParts) -> Result<Answer, CallError> {
        let effect = parts.effect;
        match tokio::time::timeout(self.deadline(effect), self.exchange(parts)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(unavailable(Unavailable::Timeout, effect, Ambiguity::TimedOut)),
        }
    }

    /// How long a call with this effect may take.
    pub(super) fn deadline(&self, effect: Effect) -> Duration {
        match effect {
            Effect::Read => self.limits.deadline,
            Effect::Write => self.limits.write_deadline,
        }
    }

    async fn exchange(&self, parts: RequestParts) -> Result<Answer, CallError> {
        let cap = if parts.list { self.limits.list_body } else { self.limits.other_body };
        let mut request = self.inner.request(parts.method, parts.url).headers(parts.headers);
        if let Some(body) = parts.body {
            request = request.body(body);
        }
        let response = request.send().await.map_err(|error| transport(&error, parts.effect))?;
        let status = response.status().as_u16();
        if let Some(error) = status_error(status, response.headers(), parts.effect) {
            return Err(match (parts.dialect, status) {
                (Some(own), 400..=404) => other_server(response, own).await.unwrap_or(error),
                _ => error,
            });
        }
        let body = read(response, cap).await.map_err(|cause| unavailable(cause, parts.effect, Ambiguity::Answered))?;
        match parts.dialect.and_then(|own| own.other_than(&body)) {
            Some(other) => Err(CallError::OtherServer { like: other.provider() }),
            None => Ok(Answer { status, body }),
        }
    }
}

/// Whether a refusal is that of another provider's server. Its body is looked at for nothing else, and wiped.
async fn other_server(response: Response, own: Dialect) -> Option<CallError> {
    let body = read(response, REFUSAL).await.ok()?;
    own.other_than(&body).map(|other| CallError::OtherServer { like: other.provider() })
}

/// Reads a body piece by piece, so that an endless one costs no more than its cap.
async fn read(mut response: Response, cap: usize) -> Result<Zeroizing<Vec<u8>>, Unavailable> {
    let announced = response.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    if announced > cap {
        return Err(Unavailable::TooLarge);
    }
    let mut body = Zeroizing::new(Vec::with_capacity(announced));
    while let Some(chunk) = response.chunk().await.map_err(|_| Unavailable::BadAnswer)? {
        if body.len() + chunk.len() > cap {
            return Err(Unavailable::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// What a status other than a plain 2xx means. `None`: the body decides.
fn status_error(status: u16, headers: &HeaderMap, effect: Effect) -> Option<CallError> {
    let lost = |cause| Some(unavailable(cause, effect, Ambiguity::Answered));
    match status {
        202 if effect == Effect::Write => Some(unavailable(Unavailable::Deferred, effect, Ambiguity::Accepted)),
        200..=299 => None,
        // A redirect may follow a write that was done (303), so it is not taken for a refusal.
        300..=399 => lost(Unavailable::Redirect(status)),
        404 => Some(CallError::NotFound),
        // From the provider it means "not received", from a proxy in between it may mean anything.
        408 => lost(Unavailable::Server(status)),
        429 => Some(CallError::RateLimited { retry_after: asked_wait(headers) }),
        400..=499 => Some(CallError::Rejected { status }),
        _ => lost(Unavailable::Server(status)),
    }
}

fn asked_wait(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value| HeaderValue::to_str(value).ok());
    retry_after::parse(text(RETRY_AFTER)?, text(DATE))
}

/// Sorts an error of the transport. Its text is dropped: it names the URL with its query.
fn transport(error: &reqwest::Error, effect: Effect) -> CallError {
    if error.is_connect() || error.is_builder() {
        return CallError::Unavailable { cause: connect_cause(error), ambiguity: None };
    }
    let cause = match error {
        _ if error.is_timeout() => return unavailable(Unavailable::Timeout, effect, Ambiguity::TimedOut),
        _ if error.is_decode() || error.is_body() => Unavailable::BadAnswer,
        _ => Unavailable::Reset,
    };
    unavailable(cause, effect, Ambiguity::Answered)
}

/// Why no connection came about; nothing was sent then, so none of these is ambiguous.
fn connect_cause(error: &reqwest::Error) -> Unavailable {
    if error.is_dns() {
        return Unavailable::Dns;
    }
    if error.is_timeout() {
        return Unavailable::Timeout;
    }
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = next {
        if current.is::<rustls::Error>() {
            return Unavailable::Tls;
        }
        let io = current.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            // Only a handshake reads while connecting.
            Some(io::ErrorKind::UnexpectedEof) => return Unavailable::Tls,
            Some(io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe) => return Unavailable::Reset,
            _ => {}
        }
        // An I/O error passes over what it wraps when asked for its source.
        next = match io.and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    Unavailable::Refused
}

/// An unavailable provider; ambiguous if the call was a write.
pub(super) fn unavailable(cause: Unavailable, effect: Effect, ambiguity: Ambiguity) -> CallError {
    CallError::Unavailable { cause, ambiguity: (effect == Effect::Write).then_some(ambiguity) }
}

#[cfg(test)]
#[path = "http_tests.rs"]
mod tests;
