//! rules.md *Create*, from no id to an id: every branch.

use serde_json::json;

use super::fixtures::*;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::plan::rotation::Publish;
use crate::plan::{AccountView, endpoint};
use crate::provider::model::NewEndpoint;

#[test]
fn the_order_of_a_create() {
    let mut endpoint = Endpoint::new();
    endpoint.object.metadata.finalizers = None;
    assert_eq!(endpoint.step(), EndpointStep::AddFinalizer);
    endpoint.object.metadata.finalizers = Endpoint::new().object.metadata.finalizers;
    endpoint.remote.listed = false;
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints);
    endpoint.remote.listed = true;
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge, "the intent is acknowledged before the POST");
    assert!(plan.status.pending_create.is_some());
    endpoint.object.status = Some(plan.status);
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints, "a good list after the intent");
    endpoint.remote.listed_since_intent = true;
    endpoint.memory.intent_is_mine = true;
    assert_eq!(endpoint.step(), EndpointStep::Create(NewEndpoint { target_url: URL.into(), active: true }));
    endpoint.memory.made = Some(id("7"));
    endpoint.remote.same_url = vec![candidate("7", Some(0))];
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("7"))), "the key before the id");
    endpoint.secret = published();
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge);
    assert_eq!(plan.status.remote_id.as_deref(), Some("7"));
    assert!(plan.status.pending_create.is_none() && !plan.status.last_create.as_ref().unwrap().outstanding);
    assert_eq!(said(&plan.status.conditions, "Ready"), "True/InSync");
    assert_eq!(plan.notes.len(), 1);
}

#[test]
fn what_an_intent_has_seen() {
    let mut endpoint = Endpoint::new();
    endpoint.remote.same_url = vec![candidate("3", Some(1))];
    assert_eq!(endpoint.says(), "False/RemoteExists", "never a second endpoint with the URL");
    endpoint.remote.same_url[0].taken = true;
    let plan = endpoint.plan();
    assert_eq!(plan.status.pending_create.unwrap().seen_remote_ids, ["3"], "another object's is not taken for ours");
}

#[test]
fn an_endpoint_of_a_lost_post_is_found_by_its_emptiness() {
    let mut endpoint = Endpoint::intending();
    endpoint.memory.lost_post = Some(at(NOW));
    endpoint.secret = published();
    endpoint.remote.same_url = vec![candidate("9", None)];
    assert_eq!(endpoint.step(), EndpointStep::ListRows(id("9")));
    endpoint.remote.same_url = vec![stranger("9", Some(2))];
    assert_eq!(endpoint.says(), "False/RemoteExists", "with rows it is a person's");
    endpoint.remote.same_url = vec![candidate("10", Some(0)), candidate("9", Some(0))];
    let plan = endpoint.plan();
    assert_eq!(plan.status.remote_id.as_deref(), Some("9"), "the lowest is kept");
    assert!(plan.status.last_create.unwrap().outstanding, "the other is a twin, removed once the id is held");
}

#[test]
fn a_person_s_empty_endpoint_is_not_preferred_to_the_one_a_201_named() {
    let mut endpoint = Endpoint::intending();
    endpoint.secret = published();
    endpoint.memory.made = Some(id("12"));
    endpoint.remote.same_url = vec![candidate("11", Some(0)), candidate("12", Some(0))];
    let plan = endpoint.plan();
    assert_eq!(plan.status.remote_id.as_deref(), Some("12"));
    assert!(!plan.status.last_create.unwrap().outstanding, "no POST was lost, so 11 is no twin");
}

#[test]
fn an_ambiguous_answer_is_waited_for() {
    let mut endpoint = Endpoint::intending();
    endpoint.remote.uncertain = Some(at(NOW + 3));
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.again.map(|wait| wait.as_secs())), (EndpointStep::Rest, Some(3)));
    endpoint.now = NOW + 3;
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints);
}

