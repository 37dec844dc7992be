//! rules.md *Deletion* for an endpoint: every branch.

use serde_json::json;

use super::fixtures::*;
use super::realm::row;
use crate::plan::AccountView;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::provider::model::Absence;

fn going() -> Endpoint {
    let mut endpoint = Endpoint::held();
    endpoint.delete();
    endpoint
}

fn blocked(endpoint: &Endpoint) -> String {
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Rest);
    let blocked = plan.status.conditions.iter().find(|condition| condition.type_ == "DeletionBlocked").unwrap();
    assert!(blocked.message.contains("deletionPolicy: Orphan"), "the way out is named: {}", blocked.message);
    said(&plan.status.conditions, "DeletionBlocked")
}

#[test]
fn what_was_never_made_leaves_at_once() {
    let mut endpoint = Endpoint::new();
    endpoint.delete();
    endpoint.account = AccountView::NotFound;
    assert_eq!(endpoint.step(), EndpointStep::RemoveFinalizer);
    endpoint.object.metadata.finalizers = None;
    assert_eq!(endpoint.step(), EndpointStep::Rest);
}

#[test]
fn the_remote_goes_first_and_its_absence_is_confirmed() {
    let mut endpoint = going();
    endpoint.remote.listed = false;
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints);
    endpoint.remote.listed = true;
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("7")));
    endpoint.remote.held = None;
    assert_eq!(endpoint.step(), EndpointStep::ListWorld);
    endpoint.remote.absence = Some(Absence { first: at(NOW), last: at(NOW), lists: 1, witnessed: false, seen: None });
    assert_eq!(blocked(&endpoint), "True/ScopeSuspect");
    endpoint.remote.absence = Some(Absence { first: at(NOW), last: at(NOW), lists: 1, witnessed: true, seen: None });
    assert_eq!(endpoint.step(), EndpointStep::RemoveFinalizer, "a good list lacks it and a witness holds");
    endpoint.remote.absence = None;
    endpoint.remote.gone = true;
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.notes[0].reason), (EndpointStep::RemoveFinalizer, "Deleted"));
}

#[test]
fn the_account_is_needed_and_its_lack_is_said() {
    for (account, says) in [
        (AccountView::NotFound, "True/AccountNotFound"),
        (AccountView::NotReady("why".into()), "True/AccountNotReady"),
        (AccountView::Unavailable { long: false }, "True/ProviderUnavailable"),
        (AccountView::Unavailable { long: true }, "True/ProviderUnavailable"),
    ] {
        let mut endpoint = going();
        endpoint.account = account;
        assert_eq!(blocked(&endpoint), says);
    }
}

#[test]
fn refused_because_of_rows_means_rows_first() {
    let mut endpoint = going();
    endpoint.memory.delete_refused.insert(id("7"), refusal(409));
    assert_eq!(endpoint.step(), EndpointStep::ListRows(id("7")));
    endpoint.memory.rows_in_the_way = Some(vec![row("1", "7", "a", "patient_created")]);
    assert!(matches!(endpoint.step(), EndpointStep::DeleteRows(rows) if rows.len() == 1));
    endpoint.memory.rows_in_the_way = Some(Vec::new());
    assert_eq!(blocked(&endpoint), "True/RemoteNotDeleted");
    assert_eq!(endpoint.plan().again.map(|wait| wait.as_secs()), Some(6 * 3600));
    endpoint.now = NOW + 6 * 3600;
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("7")));
}

#[test]
fn everything_that_our_posts_made_goes_too() {
    let mut endpoint = going();
    endpoint.status(
        json!({"lastCreate": {"since": "1970-01-12T13:46:30Z", "until": "1970-01-12T13:46:40Z"}, "removing": ["8"]}),
    );
    endpoint.remote.held = None;
    endpoint.remote.gone = true;
    endpoint.remote.removing = vec![id("8")];
    endpoint.remote.removing_gone = false;
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("8")));
    endpoint.remote.removing.clear();
    endpoint.remote.same_url = vec![candidate("9", None)];
    assert_eq!(endpoint.step(), EndpointStep::ListRows(id("9")));
    endpoint.remote.same_url = vec![candidate("9", Some(0))];
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("9")));
    endpoint.remote.same_url = vec![candidate("9", Some(3))];
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints, "a person's stays; 8 is not yet confirmed gone");
    endpoint.remote.removing_gone = true;
    assert_eq!(endpoint.step(), EndpointStep::RemoveFinalizer);
}

