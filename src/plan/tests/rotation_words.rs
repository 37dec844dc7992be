//! rules.md *Rotation*: what a person reads while a key is replaced, and when that does not go on.

use serde_json::json;

use super::fixtures::*;
use super::walk::Walk;
use crate::api::rotation::RotationPhase::{Draining, Preparing, Publishing, Retiring, Switching};
use crate::plan::endpoint::{SecretView, Stuck};
use crate::plan::{Note, Refusal};
use crate::provider::model::Moved;

/// `Status/Reason: message` of a condition.
fn says(walk: &Walk, kind: &str) -> String {
    let conditions = &walk.endpoint.object.status.as_ref().unwrap().conditions;
    let found = conditions.iter().find(|condition| condition.type_ == kind);
    found.map_or_else(|| "absent".to_owned(), |found| format!("{}/{}: {}", found.status, found.reason, found.message))
}

fn events(notes: &[Note]) -> Vec<String> {
    let kind = |note: &Note| if note.warning { "Warning" } else { "Normal" };
    notes.iter().map(|note| format!("{} {}/{}: {}", kind(note), note.reason, note.action, note.text)).collect()
}

#[test]
fn each_phase_says_what_is_going_on_and_what_suspend_holds_back() {
    let table = [
        (
            Preparing,
            "True/Preparing: a second remote endpoint, and with it the new key, is being made",
            "go on with the key rotation: make a second remote endpoint",
        ),
        (
            Publishing,
            "True/Publishing: the Secret holds the new key under \"current\" and the present one under \"previous\"; receivers get spec.signingSecret.rotation.publishDelay to load them",
            "go on with the key rotation: move subscriptions to the new remote endpoint",
        ),
        (
            Switching,
            "True/Switching: subscriptions are being moved to the new remote endpoint",
            "go on with the key rotation: move the remaining subscriptions",
        ),
        (
            Draining,
            "True/Draining: deliveries are signed with the new key; the former remote endpoint and its key stay for spec.signingSecret.rotation.overlap, so that what was refused can be repeated",
            "go on with the key rotation: remove the former remote endpoint when its time is over",
        ),
        (
            Retiring,
            "True/Retiring: the former remote endpoint and its key are being removed",
            "go on with the key rotation: delete the former remote endpoint",
        ),
    ];
    for (phase, rotating, held_back) in table {
        let mut walk = Walk::at_phase(phase);
        assert_eq!(says(&walk, "Rotating"), rotating);
        walk.endpoint.spec(json!({"suspend": true}));
        walk.run();
        assert_eq!(walk.endpoint.object.status.as_ref().unwrap().plan, [held_back]);
        assert_eq!(says(&walk, "Rotating"), rotating, "frozen, it is still under way");
    }
}

/// What brings a rotation to a stop, and what is said then.
type Case = (&'static str, fn() -> Walk, &'static str);

