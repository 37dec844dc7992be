//! The HTTP client against a server that misbehaves.

use super::*;
use crate::provider::test_server::{Server, answer, install_tls, raw_server};
use axum::body::{Body, Bytes};
use axum::response::Response;
use futures::StreamExt;

fn limits() -> CallLimits {
    CallLimits {
        deadline: Duration::from_millis(1500),
        write_deadline: Duration::from_millis(1500),
        connect: Duration::from_millis(1200),
        list_body: 4096,
        other_body: 1024,
    }
}

fn client() -> HttpClient {
    install_tls();
    HttpClient::new(limits(), None).unwrap()
}

fn parts(url: &str, effect: Effect) -> RequestParts {
    let method = if effect == Effect::Write { Method::POST } else { Method::GET };
    RequestParts::new(method, Url::parse(url).unwrap(), effect)
}

/// Outcome of a read and of a write.
async fn both(url: &str) -> (Result<Answer, CallError>, Result<Answer, CallError>) {
    let client = client();
    (client.send(parts(url, Effect::Read)).await, client.send(parts(url, Effect::Write)).await)
}

async fn expect(url: &str, cause: Unavailable, ambiguity: Option<Ambiguity>) {
    let (read, write) = both(url).await;
    assert_eq!(read.unwrap_err(), CallError::Unavailable { cause, ambiguity: None }, "{cause}");
    assert_eq!(write.unwrap_err(), CallError::Unavailable { cause, ambiguity }, "{cause}");
}

#[tokio::test]
async fn each_status_has_its_class() {
    let server = Server::start(|seen| async move {
        let status = seen.uri.path().trim_start_matches('/').parse().unwrap();
        answer(status, &[("location", "http://127.0.0.1:1/")], "secret text of the provider")
    })
    .await;
    for status in [400, 401, 402, 403, 405, 409, 410, 415, 418, 422, 425, 451, 499] {
        let (read, write) = both(&format!("{}/{status}", server.url)).await;
        assert_eq!(read.unwrap_err(), CallError::Rejected { status });
        assert_eq!(write.unwrap_err(), CallError::Rejected { status });
    }
    for status in [408, 500, 501, 502, 503, 504, 529, 599, 600, 999] {
        expect(&format!("{}/{status}", server.url), Unavailable::Server(status), Some(Ambiguity::Answered)).await;
    }
    for status in [300, 301, 302, 303, 307, 308] {
        expect(&format!("{}/{status}", server.url), Unavailable::Redirect(status), Some(Ambiguity::Answered)).await;
    }
    let (read, write) = both(&format!("{}/404", server.url)).await;
    assert_eq!((read.unwrap_err(), write.unwrap_err()), (CallError::NotFound, CallError::NotFound));
    let (read, write) = both(&format!("{}/202", server.url)).await;
    assert_eq!(read.unwrap().status, 202);
    assert_eq!(write.unwrap_err().ambiguity(), Some(Ambiguity::Accepted));
    for status in [200, 201, 204, 206] {
        let (read, write) = both(&format!("{}/{status}", server.url)).await;
        assert_eq!((read.unwrap().status, write.unwrap().status), (status, status));
    }
}

#[tokio::test]
async fn a_redirect_carries_nothing_elsewhere() {
    let other = Server::start(|_| async { answer(200, &[], "") }).await;
    let to = other.url.clone();
    let server = Server::start(move |_| {
        let to = to.clone();
        async move { answer(307, &[("location", &to)], "") }
    })
    .await;
    expect(&server.url, Unavailable::Redirect(307), Some(Ambiguity::Answered)).await;
    assert!(other.seen().is_empty());
}

