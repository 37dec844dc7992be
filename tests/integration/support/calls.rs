//! The simulator's ledger, sorted into what a reader thinks in.

use std::collections::BTreeMap;

use testbed::nexhealth::Call;

/// What a call is about: `endpoint`, `row`, `institutions`, `authenticates`, ...
fn subject(call: &Call) -> &str {
    let mut parts = call.path.trim_matches('/').split('/');
    match (parts.next().unwrap_or_default(), parts.nth(1)) {
        ("webhook_endpoints", None) => "endpoint",
        ("webhook_endpoints", Some(_)) => "row",
        (other, _) => other,
    }
}

/// Method and subject, such as `POST row`.
pub fn describe(call: &Call) -> String {
    format!("{} {}", call.method, subject(call))
}

/// How many calls there are of each description.
pub fn tally<'a>(calls: impl IntoIterator<Item = &'a Call>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for call in calls {
        *counts.entry(describe(call)).or_default() += 1;
    }
    counts
}
