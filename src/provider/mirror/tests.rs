//! Cases with a name; the interleavings nobody thought of are in `property`.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{Absence, CreateState, Failure, Mirror, RowCounts, Witnesses, World};
use crate::provider::model::{Practice, RemoteEndpoint, RemoteId, RemoteRow, RowKey, RowScope};
use crate::signing::SecretText;

pub(super) fn time(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(super) fn id(text: &str) -> RemoteId {
    RemoteId::new(text)
}

pub(super) fn ids(texts: &[&str]) -> HashSet<RemoteId> {
    texts.iter().map(RemoteId::new).collect()
}

pub(super) fn key(event: &str) -> RowKey {
    RowKey { practice: Some(Arc::from("7")), resource_type: Arc::from("Patient"), event: Arc::from(event) }
}

pub(super) fn row(number: &str, endpoint: &str, event: &str) -> RemoteRow {
    let RowKey { practice, resource_type, event } = key(event);
    let created_at = Some(time(1));
    RemoteRow { id: id(number), endpoint: id(endpoint), practice, resource_type, event, active: true, created_at }
}

pub(super) fn remote(number: &str) -> RemoteEndpoint {
    RemoteEndpoint {
        id: id(number),
        target_url: format!("https://example.org/{number}"),
        active: true,
        created_at: None,
        updated_at: None,
        key: None,
    }
}

pub(super) fn list_rows(mirror: &mut Mirror, endpoint: &str, at: i64, rows: &[RemoteRow]) {
    let started = mirror.tick();
    mirror.apply_rows(&RowScope::Endpoint(id(endpoint)), started, time(at), rows);
}

pub(super) fn list_endpoints(mirror: &mut Mirror, at: i64, numbers: &[&str]) -> super::Changes {
    let list: Vec<_> = numbers.iter().map(|number| remote(number)).collect();
    let started = mirror.tick();
    mirror.apply_endpoints(started, time(at), &list, Some(&[]))
}

pub(super) fn list_practices(mirror: &mut Mirror, at: i64, keys: &[&str]) {
    let practice = |key: &&str| Practice { name: Arc::from(format!("name-{key}")), key: Arc::from(*key) };
    let started = mirror.tick();
    mirror.apply_practices(started, time(at), keys.iter().map(practice).collect());
}

pub(super) fn absence(mirror: &Mirror, number: &str) -> (u32, bool, Option<u32>) {
    let Absence { lists, witnessed, witnessed_run, .. } = mirror.absence(&id(number)).unwrap();
    (lists, witnessed, witnessed_run.map(|run| run.lists))
}

#[test]
fn a_list_that_began_before_a_write_neither_removes_nor_reverts_nor_resurrects() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a"), row("11", "1", "b")]);
    let scope = RowScope::Endpoint(id("1"));
    let early = mirror.tick();
    assert!(mirror.begin_row_create(&id("1"), &key("c")));
    mirror.row_created(&id("1"), &key("c"), &row("12", "1", "c"));
    mirror.begin_row_write(&id("10"), None);
    mirror.row_patched(&RemoteRow { active: false, ..row("10", "1", "a") });
    mirror.begin_row_write(&id("11"), None);
    mirror.row_deleted(&id("11"));
    let changes = mirror.apply_rows(&scope, early, time(1), &[row("10", "1", "a"), row("11", "1", "b")]);
    assert!(changes.is_empty(), "{changes:?}");
    assert!(mirror.row(&id("12")).is_some() && mirror.row(&id("11")).is_none());
    assert!(!mirror.row(&id("10")).unwrap().active);
    assert!(!mirror.is_missing(&[id("1")], &key("b")), "that list is no proof after our write");
    list_rows(&mut mirror, "1", 2, &[]);
    assert!(mirror.is_missing(&[id("1")], &key("b")) && mirror.is_missing(&[id("1")], &key("c")));
    assert_eq!(mirror.row_counts(&id("1")), RowCounts::default());
}

#[test]
fn an_older_list_that_ends_later_says_nothing() {
    let mut mirror = Mirror::new();
    let older = mirror.tick();
    list_rows(&mut mirror, "1", 1, &[]);
    let changes = mirror.apply_rows(&RowScope::Endpoint(id("1")), older, time(0), &[row("10", "1", "a")]);
    assert!(changes.is_empty() && mirror.row(&id("10")).is_none());
}

