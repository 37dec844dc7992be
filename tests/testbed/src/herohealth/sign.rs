//! The signature of a delivery: the timestamp header, a dot and the raw body, under the webhook's `signing_key`.

use super::switches::SignatureForm;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The header that says when it was sent.
pub const TIMESTAMP: &str = "x-herohealth-timestamp";
/// The header with the signature.
pub const SIGNATURE: &str = "x-herohealth-signature";

/// The value of the signature header.
pub fn sign(key: &str, timestamp: &str, body: &[u8], form: SignatureForm) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(body);
    let digest = mac.finalize().into_bytes();
    match form {
        SignatureForm::Hex => hex::encode(digest),
        SignatureForm::UpperHex => hex::encode_upper(digest),
        SignatureForm::Base64 => BASE64_STANDARD.encode(digest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '%s' '1711043567.{}' | openssl dgst -sha256 -hmac sim-signing-key`.
    #[test]
    fn matches_a_vector_made_elsewhere() {
        let hex = "bcdca7f11893ed010eac001bdefef7cab71fa21134dce001e9ee3a378fcf6eb6";
        assert_eq!(sign("sim-signing-key", "1711043567", b"{}", SignatureForm::Hex), hex);
        assert_eq!(sign("sim-signing-key", "1711043567", b"{}", SignatureForm::UpperHex), hex.to_uppercase());
        let base64 = BASE64_STANDARD.encode(hex::decode(hex).unwrap());
        assert_eq!(sign("sim-signing-key", "1711043567", b"{}", SignatureForm::Base64), base64);
    }
}
