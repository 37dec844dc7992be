//! The one type that holds key material.
//!
//! It has no `Debug`, no `Display` and no serialisation, so a key cannot slip into a log line, a status or an error by
//! accident (invariant *No leak*); its memory is wiped when it is dropped.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A secret string: an API key, a bearer token, a signing key.
#[derive(Clone)]
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// Takes ownership of a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. Callers pass it to exactly one consumer (a header, an HMAC, a Secret) and keep no copy.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// `sha256:` and the first eight hex digits of the digest: enough to tell two keys apart, useless to forge with.
    pub fn fingerprint(&self) -> String {
        let mut text = String::from("sha256:");
        text.push_str(&hex::encode(&Sha256::digest(self.0.as_bytes())[..4]));
        text
    }

    /// The full SHA-256 digest, for comparing keys in memory (rules.md *Realm*).
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }
}

impl PartialEq for SecretText {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for SecretText {}

#[cfg(test)]
mod tests {
    use super::SecretText;

    #[test]
    fn fingerprints_tell_keys_apart_without_showing_them() {
        let key = SecretText::new("NArWk7gdI96Bdn");
        assert_eq!(key.fingerprint().len(), "sha256:".len() + 8);
        assert_ne!(key.fingerprint(), SecretText::new("other").fingerprint());
        assert!(!key.fingerprint().contains("NArW"));
    }
}
