//! Faults: what may go wrong with a request, on which requests, and hooks for tests that stop the world.

use super::Call;
use serde_json::Value;
use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

/// Whether a fault comes before the request takes effect (it then never does) or after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// The request is not carried out.
    Before,
    /// The request was carried out.
    After,
}

/// An answer made up by a test.
#[derive(Clone, Debug, Default)]
pub struct MadeUp {
    /// Status code.
    pub status: u16,
    /// JSON body; `None`: the usual failure envelope.
    pub body: Option<Value>,
    /// `Retry-After`, verbatim.
    pub retry_after: Option<String>,
}

impl MadeUp {
    /// Only a status.
    pub fn status(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A status with `Retry-After`.
    pub fn retry_after(status: u16, retry_after: &str) -> Self {
        Self { status, body: None, retry_after: Some(retry_after.to_owned()) }
    }
}

/// What goes wrong. Every fault that touches the connection also ends it.
#[derive(Clone)]
pub enum Fault {
    /// The connection is reset (RST).
    Reset(When),
    /// The connection is closed (FIN) without an answer.
    Close(When),
    /// Late. `Before`: the effect is late too, and happens even if the client has gone.
    Delay(When, Duration),
    /// No answer, ever.
    Hang(When),
    /// Another answer.
    Status(When, MadeUp),
    /// Carried out; the status is right, the body is empty.
    EmptyBody,
    /// Carried out; the body ends after this many bytes of the announced length.
    TruncatedBody(usize),
    /// Carried out; `data` is an object where a list belongs and the other way round.
    WrongShape,
    /// An HTML page with this status.
    Html(When, u16),
    /// `code: false` under a status that says success.
    CodeFalse(When),
    /// 202 now; carried out after this time.
    AcceptedLater(Duration),
    /// Answered as if carried out, but nothing changed.
    WithoutEffect,
    /// Carried out; success under this other status.
    OtherStatus(u16),
    /// Carried out; the body is then edited.
    EditBody(Arc<dyn Fn(&mut Value) + Send + Sync>),
    /// Carried out; the body comes in pieces of this size with this pause before each.
    SlowBody {
        /// Bytes per piece.
        piece: usize,
        /// Pause before each.
        pause: Duration,
    },
    /// Carried out; the body is this long.
    HugeBody(u64),
    /// Not carried out; the client is sent elsewhere.
    Redirect {
        /// 301, 302, 307, 308.
        status: u16,
        /// `Location`, verbatim.
        location: String,
    },
}

impl Fault {
    /// Name in the ledger.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Reset(When::Before) => "reset before effect",
            Self::Reset(When::After) => "reset after effect",
            Self::Close(When::Before) => "close before effect",
            Self::Close(When::After) => "close after effect",
            Self::Delay(When::Before, _) => "delay before effect",
            Self::Delay(When::After, _) => "delay after effect",
            Self::Hang(When::Before) => "hang before effect",
            Self::Hang(When::After) => "hang after effect",
            Self::Status(When::Before, _) => "status without effect",
            Self::Status(When::After, _) => "status after effect",
            Self::EmptyBody => "empty body",
            Self::TruncatedBody(_) => "truncated body",
            Self::WrongShape => "wrong shape",
            Self::Html(When::Before, _) => "html without effect",
            Self::Html(When::After, _) => "html after effect",
            Self::CodeFalse(When::Before) => "code false without effect",
            Self::CodeFalse(When::After) => "code false after effect",
            Self::AcceptedLater(_) => "accepted, later visible",
            Self::WithoutEffect => "success without effect",
            Self::OtherStatus(_) => "other status",
            Self::EditBody(_) => "edited body",
            Self::SlowBody { .. } => "slow body",
            Self::HugeBody(_) => "huge body",
            Self::Redirect { .. } => "redirect",
        }
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A test on a call beyond method and path.
type Condition = Arc<dyn Fn(&Call) -> bool + Send + Sync>;

/// Which requests a fault is for.
#[derive(Clone)]
pub struct Matcher {
    method: Option<String>,
    path: String,
    first: u64,
    times: u64,
    condition: Option<Condition>,
}

impl Matcher {
    /// Every request of this method to this path. In the path `*` stands for one segment, a final `**` for any rest:
    /// `/webhook_endpoints`, `/webhook_endpoints/*`, `/webhook_endpoints/**`.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: Some(method.to_owned()), path: path.to_owned(), first: 1, times: u64::MAX, condition: None }
    }

