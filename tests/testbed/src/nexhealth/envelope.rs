//! Answers and the envelope around every JSON body.
//!
//! The documents contradict each other on `description` (string, null, array) and `error` (array, string, null);
//! which form an answer takes is a switch, and one setting goes through all of them in turn.

pub(crate) use crate::sim::{Answer, JSON_TYPE};
use serde_json::{Map, Value, json};

/// The media type of most answers. Subscriptions answer plain JSON.
pub(crate) const VENDOR_TYPE: &str = "application/vnd.Nexhealth+json;version=2";

/// Form of `description` where the route has no text of its own to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DescriptionForm {
    /// `null`
    Null,
    /// `"..."`
    Text,
    /// `["..."]`
    List,
    /// `[["..."]]`, seen in the generated samples.
    NestedList,
}

/// Form of `error`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorForm {
    /// `[]`, and on failure `["..."]`
    List,
    /// `null`, and on failure `["..."]`
    Null,
    /// `""`, and on failure `"..."`
    Text,
}

/// Which forms answers take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvelopeStyle {
    /// As the samples of each route: text on sign-in, else null; `error` is null on `/sync_status`, else a list.
    #[default]
    ByRoute,
    /// The same forms everywhere.
    Fixed(DescriptionForm, ErrorForm),
    /// Every combination in turn.
    Rotate,
}

/// What a route is about; decides media type and forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Authenticate,
    Endpoints,
    Subscriptions,
    SyncStatus,
    Discovery,
    Other,
}

impl Family {
    pub fn media_type(self) -> &'static str {
        if self == Self::Subscriptions { JSON_TYPE } else { VENDOR_TYPE }
    }
}

/// A request that was carried out.
#[derive(Clone, Debug)]
pub(crate) struct Success {
    pub status: u16,
    pub data: Value,
    pub count: Option<usize>,
    pub text: Option<&'static str>,
    pub ignored: Vec<String>,
}

impl Success {
    pub fn new(status: u16, data: Value) -> Self {
        Self { status, data, count: None, text: None, ignored: Vec::new() }
    }

    /// A list with its total.
    pub fn list(items: Vec<Value>) -> Self {
        Self { count: Some(items.len()), ..Self::new(200, Value::Array(items)) }
    }

    pub fn no_content() -> Self {
        Self::new(204, Value::Null)
    }
}

/// A request that was refused.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub status: u16,
    pub errors: Vec<String>,
    pub retry_after: Option<String>,
}

impl Refusal {
    pub fn new(status: u16, error: impl Into<String>) -> Self {
        Self { status, errors: vec![error.into()], retry_after: None }
    }

    pub fn forbidden() -> Self {
        Self::new(403, "You don't have access to perform this action.")
    }

    pub fn unauthorized() -> Self {
        Self::new(401, "Invalid Credentials")
    }

    pub fn not_found() -> Self {
        Self::new(404, "Not found")
    }
}

pub(crate) type Outcome = Result<Success, Refusal>;

/// How the next answer is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub description: DescriptionForm,
    pub error: ErrorForm,
    pub ignored_in_error: bool,
}

impl EnvelopeStyle {
    /// The forms of the `turn`th answer.
    pub(crate) fn forms(self, family: Family, turn: usize) -> (DescriptionForm, ErrorForm) {
        use DescriptionForm as D;
        match self {
            Self::Fixed(description, error) => (description, error),
            Self::Rotate => (
                [D::Null, D::Text, D::List, D::NestedList][turn % 4],
                [ErrorForm::List, ErrorForm::Null, ErrorForm::Text][turn % 3],
            ),
            Self::ByRoute => match family {
                Family::Authenticate => (D::Text, ErrorForm::List),
                Family::SyncStatus => (D::Null, ErrorForm::Null),
                _ => (D::Null, ErrorForm::List),
            },
        }
    }
}

/// Puts the envelope around an outcome.
pub(crate) fn render(family: Family, manner: Manner, outcome: Outcome) -> Answer {
    let content_type = family.media_type().to_owned();
    match outcome {
        Ok(done) if done.status == 204 => Answer { status: 204, content_type, headers: Vec::new(), body: None },
        Ok(done) => {
            let note = (!done.ignored.is_empty())
                .then(|| format!("Note that following parameters are ignored: {}.", done.ignored.join(", ")));
            let (in_description, in_error) = if manner.ignored_in_error { (None, note) } else { (note, None) };
            let mut body = Map::new();
            body.insert("code".into(), json!(true));
            body.insert("description".into(), description(manner.description, in_description.as_deref(), done.text));
            body.insert("error".into(), errors(manner.error, in_error.as_slice()));
            body.insert("data".into(), done.data);
            if let Some(count) = done.count {
                body.insert("count".into(), json!(count));
            }
            Answer { status: done.status, content_type, headers: Vec::new(), body: Some(Value::Object(body)) }
        }
        Err(refused) => {
            let body = json!({
                "code": false,
                "description": description(manner.description, None, None),
                "data": null,
                "error": errors(manner.error, &refused.errors),
            });
            let headers = refused.retry_after.map(|value| ("retry-after", value)).into_iter().collect();
            Answer { status: refused.status, content_type, headers, body: Some(body) }
        }
    }
}

fn description(form: DescriptionForm, note: Option<&str>, text: Option<&str>) -> Value {
    let said = note.or(text);
    match (form, said) {
        (DescriptionForm::Null, None) => Value::Null,
        (DescriptionForm::Null | DescriptionForm::Text, _) => json!(said.unwrap_or("Description")),
        (DescriptionForm::List, _) => json!([said.unwrap_or("Description")]),
        (DescriptionForm::NestedList, _) => json!([[said.unwrap_or("Description")]]),
    }
}

fn errors(form: ErrorForm, errors: &[String]) -> Value {
    match form {
        ErrorForm::Text => json!(errors.join(", ")),
        ErrorForm::Null if errors.is_empty() => Value::Null,
        ErrorForm::List | ErrorForm::Null => json!(errors),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn rotation_shows_all_twelve_combinations() {
        let seen: BTreeSet<String> =
            (0..12).map(|turn| format!("{:?}", EnvelopeStyle::Rotate.forms(Family::Other, turn))).collect();
        assert_eq!(seen.len(), 12);
    }

    #[test]
    fn a_failure_always_says_why() {
        for turn in 0..12 {
            let (description, error) = EnvelopeStyle::Rotate.forms(Family::Other, turn);
            let manner = Manner { description, error, ignored_in_error: false };
            let answer = render(Family::Other, manner, Err(Refusal::forbidden()));
            let body = answer.body.unwrap();
            assert!(body["error"].to_string().contains("access to perform"), "{body}");
            assert_eq!(body["code"], json!(false));
        }
    }
}
