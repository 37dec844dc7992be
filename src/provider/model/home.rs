//! Where rows stand at a provider that has no endpoints (rules.md *Providers of another shape*, *Fused*).
//!
//! There a row carries its own URL and key, and is ours if its key is ours. So the fingerprint of the key and the URL
//! together take the place that an endpoint's id has elsewhere: rows of one home are those of one endpoint object under one
//! key. A home holds neither the key nor the URL, whose query may be secret.

use sha2::{Digest, Sha256};

use super::{RemoteId, canonical_url};

/// Stands for the key of a row whose key the provider does not show.
const UNKNOWN: &str = "unknown";

/// The home of rows that deliver to this URL with the key of this fingerprint ([`crate::signing::SecretText::fingerprint`]).
pub fn home(target_url: &str, fingerprint: &str) -> RemoteId {
    let canonical = canonical_url(target_url);
    let url = Sha256::digest(canonical.as_deref().unwrap_or(target_url).as_bytes());
    let key = fingerprint.strip_prefix("sha256:").unwrap_or(fingerprint);
    RemoteId::new(format!("{key}-{}", hex::encode(&url[..8])))
}

/// The home of rows to this URL whose key is not known.
pub fn home_of_unknown_key(target_url: &str) -> RemoteId {
    home(target_url, UNKNOWN)
}

/// Whether rows of two homes deliver to the same URL.
pub fn same_url(one: &RemoteId, other: &RemoteId) -> bool {
    let url = |home: &'_ RemoteId| home.as_str().split_once('-').map(|(_, url)| url.to_owned());
    url(one).is_some_and(|own| url(other) == Some(own))
}

/// The fingerprint of a home's key; `None` where it is not known.
pub fn fingerprint_of(home: &RemoteId) -> Option<String> {
    let (key, _) = home.as_str().split_once('-').filter(|(key, _)| *key != UNKNOWN)?;
    Some(format!("sha256:{key}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_one_url_and_one_key() {
        let one = home("https://a.example/x?token=s3cret", "sha256:1f0c9a2b");
        assert_eq!(one, home("HTTPS://A.example:443/x?token=s3cret", "sha256:1f0c9a2b"));
        assert_ne!(one, home("https://a.example/y", "sha256:1f0c9a2b"));
        assert!(!one.as_str().contains("s3cret") && one.as_str().starts_with("1f0c9a2b-"));
        let other = home("https://a.example/x?token=s3cret", "sha256:00000000");
        assert!(one != other && same_url(&one, &other));
        assert!(same_url(&one, &home_of_unknown_key("https://a.example/x?token=s3cret")));
        assert!(!same_url(&one, &home("https://b.example/x", "sha256:1f0c9a2b")));
        assert_eq!(fingerprint_of(&one).as_deref(), Some("sha256:1f0c9a2b"));
        assert_eq!(fingerprint_of(&home_of_unknown_key("https://a.example/x")), None);
        assert!(!same_url(&RemoteId::new("12"), &RemoteId::new("12")));
    }
}
