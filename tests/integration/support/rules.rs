//! The rules of the API contract for conditions, applied to every version of every object that a test has watched.

use std::collections::HashMap;

use external_webhooks::api::table::{Beside, rows};
use external_webhooks::api::{ConditionType, Reason};
use serde_json::Value;

use super::record::Object;

/// Every breach, in words.
pub fn breaches(versions: &[Object]) -> Vec<String> {
    let mut before: HashMap<&str, &Object> = HashMap::new();
    let mut found = Vec::new();
    for object in versions {
        let previous = before.insert(object.uid(), object);
        let mut tell = |text: String| {
            let (kind, name, version) = (object.kind, object.name(), object.version());
            found.push(format!("{kind} {name} at version {version}: {text}\n    {}", object.status()));
        };
        // What the API server gives a fresh object; the operator has not been there yet.
        if is_fresh(object.status()) {
            if previous.is_some_and(|previous| previous.status() != object.status()) {
                tell("the status was wiped".to_owned());
            }
            continue;
        }
        // A version that is the direct product of an edit, or of a finalizer, still carries the old status.
        let written = previous.is_none_or(|previous| previous.status() != object.status());
        check_generations(object, written, &mut tell);
        check_summary(object, &mut tell);
        check_table(object, &mut tell);
        for condition in conditions(object.status()) {
            check_condition(condition, &mut tell);
            let earlier = previous.into_iter().flat_map(|previous| conditions(previous.status()));
            for earlier in earlier.filter(|earlier| earlier["type"] == condition["type"]) {
                let flipped = earlier["status"] != condition["status"];
                if !flipped && earlier["lastTransitionTime"] != condition["lastTransitionTime"] {
                    tell(format!("lastTransitionTime of {} moved without a flip", condition["type"]));
                }
            }
        }
    }
    found
}

fn is_fresh(status: &Value) -> bool {
    status["observedGeneration"] == -1 && conditions(status).next().is_none()
}

fn conditions(status: &Value) -> impl Iterator<Item = &Value> {
    status["conditions"].as_array().into_iter().flatten()
}

fn check_generations(object: &Object, written: bool, tell: &mut impl FnMut(String)) {
    let observed = &object.status()["observedGeneration"];
    if written && observed.as_i64() != Some(object.generation()) {
        tell(format!("status about generation {observed} written at generation {}", object.generation()));
    }
    for condition in conditions(object.status()) {
        if condition["observedGeneration"] != *observed {
            tell(format!("condition {} is about another generation than the status", condition["type"]));
        }
    }
}

fn check_summary(object: &Object, tell: &mut impl FnMut(String)) {
    let is = |kind: &str| object.condition(kind)["status"].as_str().map(str::to_owned);
    let ready = is("Ready");
    if ready.is_none() {
        tell("there is no Ready condition".to_owned());
    }
    for kind in ["Reconciling", "Stalled", "DeletionBlocked"] {
        if is(kind).is_some_and(|status| status != "True") {
            tell(format!("{kind} is there although it is not true"));
        }
    }
    let (reconciling, stalled) = (is("Reconciling").is_some(), is("Stalled").is_some());
    if reconciling && stalled {
        tell("Reconciling and Stalled at the same time".to_owned());
    }
    if ready.as_deref() == Some("Unknown") && !reconciling {
        tell("Ready is Unknown without Reconciling".to_owned());
    }
    if ready.as_deref() == Some("True") && stalled {
        tell("Ready although Stalled".to_owned());
    }
}

/// What is said must be explained: on the reference page, to alerts and to health checks.
fn check_table(object: &Object, tell: &mut impl FnMut(String)) {
    let beside = [("Stalled", Beside::Stalled), ("Reconciling", Beside::Reconciling)];
    let beside = beside.into_iter().find(|(kind, _)| object.condition(kind)["status"] == "True");
    let beside = beside.map_or(Beside::AtRest, |(_, beside)| beside);
    for condition in conditions(object.status()) {
        let text = |field: &str| condition[field].as_str().unwrap_or_default();
        let (Some(kind), Some(reason)) = (ConditionType::named(text("type")), Reason::named(text("reason"))) else {
            continue;
        };
        // These repeat Ready.
        if matches!(kind, ConditionType::Reconciling | ConditionType::Stalled) {
            continue;
        }
        match rows().find(|row| row.is_about(object.kind, kind, text("status"), reason)) {
            None => tell(format!("src/api/table has no row for {kind}={}/{reason}", text("status"))),
            Some(row) if kind == ConditionType::Ready && !row.beside.contains(&beside) => {
                tell(format!("src/api/table says that {:?} stands beside Ready/{reason}, not {beside:?}", row.beside));
            }
            Some(_) => {}
        }
    }
}

