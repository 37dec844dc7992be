//! Drift, fights over it, and the gaps in deliveries that losses leave.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::api::endpoint::GapCause;
use crate::plan::PlanTiming;
use crate::plan::contention::Field;
use crate::plan::endpoint::EndpointStep;
use crate::plan::gaps::Loss;
use crate::plan::row_calls::{RowCall, SwitchCause};
use crate::plan::subscription::SubscriptionStep;
use crate::provider::model::Absence;

#[test]
fn drift_is_told_from_an_edit() {
    let mut endpoint = Endpoint::held();
    endpoint.remote.held.as_mut().unwrap().target_url = "https://moved.example.com/".into();
    let plan = endpoint.plan();
    assert!(matches!(plan.step, EndpointStep::Patch(..)));
    assert_eq!((plan.notes[0].reason, plan.corrects.as_slice()), ("DriftCorrected", [Field::TargetUrl].as_slice()));
    endpoint.spec(json!({"active": true}));
    let plan = endpoint.plan();
    assert_eq!((plan.notes[0].reason, plan.corrects.len()), ("Updated", 0), "perhaps our own edit");
}

#[test]
fn a_fight_ends_after_three_corrections() {
    let timing = PlanTiming::default();
    let mut endpoint = Endpoint::held();
    endpoint.remote.held.as_mut().unwrap().target_url = "https://moved.example.com/".into();
    for _ in 0..3 {
        assert!(matches!(endpoint.step(), EndpointStep::Patch(..)));
        endpoint.memory.corrections.record(&id("7"), Field::TargetUrl, at(endpoint.now), &timing);
        endpoint.now += 300;
    }
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/Contended");
    assert!(plan.again.unwrap().as_secs() > 5 * 3600);
    endpoint.object.status = Some(plan.status);
    assert_eq!(endpoint.says(), "False/Contended", "a fixpoint");
}

#[test]
fn a_fight_over_a_row_leaves_the_others_alone() {
    let timing = PlanTiming::default();
    let mut subscription = Subscription::new(&["a"], &["patient_created"]);
    subscription.spec(json!({"active": false}));
    subscription.acknowledge();
    subscription.obey();
    let row = subscription.rows.rows[0].id.clone();
    for _ in 0..3 {
        subscription.rows.rows[0].active = true;
        let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
        assert!(matches!(calls[0], RowCall::Switch { why: SwitchCause::Drift, active: false, .. }));
        subscription.memory.corrections.record(&row, Field::Active, at(NOW), &timing);
    }
    assert_eq!(subscription.says(), "False/Contended");
}

#[test]
fn a_deleted_endpoint_leaves_a_gap_until_everything_is_there_again() {
    let mut endpoint = Endpoint::held();
    endpoint.status(json!({"subscriptions": {"active": 12, "undeclared": 0}}));
    endpoint.remote.held = None;
    let absence = Absence { first: at(NOW - 10), last: at(NOW), lists: 2, witnessed: true, seen: Some(at(NOW - 300)) };
    endpoint.remote.absence = Some(absence);
    let plan = endpoint.plan();
    let gap = &plan.status.delivery_gaps[0];
    assert_eq!((gap.cause, gap.from.0, gap.pairs), (GapCause::EndpointMissing, at(NOW - 300), 12));
    assert!(gap.to.is_none() && gap.practices.is_empty());
    endpoint.object.status = Some(plan.status);
    endpoint.status(json!({"remoteId": "8", "pendingCreate": null}));
    endpoint.remote.held = Some(remote("8"));
    endpoint.unsettled = 1;
    assert!(endpoint.plan().status.delivery_gaps[0].to.is_none(), "its subscriptions are not made yet");
    endpoint.unsettled = 0;
    endpoint.now = NOW + 60;
    let plan = endpoint.plan();
    assert_eq!(plan.status.delivery_gaps[0].to.as_ref().map(|to| to.0), Some(at(NOW + 60)));
    assert!(plan.gap_seconds > 359.0 && plan.notes.iter().any(|note| note.reason == "DeliveryGap"));
    endpoint.object.status = Some(plan.status);
    assert!(endpoint.plan().notes.is_empty());
}

#[test]
fn losses_of_subscriptions_are_written_down_by_the_endpoint() {
    let mut endpoint = Endpoint::held();
    let practices = Some(["sunshine".to_owned()].into());
    let cause = GapCause::SubscriptionsMissing;
    endpoint.losses = vec![Loss { cause, from: at(NOW - 50), to: None, practices, pairs: 3 }];
    let plan = endpoint.plan();
    assert!(plan.status.delivery_gaps[0].to.is_none());
    endpoint.object.status = Some(plan.status);
    endpoint.losses[0].to = Some(at(NOW + 5));
    let plan = endpoint.plan();
    let gap = &plan.status.delivery_gaps[0];
    assert_eq!(
        (gap.practices.as_slice(), gap.to.as_ref().map(|to| to.0)),
        (["sunshine".to_owned()].as_slice(), Some(at(NOW + 5)))
    );
    endpoint.object.status = Some(plan.status);
    endpoint.losses.clear();
    assert_eq!(endpoint.plan().status, endpoint.object.status.clone().unwrap());
}

#[test]
fn what_a_process_before_this_one_left_open_is_closed() {
    let mut endpoint = Endpoint::held();
    endpoint.status(
        json!({"deliveryGaps": [{"from": "1970-01-12T13:00:00Z", "cause": "SubscriptionsMissing", "pairs": 1}]}),
    );
    assert!(endpoint.plan().status.delivery_gaps[0].to.is_some());
}

#[test]
fn a_missing_row_is_a_loss_and_a_new_one_is_not() {
    let mut subscription = Subscription::new(&["a"], &["patient_created"]);
    subscription.acknowledge();
    assert!(subscription.plan().losses.is_empty());
    let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
    subscription.rows.rows.retain(|row| row.practice.as_deref() == Some("#a"));
    let plan = subscription.plan();
    assert_eq!(plan.losses.len(), 1);
    let loss = &plan.losses[0];
    assert_eq!((loss.cause, loss.pairs, loss.from), (GapCause::SubscriptionsMissing, 1, at(NOW)));
    assert_eq!(loss.practices.as_ref().unwrap().iter().collect::<Vec<_>>(), ["b"]);
    assert!(plan.notes[0].text.contains("patient_created of b"), "{}", plan.notes[0].text);
    subscription.obey();
    assert!(subscription.plan().losses.is_empty());
}
