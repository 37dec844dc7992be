//! What our own writes, and answers that were lost, do to what is known.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::tests::{absence, id, ids, key, list_endpoints, list_practices, list_rows, remote, row, time};
use super::{CreateState, Failure, Mirror, RowCounts, World};
use crate::provider::model::{RemoteEndpoint, RemoteRow, RowScope};

const THIRTY: Timestamp = Timestamp::constant(30, 0);
const LOST: Failure = Failure::Uncertain { look_after: THIRTY };

fn rows_until(mirror: &mut Mirror, started: super::Seq, at: i64, rows: &[RemoteRow]) -> super::Changes {
    mirror.apply_rows(&RowScope::Endpoint(id("1")), started, time(at), rows)
}

#[test]
fn a_pair_that_has_a_row_is_not_made_again_and_a_refused_one_may_be() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    assert!(!mirror.begin_row_create(&id("1"), &key("a")));
    assert!(mirror.begin_row_create(&id("1"), &key("b")));
    let changes = mirror.row_create_failed(&id("1"), &key("b"), Failure::Refused);
    assert_eq!(changes.pairs, HashSet::from([(id("1"), key("b"))]), "whoever waits for it is woken");
    assert_eq!(mirror.row_create_state(&id("1"), &key("b")), CreateState::Free);
    assert!(mirror.row_list_is_fresh(&id("1")) && mirror.is_missing(&[id("1")], &key("b")));
    assert!(mirror.begin_row_create(&id("1"), &key("b")));
    mirror.row_create_failed(&id("1"), &key("b"), Failure::NotFound);
    assert!(!mirror.row_list_is_fresh(&id("1")), "a 404 orders a list");
}

#[test]
fn a_post_answered_with_something_else_is_known_as_what_it_is() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[]);
    assert!(mirror.begin_row_create(&id("1"), &key("a")));
    let changes = mirror.row_created(&id("1"), &key("a"), &row("10", "1", "b"));
    assert!(changes.pairs.contains(&(id("1"), key("b"))));
    assert!(mirror.rows(&id("1"), &key("a")).is_empty());
    assert_eq!(mirror.rows(&id("1"), &key("b")), [row("10", "1", "b")]);
    for event in ["a", "b"] {
        assert!(!mirror.is_missing(&[id("1")], &key(event)), "the list is older than our write of {event}");
    }
}

#[test]
fn only_a_list_that_began_after_the_loss_and_late_enough_settles_it() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[]);
    assert!(mirror.begin_row_create(&id("1"), &key("a")));
    let early = mirror.tick();
    mirror.row_create_failed(&id("1"), &key("a"), LOST);
    rows_until(&mut mirror, early, 99, &[]);
    let doubtful = CreateState::Uncertain { look_after: THIRTY };
    assert_eq!(mirror.row_create_state(&id("1"), &key("a")), doubtful, "it began before the answer was lost");
    list_rows(&mut mirror, "1", 29, &[]);
    assert_eq!(mirror.row_create_state(&id("1"), &key("a")), doubtful, "too early");
    let started = mirror.tick();
    let changes = rows_until(&mut mirror, started, 30, &[]);
    assert_eq!(changes.pairs, HashSet::from([(id("1"), key("a"))]), "who waits for that is woken");
    assert_eq!(mirror.row_create_state(&id("1"), &key("a")), CreateState::Free);
}

#[test]
fn of_two_losses_the_later_counts() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    for look_after in [time(50), THIRTY] {
        mirror.begin_row_write(&id("10"), None);
        mirror.row_write_failed(&id("10"), Failure::Uncertain { look_after });
    }
    list_rows(&mut mirror, "1", 49, &[]);
    assert_eq!(mirror.row_create_state(&id("1"), &key("a")), CreateState::Uncertain { look_after: time(50) });
    list_rows(&mut mirror, "1", 50, &[]);
    assert!(mirror.begin_row_create(&id("1"), &key("a")));
}

#[test]
fn a_twin_stays_while_the_one_to_be_kept_may_be_lost() {
    let mut mirror = Mirror::new();
    let both = [row("9", "1", "a"), row("10", "1", "a")];
    list_rows(&mut mirror, "1", 0, &both);
    mirror.begin_row_write(&id("9"), None);
    mirror.row_write_failed(&id("9"), LOST);
    list_rows(&mut mirror, "1", 29, &both);
    assert!(mirror.twins(&id("1"), &key("a")).is_empty(), "a lost DELETE may still take it");
    list_rows(&mut mirror, "1", 30, &both);
    assert_eq!(mirror.twins(&id("1"), &key("a")).len(), 1);
}

