//! rules.md *Pairs*, *Create* (rows), *Absence* (rows), on one endpoint.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::api::endpoint::Reactivation;
use crate::api::subscription::EventSpec;
use crate::plan::AccountView;
use crate::plan::row_calls::{BATCH, RowCall};
use crate::plan::subscription::{EndpointLink, SubscriptionStep};
use crate::provider::model::RowCreateState;

#[test]
fn what_is_declared_is_announced_then_made() {
    let mut subscription = Subscription::new(&["a"], &["appointment_insertion", "patient_created"]);
    subscription.object.metadata.finalizers = None;
    assert_eq!(subscription.step(), SubscriptionStep::AddFinalizer);
    subscription.object.metadata.finalizers = Subscription::new(&[], &[]).object.metadata.finalizers;
    let fresh = subscription.acknowledge();
    assert_eq!(fresh.len(), 2);
    assert_eq!(subscription.applied().events, ["appointment_insertion", "patient_created"]);
    assert_eq!(subscription.obey(), ["create a/appointment_insertion", "create a/patient_created"]);
    let status = subscription.object.status.clone().unwrap();
    assert_eq!((status.desired, status.active, status.failed), (Some(2), Some(2), Some(0)));
    assert_eq!(said(&status.conditions, "Ready"), "True/InSync");
    assert_eq!(subscription.plan().status, status, "a fixpoint");
}

#[test]
fn lists_come_before_calls() {
    let mut subscription = Subscription::new(&["a"], &["patient_created"]);
    subscription.rows.practices = None;
    assert_eq!(subscription.step(), SubscriptionStep::ListPractices);
    subscription.rows.practices = Some(vec!["a".into()]);
    subscription.acknowledge();
    subscription.rows.unknown.insert(id("7"));
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
    subscription.rows.unknown.clear();
    subscription.rows.unsettled.insert(id("7"));
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")), "a list older than our last write");
    subscription.rows.unsettled.clear();
    assert!(matches!(subscription.step(), SubscriptionStep::Calls(_)));
}

#[test]
fn an_edit_applies_the_union_and_creates_before_it_deletes() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.spec(json!({"practices": ["b"], "events": [{"event": "appointment_insertion"}]}));
    subscription.acknowledge();
    assert_eq!(subscription.applied().scope.practices, ["a", "b"]);
    assert_eq!(subscription.applied().events, ["patient_created", "appointment_insertion"]);
    assert_eq!(subscription.obey(), ["create b/appointment_insertion", "delete a/patient_created of 7"]);
    assert_eq!(subscription.applied().scope.practices, ["b"], "wholly taken back");
}

#[test]
fn batches_are_bounded() {
    let events: Vec<String> = (0..65).map(|i| format!("e{i}")).collect();
    let mut subscription = Subscription::new(&["a"], &events.iter().map(String::as_str).collect::<Vec<_>>());
    for event in &mut subscription.object.spec.events {
        event.resource_type = Some("Made".into());
    }
    subscription.acknowledge();
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), BATCH);
}

#[test]
fn each_item_fails_alone() {
    let mut subscription = Subscription::new(&["a", "nowhere"], &["patient_created", "account_changed", "made_up"]);
    subscription.acknowledge();
    assert_eq!(subscription.obey(), ["create a/patient_created"]);
    let status = subscription.object.status.clone().unwrap();
    assert_eq!(said(&status.conditions, "Ready"), "False/PartlyRejected");
    assert_eq!(said(&status.conditions, "KnownEvents"), "False/UnknownEvents");
    let reasons: Vec<&str> = status.failures.iter().map(|failure| failure.reason.as_str()).collect();
    assert_eq!(
        reasons,
        ["NeedsAccountWide", "ResourceTypeMissing", "PracticeNotFound", "NeedsAccountWide", "ResourceTypeMissing"]
    );
    assert_eq!((status.desired, status.active, status.failed), (Some(6), Some(1), Some(5)));
    let mut wide = Subscription::new(&[], &["patient_created"]);
    wide.spec(json!({"practices": null, "accountWide": {}}));
    wide.acknowledge();
    wide.obey();
    assert_eq!(wide.object.status.as_ref().unwrap().failures[0].reason, "NeedsPractice");
    assert_eq!(wide.says(), "False/Rejected");
}

