//! What plans and objects are told: reads of the mirror, most of them as the plans' own view ([`RemoteRows`]).

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use jiff::SignedDuration;

use super::tests::{id, ids, key, list_endpoints, list_practices, list_rows, remote, row, time};
use super::{Changes, CreateState, Failure, Mirror, RowCounts, Seq};
use crate::provider::model::{Practice, RemoteRow, RemoteRows, RowCreateState, RowKey, RowScope};

fn view(mirror: &Mirror) -> &dyn RemoteRows {
    mirror
}

fn numbers(rows: &[RemoteRow]) -> Vec<String> {
    rows.iter().map(|row| row.id.to_string()).collect()
}

#[test]
fn a_plan_sees_rows_by_pair_by_id_and_by_endpoint() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 5, &[row("100", "1", "a"), row("9", "1", "a"), row("10", "1", "b")]);
    list_rows(&mut mirror, "2", 6, &[RemoteRow { active: false, ..row("11", "2", "a") }]);
    let view = view(&mirror);
    assert_eq!(numbers(&view.rows(&id("1"), &key("a"))), ["9", "100"]);
    assert_eq!(numbers(&view.rows(&id("2"), &key("a"))), ["11"]);
    assert_eq!(numbers(&view.rows(&id("2"), &key("b"))), [""; 0]);
    assert_eq!(numbers(&view.all_rows(&id("1"))), ["9", "10", "100"]);
    assert_eq!(numbers(&view.twins(&id("1"), &key("a"))), ["100"]);
    assert_eq!(view.row(&id("10")), Some(row("10", "1", "b")));
    assert_eq!(view.row(&id("12")), None);
    assert_eq!(mirror.rows_of(&id("1")).map(|row| row.id).collect::<HashSet<_>>(), ids(&["9", "10", "100"]));
    assert_eq!(mirror.row_counts(&id("1")), RowCounts { total: 3, active: 3 });
    assert_eq!(mirror.row_counts(&id("2")), RowCounts { total: 1, active: 0 });
    assert_eq!(mirror.row_counts(&id("3")), RowCounts::default());
}

#[test]
fn a_row_without_a_time_of_creation_has_none_and_any_other_keeps_its_own() {
    let mut mirror = Mirror::new();
    let bare = RemoteRow { created_at: None, ..row("9", "1", "a") };
    let early = RemoteRow { created_at: Some(time(-5)), ..row("10", "1", "b") };
    list_rows(&mut mirror, "1", 0, &[bare.clone(), early.clone()]);
    assert_eq!(mirror.row(&id("9")), Some(bare));
    assert_eq!(mirror.row(&id("10")), Some(early));
}

#[test]
fn a_plan_sees_what_may_be_created() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 5, &[]);
    assert_eq!(view(&mirror).create_state(&id("1"), &key("a")), RowCreateState::Free);
    assert!(view(&mirror).missing(&[id("1")], &key("a")));
    assert!(mirror.begin_row_create(&id("1"), &key("a")));
    assert!(!mirror.begin_row_create(&id("1"), &key("a")), "one POST at a time");
    assert_eq!(view(&mirror).create_state(&id("1"), &key("a")), RowCreateState::InFlight);
    assert!(!view(&mirror).missing(&[id("1")], &key("a")));
    let look_after = time(40);
    mirror.row_create_failed(&id("1"), &key("a"), Failure::Uncertain { look_after });
    assert_eq!(view(&mirror).create_state(&id("1"), &key("a")), RowCreateState::Uncertain { look_after });
}

