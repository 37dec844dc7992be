//! rules.md *Rotation*: what is deleted at the provider, or in the Secret, in the middle of one.

use serde_json::json;

use super::fixtures::*;
use super::walk::{Walk, key_of};
use crate::api::rotation::RotationPhase::{self, Draining, Preparing, Publishing, Retiring, Switching};
use crate::plan::endpoint::{EndpointStep, SecretView};

fn at_phase(phase: RotationPhase) -> Walk {
    let mut walk = Walk::new(json!({}));
    walk.edit(&json!({"requestId": "one"}));
    walk.until(Some(phase));
    if phase == Publishing {
        walk.run();
    }
    walk
}

/// Somebody deletes an endpoint at the provider, and everything on it.
fn delete(walk: &mut Walk, gone: &str) {
    walk.remotes.retain(|remote| remote.id != id(gone));
    walk.rows.retain(|row| row.endpoint != id(gone));
    walk.proven.push(id(gone));
}

#[test]
fn without_the_former_one_before_the_switch_the_new_one_takes_over_at_once() {
    let mut walk = at_phase(Publishing);
    delete(&mut walk, "7");
    walk.steps.clear();
    walk.run();
    assert_eq!((walk.phase(), walk.held().as_deref()), (Some(Draining), Some("8")));
    assert_eq!(walk.keys().0.as_deref(), Some("8"));
    let gaps = &walk.endpoint.object.status.as_ref().unwrap().delivery_gaps;
    assert!(gaps.iter().all(|gap| gap.to.is_some()), "{gaps:?}");
    walk.until(None);
    assert_eq!(walk.remotes.len(), 1);
}

#[test]
fn without_the_former_one_while_preparing_it_is_a_plain_create() {
    let mut walk = at_phase(Preparing);
    delete(&mut walk, "7");
    walk.until(None);
    walk.run();
    assert_eq!((walk.held().as_deref(), walk.keys().0.as_deref()), (Some("8"), Some("8")));
    assert_eq!(walk.remotes.len(), 1);
}

#[test]
fn without_the_new_one_before_the_switch_another_is_made() {
    let mut walk = at_phase(Publishing);
    delete(&mut walk, "8");
    walk.until(Some(Preparing));
    walk.until(Some(Draining));
    assert_eq!((walk.held().as_deref(), walk.keys().0.as_deref()), (Some("9"), Some("9")));
    assert_eq!(walk.rows.len(), 2);
}

#[test]
fn without_the_new_one_after_the_switch_everything_goes_back_first() {
    for phase in [Switching, Draining] {
        let mut walk = at_phase(phase);
        delete(&mut walk, "8");
        walk.step();
        assert_eq!((walk.phase(), walk.held().as_deref()), (Some(Preparing), Some("7")), "{phase:?}: status first");
        let gaps = walk.endpoint.object.status.clone().unwrap().delivery_gaps;
        assert!(phase == Switching || !gaps.is_empty() || walk.rows.is_empty());
        walk.until(Some(Publishing));
        walk.until(Some(Draining));
        assert_eq!((walk.held().as_deref(), walk.keys().0.as_deref()), (Some("9"), Some("9")), "{phase:?}");
        walk.until(None);
        assert_eq!(walk.remotes.len(), 1);
    }
}

#[test]
fn in_retiring_the_former_one_is_never_used_again() {
    let mut walk = at_phase(Retiring);
    delete(&mut walk, "8");
    walk.run();
    assert_eq!((walk.phase(), walk.held().as_deref()), (None, Some("9")));
    assert_eq!(walk.keys(), (Some("9".into()), None));
    assert_eq!(walk.remotes.len(), 1, "the former one is gone: {:?}", walk.remotes);
}

#[test]
fn without_both_it_is_a_plain_create() {
    for phase in [Publishing, Switching, Draining] {
        let mut walk = at_phase(phase);
        delete(&mut walk, "7");
        delete(&mut walk, "8");
        walk.run();
        assert_eq!((walk.phase(), walk.held().as_deref()), (None, Some("9")), "{phase:?}");
        assert_eq!(walk.said("Ready"), "True/InSync");
    }
}

#[test]
fn without_the_former_one_after_the_switch_it_goes_on() {
    for phase in [Switching, Draining, Retiring] {
        let mut walk = at_phase(phase);
        delete(&mut walk, "7");
        walk.until(None);
        assert_eq!((walk.keys(), walk.held().as_deref()), ((Some("8".into()), None), Some("8")), "{phase:?}");
    }
}

