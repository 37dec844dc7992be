//! rules.md *Rotation*: what holds a rotation up, what does not, and when it is overdue.

use jiff::Timestamp;
use serde_json::json;

use super::fixtures::*;
use super::walk::Walk;
use crate::api::WebhookEndpointStatus;
use crate::api::rotation::RotationPhase::{self, Draining, Preparing, Publishing, Retiring, Switching};
use crate::plan::contention::Field;
use crate::plan::endpoint::{EndpointStep, Stuck};
use crate::plan::rotation::{Pair, due};
use crate::plan::row_calls::RowCall;
use crate::plan::{PlanTiming, Refusal};
use crate::provider::model::{Absence, EndpointPatch, Moved, RemoteRow};

fn seconds(wait: Option<std::time::Duration>) -> Option<u64> {
    wait.map(|wait| wait.as_secs())
}

fn refused(walk: &Walk) -> Option<Refusal> {
    Some(Refusal { status: 400, at: at(walk.endpoint.now) })
}

#[test]
fn a_status_that_describes_no_rotation_is_none() {
    let pair = |phase: RotationPhase, held: &str, from: &str, to: Option<&str>| {
        let status: WebhookEndpointStatus = serde_json::from_value(
            json!({"remoteId": held, "rotation": {"phase": phase, "fromRemoteId": from, "toRemoteId": to}}),
        )
        .unwrap();
        Pair::of(&status).map(|pair| {
            let (goes, stays) = pair.places();
            let other = pair.other().map(|id| id.as_str().to_owned());
            (goes.as_str().to_owned(), stays.map(|id| id.as_str().to_owned()), other)
        })
    };
    let some = |goes: &str, stays: Option<&str>, other: Option<&str>| {
        Some((goes.to_owned(), stays.map(str::to_owned), other.map(str::to_owned)))
    };
    assert_eq!(pair(Preparing, "7", "7", None), some("7", None, None));
    assert_eq!(pair(Preparing, "7", "7", Some("8")), None);
    assert_eq!(pair(Preparing, "8", "7", None), None);
    for phase in [Publishing, Switching] {
        let places = if phase == Publishing { ("7", None) } else { ("8", Some("7")) };
        assert_eq!(pair(phase, "7", "7", Some("8")), some(places.0, places.1, Some("8")));
        assert_eq!(pair(phase, "7", "7", None), None);
        assert_eq!(pair(phase, "7", "7", Some("7")), None, "toRemoteId is never fromRemoteId");
        assert_eq!(pair(phase, "8", "7", Some("8")), None);
    }
    for phase in [Draining, Retiring] {
        assert_eq!(pair(phase, "8", "7", Some("8")), some("8", Some("7"), Some("7")));
        assert_eq!(pair(phase, "7", "7", Some("8")), None);
        assert_eq!(pair(phase, "8", "7", None), None);
    }
}

#[test]
fn a_rotation_names_the_request_that_it_answers() {
    let walk = Walk::at_phase(Preparing);
    let rotation = walk.endpoint.object.status.unwrap().rotation.unwrap();
    assert_eq!(rotation.request_id.as_deref(), Some("one"));
}

#[test]
fn pauses_that_are_no_durations_are_named() {
    for (field, rotation) in [
        ("interval", json!({"interval": "a month"})),
        ("overlap", json!({"overlap": "2 days"})),
        ("publishDelay", json!({"publishDelay": "soon"})),
    ] {
        let mut walk = Walk::new(json!({}));
        walk.edit(&rotation);
        walk.run();
        let ready = &walk.endpoint.object.status.as_ref().unwrap().conditions[0];
        assert_eq!(walk.said("Ready"), "False/InvalidSpec");
        assert!(
            ready.message.starts_with(&format!("spec.signingSecret.rotation.{field} is not a duration")),
            "{ready:?}"
        );
    }
}

#[test]
fn the_former_endpoint_keeps_the_url_beside_which_the_new_one_was_made() {
    for phase in [Preparing, Publishing, Switching, Draining, Retiring] {
        let mut walk = Walk::at_phase(Preparing);
        walk.post_refused = Some(400);
        walk.run();
        walk.post_refused = None;
        let url = format!("{URL}?v=2");
        walk.endpoint.spec(json!({"targetUrl": url, "signingSecret": {"rotation": {"requestId": "two"}}}));
        walk.endpoint.memory.refused = None;
        walk.until(Some(phase));
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        assert_eq!(walk.said("Ready"), "True/InSync", "{phase:?}");
        assert_eq!(walk.endpoint.object.status.as_ref().unwrap().plan.len(), 1);
        walk.endpoint.spec(json!({"suspend": false, "active": false}));
        walk.run();
        let former = walk.remotes.iter().find(|remote| remote.id == id("7"));
        let former = former.map(|former| (former.target_url.as_str(), former.active));
        assert_eq!(former, Some((URL, false)).filter(|_| phase != Retiring), "{phase:?}");
    }
}

