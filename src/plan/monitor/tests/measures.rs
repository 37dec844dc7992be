//! What a pass tells the metrics and the account, when it is to be made again, and what it waits for.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use super::desk::{Desk, fleet, single, sync};
use crate::plan::monitor::practice::Age;
use crate::provider::model::sync::{Colour, Place};

const HOURS: &str = "weekly: [{days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"17:00\"}]";

fn place(key: &str, zone: &str) -> Place {
    Place { id: "1".into(), practice: key.into(), time_zone: Some(zone.into()), inactive: false }
}

#[test]
fn ages_are_those_of_the_practice_where_it_worked_longest_ago() {
    let mut desk = Desk::new(fleet());
    let now = desk.now;
    desk.shows("102", vec![sync("main", Colour::Green, 30, now), sync("other", Colour::Green, 20, now)]);
    let half_an_hour = Age { last: Some(now - SignedDuration::from_mins(30)), open: Some(Duration::from_secs(1800)) };
    assert_eq!(desk.pass().ages, [Some(half_an_hour), None], "writing is not judged");
}

#[test]
fn the_account_is_told_who_is_open_and_who_went_bad() {
    let mut desk = Desk::new(fleet());
    desk.hours = Some(HOURS);
    desk.places = Some(vec![place("101", "UTC"), place("102", "UTC")]);
    let members =
        |desk: &mut Desk| desk.pass().members.unwrap().into_iter().map(|(_, member)| member).collect::<Vec<_>>();
    assert!(members(&mut desk).iter().all(|member| member.open && member.bad_since.is_none()));
    let now = desk.now;
    desk.shows("102", vec![sync("main", Colour::Green, 90, now)]);
    desk.looked += SignedDuration::from_secs(1);
    let said = members(&mut desk);
    assert_eq!((said[0].bad_since, said[1].bad_since), (None, Some(now)));
    desk.places = Some(vec![place("101", "Asia/Tokyo"), place("102", "UTC")]);
    let said = members(&mut desk);
    assert_eq!((said[0].open, said[1].open), (false, true), "it is nine in the evening in Tokyo");
}

#[test]
fn office_open_is_about_those_that_are_bad_if_any_is() {
    let mut desk = Desk::new(fleet());
    desk.hours = Some(HOURS);
    let now = desk.now;
    desk.shows("102", vec![sync("main", Colour::Green, 90, now)]);
    desk.places = Some(vec![place("101", "UTC"), place("102", "UTC")]);
    assert_eq!(desk.pass().office_open, Some(true));
    desk.places = Some(vec![place("101", "UTC"), place("102", "Asia/Tokyo")]);
    assert_eq!(desk.pass().office_open, Some(false), "nobody has to get up for the one that is bad");
    desk.places = Some(vec![place("101", "Asia/Tokyo"), place("102", "UTC")]);
    assert_eq!(desk.pass().office_open, Some(true));
}

#[test]
fn no_good_poll_for_two_intervals_is_said_as_soon_as_they_are_past() {
    let mut desk = Desk::new(single());
    let again = desk.pass().again.unwrap();
    let (two_intervals, soon) = (Duration::from_secs(120), Duration::from_secs(1));
    assert!(again > two_intervals && again < two_intervals + soon, "{again:?}");
    desk.now += SignedDuration::from_secs(120);
    let plan = desk.pass();
    assert_eq!((desk.said("Ready").as_str(), plan.wants_syncs), ("True/InSync", false), "two intervals, and no more");
    let again = plan.again.unwrap();
    assert!(again < soon, "{again:?}");
    desk.now += SignedDuration::try_from(again).unwrap();
    let plan = desk.pass();
    assert_eq!((desk.said("Ready").as_str(), plan.wants_syncs), ("Unknown/ObservationStale", true));
    assert!(plan.again.is_none_or(|again| again > soon), "that it is over does not come again: {:?}", plan.again);
}

#[test]
fn before_the_first_answer_it_is_progressing_and_asks_for_one() {
    let mut desk = Desk::new(single());
    desk.answered = false;
    let plan = desk.pass();
    assert_eq!(desk.said("Ready"), "Unknown/Progressing");
    assert_eq!(desk.said("SyncHealthy"), "Unknown/Progressing");
    assert!(
        plan.wants_syncs && plan.members.is_none(),
        "nothing has been looked at, so an outage neither begins nor ends"
    );
    let writes = desk.writes;
    desk.answered = true;
    desk.pass();
    assert_eq!((desk.said("SyncHealthy").as_str(), desk.writes), ("True/Green", writes + 1));
    desk.restart();
    desk.answered = false;
    let plan = desk.pass();
    assert!(plan.wants_syncs && plan.status.is_none(), "a new process leaves what stands there as it is");
}

#[test]
fn a_fleet_works_though_one_practice_has_no_zone() {
    let mut desk = Desk::new(fleet());
    desk.hours = Some(HOURS);
    desk.places = Some(vec![place("101", "UTC")]);
    let plan = desk.pass();
    assert_eq!((desk.said("Ready").as_str(), desk.said("Stalled").as_str()), ("True/InSync", "-"));
    assert_eq!(desk.said("SyncHealthy"), "Unknown/TimeZoneUnknown");
    assert!(desk.message("SyncHealthy").starts_with("birch: "), "{}", desk.message("SyncHealthy"));
    assert!(plan.wants_places && desk.counts().healthy == 1);
    let mut one = Desk::new(json!({"practice": "birch", "read": {"staleAfter": "60m"}}));
    (one.hours, one.places) = (desk.hours, desk.places.clone());
    one.pass();
    assert_eq!(one.said("Stalled"), "True/TimeZoneUnknown");
}
