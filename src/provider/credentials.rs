//! Keys on their way in and out: what can be sent, and what an answer really shows.

use reqwest::header::HeaderValue;

use crate::signing::SecretText;

/// Whether a key can be sent at all. The error is the remedy.
///
/// # Errors
/// The remedy, for a status message.
pub fn check_api_key(key: &SecretText) -> Result<(), &'static str> {
    let text = key.expose();
    if text.trim().is_empty() {
        Err("is empty: write the key into it")
    } else if text.contains(['\n', '\r']) {
        Err("contains a line break: write the key without one (printf instead of echo)")
    } else if text.trim() != text {
        Err("begins or ends with a space: write the key without it")
    } else if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        Err("holds characters that no key has: write the key as plain text")
    } else {
        Ok(())
    }
}

/// A header that traces and HTTP/2 compression tables must not keep.
pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// The key that an answer shows. rules.md *Keys and the Secret*: an empty, masked or too short key is unreadable.
pub(super) fn usable_key(text: String) -> Option<SecretText> {
    is_usable(&text).then(|| SecretText::new(text))
}

fn is_usable(text: &str) -> bool {
    let mask = |c: char| matches!(c, '*' | 'x' | 'X' | '.' | '-' | '_' | '…' | '·' | '∙' | '•' | '●' | '⬤');
    let placeholder = text.starts_with(['[', '<']);
    text.chars().count() >= 8
        && !text.chars().all(mask)
        && !["***", "•••", "●●●", "...", "…"].iter().any(|part| text.contains(part))
        && !placeholder
        && !text.trim().is_empty()
}