#[test]
fn a_refused_url_lets_drift_be_put_right_all_the_same() {
    let mut walk = Walk::at_phase(Preparing);
    walk.post_refused = Some(400);
    walk.run();
    assert_eq!(walk.said("RotationOverdue"), "True/DuplicateUrlRefused");
    walk.endpoint.memory.refused = None;
    walk.remotes[0].target_url = "https://moved.example.com/".into();
    let patch = EndpointPatch { target_url: Some(URL.into()), active: None };
    assert_eq!(walk.step().step, EndpointStep::Patch(id("7"), patch));
    assert_eq!(walk.remotes[0].target_url, URL);
    walk.edit(&json!({"requestId": "two"}));
    walk.endpoint.spec(json!({"active": false}));
    let patch = EndpointPatch { target_url: None, active: Some(false) };
    assert_eq!(walk.step().step, EndpointStep::Patch(id("7"), patch));
}

#[test]
fn a_refused_change_is_said_and_holds_nothing_up() {
    let mut walk = Walk::at_phase(Draining);
    walk.endpoint.spec(json!({"targetUrl": "https://other.example.com/x"}));
    walk.endpoint.memory.refused = refused(&walk);
    walk.endpoint.memory.other_refused = refused(&walk);
    assert_eq!(seconds(walk.run()), Some(6 * 3600), "tried again then, long before the overlap is over");
    assert_eq!((walk.said("Ready"), walk.said("Active")), ("False/Rejected".into(), "True/Delivering".into()));
    walk.endpoint.spec(json!({"signingSecret": {"rotation": {"requestId": "one", "overlap": "0s"}}}));
    walk.until(None);
    assert_eq!(walk.remotes.len(), 1, "retired all the same");
}

#[test]
fn what_is_refused_or_fought_over_on_the_second_endpoint_is_left_alone() {
    let mut walk = Walk::at_phase(Publishing);
    walk.remotes[1].active = false;
    let patch = EndpointPatch { target_url: None, active: Some(true) };
    assert_eq!(walk.step().step, EndpointStep::Patch(id("8"), patch));
    walk.remotes[1].active = false;
    walk.endpoint.memory.other_refused = refused(&walk);
    assert_eq!(walk.step().step, EndpointStep::Rest);
    walk.endpoint.memory.other_refused = None;
    for _ in 0..3 {
        let (now, timing) = (at(walk.endpoint.now), PlanTiming::default());
        walk.endpoint.memory.corrections.record(&id("8"), Field::Active, now, &timing);
    }
    assert_eq!(walk.step().step, EndpointStep::Rest);
    assert_eq!(walk.said("Ready"), "True/InSync", "not worth a word");
}

#[test]
fn publishing_does_not_go_on_while_switched_off_at_the_provider() {
    let mut walk = Walk::at_phase(Publishing);
    walk.endpoint.spec(json!({"reactivation": "Never"}));
    walk.run();
    walk.remotes[0].active = false;
    walk.endpoint.now += 1000;
    walk.run();
    assert_eq!((walk.phase(), walk.said("Active")), (Some(Publishing), "False/SwitchedOffRemotely".into()));
    walk.remotes[0].active = true;
    walk.until(Some(Draining));
}

#[test]
fn what_the_provider_refused_to_move_is_tried_again_after_hours() {
    let mut walk = Walk::at_phase(Switching);
    (walk.unmovable, walk.unmakeable) = (vec![id("2")], true);
    assert_eq!(seconds(walk.run()), Some(3600), "the margin before it is overdue anyway");
    assert_eq!(walk.endpoint.memory.stuck.len(), 1);
    walk.endpoint.now += 6 * 3600;
    let EndpointStep::Rows(calls) = walk.step().step else { panic!("no calls") };
    assert!(matches!(calls.as_slice(), [RowCall::Move { row, .. }] if row.id == id("2")), "{calls:?}");
    assert_eq!(walk.said("RotationOverdue"), "True/MoveRefused");
}

#[test]
fn a_row_whose_practice_has_no_name_is_neither_made_nor_deleted() {
    let mut walk = Walk::at_phase(Switching);
    (walk.unmovable, walk.nameless) = (vec![id("2")], true);
    walk.run();
    assert!(matches!(walk.endpoint.memory.stuck.get(&id("2")), Some(Stuck::Move(_))));
    assert_eq!(walk.rows.iter().find(|row| row.id == id("2")).map(|row| row.endpoint.clone()), Some(id("7")));
    // The account's own rows need none.
    let mut walk = Walk::at_phase(Switching);
    walk.rows.iter_mut().for_each(|row| row.practice = None);
    (walk.unmovable, walk.nameless) = (vec![id("2")], true);
    walk.until(Some(Draining));
    assert!(walk.rows.iter().all(|row| row.endpoint == id("8")));
}