#[test]
fn a_refusal_is_said_and_tried_again_after_hours() {
    let mut endpoint = Endpoint::intending();
    endpoint.memory.refused = Some(refusal(422));
    let plan = endpoint.plan();
    assert_eq!(said(&plan.status.conditions, "Stalled"), "True/Rejected");
    assert_eq!(plan.again.map(|wait| wait.as_secs()), Some(6 * 3600), "rules.md Outcomes: 6 h");
    endpoint.now = NOW + 6 * 3600;
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)));
}

#[test]
fn an_endpoint_without_a_key_goes_before_another_is_made() {
    let mut endpoint = Endpoint::intending();
    let mut found = candidate("9", Some(0));
    found.endpoint.key = None;
    endpoint.remote.same_url = vec![found];
    endpoint.memory.made = Some(id("9"));
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.status.removing.as_slice()), (EndpointStep::Acknowledge, ["9".to_owned()].as_slice()));
    endpoint.object.status = Some(plan.status);
    endpoint.remote.same_url[0].taken = true;
    endpoint.remote.removing = vec![id("9")];
    endpoint.remote.removing_gone = false;
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("9")), "not one more beside it");
    endpoint.memory.delete_refused.insert(id("9"), refusal(403));
    assert_eq!(endpoint.says(), "False/KeyUnreadable");
    endpoint.memory.delete_refused.clear();
    endpoint.remote.removing.clear();
    endpoint.remote.same_url.clear();
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints, "its absence is confirmed");
    endpoint.remote.removing_gone = true;
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)));
}

#[test]
fn an_edit_while_the_endpoint_is_made_is_carried_out_and_not_taken_for_a_switch_at_the_provider() {
    let mut endpoint = Endpoint::intending();
    endpoint.secret = published();
    endpoint.memory.made = Some(id("7"));
    let mut found = candidate("7", Some(0));
    found.endpoint.active = false;
    endpoint.remote.same_url = vec![found.clone()];
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge);
    assert_eq!(said(&plan.status.conditions, "Stalled"), "absent");
    endpoint.object.status = Some(plan.status);
    endpoint.remote.same_url.clear();
    endpoint.remote.held = Some(found.endpoint);
    let EndpointStep::Patch(_, patch) = endpoint.step() else { panic!() };
    assert_eq!(patch.active, Some(true));
}

#[test]
fn what_stands_in_the_way_is_said_without_a_call() {
    type Change = fn(&mut Endpoint);
    let cases: [(&str, Change); 9] = [
        ("False/InvalidSpec", |e| e.spec(json!({"targetUrl": "ftp://h.example.com"}))),
        ("False/AccountNotFound", |e| e.account = AccountView::NotFound),
        ("Unknown/AccountNotReady", |e| e.account = AccountView::NotReady("why".into())),
        ("Unknown/Progressing", |e| e.account = AccountView::Unavailable { long: false }),
        ("Unknown/ProviderUnavailable", |e| e.account = AccountView::Unavailable { long: true }),
        ("False/InsecureTarget", |e| e.spec(json!({"targetUrl": "http://h.example.com"}))),
        ("False/Conflict", |e| e.rival = Some("older".into())),
        ("False/SecretConflict", |e| e.secret = SecretView::Foreign),
        ("False/RemoteExists", |e| e.remote.same_url = vec![candidate("3", Some(0))]),
    ];
    for (says, change) in cases {
        let mut endpoint = Endpoint::new();
        change(&mut endpoint);
        assert_eq!(endpoint.says(), says);
    }
    let mut allowed = Endpoint::new();
    allowed.spec(json!({"targetUrl": "http://h.example.com"}));
    allowed.account = AccountView::Ready { allow_insecure: true };
    assert_eq!(allowed.step(), EndpointStep::Acknowledge);
}

#[test]
fn the_secret_is_named_after_the_object_unless_the_spec_names_it() {
    let mut endpoint = Endpoint::new();
    assert_eq!(endpoint::secret_name(&endpoint.object), "intake-signing");
    endpoint.spec(json!({"signingSecret": {"name": "x"}}));
    assert_eq!(endpoint::secret_name(&endpoint.object), "x");
}

