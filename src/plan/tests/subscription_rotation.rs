//! rules.md *Rotation*, as a subscription sees it: its rows are on either of two endpoints.

use super::fixtures::*;
use super::realm::*;
use crate::plan::row_calls::RowCall;
use crate::plan::subscription::{EndpointLink, SubscriptionStep};
use crate::provider::model::RemoteRow;

/// Its row is on remote endpoint 7; the key of 6 is being replaced, and 7 takes its place.
fn rotating() -> Subscription {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    if let EndpointLink::Usable { leaving, .. } = &mut subscription.link {
        *leaving = Some(id("6"));
    }
    subscription
}

/// The same, with the row still on the former endpoint.
fn on_the_former_one() -> Subscription {
    let mut subscription = rotating();
    subscription.rows.rows = vec![row("60", "6", "a", "patient_created")];
    subscription
}

fn ids(rows: &[RemoteRow]) -> Vec<&str> {
    rows.iter().map(|row| row.id.as_str()).collect()
}

#[test]
fn both_endpoints_are_listed_before_anything_is_called() {
    let mut subscription = on_the_former_one();
    assert_eq!(subscription.says(), "True/InSync");
    subscription.rows.unknown.insert(id("6"));
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("6")));
    subscription.rows.unknown.insert(id("7"));
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
}

#[test]
fn a_pair_that_is_still_on_the_former_endpoint_is_there() {
    let subscription = on_the_former_one();
    let status = subscription.plan().status;
    assert_eq!((subscription.says(), status.active), ("True/InSync".into(), Some(1)));
    assert_eq!(status.subscriptions[0].remote_id, "60");
    let mut both = rotating();
    both.rows.rows.push(row("60", "6", "a", "patient_created"));
    let moved = both.rows.rows[0].id.clone();
    assert_eq!(both.plan().status.subscriptions[0].remote_id, moved.as_str(), "the one that stays");
}

#[test]
fn what_was_on_a_former_endpoint_that_has_vanished_is_made_on_the_new_one() {
    let mut subscription = on_the_former_one();
    subscription.rows.rows.clear();
    subscription.rows.unknown.insert(id("6"));
    subscription.rows.vanished = vec![id("6")];
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!("{:?}", subscription.step()) };
    assert!(matches!(calls.as_slice(), [RowCall::Create { endpoint, .. }] if *endpoint == id("7")), "{calls:?}");
}

#[test]
fn deletion_takes_the_rows_of_both_endpoints() {
    let mut subscription = rotating();
    subscription.delete();
    subscription.rows.rows.push(row("60", "6", "a", "patient_created"));
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!("no calls") };
    let doomed: Vec<RemoteRow> = calls
        .into_iter()
        .map(|call| match call {
            RowCall::Delete { row } => row,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(ids(&doomed), ["60", subscription.rows.rows[0].id.as_str()]);
    subscription.rows.unknown.insert(id("6"));
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("6")), "both are listed before");
    subscription.rows.vanished = vec![id("6")];
    assert!(matches!(subscription.step(), SubscriptionStep::Calls(_)), "one that has vanished holds nothing up");
}
