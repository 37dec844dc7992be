//! rules.md *Rotation*, one phase after the other.

use serde_json::json;

use super::fixtures::*;
use super::walk::{Walk, key_of};
use crate::api::rotation::RotationPhase::{Draining, Preparing, Publishing, Retiring, Switching};
use crate::plan::endpoint::{EndpointStep, SecretView};

fn asked() -> serde_json::Value {
    json!({"requestId": "one"})
}

fn some(current: &str, previous: Option<&str>) -> (Option<String>, Option<String>) {
    (Some(current.to_owned()), previous.map(str::to_owned))
}

/// A walk whose key was asked to be replaced.
fn requested() -> Walk {
    let mut walk = Walk::new(json!({}));
    walk.edit(&asked());
    walk
}

#[test]
fn a_request_replaces_the_key_once() {
    let mut walk = requested();
    walk.until(Some(Publishing));
    assert_eq!((walk.held().as_deref(), walk.keys()), (Some("7"), some("7", None)), "the id before the key");
    let wait = walk.run();
    assert_eq!((walk.keys(), wait.map(|wait| wait.as_secs())), (some("8", Some("7")), Some(90)), "publishDelay");
    assert!(walk.rows.iter().all(|row| row.endpoint.as_str() == "7"), "nothing moves before receivers have the key");
    walk.endpoint.now += 90;
    walk.until(Some(Switching));
    let overlap = walk.run();
    assert_eq!((walk.phase(), walk.held().as_deref()), (Some(Draining), Some("8")));
    assert!(walk.rows.iter().all(|row| row.endpoint.as_str() == "8"), "declared or not");
    assert_eq!((walk.keys(), overlap.map(|wait| wait.as_secs())), (some("8", Some("7")), Some(49 * 3600)));
    walk.endpoint.now += 49 * 3600;
    walk.run();
    assert_eq!((walk.phase(), walk.keys(), walk.remotes.len()), (None, some("8", None), 1));
    let status = walk.endpoint.object.status.clone().unwrap();
    assert_eq!(status.rotation.unwrap().last_handled_request_id.as_deref(), Some("one"));
    assert_eq!(status.signing_secret.unwrap().last_rotation_time.unwrap().0, at(walk.endpoint.now));
    walk.steps.clear();
    walk.run();
    assert_eq!(walk.steps, [EndpointStep::Rest], "never twice for one request");
}

#[test]
fn ready_stays_true_and_each_phase_is_said() {
    let mut walk = requested();
    walk.written.clear();
    walk.until(Some(Draining));
    walk.until(None);
    for status in &walk.written {
        assert_eq!(said(&status.conditions, "Ready"), "True/InSync");
        let phase = status.rotation.as_ref().and_then(|rotation| rotation.phase);
        let wanted = phase.map_or("absent".to_owned(), |phase| format!("True/{phase:?}"));
        assert_eq!(said(&status.conditions, "Rotating"), wanted);
        assert_eq!(said(&status.conditions, "RotationOverdue"), "absent");
    }
    let events: Vec<&str> = walk.notes.iter().map(|note| note.reason).collect();
    let wanted = [
        "RotationStarted",
        "RotationPublishing",
        "RotationSwitching",
        "RotationDraining",
        "RotationRetiring",
        "Rotated",
    ];
    assert_eq!(events, wanted);
}

#[test]
fn a_process_that_dies_after_every_step_still_gets_there() {
    let mut walk = requested();
    walk.forgetful = true;
    walk.until(Some(Draining));
    walk.until(None);
    assert_eq!((walk.keys(), walk.remotes.len(), walk.rows.len()), (some("8", None), 1, 2));
}

#[test]
fn a_leaked_key_goes_at_once_and_no_subscription_is_missed() {
    let mut walk = Walk::new(json!({}));
    walk.edit(&json!({"requestId": "leak", "overlap": "0s", "publishDelay": "0s"}));
    walk.run();
    assert_eq!((walk.phase(), walk.keys(), walk.remotes.len()), (None, some("8", None), 1));
    assert_eq!(walk.rows.len(), 2);
}

#[test]
fn the_request_that_is_there_at_first_is_recorded_and_not_acted_on() {
    let walk = Walk::new(asked());
    assert_eq!(walk.phase(), None);
    let rotation = walk.endpoint.object.status.clone().unwrap().rotation.unwrap();
    assert_eq!(rotation.last_handled_request_id.as_deref(), Some("one"));
    assert_eq!(walk.notes.iter().filter(|note| note.reason == "RotationRequestRecorded").count(), 1);
}

