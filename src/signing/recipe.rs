//! How a provider signs a delivery, as data, and the code that signs and verifies by it.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use super::SecretText;

/// One provider's recipe. All known ones are HMAC-SHA256 with the key's text as it stands, written as hex.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipe {
    /// The header that says when the delivery was sent, in lower case; `None` where nothing does.
    pub timestamp_header: Option<&'static str>,
    /// The header that holds the signature, in lower case.
    pub signature_header: &'static str,
    /// What stands before the hex digits.
    pub prefix: &'static str,
    /// What is signed.
    pub signed: Signed,
    /// Which spellings of the hex digits are genuine.
    pub case: HexCase,
}

/// What is signed, in terms of a delivery's headers and its raw body: the bytes that arrived, never JSON that was read and
/// written again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signed {
    /// The timestamp header as sent, a dot, and the body in base64 (standard alphabet, padded, on one line).
    TimestampAndBase64Body,
    /// The timestamp header as sent, a dot, and the body.
    TimestampAndBody,
    /// The body alone.
    Body,
}

/// Which spellings of a digest are genuine. What is sent by us is always lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HexCase {
    /// Lower case is what the provider is known to send, so one delivery has one signature.
    Lower,
    /// The provider does not say; both spellings are the same digest.
    Either,
}

/// What a signature is about.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The timestamp header as it arrived; `None` if there was none.
    pub timestamp: Option<&'a str>,
    /// The raw body.
    pub body: &'a [u8],
}

/// The keys of a Secret.
#[derive(Clone, Copy)]
pub struct Keys<'a> {
    /// The newest one.
    pub current: &'a SecretText,
    /// The one before it, while keys are rotated.
    pub previous: Option<&'a SecretText>,
}

/// Which key made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignedBy {
    /// [`Keys::current`].
    Current,
    /// [`Keys::previous`].
    Previous,
}

impl Recipe {
    /// The value of the signature header. `None` where the recipe cannot be followed: an empty key, which anybody could
    /// sign with, or no timestamp (see [`Message`]) where one is signed.
    pub fn sign(&self, key: &SecretText, message: Message<'_>) -> Option<String> {
        let digest = self.mac(key, message)?.finalize().into_bytes();
        Some(format!("{}{}", self.prefix, hex::encode(digest)))
    }

    /// Who made this signature, asked in the order of [`Keys`]; `None`: nobody we know. Takes the same time wherever the
    /// first wrong byte of a signature is, so that a forger learns nothing from it.
    pub fn verify(&self, keys: Keys<'_>, message: Message<'_>, signature: &str) -> Option<SignedBy> {
        let digest = self.digest(signature)?;
        let fits = |key: &SecretText| self.mac(key, message).is_some_and(|mac| mac.verify_slice(&digest).is_ok());
        if fits(keys.current) {
            Some(SignedBy::Current)
        } else {
            keys.previous.filter(|key| fits(key)).map(|_| SignedBy::Previous)
        }
    }

    fn mac(&self, key: &SecretText, message: Message<'_>) -> Option<Hmac<Sha256>> {
        let key = Some(key.expose().as_bytes()).filter(|key| !key.is_empty())?;
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        if self.signed != Signed::Body {
            mac.update(message.timestamp.filter(|text| is_time(text))?.as_bytes());
            mac.update(b".");
        }
        match self.signed {
            Signed::TimestampAndBase64Body => mac.update(BASE64_STANDARD.encode(message.body).as_bytes()),
            Signed::TimestampAndBody | Signed::Body => mac.update(message.body),
        }
        Some(mac)
    }

    fn digest(&self, signature: &str) -> Option<[u8; 32]> {
        let digits = signature.strip_prefix(self.prefix)?;
        if self.case == HexCase::Lower && digits.bytes().any(|digit| digit.is_ascii_uppercase()) {
            return None;
        }
        let mut digest = [0; 32];
        hex::decode_to_slice(digits, &mut digest).ok()?;
        Some(digest)
    }
}

/// Whether a text can be a time: a number, or a date and time. Where the dot after it is followed by the bare body, a
/// genuine delivery could otherwise be passed on as another one, with the beginning of its body moved into the header.
fn is_time(text: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b':' | b'+' | b'-' | b'.');
    !text.is_empty() && text.bytes().all(allowed)
}
