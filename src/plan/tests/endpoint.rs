//! An endpoint object that holds an id: rules.md *Absence*, *Switched off remotely*, *Keys and the Secret*, twins.

use serde_json::json;

use super::fixtures::*;
use crate::plan::AccountView;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::plan::rotation::Publish;
use crate::provider::model::{Absence, EndpointPatch};

fn absent(lists: u32, seconds: i64, witnessed: bool) -> Option<Absence> {
    Some(Absence { first: at(NOW - seconds), last: at(NOW), lists, witnessed, seen: None })
}

#[test]
fn as_declared_is_at_rest_and_writes_nothing_again() {
    let endpoint = Endpoint::held();
    let plan = endpoint.plan();
    assert_eq!((plan.step, Some(plan.status)), (EndpointStep::Rest, endpoint.object.status.clone()));
    assert!(plan.notes.is_empty());
}

#[test]
fn edits_become_patches() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"targetUrl": "https://other.example.com/x", "active": false}));
    let patch = EndpointPatch { target_url: Some("https://other.example.com/x".into()), active: Some(false) };
    assert_eq!(endpoint.step(), EndpointStep::Patch(id("7"), patch));
    endpoint.memory.refused = Some(refusal(422));
    assert_eq!(endpoint.says(), "False/Rejected");
    assert!(endpoint.plan().again.is_some());
    let mut same = Endpoint::held();
    same.spec(json!({"targetUrl": "HTTPS://hooks.example.com:443/nexhealth"}));
    assert_eq!(same.step(), EndpointStep::Rest, "the same URL in other words is no edit");
}

#[test]
fn what_was_switched_off_at_the_provider_is_no_drift() {
    let mut endpoint = Endpoint::held();
    endpoint.remote.held.as_mut().unwrap().active = false;
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Rest);
    assert_eq!(said(&plan.status.conditions, "Active"), "False/SwitchedOffRemotely");
    assert_eq!(said(&plan.status.conditions, "Reconciling"), "True/SwitchedOffRemotely");
    assert_eq!(plan.again.map(|wait| wait.as_secs()), Some(600));
    endpoint.object.status = Some(plan.status);
    assert_eq!(endpoint.says(), "False/SwitchedOffRemotely", "a fixpoint");
    endpoint.spec(json!({"active": true}));
    let on = EndpointPatch { target_url: None, active: Some(true) };
    assert_eq!(endpoint.step(), EndpointStep::Patch(id("7"), on), "a new generation counts anew");
}

#[test]
fn an_edit_made_during_trouble_with_the_account_still_switches_on() {
    let mut endpoint = Endpoint::held();
    endpoint.remote.held.as_mut().unwrap().active = false;
    endpoint.object.status = Some(endpoint.plan().status);
    endpoint.spec(json!({"active": true}));
    endpoint.account = AccountView::NotReady("no key".into());
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "SecretPublished"), "True/Published", "kept through the trouble");
    assert_eq!(said(&plan.status.conditions, "Active"), "absent", "found under another generation");
    endpoint.object.status = Some(plan.status);
    endpoint.account = ready();
    assert!(matches!(endpoint.step(), EndpointStep::Patch(..)));
}

#[test]
fn switched_off_by_the_spec_is_as_declared() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"active": false}));
    endpoint.remote.held.as_mut().unwrap().active = false;
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Ready"), "True/InSync");
    assert_eq!(said(&plan.status.conditions, "Active"), "False/AsDeclared");
    endpoint.object.status = Some(plan.status);
    endpoint.spec(json!({"active": true}));
    assert!(matches!(endpoint.step(), EndpointStep::Patch(..)));
}

#[test]
fn the_secret_is_put_back() {
    for secret in [
        SecretView::Missing,
        SecretView::Ours { current: None, previous: None, dressed: true, owned: true, rotated_at: None },
        SecretView::Ours {
            current: Some(crate::signing::SecretText::new("tampered")),
            previous: None,
            dressed: true,
            owned: true,
            rotated_at: None,
        },
        SecretView::Ours { current: Some(key()), previous: None, dressed: false, owned: true, rotated_at: None },
    ] {
        let mut endpoint = Endpoint::held();
        endpoint.secret = secret;
        assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("7"))));
    }
    let mut hidden = Endpoint::held();
    hidden.remote.held.as_mut().unwrap().key = None;
    assert_eq!(hidden.says(), "True/InSync", "a list that hides keys is no reason to doubt the Secret");
    hidden.status(json!({"signingSecret": null}));
    let named = hidden.plan().status.signing_secret.unwrap();
    assert_eq!((named.name.as_str(), named.fingerprint), ("intake-signing", key().fingerprint()), "as published");
    hidden.secret = SecretView::Missing;
    let plan = hidden.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge);
    assert_eq!(said(&plan.status.conditions, "SecretPublished"), "False/KeyLost");
    assert_eq!(said(&plan.status.conditions, "Rotating"), "True/Preparing", "rules.md Keys and the Secret: at once");
}