#[test]
fn a_second_request_is_absorbed_while_preparing_and_waits_later() {
    let mut walk = requested();
    walk.until(Some(Preparing));
    walk.edit(&json!({"requestId": "two"}));
    walk.until(Some(Draining));
    let handled = |walk: &Walk| walk.endpoint.object.status.clone().unwrap().rotation.unwrap().last_handled_request_id;
    assert_eq!(handled(&walk).as_deref(), Some("two"), "absorbed");
    walk.edit(&json!({"requestId": "three"}));
    walk.run();
    assert_eq!((walk.phase(), handled(&walk).as_deref()), (Some(Draining), Some("two")), "waits out the overlap");
    walk.edit(&json!({"requestId": "three", "overlap": "0s"}));
    walk.until(Some(Publishing));
    assert_eq!(handled(&walk).as_deref(), Some("three"), "an overlap of nothing does not wait");
    walk.until(None);
    assert_eq!((walk.keys(), walk.remotes.len()), (some("9", None), 1));
}

#[test]
fn by_interval_it_is_due_one_interval_after_creation_give_or_take_a_share() {
    let mut walk = Walk::new(json!({"interval": "720h"}));
    let next = walk.endpoint.object.status.clone().unwrap().signing_secret.unwrap().next_rotation_time.unwrap().0;
    let early = NOW - 5000 + 720 * 3600 - next.as_second();
    assert!((0..=3600).contains(&early), "{early} s early");
    walk.endpoint.now = next.as_second() - 1;
    assert_eq!(walk.run().map(|wait| wait.as_secs()), Some(1));
    assert_eq!(walk.phase(), None);
    walk.endpoint.now += 1;
    walk.until(Some(Draining));
    assert_eq!(walk.endpoint.object.status.clone().unwrap().rotation.unwrap().request_id, None);
    walk.until(None);
    let again = walk.endpoint.object.status.clone().unwrap().signing_secret.unwrap().next_rotation_time.unwrap().0;
    assert!(again.as_second() > walk.endpoint.now + 700 * 3600);
}

#[test]
fn a_fleet_is_spread() {
    let due = |uid: &str| {
        let mut object: crate::api::WebhookEndpoint = object(
            "WebhookEndpoint",
            "e",
            &json!({"targetUrl": URL, "signingSecret": {"rotation": {"interval": "720h"}}}),
        );
        object.metadata.uid = Some(uid.to_owned());
        crate::plan::rotation::due::next(&object, at(NOW)).unwrap().as_second() / 60
    };
    let minutes: std::collections::BTreeSet<i64> = (0..200).map(|number| due(&format!("uid-{number}"))).collect();
    assert!(minutes.len() > 30, "200 endpoints in {} minutes", minutes.len());
}

#[test]
fn without_bookkeeping_nothing_rotates_and_it_is_said() {
    let mut walk = Walk::new(json!({"interval": "720h"}));
    walk.endpoint.status(json!({"signingSecret": null}));
    if let SecretView::Ours { rotated_at, .. } = &mut walk.endpoint.secret {
        *rotated_at = None;
    }
    walk.endpoint.now += 365 * 24 * 3600;
    walk.run();
    assert_eq!((walk.phase(), walk.said("Ready")), (None, "True/InSync".to_owned()));
    assert_eq!(walk.said("RotationOverdue"), "True/BookkeepingLost");
    walk.edit(&json!({"interval": "720h", "requestId": "anew"}));
    walk.until(Some(Publishing));
    walk.until(None);
    assert_eq!(walk.said("RotationOverdue"), "absent", "counted anew");
    let mut kept = Walk::new(json!({"interval": "720h"}));
    kept.endpoint.status(json!({"signingSecret": null}));
    kept.run();
    let last = kept.endpoint.object.status.unwrap().signing_secret.unwrap().last_rotation_time;
    assert_eq!(last.map(|time| time.0), Some(at(NOW - 5000)), "the Secret's own mark");
}

#[test]
fn what_cannot_be_moved_is_made_and_then_deleted() {
    let mut walk = requested();
    walk.unmovable = vec![id("2")];
    walk.until(Some(Draining));
    assert_eq!(walk.rows.iter().filter(|row| row.endpoint.as_str() == "8").count(), 2);
    assert!(walk.rows.iter().all(|row| row.id != id("2")));
}

