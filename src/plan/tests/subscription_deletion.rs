//! rules.md *Deletion* for a subscription: every branch.

use serde_json::json;

use super::fixtures::*;
use super::realm::*;
use crate::plan::subscription::{EndpointLink, SubscriptionStep};
use crate::plan::{AccountPolicy, AccountView};

fn going() -> Subscription {
    let mut subscription = Subscription::settled(&["a", "b"], &["patient_created"]);
    subscription.delete();
    subscription
}

fn blocked(subscription: &Subscription) -> String {
    let plan = subscription.plan();
    assert_eq!(plan.step, SubscriptionStep::Rest);
    let blocked = plan.status.conditions.iter().find(|condition| condition.type_ == "DeletionBlocked").unwrap();
    assert!(blocked.message.contains("deletionPolicy: Orphan"), "the way out is named: {}", blocked.message);
    said(&plan.status.conditions, "DeletionBlocked")
}

#[test]
fn rows_go_and_their_absence_is_confirmed() {
    let mut subscription = going();
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 2);
    subscription.rows.rows.clear();
    subscription.rows.unsettled.insert(id("7"));
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
    subscription.rows.unsettled.clear();
    assert_eq!(subscription.step(), SubscriptionStep::RemoveFinalizer);
    subscription.object.metadata.finalizers = None;
    assert_eq!(subscription.step(), SubscriptionStep::Rest);
}

#[test]
fn what_was_never_applied_leaves_at_once_and_orphans_stay() {
    let mut fresh = Subscription::new(&["a"], &["patient_created"]);
    fresh.delete();
    fresh.account = AccountView::NotFound;
    assert_eq!(fresh.step(), SubscriptionStep::RemoveFinalizer);
    let mut orphan = going();
    orphan.spec(json!({"deletionPolicy": "Orphan"}));
    orphan.account = AccountView::NotFound;
    let plan = orphan.plan();
    assert_eq!((plan.step, plan.notes[0].reason), (SubscriptionStep::RemoveFinalizer, "Orphaned"));
}

#[test]
fn what_others_declare_is_handed_over() {
    let mut subscription = going();
    subscription.siblings = vec![(declaring("new", &["a"], &["patient_created"]), false)];
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 1, "a GitOps rename leaves no gap");
    subscription.rows.rows.retain(|row| row.practice.as_deref() == Some("#a"));
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.notes[0].reason), (SubscriptionStep::RemoveFinalizer, "HandedOver"));
}

#[test]
fn the_endpoint_takes_everything_on_it_along() {
    let mut subscription = going();
    subscription.link = EndpointLink::Going;
    assert_eq!(subscription.says(), "False/Deleting");
    for link in [EndpointLink::NotFound, EndpointLink::NotReady] {
        subscription.link = link;
        subscription.account = AccountView::NotFound;
        subscription.has_realm = false;
        assert_eq!(subscription.step(), SubscriptionStep::RemoveFinalizer, "nobody holds the remote any more");
    }
}

#[test]
fn the_account_is_needed_and_its_lack_is_said() {
    for (account, says) in [
        (AccountView::NotFound, "True/AccountNotFound"),
        (AccountView::NotReady("why".into()), "True/AccountNotReady"),
        (AccountView::Unavailable { long: false }, "True/ProviderUnavailable"),
        (AccountView::Unavailable { long: true }, "True/ProviderUnavailable"),
    ] {
        let mut subscription = going();
        subscription.account = account;
        assert_eq!(blocked(&subscription), says);
    }
}

#[test]
fn lists_come_before_calls() {
    let mut subscription = going();
    subscription.rows.unknown.insert(id("7"));
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
    subscription.rows.practices = None;
    assert_eq!(subscription.step(), SubscriptionStep::ListPractices);
}

#[test]
fn a_row_that_the_provider_keeps_blocks_only_after_the_others_went() {
    let mut subscription = going();
    let stuck = subscription.rows.rows[0].id.clone();
    subscription.memory.undeletable.insert(stuck, refusal(403));
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 1);
    subscription.rows.rows.remove(1);
    assert_eq!(blocked(&subscription), "True/RemoteNotDeleted");
    assert_eq!(subscription.plan().again.map(|wait| wait.as_secs()), Some(21_600));
}

#[test]
fn rows_on_an_endpoint_it_was_on_before_go_although_the_present_one_is_missing() {
    let mut subscription = going();
    let rows = std::mem::take(&mut subscription.rows.rows);
    subscription.moves_to("8", rows, false);
    subscription.link = EndpointLink::NotFound;
    subscription.account = AccountView::NotFound;
    subscription.has_realm = false;
    subscription.old.unlisted = vec![id("7")];
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")));
    subscription.old.unlisted.clear();
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 2);
    subscription.old.rows.clear();
    subscription.old.unsettled = vec![id("7")];
    assert_eq!(subscription.step(), SubscriptionStep::ListRows(id("7")), "its absence is confirmed there too");
    subscription.old.unsettled.clear();
    assert_eq!(subscription.step(), SubscriptionStep::RemoveFinalizer);
    subscription.old.unreachable = vec![id("7")];
    assert_eq!(blocked(&subscription), "True/AccountNotReady", "no orphan without a word");
}

