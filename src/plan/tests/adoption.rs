//! rules.md *Which remote is mine*.

use serde_json::json;

use super::fixtures::*;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::signing::SecretText;

/// The Secret as it is after the key of this candidate was published.
fn holding(id: &str) -> SecretView {
    let current = stranger(id, None).endpoint.key;
    SecretView::Ours { current, previous: None, dressed: true, owned: true }
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
        endpoint.secret = SecretView::Ours { current, previous, dressed: true, owned: true };
        match endpoint.step() {
            EndpointStep::PublishSecret(five) => assert_eq!(five, id("5"), "its key becomes current"),
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
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(id("3")));
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
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(id("5")));
    endpoint.remote.same_url[0].taken = true;
    endpoint.spec(json!({"adoptRemoteId": null}));
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(id("5")), "one is another object's");
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
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(id("5")));
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
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)), "no brick");
}