#[test]
fn a_plan_knows_whether_rows_are_known_settled_and_when_they_were_listed() {
    let mut mirror = Mirror::new();
    assert!(!view(&mirror).known(&id("1")) && !view(&mirror).settled(&id("1")));
    assert_eq!(view(&mirror).listed_at(&id("1")), None);
    list_rows(&mut mirror, "1", 5, &[]);
    assert!(view(&mirror).known(&id("1")) && view(&mirror).settled(&id("1")));
    assert_eq!((view(&mirror).listed_at(&id("1")), view(&mirror).seen_before(&id("1"))), (Some(time(5)), None));
    assert_eq!(mirror.last_row_write(&id("1")), Seq::default());
    let before = mirror.now();
    assert!(mirror.begin_row_create(&id("1"), &key("a")));
    assert!(mirror.last_row_write(&id("1")) > before);
    let asked = mirror.now();
    mirror.row_created(&id("1"), &key("a"), &row("10", "1", "a"));
    assert!(mirror.last_row_write(&id("1")) > asked, "the answer counts, not only the question");
    assert!(!view(&mirror).settled(&id("1")), "the list is older than our last write");
    list_rows(&mut mirror, "1", 9, &[row("10", "1", "a")]);
    assert!(view(&mirror).settled(&id("1")));
    assert_eq!(
        (view(&mirror).listed_at(&id("1")), view(&mirror).seen_before(&id("1"))),
        (Some(time(9)), Some(time(5)))
    );
    assert_eq!(mirror.row_list(&id("1")).map(|list| list.at), Some(time(9)));
}

#[test]
fn an_endpoint_that_this_process_made_needs_no_list() {
    let mut mirror = Mirror::new();
    let url = "https://example.org/1";
    mirror.begin_endpoint_create(url);
    assert!(!mirror.saw_created(&id("1")));
    mirror.endpoint_created(url, remote("1"));
    assert!(mirror.saw_created(&id("1")) && view(&mirror).known(&id("1")) && mirror.row_list(&id("1")).is_none());
    assert!(view(&mirror).missing(&[id("1")], &key("a")), "there are no rows on what was made a moment ago");
    mirror.mark_stale(&id("1"));
    assert!(!view(&mirror).missing(&[id("1")], &key("a")), "until something calls it into question");
    list_rows(&mut mirror, "1", 5, &[]);
    assert!(view(&mirror).missing(&[id("1")], &key("a")));
}

#[test]
fn when_a_pair_was_last_seen_is_the_list_before_the_one_that_lacks_it() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 10, &[row("10", "1", "a")]);
    list_rows(&mut mirror, "1", 20, &[row("10", "1", "a")]);
    assert_eq!(view(&mirror).last_seen(&id("1"), &key("a")), None, "it is there");
    list_rows(&mut mirror, "1", 30, &[]);
    list_rows(&mut mirror, "1", 40, &[]);
    assert_eq!(view(&mirror).last_seen(&id("1"), &key("a")), Some(time(20)));
    assert_eq!(view(&mirror).last_seen(&id("1"), &key("b")), None);
    assert_eq!(view(&mirror).last_seen(&id("2"), &key("a")), None);
}

#[test]
fn a_vanished_pair_is_remembered_for_a_quarter_of_an_hour() {
    let mut mirror = Mirror::new();
    list_rows(&mut mirror, "1", 0, &[row("10", "1", "a")]);
    list_rows(&mut mirror, "1", 100, &[]);
    list_rows(&mut mirror, "1", 100 + 899, &[]);
    assert_eq!(mirror.missing_since(&id("1"), &key("a")), Some(time(100)));
    assert_eq!(view(&mirror).last_seen(&id("1"), &key("a")), Some(time(0)));
    list_rows(&mut mirror, "1", 100 + 900, &[]);
    assert_eq!(mirror.missing_since(&id("1"), &key("a")), Some(time(0)), "like any pair that never was");
    assert_eq!(view(&mirror).last_seen(&id("1"), &key("a")), None);
}

#[test]
fn practices_are_found_by_name_and_key_and_remembered_when_they_leave() {
    let mut mirror = Mirror::new();
    assert_eq!(view(&mirror).practice_names(), None, "not known yet");
    list_practices(&mut mirror, 0, &["8", "7"]);
    let arc = |text: &str| Some(Arc::<str>::from(text));
    assert_eq!(mirror.practices().iter().map(|one| &*one.key).collect::<Vec<_>>(), ["7", "8"]);
    assert_eq!(view(&mirror).practice_names(), Some(vec!["name-7".into(), "name-8".into()]));
    assert_eq!((view(&mirror).practice_name("7"), view(&mirror).practice_key("name-7")), (arc("name-7"), arc("7")));
    assert_eq!((view(&mirror).practice_name("6"), view(&mirror).practice_key("name-6")), (None, None));
    assert_eq!((view(&mirror).former_practice("7"), view(&mirror).former_key("name-7")), (None, None));
    let of = |practice: Option<&str>| RowKey { practice: practice.map(Arc::from), ..key("a") };
    assert_eq!(mirror.practice_of(&of(Some("7"))), Some(Some(&Arc::from("name-7"))));
    assert_eq!(mirror.practice_of(&of(Some("6"))), None);
    assert_eq!(mirror.practice_of(&of(None)), Some(None));

    list_practices(&mut mirror, 10, &["8"]);
    assert_eq!((view(&mirror).practice_name("7"), view(&mirror).practice_key("name-7")), (None, None));
    assert_eq!((view(&mirror).former_practice("7"), view(&mirror).former_key("name-7")), (arc("name-7"), arc("7")));
    assert_eq!((view(&mirror).former_practice("8"), view(&mirror).former_key("name-8")), (None, None));
    assert_eq!(mirror.practice_list().map(|list| list.at), Some(time(10)));
    list_practices(&mut mirror, 20, &["8", "7"]);
    assert_eq!(view(&mirror).former_practice("7"), None, "it is back");
}