#[test]
fn a_post_that_may_still_land_is_waited_for() {
    let mut endpoint = Endpoint::new();
    endpoint.delete();
    endpoint.status(json!({"pendingCreate": {"since": "1970-01-12T13:46:40Z", "seenRemoteIds": []}}));
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints, "a list after the intent");
    endpoint.remote.listed_since_intent = true;
    // Another process wrote the intent: it may have sent a POST until our start, plus the lease.
    endpoint.started = NOW - 5;
    endpoint.remote.listed_at = Some(at(NOW));
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.again.map(|wait| wait.as_secs())), (EndpointStep::Rest, Some(120 + 15 - 5)));
    endpoint.now = NOW + 130;
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints);
    endpoint.remote.listed_at = Some(at(NOW + 130));
    assert_eq!(endpoint.step(), EndpointStep::RemoveFinalizer);
    // Our own intent, and no answer was lost: nothing waits.
    endpoint.now = NOW;
    endpoint.remote.listed_at = Some(at(NOW));
    endpoint.memory.intent_is_mine = true;
    assert_eq!(endpoint.step(), EndpointStep::RemoveFinalizer);
    endpoint.memory.lost_post = Some(at(NOW - 1));
    assert_eq!(endpoint.plan().again.map(|wait| wait.as_secs()), Some(119));
}

#[test]
fn orphan_keeps_the_remote_and_the_secret() {
    let mut endpoint = going();
    endpoint.spec(json!({"deletionPolicy": "Orphan"}));
    endpoint.account = AccountView::NotFound;
    endpoint.leaving = 1;
    assert_eq!(endpoint.says(), "False/Deleting", "deleting subscriptions still need the id");
    endpoint.leaving = 0;
    assert_eq!(endpoint.step(), EndpointStep::ReleaseSecret, "garbage collection must not take a live key");
    endpoint.secret =
        SecretView::Ours { current: Some(key()), previous: None, dressed: true, owned: false, rotated_at: None };
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::RemoveFinalizer);
    assert!(plan.notes[0].text.contains('7'), "the Event names the id");
}

#[test]
fn rows_that_hold_up_their_endpoint_are_deleted_again_only_after_a_minute() {
    let mut endpoint = going();
    endpoint.memory.delete_refused.insert(id("7"), refusal(409));
    endpoint.memory.rows_in_the_way = Some(vec![row("1", "7", "a", "patient_created")]);
    endpoint.memory.rows_tried = Some(at(NOW));
    endpoint.now = NOW + 59;
    assert_eq!(blocked(&endpoint), "True/RemoteNotDeleted");
    assert_eq!(endpoint.plan().again.map(|wait| wait.as_secs()), Some(1));
    endpoint.now = NOW + 60;
    assert!(matches!(endpoint.step(), EndpointStep::DeleteRows(_)));
}

#[test]
fn while_the_definition_goes_nothing_remote_is_deleted_whatever_the_policy() {
    for policy in ["Delete", "Orphan"] {
        let mut endpoint = going();
        endpoint.spec(json!({"deletionPolicy": policy}));
        endpoint.memory.definition_going = true;
        endpoint.leaving = 1;
        assert_eq!(endpoint.step(), EndpointStep::ReleaseSecret, "{policy}: a live key outlives its object");
        endpoint.secret = SecretView::Missing;
        assert_eq!(endpoint.step(), EndpointStep::RemoveFinalizer, "{policy}");
    }
}

#[test]
fn a_key_in_memory_still_deletes() {
    let mut endpoint = going();
    endpoint.account = AccountView::DeletesOnly("its Secret is gone".into());
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("7")));
}
