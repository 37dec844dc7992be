//! The self-test's call of a target URL: two events, one signed with the published key and one with a wrong one.
//!
//! The URL is a user's, and this process is inside a cluster, so a probe trusts nothing: the host is resolved once and the
//! connections go to the addresses that were judged, redirects are not followed, no proxy is asked, no byte of a body is
//! read, and everything together has one deadline.

mod address;
mod certificate;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use reqwest::dns::{Addrs, Name, Resolving};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, redirect};
use rustls::CertificateError;
use tokio::sync::Semaphore;
use url::Url;

use super::http::ClientError;
use super::model::probe::{Failure, Probed, Reply, TlsFailure};
use crate::signing::{Message, Recipe, SecretText};

/// The resource type of the event: ours, so no receiver takes it for one of a practice.
pub const RESOURCE_TYPE: &str = "ExternalWebhooksSelfTest";

/// Its name.
pub const EVENT_NAME: &str = "external_webhooks_self_test";

/// Probes at the same time. Each is two small requests, but a fleet whose receivers hang must not pile up.
const CONCURRENCY: usize = 8;

/// Most addresses of one name that are tried.
const ADDRESSES: usize = 8;

/// How a name becomes addresses.
type Resolve = Arc<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

/// What a target is tested with. No `Debug`: it holds keys.
pub struct Test<'a> {
    /// Where to.
    pub target_url: &'a str,
    /// How the provider signs.
    pub recipe: Recipe,
    /// The published key.
    pub key: &'a SecretText,
    /// A key that is nobody's.
    pub wrong_key: &'a SecretText,
    /// When the events were made.
    pub now: Timestamp,
}

/// Tests targets.
#[derive(Clone)]
pub struct Prober {
    /// Whether addresses that are not public may be called.
    allow_private: bool,
    /// Of one test, from the first look at the name to the last answer.
    deadline: Duration,
    /// The system's resolver; tests have their own.
    resolve: Resolve,
    /// Authorities to trust instead of the system's; none outside tests.
    roots: Vec<Certificate>,
    turns: Arc<Semaphore>,
}

impl Prober {
    /// A prober whose tests take no longer than `deadline`.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub fn new(deadline: Duration, allow_private: bool) -> Result<Self, ClientError> {
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            return Err(ClientError::NoTlsProvider);
        }
        let resolve: Resolve =
            Arc::new(|host, port| async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed());
        Ok(Self { allow_private, deadline, resolve, roots: Vec::new(), turns: Arc::new(Semaphore::new(CONCURRENCY)) })
    }

    /// Tests a target; `None` where a recipe cannot be followed, or the URL is none.
    pub async fn probe(&self, test: Test<'_>) -> Option<Probed> {
        let url = Url::parse(test.target_url).ok()?;
        let timestamp = test.now.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
        let body = event(&timestamp);
        let message = Message { timestamp: Some(&timestamp), body: body.as_bytes() };
        let genuine = headers(test.recipe, &timestamp, &test.recipe.sign(test.key, message)?)?;
        let forged = headers(test.recipe, &timestamp, &test.recipe.sign(test.wrong_key, message)?)?;
        let _turn = self.turns.acquire().await.ok()?;
        let mut probed = Probed { genuine: Reply::Failed(Failure::Timeout), forged: None, certificate_expiry: None };
        let calls = async {
            let client = match self.client(&url).await {
                Ok(client) => client,
                Err(failure) => {
                    probed.genuine = Reply::Failed(failure);
                    return;
                }
            };
            let (reply, expiry) = send(&client, &url, genuine, &body).await;
            (probed.genuine, probed.certificate_expiry) = (reply, expiry);
            if reply.status().is_some_and(|status| (200..300).contains(&status)) {
                probed.forged = Some(Reply::Failed(Failure::Timeout));
                probed.forged = Some(send(&client, &url, forged, &body).await.0);
            }
        };
        // What is found stays when time runs out: what had no answer by then is a timeout.
        let _ = tokio::time::timeout(self.deadline, calls).await;
        Some(probed)
    }

    /// A client that can reach this one target, at the addresses that were judged and no others.
    async fn client(&self, url: &Url) -> Result<reqwest::Client, Failure> {
        let pinned = Pinned(self.addresses(url).await?);
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"), " (self-test)"))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .pool_max_idle_per_host(0)
            .tls_info(true)
            .dns_resolver(Arc::new(pinned));
        if !self.roots.is_empty() {
            builder = builder.tls_certs_only(self.roots.iter().cloned());
        }
        builder.build().map_err(|_| Failure::Connect)
    }

    /// Looks the host up, once. One closed address among several is enough to refuse: whoever answers so is either
    /// misconfigured or up to something.
    async fn addresses(&self, url: &Url) -> Result<Vec<SocketAddr>, Failure> {
        let port = url.port_or_known_default().ok_or(Failure::Connect)?;
        let mut addresses = match url.host().ok_or(Failure::Dns)? {
            url::Host::Ipv4(address) => vec![SocketAddr::from((address, port))],
            url::Host::Ipv6(address) => vec![SocketAddr::from((address, port))],
            url::Host::Domain(name) => (self.resolve)(name.to_owned(), port).await.map_err(|_| Failure::Dns)?,
        };
        if addresses.is_empty() {
            return Err(Failure::Dns);
        }
        if !self.allow_private && addresses.iter().any(|address| !address::is_public(address.ip())) {
            return Err(Failure::PrivateAddress);
        }
        addresses.truncate(ADDRESSES);
        Ok(addresses)
    }
}