#[test]
fn a_move_wants_the_destination_listed_after_the_source() {
    let mut mirror = Mirror::new();
    let both = [id("1"), id("2")];
    list_rows(&mut mirror, "2", 0, &[]);
    list_rows(&mut mirror, "1", 0, &[]);
    assert!(!mirror.is_missing(&both, &key("a")), "it may have moved between the two");
    list_rows(&mut mirror, "2", 1, &[]);
    assert!(mirror.is_missing(&both, &key("a")));
    assert!(!mirror.is_missing(&[], &key("a")) && !mirror.is_missing(&[id("3")], &key("a")));
}

#[test]
fn a_lost_move_puts_both_ends_in_doubt() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    list_rows(&mut mirror, "2", 0, &[]);
    mirror.begin_row_write(&id("10"), Some(&id("2")));
    assert!(!mirror.begin_row_create(&id("2"), &key("a")), "it may be about to arrive");
    mirror.row_write_failed(&id("10"), Failure::Uncertain { look_after: time(30) });
    for endpoint in ["1", "2"] {
        assert_eq!(mirror.row_create_state(&id(endpoint), &key("a")), CreateState::Uncertain { look_after: time(30) });
        assert!(!mirror.row_list_is_fresh(&id(endpoint)));
    }
    list_rows(&mut mirror, "1", 29, &[]);
    list_rows(&mut mirror, "2", 29, &[]);
    assert!(!mirror.is_missing(&[id("1"), id("2")], &key("a")));
    list_rows(&mut mirror, "1", 30, &[]);
    list_rows(&mut mirror, "2", 30, &[row("10", "2", "a")]);
    assert_eq!(mirror.rows(&id("2"), &key("a")).len(), 1);
    assert!(mirror.begin_row_create(&id("1"), &key("a")));
}

#[test]
fn a_404_orders_lists_and_proves_nothing() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    list_rows(&mut mirror, "2", 0, &[]);
    mirror.begin_row_write(&id("10"), Some(&id("2")));
    mirror.row_write_failed(&id("10"), Failure::NotFound);
    assert!(mirror.row(&id("10")).is_some());
    assert!(!mirror.row_list_is_fresh(&id("1")) && !mirror.row_list_is_fresh(&id("2")));
    assert!(!mirror.is_missing(&[id("2")], &key("b")), "the whole list is in question");
    list_rows(&mut mirror, "2", 1, &[row("10", "2", "a")]);
    assert!(mirror.row_list_is_fresh(&id("2")) && mirror.is_missing(&[id("2")], &key("b")));
}

#[test]
fn twins_need_a_list_that_shows_the_one_that_stays() {
    let mut mirror = Mirror::new();
    let mut three = [row("9", "1", "a"), row("10", "1", "a"), row("100", "1", "a")];
    three.reverse();
    list_rows(&mut mirror, "1", 0, &three);
    let numbers = |rows: Vec<RemoteRow>| rows.iter().map(|row| row.id.to_string()).collect::<Vec<_>>();
    assert_eq!(numbers(mirror.rows(&id("1"), &key("a"))), ["9", "10", "100"]);
    assert_eq!(numbers(mirror.twins(&id("1"), &key("a"))), ["10", "100"]);
    mirror.begin_row_write(&id("10"), None);
    assert_eq!(numbers(mirror.twins(&id("1"), &key("a"))), ["100"]);
    mirror.begin_row_write(&id("9"), None);
    assert!(mirror.twins(&id("1"), &key("a")).is_empty());
    mirror.row_patched(&row("9", "1", "a"));
    assert!(mirror.twins(&id("1"), &key("a")).is_empty(), "an answer of ours does not count");
    mirror.row_deleted(&id("10"));
    list_rows(&mut mirror, "1", 1, &[row("9", "1", "a"), row("100", "1", "a")]);
    assert_eq!(numbers(mirror.twins(&id("1"), &key("a"))), ["100"]);
    assert_eq!(mirror.row_counts(&id("1")), RowCounts { total: 2, active: 2 });
}

#[test]
fn it_is_known_since_when_a_pair_is_missing() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 10, &[row("10", "1", "a")]);
    assert_eq!(mirror.missing_since(&id("1"), &key("b")), Some(time(10)), "since the first list");
    assert_eq!(mirror.missing_since(&id("1"), &key("a")), None);
    list_rows(&mut mirror, "1", 20, &[]);
    list_rows(&mut mirror, "1", 30, &[]);
    assert_eq!(mirror.missing_since(&id("1"), &key("a")), Some(time(20)));
    list_rows(&mut mirror, "1", 40, &[row("11", "1", "a")]);
    list_rows(&mut mirror, "1", 50, &[]);
    assert_eq!(mirror.missing_since(&id("1"), &key("a")), Some(time(50)));
}

