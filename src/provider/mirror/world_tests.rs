//! Which world the key shows, over rounds: what is held, given up, accepted, forgotten (rules.md *Absence*).

use std::sync::Arc;
use std::time::Duration;

use super::tests::{absence, id, ids, list_endpoints, list_practices, remote, time};
use super::{Mirror, World};

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

#[test]
fn what_was_given_up_and_came_back_is_missed_again() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1", "2"]), Vec::new());
    list_endpoints(&mut mirror, 0, &["1", "2"]);
    list_endpoints(&mut mirror, 10, &[]);
    assert_eq!(mirror.world(), World::Suspect);
    mirror.accept_world(true);
    mirror.accept_world(false);
    list_endpoints(&mut mirror, 20, &["1", "2"]);
    assert_eq!(mirror.world(), World::Trusted);
    list_endpoints(&mut mirror, 30, &[]);
    assert_eq!(mirror.world(), World::Suspect);
}

#[test]
fn where_something_is_held_that_no_list_has_shown_the_practices_are_asked() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), vec![Arc::from("7")]);
    list_endpoints(&mut mirror, 0, &[]);
    list_practices(&mut mirror, 0, &["7"]);
    assert_eq!(mirror.world(), World::Trusted);
    assert!(mirror.wants_sample_witness(&[]));
}

#[test]
fn a_list_that_began_before_a_write_says_nothing_of_the_world_either() {
    let mut mirror = Mirror::new();
    mirror.set_expectations(ids(&["1"]), Vec::new());
    list_endpoints(&mut mirror, 0, &["1"]);
    let early = mirror.tick();
    mirror.begin_endpoint_write(&id("1"));
    mirror.endpoint_patched(remote("1"));
    mirror.apply_endpoints(early, time(1), &[], Some(&[]));
    assert_eq!((mirror.world(), mirror.absence(&id("1"))), (World::Trusted, None));
}
