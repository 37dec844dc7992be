//! rules.md *Switched off remotely*.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::api::endpoint::{GapCause, Reactivation};
use crate::plan::endpoint::EndpointStep;
use crate::plan::row_calls::{RowCall, SwitchCause};
use crate::plan::subscription::{EndpointLink, SubscriptionStep};

fn off() -> Endpoint {
    let mut endpoint = Endpoint::held();
    endpoint.status(json!({"subscriptions": {"active": 4, "undeclared": 0}}));
    endpoint.remote.held.as_mut().unwrap().active = false;
    endpoint.remote.held.as_mut().unwrap().updated_at = Some(at(NOW - 100));
    endpoint.object.status = Some(endpoint.plan().status);
    endpoint
}

#[test]
fn an_endpoint_is_switched_on_again_ever_more_rarely_and_the_gap_begins_two_days_before() {
    let mut endpoint = off();
    let gap = endpoint.object.status.as_ref().unwrap().delivery_gaps[0].clone();
    assert_eq!((gap.cause, gap.pairs, gap.from.0), (GapCause::EndpointSwitchedOff, 4, at(NOW - 100 - 48 * 3600)));
    endpoint.now = NOW + 599;
    assert_eq!(endpoint.says(), "False/SwitchedOffRemotely");
    endpoint.now = NOW + 600;
    assert_eq!(endpoint.step(), EndpointStep::Reactivate(id("7")));
    endpoint.memory.reactivated = Some(at(NOW + 600));
    endpoint.remote.held.as_mut().unwrap().active = true;
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Active"), "True/Delivering");
    assert_eq!(plan.status.reactivation.as_ref().map(|count| count.attempts), Some(1));
    assert!(plan.status.delivery_gaps[0].to.is_some());
    assert_eq!(plan.again.map(|again| again.as_secs()), Some(86_400), "then the count is forgotten");
    endpoint.object.status = Some(plan.status);
    endpoint.now = NOW + 700;
    endpoint.remote.held.as_mut().unwrap().active = false;
    let plan = endpoint.plan();
    assert_eq!(plan.again.map(|again| again.as_secs()), Some(3600), "the second time after an hour");
    endpoint.object.status = Some(plan.status);
    endpoint.status(json!({"reactivation": {"attempts": 3, "lastAttempt": "1970-01-12T13:46:40Z"}}));
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/SwitchedOffRemotely");
    assert_eq!(plan.again.map(|again| again.as_secs()), Some(86_400), "once a day");
    endpoint.spec(json!({"active": true}));
    assert!(matches!(endpoint.step(), EndpointStep::Patch(..)), "a new generation counts anew");
}

#[test]
fn never_means_never() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"reactivation": "Never"}));
    endpoint.object.status = Some(endpoint.plan().status);
    endpoint.remote.held.as_mut().unwrap().active = false;
    endpoint.now = NOW + 1_000_000;
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.again), (EndpointStep::Rest, None));
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/SwitchedOffRemotely");
}

fn link(silent: bool, reactivation: Reactivation) -> EndpointLink {
    EndpointLink::Usable {
        remote_id: id("7"),
        silent: silent.then_some("switched off"),
        off_remotely: silent,
        reactivation,
    }
}

#[test]
fn rows_are_switched_on_again_by_the_policy_of_their_endpoint() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.rows.rows[0].active = false;
    let plan = subscription.plan();
    assert_eq!(plan.step, SubscriptionStep::Rest);
    assert_eq!(said(&plan.status.conditions, "Reconciling"), "True/SwitchedOffRemotely");
    assert_eq!(plan.losses[0].cause, GapCause::SubscriptionsSwitchedOff);
    assert_eq!(plan.losses[0].from, at(NOW - 48 * 3600));
    subscription.memory.seen = plan.seen.unwrap();
    subscription.object.status = Some(plan.status);
    subscription.now = NOW + 600;
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert!(matches!(calls[0], RowCall::Switch { why: SwitchCause::Reactivation, active: true, .. }));
    subscription.link = link(false, Reactivation::Never);
    let plan = subscription.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/SwitchedOffRemotely");
}

#[test]
fn rows_that_were_flipped_with_their_endpoint_follow_it() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.rows.rows[0].active = false;
    subscription.link = link(true, Reactivation::Auto);
    let plan = subscription.plan();
    assert_eq!(plan.step, SubscriptionStep::Rest, "not before the endpoint is on");
    assert_eq!(said(&plan.status.conditions, "Ready"), "False/EndpointInactive");
    subscription.object.status = Some(plan.status);
    subscription.now = NOW + 10;
    subscription.link = link(false, Reactivation::Auto);
    assert!(matches!(subscription.step(), SubscriptionStep::Calls(_)), "at once");
}

#[test]
fn under_an_endpoint_that_is_off_as_declared_rows_that_were_switched_off_say_so() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.rows.rows[0].active = false;
    let reactivation = Reactivation::Auto;
    let silent = Some("switched off by its spec");
    subscription.link = EndpointLink::Usable { remote_id: id("7"), silent, off_remotely: false, reactivation };
    assert_eq!(subscription.says(), "False/SwitchedOffRemotely");
}

#[test]
fn what_was_switched_off_hides_no_refusal() {
    let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
    subscription.rows.rows[0].active = false;
    subscription.rows.rows.remove(1);
    subscription.memory.refused.insert(row("x", "7", "b", "patient_created").key(), refusal(422));
    let plan = subscription.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/Rejected", "of two");
    assert_eq!(plan.again.map(|again| again.as_secs()), Some(600), "then it is switched on");
}
