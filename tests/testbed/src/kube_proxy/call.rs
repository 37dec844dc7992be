//! One request to the API server, read from its method and path.

use bytes::Bytes;
use hyper::http::request::Parts;

/// A request as the proxy saw it.
#[derive(Clone, Debug)]
pub struct KubeCall {
    /// Number of the request at this proxy.
    pub number: u64,
    /// `GET`, `LIST`, `WATCH`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub verb: &'static str,
    /// Plural name; empty for requests that are not about a resource.
    pub resource: String,
    /// Empty for lists, watches and creates.
    pub name: String,
    /// `status` and the like, or empty.
    pub subresource: String,
    /// The path with its query.
    pub uri: String,
    /// The `Accept` header, which tells a request for metadata from one for whole objects.
    pub accept: String,
    /// What was sent. It may hold keys.
    pub body: Bytes,
    /// The API server's answer; `None` until then, and for good if the request never got there.
    pub status: Option<u16>,
}

impl KubeCall {
    /// Reads a request.
    pub(super) fn read(number: u64, parts: &Parts, body: Bytes) -> Self {
        let (method, uri) = (&parts.method, &parts.uri);
        let accept = parts.headers.get(hyper::header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let accept = accept.to_owned();
        let mut parts = uri.path().trim_matches('/').split('/');
        // `/api/v1/...` or `/apis/<group>/<version>/...`
        let skipped = if parts.next() == Some("apis") { 2 } else { 1 };
        let mut rest: Vec<&str> = parts.skip(skipped).collect();
        if rest.len() > 2 && rest[0] == "namespaces" {
            rest.drain(..2);
        }
        let part = |at: usize| rest.get(at).map(|part| (*part).to_owned()).unwrap_or_default();
        let (resource, name, subresource) = (part(0), part(1), part(2));
        let watches = uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("watch=")));
        let verb = match (method.as_str(), name.is_empty()) {
            ("GET", _) if watches => "WATCH",
            ("GET", true) => "LIST",
            ("GET", false) => "GET",
            ("POST", _) => "POST",
            ("PUT", _) => "PUT",
            ("PATCH", _) => "PATCH",
            ("DELETE", _) => "DELETE",
            _ => "OTHER",
        };
        Self { number, verb, resource, name, subresource, uri: uri.to_string(), accept, body, status: None }
    }

    /// Whether it can change something in the cluster.
    pub fn is_write(&self) -> bool {
        matches!(self.verb, "POST" | "PUT" | "PATCH" | "DELETE")
    }

    /// Verb, resource, name and subresource, such as `PATCH webhookendpoints/intake/status`. Events have names that no two
    /// runs share, so theirs is left out.
    pub fn describe(&self) -> String {
        let name = if self.resource == "events" { "" } else { &self.name };
        let parts = [self.resource.as_str(), name, &self.subresource];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        format!("{} {}", self.verb, parts.join("/"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_described_by_what_they_are_about() {
        let described = |method: &str, uri: &str| {
            let request = hyper::Request::builder().method(method).uri(uri).body(()).unwrap();
            KubeCall::read(1, &request.into_parts().0, Bytes::new()).describe()
        };
        assert_eq!(described("GET", "/api/v1/namespaces/a/secrets/b"), "GET secrets/b");
        assert_eq!(described("GET", "/api/v1/namespaces/a/secrets?watch=true&x=y"), "WATCH secrets");
        assert_eq!(described("GET", "/api/v1/namespaces/a"), "GET namespaces/a");
        assert_eq!(described("GET", "/apis/g.io/v1/namespaces/a/things?limit=5"), "LIST things");
        assert_eq!(described("PATCH", "/apis/g.io/v1/namespaces/a/things/b/status"), "PATCH things/b/status");
        assert_eq!(described("PATCH", "/apis/events.k8s.io/v1/namespaces/a/events/b.1f"), "PATCH events");
    }
}
