//! Durations as users write them.

use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration such as `90s`, `30m` or `720h`, kept as written so that the operator never changes a spec.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DurationText(String);

impl DurationText {
    /// Wraps text; [`DurationText::get`] says whether it can be read.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The duration, or `None` for text that the schema of an older version let through.
    pub fn get(&self) -> Option<Duration> {
        let mut total: u64 = 0;
        let mut number = String::new();
        for letter in self.0.chars() {
            let seconds = match letter {
                '0'..='9' => {
                    number.push(letter);
                    continue;
                }
                'h' => 3600,
                'm' => 60,
                's' => 1,
                _ => return None,
            };
            total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(seconds)?)?;
            number.clear();
        }
        (number.is_empty() && !self.0.is_empty()).then(|| Duration::from_secs(total))
    }
}

impl JsonSchema for DurationText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // Form and bounds are one rule at each field, whose message names the field and says what would do.
        json_schema!({"type": "string", "minLength": 2, "maxLength": 32})
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::DurationText;

    #[test]
    fn reads_what_the_schema_allows() {
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("720h", 2_592_000), ("1h30m", 5400), ("0s", 0)] {
            assert_eq!(DurationText::new(text).get(), Some(Duration::from_secs(seconds)), "{text}");
        }
    }

    #[test]
    fn refuses_the_rest() {
        for text in ["", "5", "h", "1d", "1.5h", "-3s", "5 m", "99999999999999999999h"] {
            assert_eq!(DurationText::new(text).get(), None, "{text}");
        }
    }
}
