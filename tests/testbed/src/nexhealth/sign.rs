//! The signature of a delivery.
//!
//! Signed are the `timestamp` header, a dot and the base64 form (one line, padded) of the raw body; the key is the
//! endpoint's `secret_key`; the digest is lower-case hex. A published run verified a real delivery this way.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

fn mac(secret: &str, timestamp: &str, body: &[u8]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(BASE64_STANDARD.encode(body).as_bytes());
    Some(mac)
}

/// The value of the signature header.
pub fn sign(secret: &str, timestamp: &str, body: &[u8]) -> String {
    mac(secret, timestamp, body).map(|mac| hex::encode(mac.finalize().into_bytes())).unwrap_or_default()
}

/// Whether `signature` was made with `secret`.
pub fn verify(secret: &str, timestamp: &str, body: &[u8], signature: &str) -> bool {
    let (Some(mac), Ok(bytes)) = (mac(secret, timestamp, body), hex::decode(signature)) else { return false };
    mac.verify_slice(&bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "NArWk7gdI96Bdn";
    const TIMESTAMP: &str = "2024-03-21T17:52:47.824Z";
    const BODY: &[u8] =
        br#"{"resource_type":"SyncStatus","event_name":"sync_status_read_change.green","subdomain":"test-subdomain"}"#;
    const SIGNATURE: &str = "f0765e6c74f178d9d7d254d531d5e761e330295e4c8565631cfd7eb7785948b0";

    #[test]
    fn matches_the_test_vector() {
        assert_eq!(sign(SECRET, TIMESTAMP, BODY), SIGNATURE);
        assert!(verify(SECRET, TIMESTAMP, BODY, SIGNATURE));
    }

    #[test]
    fn any_change_breaks_it() {
        assert!(!verify("other", TIMESTAMP, BODY, SIGNATURE));
        assert!(!verify(SECRET, "2024-03-21T17:52:47.825Z", BODY, SIGNATURE));
        assert!(!verify(SECRET, TIMESTAMP, b"{}", SIGNATURE));
        assert!(!verify(SECRET, TIMESTAMP, BODY, "not hex"));
    }
}