#[tokio::test]
async fn a_429_brings_its_retry_after_clamped() {
    for (value, seconds) in [("7", Some(7)), ("31536000", Some(600)), ("-1", None), ("x", None)] {
        let server = Server::start(move |_| async move { answer(429, &[("retry-after", value)], "") }).await;
        let error = both(&server.url).await.1.unwrap_err();
        assert_eq!(error, CallError::RateLimited { retry_after: seconds.map(Duration::from_secs) });
    }
    let url = raw_server(
        b"HTTP/1.1 429 No\r\nRetry-After: Wed, 21 Oct 2026 07:28:09 GMT\r\nDate: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n"
            .to_vec(),
    )
    .await;
    let error = both(&url).await.0.unwrap_err();
    assert_eq!(error, CallError::RateLimited { retry_after: Some(Duration::from_secs(9)) });
    let server = Server::start(|_| async { answer(429, &[], "") }).await;
    assert_eq!(both(&server.url).await.0.unwrap_err(), CallError::RateLimited { retry_after: None });
}

#[tokio::test]
async fn what_never_reached_the_provider_is_not_ambiguous() {
    install_tls();
    // Bound but not listening: refuses, and no other test can get the port.
    let closed = tokio::net::TcpSocket::new_v4().unwrap();
    closed.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = closed.local_addr().unwrap();
    expect(&format!("http://{address}/?token=CANARY"), Unavailable::Refused, None).await;
    let plain = raw_server(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).await;
    expect(&plain.replace("http:", "https:"), Unavailable::Tls, None).await;
    let silent = raw_server(Vec::new()).await;
    expect(&silent.replace("http:", "https:"), Unavailable::Tls, None).await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let client = HttpClient::new(CallLimits::default(), None).unwrap_or_else(|_| client());
    let error = client.send(parts("http://does-not-exist.invalid/", Effect::Write)).await.unwrap_err();
    assert_eq!(error, CallError::Unavailable { cause: Unavailable::Dns, ambiguity: None });
}

#[tokio::test]
async fn a_broken_connection_is_a_reset() {
    expect(&raw_server(Vec::new()).await, Unavailable::Reset, Some(Ambiguity::Answered)).await;
    expect(&raw_server(b"HTTP/1.1 20".to_vec()).await, Unavailable::Reset, Some(Ambiguity::Answered)).await;
}

#[tokio::test]
async fn a_cut_body_is_a_bad_answer() {
    for answer in [
        "HTTP/1.1 201 Created\r\nContent-Length: 50\r\n\r\n{\"code\":true",
        "HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"cod\r\n",
    ] {
        expect(&raw_server(answer.into()).await, Unavailable::BadAnswer, Some(Ambiguity::Answered)).await;
    }
}

#[tokio::test]
async fn the_deadline_covers_everything() {
    let silent = Server::start(|_| async { std::future::pending::<Response>().await }).await;
    expect(&silent.url, Unavailable::Timeout, Some(Ambiguity::TimedOut)).await;
    let drip = Server::start(|_| async {
        let drops = futures::stream::iter(0..1000).then(|_| async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            Ok::<_, io::Error>(Bytes::from_static(b" "))
        });
        Response::new(Body::from_stream(drops))
    })
    .await;
    let started = std::time::Instant::now();
    expect(&drip.url, Unavailable::Timeout, Some(Ambiguity::TimedOut)).await;
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn each_route_has_its_cap() {
    let server = Server::start(|seen| async move {
        if seen.uri.path() == "/endless" {
            let drops = futures::stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b' '; 512])));
            return Response::new(Body::from_stream(drops));
        }
        answer(200, &[], " ".repeat(seen.uri.path()[1..].parse().unwrap()))
    })
    .await;
    for path in ["1025", "endless"] {
        expect(&format!("{}/{path}", server.url), Unavailable::TooLarge, Some(Ambiguity::Answered)).await;
    }
    let client = client();
    for (path, fits) in [("1025", true), ("4096", true), ("4097", false), ("endless", false)] {
        let url = Url::parse(&format!("{}/{path}", server.url)).unwrap();
        assert_eq!(client.send(RequestParts::list(url)).await.is_ok(), fits, "{path}");
    }
}

#[test]
fn setting_up() {
    install_tls();
    assert_eq!(HttpClient::new(limits(), Some("::no url::")).err(), Some(ClientError::Proxy));
    assert!(HttpClient::new(limits(), Some("http://proxy.test:3128")).is_ok());
    assert_eq!(CallLimits::default().deadline, Duration::from_secs(30));
}
