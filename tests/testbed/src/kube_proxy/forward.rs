//! The life of one request: hooked, passed on or not, answered or not.

use std::future::pending;
use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, HeaderValue, RETRY_AFTER, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode};
use serde_json::json;

use super::call::KubeCall;
use super::faults::{KubeFault, KubeHook};
use super::{Core, watch};
use crate::nexhealth::When;
use crate::sim::server::{Body, Cut};

type Reply = Result<Response<Body>, Cut>;

/// Answers one request.
pub(super) async fn answer(core: Arc<Core>, request: Request<Incoming>) -> Reply {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| Cut::Close)?.to_bytes();
    let call = KubeCall::read(core.requests.fetch_add(1, Ordering::Relaxed), &parts, body.clone());
    let mut onward = Request::from_parts(parts, kube::client::Body::from(body));
    // The client names the host of its own; a connection is this proxy's affair.
    for name in [HOST, CONNECTION] {
        onward.headers_mut().remove(name);
    }
    if call.verb == "WATCH" {
        return process(&core, onward, call).await;
    }
    // On its own, so that what has arrived is carried out even if the client goes away.
    let shared = core.clone();
    let work = async move { process(&shared, onward, call).await };
    let task = core.tasks.spawn(core.stop.clone().run_until_cancelled_owned(work));
    task.await.ok().flatten().unwrap_or(Err(Cut::Close))
}

fn asked(slot: &Mutex<Option<KubeHook>>, call: &KubeCall) -> Option<KubeFault> {
    let hook = slot.lock().unwrap_or_else(PoisonError::into_inner).clone();
    hook.and_then(|hook| hook(call))
}

async fn process(core: &Core, onward: Request<kube::client::Body>, mut call: KubeCall) -> Reply {
    let fault = asked(&core.on_request, &call);
    match &fault {
        Some(KubeFault::Reset(When::Before)) => return Err(Cut::Reset),
        Some(KubeFault::Hang(When::Before)) => return pending().await,
        Some(KubeFault::Answer(When::Before, status, retry_after)) => {
            return Ok(made_up(*status, retry_after.as_deref()));
        }
        Some(KubeFault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(KubeFault::Hold(until)) => until.cancelled().await,
        _ => {}
    }
    let response = match core.upstream.send(onward).await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!(%error, "the API server cannot be reached");
            return Err(Cut::Reset);
        }
    };
    call.status = Some(response.status().as_u16());
    match asked(&core.on_answer, &call).or(fault) {
        Some(KubeFault::Reset(When::After)) => Err(Cut::Reset),
        Some(KubeFault::Hang(When::After)) => pending().await,
        Some(KubeFault::Answer(When::After, status, retry_after)) => Ok(made_up(status, retry_after.as_deref())),
        Some(KubeFault::Watch(fault)) if response.status().is_success() => Ok(watch::broken(plain(response), fault)),
        _ => Ok(plain(response)),
    }
}

/// The answer as it came.
fn plain(response: Response<kube::client::Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    // The length is kept, the framing is this connection's own.
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.remove(CONNECTION);
    parts.version = hyper::Version::HTTP_11;
    Response::from_parts(parts, body.map_err(|error| io::Error::other(error.to_string())).boxed_unsync())
}

/// An answer of the API server that it never gave.
fn made_up(status: u16, retry_after: Option<&str>) -> Response<Body> {
    let reason = match status {
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        410 => "Expired",
        429 => "TooManyRequests",
        503 => "ServiceUnavailable",
        504 => "Timeout",
        _ => "InternalError",
    };
    let body = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "a fault of the test", "reason": reason, "code": status});
    let mut response = Response::new(crate::sim::respond::full(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(value) = retry_after.and_then(|text| HeaderValue::from_str(text).ok()) {
        response.headers_mut().insert(RETRY_AFTER, value);
    }
    response
}
