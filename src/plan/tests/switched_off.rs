//! rules.md *Switched off remotely*.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::api::endpoint::{GapCause, Reactivation};
use crate::plan::endpoint::EndpointStep;
use crate::plan::row_calls::{RowCall, SwitchCause};
use crate::plan::subscription::{EndpointLink, SubscriptionMemory, SubscriptionStep};

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
        leaving: None,
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

/// A hundred rows that were switched off while their endpoint was on, at the time of the first attempt.
fn many_off() -> Subscription {
    let names: Vec<String> = (0..100).map(|number| format!("p{number}")).collect();
    let mut subscription =
        Subscription::new(&names.iter().map(String::as_str).collect::<Vec<_>>(), &["patient_created"]);
    subscription.rows.practices = Some(names);
    subscription.acknowledge();
    subscription.obey();
    subscription.rows.rows.iter_mut().for_each(|row| row.active = false);
    let plan = subscription.plan();
    subscription.memory.seen = plan.seen.unwrap();
    subscription.object.status = Some(plan.status);
    subscription.now = NOW + 600;
    subscription
}

/// One batch, of which the provider answers the first so many, and switches them on or only says so.
fn attempt(subscription: &mut Subscription, answered: usize, truly: bool) -> usize {
    let plan = subscription.plan();
    subscription.memory.seen = plan.seen.unwrap();
    let SubscriptionStep::Calls(calls) = plan.step else {
        subscription.object.status = Some(plan.status);
        return 0;
    };
    for call in calls.iter().take(answered) {
        let RowCall::Switch { row, why: SwitchCause::Reactivation, active: true, .. } = call else {
            panic!("{call:?}")
        };
        subscription.memory.reactivated.insert(row.id.clone(), at(subscription.now));
        if truly {
            subscription.call(call);
        }
    }
    subscription.now += 20;
    // Counters are written while it works, too.
    subscription.object.status = Some(plan.status);
    calls.len()
}

#[test]
fn an_attempt_reaches_all_rows_however_many_batches_it_takes_and_whatever_cuts_one_short() {
    let mut subscription = many_off();
    assert_eq!(attempt(&mut subscription, 0, true), 64, "an outage lets none through");
    assert_eq!(subscription.plan().status.reactivation, None, "what switched nothing on is no attempt");
    assert_eq!(attempt(&mut subscription, 10, true), 64, "then only ten");
    assert_eq!(attempt(&mut subscription, 64, true), 64);
    assert_eq!(attempt(&mut subscription, 64, true), 26, "none of them waits for the second pause");
    let plan = subscription.plan();
    assert_eq!((plan.step, said(&plan.status.conditions, "Ready").as_str()), (SubscriptionStep::Rest, "True/InSync"));
    assert_eq!(plan.status.reactivation.unwrap().attempts, 1, "one attempt");
}

#[test]
fn rows_that_stay_off_although_the_provider_says_otherwise_wait_for_the_next_pause() {
    let mut subscription = many_off();
    assert_eq!(attempt(&mut subscription, 64, false), 64);
    assert_eq!(attempt(&mut subscription, 64, true), 36);
    assert_eq!(attempt(&mut subscription, 0, false), 0);
    let plan = subscription.plan();
    assert_eq!(plan.status.reactivation.as_ref().map(|count| count.attempts), Some(1));
    assert_eq!(plan.again.map(|again| again.as_secs()), Some(3600 - 40));
    subscription.now = NOW + 600 + 3600;
    assert_eq!(attempt(&mut subscription, 64, true), 64, "the second attempt");
}

#[test]
fn rows_that_follow_their_endpoint_and_stay_off_are_not_asked_at_every_pass() {
    for restarted in [false, true] {
        let mut subscription = many_off();
        if restarted {
            subscription.memory = SubscriptionMemory::default();
        }
        subscription.now = NOW + 10;
        for (asked, why) in [(64, "at once"), (36, "the rest of them"), (0, "they wait")] {
            subscription.status_says("EndpointInactive");
            assert_eq!(attempt(&mut subscription, 64, false), asked, "{why}");
        }
    }
}

#[test]
fn rows_follow_their_endpoint_each_time_it_comes_back() {
    let mut subscription = many_off();
    while attempt(&mut subscription, 64, true) > 0 {}
    subscription.now += 100;
    subscription.rows.rows.iter_mut().for_each(|row| row.active = false);
    subscription.link = link(true, Reactivation::Auto);
    assert_eq!(attempt(&mut subscription, 0, true), 0, "not before the endpoint is on");
    subscription.link = link(false, Reactivation::Auto);
    assert_eq!(attempt(&mut subscription, 64, true), 64, "at once, although there was an attempt before");
}

#[test]
fn a_row_that_was_on_meanwhile_is_no_part_of_the_attempt() {
    let mut subscription = many_off();
    assert_eq!(attempt(&mut subscription, 64, true), 64);
    let of = |subscription: &Subscription| subscription.rows.rows.iter().position(|row| !row.active).unwrap();
    let by_somebody = of(&subscription);
    subscription.rows.rows[by_somebody].active = true;
    let name = subscription.rows.rows[by_somebody].id.clone();
    assert_eq!(attempt(&mut subscription, 10, true), 35);
    let again = subscription.rows.rows.iter_mut().find(|row| row.id == name).unwrap();
    again.active = false;
    assert_eq!(attempt(&mut subscription, 64, true), 25, "it was switched off once more, which has its own pause");
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
    subscription.link =
        EndpointLink::Usable { remote_id: id("7"), leaving: None, silent, off_remotely: false, reactivation };
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