#[test]
fn of_several_stuck_rows_the_lowest_that_has_no_way_left_is_named() {
    let mut walk = Walk::at_phase(Switching);
    let refusal = Refusal { status: 403, at: at(walk.endpoint.now) };
    let old = Refusal { status: 403, at: at(walk.endpoint.now - 6 * 3600) };
    for (number, stuck) in [(1, Stuck::Delete(old)), (2, Stuck::Make(refusal)), (3, Stuck::Delete(refusal))] {
        let mut row = walk.rows[0].clone();
        row.id = id(&number.to_string());
        walk.rows.retain(|own| own.id != row.id);
        walk.rows.push(row);
        walk.endpoint.memory.stuck.insert(id(&number.to_string()), stuck);
    }
    walk.unmovable = vec![id("1")];
    walk.unmakeable = true;
    walk.run();
    let status = walk.endpoint.object.status.clone().unwrap();
    let overdue = status.conditions.iter().find(|condition| condition.type_ == "RotationOverdue").unwrap();
    assert!(overdue.message.contains("subscription 1 "), "{}", overdue.message);
    walk.rows.retain(|row| row.id != id("1"));
    walk.run();
    let status = walk.endpoint.object.status.clone().unwrap();
    let overdue = status.conditions.iter().find(|condition| condition.type_ == "RotationOverdue").unwrap();
    assert!(overdue.message.contains("subscription 2 "), "{}", overdue.message);
}

#[test]
fn the_former_key_goes_only_once_its_endpoint_is_known_to_be_gone() {
    let listed = |walk: &mut Walk| {
        walk.remotes.retain(|remote| remote.id != id("7"));
        walk.rows.retain(|row| row.endpoint != id("7"));
    };
    let seen = Absence { first: at(NOW - 20), last: at(NOW), lists: 2, witnessed: false, seen: None };
    let witnessed = Absence { witnessed: true, ..seen };
    for (absence, gone, step) in [
        (None, false, Some(EndpointStep::ListWorld)),
        (Some(seen), false, Some(EndpointStep::Rest)),
        (Some(witnessed), false, None),
        (Some(seen), true, None),
        (None, true, None),
    ] {
        let mut walk = Walk::at_phase(Retiring);
        listed(&mut walk);
        walk.look();
        let other = walk.endpoint.remote.other.as_mut().unwrap();
        (other.absence, other.gone) = (absence, gone);
        let publish = walk.endpoint.plan().step;
        match step {
            Some(step) => assert_eq!(publish, step),
            None => assert!(matches!(publish, EndpointStep::PublishSecret(_)), "{publish:?}"),
        }
    }
}

#[test]
fn nothing_is_retired_while_a_move_may_still_take_effect() {
    for (moved, step) in [
        (Moved::ListFrom, EndpointStep::ListRows(id("7"))),
        (Moved::InDoubt { until: at(NOW + 50 * 3600 + 5), to: false }, EndpointStep::Rest),
        (Moved::InDoubt { until: at(NOW), to: false }, EndpointStep::ListRows(id("7"))),
        (Moved::InFlight, EndpointStep::Rest),
        (Moved::ListTo, EndpointStep::Delete(id("7"))),
        (Moved::InDoubt { until: at(NOW + 50 * 3600 + 5), to: true }, EndpointStep::Delete(id("7"))),
        (Moved::Proven, EndpointStep::Delete(id("7"))),
    ] {
        let mut walk = Walk::at_phase(Retiring);
        walk.endpoint.memory.looked_before_retiring = false;
        assert_eq!(walk.step().step, EndpointStep::ListRows(id("7")), "once more before it is retired");
        walk.endpoint.now = NOW + 50 * 3600;
        walk.moved = Some(moved);
        let plan = walk.step();
        assert_eq!(plan.step, step, "{moved:?}");
        match moved {
            Moved::InDoubt { to: false, until } if until > at(NOW + 1) => assert_eq!(seconds(plan.again), Some(5)),
            Moved::InFlight => assert_eq!(seconds(plan.again), Some(1)),
            _ => {}
        }
    }
}

