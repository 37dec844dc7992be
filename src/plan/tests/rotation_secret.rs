//! rules.md *Keys and the Secret*, during a rotation: what the Secret holds, also where the provider hides keys.

use serde_json::json;

use super::fixtures::*;
use super::walk::{Walk, key_of};
use crate::api::rotation::RotationPhase::{Draining, Preparing, Publishing, Retiring, Switching};
use crate::plan::endpoint::{EndpointMemory, EndpointStep, SecretView};
use crate::plan::rotation::{Publish, Source};
use crate::signing::SecretText;

fn some(current: &str, previous: Option<&str>) -> (Option<String>, Option<String>) {
    (Some(current.to_owned()), previous.map(str::to_owned))
}

fn holding(current: &str, previous: Option<&str>) -> SecretView {
    let (current, previous) = (Some(key_of(current)), previous.map(key_of));
    SecretView::Ours { current, previous, dressed: true, owned: true, rotated_at: None }
}

fn undressed(walk: &mut Walk) {
    if let SecretView::Ours { dressed, .. } = &mut walk.endpoint.secret {
        *dressed = false;
    }
}

fn fingerprint(walk: &Walk) -> String {
    walk.endpoint.object.status.as_ref().unwrap().signing_secret.as_ref().unwrap().fingerprint.clone()
}

/// The provider hides keys, the Secret holds both, and the process that wrote them is gone before it could say so.
fn written_and_died() -> Walk {
    let mut walk = Walk::at_phase(Preparing);
    walk.hides_keys = true;
    walk.until(Some(Publishing));
    assert!(matches!(walk.step().step, EndpointStep::PublishSecret(_)));
    walk.endpoint.memory = EndpointMemory::default();
    walk
}

#[test]
fn suspend_holds_nothing_back_from_the_secret() {
    for phase in [Preparing, Publishing, Switching, Draining, Retiring] {
        let mut walk = Walk::at_phase(phase);
        let (keys, rows) = (walk.keys(), std::mem::take(&mut walk.rows));
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        walk.endpoint.secret = SecretView::Missing;
        walk.run();
        assert_eq!((walk.phase(), walk.keys(), walk.remotes.len()), (Some(phase), keys, walk.remotes.len()));
        assert_eq!(walk.said("Ready"), "True/InSync");
        walk.rows = rows;
        walk.endpoint.spec(json!({"suspend": false}));
        if phase == Publishing {
            assert_eq!(walk.run().map(|wait| wait.as_secs()), Some(90), "receivers get the whole time again");
        }
        walk.until(Some(Draining).filter(|_| phase != Retiring));
        walk.until(None);
        assert_eq!(walk.keys(), some("8", None), "{phase:?}");
    }
}

#[test]
fn suspend_while_both_keys_are_published_for_the_first_time_moves_nothing() {
    let mut walk = Walk::at_phase(Preparing);
    walk.until(Some(Publishing));
    walk.endpoint.spec(json!({"suspend": true}));
    walk.run();
    walk.endpoint.now += 1000;
    walk.run();
    assert_eq!((walk.phase(), walk.keys()), (Some(Publishing), some("8", Some("7"))));
    walk.endpoint.spec(json!({"suspend": false}));
    walk.until(Some(Draining));
}

#[test]
fn a_former_key_that_lists_hide_is_kept_when_the_new_endpoint_vanishes() {
    for phase in [Publishing, Switching, Draining] {
        let mut walk = Walk::at_phase(Preparing);
        walk.hides_keys = true;
        walk.until(Some(phase));
        if phase == Publishing {
            walk.run();
        }
        walk.delete("8");
        walk.until(Some(Preparing));
        assert_eq!(fingerprint(&walk), key_of("7").fingerprint(), "{phase:?}");
        walk.written.clear();
        walk.until(Some(Switching));
        assert_eq!(walk.keys(), some("9", Some("7")), "{phase:?}: what the former one signs can be verified");
        for status in &walk.written {
            assert_eq!(said(&status.conditions, "SecretPublished"), "True/Published", "{phase:?}");
        }
        walk.until(Some(Draining));
        walk.until(None);
        assert_eq!((walk.keys(), walk.remotes.len()), (some("9", None), 1));
    }
}

#[test]
fn back_at_the_former_endpoint_a_secret_that_is_gone_as_well_is_put_back() {
    let mut walk = Walk::at_phase(Publishing);
    walk.delete("8");
    walk.until(Some(Preparing));
    walk.rows.clear();
    walk.endpoint.secret = SecretView::Missing;
    assert_eq!(walk.step().step, EndpointStep::PublishSecret(Publish::only(&id("7"))));
    walk.endpoint.secret = holding("someone", None);
    assert_eq!(walk.step().step, EndpointStep::PublishSecret(Publish::only(&id("7"))));
    assert!(matches!(walk.step().step, EndpointStep::Acknowledge), "then it is prepared again");
}

#[test]
fn while_preparing_the_key_in_use_is_current_whatever_is_left_beside_it() {
    let mut walk = Walk::at_phase(Preparing);
    walk.hides_keys = true;
    walk.endpoint.secret = holding("7", Some("old"));
    let step = EndpointStep::PublishSecret(Publish { current: Source::Current, previous: None });
    assert_eq!(walk.step().step, step);
}