#[test]
fn a_secret_that_is_deleted_or_changed_is_put_back_as_the_phase_has_it() {
    for phase in [Publishing, Switching, Draining, Retiring] {
        for secret in [
            SecretView::Missing,
            SecretView::Ours {
                current: Some(key_of("someone")),
                previous: None,
                dressed: true,
                owned: true,
                rotated_at: None,
            },
        ] {
            let mut walk = at_phase(phase);
            let before = walk.keys();
            let rows = walk.rows.clone();
            // What is tampered with cannot be verified, until the next step has put it back.
            walk.rows.clear();
            walk.endpoint.secret = secret;
            while walk.keys() != before {
                walk.step();
            }
            walk.rows = rows;
            assert_eq!(walk.phase(), Some(phase));
            walk.until(None);
            assert_eq!(walk.keys(), (Some("8".into()), None), "{phase:?}");
        }
    }
}

#[test]
fn the_wait_for_receivers_begins_anew_after_every_later_write_of_the_secret() {
    let mut walk = at_phase(Publishing);
    walk.endpoint.now += 80;
    walk.rows.clear();
    walk.endpoint.secret = SecretView::Missing;
    let wait = walk.run();
    assert_eq!((walk.phase(), wait.map(|wait| wait.as_secs())), (Some(Publishing), Some(90)));
}

#[test]
fn a_new_key_that_nobody_knows_is_given_up() {
    let mut walk = at_phase(Preparing);
    walk.hides_keys = true;
    walk.until(Some(Publishing));
    // The process dies between the id and the key.
    walk.endpoint.memory = crate::plan::endpoint::EndpointMemory::default();
    walk.step();
    assert_eq!(walk.phase(), Some(Preparing));
    assert_eq!(walk.endpoint.object.status.as_ref().unwrap().removing, ["8"]);
    walk.until(Some(Draining));
    assert_eq!((walk.held().as_deref(), walk.keys()), (Some("9"), (Some("9".into()), Some("7".into()))));
}

#[test]
fn a_former_endpoint_that_the_provider_keeps_is_named() {
    let mut walk = at_phase(Retiring);
    let refusal = crate::plan::Refusal { status: 400, at: at(walk.endpoint.now) };
    walk.endpoint.memory.delete_refused.insert(id("7"), refusal);
    walk.run();
    assert_eq!((walk.phase(), walk.said("RotationOverdue")), (Some(Retiring), "True/RemoteNotDeleted".into()));
    assert_eq!(walk.keys(), (Some("8".into()), Some("7".into())), "its key stays");
    assert_eq!(walk.said("Ready"), "True/InSync");
    walk.endpoint.memory.delete_refused.clear();
    assert_eq!(walk.step().step, EndpointStep::Delete(id("7")));
}

#[test]
fn a_rotation_that_takes_too_long_is_overdue() {
    let mut walk = at_phase(Switching);
    (walk.unmovable, walk.unmakeable) = (vec![id("1")], true);
    walk.step();
    walk.endpoint.memory.stuck.clear();
    walk.endpoint.spec(json!({"suspend": true}));
    walk.endpoint.now += 2 * 3600;
    walk.run();
    assert_eq!(walk.said("RotationOverdue"), "True/Suspended");
}

#[test]
fn deletion_takes_both_along() {
    for phase in [Preparing, Publishing, Switching, Draining, Retiring] {
        let mut walk = at_phase(phase);
        walk.endpoint.delete();
        walk.run();
        assert_eq!(walk.remotes.len(), 0, "{phase:?}");
        assert_eq!(walk.endpoint.object.metadata.finalizers, None, "{phase:?}");
    }
}

#[test]
fn orphan_leaves_what_is_in_use_with_its_keys_and_nothing_else() {
    for (phase, remotes, keys) in [
        (Preparing, vec!["7"], (Some("7"), None)),
        (Publishing, vec!["7"], (Some("7"), None)),
        (Switching, vec!["7", "8"], (Some("8"), Some("7"))),
        (Draining, vec!["7", "8"], (Some("8"), Some("7"))),
        (Retiring, vec!["7", "8"], (Some("8"), Some("7"))),
    ] {
        let mut walk = at_phase(phase);
        walk.endpoint.spec(json!({"deletionPolicy": "Orphan"}));
        walk.endpoint.delete();
        walk.run();
        let left: Vec<&str> = walk.remotes.iter().map(|remote| remote.id.as_str()).collect();
        assert_eq!(left, remotes, "{phase:?}");
        let keys = (keys.0.map(str::to_owned), keys.1.map(str::to_owned));
        assert_eq!((walk.keys(), walk.endpoint.object.metadata.finalizers.clone()), (keys, None), "{phase:?}");
        let owned = matches!(walk.endpoint.secret, SecretView::Ours { owned: true, .. });
        assert!(!owned, "{phase:?}: garbage collection keeps a live key");
        let text = &walk.notes.last().unwrap().text;
        assert!(remotes.iter().all(|id| text.contains(id)), "{text}");
    }
}

