//! rules.md *Rotation*: what is gone at the provider in the middle of one, and what leaves with the object.

use serde_json::json;

use super::fixtures::*;
use super::walk::Walk;
use crate::api::rotation::RotationPhase::{Draining, Preparing, Publishing, Retiring, Switching};
use crate::plan::AccountView;
use crate::plan::endpoint::EndpointStep;

#[test]
fn orphan_looks_before_it_leaves_and_does_not_wait_for_what_cannot_be_deleted() {
    let orphan = |phase| {
        let mut walk = Walk::at_phase(phase);
        walk.endpoint.spec(json!({"deletionPolicy": "Orphan"}));
        walk.endpoint.delete();
        walk.look();
        walk
    };
    let mut unlisted = orphan(Publishing);
    unlisted.endpoint.remote.listed = false;
    assert_eq!(unlisted.endpoint.step(), EndpointStep::ListEndpoints);
    let mut pending = orphan(Preparing);
    pending.endpoint.remote.listed_since_intent = false;
    assert_eq!(pending.endpoint.step(), EndpointStep::ListEndpoints, "what a POST may have made");
    let mut gone = orphan(Publishing);
    gone.endpoint.account = AccountView::NotFound;
    assert_eq!(gone.endpoint.step(), EndpointStep::ReleaseSecret);
    let mut refused = orphan(Publishing);
    assert_eq!(refused.endpoint.step(), EndpointStep::Delete(id("8")));
    refused.endpoint.memory.delete_refused.insert(id("8"), refusal(400));
    refused.run();
    assert_eq!(refused.endpoint.object.metadata.finalizers, None);
    assert!(refused.notes.last().unwrap().text.contains("7, 8"), "both are named");
}

#[test]
fn without_both_a_rotation_is_given_up_only_when_something_may_be_made() {
    let mut walk = Walk::at_phase(Switching);
    walk.delete("7");
    walk.delete("8");
    walk.endpoint.spec(json!({"suspend": true}));
    walk.run();
    assert_eq!((walk.phase(), walk.held().as_deref()), (Some(Switching), Some("7")), "suspend freezes the phase");
    assert_eq!(walk.said("Ready"), "False/Suspended");
    walk.endpoint.spec(json!({"suspend": false}));
    walk.run();
    assert_eq!((walk.phase(), walk.held().as_deref()), (None, Some("9")));
}

#[test]
fn in_retiring_a_former_one_that_is_gone_as_well_needs_no_removal() {
    for (former, removing) in [(true, vec!["7"]), (false, vec![])] {
        let mut walk = Walk::at_phase(Retiring);
        walk.delete("8");
        if !former {
            walk.delete("7");
        }
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        assert_eq!((walk.phase(), walk.held().as_deref()), (Some(Retiring), Some("8")), "nothing is made");
        walk.endpoint.spec(json!({"suspend": false}));
        walk.step();
        let status = walk.endpoint.object.status.clone().unwrap();
        assert_eq!((walk.phase(), status.removing), (None, removing.iter().map(ToString::to_string).collect()));
        walk.run();
        assert_eq!((walk.held().as_deref(), walk.remotes.len()), (Some("9"), 1));
    }
}

#[test]
fn without_the_former_one_suspend_says_that_events_are_missing() {
    for phase in [Publishing, Switching] {
        let mut walk = Walk::at_phase(phase);
        walk.endpoint.status(json!({"subscriptions": {"active": 2, "undeclared": 0}}));
        walk.delete("7");
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        assert_eq!((walk.phase(), walk.said("Ready")), (Some(phase), "False/Suspended".into()));
        let plan = walk.endpoint.object.status.clone().unwrap().plan;
        assert_eq!(plan[0], "let the new remote endpoint take the place of 7, which was deleted at the provider");
        walk.endpoint.spec(json!({"suspend": false}));
        walk.until(Some(Draining));
        let gaps = walk.endpoint.object.status.clone().unwrap().delivery_gaps;
        assert_eq!(gaps.len(), 1, "{phase:?}");
        walk.until(None);
    }
    for phase in [Draining, Retiring] {
        let mut walk = Walk::at_phase(phase);
        walk.delete("7");
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        assert_eq!((walk.phase(), walk.said("Ready")), (Some(phase), "True/InSync".into()), "nothing was on it");
    }
}

#[test]
fn a_new_endpoint_without_a_key_that_the_provider_keeps_is_named() {
    let mut walk = Walk::new(json!({}));
    walk.edit(&json!({"requestId": "one"}));
    walk.until(Some(Preparing));
    walk.endpoint.status(json!({"removing": ["8"]}));
    walk.remotes.push(remote("8"));
    let refusal = crate::plan::Refusal { status: 403, at: at(walk.endpoint.now) };
    walk.endpoint.memory.delete_refused.insert(id("8"), refusal);
    walk.run();
    assert_eq!(walk.said("RotationOverdue"), "True/RemoteNotDeleted", "not one more beside it");
    assert_eq!((walk.said("Ready"), walk.remotes.len()), ("True/InSync".into(), 2));
}

#[test]
fn nothing_that_delivers_is_moved_onto_an_endpoint_that_is_off() {
    for phase in [Switching, Draining] {
        let mut walk = Walk::at_phase(phase);
        walk.run();
        walk.until(Some(Draining));
        walk.rows[0].endpoint = id("7");
        if phase == Switching {
            walk = Walk::at_phase(phase);
        }
        walk.remotes[1].active = false;
        walk.run();
        assert!(walk.rows.iter().any(|row| row.endpoint == id("7")), "{phase:?}: it still delivers there");
        assert_eq!(walk.said("Active"), "False/SwitchedOffRemotely", "{phase:?}");
        walk.remotes[1].active = true;
        walk.run();
        assert!(walk.rows.iter().all(|row| row.endpoint == id("8")), "{phase:?}: once it is on again");
    }
}

#[test]
fn under_suspend_the_wait_for_receivers_begins_anew_with_the_secret() {
    let mut walk = Walk::at_phase(Publishing);
    walk.run();
    walk.endpoint.now += 80;
    walk.endpoint.spec(json!({"suspend": true}));
    let rows = std::mem::take(&mut walk.rows);
    walk.endpoint.secret = crate::plan::endpoint::SecretView::Missing;
    walk.run();
    walk.rows = rows;
    walk.endpoint.spec(json!({"suspend": false}));
    let wait = walk.run();
    assert_eq!((walk.phase(), wait.map(|wait| wait.as_secs())), (Some(Publishing), Some(90)));
}

#[test]
fn under_suspend_a_new_key_that_nobody_knows_is_not_given_up() {
    let mut walk = Walk::new(json!({}));
    walk.hides_keys = true;
    walk.edit(&json!({"requestId": "one"}));
    walk.until(Some(Publishing));
    walk.endpoint.memory = crate::plan::endpoint::EndpointMemory::default();
    walk.endpoint.spec(json!({"suspend": true}));
    walk.run();
    let status = walk.endpoint.object.status.clone().unwrap();
    assert_eq!((walk.phase(), status.removing.len()), (Some(Publishing), 0));
    assert_eq!(status.rotation.unwrap().published_at, None, "it was not published");
}
