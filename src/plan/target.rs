//! Target URLs: comparing, shortening and judging them. Pure text work; nothing is resolved or called.

use url::Url;

/// The form in which two target URLs are compared: scheme and host in lower case, default port and empty path made
/// plain. Path case, trailing slash and query are kept, because to a receiver they matter.
pub fn canonical(text: &str) -> Option<String> {
    let mut url = Url::parse(text.trim()).ok()?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
        return None;
    }
    url.set_fragment(None);
    Some(url.into())
}

/// The host, for a status column.
pub fn host(text: &str) -> Option<String> {
    Url::parse(text).ok()?.host_str().map(str::to_owned)
}

/// The URL as it may be shown: without user, query and fragment, which can hold secrets.
pub fn shown(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else { return "(not a URL)".to_owned() };
    url.set_query(None);
    url.set_fragment(None);
    // Both fail only for URLs that cannot have a user, and those have none to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.into()
}

/// Why a target URL cannot be used, with the remedy. The API server refuses these first; objects stored under an older
/// schema still get here.
pub fn problem(text: &str) -> Option<&'static str> {
    let Ok(url) = Url::parse(text) else {
        return Some("spec.targetUrl is not a URL: set an absolute URL such as https://hooks.example.com/nexhealth");
    };
    if !matches!(url.scheme(), "http" | "https") {
        return Some("spec.targetUrl must begin with https://");
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Some("spec.targetUrl must not contain a user name or password: remove them");
    }
    url.host_str().is_none_or(str::is_empty).then_some("spec.targetUrl has no host: set an absolute URL")
}

/// Whether deliveries would go unencrypted.
pub fn is_insecure(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() == "http")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_urls_compare_equal_and_others_do_not() {
        let base = canonical("https://hooks.example.com/a");
        assert_eq!(canonical("HTTPS://Hooks.Example.com:443/a"), base);
        for other in ["https://hooks.example.com/a/", "https://hooks.example.com/A", "https://hooks.example.com/a?x=1"]
        {
            assert_ne!(canonical(other), base, "{other}");
        }
        assert_eq!(canonical("https://hooks.example.com"), canonical("https://hooks.example.com/"));
        assert_eq!(canonical("ftp://x/"), None);
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(shown("https://me:pw@h.example.com/p?token=1#f"), "https://h.example.com/p");
    }
}