#[test]
fn what_can_neither_be_moved_nor_made_stays_and_is_named() {
    let mut walk = requested();
    (walk.unmovable, walk.unmakeable) = (vec![id("2")], true);
    walk.until(Some(Switching));
    walk.run();
    assert_eq!((walk.said("Ready"), walk.said("RotationOverdue")), ("True/InSync".into(), "True/MoveRefused".into()));
    assert_eq!(walk.keys(), some("8", Some("7")), "both keys verify meanwhile");
    walk.rows.retain(|row| row.id != id("2"));
    walk.until(Some(Draining));
    assert_eq!(walk.said("RotationOverdue"), "absent");
}

#[test]
fn a_refused_duplicate_changes_nothing_until_url_and_request_are_edited_together() {
    let mut walk = requested();
    walk.post_refused = Some(400);
    walk.run();
    assert_eq!((walk.phase(), walk.keys(), walk.remotes.len()), (None, some("7", None), 1));
    assert_eq!(
        (walk.said("Ready"), walk.said("RotationOverdue")),
        ("True/InSync".into(), "True/DuplicateUrlRefused".into())
    );
    walk.steps.clear();
    walk.run();
    assert_eq!(walk.steps, [EndpointStep::Rest], "not tried again by itself");
    walk.post_refused = None;
    walk.endpoint.spec(json!({"targetUrl": format!("{URL}?v=2"), "signingSecret": {"rotation": {"requestId": "two"}}}));
    walk.endpoint.memory.second_refused = None;
    walk.until(Some(Draining));
    let urls: Vec<&str> = walk.remotes.iter().map(|remote| remote.target_url.as_str()).collect();
    assert_eq!(urls, [URL, &format!("{URL}?v=2")], "the former one keeps its URL");
    assert_eq!(walk.said("RotationOverdue"), "absent");
    walk.until(None);
    assert_eq!(walk.keys(), some("8", None));
}

#[test]
fn edits_go_to_both() {
    for phase in [Publishing, Switching, Draining] {
        let mut walk = requested();
        walk.until(Some(phase));
        walk.endpoint.spec(json!({"targetUrl": "https://other.example.com/x", "active": false}));
        walk.run();
        let there = |remote: &crate::provider::model::RemoteEndpoint| {
            remote.target_url == "https://other.example.com/x" && !remote.active
        };
        assert!(walk.remotes.iter().all(there), "{phase:?}: {:?}", walk.remotes);
        walk.endpoint.spec(json!({"active": true}));
        walk.run();
        assert!(walk.remotes.iter().all(|remote| remote.active), "{phase:?}: {:?}", walk.remotes);
    }
}

#[test]
fn suspend_freezes_the_phase() {
    for phase in [Publishing, Switching, Draining, Retiring] {
        let mut walk = requested();
        walk.until(Some(phase));
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        walk.steps.clear();
        walk.endpoint.now += 100 * 3600;
        walk.run();
        assert_eq!((walk.phase(), walk.steps.clone()), (Some(phase), vec![EndpointStep::Rest]));
        let (keys, rows) = (walk.keys(), std::mem::take(&mut walk.rows));
        walk.endpoint.secret = SecretView::Missing;
        walk.run();
        assert_eq!((walk.keys(), walk.phase()), (keys, Some(phase)), "the Secret is still published");
        walk.rows = rows;
        assert_eq!(walk.endpoint.object.status.as_ref().unwrap().plan.len(), 1, "it says what it would do");
        assert_eq!(walk.said("Ready"), "True/InSync");
        walk.endpoint.spec(json!({"targetUrl": "https://other.example.com/x"}));
        walk.run();
        assert_eq!(walk.said("Ready"), "False/Suspended", "an edit is no rotation");
        walk.endpoint.spec(json!({"suspend": false}));
        walk.until(None);
        assert_eq!(walk.keys(), some("8", None));
    }
}

#[test]
fn it_does_not_begin_while_switched_off_at_the_provider() {
    let mut walk = requested();
    walk.endpoint.spec(json!({"reactivation": "Never"}));
    walk.endpoint.spec(json!({"signingSecret": {"rotation": {}}}));
    walk.run();
    walk.remotes[0].active = false;
    walk.run();
    assert_eq!(walk.said("Active"), "False/SwitchedOffRemotely");
    let mut status = walk.endpoint.object.status.clone().unwrap();
    walk.endpoint.object.spec.signing_secret.rotation.request_id = "now".into();
    walk.run();
    assert_eq!((walk.phase(), walk.said("RotationOverdue")), (None, "True/SwitchedOffRemotely".into()));
    status.conditions.clear();
    walk.remotes[0].active = true;
    walk.until(Some(Draining));
    assert_eq!(walk.said("RotationOverdue"), "absent");
}