#[test]
fn both_keys_that_were_written_by_a_process_that_died_are_known_again() {
    let mut walk = written_and_died();
    assert_eq!(walk.run().map(|wait| wait.as_secs()), Some(90));
    assert_eq!((walk.phase(), walk.keys()), (Some(Publishing), some("8", Some("7"))));
    assert_eq!(fingerprint(&walk), key_of("8").fingerprint());
}

#[test]
fn a_former_key_that_is_shown_vouches_for_the_new_one_that_is_hidden() {
    let mut walk = Walk::at_phase(Preparing);
    walk.until(Some(Publishing));
    walk.step();
    walk.remotes[1].key = None;
    walk.endpoint.memory = EndpointMemory::default();
    let mut known =
        serde_json::to_value(walk.endpoint.object.status.as_ref().unwrap()).unwrap()["signingSecret"].take();
    known["fingerprint"] = "of another time".into();
    walk.endpoint.status(json!({"signingSecret": known}));
    assert_eq!(walk.run().map(|wait| wait.as_secs()), Some(90));
    assert_eq!((walk.phase(), walk.keys()), (Some(Publishing), some("8", Some("7"))));
}

#[test]
fn what_somebody_else_wrote_is_not_taken_for_a_hidden_key() {
    for secret in [holding("someone", Some("other")), holding("someone", None)] {
        let mut walk = written_and_died();
        walk.endpoint.secret = secret;
        walk.step();
        assert_eq!(walk.phase(), Some(Preparing));
        assert_eq!(walk.endpoint.object.status.as_ref().unwrap().removing, ["8"]);
    }
}

#[test]
fn a_hidden_key_alone_in_the_secret_is_kept_in_order_only_if_it_is_the_published_one() {
    for (current, step) in [
        ("8", EndpointStep::PublishSecret(Publish { current: Source::Current, previous: None })),
        ("someone", EndpointStep::Acknowledge),
    ] {
        let mut walk = Walk::at_phase(Preparing);
        walk.hides_keys = true;
        walk.until(Some(Draining));
        walk.endpoint.memory = EndpointMemory::default();
        walk.endpoint.secret = holding(current, None);
        undressed(&mut walk);
        assert_eq!(walk.step().step, step, "{current}");
    }
}

#[test]
fn a_tampered_key_that_lists_hide_is_not_put_in_order_but_replaced() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.endpoint.secret = holding("someone", None);
    undressed(&mut walk);
    walk.step();
    assert_eq!(walk.phase(), Some(Preparing));
    let mut right = Walk::new(json!({}));
    right.hides_keys = true;
    undressed(&mut right);
    let step = EndpointStep::PublishSecret(Publish { current: Source::Current, previous: None });
    assert_eq!(right.step().step, step);
    let mut left_over = Walk::new(json!({}));
    left_over.hides_keys = true;
    left_over.endpoint.secret = holding("7", Some("old"));
    assert_eq!(left_over.step().step, step);
}

#[test]
fn another_key_that_the_provider_shows_is_the_one_to_be_known_by() {
    let mut walk = Walk::new(json!({}));
    walk.rows.clear();
    walk.remotes[0].key = Some(SecretText::new("made-anew-there"));
    walk.run();
    assert_eq!(fingerprint(&walk), SecretText::new("made-anew-there").fingerprint());
}

#[test]
fn a_lost_key_leaves_the_fingerprint_and_a_gap_and_is_said_while_suspended() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.endpoint.spec(json!({"suspend": true}));
    walk.endpoint.secret = holding("someone", None);
    walk.run();
    assert_eq!((walk.said("Ready"), walk.said("SecretPublished")), ("False/KeyLost".into(), "False/KeyLost".into()));
    let status = walk.endpoint.object.status.clone().unwrap();
    assert_eq!(
        (status.plan, status.delivery_gaps.len()),
        (vec!["replace the signing key of remote endpoint 7".to_owned()], 0)
    );
    assert_eq!(fingerprint(&walk), key_of("7").fingerprint());
    walk.endpoint.secret = holding("7", None);
    walk.run();
    assert_eq!(walk.said("Ready"), "True/InSync", "put back by hand it is known again");
    walk.endpoint.secret = SecretView::Missing;
    walk.endpoint.spec(json!({"suspend": false}));
    walk.endpoint.status(json!({"subscriptions": {"active": 2, "undeclared": 0}}));
    walk.step();
    let gaps = walk.endpoint.object.status.clone().unwrap().delivery_gaps;
    assert_eq!(
        gaps.iter().map(|gap| (format!("{:?}", gap.cause), gap.to.is_some())).collect::<Vec<_>>(),
        [("SigningKeyLost".to_owned(), false)]
    );
    walk.until(None);
    assert!(walk.endpoint.object.status.unwrap().delivery_gaps.iter().all(|gap| gap.to.is_some()));
}

#[test]
fn a_key_that_was_not_lost_leaves_no_gap() {
    let mut walk = Walk::new(json!({}));
    walk.endpoint.status(json!({"subscriptions": {"active": 2, "undeclared": 0}}));
    walk.edit(&json!({"requestId": "one"}));
    walk.until(Some(Draining));
    walk.until(None);
    assert!(walk.written.iter().all(|status| status.delivery_gaps.is_empty()));
}
