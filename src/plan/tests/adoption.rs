//! rules.md *Which remote is mine*.

use serde_json::json;

use super::fixtures::*;
use crate::api::endpoint::GapCause;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::plan::rotation::Publish;
use crate::signing::SecretText;

/// The Secret as it is after the key of this candidate was published.
fn holding(id: &str) -> SecretView {
    let current = stranger(id, None).endpoint.key;
    SecretView::Ours { current, previous: None, dressed: true, owned: true, rotated_at: None }
}

#[test]
fn a_stranger_is_left_alone_and_named_with_what_would_adopt_it() {
    let mut endpoint = Endpoint::new();
    endpoint.remote.same_url = vec![stranger("3", None)];
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/RemoteExists");
    let message = &plan.status.conditions[0].message;
    assert!(message.contains("endpoint 3") && message.contains("adoptRemoteId") && message.contains("spec.adoption"));
}

#[test]
fn possession_of_the_key_is_proof_whatever_the_policy() {
    for previous in [false, true] {
        let mut endpoint = Endpoint::new();
        endpoint.remote.same_url = vec![stranger("3", Some(4)), stranger("5", Some(4))];
        let key = stranger("5", None).endpoint.key;
        let (current, previous) = if previous { (None, key) } else { (key, Some(SecretText::new("an-older-one"))) };
        endpoint.secret = SecretView::Ours { current, previous, dressed: true, owned: true, rotated_at: None };
        match endpoint.step() {
            EndpointStep::PublishSecret(five) => assert_eq!(five, Publish::only(&id("5")), "its key becomes current"),
            EndpointStep::Acknowledge => assert_eq!(endpoint.plan().status.remote_id.as_deref(), Some("5")),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_endpoint_is_adopted_key_first_and_never_begins_with_a_patch() {
    let mut endpoint = Endpoint::new();
    endpoint.spec(json!({"adoption": "IfUnclaimed", "active": false}));
    endpoint.remote.same_url = vec![stranger("3", Some(4))];
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("3"))));
    endpoint.secret = holding("3");
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.remote_id.as_deref()), (EndpointStep::Acknowledge, Some("3")));
    assert_eq!(plan.notes[0].reason, "Adopted");
    assert!(plan.status.pending_create.is_none() && plan.status.last_create.is_none(), "nothing was made");
    endpoint.object.status = Some(plan.status);
    endpoint.remote.held = Some(endpoint.remote.same_url.remove(0).endpoint);
    assert!(matches!(endpoint.step(), EndpointStep::Patch(..)), "only then is it made as declared");
}

#[test]
fn several_candidates_wait_for_a_person() {
    let mut endpoint = Endpoint::new();
    endpoint.spec(json!({"adoption": "IfUnclaimed"}));
    endpoint.remote.same_url = vec![stranger("3", None), stranger("5", None)];
    assert_eq!(endpoint.says(), "False/AmbiguousRemote");
    assert!(endpoint.plan().status.conditions[0].message.contains("3, 5"));
    endpoint.spec(json!({"adoptRemoteId": "5"}));
    endpoint.remote.named = Some(stranger("5", None));
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("5"))));
    endpoint.remote.same_url[0].taken = true;
    endpoint.spec(json!({"adoptRemoteId": null}));
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("5"))), "one is another object's");
}

#[test]
fn what_a_person_names_must_be_there_unclaimed_and_with_the_url() {
    let mut endpoint = Endpoint::new();
    endpoint.spec(json!({"adoptRemoteId": "5"}));
    let says = |endpoint: &Endpoint, words: &str| {
        let plan = endpoint.plan();
        assert_eq!(said(&plan.status.conditions, "Stalled"), "True/CannotAdopt");
        assert!(plan.status.conditions[0].message.contains(words), "{}", plan.status.conditions[0].message);
    };
    says(&endpoint, "does not list");
    let mut elsewhere = stranger("5", None);
    elsewhere.endpoint.target_url = "https://else.example.com/?token=1".into();
    endpoint.remote.named = Some(elsewhere);
    says(&endpoint, "https://else.example.com/,");
    let mut taken = stranger("5", None);
    (taken.taken, taken.held_elsewhere) = (true, true);
    endpoint.remote.named = Some(taken);
    says(&endpoint, "another WebhookEndpoint holds");
    endpoint.remote.named = Some(stranger("5", None));
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("5"))));
}

