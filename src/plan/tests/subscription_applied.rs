//! rules.md *Pairs*: `status.applied` is what is not yet wholly taken back, and what that decides.

use serde_json::{Value, json};

use super::fixtures::*;
use super::realm::*;
use crate::plan::subscription::{SubscriptionPlan, SubscriptionStep};

const TWO: [&str; 2] = ["patient_created", "appointment_insertion"];

/// Two events were declared, then one; what that asks for is carried out.
fn narrowed(change: Value) -> Subscription {
    let mut narrowed = Subscription::settled(&["a"], &TWO);
    narrowed.spec(json!({"events": [{"event": "patient_created"}]}));
    narrowed.spec(change);
    for _ in 0..20 {
        match narrowed.step() {
            SubscriptionStep::Acknowledge { .. } => _ = narrowed.acknowledge(),
            SubscriptionStep::Calls(calls) => calls.iter().for_each(|call| _ = narrowed.call(call)),
            _ => return narrowed,
        }
    }
    panic!("no end of calls")
}

fn events(plan: &SubscriptionPlan) -> usize {
    plan.status.applied.as_ref().map_or(0, |applied| applied.events.len())
}

fn again(plan: &SubscriptionPlan) -> Option<u64> {
    plan.again.map(|again| again.as_secs())
}

#[test]
fn what_is_taken_back_stays_applied_until_a_list_has_proved_it() {
    let mut subscription = narrowed(json!({}));
    subscription.rows.unsettled = [id("7")].into();
    let plan = subscription.plan();
    assert_eq!((events(&plan), again(&plan)), (2, Some(300)), "the next round looks");
    assert_eq!(said(&plan.status.conditions, "Ready"), "True/InSync", "nothing but the status waits");
    subscription.object.status = Some(plan.status);
    subscription.rows.unsettled.clear();
    subscription.old.unsettled = vec![id("9")];
    let plan = subscription.plan();
    assert_eq!((events(&plan), again(&plan)), (2, Some(300)), "on an endpoint it was on before too");
    subscription.old.unsettled.clear();
    let plan = subscription.plan();
    assert_eq!((events(&plan), again(&plan)), (1, None));
}

#[test]
fn where_nothing_is_taken_back_no_proof_is_waited_for() {
    let mut subscription = Subscription::settled(&["a"], &TWO);
    subscription.rows.unsettled = [id("7")].into();
    let plan = subscription.plan();
    assert_eq!((plan.step.clone(), events(&plan), again(&plan)), (SubscriptionStep::Rest, 2, None));
}

#[test]
fn a_switch_is_wholly_applied_although_a_removal_is_not_proved_yet() {
    let mut subscription = narrowed(json!({"active": false}));
    subscription.rows.unsettled = [id("7")].into();
    let plan = subscription.plan();
    assert_eq!((events(&plan), plan.status.applied.and_then(|applied| applied.active)), (2, Some(false)));
}

#[test]
fn what_is_frozen_takes_nothing_over_and_gives_nothing_up() {
    let mut subscription = narrowed(json!({"suspend": true}));
    assert_eq!(events(&subscription.plan()), 2, "the other row is somebody's to delete");
    subscription.rows.rows.retain(|row| &*row.event == "patient_created");
    subscription.rows.unsettled = [id("7")].into();
    let plan = subscription.plan();
    assert_eq!(said(&plan.status.conditions, "Ready"), "True/InSync");
    assert_eq!((events(&plan), again(&plan)), (2, None), "and waits for no proof");
    let mut looking = Subscription::new(&["a"], &["patient_created"]);
    looking.spec(json!({"suspend": true}));
    looking.rows.rows.push(row("5", "7", "a", "patient_created"));
    let plan = looking.plan();
    assert_eq!((said(&plan.status.conditions, "Ready"), plan.status.applied), ("True/InSync".into(), None));
}

#[test]
fn what_was_moved_already_and_is_declared_no_longer_goes_from_the_new_endpoint() {
    let mut subscription = Subscription::settled(&["a"], &TWO);
    let rows = std::mem::take(&mut subscription.rows.rows);
    subscription.moves_to("8", rows, true);
    subscription.acknowledge();
    subscription.obey_moves();
    subscription.spec(json!({"events": [{"event": "patient_created"}]}));
    assert_eq!(subscription.obey(), ["delete a/appointment_insertion of 8"]);
}

#[test]
fn rows_on_an_endpoint_that_is_not_held_are_nobodys_to_delete() {
    let mut subscription = Subscription::settled(&["a"], &TWO);
    subscription.moves_to("8", Vec::new(), true);
    subscription.spec(json!({"suspend": true, "events": [{"event": "patient_created"}]}));
    subscription.rows.rows.push(row("5", "8", "a", "patient_created"));
    subscription.rows.rows.push(row("6", "8", "a", "appointment_insertion"));
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.status.plan), (SubscriptionStep::Rest, Vec::<String>::new()));
}

#[test]
fn every_row_is_named_while_there_are_at_most_a_hundred() {
    for (pairs, named) in [(100, 100), (101, 0)] {
        let mut subscription = Subscription::new(&["a"], &[]);
        let event = |number| json!({"resourceType": "Made", "event": format!("e{number}")});
        subscription.spec(json!({"events": (0..pairs).map(event).collect::<Vec<_>>()}));
        subscription.acknowledge();
        subscription.obey();
        let status = subscription.object.status.unwrap();
        assert_eq!((status.desired, status.active, status.subscriptions.len()), (Some(pairs), Some(pairs), named));
    }
}