#[test]
fn an_unknown_event_with_its_type_is_sent() {
    let mut subscription = Subscription::new(&["a"], &["made_up"]);
    subscription.object.spec.events = vec![EventSpec { resource_type: Some("Made".into()), event: "made_up".into() }];
    subscription.acknowledge();
    assert_eq!(subscription.obey(), ["create a/made_up"]);
    let conditions = &subscription.object.status.as_ref().unwrap().conditions;
    assert_eq!(said(conditions, "KnownEvents"), "False/UnknownEvents");
    assert_eq!(said(conditions, "Ready"), "True/InSync", "KnownEvents never touches Ready");
    subscription.spec(json!({"events": [{"event": "patient_created"}]}));
    subscription.acknowledge();
    assert_eq!(subscription.obey(), ["create a/patient_created", "delete a/made_up of 7"], "and can be taken back");
}

#[test]
fn refusals_are_believed_for_hours_and_then_tried_again() {
    let mut subscription = Subscription::new(&["a"], &["patient_created"]);
    let fresh = subscription.acknowledge();
    subscription.memory.refused.insert(fresh[0].clone(), refusal(403));
    let plan = subscription.plan();
    assert_eq!(
        (said(&plan.status.conditions, "Stalled"), plan.again.map(|wait| wait.as_secs())),
        ("True/Rejected".into(), Some(21_600))
    );
    subscription.now += 21_600;
    assert!(matches!(subscription.step(), SubscriptionStep::Calls(_)));
}

#[test]
fn a_row_that_cannot_be_deleted_is_not_forgotten() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created", "appointment_insertion"]);
    let stuck = subscription.rows.rows.iter().find(|row| &*row.event == "patient_created").unwrap().id.clone();
    subscription.spec(json!({"events": [{"event": "appointment_insertion"}]}));
    subscription.memory.undeletable.insert(stuck, refusal(403));
    let plan = subscription.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/RemoteNotDeleted");
    assert!(plan.again.is_some());
    subscription.object.status = Some(plan.status);
    assert_eq!(subscription.applied().events.len(), 2, "it stays ours until it is gone");
    subscription.now += 21_600;
    assert_eq!(subscription.obey(), ["delete a/patient_created of 7"]);
    assert_eq!(subscription.says(), "True/InSync");
    assert_eq!(subscription.applied().events.len(), 1);
}

#[test]
fn twins_on_a_held_endpoint_go_and_the_lowest_stays() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.rows.rows.push(row("99", "7", "a", "patient_created"));
    assert_eq!(subscription.obey().len(), 1);
    assert_eq!(subscription.rows.rows[0].id, id("99"), "99 is lower than 100");
}

#[test]
fn one_missing_row_is_made_at_once_and_many_after_a_second_look() {
    let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
    subscription.rows.rows.remove(0);
    let plan = subscription.plan();
    assert!(matches!(&plan.step, SubscriptionStep::Calls(calls) if calls.len() == 1));
    assert_eq!(plan.notes[0].reason, "SubscriptionMissing");

    subscription.rows.rows.clear();
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.again.map(|wait| wait.as_secs())), (SubscriptionStep::Rest, Some(10)), "all of them");
    subscription.memory.missing_since = plan.missing_since;
    subscription.now += 10;
    let plan = subscription.plan();
    assert_eq!(plan.step, SubscriptionStep::ListRows(id("7")));
    subscription.memory.missing_since = plan.missing_since;
    subscription.rows.listed_at = Some(at(NOW + 10));
    assert!(
        matches!(subscription.step(), SubscriptionStep::Calls(calls) if calls.len() == 2),
        "the second look counts"
    );
}

