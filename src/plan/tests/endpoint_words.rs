//! What a person reads: the Events of an endpoint object, and what it says when it gives up.

use serde_json::json;

use super::fixtures::*;
use crate::plan::contention::Field;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::plan::{AccountPolicy, AccountView, PlanTiming};
use crate::provider::model::Absence;

/// The Events of a plan, one per line.
fn events(endpoint: &Endpoint) -> String {
    let notes = endpoint.plan().notes;
    let lines = notes.iter().map(|note| {
        let kind = if note.warning { "Warning" } else { "Normal" };
        format!("{kind} {}/{}: {}", note.reason, note.action, note.text)
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// One that says these Events once it is changed so.
type Case = (fn(&mut Endpoint), &'static str);

fn say(begin: fn() -> Endpoint, cases: &[Case]) {
    for (change, expected) in cases {
        let mut endpoint = begin();
        change(&mut endpoint);
        assert_eq!(events(&endpoint), *expected);
    }
}

/// Remote endpoint 3 has the URL, and the Secret holds its key.
fn possessing() -> Endpoint {
    let mut endpoint = Endpoint::new();
    endpoint.remote.same_url = vec![stranger("3", Some(4))];
    let current = stranger("3", None).endpoint.key;
    endpoint.secret = SecretView::Ours { current, previous: None, dressed: true, owned: true, rotated_at: None };
    endpoint
}

#[test]
fn an_event_says_how_the_object_came_by_its_endpoint() {
    let intending = || Endpoint { secret: published(), ..Endpoint::intending() };
    say(
        intending,
        &[
            (
                |e| {
                    e.memory.made = Some(id("7"));
                    e.remote.same_url = vec![candidate("7", Some(0))];
                },
                "Normal Created/Create: remote endpoint 7 delivers to https://hooks.example.com/nexhealth",
            ),
            (
                |e| {
                    e.memory.lost_post = Some(at(NOW));
                    e.memory.made = Some(id("9"));
                    e.remote.same_url = vec![candidate("8", Some(0)), candidate("9", Some(0))];
                },
                "Normal Created/Create: found remote endpoint 8, which an attempt made whose answer was lost; it delivers to https://hooks.example.com/nexhealth",
            ),
        ],
    );
    let by_key = "Normal Adopted/Adopt: took over remote endpoint 3, which delivers to https://hooks.example.com/nexhealth: the Secret holds its signing key";
    let by_id = "Normal Adopted/Adopt: took over remote endpoint 3, which delivers to https://hooks.example.com/nexhealth: spec.adoptRemoteId names it";
    let by_policy = "Normal Adopted/Adopt: took over remote endpoint 3, which delivers to https://hooks.example.com/nexhealth: spec.adoption is IfUnclaimed";
    say(
        possessing,
        &[
            (|_| {}, by_key),
            (|e| e.spec(json!({"adoptRemoteId": "5"})), by_key),
            (|e| e.spec(json!({"adoptRemoteId": "5", "adoption": "IfUnclaimed"})), by_key),
            (|e| e.spec(json!({"adoptRemoteId": "3"})), by_id),
            (|e| e.spec(json!({"adoptRemoteId": "3", "adoption": "IfUnclaimed"})), by_id),
            (|e| e.spec(json!({"adoption": "IfUnclaimed"})), by_policy),
        ],
    );
}

#[test]
fn an_event_says_which_field_was_changed_and_by_whom() {
    let url = |e: &mut Endpoint| e.remote.held.as_mut().unwrap().target_url = "https://moved.example.com/".into();
    say(
        Endpoint::held,
        &[
            (
                |e| e.spec(json!({"targetUrl": "https://hooks.example.com/new"})),
                "Normal Updated/Update: targetUrl of remote endpoint 7 was changed to what the spec declares",
            ),
            (
                |e| e.spec(json!({"active": false})),
                "Normal Updated/Update: active of remote endpoint 7 was changed to what the spec declares",
            ),
            (
                |e| e.spec(json!({"targetUrl": "https://hooks.example.com/new", "active": false})),
                "Normal Updated/Update: targetUrl and active of remote endpoint 7 was changed to what the spec declares",
            ),
            (
                url,
                "Warning DriftCorrected/Repair: targetUrl of remote endpoint 7 was changed at the provider; put back to what the spec declares",
            ),
            (
                |e| {
                    e.remote.held.as_mut().unwrap().active = false;
                    e.spec(json!({"active": false}));
                    e.object.status = Some(e.plan().status);
                    e.remote.held.as_mut().unwrap().active = true;
                },
                "Warning DriftCorrected/Repair: active of remote endpoint 7 was changed at the provider; put back to what the spec declares",
            ),
        ],
    );
}

#[test]
fn an_event_says_what_became_of_an_endpoint() {
    let absence = |e: &mut Endpoint| {
        e.remote.held = None;
        e.remote.absence = Some(Absence { first: at(NOW - 10), last: at(NOW), lists: 2, witnessed: true, seen: None });
    };
    say(
        Endpoint::held,
        &[
            (
                absence,
                "Warning RemoteMissing/Recreate: remote endpoint 7 was deleted at the provider; creating it again",
            ),
            (
                |e| {
                    e.status(json!({"lastCreate":
                        {"since": "1970-01-12T13:46:30Z", "until": "1970-01-12T13:46:40Z", "outstanding": true}}));
                    e.remote.same_url = vec![candidate("10", Some(0)), candidate("9", Some(0))];
                },
                "Normal TwinRemoved/RemoveTwin: removing empty endpoint 9, 10: a create whose answer was lost made it beside 7",
            ),
            (
                |e| {
                    e.remote.held.as_mut().unwrap().active = false;
                    e.object.status = Some(e.plan().status);
                    e.now = NOW + 600;
                },
                "Warning Reactivated/Reactivate: remote endpoint 7 was switched off at the provider; switched it on again",
            ),
            (
                |e| {
                    e.status(json!({"subscriptions": {"active": 12, "undeclared": 1}}));
                    e.delete();
                    (e.remote.held, e.remote.gone) = (None, true);
                },
                "Normal Deleted/Delete: remote endpoint 7 is gone, and with it 12 active subscriptions",
            ),
        ],
    );
}

#[test]
fn an_event_says_what_stays_at_the_provider_and_why() {
    fn going() -> Endpoint {
        let mut endpoint = Endpoint::held();
        endpoint.delete();
        endpoint.secret = SecretView::Missing;
        endpoint.leaving = 1;
        endpoint
    }
    const UNUSABLE: AccountPolicy = AccountPolicy { observe: false, orphan: true, releasing: false };
    say(
        going,
        &[
            (
                |e| {
                    e.leaving = 0;
                    e.spec(json!({"deletionPolicy": "Orphan"}));
                },
                "Normal Orphaned/Orphan: remote endpoint 7 stays at the provider (deletionPolicy: Orphan)",
            ),
            (
                |e| {
                    e.leaving = 0;
                    e.spec(json!({"deletionPolicy": "Orphan"}));
                    e.status(json!({"removing": ["8", "9"]}));
                },
                "Normal Orphaned/Orphan: remote endpoint 7, 8, 9 stays at the provider (deletionPolicy: Orphan)",
            ),
            (
                |e| {
                    e.leaving = 0;
                    e.spec(json!({"deletionPolicy": "Orphan"}));
                    e.object.status = None;
                },
                "Normal Orphaned/Orphan: no remote endpoint is known; nothing is deleted at the provider (deletionPolicy: Orphan)",
            ),
            (
                |e| e.memory.definition_going = true,
                "Normal Orphaned/Orphan: remote endpoint 7 stays at the provider (the definition of this kind is being removed from the cluster)",
            ),
            (
                |e| e.policy.observe = true,
                "Normal Orphaned/Orphan: remote endpoint 7 stays at the provider (the account's managementPolicy is Observe)",
            ),
            (
                |e| e.policy = AccountPolicy { releasing: true, ..UNUSABLE },
                "Normal Orphaned/Orphan: remote endpoint 7 stays at the provider (the account is being deleted with deletionPolicy: Orphan)",
            ),
            (
                |e| (e.policy, e.account) = (UNUSABLE, AccountView::NotFound),
                "Normal Orphaned/Orphan: remote endpoint 7 stays at the provider (the account's deletionPolicy is Orphan, and it cannot be used)",
            ),
        ],
    );
}

#[test]
fn a_fight_is_named_by_its_field() {
    for (field, name) in [(Field::TargetUrl, "targetUrl"), (Field::Active, "active")] {
        let mut endpoint = Endpoint::held();
        endpoint.spec(json!({"targetUrl": "https://hooks.example.com/new", "active": false}));
        for _ in 0..3 {
            endpoint.memory.corrections.record(&id("7"), field, at(NOW), &PlanTiming::default());
        }
        let plan = endpoint.plan();
        assert_eq!(plan.step, EndpointStep::Rest);
        let message = &plan.status.conditions[0].message;
        assert!(message.starts_with(&format!("{name} of remote endpoint 7 is changed back")), "{message}");
    }
}
