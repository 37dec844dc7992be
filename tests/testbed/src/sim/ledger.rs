//! Every call the simulator received, in order of arrival.

use jiff::Timestamp;
use serde_json::Value;

/// A point in the common order of calls and journal entries. Everything with a larger number came later.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u64);

/// One received call. It is recorded when its body has been read, before anything is done about it.
#[derive(Clone, Debug)]
pub struct Call {
    /// Place in the common order of calls and journal entries.
    pub seq: u64,
    /// When it arrived, by the real clock.
    pub at: Timestamp,
    /// `GET`, `POST`, `PATCH`, `DELETE`, ...
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Decoded query parameters in the order sent.
    pub query: Vec<(String, String)>,
    /// Label of the API key that was sent, or that the token was made for.
    pub caller: Option<String>,
    /// `Nex-Api-Version` as sent, or `accept` where only the old header was there.
    pub api_version: Option<String>,
    /// The status answered. `None` until then, and for good if the connection was cut or never answered.
    pub status: Option<u16>,
    /// Whether the request was carried out (it may have been carried out to a refusal).
    pub effect: bool,
    /// Name of the fault that was applied.
    pub fault: Option<&'static str>,
    /// The endpoint named in the path, or created.
    pub endpoint_id: Option<i64>,
    /// The subscription named in the path, or created.
    pub subscription_id: Option<i64>,
    /// The thing named in the path, or created, at providers where ids are text.
    pub resource_id: Option<String>,
    /// The body as JSON, without the values of secret fields.
    pub body: Option<Value>,
}

impl Call {
    /// The first query parameter of this name.
    pub fn query_value(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Whether it could change something at the provider.
    pub fn is_write(&self) -> bool {
        self.method != "GET" && self.path != "/authenticates"
    }
}

/// Every call, and the common order of calls and journal entries.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// In order of arrival.
    pub ledger: Vec<Call>,
    /// The last number that was given.
    pub seq: u64,
}

impl Records {
    /// The next number of the common order.
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Adds to what is recorded of a call.
    pub fn edit_call(&mut self, seq: u64, edit: impl FnOnce(&mut Call)) {
        if let Ok(at) = self.ledger.binary_search_by_key(&seq, |call| call.seq) {
            edit(&mut self.ledger[at]);
        }
    }

    /// One call.
    pub fn call(&self, seq: u64) -> Option<&Call> {
        self.ledger.binary_search_by_key(&seq, |call| call.seq).ok().map(|at| &self.ledger[at])
    }
}

const SECRET_FIELDS: [&str; 5] = ["secret_key", "signing_key", "token", "api_key", "authorization"];

/// The same value with the contents of secret fields replaced.
pub fn without_secrets(mut value: Value) -> Value {
    fn clean(value: &mut Value) {
        match value {
            Value::Array(items) => items.iter_mut().for_each(clean),
            Value::Object(fields) => {
                for (name, field) in fields {
                    if SECRET_FIELDS.contains(&name.as_str()) { *field = Value::from("***") } else { clean(field) }
                }
            }
            _ => {}
        }
    }
    clean(&mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secret_fields_are_blanked_at_any_depth() {
        let seen = without_secrets(json!({"a": [{"secret_key": "x", "b": 1}], "token": {"c": 2}}));
        assert_eq!(seen, json!({"a": [{"secret_key": "***", "b": 1}], "token": "***"}));
    }
}