#[test]
fn lost_answers_are_looked_for() {
    let mut subscription = Subscription::new(&["a", "b"], &["patient_created"]);
    let fresh = subscription.acknowledge();
    subscription.rows.states.insert(fresh[0].clone(), RowCreateState::Uncertain { look_after: at(NOW + 30) });
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 1);
    assert!(matches!(&calls[0], RowCall::Create { key, .. } if *key == fresh[1]), "the other is made meanwhile");
    subscription.rows.states.insert(fresh[1].clone(), RowCreateState::InFlight);
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.again.map(|wait| wait.as_secs())), (SubscriptionStep::Rest, Some(30)));
    subscription.now += 30;
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
}

#[test]
fn switches() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.rows.rows[0].active = false;
    assert_eq!(subscription.says(), "False/SwitchedOffRemotely", "never drift");
    subscription.rows.rows[0].active = true;
    subscription.spec(json!({"active": false}));
    subscription.acknowledge();
    assert_eq!(subscription.obey(), ["switch a/patient_created false"]);
    assert_eq!(subscription.says(), "True/InSync");
    subscription.spec(json!({"active": true}));
    subscription.acknowledge();
    assert_eq!(subscription.obey(), ["switch a/patient_created true"]);
}

#[test]
fn a_pair_goes_with_the_last_that_declares_it() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created", "appointment_insertion"]);
    subscription.siblings = vec![(declaring("other", &["a"], &["patient_created"]), false)];
    subscription.spec(json!({"practices": ["b"]}));
    subscription.acknowledge();
    assert_eq!(
        subscription.obey(),
        ["create b/patient_created", "create b/appointment_insertion", "delete a/appointment_insertion of 7"]
    );
}

#[test]
fn if_declarers_disagree_it_is_active_and_the_younger_says_so() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.siblings = vec![(declaring("older", &["a"], &["patient_created"]), true)];
    subscription.spec(json!({"active": false}));
    subscription.acknowledge();
    assert_eq!(subscription.obey(), Vec::<String>::new());
    assert_eq!(subscription.says(), "False/DeclaredElsewhere");
}

#[test]
fn a_deleting_object_declares_nothing_unless_it_leaves_its_rows() {
    let mut leaving = declaring("other", &["a"], &["patient_created"]);
    leaving.metadata.deletion_timestamp = Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(NOW)));
    for (policy, deletes) in [("Delete", 1), ("Orphan", 0)] {
        leaving.spec = changed(leaving.spec.clone(), json!({"deletionPolicy": policy}));
        let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
        subscription.siblings = vec![(leaving.clone(), false)];
        subscription.spec(json!({"practices": ["b"]}));
        assert_eq!(subscription.obey().len(), deletes, "{policy}");
    }
}

#[test]
fn what_stands_in_the_way_is_said_without_a_call() {
    let cases: [(&str, EndpointLink, AccountView); 6] = [
        ("False/EndpointNotFound", EndpointLink::NotFound, ready()),
        ("False/EndpointNotFound", EndpointLink::Going, ready()),
        ("Unknown/EndpointNotReady", EndpointLink::NotReady, ready()),
        ("False/AccountNotFound", EndpointLink::NotReady, AccountView::NotFound),
        ("Unknown/AccountNotReady", Subscription::new(&[], &[]).link, AccountView::NotReady("why".into())),
        ("Unknown/ProviderUnavailable", Subscription::new(&[], &[]).link, AccountView::Unavailable { long: true }),
    ];
    for (says, link, account) in cases {
        let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
        (subscription.link, subscription.account) = (link, account);
        assert_eq!(subscription.says(), says);
    }
    let mut short = Subscription::settled(&["a"], &["patient_created"]);
    short.account = AccountView::Unavailable { long: false };
    assert_eq!(Some(short.plan().status), short.object.status, "a short outage changes nothing");
    let mut silent = Subscription::settled(&["a"], &["patient_created"]);
    silent.link = EndpointLink::Usable {
        remote_id: id("7"),
        leaving: None,
        silent: Some("switched off"),
        off_remotely: false,
        reactivation: Reactivation::Auto,
    };
    assert_eq!(silent.says(), "False/EndpointInactive");
}