#[test]
fn a_rotation_that_cannot_go_on_says_why_and_the_one_thing_to_do() {
    const CASES: [Case; 8] = [
        (
            "no key is shown",
            || {
                let mut walk = Walk::at_phase(Preparing);
                walk.endpoint.memory.unreadable = Some((2, at(walk.endpoint.now)));
                walk
            },
            "True/KeyUnreadable: the provider shows no signing key for the new remote endpoint, so it cannot be published; the present key stays in use: have the provider return secret_key to this account's API key",
        ),
        (
            "a row can neither be moved nor made",
            || {
                let mut walk = Walk::at_phase(Switching);
                (walk.unmovable, walk.unmakeable) = (vec![id("2")], true);
                walk
            },
            "True/MoveRefused: the provider neither moves subscription 2 to the new remote endpoint nor replaces it (HTTP 403): have its practice granted to the account's key, or delete that subscription at the provider. Until then it stays where it is, and its events arrive",
        ),
        (
            "a row whose practice the key no longer reaches cannot be moved",
            || {
                let mut walk = Walk::at_phase(Switching);
                (walk.unmovable, walk.nameless) = (vec![id("2")], true);
                walk
            },
            "True/MoveRefused: the provider neither moves subscription 2 to the new remote endpoint nor replaces it (HTTP 403): have its practice granted to the account's key, or delete that subscription at the provider. Until then it stays where it is, and its events arrive",
        ),
        (
            "a row that was made anew is not deleted",
            || {
                let mut walk = Walk::at_phase(Switching);
                walk.unmovable = vec![id("2")];
                let refusal = Refusal { status: 409, at: at(walk.endpoint.now) };
                walk.endpoint.memory.stuck.insert(id("2"), Stuck::Delete(refusal));
                walk
            },
            "True/MoveRefused: the provider neither moves subscription 2 to the new remote endpoint nor replaces it (HTTP 409): have its practice granted to the account's key, or delete that subscription at the provider. Until then it stays where it is, and its events arrive",
        ),
        (
            "the former one is not deleted",
            || {
                let mut walk = Walk::at_phase(Retiring);
                walk.endpoint.memory.delete_refused.insert(id("7"), Refusal { status: 400, at: at(walk.endpoint.now) });
                walk
            },
            "True/RemoteNotDeleted: the provider refuses to delete the former remote endpoint 7 (HTTP 400): delete it there. Until then its key stays in the Secret under \"previous\"",
        ),
        (
            "off while receivers load the key",
            || {
                let mut walk = Walk::at_phase(Publishing);
                walk.endpoint.spec(json!({"reactivation": "Never"}));
                walk.run();
                walk.remotes.iter_mut().for_each(|remote| remote.active = false);
                walk
            },
            "True/SwitchedOffRemotely: the remote endpoint is switched off at the provider, and the key is not replaced before it is on again; its Active condition says what to do",
        ),
        (
            "suspended for too long",
            || {
                let mut walk = Walk::at_phase(Switching);
                walk.endpoint.spec(json!({"suspend": true}));
                walk.endpoint.now += 3600;
                walk
            },
            "True/Suspended: the rotation of the signing key waits: spec.suspend holds back what would have to be done, which status.plan names: set it to false to have it done",
        ),
        (
            "too long",
            || {
                let mut walk = Walk::at_phase(Switching);
                walk.moved = Some(Moved::InFlight);
                walk.endpoint.now += 3600;
                walk
            },
            "True/Overrun: the rotation has been Switching for longer than it should; nothing is lost meanwhile, both keys verify: look at the other conditions of this object and of its account, and at the log of the operator",
        ),
    ];
    for (what, begin, said) in CASES {
        let mut walk = begin();
        walk.run();
        assert_eq!(says(&walk, "RotationOverdue"), said, "{what}");
    }
}

#[test]
fn a_rotation_that_cannot_begin_says_why_and_the_one_thing_to_do() {
    const CASES: [Case; 5] = [
        (
            "the provider refuses the URL",
            || {
                let mut walk = Walk::new(json!({}));
                walk.edit(&json!({"requestId": "one"}));
                walk.post_refused = Some(400);
                walk
            },
            "True/DuplicateUrlRefused: the provider refuses a second endpoint with this target URL, so the key cannot be replaced beside the present one: change spec.targetUrl (another path or query that reaches the same receiver) and spec.signingSecret.rotation.requestId in one edit. The present key stays in use",
        ),
        (
            "nothing says when it was replaced",
            || {
                let mut walk = Walk::new(json!({"interval": "720h"}));
                walk.endpoint.status(json!({"signingSecret": null}));
                if let SecretView::Ours { rotated_at, .. } = &mut walk.endpoint.secret {
                    *rotated_at = None;
                }
                walk
            },
            "True/BookkeepingLost: nothing says when this key was last replaced (status.signingSecret.lastRotationTime and the Secret's annotation external-webhooks.io/rotated-at are gone), so the interval cannot be counted: set spec.signingSecret.rotation.requestId to a new value, which replaces the key once and begins to count anew",
        ),
        (
            "asked for while switched off at the provider",
            || {
                let mut walk = Walk::new(json!({}));
                walk.endpoint.spec(json!({"reactivation": "Never"}));
                walk.run();
                walk.remotes[0].active = false;
                walk.run();
                walk.endpoint.object.spec.signing_secret.rotation.request_id = "now".into();
                walk
            },
            "True/SwitchedOffRemotely: the remote endpoint is switched off at the provider, and the key is not replaced before it is on again; its Active condition says what to do",
        ),
        (
            "due while suspended",
            || {
                let mut walk = Walk::new(json!({"interval": "720h"}));
                walk.endpoint.spec(json!({"suspend": true}));
                walk.endpoint.now += 721 * 3600;
                walk
            },
            "True/Suspended: the rotation of the signing key waits: spec.suspend holds back what would have to be done, which status.plan names: set it to false to have it done",
        ),
        (
            "due while the account only observes",
            || {
                let mut walk = Walk::new(json!({"interval": "720h"}));
                walk.endpoint.policy.observe = true;
                walk.endpoint.now += 721 * 3600;
                walk
            },
            "True/ObserveOnly: the rotation of the signing key waits: the account's managementPolicy is Observe, which holds back what status.plan names: set it to Manage to have it done",
        ),
    ];
    for (what, begin, said) in CASES {
        let mut walk = begin();
        walk.run();
        assert_eq!(says(&walk, "RotationOverdue"), said, "{what}");
        assert_eq!(walk.phase(), None, "{what}");
    }
}

