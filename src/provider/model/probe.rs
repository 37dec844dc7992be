//! What the self-test of a target URL found. Plain data: no text of the receiver is in it, so none can leak.

use jiff::Timestamp;

/// What one test found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Probed {
    /// The answer to the event that was signed with the published key.
    pub genuine: Reply,
    /// The answer to the one that was signed with a wrong key; `None`: not sent, because the first was not taken.
    pub forged: Option<Reply>,
    /// Until when the receiver's certificate is valid, where it was seen.
    pub certificate_expiry: Option<Timestamp>,
}

/// What came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// An answer with this HTTP status.
    Status(u16),
    /// None.
    Failed(Failure),
}

impl Reply {
    /// The HTTP status, if there was an answer.
    pub fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) => Some(status),
            Self::Failed(_) => None,
        }
    }
}

/// Why no answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The host name does not resolve.
    Dns,
    /// The host has an address that is not public, and the operator may not call such.
    PrivateAddress,
    /// No connection came about.
    Connect,
    /// The connection was cut, or what came back was no HTTP.
    Broken,
    /// No answer within the deadline.
    Timeout,
    /// The certificate, or the TLS handshake.
    Tls(TlsFailure),
}

/// What is wrong with a receiver's TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsFailure {
    /// The certificate has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for another name.
    WrongName,
    /// It is self-signed, its issuer is not known, or the chain is incomplete.
    UnknownIssuer,
    /// It is wrong in another way.
    BadCertificate,
    /// The handshake failed before a certificate could be judged.
    Handshake,
}
