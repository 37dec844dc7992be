//! From an answer, or a fault, to the bytes on the wire.

use super::{Answer, JSON_TYPE, MadeUp, server::Body};
use bytes::Bytes;
use futures::stream;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::{
    Response, StatusCode,
    body::Frame,
    header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, LOCATION, RETRY_AFTER},
};
use serde_json::Value;
use std::{io, time::Duration};

/// Long enough for what was written to leave before the connection is cut.
const FLUSH: Duration = Duration::from_millis(5);
const FILLER: usize = 64 * 1024;

/// All of it at once.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

fn response(status: u16, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn ending(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Head of an answer with another body under it.
fn headed(answer: &Answer, body: Body) -> Response<Body> {
    let mut response = response(answer.status, body);
    for (name, value) in &answer.headers {
        set(&mut response, HeaderName::from_static(name), value);
    }
    if answer.body.is_some() {
        set(&mut response, CONTENT_TYPE, &answer.content_type);
    }
    response
}

fn bytes_of(answer: &Answer) -> Bytes {
    answer.body.as_ref().map(Value::to_string).unwrap_or_default().into()
}

/// The answer as it should be.
pub fn plain(answer: &Answer) -> Response<Body> {
    headed(answer, full(bytes_of(answer)))
}

/// Right head, no body.
pub fn empty(answer: &Answer) -> Response<Body> {
    ending(headed(answer, full(Bytes::new())))
}

/// A status alone, with the provider's usual failure or a body of the test's own.
pub fn made_up(made_up: &MadeUp, trouble: impl FnOnce() -> Value) -> Response<Body> {
    let body = made_up.body.clone().unwrap_or_else(trouble);
    let mut response = response(made_up.status, full(body.to_string()));
    set(&mut response, CONTENT_TYPE, JSON_TYPE);
    if let Some(value) = &made_up.retry_after {
        set(&mut response, RETRY_AFTER, value);
    }
    ending(response)
}

/// A page instead of JSON.
pub fn html(status: u16) -> Response<Body> {
    let page = "<!DOCTYPE html><html><head><title>Sorry</title></head><body><h1>Something broke</h1></body></html>";
    let mut response = response(status, full(page));
    set(&mut response, CONTENT_TYPE, "text/html; charset=utf-8");
    ending(response)
}

/// Somewhere else.
pub fn redirect(status: u16, location: &str) -> Response<Body> {
    let mut response = response(status, full(Bytes::new()));
    set(&mut response, LOCATION, location);
    ending(response)
}

/// The first `kept` bytes of the announced length, then the end of the connection.
pub fn truncated(answer: &Answer, kept: usize) -> Response<Body> {
    let bytes = bytes_of(answer);
    let announced = bytes.len();
    let kept = bytes.slice(..kept.min(announced));
    let pieces = stream::unfold(Some(kept), |left| async move {
        match left {
            Some(bytes) if !bytes.is_empty() => Some((Ok(Frame::data(bytes)), Some(Bytes::new()))),
            Some(_) => {
                tokio::time::sleep(FLUSH).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
            }
            None => None,
        }
    });
    let mut response = headed(answer, StreamBody::new(pieces).boxed_unsync());
    set(&mut response, CONTENT_LENGTH, &announced.to_string());
    ending(response)
}

/// The body in pieces with a pause before each.
pub fn slow(answer: &Answer, piece: usize, pause: Duration) -> Response<Body> {
    let bytes = bytes_of(answer);
    let announced = bytes.len();
    let pieces = stream::unfold(bytes, move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = left.split_to(piece.clamp(1, left.len()));
        Some((Ok::<_, io::Error>(Frame::data(next)), left))
    });
    let mut response = headed(answer, StreamBody::new(pieces).boxed_unsync());
    set(&mut response, CONTENT_LENGTH, &announced.to_string());
    ending(response)
}

/// A body of this many bytes, opened like an object and never closed.
pub fn huge(answer: &Answer, length: u64) -> Response<Body> {
    let start = Bytes::from_static(br#"{"code":true,"description":null,"error":[],"data":""#);
    let filler = Bytes::from(vec![b'x'; FILLER]);
    let pieces = stream::unfold((start, length), move |(mut next, left)| {
        let filler = filler.clone();
        async move {
            if left == 0 {
                return None;
            }
            next.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let sent = u64::try_from(next.len()).unwrap_or(left);
            Some((Ok::<_, io::Error>(Frame::data(next)), (filler, left - sent)))
        }
    });
    ending(headed(answer, StreamBody::new(pieces).boxed_unsync()))
}

/// A failure by its body, under a status of success.
pub fn failure_under_success(answer: &mut Answer, trouble: Value) {
    if answer.status == 204 {
        answer.status = 200;
    }
    answer.body = Some(trouble);
}