fn check_condition(condition: &Value, tell: &mut impl FnMut(String)) {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    let (kind, reason, message) = (text("type"), text("reason"), text("message"));
    if !ConditionType::ALL.iter().any(|known| known.as_str() == kind) {
        tell(format!("{kind:?} is no known condition type"));
    }
    if !Reason::ALL.iter().any(|known| known.as_str() == reason) {
        tell(format!("{reason:?} of {kind} is no known reason"));
    }
    if message.chars().count() > 1024 {
        tell(format!("the message of {kind} is longer than 1024 characters"));
    }
    if message.is_empty() {
        tell(format!("{kind} has no message"));
    }
    if has_secret_url_part(message) {
        tell(format!("the message of {kind} shows a query or user of a URL: {message}"));
    }
    if has_time(message) {
        tell(format!("the message of {kind} shows a time: {message}"));
    }
}

/// A URL with a user, or with a query.
fn has_secret_url_part(message: &str) -> bool {
    message.split_whitespace().filter_map(|word| word.split_once("://")).any(|(_, rest)| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        authority.contains('@') || rest.trim_end_matches('?').contains('?')
    })
}

/// Digits that look like a time of day, a date or a measured duration.
fn has_time(message: &str) -> bool {
    let shape: String = message.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape.contains("00:00:0") || shape.contains("0000-00-00") || shape.contains("0T00")
}

#[test]
fn what_breaks_a_rule_is_found() {
    let version = |number: u64, generation: i64, status: Value| {
        let metadata = serde_json::json!({"name": "a", "uid": "u", "resourceVersion": number.to_string(), "generation": generation});
        Object {
            kind: "WebhookEndpoint",
            value: serde_json::json!({"metadata": metadata, "status": status}),
            gone: false,
        }
    };
    let status = |generation: i64, list: &[(&str, &str, &str, &str)]| {
        let one = |(kind, status, reason, since): &(&str, &str, &str, &str)| {
            serde_json::json!({"type": kind, "status": status, "reason": reason, "message": "m",
                "observedGeneration": generation, "lastTransitionTime": since})
        };
        serde_json::json!({"observedGeneration": generation, "conditions": list.iter().map(one).collect::<Vec<_>>()})
    };
    let ready = status(1, &[("Ready", "True", "InSync", "1")]);
    let fresh = serde_json::json!({"observedGeneration": -1});
    let good = [version(1, 1, fresh), version(2, 1, ready.clone()), version(3, 2, ready.clone())];
    assert_eq!(breaches(&good), Vec::<String>::new());
    let bad = |status: Value, words: &str| {
        let found = breaches(&[version(1, 1, ready.clone()), version(2, 1, status)]);
        assert!(found.iter().any(|breach| breach.contains(words)), "{words}: {found:?}");
    };
    bad(status(0, &[("Ready", "True", "InSync", "1")]), "written at generation");
    bad(status(1, &[("Ready", "True", "InSync", "2")]), "without a flip");
    bad(status(1, &[("Ready", "Unknown", "Progressing", "2")]), "without Reconciling");
    bad(status(1, &[("Ready", "True", "InSync", "1"), ("Stalled", "True", "InSync", "2")]), "although Stalled");
    bad(status(1, &[("Ready", "True", "InSync", "1"), ("Stalled", "False", "InSync", "2")]), "not true");
    bad(status(1, &[("Ready", "True", "Fine", "1")]), "no known reason");
    bad(status(1, &[("Ready", "False", "Green", "1")]), "no row for Ready=False/Green");
    bad(status(1, &[("Ready", "False", "Rejected", "1"), ("Reconciling", "True", "Rejected", "1")]), "beside Ready");
    bad(status(1, &[("Happy", "True", "InSync", "1")]), "no known condition");
    bad(status(1, &[]), "no Ready");
    bad(serde_json::json!({"observedGeneration": -1}), "wiped");
    assert!(has_secret_url_part("see https://a.example/x?token=1 there") && has_secret_url_part("https://me@h/"));
    assert!(!has_secret_url_part("see https://a.example/x (did you mean b?)"));
    assert!(has_time("at 2026-01-02") && has_time("12:34:56") && !has_time("endpoint 16271 at 127.0.0.1:43210"));
}