#[test]
fn a_move_takes_a_row_from_one_endpoint_to_the_other() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    list_rows(&mut mirror, "2", 0, &[]);
    mirror.begin_row_write(&id("10"), Some(&id("2")));
    let changes = mirror.row_patched(&row("10", "2", "a"));
    assert_eq!(changes.pairs, HashSet::from([(id("1"), key("a")), (id("2"), key("a"))]));
    assert_eq!(mirror.row_counts(&id("1")), RowCounts::default());
    assert_eq!(mirror.rows(&id("2"), &key("a")), [row("10", "2", "a")]);
    assert!(!mirror.is_missing(&[id("1")], &key("a")), "the list of the source is from before");
    list_rows(&mut mirror, "1", 1, &[]);
    assert!(mirror.is_missing(&[id("1")], &key("a")) && mirror.begin_row_create(&id("1"), &key("a")));
    assert_eq!(mirror.row_create_state(&id("2"), &key("a")), CreateState::Free, "nothing is under way there");
}

#[test]
fn what_was_buried_does_not_rise_by_a_late_answer_but_by_a_later_list() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    let early = mirror.tick();
    mirror.begin_row_write(&id("10"), None);
    mirror.begin_row_write(&id("10"), None);
    let changes = mirror.row_deleted(&id("10"));
    assert_eq!(changes.pairs, HashSet::from([(id("1"), key("a"))]));
    assert!(mirror.row_patched(&row("10", "1", "a")).is_empty(), "the PATCH was answered after the DELETE");
    assert_eq!(mirror.row(&id("10")), None);
    rows_until(&mut mirror, early, 1, &[row("10", "1", "a")]);
    assert_eq!(mirror.row(&id("10")), None);
    list_rows(&mut mirror, "1", 2, &[row("10", "1", "a")]);
    assert_eq!(mirror.row(&id("10")), Some(row("10", "1", "a")), "it is there after all");
}

#[test]
fn a_row_with_a_write_under_way_is_taken_out_by_no_list() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    mirror.begin_row_write(&id("10"), None);
    mirror.begin_row_write(&id("10"), None);
    list_rows(&mut mirror, "1", 1, &[]);
    mirror.row_write_failed(&id("10"), Failure::Refused);
    list_rows(&mut mirror, "1", 2, &[]);
    assert!(mirror.row(&id("10")).is_some(), "one of the two has no answer yet");
    mirror.row_write_failed(&id("10"), Failure::Refused);
    assert!(mirror.row_list_is_fresh(&id("1")), "a refusal calls nothing into question");
    list_rows(&mut mirror, "1", 3, &[]);
    assert!(mirror.row(&id("10")).is_none() && mirror.is_missing(&[id("1")], &key("a")));
}

#[test]
fn an_endpoint_that_has_gone_takes_what_was_known_of_its_rows_along() {
    let mut mirror = Mirror::new();
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    let account = mirror.tick();
    let changes = list_endpoints(&mut mirror, 1, &["2"]);
    assert!(changes.endpoints.contains(&id("1")) && changes.pairs.contains(&(id("1"), key("a"))));
    assert!(mirror.row(&id("10")).is_none() && !mirror.row_list_known(&id("1")));
    mirror.apply_rows(&RowScope::Account, account, time(2), &[row("10", "1", "a")]);
    assert!(mirror.row(&id("10")).is_none() && !mirror.row_list_known(&id("1")), "that list is of before");
    list_rows(&mut mirror, "1", 3, &[row("11", "1", "b")]);
    assert!(mirror.row_list_known(&id("1")) && mirror.row(&id("11")).is_some());
}

#[test]
fn a_list_of_endpoints_neither_reverts_nor_removes_what_was_written_meanwhile() {
    let mut mirror = Mirror::new();
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    let early = mirror.tick();
    mirror.begin_endpoint_write(&id("1"));
    let moved = RemoteEndpoint { target_url: "https://example.org/moved".to_owned(), ..remote("1") };
    let changes = mirror.endpoint_patched(moved.clone());
    assert_eq!(changes.urls.len(), 2, "both URLs are concerned: {changes:?}");
    mirror.begin_endpoint_write(&id("2"));
    assert!(mirror.apply_endpoints(early, time(1), &[remote("1")], Some(&[])).endpoints.is_empty());
    assert_eq!(mirror.endpoint(&id("1")), Some(&moved));
    assert!(mirror.endpoint(&id("2")).is_some(), "its write has no answer yet");
    assert_eq!(mirror.endpoints_with_url("https://example.org/1").count(), 0);
    assert_eq!(mirror.endpoints_with_url("https://example.org/moved").count(), 1);
    let early = mirror.tick();
    mirror.endpoint_write_failed(&id("2"));
    mirror.apply_endpoints(early, time(2), std::slice::from_ref(&moved), Some(&[]));
    assert!(mirror.endpoint(&id("2")).is_some(), "nor has that list seen its end");
    let started = mirror.tick();
    mirror.apply_endpoints(started, time(3), &[moved], Some(&[]));
    assert!(mirror.endpoint(&id("2")).is_none());
}