#[test]
fn absence_takes_two_lists_a_gap_and_a_witness() {
    let mut endpoint = Endpoint::held();
    endpoint.remote.held = None;
    assert_eq!(endpoint.step(), EndpointStep::ListWorld);
    endpoint.remote.absence = absent(1, 0, true);
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.again.map(|wait| wait.as_secs())), (EndpointStep::Rest, Some(10)));
    assert_eq!(plan.status.remote_id.as_deref(), Some("7"), "not given up");
    endpoint.now = NOW + 4;
    assert_eq!(endpoint.plan().again.map(|wait| wait.as_secs()), Some(6), "what is left of the gap");
    endpoint.now = NOW + 10;
    assert_eq!(endpoint.step(), EndpointStep::ListWorld);
    endpoint.now = NOW;
    endpoint.remote.absence = absent(2, 9, true);
    assert_eq!(endpoint.says(), "Unknown/Progressing", "less than the gap apart");
    endpoint.remote.absence = absent(2, 10, false);
    assert_eq!(endpoint.says(), "Unknown/Progressing", "no witness");
    endpoint.remote.absence = absent(2, 10, true);
    endpoint.remote.same_url = vec![stranger("3", Some(4))];
    assert_eq!(endpoint.says(), "False/RemoteExists");
    endpoint.remote.same_url.clear();
    let plan = endpoint.plan();
    assert_eq!((plan.step, &plan.status.remote_id), (EndpointStep::Acknowledge, &None));
    assert!(plan.status.pending_create.is_some());
    assert_eq!(plan.notes[0].reason, "RemoteMissing");
    endpoint.remote.absence = absent(3, 310, true);
    assert_eq!(endpoint.step(), EndpointStep::Acknowledge, "one more list is no less proof");
}

#[test]
fn a_late_post_of_the_create_before_is_taken_when_the_held_one_has_vanished() {
    let mut endpoint = Endpoint::held();
    endpoint.status(
        json!({"lastCreate": {"since": "1970-01-12T13:46:30Z", "until": "1970-01-12T13:46:40Z", "outstanding": true}}),
    );
    endpoint.remote.held = None;
    endpoint.remote.absence = absent(2, 10, true);
    endpoint.remote.same_url = vec![candidate("9", None)];
    assert_eq!(endpoint.step(), EndpointStep::ListRows(id("9")));
    endpoint.remote.same_url = vec![candidate("9", Some(0))];
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge);
    assert!(plan.status.pending_create.as_ref().unwrap().seen_remote_ids.is_empty(), "9 is not disowned");
    endpoint.object.status = Some(plan.status);
    endpoint.remote.listed_since_intent = true;
    assert_eq!(endpoint.plan().status.remote_id.as_deref(), Some("9"));
}

#[test]
fn twins_go_only_if_a_post_may_have_been_lost() {
    let last = |outstanding: bool| json!({"lastCreate": {"since": "1970-01-12T13:46:30Z", "until": "1970-01-12T13:46:40Z", "outstanding": outstanding}});
    let mut endpoint = Endpoint::held();
    endpoint.remote.same_url = vec![candidate("9", Some(0))];
    endpoint.status(last(false));
    assert_eq!(endpoint.says(), "True/InSync", "a person's empty endpoint is not a twin");
    endpoint.status(last(true));
    endpoint.remote.same_url = vec![candidate("9", None)];
    assert_eq!(endpoint.step(), EndpointStep::ListRows(id("9")));
    endpoint.remote.same_url = vec![candidate("9", Some(1))];
    assert_eq!(endpoint.says(), "True/InSync", "with rows it is a person's");
    endpoint.remote.same_url = vec![candidate("9", Some(0))];
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.removing.as_slice()), (EndpointStep::Acknowledge, ["9".to_owned()].as_slice()));
    assert_eq!(plan.notes[0].reason, "TwinRemoved");
    endpoint.object.status = Some(plan.status);
    endpoint.remote.same_url[0].taken = true;
    endpoint.remote.removing = vec![id("9")];
    endpoint.remote.removing_gone = false;
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("9")));
    endpoint.memory.delete_refused.insert(id("9"), refusal(403));
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.removing.len()), (EndpointStep::Rest, 1), "a refusal is not repeated at once");
    endpoint.memory.delete_refused.clear();
    endpoint.remote.removing.clear();
    endpoint.remote.same_url.clear();
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints);
    endpoint.remote.removing_gone = true;
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.removing.len()), (EndpointStep::Rest, 0));
}

#[test]
fn a_short_outage_leaves_the_object_as_it_is() {
    let mut endpoint = Endpoint::held();
    endpoint.account = AccountView::Unavailable { long: false };
    assert_eq!(Some(endpoint.plan().status), endpoint.object.status);
    endpoint.account = AccountView::Unavailable { long: true };
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Ready"), "Unknown/ProviderUnavailable");
    assert_eq!(said(&plan.status.conditions, "Active"), "True/Delivering", "what was found is kept");
}
