//! When two target URLs are the same URL (rules.md *Which remote is mine*, *Create*).

use url::Url;

/// The form in which target URLs are compared; `None` for what is no usable target.
///
/// Scheme and host in lower case, default port dropped, empty path as `/`, no fragment. Percent-encoding is what the
/// URL standard makes of it, so both sides of a comparison went through the same mill. The query is kept as written
/// and a trailing slash counts, because a receiver may tell such URLs apart. User information is refused rather than
/// dropped: it is a credential, and dropping it would call two different targets equal.
pub fn canonical_url(text: &str) -> Option<String> {
    let mut url = Url::parse(text).ok()?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() || has_user_info(text, &url) {
        return None;
    }
    url.set_fragment(None);
    Some(url.into())
}

/// The parser forgets an empty user name (`https://@host/`), so the text is looked at too.
fn has_user_info(text: &str, url: &Url) -> bool {
    let authority = text.split_once(':').map_or("", |(_, rest)| rest.trim_start_matches(['/', '\\']));
    let authority = authority.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    authority.contains('@') || !url.username().is_empty() || url.password().is_some()
}

#[cfg(test)]
mod tests {
    use super::canonical_url;

    #[test]
    fn equal_targets_have_one_form() {
        let form = Some("https://example.org/".to_owned());
        for text in
            ["https://example.org", "HTTPS://Example.ORG:443/", "https://example.org/#part", "https://example.org/./"]
        {
            assert_eq!(canonical_url(text), form, "{text}");
        }
        assert_eq!(canonical_url("https://example.org/a%7eb c"), Some("https://example.org/a%7eb%20c".to_owned()));
    }

    #[test]
    fn what_a_receiver_may_tell_apart_stays_apart() {
        for (left, right) in [
            ("https://example.org/a", "https://example.org/a/"),
            ("https://example.org/a", "https://example.org/A"),
            ("https://example.org/a?x=1&y=2", "https://example.org/a?y=2&x=1"),
            ("https://example.org/a", "https://example.org:8443/a"),
            ("https://example.org/a", "http://example.org/a"),
        ] {
            assert_ne!(canonical_url(left), canonical_url(right), "{left} {right}");
        }
    }

    #[test]
    fn no_target_has_no_form() {
        for text in
            ["", "example.org", "mailto:a@example.org", "https://", "ftp://example.org/", "https://u:p@example.org/"]
        {
            assert_eq!(canonical_url(text), None, "{text}");
        }
        assert_eq!(canonical_url("https://@example.org/"), None);
        assert!(canonical_url("https://example.org/a@b?c@d#e@f").is_some());
    }
}
