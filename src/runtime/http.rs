//! The HTTP server for probes and metrics.
//!
//! Whoever reaches the port can be slow or stupid, never in the way: a connection serves one request and is cut after
//! [`CONNECTION_LIMIT`] whatever it does, their number is bounded, and slow readers of `/metrics` share one page.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::serve::Listener;
use futures::stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::health::Health;
use super::metrics::{CONTENT_TYPE, Metrics};

/// How long a connection may live.
pub const CONNECTION_LIMIT: Duration = Duration::from_secs(10);

/// How many connections are served at a time; more wait to be accepted.
const CONNECTIONS: usize = 512;

/// Scrapes beyond so many unfinished ones are given the last page instead of a fresh one, which bounds memory.
const FRESH_PAGES: usize = 4;

/// A large page is handed to its connection in pieces of this size.
const PIECE: usize = 64 * 1024;

/// The running server.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl HttpServer {
    /// Binds `address` (port 0: any) and serves until `shutdown`.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn start(
        address: SocketAddr,
        metrics: Metrics,
        health: Health,
        shutdown: CancellationToken,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        info!(%address, "serving /metrics, /healthz and /readyz");
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        let app = router(Pages { metrics, health, open: Arc::default(), last: Arc::default() });
        let served = axum::serve(Limited { listener, connections }, app);
        let task = tokio::spawn(async move {
            tokio::select! {
                end = served => warn!("the HTTP server ended: {end:?}"),
                () = shutdown.cancelled() => {}
            }
        });
        Ok(Self { address, task })
    }

    /// Where it really listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[derive(Clone)]
struct Pages {
    metrics: Metrics,
    health: Health,
    open: Arc<AtomicUsize>,
    last: Arc<Mutex<Option<(Instant, Bytes)>>>,
}

fn router(pages: Pages) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/healthz", get(async |State(pages): State<Pages>| probe(pages.health.alive())))
        .route("/readyz", get(async |State(pages): State<Pages>| probe(pages.health.ready())))
        .with_state(pages)
        .layer(axum::middleware::map_response(close))
}

/// One request per connection: an idle kept-alive connection would be cut in the middle of its next request.
async fn close(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

fn probe(verdict: Result<(), String>) -> Response {
    match verdict {
        Ok(()) => "ok\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
    }
}

async fn metrics(State(pages): State<Pages>) -> Response {
    let open = Open::new(&pages.open);
    let Some(page) = pages.page(open.count) else {
        return (StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n").into_response();
    };
    // The body is dropped, and counted off, when the last piece was taken by the connection or the connection was cut.
    // Pieces, because a whole page would be taken at once however slowly it then leaves.
    let body = stream::iter((0..page.len()).step_by(PIECE).map(move |start| {
        let _still_open = &open;
        Ok::<_, io::Error>(page.slice(start..page.len().min(start + PIECE)))
    }));
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], Body::from_stream(body)).into_response()
}

impl Pages {
    fn page(&self, open: usize) -> Option<Bytes> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((made, page)) = &*last
            && open > FRESH_PAGES
            && made.elapsed() < CONNECTION_LIMIT
        {
            return Some(page.clone());
        }
        self.metrics.set_oldest_unreconciled(self.health.oldest_unreconciled());
        let page = Bytes::from(self.metrics.encode().ok()?);
        *last = Some((Instant::now(), page.clone()));
        Some(page)
    }
}

/// Counts a response while it is on its way.
struct Open {
    all: Arc<AtomicUsize>,
    count: usize,
}

impl Open {
    fn new(all: &Arc<AtomicUsize>) -> Self {
        Self { all: Arc::clone(all), count: all.fetch_add(1, Ordering::Relaxed) + 1 }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.all.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Limited {
    listener: TcpListener,
    connections: Arc<Semaphore>,
}

impl Listener for Limited {
    type Io = Connection;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Connection, SocketAddr) {
        let permit = Arc::clone(&self.connections).acquire_owned().await.ok();
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection { stream, limit: Box::pin(sleep(CONNECTION_LIMIT)), _permit: permit }, address)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A connection that fails once its time is up, reading or writing.
struct Connection {
    stream: TcpStream,
    limit: Pin<Box<Sleep>>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl Connection {
    fn poll_limit(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        match self.limit.as_mut().poll(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => Ok(()),
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.poll_limit(cx)?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_limit(cx)?;
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf));
        Poll::Ready(written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_limit(cx)?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_limit(cx)?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::runtime::health::Role;

    async fn ask(address: SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        // Ends because the server closes after one answer.
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    async fn server() -> (HttpServer, Health, Metrics) {
        let (health, metrics) = (Health::new(), Metrics::new());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let server = HttpServer::start(any, metrics.clone(), health.clone(), CancellationToken::new()).await.unwrap();
        (server, health, metrics)
    }

    #[tokio::test]
    async fn the_probes_follow_health_and_the_real_port_is_told() {
        let (server, health, metrics) = server().await;
        assert_ne!(server.address().port(), 0);
        assert!(ask(server.address(), "/healthz").await.starts_with("HTTP/1.1 200"));
        assert!(ask(server.address(), "/readyz").await.starts_with("HTTP/1.1 503"));
        health.set_role(Role::Standby);
        assert!(ask(server.address(), "/readyz").await.starts_with("HTTP/1.1 200"));
        health.controller_ended("endpoints");
        assert!(ask(server.address(), "/healthz").await.contains("endpoints"));
        metrics.set_leader(true);
        let page = ask(server.address(), "/metrics").await;
        assert!(page.contains(CONTENT_TYPE) && page.contains("external_webhooks_leader 1"), "{page}");
        assert!(ask(server.address(), "/other").await.starts_with("HTTP/1.1 404"));
    }

    #[tokio::test]
    async fn slow_clients_are_not_in_the_way() {
        let (server, _, _) = server().await;
        let mut slow = Vec::new();
        for _ in 0..100 {
            let mut stream = TcpStream::connect(server.address()).await.unwrap();
            stream.write_all(b"GET /metrics HTTP/1.1\r\n").await.unwrap();
            slow.push(stream);
        }
        let answer = tokio::time::timeout(Duration::from_secs(2), ask(server.address(), "/metrics")).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn only_a_crowd_of_scrapes_shares_a_page() {
        let pages =
            Pages { metrics: Metrics::new(), health: Health::new(), open: Arc::default(), last: Arc::default() };
        let first = pages.page(1).unwrap();
        pages.metrics.set_leader(true);
        assert_eq!(pages.page(FRESH_PAGES + 1).unwrap(), first);
        assert_ne!(pages.page(1).unwrap(), first);
    }
}