#[test]
fn a_lost_key_is_replaced_at_once() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.endpoint.secret = SecretView::Missing;
    walk.written.clear();
    walk.run();
    assert_eq!((walk.phase(), walk.keys(), walk.remotes.len()), (None, some("8", None), 1));
    assert_eq!(said(&walk.written[0].conditions, "SecretPublished"), "False/KeyLost");
    assert_eq!(said(&walk.written[0].conditions, "Reconciling"), "True/KeyLost", "no person is needed");
    assert_eq!((walk.said("Ready"), walk.said("SecretPublished")), ("True/InSync".into(), "True/Published".into()));
}

#[test]
fn a_tampered_key_that_lists_hide_is_a_lost_key() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.endpoint.secret = SecretView::Ours {
        current: Some(key_of("someone")),
        previous: None,
        dressed: true,
        owned: true,
        rotated_at: None,
    };
    walk.run();
    assert_eq!((walk.phase(), walk.keys()), (None, some("8", None)));
}

#[test]
fn hidden_keys_rotate_like_shown_ones() {
    for forgetful in [false, true] {
        let mut walk = requested();
        walk.hides_keys = true;
        walk.until(Some(Publishing));
        walk.run();
        walk.forgetful = forgetful;
        walk.until(Some(Draining));
        assert_eq!(walk.keys(), some("8", Some("7")));
        walk.until(None);
        assert_eq!((walk.keys(), walk.said("Ready")), (some("8", None), "True/InSync".into()));
    }
}

#[test]
fn both_keys_in_the_secret_and_no_status_resume_the_rotation() {
    let mut walk = requested();
    walk.until(Some(Switching));
    walk.endpoint.object.status = Some(crate::api::WebhookEndpointStatus::default());
    walk.endpoint.memory = crate::plan::endpoint::EndpointMemory::default();
    walk.until(Some(Switching));
    assert_eq!(walk.held().as_deref(), Some("7"));
    walk.until(None);
    assert_eq!((walk.keys(), walk.remotes.len(), walk.rows.len()), (some("8", None), 1, 2));
}

#[test]
fn a_lost_key_that_cannot_be_replaced_waits_for_another_url_and_does_not_ask_again_and_again() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.post_refused = Some(400);
    walk.endpoint.secret = SecretView::Missing;
    walk.run();
    assert_eq!((walk.phase(), walk.said("Ready")), (None, "False/KeyLost".into()));
    assert_eq!(
        (walk.said("Stalled"), walk.said("RotationOverdue")),
        ("True/KeyLost".into(), "True/DuplicateUrlRefused".into())
    );
    walk.steps.clear();
    walk.run();
    assert_eq!(walk.steps, [EndpointStep::Rest]);
    walk.post_refused = None;
    walk.endpoint.memory.second_refused = None;
    walk.endpoint.spec(json!({"targetUrl": format!("{URL}?v=2")}));
    walk.run();
    assert_eq!((walk.phase(), walk.keys(), walk.remotes.len()), (None, (Some("8".into()), None), 1));
    assert_eq!((walk.said("Ready"), walk.said("Stalled")), ("True/InSync".into(), "absent".into()));
}

#[test]
fn a_refusal_that_is_not_about_the_url_is_tried_again() {
    let mut walk = requested();
    walk.post_refused = Some(403);
    walk.run();
    assert_eq!((walk.phase(), walk.said("RotationOverdue")), (Some(Preparing), "True/Rejected".into()));
    assert_eq!(walk.said("Ready"), "True/InSync");
    walk.post_refused = None;
    walk.until(Some(Draining));
    assert_eq!(walk.said("RotationOverdue"), "absent");
}

#[test]
fn one_refusal_is_not_for_ever() {
    let mut walk = Walk::new(json!({}));
    (walk.hides_keys, walk.post_refused) = (true, Some(409));
    walk.endpoint.secret = SecretView::Missing;
    let wait = walk.run().unwrap();
    assert_eq!((walk.phase(), walk.said("Stalled")), (None, "True/KeyLost".into()));
    walk.post_refused = None;
    walk.endpoint.now += i64::try_from(wait.as_secs()).unwrap();
    walk.endpoint.memory.second_refused = None;
    assert_eq!(wait.as_secs(), 6 * 3600);
    walk.run();
    assert_eq!((walk.phase(), walk.keys(), walk.said("Ready")), (None, some("8", None), "True/InSync".into()));
}
