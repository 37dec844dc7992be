//! How NexHealth signs.
//!
//! Source: the webhooks page of its public documentation, and a published run against its sandbox that verified a real
//! delivery with unwrapped base64 and lower-case hex. Public applications that look for `X-Nexhealth-Signature` over the
//! bare body are wrong: the log of one of them shows every delivery refused. Of the header's name only the documentation
//! is proof, since that run looked for another one as well.

use super::{HexCase, Recipe, Signed};

/// `signature: hex(HMAC(secret_key, timestamp + "." + base64(body)))`. The timestamp is ISO 8601 and of the moment of
/// sending, so a repeat has a new one.
pub const NEXHEALTH: Recipe = Recipe {
    timestamp_header: Some("timestamp"),
    signature_header: "signature",
    prefix: "",
    signed: Signed::TimestampAndBase64Body,
    case: HexCase::Lower,
};