/// Answers every question about names with the addresses that were judged, so that no second look can find others.
struct Pinned(Vec<SocketAddr>);

impl reqwest::dns::Resolve for Pinned {
    fn resolve(&self, _: Name) -> Resolving {
        let addresses: Addrs = Box::new(self.0.clone().into_iter());
        futures::future::ready(Ok(addresses)).boxed()
    }
}

/// The event: no practice, no resource, nothing that any provider sends.
fn event(timestamp: &str) -> String {
    serde_json::json!({
        "resource_type": RESOURCE_TYPE,
        "event_name": EVENT_NAME,
        "event_time": timestamp,
        "data": {"note": "self-test of external-webhooks, about nobody: answer 2xx if the signature is right, 401 if not, and ignore it"},
    })
    .to_string()
}

fn headers(recipe: Recipe, timestamp: &str, signature: &str) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(name) = recipe.timestamp_header {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_str(timestamp).ok()?);
    }
    headers.insert(HeaderName::from_static(recipe.signature_header), HeaderValue::from_str(signature).ok()?);
    Some(headers)
}

/// One event. The answer's body is not read: dropping it closes the connection.
async fn send(client: &reqwest::Client, url: &Url, headers: HeaderMap, body: &str) -> (Reply, Option<Timestamp>) {
    match client.post(url.clone()).headers(headers).body(body.to_owned()).send().await {
        Ok(response) => {
            let seen = response.extensions().get::<TlsInfo>().and_then(TlsInfo::peer_certificate);
            (Reply::Status(response.status().as_u16()), seen.and_then(certificate::not_after))
        }
        Err(error) => failure(&error),
    }
}

/// Sorts an error of the transport. Its text is dropped: it names the URL with its query.
fn failure(error: &reqwest::Error) -> (Reply, Option<Timestamp>) {
    let mut expired = None;
    let failure = match tls_error(error) {
        Some(rustls::Error::InvalidCertificate(problem)) => {
            if let CertificateError::ExpiredContext { not_after, .. } = problem {
                let seconds = i64::try_from(not_after.as_secs()).ok();
                expired = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
            }
            Failure::Tls(certificate_failure(problem))
        }
        Some(_) => Failure::Tls(TlsFailure::Handshake),
        None if error.is_timeout() => Failure::Timeout,
        None if error.is_connect() => Failure::Connect,
        None => Failure::Broken,
    };
    (Reply::Failed(failure), expired)
}

fn certificate_failure(problem: &CertificateError) -> TlsFailure {
    match problem {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFailure::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsFailure::NotYetValid,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsFailure::WrongName,
        // A signature that does not fit is another issuer's of the same name.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsFailure::UnknownIssuer,
        _ => TlsFailure::BadCertificate,
    }
}

/// The TLS library's own error, wherever it is wrapped.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(current) = next {
        if let Some(found) = current.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // An I/O error passes over what it wraps when asked for its source.
        next = match current.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => current.source(),
        };
    }
    None
}