#[test]
fn an_event_says_why_a_rotation_began_and_how_it_went() {
    let mut walk = Walk::at_phase(Retiring);
    walk.until(None);
    let wanted = [
        "Normal RotationStarted/Rotate: replacing the signing key of remote endpoint 7: spec.signingSecret.rotation.requestId has a new value",
        "Normal RotationPublishing/Rotate: remote endpoint 8 is made beside the present one; publishing its key",
        "Normal RotationSwitching/Rotate: its key is published; moving subscriptions to remote endpoint 8",
        "Normal RotationDraining/Rotate: every subscription is on remote endpoint 8; the former one, 7, stays for the overlap",
        "Normal RotationRetiring/Rotate: the overlap is over; removing the former remote endpoint 7",
        "Normal Rotated/Rotate: the signing key is replaced: remote endpoint 8 has taken the place of 7, which is deleted with its key",
    ];
    assert_eq!(events(&walk.notes), wanted);
    let mut due = Walk::new(json!({"interval": "720h"}));
    due.endpoint.now += 720 * 3600;
    due.step();
    assert_eq!(
        events(&due.notes),
        ["Normal RotationStarted/Rotate: replacing the signing key of remote endpoint 7: it is due"]
    );
    let mut lost = Walk::new(json!({}));
    lost.hides_keys = true;
    lost.endpoint.secret = SecretView::Missing;
    lost.step();
    assert_eq!(
        events(&lost.notes),
        [
            "Warning RotationStarted/Rotate: replacing the signing key of remote endpoint 7: it is lost: the Secret does not hold it, and the provider does not show it"
        ]
    );
    assert_eq!(
        events(&Walk::new(json!({"requestId": "one"})).notes),
        [
            "Normal RotationRequestRecorded/Observe: spec.signingSecret.rotation.requestId \"one\" was there before the key's bookkeeping began; it is recorded and not acted on. Any new value replaces the key"
        ]
    );
}

#[test]
fn an_event_says_what_stops_a_rotation_or_turns_it_back() {
    let gone = |phase, gone: &str| {
        let mut walk = Walk::at_phase(phase);
        walk.notes.clear();
        walk.delete(gone);
        walk.step();
        events(&walk.notes)
    };
    let former = "Warning RemoteMissing/Rotate: the former remote endpoint of the key rotation was deleted at the provider; its subscriptions are made on the new one";
    let on = "Normal RotationSwitching/Rotate: its key is published; moving subscriptions to remote endpoint 8";
    let over = "Normal RotationDraining/Rotate: every subscription is on remote endpoint 8; the former one, 7, stays for the overlap";
    let another = "Warning RemoteMissing/Rotate: the new remote endpoint of the key rotation was deleted at the provider; making another one";
    let back = "Warning RemoteMissing/Rotate: the new remote endpoint of the key rotation was deleted at the provider; its subscriptions are made again on 7";
    let anew = "Warning RemoteMissing/Recreate: remote endpoint 8 was deleted at the provider; creating it again";
    for (phase, which, said) in [
        (Publishing, "7", vec![on]),
        (Switching, "7", vec![former, over]),
        (Publishing, "8", vec![another]),
        (Switching, "8", vec![back]),
        (Draining, "8", vec![back]),
        (Retiring, "8", vec![anew]),
    ] {
        assert_eq!(gone(phase, which), said, "{phase:?} without {which}");
    }
    let mut refused = Walk::new(json!({}));
    refused.edit(&json!({"requestId": "one"}));
    refused.post_refused = Some(422);
    refused.run();
    assert_eq!(
        events(&refused.notes[1..]),
        [
            "Warning RotationRefused/Rotate: the provider refused the second remote endpoint of the key rotation (HTTP 422); the present key stays"
        ]
    );
    let mut forgotten = Walk::at_phase(Switching);
    forgotten.notes.clear();
    forgotten.endpoint.object.status = Some(crate::api::WebhookEndpointStatus::default());
    forgotten.endpoint.memory = crate::plan::endpoint::EndpointMemory::default();
    forgotten.step();
    assert_eq!(
        events(&forgotten.notes),
        [
            "Normal RotationRequestRecorded/Observe: spec.signingSecret.rotation.requestId \"one\" was there before the key's bookkeeping began; it is recorded and not acted on. Any new value replaces the key",
            "Normal Adopted/Adopt: took over remote endpoints 7 and 8, whose keys the Secret holds: the rotation that was under way goes on"
        ]
    );
}
