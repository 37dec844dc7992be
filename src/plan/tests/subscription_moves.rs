//! rules.md *Pairs*: a changed `endpointRef`.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::plan::subscription::SubscriptionStep;

/// On endpoint 7 before, on 8 now.
fn moving(movable: bool) -> Subscription {
    let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
    let rows = std::mem::take(&mut subscription.rows.rows);
    subscription.moves_to("8", rows, movable);
    subscription
}

#[test]
fn within_a_realm_rows_move() {
    let mut subscription = moving(true);
    subscription.acknowledge();
    assert_eq!(subscription.applied().moving_endpoint_remote_ids, ["8"]);
    assert_eq!(subscription.obey(), ["move a/patient_created", "move b/patient_created"]);
    assert_eq!(subscription.applied().endpoint_remote_id.as_deref(), Some("8"));
    assert!(subscription.applied().moving_endpoint_remote_ids.is_empty());
}

#[test]
fn into_another_realm_it_creates_before_it_deletes() {
    let mut subscription = moving(false);
    assert_eq!(
        subscription.obey(),
        [
            "create a/patient_created",
            "create b/patient_created",
            "delete a/patient_created of 7",
            "delete b/patient_created of 7"
        ]
    );
}

#[test]
fn what_the_provider_does_not_move_is_made_and_then_deleted() {
    let mut subscription = moving(true);
    let stubborn = subscription.old.rows[0].row.key();
    subscription.memory.unmovable.insert(stubborn);
    subscription.acknowledge();
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 1, "moves first");
    // The old endpoint still shows the row, and that is no reason not to make it here.
    assert_eq!(
        subscription.obey(),
        ["move b/patient_created", "create a/patient_created", "delete a/patient_created of 7"]
    );
}

#[test]
fn what_others_declare_there_stays_there() {
    let mut subscription = moving(true);
    subscription.old.rows[0].declared_there = true;
    assert_eq!(subscription.obey(), ["move b/patient_created", "create a/patient_created"]);
}

#[test]
fn the_list_that_is_too_old_is_the_one_to_read() {
    let mut subscription = moving(true);
    subscription.spec(json!({"events": [{"event": "patient_created"}, {"event": "appointment_insertion"}]}));
    subscription.acknowledge();
    subscription.obey_moves();
    // A move is a write to both endpoints: neither list can say any more that the new pair is missing.
    subscription.rows.unsettled = [id("7")].into();
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
    subscription.rows.unsettled = [id("8")].into();
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("8")));
    subscription.rows.unsettled.clear();
    assert_eq!(subscription.obey(), ["create a/appointment_insertion", "create b/appointment_insertion"]);
}

#[test]
fn an_old_endpoint_that_cannot_be_asked_is_not_forgotten() {
    let mut subscription = moving(false);
    subscription.old.rows.clear();
    subscription.old.unreachable = vec![id("7")];
    assert_eq!(subscription.obey(), ["create a/patient_created", "create b/patient_created"]);
    assert_eq!(subscription.says(), "Unknown/AccountNotReady");
    assert!(subscription.plan().again.is_some());
    assert_eq!(subscription.applied().endpoint_remote_id.as_deref(), Some("7"), "still ours to take back there");
    subscription.old.unreachable.clear();
    assert_eq!(subscription.says(), "True/InSync");
}

#[test]
fn unlisted_old_endpoints_are_listed() {
    let mut subscription = moving(true);
    subscription.acknowledge();
    subscription.old.unlisted = vec![id("7")];
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
}
