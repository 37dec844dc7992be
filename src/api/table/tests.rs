//! The table is whole and says nothing twice.

use std::collections::BTreeSet;

use super::{Alert, Beside, ITEMS, KINDS, about, rows};
use crate::api::condition::{ConditionType, Is, ItemReason, Reason};

#[test]
fn every_reason_has_a_row() {
    let told: BTreeSet<Reason> = rows().flat_map(|row| row.reasons).copied().collect();
    let missing: Vec<&str> = Reason::ALL.iter().filter(|reason| !told.contains(reason)).map(|r| r.as_str()).collect();
    assert!(missing.is_empty(), "no row in src/api/table says what these mean: {missing:?}");
    let told: BTreeSet<ItemReason> = ITEMS.iter().map(|item| item.reason).collect();
    let missing: Vec<&str> = ItemReason::ALL.iter().filter(|r| !told.contains(r)).map(|r| r.as_str()).collect();
    assert!(missing.is_empty(), "src/api/table/items.rs does not say what these mean: {missing:?}");
}

#[test]
fn every_type_and_kind_has_rows() {
    for kind in ConditionType::ALL.iter().filter(|kind| !repeats_ready(**kind)) {
        assert!(rows().any(|row| row.kind == *kind), "no row about {kind}");
        assert!(!about(*kind).is_empty());
    }
    for crd in crate::api::all_crds() {
        let kind = crd.spec.names.kind.as_str();
        assert!(KINDS.contains(&kind), "{kind} is not in the table");
        let of =
            |is: Is| rows().any(|row| row.kinds.contains(&kind) && row.kind == ConditionType::Ready && row.is == is);
        assert!(of(Is::True) && of(Is::False) && of(Is::Unknown), "{kind} has no row for some status of Ready");
    }
}

#[test]
fn no_condition_has_two_rows() {
    let mut seen = BTreeSet::new();
    for row in rows() {
        for kind in row.kinds {
            assert!(KINDS.contains(kind), "{kind} is no kind");
            for reason in row.reasons {
                let condition = (*kind, row.kind, row.is.as_str(), *reason);
                assert!(seen.insert(condition), "two rows for {condition:?}");
            }
        }
    }
}

#[test]
fn rows_follow_the_rules_for_conditions() {
    for row in rows() {
        let place = format!("{:?} {} {} {:?}", row.kinds, row.kind, row.is.as_str(), row.reasons);
        assert!(!repeats_ready(row.kind), "{place}: has the rows of Ready");
        assert!(!row.means.is_empty(), "{place}: says nothing");
        assert_eq!(row.kind == ConditionType::Ready, !row.beside.is_empty(), "{place}: what stands beside it");
        match row.is {
            Is::True => assert!(!row.beside.contains(&Beside::Stalled), "{place}: never both"),
            Is::Unknown if row.kind == ConditionType::Ready => {
                assert_eq!(row.beside, [Beside::Reconciling], "{place}: Unknown implies Reconciling");
            }
            Is::False | Is::Unknown => {}
        }
        if row.beside.contains(&Beside::Stalled) {
            assert!(row.alert.is_some(), "{place}: a person is needed and nobody is told");
        }
        if row.alert.is_some() {
            assert!(!row.act.is_empty(), "{place}: whoever is told wants to know what to do");
        }
        for text in [row.means, row.act] {
            assert!(!text.contains('|') && !text.contains('\n'), "{place}: cannot stand in a table: {text}");
            assert!(!text.ends_with('.'), "{place}: no full stop at the end: {text}");
        }
    }
}

#[test]
fn names_of_runbooks_are_made_of_the_names_of_alerts() {
    assert_eq!(Alert::EndpointSwitchedOff.slug(), "endpoint-switched-off");
    assert_eq!(Alert::Stalled.slug(), "stalled");
}

fn repeats_ready(kind: ConditionType) -> bool {
    matches!(kind, ConditionType::Reconciling | ConditionType::Stalled)
}