#[test]
fn an_endpoint_takes_its_rows_along() {
    let mut mirror = Mirror::new();
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    let rows = mirror.tick();
    mirror.begin_endpoint_write(&id("1"));
    let changes = mirror.endpoint_deleted(&id("1"));
    assert_eq!(changes.pairs.len(), 1);
    assert!(changes.urls.contains("https://example.org/1"));
    mirror.apply_rows(&RowScope::Endpoint(id("1")), rows, time(1), &[row("10", "1", "a")]);
    assert!(mirror.row(&id("10")).is_none() && !mirror.row_list_known(&id("1")));
    assert_eq!(mirror.endpoints_with_url("https://example.org/1").count(), 0);
}

#[test]
fn a_key_once_seen_stays_known() {
    let mut mirror = Mirror::new();
    let made = RemoteEndpoint { key: Some(SecretText::new("NArWk7gdI96Bdn")), ..remote("1") };
    mirror.begin_endpoint_create("https://example.org/1");
    mirror.endpoint_created("https://example.org/1", made);
    assert!(list_endpoints(&mut mirror, 0, &["1"]).endpoints.is_empty());
    assert!(mirror.endpoint(&id("1")).unwrap().key.is_some());
}

#[test]
fn a_lost_endpoint_stays_in_doubt_until_a_late_enough_list() {
    let mut mirror = Mirror::new();
    let url = "https://example.org/1";
    mirror.begin_endpoint_create(url);
    assert_eq!(mirror.endpoint_create_state(url), CreateState::InFlight);
    mirror.endpoint_create_uncertain(url, time(30));
    list_endpoints(&mut mirror, 29, &[]);
    assert_eq!(mirror.endpoint_create_state(url), CreateState::Uncertain { look_after: time(30) });
    list_endpoints(&mut mirror, 30, &[]);
    assert_eq!(mirror.endpoint_create_state(url), CreateState::Free);
}

#[test]
fn absence_counts_good_lists_after_our_last_write() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1", "2"]), Vec::new());
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    let early = mirror.tick();
    mirror.begin_endpoint_write(&id("1"));
    mirror.endpoint_deleted(&id("1"));
    mirror.apply_endpoints(early, time(1), &[remote("2")], Some(&[]));
    assert_eq!(mirror.absence(&id("1")), None, "that list began before the write");
    let started = mirror.tick();
    mirror.apply_endpoints(started, time(2), &[remote("2")], None);
    assert_eq!(mirror.absence(&id("1")), None, "not looked for among the inactive");
    list_endpoints(&mut mirror, 3, &["2"]);
    list_endpoints(&mut mirror, 14, &["2"]);
    let found = mirror.absence(&id("1")).unwrap();
    assert!(found.witnessed && found.lists == 2);
    assert!(found.witnessed_run.unwrap().spans(SignedDuration::from_secs(10)));
    list_endpoints(&mut mirror, 20, &["1", "2"]);
    assert_eq!(mirror.absence(&id("1")), None, "a DELETE that did nothing");
}

#[test]
fn all_gone_at_once_is_suspect_and_stays_so() {
    let mut mirror = Mirror::new();
    assert_eq!(mirror.world(), World::Unknown);
    mirror.set_expectations(ids(&["1", "2"]), vec![Arc::from("7")]);
    list_endpoints(&mut mirror, 0, &["1", "2", "3"]);
    assert_eq!(mirror.world(), World::Trusted);
    list_endpoints(&mut mirror, 1, &["3"]);
    assert_eq!(mirror.world(), World::Trusted, "one that the last list knew is a witness");
    assert_eq!(absence(&mirror, "1"), (1, true, Some(1)));
    assert!(list_endpoints(&mut mirror, 2, &["8", "9"]).world);
    assert_eq!((mirror.world(), mirror.suspect_since()), (World::Suspect, Some(time(2))));
    list_endpoints(&mut mirror, 3, &["8", "9"]);
    assert_eq!((mirror.world(), mirror.suspect_since()), (World::Suspect, Some(time(2))));
    assert_eq!(mirror.witnesses(), Witnesses::default(), "another world is not its own witness");
    assert_eq!(absence(&mirror, "1"), (3, false, None));
    list_practices(&mut mirror, 3, &["7"]);
    assert_eq!(mirror.witnesses(), Witnesses { endpoint: false, sample: true });
    assert_eq!((mirror.world(), absence(&mirror, "1")), (World::Suspect, (3, false, Some(1))));
    list_endpoints(&mut mirror, 4, &["2"]);
    assert_eq!((mirror.world(), mirror.suspect_since()), (World::Trusted, None));
}

