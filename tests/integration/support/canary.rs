//! No leak: key material is in the Secret and nowhere else.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// A place where secrets must not be.
pub struct Place {
    /// How it is called in a failure.
    pub name: &'static str,
    /// All of its text.
    pub text: String,
}

/// Every secret found, by place; the secret itself is named by its kind and first characters only.
pub fn leaks(secrets: &[(&'static str, String)], places: &[Place]) -> Vec<String> {
    let mut found = Vec::new();
    for (what, secret) in secrets.iter().filter(|(_, secret)| !secret.is_empty()) {
        for form in [secret.clone(), BASE64_STANDARD.encode(secret)] {
            for place in places {
                if let Some(at) = place.text.find(&form) {
                    let start = place.text[..at].rfind('\n').map_or(0, |line| line + 1);
                    let line: String = place.text[start..].chars().take(300).collect();
                    found.push(format!("{what} in {}: {line}", place.name));
                }
            }
        }
    }
    found
}

#[test]
fn a_planted_secret_is_found_also_encoded() {
    let places = [Place { name: "log", text: format!("a\nb {} c", BASE64_STANDARD.encode("hush-hush")) }];
    assert_eq!(leaks(&[("key", "hush-hush".to_owned())], &places).len(), 1);
    assert!(leaks(&[("key", "other".to_owned())], &places).is_empty());
}