#[test]
fn a_provider_that_shows_no_keys_is_not_asked_again_and_again() {
    let mut endpoint = Endpoint::intending();
    endpoint.memory.unreadable = Some((1, at(NOW)));
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)), "one may be an accident");
    endpoint.memory.unreadable = Some((2, at(NOW)));
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Rest);
    assert_eq!(said(&plan.status.conditions, "Ready"), "False/KeyUnreadable");
    assert!(plan.again.is_some(), "it is tried again after hours");
    endpoint.memory.unreadable = Some((2, at(NOW - 7 * 3600)));
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)));
}

#[test]
fn an_intent_is_for_one_url_and_what_it_may_have_made_stays_ours() {
    let mut endpoint = Endpoint::intending();
    endpoint.status(json!({"pendingCreate":
        {"since": "1970-01-12T13:46:40Z", "targetUrl": "https://h.example.com/before", "seenRemoteIds": []}}));
    endpoint.memory.intent_is_mine = false;
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge, "a POST for the new URL needs an intent of its own");
    let last = plan.status.last_create.as_ref().unwrap();
    assert_eq!((last.target_url.as_deref(), last.outstanding), (Some("https://h.example.com/before"), true));
    assert_eq!(plan.status.pending_create.unwrap().target_url.as_deref(), Some(URL));
    let mut left_behind = candidate("9", Some(0));
    left_behind.endpoint.target_url = "https://h.example.com/before".into();
    endpoint.remote.same_url = vec![left_behind.clone()];
    assert_eq!(
        endpoint.step(),
        EndpointStep::PublishSecret(Publish::only(&id("9"))),
        "taken, to be changed to the new URL"
    );
    endpoint.status(json!({"pendingCreate":
        {"since": "1970-01-12T13:46:40Z", "targetUrl": URL, "seenRemoteIds": []}}));
    endpoint.memory.intent_is_mine = true;
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)), "a stranger with another URL is nobody's business");
}

#[test]
fn after_a_lost_post_the_lowest_of_ours_is_kept_even_beside_the_one_a_201_named() {
    let mut endpoint = Endpoint::intending();
    endpoint.secret = published();
    endpoint.memory.lost_post = Some(at(NOW));
    endpoint.memory.made = Some(id("12"));
    endpoint.remote.same_url = vec![candidate("11", Some(0)), candidate("12", Some(0))];
    let plan = endpoint.plan();
    assert_eq!(plan.status.remote_id.as_deref(), Some("11"));
    assert!(plan.status.last_create.unwrap().outstanding, "12 is the twin");
}

#[test]
fn a_made_endpoint_that_is_gone_before_its_id_is_written_is_made_again() {
    let mut endpoint = Endpoint::intending();
    endpoint.memory.made = Some(id("7"));
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)));
}

#[test]
fn an_intent_names_no_more_ids_than_a_status_may_hold_and_the_newest_first() {
    let mut endpoint = Endpoint::new();
    endpoint.remote.same_url = (1..=20).map(|number| candidate(&number.to_string(), None)).collect();
    for candidate in &mut endpoint.remote.same_url {
        candidate.taken = true;
    }
    let seen = endpoint.plan().status.pending_create.unwrap().seen_remote_ids;
    assert_eq!((seen.len(), seen[0].as_str(), seen[15].as_str()), (16, "20", "5"));
}

#[test]
fn an_edited_url_wants_an_intent_of_its_own_although_the_present_one_is_ours() {
    let mut endpoint = Endpoint::intending();
    endpoint.status(json!({"pendingCreate":
        {"since": "1970-01-12T13:46:40Z", "targetUrl": "https://h.example.com/before", "seenRemoteIds": []}}));
    let plan = endpoint.plan();
    assert_eq!(plan.step, EndpointStep::Acknowledge);
    assert_eq!(plan.status.pending_create.unwrap().target_url.as_deref(), Some(URL));
    assert_eq!(plan.status.last_create, None, "nothing of it can be lost");
}