#[test]
fn a_practice_without_a_name_is_a_witness_but_nobody_can_subscribe_to_it() {
    let mut mirror = Mirror::new();
    let practice = |name: &str, key: &str| Practice { name: Arc::from(name), key: Arc::from(key) };
    let started = mirror.tick();
    mirror.apply_practices(started, time(0), vec![practice("", "7"), practice("b", "8")]);
    assert_eq!(view(&mirror).practice_names(), Some(vec!["b".into()]));
    assert!(mirror.practice_by_key("7").is_some());
    let started = mirror.tick();
    assert!(mirror.apply_practices(started, time(1), Vec::new()).practices);
    assert_eq!((view(&mirror).former_practice("7"), view(&mirror).former_practice("8")), (None, Some("b".into())));
}

#[test]
fn the_same_practices_in_another_order_wake_nobody_and_an_older_list_says_nothing() {
    let mut mirror = Mirror::new();
    let list = |keys: &[&str]| {
        keys.iter().map(|key| Practice { name: Arc::from(format!("n{key}")), key: Arc::from(*key) }).collect::<Vec<_>>()
    };
    let older = mirror.tick();
    let started = mirror.tick();
    assert!(mirror.apply_practices(started, time(0), list(&["7", "8"])).practices);
    let started = mirror.tick();
    assert!(mirror.apply_practices(started, time(1), list(&["8", "7", "7"])).is_empty());
    assert!(mirror.apply_practices(older, time(2), Vec::new()).is_empty());
    assert_eq!(mirror.practices().len(), 2);
}

#[test]
fn endpoints_are_found_by_id_and_url_and_lists_by_their_time() {
    let mut mirror = Mirror::new();
    assert!(mirror.endpoint_list().is_none());
    mirror.set_expectations(ids(&["1", "9"]), Vec::new());
    assert_eq!(mirror.held().cloned().collect::<HashSet<_>>(), ids(&["1", "9"]));
    list_endpoints(&mut mirror, 10, &["1", "2"]);
    assert_eq!((mirror.endpoint_list().map(|list| list.at), mirror.endpoint_list_before()), (Some(time(10)), None));
    list_endpoints(&mut mirror, 20, &["1", "2"]);
    assert_eq!(mirror.endpoint_list_before(), Some(time(10)));
    assert_eq!(mirror.endpoints().map(|one| one.id.clone()).collect::<HashSet<_>>(), ids(&["1", "2"]));
    assert_eq!(mirror.endpoint(&id("2")), Some(&remote("2")));
    assert_eq!(mirror.endpoint(&id("3")), None);
    let found: Vec<_> = mirror.endpoints_with_url("https://example.org/2").map(|one| one.id.clone()).collect();
    assert_eq!(found, [id("2")]);
}

#[test]
fn the_list_of_a_scope_is_the_newest_that_covers_it() {
    let mut mirror = Mirror::new();
    let at = |mirror: &Mirror, scope: &RowScope| mirror.scope_list(scope).map(|list| list.at);
    let own = RowScope::Endpoint(id("1"));
    list_rows(&mut mirror, "1", 1, &[]);
    assert_eq!((at(&mirror, &own), at(&mirror, &RowScope::Account)), (Some(time(1)), None));
    let started = mirror.tick();
    mirror.apply_rows(&RowScope::Account, started, time(2), &[]);
    assert_eq!((at(&mirror, &own), at(&mirror, &RowScope::Account)), (Some(time(2)), Some(time(2))));
    list_rows(&mut mirror, "1", 3, &[]);
    assert_eq!((at(&mirror, &own), at(&mirror, &RowScope::Account)), (Some(time(3)), Some(time(2))));
}

