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

/// A row of practice a that nobody declares, seen for the first time now.
fn undeclared() -> Subscription {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.spec(json!({"undeclared": "Delete"}));
    subscription.rows.rows.push(row("5", "7", "a", "appointment_insertion"));
    subscription
}

fn again(subscription: &Subscription) -> Option<u64> {
    let plan = subscription.plan();
    assert_eq!(plan.step, SubscriptionStep::Rest);
    plan.again.map(|again| again.as_secs())
}

#[test]
fn it_is_looked_at_again_after_an_interval_and_listed_if_no_round_has_come_by_then() {
    let mut subscription = undeclared();
    assert_eq!(again(&subscription), Some(300));
    look(&mut subscription, 100);
    assert_eq!(again(&subscription), Some(200), "of the interval");
    subscription.memory.seen = subscription.plan().seen.unwrap();
    subscription.now += 200;
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")), "the last list is too old to decide");
    subscription.rows.listed_at = Some(at(subscription.now));
    assert_eq!(prunes(&mut subscription), ["prune a/appointment_insertion of 7"]);
    subscription.paced = 0;
    assert_eq!(again(&subscription), None, "nothing waits for the pace any more");
}

#[test]
fn a_refused_delete_is_believed_for_hours_and_takes_nothing_from_the_pace() {
    let mut subscription = undeclared();
    subscription.rows.rows.push(row("6", "7", "a", "account_changed"));
    look(&mut subscription, 300);
    subscription.paced = 1;
    subscription.memory.undeletable.insert(id("5"), refusal(403));
    assert_eq!(prunes(&mut subscription), ["prune a/account_changed of 7"], "the other one");
    assert_eq!(again(&subscription), Some(21_600 - 300), "as long as it is believed");
    look(&mut subscription, 21_300);
    assert_eq!(prunes(&mut subscription), ["prune a/appointment_insertion of 7"]);
}

/// Under `allPractices`, practice b has left.
fn left() -> Subscription {
    let mut subscription = Subscription::new(&[], &["patient_created"]);
    subscription.spec(json!({"practices": null, "allPractices": {"except": ["c"]}}));
    subscription.obey();
    subscription.rows.practices = Some(vec!["a".into()]);
    subscription.rows.former = vec!["b".into()];
    subscription
}

#[test]
fn of_a_practice_that_left_only_what_this_object_declared_goes() {
    let mut subscription = left();
    subscription.rows.rows.push(row("5", "7", "b", "appointment_insertion"));
    subscription.rows.rows.push(row("6", "7", "a", "appointment_insertion"));
    look(&mut subscription, 24 * 3600);
    assert_eq!(prunes(&mut subscription), ["prune b/patient_created of 7"], "the other event is not its own");
    look(&mut subscription, 24 * 3600);
    assert!(subscription.plan().status.failures.is_empty(), "and says nothing of the practice any more");
}

#[test]
fn of_a_practice_that_left_what_others_have_or_the_provider_keeps_stays() {
    let mut claimed = left();
    claimed.claimed = vec!["b/patient_created".into()];
    look(&mut claimed, 24 * 3600);
    assert!(prunes(&mut claimed).is_empty(), "another object has it");
    let mut refused = left();
    let b = refused.rows.rows.iter().find(|row| row.practice.as_deref() == Some("#b")).unwrap().id.clone();
    look(&mut refused, 24 * 3600);
    refused.memory.undeletable.insert(b, crate::plan::Refusal { at: at(refused.now), ..refusal(403) });
    assert!(prunes(&mut refused).is_empty(), "the provider has just refused");
    assert_eq!(again(&refused), Some(300));
}
