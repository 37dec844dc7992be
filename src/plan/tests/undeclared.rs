//! rules.md *Pairs*: what nobody declares, and practices that the key no longer reaches.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::plan::subscription::SubscriptionStep;

fn prunes(subscription: &mut Subscription) -> Vec<String> {
    match subscription.step() {
        SubscriptionStep::Calls(calls) => calls.iter().map(|call| subscription.call(call)).collect(),
        _ => Vec::new(),
    }
}

/// Looks again so many seconds later, by a list that starts then.
fn look(subscription: &mut Subscription, seconds: i64) {
    let plan = subscription.plan();
    subscription.memory.seen = plan.seen.unwrap();
    subscription.now += seconds;
    subscription.rows.listed_at = Some(at(subscription.now));
}

#[test]
fn what_nobody_declares_is_reported_or_deleted_after_two_lists() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.rows.rows.push(row("5", "7", "a", "appointment_insertion"));
    subscription.rows.rows.push(row("6", "7", "b", "appointment_insertion"));
    look(&mut subscription, 300);
    assert_eq!(subscription.says(), "True/InSync", "only reported");
    subscription.spec(json!({"undeclared": "Delete"}));
    assert!(prunes(&mut subscription).is_empty(), "seen once");
    look(&mut subscription, 100);
    assert!(prunes(&mut subscription).is_empty(), "not an interval apart");
    look(&mut subscription, 200);
    subscription.paced = 0;
    assert!(prunes(&mut subscription).is_empty(), "the pace");
    assert!(subscription.plan().again.is_some(), "later, then");
    subscription.paced = 1;
    subscription.claimed = vec!["a/appointment_insertion".into()];
    assert!(prunes(&mut subscription).is_empty(), "another object has it");
    look(&mut subscription, 1);
    subscription.claimed.clear();
    assert!(prunes(&mut subscription).is_empty(), "it has left the queue meanwhile");
    look(&mut subscription, 300);
    assert_eq!(prunes(&mut subscription), ["prune a/appointment_insertion of 7"], "b is no practice of this object");
}

#[test]
fn what_an_edit_takes_back_goes_whatever_the_policy_says() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created", "appointment_insertion"]);
    subscription.spec(json!({"events": [{"event": "patient_created"}]}));
    assert_eq!(subscription.obey(), ["delete a/appointment_insertion of 7"]);
}

#[test]
fn a_named_practice_that_the_key_no_longer_reaches_keeps_its_rows() {
    let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
    subscription.rows.practices = Some(vec!["a".into()]);
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.status.active), (SubscriptionStep::Rest, Some(2)));
    assert_eq!(plan.status.failures[0].reason, "PracticeUnreachable");
    assert_eq!(said(&plan.status.conditions, "Ready"), "False/PartlyRejected");
    subscription.object.status = Some(plan.status);
    subscription.now += 100 * 3600;
    assert_eq!(subscription.step(), SubscriptionStep::Rest, "it is declared: never deleted");
    subscription.rows.former = vec!["b".into()];
    subscription.spec(json!({"practices": ["a"]}));
    assert_eq!(subscription.obey(), ["delete b/patient_created of 7"], "taken back, although it cannot be reached");
}

#[test]
fn under_all_practices_one_that_left_loses_its_rows_after_a_day() {
    let mut subscription = Subscription::new(&[], &["patient_created"]);
    subscription.spec(json!({"practices": null, "allPractices": {"except": ["c"]}}));
    subscription.acknowledge();
    subscription.obey();
    assert_eq!(subscription.rows.rows.len(), 2);
    subscription.rows.practices = Some(vec!["a".into()]);
    subscription.rows.former = vec!["b".into(), "c".into()];
    subscription.rows.rows.push(row("5", "7", "c", "patient_created"));
    let plan = subscription.plan();
    assert_eq!(plan.notes[0].reason, "PracticeUnreachable");
    assert_eq!(said(&plan.status.conditions, "Ready"), "True/InSync");
    assert_eq!(plan.status.failures[0].practice.as_deref(), Some("b"));
    look(&mut subscription, 24 * 3600 - 1);
    assert!(subscription.plan().notes.is_empty(), "said once");
    assert!(prunes(&mut subscription).is_empty());
    look(&mut subscription, 1);
    assert_eq!(prunes(&mut subscription), ["prune b/patient_created of 7"], "and what is excepted stays");
}

#[test]
fn one_whose_name_is_not_known_any_more_is_left_alone() {
    let mut subscription = Subscription::new(&[], &["patient_created"]);
    subscription.spec(json!({"practices": null, "allPractices": {"except": []}}));
    subscription.acknowledge();
    subscription.obey();
    subscription.rows.practices = Some(vec!["a".into(), "b".into()]);
    look(&mut subscription, 100 * 3600);
    assert!(prunes(&mut subscription).is_empty());
}