    /// Every request to this path, whatever the method.
    pub fn path(path: &str) -> Self {
        Self { method: None, ..Self::new("", path) }
    }

    /// Every request.
    pub fn any() -> Self {
        Self::path("/**")
    }

    /// From the `n`th matching request on, counted from 1 since the rule was made.
    pub fn nth(mut self, n: u64) -> Self {
        self.first = n;
        self
    }

    /// For this many matching requests.
    pub fn times(mut self, times: u64) -> Self {
        self.times = times;
        self
    }

    /// For one matching request.
    pub fn once(self) -> Self {
        self.times(1)
    }

    /// Only where this holds as well.
    pub fn filter(mut self, condition: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.condition = Some(Arc::new(condition));
        self
    }

    fn matches(&self, call: &Call) -> bool {
        self.method.as_ref().is_none_or(|method| *method == call.method)
            && path_matches(&self.path, &call.path)
            && self.condition.as_ref().is_none_or(|condition| condition(call))
    }
}

fn path_matches(pattern: &str, path: &str) -> bool {
    let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
    loop {
        match (pattern.next(), path.next()) {
            (Some("**"), _) => return true,
            (Some("*"), Some(_)) => {}
            (Some(wanted), Some(found)) if wanted == found => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

/// A rule that was set; takes it back or says how often it was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RuleId(u64);

struct Rule {
    id: RuleId,
    matcher: Matcher,
    fault: Fault,
    seen: u64,
    hits: u64,
}

/// The rules in force, in the order they were set.
#[derive(Default)]
pub struct FaultTable {
    rules: Vec<Rule>,
    made: u64,
}

impl FaultTable {
    /// A new rule.
    pub fn add(&mut self, matcher: Matcher, fault: Fault) -> RuleId {
        self.made += 1;
        let id = RuleId(self.made);
        self.rules.push(Rule { id, matcher, fault, seen: 0, hits: 0 });
        id
    }

    /// Takes one back.
    pub fn remove(&mut self, id: RuleId) {
        self.rules.retain(|rule| rule.id != id);
    }

    /// Takes all back.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// How often a rule was applied.
    pub fn hits(&self, id: RuleId) -> u64 {
        self.rules.iter().find(|rule| rule.id == id).map_or(0, |rule| rule.hits)
    }

    /// The fault for this call: every rule counts it, the oldest rule that is due applies.
    pub fn pick(&mut self, call: &Call) -> Option<Fault> {
        let mut picked = None;
        for rule in self.rules.iter_mut().filter(|rule| rule.matcher.matches(call)) {
            rule.seen += 1;
            let due = rule.seen >= rule.matcher.first && rule.seen - rule.matcher.first < rule.matcher.times;
            if due && picked.is_none() {
                rule.hits += 1;
                picked = Some(rule.fault.clone());
            }
        }
        picked
    }
}

/// What a hook wants to happen with a request.
pub enum HookAction {
    /// Nothing special.
    Proceed,
    /// This fault, whatever the rules say.
    Inject(Fault),
    /// Wait for this, then do that. The request waits even if its client goes away.
    Wait(Pin<Box<dyn Future<Output = ()> + Send>>, Box<HookAction>),
}

impl HookAction {
    /// Wait for `future`, then proceed.
    pub fn wait(future: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Wait(Box::pin(future), Box::new(Self::Proceed))
    }

    /// Never goes on.
    pub fn block() -> Self {
        Self::wait(std::future::pending())
    }
}

/// Looks at each request and decides about it.
pub type Hook = Arc<dyn Fn(&Call) -> HookAction + Send + Sync>;

#[cfg(test)]
mod tests {
    use super::path_matches;

    #[test]
    fn paths() {
        assert!(path_matches("/webhook_endpoints", "/webhook_endpoints"));
        assert!(!path_matches("/webhook_endpoints", "/webhook_endpoints/1"));
        assert!(path_matches("/webhook_endpoints/*", "/webhook_endpoints/1"));
        assert!(!path_matches("/webhook_endpoints/*", "/webhook_endpoints/1/webhook_subscriptions"));
        assert!(path_matches("/webhook_endpoints/**", "/webhook_endpoints/1/webhook_subscriptions"));
        assert!(path_matches("/**", "/anything/at/all"));
    }
}