#[test]
fn rows_of_a_practice_that_the_key_no_longer_reaches_are_found_by_their_ids() {
    let mut subscription = going();
    let lost = subscription.rows.rows.iter().find(|row| row.practice.as_deref() == Some("#b")).unwrap().id.clone();
    let mut status = subscription.object.status.clone().unwrap();
    status.subscriptions = vec![crate::api::subscription::SubscriptionItem {
        practice: Some("b".into()),
        event: "patient_created".into(),
        remote_id: lost.as_str().into(),
        key_fingerprint: None,
        active: true,
    }];
    subscription.object.status = Some(status);
    subscription.rows.practices = Some(vec!["a".into()]);
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 2, "both its rows go");
}

#[test]
fn rows_are_left_behind_only_where_somebody_said_so() {
    let policy = |observe, orphan, releasing| AccountPolicy { observe, orphan, releasing };
    let gone = || AccountView::Unavailable { long: true };
    let key_only = || AccountView::DeletesOnly("its Secret is gone".into());
    let cases = [
        ("Delete", false, policy(false, false, false), ready(), None),
        ("Delete", false, policy(false, true, false), ready(), None),
        ("Delete", false, policy(false, true, false), key_only(), None),
        ("Delete", false, policy(false, false, false), gone(), None),
        (
            "Delete",
            false,
            policy(false, true, false),
            gone(),
            Some("the account's deletionPolicy is Orphan, and it cannot be used"),
        ),
        ("Orphan", false, policy(false, false, false), ready(), Some("deletionPolicy: Orphan")),
        ("Delete", false, policy(true, false, false), ready(), Some("the account's managementPolicy is Observe")),
        (
            "Delete",
            false,
            policy(false, true, true),
            ready(),
            Some("the account is being deleted with deletionPolicy: Orphan"),
        ),
        (
            "Delete",
            true,
            policy(false, false, false),
            ready(),
            Some("the definition of this kind is being removed from the cluster"),
        ),
    ];
    for (own, definition_going, policy, account, left_behind) in cases {
        let mut subscription = going();
        subscription.spec(json!({"deletionPolicy": own}));
        subscription.memory.definition_going = definition_going;
        (subscription.policy, subscription.account) = (policy, account);
        let plan = subscription.plan();
        let said: Vec<&str> = plan.notes.iter().map(|note| note.text.as_str()).collect();
        let words = left_behind.map(|why| format!("remote subscriptions 100, 101 stay at the provider ({why})"));
        assert_eq!(said, words.as_deref().into_iter().collect::<Vec<_>>(), "{own} {policy:?}");
        assert_eq!(plan.step == SubscriptionStep::RemoveFinalizer, left_behind.is_some(), "{own} {policy:?}");
    }
}

#[test]
fn twenty_ids_that_stay_are_named_and_the_others_are_counted() {
    let ids: Vec<String> = (1..=20).map(|id| id.to_string()).collect();
    for (rows, text) in [
        (0, "the remote subscriptions stay".to_owned()),
        (20, format!("remote subscriptions {} stay", ids.join(", "))),
        (23, format!("remote subscriptions {} and 3 more stay", ids.join(", "))),
    ] {
        let mut subscription = going();
        subscription.spec(json!({"deletionPolicy": "Orphan"}));
        let item = |id| json!({"practice": "a", "event": "patient_created", "remoteId": id, "active": true});
        let named = json!({"subscriptions": (1..=rows).map(|id| item(id.to_string())).collect::<Vec<_>>()});
        subscription.object.status = Some(changed(subscription.object.status.unwrap(), named));
        assert_eq!(subscription.plan().notes[0].text, format!("{text} at the provider (deletionPolicy: Orphan)"));
    }
}

#[test]
fn an_account_that_goes_by_orphan_lets_go_of_what_is_not_deleted_itself() {
    let mut subscription = Subscription::settled(&["a"], &["patient_created"]);
    subscription.policy = AccountPolicy { observe: false, orphan: true, releasing: true };
    let plan = subscription.plan();
    assert_eq!((plan.step, plan.notes[0].reason), (SubscriptionStep::RemoveFinalizer, "Orphaned"));
    subscription.object.metadata.finalizers = Some(vec!["example.com/of-another".into()]);
    assert_eq!(subscription.says(), "False/AccountNotFound");
}

#[test]
fn an_id_in_the_status_is_deleted_only_while_it_is_still_what_it_says() {
    use crate::provider::model::RemoteRow;
    type Change = fn(&mut RemoteRow);
    let cases: [(Change, bool, usize); 4] = [
        (|_| (), false, 2),
        (|row| row.endpoint = id("9"), false, 1),
        (|row| row.event = "appointment_insertion".into(), false, 1),
        (|_| (), true, 1),
    ];
    for (place, (change, declared, deletes)) in cases.into_iter().enumerate() {
        let mut subscription = going();
        subscription.rows.practices = Some(vec!["a".into()]);
        change(subscription.rows.rows.iter_mut().find(|row| row.practice.as_deref() == Some("#b")).unwrap());
        if declared {
            subscription.siblings = vec![(declaring("other", &["b"], &["patient_created"]), false)];
        }
        let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
        assert_eq!(calls.len(), deletes, "case {place}");
    }
}

#[test]
fn a_row_that_its_name_and_its_id_lead_to_is_deleted_once() {
    let mut subscription = going();
    subscription.rows.practices = Some(vec!["a".into()]);
    subscription.rows.former = vec!["b".into()];
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 2, "{calls:?}");
}

#[test]
fn rows_that_others_declare_where_it_was_before_stay_there() {
    let mut subscription = going();
    let rows = std::mem::take(&mut subscription.rows.rows);
    subscription.moves_to("8", rows, true);
    subscription.old.rows[0].declared_there = true;
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!() };
    assert_eq!(calls.len(), 1);
}
