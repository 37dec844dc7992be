//! What a batch of appointments must be: which fields are required, and how dates are written.

use jiff::civil::{Date, DateTime};
use serde_json::Value;

/// Required fields of each part; the others (location, encounter, department_id) are optional.
const REQUIRED: [(&str, &[&str]); 3] = [
    ("appointment", &["id", "status", "start_time", "start_date", "created_time", "type"]),
    ("patient", &["id", "first_name", "last_name", "birth_date", "gender"]),
    ("practitioner", &["id", "first_name", "last_name"]),
];

/// `MM/DD/YYYY`, clinic local time.
const DATES: [(&str, &str); 2] = [("appointment", "start_date"), ("patient", "birth_date")];
/// `MM/DD/YYYY HH:MM`, clinic local time.
const TIMES: [(&str, &str); 2] = [("appointment", "start_time"), ("appointment", "created_time")];

/// The items of a body: an array, or one bare object with the key `appointment`. `None`: it is neither.
pub(super) fn items(body: &Value) -> Option<Vec<&Value>> {
    match body {
        Value::Array(items) => Some(items.iter().collect()),
        Value::Object(fields) if fields.contains_key("appointment") => Some(vec![body]),
        _ => None,
    }
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        _ => false,
    }
}

/// What is wrong with the item of this number, in the provider's words.
pub(super) fn errors(number: usize, item: &Value, dates_checked: bool) -> Vec<String> {
    let path = |part: &str, field: &str| format!("appointments[{number}].{part}.{field}");
    let mut errors = Vec::new();
    for (part, fields) in REQUIRED {
        let missing = fields.iter().filter(|field| is_blank(&item[part][field]));
        errors.extend(missing.map(|field| format!("{} is required.", path(part, field))));
    }
    if dates_checked {
        let wrong = |(part, field): (&'static str, &'static str), reads: fn(&str) -> bool| {
            let value = &item[part][field];
            let bad = !is_blank(value) && !value.as_str().is_some_and(reads);
            bad.then(|| format!("{} has an invalid format.", path(part, field)))
        };
        errors.extend(DATES.into_iter().filter_map(|place| wrong(place, is_date)));
        errors.extend(TIMES.into_iter().filter_map(|place| wrong(place, is_time)));
    }
    errors
}

/// Letter for letter, so that `1/2/2026` is none.
fn is_date(text: &str) -> bool {
    Date::strptime("%m/%d/%Y", text).is_ok_and(|date| date.strftime("%m/%d/%Y").to_string() == text)
}

fn is_time(text: &str) -> bool {
    let form = "%m/%d/%Y %H:%M";
    DateTime::strptime(form, text).is_ok_and(|time| time.strftime(form).to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_american_and_padded() {
        assert!(is_date("02/28/2026") && !is_date("02/30/2026") && !is_date("28/02/2026"));
        assert!(!is_date("2/28/2026") && !is_date("2026-02-28") && !is_date("02/28/2026 10:00"));
        assert!(is_time("02/28/2026 09:05") && !is_time("02/28/2026 9:05") && !is_time("02/28/2026T09:05"));
    }
}