#[test]
fn changes_are_empty_only_where_nobody_need_be_woken_and_add_up() {
    let some = [
        Changes { endpoints: BTreeSet::from([id("1")]), ..Changes::default() },
        Changes { urls: BTreeSet::from([Arc::from("https://example.org/1")]), ..Changes::default() },
        Changes { pairs: HashSet::from([(id("1"), key("a"))]), ..Changes::default() },
        Changes { practices: true, ..Changes::default() },
        Changes { world: true, ..Changes::default() },
    ];
    assert!(Changes::default().is_empty());
    let mut all = Changes::default();
    for one in &some {
        assert!(!one.is_empty(), "{one:?}");
        let mut merged = Changes::default();
        merged.merge(one.clone());
        assert_eq!(merged, *one);
        merged.merge(one.clone());
        merged.merge(Changes::default());
        assert_eq!(merged, *one, "nothing that changed is forgotten");
        all.merge(one.clone());
    }
    assert!(all.practices && all.world && all.endpoints.len() + all.urls.len() + all.pairs.len() == 3);
}

#[test]
fn a_run_of_lists_spans_the_time_between_its_first_and_its_last() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1", "2"]), Vec::new());
    let run = |mirror: &Mirror| mirror.absence(&id("1")).unwrap().witnessed_run.unwrap();
    let spans = |mirror: &Mirror, seconds: i64| run(mirror).spans(SignedDuration::from_secs(seconds));
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    list_endpoints(&mut mirror, 5, &["2"]);
    assert!(!spans(&mirror, 0), "one list proves nothing, however long ago");
    assert_eq!(mirror.absence(&id("1")).unwrap().seen, Some(time(0)), "the last list that showed it");
    list_endpoints(&mut mirror, 15, &["2"]);
    assert!(spans(&mirror, 10) && !spans(&mirror, 11));
    let absence = mirror.absence(&id("1")).unwrap();
    assert_eq!((absence.first, absence.last, absence.lists), (time(5), time(15), 2));
    assert_eq!((run(&mirror).first, run(&mirror).last, run(&mirror).lists), (time(5), time(15), 2));
}

#[test]
fn a_list_without_a_witness_begins_the_run_anew_instead_of_spoiling_it() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), vec![Arc::from("7")]);
    let run = |mirror: &Mirror| mirror.absence(&id("1")).unwrap().witnessed_run;
    list_endpoints(&mut mirror, 0, &["1"]);
    list_endpoints(&mut mirror, 10, &[]);
    assert_eq!(run(&mirror), None);
    list_practices(&mut mirror, 10, &["7"]);
    assert_eq!(run(&mirror).map(|run| (run.first, run.lists)), Some((time(10), 1)));
    list_endpoints(&mut mirror, 20, &[]);
    assert_eq!(run(&mirror), None, "no list of practices came with this one");
    list_endpoints(&mut mirror, 30, &[]);
    list_practices(&mut mirror, 30, &["7"]);
    assert_eq!(run(&mirror).map(|run| (run.first, run.lists)), Some((time(30), 1)));
    list_endpoints(&mut mirror, 40, &[]);
    list_practices(&mut mirror, 40, &["7"]);
    assert_eq!(run(&mirror).map(|run| (run.first, run.lists)), Some((time(30), 2)));
}

#[test]
fn states_of_creation_are_told_per_url() {
    let mut mirror = Mirror::new();
    let (one, two) = ("https://example.org/1", "https://example.org/2");
    mirror.begin_endpoint_create(one);
    mirror.begin_endpoint_create(one);
    assert_eq!(mirror.endpoint_create_state(two), CreateState::Free);
    mirror.endpoint_create_failed(one);
    assert_eq!(mirror.endpoint_create_state(one), CreateState::InFlight, "the other POST has no answer yet");
    mirror.endpoint_create_failed(one);
    assert_eq!(mirror.endpoint_create_state(one), CreateState::Free);
}