#[test]
fn an_intent_that_ends_takes_along_what_the_one_before_it_for_the_same_url_may_still_make() {
    let before = "https://h.example.com/before";
    for (last, outstanding, since, seen) in [
        (before, true, "1970-01-12T13:40:00Z", vec!["3", "4", "2"]),
        ("https://h.example.com/another", true, "1970-01-12T13:46:40Z", vec!["3", "4"]),
        (before, false, "1970-01-12T13:46:40Z", vec!["3", "4"]),
    ] {
        let mut endpoint = Endpoint::intending();
        endpoint.status(json!({
            "pendingCreate": {"since": "1970-01-12T13:46:40Z", "targetUrl": before, "seenRemoteIds": ["3", "4"]},
            "lastCreate": {"since": "1970-01-12T13:40:00Z", "until": "1970-01-12T13:41:00Z", "targetUrl": last,
                "seenRemoteIds": ["2", "3"], "outstanding": outstanding},
        }));
        endpoint.memory.lost_post = Some(at(NOW));
        let ended = endpoint.plan().status.last_create.unwrap();
        assert_eq!((ended.since.0, ended.until.0), (since.parse().unwrap(), at(NOW)), "{last} {outstanding}");
        assert_eq!((ended.seen_remote_ids, ended.outstanding), (seen.iter().map(ToString::to_string).collect(), true));
    }
}

#[test]
fn only_an_empty_endpoint_of_the_present_intent_that_cannot_be_deleted_stops_the_next() {
    let mut endpoint = Endpoint::intending();
    endpoint.status(json!({"removing": ["7"]}));
    endpoint.remote.removing = vec![id("7")];
    endpoint.remote.same_url = vec![candidate("7", Some(0))];
    endpoint.remote.same_url[0].taken = true;
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("7")));
    endpoint.memory.delete_refused.insert(id("7"), refusal(400));
    assert_eq!(endpoint.says(), "False/KeyUnreadable", "another one would be one more");
    endpoint.remote.same_url[0].endpoint.created_at = Some(at(NOW - 100_000));
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)), "the former one of a rotation does no harm");
    endpoint.remote.same_url.clear();
    assert_eq!(endpoint.says(), "False/KeyUnreadable", "of one with another URL nobody knows");
}

/// rules.md *Create*: a POST of a dead process may still land, and the status remembers one create that ended.
#[test]
fn two_creates_with_different_urls_that_may_both_be_lost_wait_for_the_end_of_the_first() {
    let mut endpoint = Endpoint::intending();
    endpoint.memory.lost_post = Some(at(NOW));
    endpoint.status(json!({"lastCreate": {
        "since": "1970-01-12T13:46:00Z", "until": "1970-01-12T13:46:40Z", "targetUrl": "https://h.example.com/before",
        "seenRemoteIds": [], "outstanding": true,
    }}));
    let plan = endpoint.plan();
    assert_eq!((plan.step, plan.again.map(|wait| wait.as_secs())), (EndpointStep::Rest, Some(120 + 15)));
    endpoint.now = NOW + 135;
    endpoint.remote.listed_at = Some(at(NOW + 134));
    assert_eq!(endpoint.step(), EndpointStep::ListEndpoints, "that list may have been too early");
    endpoint.remote.listed_at = Some(at(NOW + 135));
    assert!(matches!(endpoint.step(), EndpointStep::Create(_)));
}

#[test]
fn an_intent_of_another_process_is_replaced_by_one_that_is_told_apart() {
    for (since, wanted) in [("1970-01-12T13:46:40Z", NOW + 1), ("1970-01-12T13:45:00Z", NOW)] {
        let mut endpoint = Endpoint::intending();
        endpoint.status(json!({"pendingCreate": {"since": since, "targetUrl": URL, "seenRemoteIds": []}}));
        endpoint.memory.intent_is_mine = false;
        let plan = endpoint.plan();
        assert_eq!(plan.step, EndpointStep::Acknowledge);
        assert_eq!(plan.status.pending_create.unwrap().since.0, at(wanted), "{since}");
    }
}
