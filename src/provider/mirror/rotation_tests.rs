//! rules.md *Rotation*, when Switching ends, and *Absence*: what proves that nothing is left on a former endpoint.

use std::time::Duration;

use super::tests::{id, ids, key, list_endpoints, list_rows, row, time};
use super::{Failure, Mirror};
use crate::provider::model::{Moved, RemoteRow, RemoteRows};

const GAP: Duration = Duration::from_secs(10);

fn moved(mirror: &Mirror) -> Moved {
    mirror.moved(&id("1"), &id("2"))
}

/// Row 10 was moved from endpoint 1 to endpoint 2, and both were listed after that.
fn proven() -> Mirror {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    list_rows(&mut mirror, "2", 0, &[]);
    mirror.begin_row_write(&id("10"), Some(&id("2")));
    mirror.row_patched(&row("10", "2", "a"));
    list_rows(&mut mirror, "1", 1, &[]);
    list_rows(&mut mirror, "2", 1, &[row("10", "2", "a")]);
    assert_eq!(moved(&mirror), Moved::Proven);
    mirror
}

#[test]
fn a_list_of_the_former_endpoint_and_then_one_of_the_new_prove_a_move() {
    let mut mirror = Mirror::new();
    assert_eq!(moved(&mirror), Moved::ListFrom);
    list_rows(&mut mirror, "2", 0, &[]);
    assert_eq!(moved(&mirror), Moved::ListFrom);
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    list_rows(&mut mirror, "2", 0, &[]);
    assert_eq!(moved(&mirror), Moved::ListFrom, "something is on it");
    mirror.begin_row_write(&id("10"), Some(&id("2")));
    assert_eq!(moved(&mirror), Moved::InFlight);
    mirror.row_patched(&row("10", "2", "a"));
    assert_eq!(moved(&mirror), Moved::ListFrom, "its list is older than the PATCH");
    list_rows(&mut mirror, "2", 1, &[row("10", "2", "a")]);
    assert_eq!(moved(&mirror), Moved::ListFrom);
    list_rows(&mut mirror, "1", 1, &[]);
    assert_eq!(moved(&mirror), Moved::ListTo, "it may have moved between the two lists");
    list_rows(&mut mirror, "2", 1, &[row("10", "2", "a")]);
    assert_eq!(moved(&mirror), Moved::Proven);
}

#[test]
fn what_appears_on_the_former_endpoint_undoes_the_proof() {
    let mut mirror = proven();
    list_rows(&mut mirror, "1", 2, &[row("11", "1", "b")]);
    assert_eq!(moved(&mirror), Moved::ListFrom);
}

#[test]
fn a_list_that_began_before_the_former_one_s_had_ended_proves_nothing() {
    let mut mirror = proven();
    let early = mirror.tick();
    list_rows(&mut mirror, "1", 2, &[]);
    mirror.apply_rows(&crate::provider::model::RowScope::Endpoint(id("2")), early, time(2), &[row("10", "2", "a")]);
    assert_eq!(moved(&mirror), Moved::ListTo);
}

#[test]
fn a_write_to_the_new_endpoint_wants_it_listed_again() {
    let mut mirror = proven();
    mirror.begin_row_write(&id("10"), None);
    assert_eq!(moved(&mirror), Moved::InFlight);
    mirror.row_patched(&RemoteRow { active: false, ..row("10", "2", "a") });
    assert_eq!(moved(&mirror), Moved::ListTo);
    let mut mirror = proven();
    assert!(mirror.begin_row_create(&id("2"), &key("b")));
    assert_eq!(moved(&mirror), Moved::InFlight, "a POST as well");
    mirror.row_created(&id("2"), &key("b"), &row("11", "2", "b"));
    assert_eq!(moved(&mirror), Moved::ListTo);
}

#[test]
fn a_lost_answer_is_waited_for_on_the_endpoint_where_it_may_still_take_effect() {
    let lost = |at| Failure::Uncertain { look_after: time(at) };
    let mut mirror = proven();
    list_rows(&mut mirror, "1", 2, &[row("11", "1", "b"), row("12", "1", "c")]);
    for (number, at) in [("11", 50), ("12", 30)] {
        mirror.begin_row_write(&id(number), None);
        mirror.row_write_failed(&id(number), lost(at));
    }
    assert_eq!(moved(&mirror), Moved::InDoubt { until: time(50), to: false }, "the last of them");
    let mut mirror = proven();
    assert!(mirror.begin_row_create(&id("2"), &key("b")));
    mirror.row_create_failed(&id("2"), &key("b"), lost(30));
    assert_eq!(moved(&mirror), Moved::InDoubt { until: time(30), to: true });
    list_rows(&mut mirror, "2", 29, &[row("10", "2", "a")]);
    assert_eq!(moved(&mirror), Moved::InDoubt { until: time(30), to: true }, "too early a list");
    list_rows(&mut mirror, "2", 30, &[row("10", "2", "a")]);
    assert_eq!(moved(&mirror), Moved::Proven);
}

#[test]
fn an_endpoint_has_vanished_after_two_witnessed_lists_some_time_apart() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1", "2"]), Vec::new());
    assert!(!mirror.vanished(&id("1"), GAP), "nobody has looked");
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    assert!(!mirror.vanished(&id("1"), GAP));
    list_endpoints(&mut mirror, 1, &["2"]);
    assert!(!mirror.vanished(&id("1"), Duration::ZERO), "one list");
    list_endpoints(&mut mirror, 10, &["2"]);
    assert!(!mirror.vanished(&id("1"), GAP), "nine seconds");
    list_endpoints(&mut mirror, 11, &["2"]);
    assert!(mirror.vanished(&id("1"), GAP));
    list_endpoints(&mut mirror, 12, &["1", "2"]);
    assert!(!mirror.vanished(&id("1"), GAP), "it is back");
}

#[test]
fn without_a_witness_no_endpoint_has_vanished() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), Vec::new());
    list_endpoints(&mut mirror, 0, &["1"]);
    for at in [1, 20, 40] {
        list_endpoints(&mut mirror, at, &[]);
    }
    assert!(!mirror.vanished(&id("1"), GAP));
}

#[test]
fn an_endpoint_that_we_deleted_has_vanished_with_the_list_that_lacks_it() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), Vec::new());
    list_endpoints(&mut mirror, 0, &["1"]);
    mirror.begin_endpoint_write(&id("1"));
    mirror.endpoint_deleted(&id("1"));
    list_endpoints(&mut mirror, 1, &[]);
    assert!(mirror.vanished(&id("1"), GAP));
}
