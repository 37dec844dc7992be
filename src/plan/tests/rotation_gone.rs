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
