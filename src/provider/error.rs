//! What a failed call means for what happens next (rules.md *Outcomes*), not where it came from.
//!
//! No variant holds text of the remote side: error bodies can echo keys and health data, so they are never kept.

use std::time::Duration;

use thiserror::Error;

/// Why a call failed, sorted by what happens next.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallError {
    /// The provider understood and said no: 400, 403, 409, 422 and other 4xx. Terminal until something changes.
    #[error("refused by the provider (HTTP {status})")]
    Rejected {
        /// The HTTP status.
        status: u16,
    },
    /// 404. Never evidence of absence: it orders a list (rules.md *Absence*).
    #[error("not found at the provider (HTTP 404)")]
    NotFound,
    /// 401 again after one new sign-in, or the sign-in itself refused.
    #[error("the provider does not accept the API key")]
    CredentialsRejected,
    /// The answer is another provider's. Terminal: a person has to correct the account.
    #[error("the server answers as {like} does")]
    OtherServer {
        /// Whose it seems to be.
        like: &'static str,
    },
    /// 429. Everything of the realm waits.
    #[error("rate limited by the provider (HTTP 429)")]
    RateLimited {
        /// `Retry-After`, already clamped.
        retry_after: Option<Duration>,
    },
    /// Not sent: this process may lead for too short a time to see the write through (rules.md *Leader*). It says nothing
    /// about the provider.
    #[error("not sent, because too little time is left on the leader lease")]
    Fenced,
    /// The provider could not be asked, or did not answer in a way that can be read. Transient.
    #[error("the provider is not available: {cause}")]
    Unavailable {
        /// What went wrong.
        cause: Unavailable,
        /// Set when a write may have happened all the same, and how long to wait before looking.
        ambiguity: Option<Ambiguity>,
    },
}

/// What made the provider unavailable.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum Unavailable {
    /// Nobody listens.
    #[error("connection refused")]
    Refused,
    /// The name does not resolve.
    #[error("the host name does not resolve")]
    Dns,
    /// The TLS handshake failed.
    #[error("TLS handshake failed")]
    Tls,
    /// Our deadline passed.
    #[error("no answer within the deadline")]
    Timeout,
    /// The connection broke.
    #[error("the connection broke")]
    Reset,
    /// 404 to the route that every account uses: another server, or one whose routes are down.
    #[error("the server does not have the route that every account uses, HTTP 404")]
    NoSuchRoute,
    /// 5xx or 408.
    #[error("HTTP {0}")]
    Server(u16),
    /// 2xx with an empty, cut or unreadable body, or `code:false`.
    #[error("the answer could not be read")]
    BadAnswer,
    /// 202 to a write: accepted, to be done later.
    #[error("accepted, to be done later (HTTP 202)")]
    Deferred,
    /// The body passed the route's cap.
    #[error("the answer is larger than this route may be")]
    TooLarge,
    /// Not sent: it was not answering of late, and a probe is to find out when it does again.
    #[error("not sent while the provider is being probed")]
    BreakerOpen,
    /// A redirect, which is never followed because it would carry credentials elsewhere.
    #[error("redirected (HTTP {0}), which is not followed")]
    Redirect(u16),
}

/// How a write's answer was lost (rules.md *Create*, *Ambiguous answer*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguity {
    /// Reset, 5xx, empty or cut body: the write has happened by now or never will.
    Answered,
    /// Our own deadline: it may still be running over there.
    TimedOut,
    /// 202: accepted, to be done later.
    Accepted,
}

impl CallError {
    /// Whether a write that ended this way may have happened.
    pub fn ambiguity(&self) -> Option<Ambiguity> {
        match self {
            Self::Unavailable { ambiguity, .. } => *ambiguity,
            _ => None,
        }
    }
}