#[test]
fn without_any_witness_nothing_is_trusted() {
    let mut mirror = Mirror::new();
    list_endpoints(&mut mirror, 0, &[]);
    assert_eq!(mirror.world(), World::Trusted, "a fresh account expects nothing");
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), vec![Arc::from("7"), Arc::from("8"), Arc::from("9")]);
    list_practices(&mut mirror, 0, &["7", "8"]);
    list_endpoints(&mut mirror, 1, &[]);
    assert_eq!(mirror.world(), World::Unwitnessed, "the practices were listed before");
    list_practices(&mut mirror, 1, &["7"]);
    assert_eq!(mirror.world(), World::Unwitnessed, "less than half");
    list_practices(&mut mirror, 1, &["7", "8"]);
    assert_eq!((mirror.world(), absence(&mirror, "1")), (World::Trusted, (1, true, Some(1))));
    assert_eq!(mirror.practice_by_name("name-7").map(|practice| &*practice.key), Some("7"));
}

#[test]
fn a_list_from_before_anything_was_expected_is_no_witness() {
    let mut mirror = Mirror::new();
    list_endpoints(&mut mirror, 0, &["8", "9"]);
    mirror.set_expectations(ids(&["1"]), Vec::new());
    assert_eq!(mirror.world(), World::Unwitnessed);
    list_endpoints(&mut mirror, 1, &["8", "9"]);
    assert_eq!((mirror.world(), absence(&mirror, "1")), (World::Unwitnessed, (1, false, None)));
}

/// A sample that is chosen after a list must not take back the trust of the round that it was chosen from.
#[test]
fn a_list_that_can_lack_nothing_leaves_trust_as_it_was() {
    let mut mirror = Mirror::new();
    list_endpoints(&mut mirror, 0, &[]);
    list_practices(&mut mirror, 0, &["7"]);
    list_endpoints(&mut mirror, 1, &[]);
    mirror.set_expectations(HashSet::new(), vec![Arc::from("7")]);
    assert!(!mirror.wants_sample_witness(&[]));
    assert_eq!(mirror.world(), World::Trusted);
    list_endpoints(&mut mirror, 2, &[]);
    assert_eq!(mirror.world(), World::Trusted);
    list_practices(&mut mirror, 2, &["8"]);
    assert_eq!(mirror.world(), World::Unwitnessed, "the practices of another world");
}

#[test]
fn what_we_deleted_ourselves_is_not_suspect() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1", "2"]), Vec::new());
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    for number in ["1", "2"] {
        mirror.begin_endpoint_write(&id(number));
        mirror.endpoint_deleted(&id(number));
    }
    list_endpoints(&mut mirror, 1, &[]);
    assert_eq!(mirror.world(), World::Trusted);
    assert!(mirror.absence(&id("1")).is_some());
}

#[test]
fn lists_of_the_whole_account_cover_every_endpoint() {
    let mut mirror = Mirror::new();
    let started = mirror.tick();
    mirror.apply_rows(&RowScope::Account, started, time(0), &[row("10", "1", "a"), row("11", "2", "a")]);
    assert!(mirror.row_list_known(&id("1")) && mirror.is_missing(&[id("1")], &key("b")));
    let started = mirror.tick();
    mirror.apply_rows(&RowScope::Account, started, time(1), &[row("11", "2", "a")]);
    assert!(mirror.is_missing(&[id("1")], &key("a")) && mirror.row(&id("11")).is_some());
}

#[test]
fn ten_thousand_rows_are_small() {
    let mut mirror = Mirror::new();
    let rows: Vec<_> = (0..10_000_u32)
        .map(|number| RemoteRow {
            practice: Some(Arc::from((number / 40).to_string())),
            event: Arc::from(format!("event_{}", number % 40)),
            ..row(&(1_000_000 + number).to_string(), "1", "")
        })
        .collect();
    list_rows(&mut mirror, "1", 0, &rows);
    assert_eq!(mirror.row_counts(&id("1")).total, 10_000);
    assert!(mirror.rows.bytes() <= 2_000_000, "{}", mirror.rows.bytes());
    assert_eq!(mirror.row(&rows[77].id).as_ref(), Some(&rows[77]));
}
