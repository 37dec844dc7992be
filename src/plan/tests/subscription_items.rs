//! rules.md *Pairs*, *Switched off remotely*, *Outcomes*: one declared pair that is not as declared, and why.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::plan::row_calls::{RowCall, SwitchCause};
use crate::plan::subscription::SubscriptionStep;

/// How, why, and through which practice the only row is switched.
fn switch(subscription: &Subscription) -> (bool, SwitchCause, Option<String>) {
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!("{:?}", subscription.step()) };
    let [RowCall::Switch { active, why, practice, .. }] = calls.as_slice() else { panic!("{calls:?}") };
    (*active, *why, practice.as_deref().map(str::to_owned))
}

#[test]
fn a_switch_by_an_edit_is_no_drift_whoever_has_edited() {
    let a = Some("a".to_owned());
    let mut own = Subscription::settled(&["a"], &["patient_created"]);
    own.spec(json!({"active": false}));
    own.acknowledge();
    assert_eq!(switch(&own), (false, SwitchCause::Declared, a.clone()));
    own.obey();
    own.siblings = vec![(declaring("other", &["a"], &["patient_created"]), false)];
    assert_eq!(switch(&own), (true, SwitchCause::Declared, a.clone()), "another object wants it on");
    own.obey();
    own.siblings.clear();
    assert_eq!(switch(&own), (false, SwitchCause::Drift, a));
}

#[test]
fn rows_of_the_account_are_switched_through_any_practice() {
    let mut subscription = Subscription::new(&[], &["account_changed"]);
    subscription.spec(json!({"practices": null, "accountWide": {}}));
    assert_eq!(subscription.obey(), ["create -/account_changed"]);
    subscription.spec(json!({"active": false}));
    subscription.acknowledge();
    assert_eq!(switch(&subscription), (false, SwitchCause::Declared, Some("a".to_owned())));
}

#[test]
fn only_the_younger_one_that_is_overruled_says_declared_elsewhere() {
    // Whether this object is active, and whether the other one, which is not of that mind, is older.
    let cases = [
        (false, true, "False/DeclaredElsewhere"),
        (false, false, "True/InSync"),
        (true, true, "True/InSync"),
        (true, false, "True/InSync"),
    ];
    for (active, older, says) in cases {
        let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
        let mut other = declaring("other", &["a"], &["patient_created"]);
        other.spec.active = !active;
        subscription.siblings = vec![(other, older)];
        subscription.spec(json!({"active": active}));
        assert_eq!(subscription.obey(), Vec::<String>::new(), "it stays active");
        assert_eq!(subscription.says(), says, "active: {active}, the other one older: {older}");
    }
    let mut overruled_elsewhere = Subscription::settled(&["a"], &["patient_created"]);
    overruled_elsewhere.siblings = vec![(declaring("other", &["a"], &["appointment_insertion"]), true)];
    overruled_elsewhere.spec(json!({"active": false}));
    assert_eq!(overruled_elsewhere.obey(), ["switch a/patient_created false"], "who declares another pair has no say");
}

#[test]
fn each_row_of_a_practice_out_of_reach_is_found_by_its_id_or_by_what_it_is() {
    let events = ["patient_created", "appointment_insertion", "made_up"];
    let mut subscription = Subscription::new(&["a", "b"], &events);
    subscription.object.spec.events[2].resource_type = Some("Made".into());
    subscription.obey();
    let before = subscription.object.status.clone().unwrap();
    assert_eq!((before.active, before.subscriptions.len()), (Some(6), 6));
    subscription.rows.practices = Some(vec!["a".into()]);
    let plan = subscription.plan();
    assert_eq!(plan.status.subscriptions, before.subscriptions, "by the ids in the status");
    assert!(plan.status.failures.iter().all(|failure| failure.reason == "PracticeUnreachable"));
    subscription.object.status.as_mut().unwrap().subscriptions.clear();
    assert_eq!(subscription.plan().status.active, Some(3), "nothing leads to them");
    subscription.rows.former = vec!["b".into()];
    assert_eq!(subscription.plan().status.subscriptions, before.subscriptions, "by the practice's former key");
}

#[test]
fn a_row_that_was_moved_away_by_hand_is_not_there() {
    let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
    subscription.rows.practices = Some(vec!["a".into()]);
    subscription
        .rows
        .rows
        .iter_mut()
        .filter(|row| row.practice.as_deref() == Some("#b"))
        .for_each(|row| row.endpoint = id("9"));
    let plan = subscription.plan();
    assert_eq!((plan.status.active, plan.status.failures[0].reason.as_str()), (Some(1), "PracticeNotFound"));
}

#[test]
fn of_several_refusals_the_first_to_end_is_tried_again_first() {
    let mut subscription = Subscription::new(&["a", "b", "c"], &["patient_created"]);
    let fresh = subscription.acknowledge();
    for (key, ago) in fresh.into_iter().zip([30_000, 1000, 500]) {
        let refused = crate::plan::Refusal { at: at(NOW - ago), ..refusal(422) };
        subscription.memory.refused.insert(key, refused);
    }
    assert_eq!(subscription.obey(), ["create a/patient_created"], "that refusal is over");
    let plan = subscription.plan();
    assert_eq!(plan.again.map(|again| again.as_secs()), Some(21_600 - 1000));
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/PartlyRejected");
}
