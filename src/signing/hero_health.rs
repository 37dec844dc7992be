//! How Hero Health signs.
//!
//! Source: the webhook security page of its developer site, which names headers, algorithm and signed text. It names
//! neither the digest's encoding nor the form of the timestamp: hex is inferred, and its case is left open.

use super::{HexCase, Recipe, Signed};

/// `X-Herohealth-Signature: hex(HMAC(signing_key, timestamp + "." + body))`.
pub const HERO_HEALTH: Recipe = Recipe {
    timestamp_header: Some("x-herohealth-timestamp"),
    signature_header: "x-herohealth-signature",
    prefix: "",
    signed: Signed::TimestampAndBody,
    case: HexCase::Either,
};
