//! How Insight Health signs, in both directions: what it pushes, with the key that it got from us, and what is sent to it,
//! with the key that it gave out.
//!
//! Source: the authentication and push-notes pages of its documentation. The case of the hex digits is not said. Nothing
//! in a delivery tells when it was sent, so one that is sent again cannot be told from the first.

use super::{HexCase, Recipe, Signed};

/// `X-Webhook-Signature: sha256=hex(HMAC(key, body))`.
pub const INSIGHT_HEALTH: Recipe = Recipe {
    timestamp_header: None,
    signature_header: "x-webhook-signature",
    prefix: "sha256=",
    signed: Signed::Body,
    case: HexCase::Either,
};
