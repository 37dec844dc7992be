//! Target URLs: shortening and judging them. Pure text work; nothing is resolved or called.

use url::Url;

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
    // A URL of either scheme without a host does not parse.
    let names_a_user = !url.username().is_empty() || url.password().is_some();
    names_a_user.then_some("spec.targetUrl must not contain a user name or password: remove them")
}

/// Whether deliveries would go unencrypted.
pub fn is_insecure(text: &str) -> bool {
    Url::parse(text).is_ok_and(|url| url.scheme() == "http")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(shown("https://me:pw@h.example.com/p?token=1#f"), "https://h.example.com/p");
    }

    /// A URL, what is wrong with it (a word of the message), its host as shown, and whether it is unencrypted.
    type Case = (&'static str, Option<&'static str>, Option<&'static str>, bool);

    #[test]
    fn a_target_is_an_absolute_url_of_the_web_that_names_no_user() {
        let host = Some("h.example.com");
        let cases: [Case; 11] = [
            ("https://h.example.com/p?token=1", None, host, false),
            ("http://h.example.com:8080", None, host, true),
            ("https://10.0.0.1/", None, Some("10.0.0.1"), false),
            ("ftp://h.example.com/", Some("https://"), host, false),
            ("mailto:me@h.example.com", Some("https://"), None, false),
            ("https://me@h.example.com/", Some("user name or password"), host, false),
            ("https://:pw@h.example.com/", Some("user name or password"), host, false),
            ("http://me:pw@h.example.com/", Some("user name or password"), host, true),
            ("https://", Some("not a URL"), None, false),
            ("/only/a/path", Some("not a URL"), None, false),
            ("", Some("not a URL"), None, false),
        ];
        for (text, wrong, its_host, insecure) in cases {
            let said = problem(text);
            assert_eq!(said.is_some(), wrong.is_some(), "{text:?}: {said:?}");
            assert!(said.unwrap_or_default().contains(wrong.unwrap_or_default()), "{text:?}: {said:?}");
            assert_eq!((super::host(text).as_deref(), is_insecure(text)), (its_host, insecure), "{text:?}");
        }
        assert_eq!(shown("h.example.com/?token=1"), "(not a URL)", "what cannot be read is not shown either");
    }
}
