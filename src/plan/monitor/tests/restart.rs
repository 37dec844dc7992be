//! What a new process, or one that saw nothing for a while, makes of what is stored: a verdict is kept, never invented.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::desk::{Desk, fleet, single, sync};
use crate::provider::model::Practice;
use crate::provider::model::sync::{Colour, Sync};

const OFFICE: &str = "timeZone: UTC\nweekly: [{days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"17:00\"}]";

fn every() -> Value {
    json!({"allPractices": {}, "read": {"staleAfter": "60m"}, "write": {"staleAfter": "60m"}})
}

/// From noon on birch is stale for reading after one o'clock, cedar is red from two o'clock on; aspen is well.
fn afternoon(desk: &mut Desk) {
    let clock = |clock: &str| -> Timestamp { format!("2026-05-06T{clock}:00Z").parse().unwrap() };
    let (noon, two) = (clock("12:00"), clock("14:00"));
    let now = desk.now;
    let of = |desk: &mut Desk, key: &str, edit: &dyn Fn(&mut Sync)| edit(&mut desk.syncs.get_mut(key).unwrap()[0]);
    of(desk, "102", &|sync| sync.read.at = Some(noon));
    of(desk, "103", &|sync| sync.read.colour = if now >= two { Colour::Red } else { Colour::Green });
}

#[test]
fn overnight_a_restart_changes_nothing_of_a_fleet() {
    let mut desk = Desk::new(every());
    desk.hours = Some(OFFICE);
    desk.pass();
    desk.minutes(5 * 60 + 30, afternoon);
    assert_eq!((desk.said("ReadHealthy").as_str(), desk.said("WriteHealthy").as_str()), ("False/Stale", "True/Green"));
    let named: Vec<_> = desk.counts().unhealthy.iter().map(|one| (one.practice.clone(), one.reason.clone())).collect();
    assert_eq!(named, [("birch".into(), "Stale".into()), ("cedar".into(), "Red".into())]);
    let (status, writes) = (desk.object.status.clone(), desk.writes);
    desk.restart();
    let notes: usize = desk.minutes(30, afternoon).iter().map(|plan| plan.notes.len()).sum();
    assert_eq!((&desk.object.status, desk.writes, notes), (&status, writes, 0));
}

#[test]
fn in_open_time_a_restart_tells_nothing_again() {
    let mut desk = Desk::new(every());
    desk.pass();
    desk.minutes(3 * 60, afternoon);
    desk.restart();
    let plans = desk.minutes(30, afternoon);
    let notes: Vec<_> = plans.iter().flat_map(|plan| &plan.notes).collect();
    assert!(notes.is_empty(), "{notes:?}");
    let well = |desk: &mut Desk| desk.syncs.values_mut().flatten().for_each(|sync| sync.read.colour = Colour::Green);
    let plans = desk.minutes(10, well);
    assert_eq!(plans.iter().flat_map(|plan| &plan.notes).count(), 2, "but that it is well again is news");
}

#[test]
fn a_list_of_the_bad_that_may_be_cut_at_50_says_nothing_of_who_is_not_on_it() {
    for (bad, well_after) in [(49, 2), (50, 0)] {
        let mut desk = Desk::new(json!({"allPractices": {}, "read": {"staleAfter": "60m"}}));
        desk.hours = Some(OFFICE);
        let name = |number: usize| format!("practice-{number:02}");
        let practice = |number: usize| Practice { name: name(number).into(), key: (200 + number).to_string().into() };
        desk.practices = (0..51).map(practice).collect();
        let now = desk.now;
        for number in 0..51 {
            let minutes_ago = if number < bad { 90 } else { 3 };
            desk.shows(&(200 + number).to_string(), vec![sync("main", Colour::Green, minutes_ago, now)]);
        }
        desk.pass();
        assert_eq!((desk.counts().healthy, desk.counts().unhealthy.len()), (51 - bad as i64, bad));
        desk.now += SignedDuration::from_hours(6);
        desk.looked = desk.now;
        for number in bad..51 {
            let now = desk.now;
            desk.shows(&(200 + number).to_string(), vec![sync("main", Colour::Green, 3, now)]);
        }
        desk.restart();
        desk.pass();
        assert_eq!(desk.counts().healthy, well_after, "{bad} of 51 are bad");
        assert_eq!(desk.said("ReadHealthy"), "False/Stale");
    }
}

#[test]
fn what_was_bad_before_a_time_without_judgement_is_not_said_again_while_it_is_closed() {
    for spec in [single(), fleet()] {
        let mut desk = Desk::new(spec);
        desk.hours = Some(OFFICE);
        let now = desk.now;
        desk.shows("101", vec![sync("main", Colour::Green, 90, now)]);
        desk.pass();
        assert_eq!(desk.said("ReadHealthy"), "False/Stale");
        desk.object.spec.suspend = true;
        desk.pass();
        assert_eq!(desk.said("ReadHealthy"), "Unknown/Suspended");
        assert!(desk.object.status.as_ref().unwrap().practices.is_none(), "nobody is counted who is not judged");
        desk.object.spec.suspend = false;
        desk.now += SignedDuration::from_hours(6);
        desk.looked = desk.now;
        desk.pass();
        assert_eq!(desk.said("ReadHealthy"), "Unknown/OfficeClosed");
        assert_eq!(desk.said("SyncHealthy"), "Unknown/OfficeClosed");
    }
}

#[test]
fn in_an_outage_a_restart_blames_nobody() {
    let mut desk = Desk::new(single());
    desk.pass();
    desk.outage = Some(desk.now);
    let old =
        |desk: &mut Desk| desk.syncs.get_mut("101").unwrap()[0].read.at = Some("2026-05-06T12:00:00Z".parse().unwrap());
    desk.minutes(61, old);
    let writes = desk.writes;
    desk.restart();
    let plans = desk.minutes(2, old);
    assert_eq!((desk.said("ReadHealthy").as_str(), desk.writes), ("False/ProviderWideOutage", writes));
    assert_eq!(desk.said("SyncHealthy"), "False/ProviderWideOutage");
    assert!(plans.iter().all(|plan| plan.notes.is_empty()));
}
