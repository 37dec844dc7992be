//! rules.md *Absence* (rows) and *Delivery gaps* (missing): what counts as lost, what is said of it, and how much of it
//! wants a second look.

use serde_json::{Value, json};

use super::fixtures::*;
use super::realm::*;
use crate::plan::subscription::SubscriptionStep;
use crate::provider::model::RemoteRow;

/// As many pairs as wanted, of practice a, all at the provider and listed.
fn many(pairs: usize) -> Subscription {
    let mut many = Subscription::new(&["a"], &[]);
    let event = |number| json!({"resourceType": "Made", "event": format!("e{number}")});
    many.spec(json!({"events": (0..pairs).map(event).collect::<Vec<_>>()}));
    many.acknowledge();
    many.obey();
    many.memory.fresh.clear();
    many.rows.once_listed = many.rows.rows.iter().map(RemoteRow::key).collect();
    many
}

/// What is said, if what is missing is made again at once.
fn at_once(subscription: &Subscription) -> Option<String> {
    let plan = subscription.plan();
    matches!(plan.step, SubscriptionStep::Calls(_)).then(|| plan.notes[0].text.clone())
}

#[test]
fn less_than_ten_are_made_again_at_once_unless_they_are_all() {
    for (pairs, lost, once) in
        [(1, 1, true), (2, 2, false), (3, 2, true), (11, 9, true), (11, 10, false), (9, 9, false)]
    {
        let mut subscription = many(pairs);
        subscription.rows.rows.drain(..lost);
        assert_eq!(at_once(&subscription).is_some(), once, "{lost} of {pairs}");
        let losses = subscription.plan().losses;
        assert_eq!(losses.iter().map(|loss| loss.pairs).collect::<Vec<_>>(), [lost], "one loss");
    }
}

#[test]
fn a_second_look_waits_for_what_is_left_of_ten_seconds() {
    let mut subscription = many(2);
    subscription.rows.rows.clear();
    subscription.memory.missing_since = subscription.plan().missing_since;
    subscription.now += 4;
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.again.map(|wait| wait.as_secs())), (SubscriptionStep::Rest, Some(6)));
    assert_eq!(plan.missing_since, subscription.memory.missing_since, "since the first of the two lists");
}

#[test]
fn five_losses_are_named_and_the_others_are_counted() {
    let named = "subscriptions were deleted at the provider: e0 of a, e1 of a, e2 of a, e3 of a, e4 of a";
    for (lost, more) in [(5, ""), (6, " and 1 more"), (8, " and 3 more")] {
        let mut subscription = many(9);
        subscription.rows.rows.drain(..lost);
        assert_eq!(at_once(&subscription).unwrap(), format!("{named}{more}; creating them again"));
    }
}

#[test]
fn what_is_new_is_not_said_to_be_deleted() {
    let mut subscription = Subscription::settled(&["b"], &["patient_created"]);
    subscription.spec(json!({"practices": ["a", "b"]}));
    subscription.acknowledge();
    subscription.rows.rows.clear();
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 2, "both are made");
    let said = "subscriptions were deleted at the provider: patient_created of b; creating them again";
    assert_eq!(at_once(&subscription).unwrap(), said);
}

#[test]
fn an_edit_or_another_endpoint_makes_only_what_it_adds_new() {
    let names = |keys: Vec<crate::provider::model::RowKey>| {
        keys.iter().map(|key| format!("{}/{}", key.practice.as_deref().unwrap_or("-"), key.event)).collect::<Vec<_>>()
    };
    let mut edited = Subscription::settled(&["a"], &["patient_created"]);
    edited.spec(json!({"practices": ["a", "b"]}));
    assert_eq!(names(edited.acknowledge()), ["#b/patient_created"]);
    let mut moved = Subscription::settled(&["a"], &["patient_created"]);
    moved.moves_to("8", Vec::new(), false);
    assert_eq!(names(moved.acknowledge()), ["#a/patient_created"], "nothing was on that endpoint");
}

/// A new process finds the row of practice b missing; the status of the old one says what the case says.
fn restarted(status: Value) -> Subscription {
    let mut restarted = Subscription::settled(&["a", "b"], &["patient_created"]);
    restarted.rows.once_listed.clear();
    restarted.rows.rows.retain(|row| row.practice.as_deref() == Some("#a"));
    restarted.object.status = Some(changed(restarted.object.status.clone().unwrap(), status));
    restarted
}

#[test]
fn after_a_restart_what_the_status_says_was_there_is_lost_since_the_old_process() {
    let item =
        |practice: &str, event: &str| json!({"practice": practice, "event": event, "remoteId": "1", "active": true});
    let there = |desired: i64, active: i64, failed: i64| json!({"subscriptions": [], "desired": desired, "active": active, "failed": failed});
    let cases = [
        (json!({}), true, "named"),
        (json!({"subscriptions": [item("a", "patient_created")]}), false, "not named, and the others are"),
        (json!({"subscriptions": [item("b", "appointment_insertion")]}), false, "another event of its practice"),
        (there(2, 2, 0), true, "too many to be named"),
        (there(2, 1, 1), true, "all that had not failed"),
        (there(2, 1, 0), false, "it had never come to rest"),
        (there(3, 1, 1), false, "one of them was not there yet"),
        (there(0, 0, 0), false, "nothing was declared"),
    ];
    for (status, lost, why) in cases {
        let mut subscription = restarted(status);
        let losses = subscription.plan().losses;
        assert_eq!(losses.len(), usize::from(lost), "{why}");
        assert!(losses.iter().all(|loss| loss.from == at(NOW - 1000)), "since the old process looked: {losses:?}");
        let missing = subscription.plan();
        let SubscriptionStep::Calls(calls) = missing.step else { panic!("made in any case: {why}") };
        subscription.call(&calls[0]);
        assert!(subscription.plan().losses.is_empty());
    }
}

#[test]
fn what_this_process_has_just_added_is_not_lost_whatever_the_status_says() {
    let mut subscription = restarted(json!({}));
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    let crate::plan::row_calls::RowCall::Create { key, .. } = &calls[0] else { panic!() };
    subscription.memory.fresh.insert(key.clone());
    let plan = subscription.plan();
    assert!(plan.losses.is_empty() && plan.notes.is_empty(), "{:?}", plan.notes);
}