#[test]
fn the_switch_is_over_only_when_both_lists_have_proven_it() {
    for (moved, step) in [
        (Moved::ListFrom, EndpointStep::ListRows(id("7"))),
        (Moved::ListTo, EndpointStep::ListRows(id("8"))),
        (Moved::InDoubt { until: at(NOW + 1005), to: false }, EndpointStep::Rest),
        (Moved::InDoubt { until: at(NOW + 1005), to: true }, EndpointStep::Rest),
        (Moved::InDoubt { until: at(NOW + 1000), to: false }, EndpointStep::ListRows(id("7"))),
        (Moved::InDoubt { until: at(NOW + 1000), to: true }, EndpointStep::ListRows(id("8"))),
        (Moved::InFlight, EndpointStep::Rest),
        (Moved::Proven, EndpointStep::Acknowledge),
    ] {
        let mut walk = Walk::at_phase(Switching);
        walk.rows.clear();
        walk.endpoint.now = NOW + 1000;
        walk.moved = Some(moved);
        let plan = walk.step();
        assert_eq!(plan.step, step, "{moved:?}");
        match moved {
            Moved::InDoubt { until, .. } if until > at(NOW + 1000) => assert_eq!(seconds(plan.again), Some(5)),
            Moved::InFlight => assert_eq!(seconds(plan.again), Some(1)),
            _ => {}
        }
    }
}

#[test]
fn a_due_key_is_overdue_an_hour_later_and_not_before() {
    let mut walk = Walk::new(json!({"interval": "720h"}));
    let next = walk.endpoint.object.status.clone().unwrap().signing_secret.unwrap().next_rotation_time.unwrap().0;
    walk.endpoint.spec(json!({"suspend": true}));
    walk.endpoint.now = next.as_second() - 10;
    assert_eq!((seconds(walk.run()), walk.said("RotationOverdue")), (Some(10), "absent".into()));
    walk.endpoint.now = next.as_second() + 3599;
    assert_eq!((seconds(walk.run()), walk.said("RotationOverdue")), (Some(1), "absent".into()));
    walk.endpoint.now += 1;
    assert_eq!((walk.run(), walk.said("RotationOverdue")), (None, "True/Suspended".into()));
}

#[test]
fn a_running_rotation_is_overdue_an_hour_after_its_pauses() {
    for (phase, pause) in [(Switching, 90), (Retiring, 49 * 3600)] {
        let mut walk = Walk::at_phase(phase);
        walk.endpoint.spec(json!({"suspend": true}));
        let rotation = walk.endpoint.object.status.clone().unwrap().rotation.unwrap();
        let from = if phase == Switching { rotation.started_at } else { rotation.switched_at };
        let from: Timestamp = from.unwrap().0;
        walk.endpoint.now = from.as_second() + pause + 3599;
        assert_eq!((seconds(walk.run()), walk.said("RotationOverdue")), (Some(1), "absent".into()), "{phase:?}");
        walk.endpoint.now += 1;
        assert_eq!((walk.run(), walk.said("RotationOverdue")), (None, "True/Suspended".into()), "{phase:?}");
    }
}

#[test]
fn one_new_endpoint_without_a_key_is_no_reason_to_give_up() {
    let mut walk = Walk::at_phase(Preparing);
    walk.endpoint.memory.unreadable = Some((1, at(walk.endpoint.now)));
    assert!(matches!(walk.step().step, EndpointStep::Create(_)));
    let mut later = Walk::at_phase(Publishing);
    later.endpoint.memory.unreadable = Some((2, at(later.endpoint.now)));
    later.run();
    assert_eq!(later.said("RotationOverdue"), "absent", "the new key is known by then");
}

#[test]
fn a_request_is_not_overdue_while_it_can_begin() {
    let mut walk = Walk::new(json!({}));
    walk.endpoint.spec(json!({"suspend": true, "signingSecret": {"rotation": {"requestId": "one"}}}));
    walk.run();
    assert_eq!(walk.said("RotationOverdue"), "absent");
    assert_eq!(walk.endpoint.object.status.as_ref().unwrap().plan, ["replace the signing key of remote endpoint 7"]);
    assert_eq!(due::MARGIN.as_secs(), 3600);
}

#[test]
fn a_row_that_still_has_a_way_to_the_new_endpoint_is_not_said_to_be_stuck() {
    for (nameless, there, said) in
        [(false, false, "absent"), (false, true, "absent"), (true, true, "absent"), (true, false, "True/MoveRefused")]
    {
        let mut walk = Walk::at_phase(Switching);
        walk.nameless = nameless;
        if there {
            let copy = RemoteRow { id: id("20"), endpoint: id("8"), ..walk.rows[1].clone() };
            walk.rows.push(copy);
        }
        let refusal = Refusal { status: 403, at: at(walk.endpoint.now) };
        walk.endpoint.memory.stuck.insert(id("2"), Stuck::Move(refusal));
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        assert_eq!(walk.said("RotationOverdue"), said, "nameless {nameless}, there {there}");
    }
}