#[test]
fn an_adopted_endpoint_without_a_readable_key_waits_with_two_remedies() {
    let mut endpoint = Endpoint::new();
    endpoint.spec(json!({"adoption": "IfUnclaimed"}));
    let mut hidden = stranger("3", None);
    hidden.endpoint.key = None;
    endpoint.remote.same_url = vec![hidden];
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/KeyUnreadable");
    assert!(plan.status.remote_id.is_none() && plan.status.removing.is_empty(), "never removed: it is not ours");
    endpoint.secret = holding("3");
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge, "a restored Secret holds what the list hides");
    assert_eq!((plan.status.remote_id.as_deref(), plan.status.removing.len()), (Some("3"), 0));
}

#[test]
fn one_that_another_account_of_the_organisation_holds_is_no_reason_for_a_second() {
    let mut endpoint = Endpoint::new();
    let mut other = stranger("3", None);
    (other.taken, other.held_elsewhere) = (true, true);
    endpoint.remote.same_url = vec![other];
    assert_eq!(endpoint.says(), "False/Conflict");
}

#[test]
fn an_adopted_endpoint_that_was_deleted_is_made_again() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"adoptRemoteId": "7"}));
    endpoint.remote.held = None;
    let (first, last) = (at(NOW - 10), at(NOW));
    endpoint.remote.absence =
        Some(crate::provider::model::Absence { first, last, lists: 2, witnessed: true, seen: Some(at(NOW - 300)) });
    let plan = endpoint.plan();
    assert!(plan.status.pending_create.is_some());
    endpoint.object.status = Some(plan.status);
    endpoint.remote.listed_since_intent = true;
    endpoint.memory.intent_is_mine = true;
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)), "no brick");
}

/// One that was adopted by its id, and was deleted at the provider; another endpoint has its URL since.
fn replaced() -> Endpoint {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"adoptRemoteId": "7", "adoption": "IfUnclaimed"}));
    endpoint.status(json!({"subscriptions": {"active": 12, "undeclared": 0}}));
    endpoint.remote.held = None;
    let (first, last) = (at(NOW - 10), at(NOW));
    endpoint.remote.absence =
        Some(crate::provider::model::Absence { first, last, lists: 2, witnessed: true, seen: Some(at(NOW - 300)) });
    endpoint.remote.same_url = vec![stranger("9", Some(4))];
    endpoint
}

#[test]
fn another_may_take_the_place_of_a_deleted_one_and_what_was_missed_is_a_gap() {
    let mut endpoint = replaced();
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.remote_id.as_deref()), (EndpointStep::Acknowledge, None));
    assert_eq!(plan.notes[0].text, "remote endpoint 7 was deleted at the provider; taking over 9 instead");
    let gap = &plan.status.delivery_gaps[0];
    assert_eq!((gap.cause, gap.from.0, gap.pairs), (GapCause::EndpointMissing, at(NOW - 300), 12));
    endpoint.object.status = Some(plan.status);
    endpoint.remote.listed_since_intent = true;
    endpoint.memory.intent_is_mine = true;
    assert_eq!(
        endpoint.step(),
        EndpointStep::PublishSecret(Publish::only(&id("9"))),
        "no brick, though the id that is named is gone"
    );
    endpoint.secret = holding("9");
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.remote_id.as_deref()), (EndpointStep::Acknowledge, Some("9")));
    assert!(!plan.status.last_create.unwrap().outstanding, "no POST was sent, so nothing is taken for a twin");
}

#[test]
fn under_suspend_the_plan_says_which_one_would_take_its_place() {
    let mut endpoint = replaced();
    endpoint.spec(json!({"suspend": true}));
    let plan = endpoint.plan();
    assert_eq!(
        (plan.step, plan.status.plan.as_slice()),
        (
            EndpointStep::Rest,
            ["adopt remote endpoint 9 (spec.adoption is IfUnclaimed), because 7 was deleted at the provider"
                .to_owned()]
            .as_slice()
        )
    );
    assert!(plan.notes.is_empty() && plan.status.delivery_gaps.is_empty() && plan.status.remote_id.is_some());
    endpoint.remote.same_url.clear();
    assert_eq!(
        endpoint.plan().status.plan,
        [
            "create the remote endpoint that delivers to https://hooks.example.com/nexhealth again, because 7 was deleted at the provider"
        ]
    );
}
