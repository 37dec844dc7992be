//! Events, the third verdict, and the syncs of a status.

use jiff::{SignedDuration, Timestamp};

use super::desk::{Desk, single, sync};
use crate::api::monitor_status::SyncSeen;
use crate::plan::monitor::MonitorPlan;
use crate::plan::wire_time;
use crate::provider::model::sync::{Colour, Direction, Sync};

/// What Events told: which verdict, its reason, and whether it is a warning.
fn told(plans: &[MonitorPlan]) -> Vec<(String, &'static str, bool)> {
    let notes = plans.iter().flat_map(|plan| &plan.notes);
    notes.map(|note| (note.text.split(' ').next().unwrap().to_owned(), note.reason, note.warning)).collect()
}

fn since_noon(desk: &Desk) -> i64 {
    (desk.now - "2026-05-06T12:00:00Z".parse::<Timestamp>().unwrap()).get_seconds() / 60
}

/// Reading is stale in one minute, writing ten minutes later: each turns twice, both together more often.
fn in_turn(desk: &mut Desk) {
    let (minute, old) = (since_noon(desk), desk.now - SignedDuration::from_hours(2));
    let sync = &mut desk.syncs.get_mut("101").unwrap()[0];
    if minute == 1 {
        sync.read.at = Some(old);
    }
    if minute == 11 {
        sync.write.at = Some(old);
    }
}

#[test]
fn what_flaps_only_together_is_flapping_until_both_have_been_good_for_30_minutes() {
    let mut desk = Desk::new(single());
    desk.pass();
    let plans = desk.minutes(20, in_turn);
    assert_eq!((desk.said("ReadHealthy").as_str(), desk.said("WriteHealthy").as_str()), ("True/Green", "True/Green"));
    assert_eq!(desk.said("SyncHealthy"), "False/Flapping");
    let event = |verdict: &str, reason, warning| (verdict.to_owned(), reason, warning);
    assert_eq!(
        told(&plans),
        [
            event("ReadHealthy", "Stale", true),
            event("ReadHealthy", "Green", false),
            event("WriteHealthy", "Stale", true),
            event("SyncHealthy", "Flapping", true),
            event("WriteHealthy", "Green", false),
        ],
        "the third verdict is news only where it alone flaps"
    );
    desk.minutes(41 - 20, in_turn);
    assert_eq!(desk.said("SyncHealthy"), "False/Flapping", "good since minute 12, which is 29 minutes");
    desk.minutes(1, in_turn);
    assert_eq!(desk.said("SyncHealthy"), "True/Green");
}

#[test]
fn a_restart_while_both_flap_together_is_still_flapping() {
    let mut desk = Desk::new(single());
    desk.pass();
    desk.minutes(20, in_turn);
    desk.restart();
    desk.minutes(29, in_turn);
    assert_eq!(desk.said("SyncHealthy"), "False/Flapping");
    desk.minutes(2, in_turn);
    assert_eq!(desk.said("SyncHealthy"), "True/Green", "30 good minutes of this process");
}

#[test]
fn the_reason_of_the_third_verdict_stays_while_it_holds() {
    let mut desk = Desk::new(single());
    desk.pass();
    let noon = desk.now;
    let bad = |read: bool, write: bool| {
        move |desk: &mut Desk| {
            let sync = &mut desk.syncs.get_mut("101").unwrap()[0];
            sync.write.colour = if write { Colour::Red } else { Colour::Green };
            if read {
                sync.read.at = Some(noon);
            }
        }
    };
    desk.minutes(15, bad(false, true));
    assert_eq!(desk.said("SyncHealthy"), "False/Red");
    desk.minutes(60, bad(true, true));
    assert_eq!((desk.said("ReadHealthy").as_str(), desk.said("SyncHealthy").as_str()), ("False/Stale", "False/Red"));
    desk.minutes(10, bad(true, false));
    assert_eq!((desk.said("WriteHealthy").as_str(), desk.said("SyncHealthy").as_str()), ("True/Green", "False/Stale"));
}

#[test]
fn that_no_sync_is_shown_is_news_and_that_nothing_can_be_seen_is_none() {
    let mut desk = Desk::new(single());
    desk.pass();
    let gone = |desk: &mut Desk| desk.shows("101", Vec::new());
    let plans = desk.minutes(5, gone);
    let event = |verdict: &str| (verdict.to_owned(), "NoSync", false);
    assert_eq!(told(&plans), [event("ReadHealthy"), event("WriteHealthy")], "once");
    desk.now += SignedDuration::from_hours(1);
    let late = desk.pass();
    assert_eq!(desk.said("ReadHealthy"), "Unknown/ObservationStale");
    let plans = desk.minutes(5, gone);
    assert!(told(&[late]).is_empty() && told(&plans).is_empty(), "nor is that it is as it was");
}

#[test]
fn a_status_shows_syncs_as_the_provider_does_within_the_bounds_of_the_schema() {
    let mut desk = Desk::new(single());
    let now = desk.now;
    let direction = |word: &str, minutes| Direction {
        colour: Colour::Other,
        word: Some(word.into()),
        at: Some(now - SignedDuration::from_mins(minutes)),
    };
    let shown = Sync {
        name: "n".repeat(300).into(),
        emr: Some("e".repeat(300).into()),
        emr_types: (0..10).map(|_| "t".repeat(100).into()).collect(),
        read: direction(&"r".repeat(100), 3),
        write: direction("mauve", 4),
        locations: Some(vec!["7".into(), "8".into()]),
    };
    desk.shows("101", std::iter::once(shown).chain((0..20).map(|_| sync("main", Colour::Green, 3, now))).collect());
    desk.pass();
    let syncs = &desk.object.status.as_ref().unwrap().syncs;
    let at = |minutes| Some(wire_time(now - SignedDuration::from_mins(minutes)));
    let expected = SyncSeen {
        name: "n".repeat(253),
        emr: Some("e".repeat(253)),
        emr_type: vec!["t".repeat(63); 8],
        read_status: Some("r".repeat(63)),
        read_status_at: at(3),
        write_status: Some("mauve".to_owned()),
        write_status_at: at(4),
        locations: Some(2),
    };
    assert_eq!((&syncs[0], syncs.len()), (&expected, 16));
}
