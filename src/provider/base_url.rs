//! Where a provider's API is, and why an account may not say so freely.
//!
//! Whoever may create an account may point it at a Secret of the namespace. Without an origin check the key in it could
//! be sent anywhere (api.md, `baseUrl`).

use std::fmt;

use thiserror::Error;
use url::Url;

/// A checked base URL. Calls can only be made below it.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

/// Why a base URL is refused. The text itself is never repeated: it may hold a password.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum BaseUrlError {
    /// Not an absolute URL with a host.
    #[error("spec.baseUrl is not a URL: write one such as https://api.example.com, or remove the field")]
    NotAUrl,
    /// Another scheme than https.
    #[error(
        "spec.baseUrl must use https: http is only for an origin that --allowed-base-url of the operator names as http"
    )]
    NotHttps,
    /// A user name or password.
    #[error("spec.baseUrl must not hold a user name or password: put credentials into the Secret and remove them here")]
    UserInfo,
    /// A query or fragment.
    #[error("spec.baseUrl must not have a query or fragment: end it with the host or a path")]
    QueryOrFragment,
    /// An origin that is neither the provider's nor allowed.
    #[error(
        "spec.baseUrl: {origin} is not the provider's own origin: remove the field, or ask whoever runs the operator to start it with --allowed-base-url {origin}"
    )]
    NotAllowed {
        /// Scheme, host and port of what was written.
        origin: String,
    },
}

impl BaseUrl {
    /// Checks `spec.baseUrl` against the provider's own URL and the operator's allow list of origins.
    ///
    /// Entries of the allow list that are no URLs allow nothing.
    ///
    /// # Errors
    /// See [`BaseUrlError`].
    pub fn parse(text: &str, provider_default: &str, allow_list: &[impl AsRef<str>]) -> Result<Self, BaseUrlError> {
        // The parser would drop tabs and line breaks silently; a person would then see another URL than we use.
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(BaseUrlError::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| BaseUrlError::NotAUrl)?;
        if !url.has_host() {
            return Err(BaseUrlError::NotAUrl);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BaseUrlError::UserInfo);
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::QueryOrFragment);
        }
        let listed = |entry: &str| Url::parse(entry).is_ok_and(|allowed| allowed.origin() == url.origin());
        let allowed = allow_list.iter().any(|entry| listed(entry.as_ref()));
        match url.scheme() {
            "https" if allowed || listed(provider_default) => Ok(Self(url)),
            "http" if allowed => Ok(Self(url)),
            "https" => Err(BaseUrlError::NotAllowed { origin: url.origin().ascii_serialization() }),
            _ => Err(BaseUrlError::NotHttps),
        }
    }

    /// The URL of a route below this one; every segment is encoded.
    pub(super) fn route(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    /// Scheme, host and port: what a realm is keyed by (rules.md *Realm*).
    pub fn origin(&self) -> String {
        self.0.origin().ascii_serialization()
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://nexhealth.info";

    fn parse(text: &str) -> Result<BaseUrl, BaseUrlError> {
        BaseUrl::parse(text, OWN, &["http://sim.test:8080", "https://proxy.example.com:8443", "not a url"])
    }

    #[test]
    fn allowed() {
        for (text, route) in [
            (OWN, "https://nexhealth.info/a/b%2Fc"),
            ("https://nexhealth.info/", "https://nexhealth.info/a/b%2Fc"),
            ("https://NEXHEALTH.info:443/v1/", "https://nexhealth.info/v1/a/b%2Fc"),
            ("http://sim.test:8080", "http://sim.test:8080/a/b%2Fc"),
            ("https://proxy.example.com:8443/x", "https://proxy.example.com:8443/x/a/b%2Fc"),
        ] {
            assert_eq!(parse(text).unwrap().route(&["a", "b/c"]).as_str(), route, "{text}");
        }
        assert_eq!(parse("https://proxy.example.com:8443/x").unwrap().origin(), "https://proxy.example.com:8443");
    }

    #[test]
    fn refused() {
        use BaseUrlError::{NotAUrl, NotHttps, QueryOrFragment, UserInfo};
        for (text, error) in [
            ("", NotAUrl),
            ("nexhealth.info", NotAUrl),
            ("https://", NotAUrl),
            ("https://nexhealth.info\n", NotAUrl),
            (" https://nexhealth.info", NotAUrl),
            ("data:text/plain,x", NotAUrl),
            ("http://nexhealth.info", NotHttps),
            ("http://sim.test", NotHttps),
            ("http://sim.test:8081", NotHttps),
            ("ftp://nexhealth.info", NotHttps),
            ("https://user@nexhealth.info", UserInfo),
            ("https://:pw@nexhealth.info", UserInfo),
            ("https://nexhealth.info@evil.example", UserInfo),
            ("https://nexhealth.info?x=1", QueryOrFragment),
            ("https://nexhealth.info/#x", QueryOrFragment),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        for text in [
            "https://evil.example",
            "https://nexhealth.info.evil.example",
            "https://nexhealth.info:8443",
            "https://nexhealth.info.",
            "https://169.254.169.254",
            "https://sim.test:8080",
        ] {
            assert!(matches!(parse(text), Err(BaseUrlError::NotAllowed { .. })), "{text}");
        }
    }

    #[test]
    fn messages_name_the_field_and_never_repeat_a_password() {
        for text in [
            "",
            "http://a.test",
            "https://u:hunter2222@b.test",
            "https://b.test/?k=hunter2222",
            "https://b.test/hunter2222",
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains("spec.baseUrl") && !message.contains("hunter2222"), "{message}");
        }
    }
}
