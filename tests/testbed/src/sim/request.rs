//! A request as it came off the wire.

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Map, Value};

/// A request whose body has been read.
#[derive(Clone, Debug)]
pub struct Request {
    /// Its place in the ledger.
    pub seq: u64,
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Decoded query parameters in the order sent.
    pub query: Vec<(String, String)>,
    /// As sent.
    pub headers: HeaderMap,
    /// The raw body.
    pub body: Bytes,
}

impl Request {
    /// The parts of the path.
    pub fn segments(&self) -> Vec<&str> {
        self.path.trim_start_matches('/').split('/').collect()
    }

    /// The first header of this name; `None` also if it is no text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The first query parameter of this name.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether the body is announced as JSON.
    pub fn says_json(&self) -> bool {
        self.header("content-type").is_some_and(|kind| kind.to_ascii_lowercase().contains("json"))
    }

    /// The body as a JSON object, if it is one and is announced as such.
    pub fn json_object(&self) -> Option<Map<String, Value>> {
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(fields)) if self.says_json() => Some(fields),
            _ => None,
        }
    }
}
