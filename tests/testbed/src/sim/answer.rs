//! What goes over the wire, before any fault.

use serde_json::Value;

/// Plain JSON.
pub const JSON_TYPE: &str = "application/json";

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Media type of the body, if there is one.
    pub content_type: String,
    /// Further headers.
    pub headers: Vec<(&'static str, String)>,
    /// JSON, or nothing.
    pub body: Option<Value>,
}

impl Answer {
    /// Plain JSON under this status.
    pub fn json(status: u16, body: Value) -> Self {
        Self { status, content_type: JSON_TYPE.to_owned(), headers: Vec::new(), body: Some(body) }
    }

    /// A status without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, content_type: JSON_TYPE.to_owned(), headers: Vec::new(), body: None }
    }
}
