//! rules.md *Suspend and Observe*.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::plan::AccountPolicy;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::plan::rotation::Publish;
use crate::plan::subscription::{EndpointLink, SubscriptionStep};

const OBSERVE: AccountPolicy = AccountPolicy { observe: true, orphan: false, releasing: false };

#[test]
fn nothing_is_made_and_the_plan_says_what_would_be() {
    let mut endpoint = Endpoint::new();
    endpoint.object.metadata.finalizers = None;
    endpoint.policy = OBSERVE;
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.plan.len()), (EndpointStep::Rest, 2));
    assert_eq!(said(&plan.status.conditions, "Ready"), "False/ObserveOnly");
    assert_eq!(said(&plan.status.conditions, "Reconciling"), "absent");
    assert_eq!(said(&plan.status.conditions, "Stalled"), "absent");
    assert!(plan.status.pending_create.is_none());
    endpoint.policy = AccountPolicy::default();
    endpoint.spec(json!({"suspend": true}));
    assert_eq!(endpoint.says(), "False/Suspended");
    endpoint.spec(json!({"suspend": false}));
    assert_eq!(endpoint.step(), EndpointStep::AddFinalizer);
}

#[test]
fn as_declared_is_ready_and_the_secret_is_still_published() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"suspend": true}));
    assert_eq!(endpoint.says(), "True/InSync");
    endpoint.secret = SecretView::Missing;
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("7"))));
    endpoint.secret = published();
    endpoint.spec(json!({"targetUrl": "https://hooks.example.com/new?token=1", "active": false}));
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Rest);
    assert_eq!(plan.status.plan.len(), 2);
    assert!(plan.status.plan[0].ends_with("to https://hooks.example.com/new"), "{}", plan.status.plan[0]);
    assert!(endpoint.plan().notes.is_empty());
}

#[test]
fn what_is_on_its_way_out_stays_and_a_twin_is_not_named() {
    let mut endpoint = Endpoint::held();
    endpoint.status(json!({"lastCreate":
        {"since": "1970-01-12T13:46:30Z", "until": "1970-01-12T13:46:40Z", "outstanding": true}}));
    endpoint.spec(json!({"suspend": true}));
    endpoint.remote.same_url = vec![candidate("9", Some(0))];
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.removing.len(), plan.notes.len()), (EndpointStep::Rest, 0, 0));
    endpoint.status(json!({"removing": ["9"]}));
    endpoint.look_again();
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.removing.as_slice()), (EndpointStep::Rest, ["9".to_owned()].as_slice()));
}

#[test]
fn what_was_switched_off_at_the_provider_is_said_and_would_be_switched_on() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"suspend": true}));
    endpoint.object.status = Some(endpoint.plan().status);
    endpoint.remote.held.as_mut().unwrap().active = false;
    let plan = endpoint.plan();
    assert_eq!(
        (plan.step, plan.status.plan.as_slice()),
        (
            EndpointStep::Rest,
            ["switch remote endpoint 7 on again, which was switched off at the provider".to_owned()].as_slice()
        )
    );
    let says = |kind| said(&plan.status.conditions, kind);
    assert_eq!((says("Ready"), says("Active")), ("False/Suspended".to_owned(), "False/SwitchedOffRemotely".to_owned()));
    assert_eq!((says("SecretPublished"), says("Stalled")), ("True/Published".to_owned(), "absent".to_owned()));
}

#[test]
fn what_nobody_would_switch_on_is_no_part_of_the_plan() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"suspend": true, "reactivation": "Never"}));
    endpoint.object.status = Some(endpoint.plan().status);
    endpoint.remote.held.as_mut().unwrap().active = false;
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.plan.len()), (EndpointStep::Rest, 0));
    assert_eq!(said(&plan.status.conditions, "Ready"), "False/SwitchedOffRemotely");
}

#[test]
fn an_adoption_is_proposed() {
    let mut endpoint = Endpoint::new();
    endpoint.policy = OBSERVE;
    endpoint.spec(json!({"adoption": "IfUnclaimed"}));
    endpoint.remote.same_url = vec![stranger("3", None)];
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Rest);
    assert!(plan.status.plan[0].starts_with("adopt remote endpoint 3"), "{:?}", plan.status.plan);
}

#[test]
fn deletion_under_suspend_deletes_and_under_observe_leaves() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"suspend": true}));
    endpoint.delete();
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("7")));
    endpoint.policy = OBSERVE;
    assert_eq!(endpoint.step(), EndpointStep::ReleaseSecret);
    endpoint.secret = SecretView::Missing;
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.notes[0].reason), (EndpointStep::RemoveFinalizer, "Orphaned"));
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.delete();
    assert!(matches!(subscription.step(), SubscriptionStep::Calls(_)));
    subscription.policy = OBSERVE;
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.notes[0].reason), (SubscriptionStep::RemoveFinalizer, "Orphaned"));
    assert!(plan.notes[0].text.contains("100"), "the ids: {}", plan.notes[0].text);
}

#[test]
fn rows_are_proposed_in_words() {
    let mut subscription = Subscription::new(&["a", "b"], &["patient_created"]);
    subscription.object.metadata.finalizers = None;
    subscription.policy = OBSERVE;
    subscription.rows.rows.push(row("5", "7", "a", "patient_created"));
    let plan = subscription.plan();
    assert_eq!(
        (plan.step, plan.status.plan.as_slice()),
        (SubscriptionStep::Rest, ["create patient_created of b".to_owned()].as_slice())
    );
    assert!(plan.status.applied.is_none(), "nothing is announced");
    subscription.rows.rows.push(row("6", "7", "b", "patient_created"));
    assert_eq!(subscription.says(), "True/InSync");
    subscription.link = EndpointLink::NotReady;
    let plan = subscription.plan();
    assert_eq!(said(&plan.status.conditions, "Ready"), "False/ObserveOnly");
    assert!(plan.status.plan[0].starts_with("make sure patient_created of a, b exists"), "{:?}", plan.status.plan);
}

#[test]
fn an_account_that_goes_by_orphan_releases_everything() {
    let mut endpoint = Endpoint::held();
    endpoint.policy = AccountPolicy { observe: false, orphan: true, releasing: true };
    endpoint.leaving = 1;
    assert_eq!(endpoint.says(), "False/Deleting", "its subscriptions first");
    endpoint.leaving = 0;
    assert_eq!(endpoint.step(), EndpointStep::ReleaseSecret);
    endpoint.secret =
        SecretView::Ours { current: Some(key()), previous: None, dressed: false, owned: false, rotated_at: None };
    assert_eq!(endpoint.step(), EndpointStep::RemoveFinalizer);
    endpoint.object.metadata.finalizers = None;
    assert_eq!(endpoint.says(), "False/AccountNotFound");
    let mut going = Endpoint::held();
    going.delete();
    going.leaving = 1;
    going.account = crate::plan::AccountView::Unavailable { long: false };
    going.policy = AccountPolicy { observe: false, orphan: true, releasing: false };
    assert_eq!(going.step(), EndpointStep::ReleaseSecret, "the way out, set on the account");
    going.account = ready();
    assert_eq!(going.step(), EndpointStep::Delete(id("7")), "an account that can be used deletes");
}
