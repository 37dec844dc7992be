//! What every adapter does around one HTTP request: pass the gate and the fence, send, tell the gate and the metrics how
//! it went.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::time::Instant;

use crate::provider::error::{CallError, Unavailable};
use crate::provider::fence::Fence;
use crate::provider::gate::Gate;
use crate::provider::http::{Answer, Effect, HttpClient, RequestParts};

/// Told about every HTTP request, for `provider_requests_total` and `provider_request_duration_seconds`.
pub trait CallObserver: Send + Sync + 'static {
    /// One request ended after `seconds`, gate not counted. `code` is the HTTP status, or a word where there was none.
    fn observed(&self, provider: &'static str, operation: &'static str, code: &str, seconds: f64);
}

/// What every adapter is given to make requests with.
#[derive(Clone)]
pub struct Wiring {
    /// The realm's pace.
    pub gate: Arc<Gate>,
    /// The process's connections.
    pub http: HttpClient,
    /// Whether a write may start.
    pub fence: Arc<dyn Fence>,
    /// Told of each request.
    pub observer: Arc<dyn CallObserver>,
}

/// Makes the requests of one account.
pub(super) struct Caller {
    pub(super) provider: &'static str,
    pub(super) wiring: Wiring,
}

impl Caller {
    /// One request. The permit is held until the body is read, so "in flight" counts transfers too.
    pub(super) async fn call(&self, operation: &'static str, parts: RequestParts) -> Result<Answer, CallError> {
        let closed = CallError::Unavailable { cause: Unavailable::BreakerOpen, ambiguity: None };
        let _permit = self.wiring.gate.enter().await.map_err(|_| closed)?;
        // After the gate, not before: a call may wait there for longer than a lease lasts.
        if parts.effect() == Effect::Write && self.wiring.fence.time_left() <= self.wiring.http.deadline(Effect::Write)
        {
            return Err(CallError::Fenced);
        }
        let started = Instant::now();
        let outcome = self.wiring.http.send(parts).await;
        let elapsed = started.elapsed();
        let code = code(&outcome);
        self.wiring.observer.observed(self.provider, operation, &code, elapsed.as_secs_f64());
        let milliseconds = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(provider = self.provider, operation, code = &*code, milliseconds, "provider call");
        match &outcome {
            Err(CallError::RateLimited { retry_after }) => self.wiring.gate.pause(*retry_after),
            Err(CallError::Unavailable { .. }) => {}
            _ => self.wiring.gate.succeeded(),
        }
        outcome
    }
}

/// A label of few values: the status, or why there is none.
fn code(outcome: &Result<Answer, CallError>) -> Cow<'static, str> {
    let cause = match outcome {
        Ok(answer) => return answer.status.to_string().into(),
        Err(CallError::Rejected { status }) => return status.to_string().into(),
        Err(CallError::NotFound) => return "404".into(),
        Err(CallError::RateLimited { .. }) => return "429".into(),
        Err(CallError::CredentialsRejected) => return "401".into(),
        Err(CallError::Fenced) => return "fenced".into(),
        Err(CallError::OtherServer { .. }) => return "other_server".into(),
        Err(CallError::Unavailable { cause, .. }) => *cause,
    };
    match cause {
        Unavailable::Server(status) | Unavailable::Redirect(status) => status.to_string().into(),
        Unavailable::NoSuchRoute => "404".into(),
        Unavailable::Deferred => "202".into(),
        Unavailable::Refused => "refused".into(),
        Unavailable::Dns => "dns".into(),
        Unavailable::Tls => "tls".into(),
        Unavailable::Timeout => "timeout".into(),
        Unavailable::Reset => "reset".into(),
        Unavailable::BadAnswer => "bad_answer".into(),
        Unavailable::TooLarge => "too_large".into(),
        Unavailable::BreakerOpen => "breaker_open".into(),
    }
}