#[test]
fn on_the_way_back_a_hidden_key_stays_what_it_was() {
    for phase in [Publishing, Switching, Draining] {
        let mut walk = Walk::new(json!({}));
        walk.hides_keys = true;
        walk.edit(&json!({"requestId": "one"}));
        walk.until(Some(phase));
        if phase == Publishing {
            walk.run();
        }
        walk.endpoint.memory = crate::plan::endpoint::EndpointMemory::default();
        walk.written.clear();
        delete(&mut walk, "8");
        walk.until(Some(Preparing));
        walk.until(Some(Publishing));
        assert_eq!(walk.keys(), (Some("7".into()), None), "{phase:?}: the Secret of Preparing");
        let lost = walk.written.iter().any(|status| said(&status.conditions, "SecretPublished") == "False/KeyLost");
        assert!(!lost, "{phase:?}: the former key is in the Secret");
        walk.until(Some(Draining));
        assert_eq!(
            walk.keys(),
            (Some("9".into()), Some("7".into())),
            "{phase:?}: it verifies what the former one signed"
        );
    }
}

#[test]
fn a_secret_that_is_dressed_anew_in_publishing_keeps_both_hidden_keys() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.edit(&json!({"requestId": "one"}));
    walk.until(Some(Publishing));
    walk.run();
    walk.endpoint.memory = crate::plan::endpoint::EndpointMemory::default();
    if let SecretView::Ours { dressed, .. } = &mut walk.endpoint.secret {
        *dressed = false;
    }
    walk.run();
    assert_eq!((walk.phase(), walk.keys()), (Some(Publishing), (Some("8".into()), Some("7".into()))));
}

#[test]
fn two_keys_of_somebody_else_are_a_lost_key_where_lists_hide_it() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.endpoint.secret = SecretView::Ours {
        current: Some(key_of("someone")),
        previous: Some(key_of("another")),
        dressed: true,
        owned: true,
        rotated_at: None,
    };
    walk.run();
    assert_eq!((walk.phase(), walk.keys()), (None, (Some("8".into()), None)));
}

#[test]
fn nothing_is_moved_onto_an_endpoint_that_would_deliver_nothing() {
    let mut walk = at_phase(Publishing);
    walk.endpoint.memory.other_refused = Some(crate::plan::Refusal { status: 403, at: at(walk.endpoint.now) });
    walk.remotes[1].active = false;
    walk.endpoint.now += 1000;
    walk.run();
    assert_eq!((walk.phase(), walk.said("RotationOverdue")), (Some(Publishing), "True/Rejected".into()));
    walk.endpoint.memory.other_refused = None;
    walk.until(Some(Draining));
    assert_eq!(walk.said("RotationOverdue"), "absent");
}

#[test]
fn one_list_without_the_former_one_does_not_end_the_rotation() {
    let mut walk = at_phase(Retiring);
    let seven = walk.remotes.remove(0);
    walk.proven.push(id("7"));
    walk.few_lists = true;
    walk.run();
    assert_eq!(walk.phase(), Some(Retiring), "nobody has deleted it, and one list may be wrong");
    walk.remotes.insert(0, seven);
    walk.few_lists = false;
    walk.proven.clear();
    walk.until(None);
    assert_eq!(walk.remotes.len(), 1);
}

#[test]
fn a_leftover_that_the_provider_keeps_does_not_hold_up_the_former_one() {
    let mut walk = at_phase(Retiring);
    walk.endpoint.status(json!({"removing": ["5"]}));
    let mut five = remote("5");
    five.target_url = "https://h.example.com/other".into();
    walk.remotes.push(five);
    walk.most = 3;
    walk.endpoint
        .memory
        .delete_refused
        .insert(id("5"), crate::plan::Refusal { status: 400, at: at(walk.endpoint.now) });
    walk.run();
    assert_eq!((walk.phase(), walk.keys()), (None, (Some("8".into()), None)));
}