#[test]
fn nothing_vanishes_before_it_was_looked_for_among_the_inactive() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1", "9"]), Vec::new());
    assert!(mirror.needs_second_look(&[remote("1")]), "9 is held");
    assert!(!mirror.needs_second_look(&[remote("1"), remote("9")]));
    list_endpoints(&mut mirror, 0, &["1", "2", "9"]);
    assert!(mirror.needs_second_look(&[remote("1"), remote("9")]), "2 is known");
    let started = mirror.tick();
    mirror.apply_endpoints(started, time(1), &[remote("1")], None);
    assert!(mirror.endpoint(&id("2")).is_some() && mirror.absence(&id("9")).is_none());
    let off = RemoteEndpoint { active: false, ..remote("9") };
    let started = mirror.tick();
    mirror.apply_endpoints(started, time(2), &[remote("1")], Some(&[off]));
    assert!(mirror.endpoint(&id("2")).is_none());
    assert!(mirror.endpoint(&id("9")).is_some_and(|endpoint| !endpoint.active) && mirror.absence(&id("9")).is_none());
}

#[test]
fn an_endpoint_list_older_than_the_last_says_nothing() {
    let mut mirror = Mirror::new();
    let older = mirror.tick();
    list_endpoints(&mut mirror, 1, &["1"]);
    assert!(mirror.apply_endpoints(older, time(2), &[remote("2")], Some(&[])).is_empty());
    assert!(mirror.endpoint(&id("1")).is_some() && mirror.endpoint(&id("2")).is_none());
}

#[test]
fn a_lost_answer_about_a_url_is_settled_by_a_list_that_began_after_it() {
    let mut mirror = Mirror::new();
    let url = "https://example.org/1";
    mirror.begin_endpoint_create(url);
    let early = mirror.tick();
    mirror.endpoint_create_uncertain(url, THIRTY);
    mirror.apply_endpoints(early, time(99), &[], Some(&[]));
    assert_eq!(mirror.endpoint_create_state(url), CreateState::Uncertain { look_after: THIRTY });
    mirror.begin_endpoint_create(url);
    list_endpoints(&mut mirror, 30, &[]);
    assert_eq!(mirror.endpoint_create_state(url), CreateState::InFlight, "a list ends no POST");
}

#[test]
fn an_absence_that_no_object_holds_is_forgotten_after_eight_lists() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), Vec::new());
    list_endpoints(&mut mirror, 0, &["1", "2", "3"]);
    mirror.set_expectations(ids(&["1", "3"]), Vec::new());
    for at in 1..=8 {
        let changes = list_endpoints(&mut mirror, at, &["1"]);
        assert_eq!(changes.endpoints.contains(&id("3")), at == 1, "it is news once");
    }
    assert_eq!(absence(&mirror, "2").0, 8);
    list_endpoints(&mut mirror, 9, &["1"]);
    assert_eq!(mirror.absence(&id("2")), None);
    assert_eq!(absence(&mirror, "3").0, 9);
}

#[test]
fn a_suspect_world_is_held_and_then_the_practices_decide() {
    let mut mirror = Mirror::holding(Duration::from_secs(100));
    mirror.set_expectations(ids(&["1", "2"]), vec![Arc::from("7")]);
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    let round = |mirror: &mut Mirror, at: i64| {
        list_endpoints(mirror, at, &[]);
        list_practices(mirror, at, &["7"]);
        (mirror.world(), mirror.suspect_since())
    };
    assert_eq!(round(&mut mirror, 10), (World::Suspect, Some(time(10))));
    assert_eq!(round(&mut mirror, 109), (World::Suspect, Some(time(10))));
    assert_eq!(round(&mut mirror, 110), (World::Trusted, None));
    assert_eq!(round(&mut mirror, 120), (World::Trusted, None), "what was given up makes it suspect no more");
    let mut default = Mirror::new();
    default.set_expectations(ids(&["1", "2"]), vec![Arc::from("7")]);
    list_endpoints(&mut default, 0, &["1", "2"]);
    assert_eq!(round(&mut default, 10).0, World::Suspect);
    assert_eq!(round(&mut default, 10 + 1799).0, World::Suspect);
    assert_eq!(round(&mut default, 10 + 1800).0, World::Trusted);
}

#[test]
fn a_person_may_accept_what_the_key_shows_now() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1", "2"]), vec![Arc::from("7")]);
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    list_endpoints(&mut mirror, 10, &["8"]);
    assert_eq!((mirror.world(), absence(&mirror, "1")), (World::Suspect, (1, false, None)));
    assert!(mirror.accept_world(true).world);
    assert_eq!((mirror.world(), absence(&mirror, "1")), (World::Trusted, (1, true, Some(1))));
    assert!(mirror.accept_world(true).is_empty());
    assert!(!mirror.accept_world(false).world, "what was accepted stays so");
    list_endpoints(&mut mirror, 20, &["8"]);
    assert_eq!(mirror.world(), World::Trusted, "8 is of the world that was accepted");
    list_endpoints(&mut mirror, 30, &["9"]);
    assert_ne!(mirror.world(), World::Trusted, "and this is yet another one");
}

#[test]
fn a_list_of_practices_is_asked_for_only_where_it_could_bear_witness() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), Vec::new());
    assert!(!mirror.wants_sample_witness(&[]), "there is no sample");
    mirror.set_expectations(ids(&["1"]), vec![Arc::from("7")]);
    assert!(mirror.wants_sample_witness(&[]));
    assert!(!mirror.wants_sample_witness(&[remote("1")]), "the endpoint is witness enough");
}
