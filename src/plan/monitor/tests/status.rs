//! What a whole monitor writes, and when it writes nothing.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::json;

use super::desk::{Desk, fleet, single, sync};
use crate::api::Reason;
use crate::plan::AccountView;
use crate::plan::condition::find;
use crate::plan::monitor::HoursTrouble;
use crate::provider::model::Practice;
use crate::provider::model::sync::{Colour, Place, Sync};

#[test]
fn a_day_of_looks_is_one_write() {
    let mut desk = Desk::new(single());
    let first = desk.pass();
    assert_eq!((desk.said("Ready").as_str(), desk.said("ReadHealthy").as_str()), ("True/InSync", "True/Green"));
    assert!(first.notes.is_empty(), "that it is well for the first time is no news");
    let status = desk.object.status.clone().unwrap();
    assert_eq!((status.institution_id, status.syncs.len()), (Some(101), 1));
    let plans = desk.minutes(24 * 60, |_| {});
    assert_eq!(desk.writes, 1, "the times in the status are as of the last change of verdict");
    assert!(plans.iter().all(|plan| plan.notes.is_empty()));
    assert_eq!(plans.last().unwrap().office_open, Some(true));
}

#[test]
fn the_worst_sync_decides_and_is_named_until_it_is_good() {
    let mut desk = Desk::new(single());
    let now = desk.now;
    desk.shows("101", vec![sync("alpha", Colour::Green, 3, now), sync("beta", Colour::Green, 3, now)]);
    desk.pass();
    let red = |desk: &mut Desk, which: &str| {
        for sync in desk.syncs.get_mut("101").unwrap() {
            sync.read.colour = if which.contains(&*sync.name) { Colour::Red } else { Colour::Green };
        }
    };
    let plans = desk.minutes(12, |desk| red(desk, "beta"));
    assert_eq!(desk.said("ReadHealthy"), "False/Red");
    assert!(desk.message("ReadHealthy").contains("\"beta\""), "{}", desk.message("ReadHealthy"));
    assert_eq!((desk.said("WriteHealthy"), desk.said("SyncHealthy")), ("True/Green".into(), "False/Red".into()));
    let notes: Vec<_> = plans.iter().flat_map(|plan| &plan.notes).collect();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].warning && notes[0].reason == "Red" && notes[0].text.contains("ReadHealthy of aspen"));
    let writes = desk.writes;
    desk.minutes(30, |desk| red(desk, "alpha and beta"));
    assert_eq!(desk.writes, writes, "the name does not wander");
    desk.minutes(30, |desk| red(desk, "alpha"));
    assert!(desk.message("ReadHealthy").contains("\"alpha\""));
    let plans = desk.minutes(6, |desk| red(desk, ""));
    assert_eq!(desk.said("SyncHealthy"), "True/Green");
    assert_eq!(plans.iter().flat_map(|plan| &plan.notes).filter(|note| !note.warning).count(), 1);
}

#[test]
fn two_syncs_that_are_red_in_turn_are_not_red_for_long() {
    let mut desk = Desk::new(single());
    let now = desk.now;
    desk.shows("101", vec![sync("alpha", Colour::Green, 3, now), sync("beta", Colour::Green, 3, now)]);
    desk.minutes(60, |desk| {
        let even = desk.now.as_second() / 60 % 2 == 0;
        for (place, sync) in desk.syncs.get_mut("101").unwrap().iter_mut().enumerate() {
            sync.read.colour = if (place == 0) == even { Colour::Red } else { Colour::Green };
        }
    });
    assert_eq!(desk.said("ReadHealthy"), "Unknown/CatchingUp", "neither is confirmed, and it was never good");
}

#[test]
fn only_syncs_of_the_named_locations_count() {
    let mut spec = single();
    spec["locationIds"] = json!(["7"]);
    let mut desk = Desk::new(spec);
    let now = desk.now;
    let at =
        |name: &str, colour, places: Option<Vec<Arc<str>>>| Sync { locations: places, ..sync(name, colour, 300, now) };
    let mine = |colour| Sync { locations: Some(vec!["7".into(), "8".into()]), ..sync("mine", colour, 3, now) };
    desk.shows("101", vec![at("other", Colour::Red, Some(vec!["9".into()])), mine(Colour::Green)]);
    desk.pass();
    assert_eq!(desk.said("ReadHealthy"), "True/Green");
    desk.shows("101", vec![at("other", Colour::Red, Some(vec!["9".into()]))]);
    desk.looked += SignedDuration::from_secs(1);
    desk.pass();
    assert_eq!(desk.said("ReadHealthy"), "Unknown/NoSync");
    desk.shows("101", vec![at("silent about its locations", Colour::Green, None)]);
    desk.looked += SignedDuration::from_secs(1);
    desk.pass();
    assert_eq!(desk.said("ReadHealthy"), "False/Stale");
}

#[test]
fn a_restart_keeps_the_verdict_of_the_evening() {
    let mut desk = Desk::new(single());
    desk.hours = Some("timeZone: UTC\nweekly: [{days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"17:00\"}]");
    desk.pass();
    desk.minutes(5 * 60 + 30, |desk| {
        for sync in desk.syncs.get_mut("101").unwrap() {
            sync.read.at = Some("2026-05-06T14:00:00Z".parse().unwrap());
        }
    });
    assert_eq!((desk.said("ReadHealthy"), desk.said("WriteHealthy")), ("False/Stale".into(), "True/Green".into()));
    let writes = desk.writes;
    desk.restart();
    let plan = desk.pass();
    assert_eq!((desk.writes, plan.office_open), (writes, Some(false)), "it is evening, and nothing has changed");
    assert!(plan.notes.is_empty());
}

#[test]
fn the_fleet_takes_in_who_joins_and_leaves_out_who_has_a_monitor() {
    let mut desk = Desk::new(fleet());
    desk.pass();
    assert_eq!(desk.object.status.as_ref().unwrap().practices.as_ref().unwrap().total, 2);
    assert!(desk.object.status.as_ref().unwrap().institution_id.is_none());
    desk.practices.push(Practice { name: "dogwood".into(), key: "104".into() });
    let now = desk.now;
    desk.shows("104", vec![sync("main", Colour::Green, 3, now)]);
    desk.named.insert("aspen".to_owned());
    desk.pass();
    assert_eq!(desk.object.status.as_ref().unwrap().practices.as_ref().unwrap().total, 2);
    let old = |desk: &mut Desk| {
        for key in ["101", "102", "104"] {
            desk.syncs.get_mut(key).unwrap()[0].read.at = Some("2026-05-06T12:00:00Z".parse().unwrap());
        }
    };
    let plans = desk.minutes(61, old);
    assert_eq!((desk.said("ReadHealthy"), desk.said("SyncHealthy")), ("False/Stale".into(), "False/Stale".into()));
    assert_eq!(desk.said("WriteHealthy"), "-", "a block that is left out is not judged");
    let practices = desk.object.status.as_ref().unwrap().practices.clone().unwrap();
    assert_eq!((practices.healthy, practices.unhealthy.len()), (0, 2));
    assert_eq!(practices.unhealthy[0].practice, "birch");
    let notes: Vec<_> = plans.iter().flat_map(|plan| &plan.notes).map(|note| note.text.clone()).collect();
    assert!(notes.len() == 2 && notes[0].contains("birch") && notes[1].contains("dogwood"), "{notes:?}");
    let (writes, status) = (desk.writes, desk.object.status.clone());
    desk.restart();
    desk.pass();
    assert_eq!((desk.writes, &desk.object.status), (writes, &status), "a restart changes nothing");
}

#[test]
fn who_joins_after_a_restart_is_judged_anew() {
    let mut desk = Desk::new(fleet());
    desk.hours = Some("timeZone: UTC\nweekly: [{days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"17:00\"}]");
    desk.pass();
    assert_eq!(desk.said("SyncHealthy"), "True/Green");
    desk.restart();
    desk.minutes(6 * 60, |_| {});
    assert_eq!(desk.said("SyncHealthy"), "True/Green", "the verdict of the day stays in the evening");
    desk.practices.push(Practice { name: "dogwood".into(), key: "104".into() });
    let now = desk.now;
    desk.shows("104", vec![sync("main", Colour::Green, 3, now)]);
    desk.pass();
    assert_eq!(desk.said("SyncHealthy"), "Unknown/OfficeClosed", "nobody has judged it yet");
    assert!(desk.message("SyncHealthy").starts_with("dogwood: "), "{}", desk.message("SyncHealthy"));
}

#[test]
fn an_outage_of_many_is_the_reason_and_no_event() {
    let mut desk = Desk::new(single());
    desk.pass();
    desk.outage = Some(desk.now);
    let old =
        |desk: &mut Desk| desk.syncs.get_mut("101").unwrap()[0].read.at = Some("2026-05-06T12:00:00Z".parse().unwrap());
    let plans = desk.minutes(61, old);
    assert_eq!(desk.said("ReadHealthy"), "False/ProviderWideOutage");
    assert_eq!(desk.said("SyncHealthy"), "False/ProviderWideOutage");
    assert!(plans.iter().all(|plan| plan.notes.is_empty()), "the account tells of it, once");
    assert!(plans.last().unwrap().members.as_ref().unwrap()[0].1.bad_since.is_some());
    desk.outage = None;
    let plan = desk.pass();
    assert_eq!(desk.said("ReadHealthy"), "False/Stale");
    assert_eq!(plan.notes.len(), 1, "what is left of it is the practice's own");
}

#[test]
fn what_cannot_be_used_is_said_and_nobody_is_blamed() {
    let mut desk = Desk::new(single());
    let old =
        |desk: &mut Desk| desk.syncs.get_mut("101").unwrap()[0].read.at = Some("2026-05-06T10:00:00Z".parse().unwrap());
    desk.pass();
    desk.minutes(1, old);
    assert_eq!(desk.said("ReadHealthy"), "False/Stale");
    for (reason, watched, ready) in
        [(Reason::OfficeHoursNotFound, true, "Reconciling"), (Reason::InvalidOfficeHours, false, "Stalled")]
    {
        desk.trouble = Some(HoursTrouble { reason, message: "what to do".to_owned(), watched });
        let plan = desk.pass();
        assert_eq!((desk.said("Ready"), desk.said(ready)), (format!("False/{reason}"), format!("True/{reason}")));
        assert_eq!(desk.said("ReadHealthy"), format!("Unknown/{reason}"));
        assert!(plan.notes.is_empty() && plan.members == Some(Vec::new()) && plan.office_open.is_none());
    }
    desk.trouble = None;
    desk.hours = Some("weekly: [{days: [Sun], open: \"08:00\", close: \"17:00\"}]");
    let before = desk.writes;
    assert!(desk.pass().wants_places, "the zone is the location's, and no list has come in yet");
    assert_eq!(desk.writes, before, "what stands there stays until then");
    let place = |id: &str, zone: &str| Place {
        id: id.into(),
        practice: "101".into(),
        time_zone: Some(zone.into()),
        inactive: false,
    };
    desk.places = Some(vec![place("1", "Mars/Olympus")]);
    desk.pass();
    assert_eq!(
        (desk.said("Ready"), desk.said("ReadHealthy")),
        ("False/TimeZoneUnknown".into(), "Unknown/TimeZoneUnknown".into())
    );
    desk.places = Some(vec![place("1", "America/Denver"), place("2", "America/Phoenix")]);
    desk.pass();
    assert!(desk.message("Ready").contains("America/Denver, America/Phoenix"), "{}", desk.message("Ready"));
    desk.places = Some(vec![place("1", "America/Denver"), Place { inactive: true, ..place("2", "America/Phoenix") }]);
    desk.pass();
    assert_eq!(desk.said("Ready"), "True/InSync");
    assert_eq!(
        desk.said("ReadHealthy"),
        "Unknown/OfficeClosed",
        "what was bad before is not said again while it is closed"
    );
    desk.object.spec.suspend = true;
    desk.pass();
    assert_eq!(
        (desk.said("Ready"), desk.said("Reconciling"), desk.said("Stalled")),
        ("False/Suspended".into(), "-".into(), "-".into())
    );
    desk.object.spec.suspend = false;
    desk.object.spec.practice = Some("aspn".to_owned());
    desk.pass();
    assert_eq!(desk.said("Stalled"), "True/PracticeNotFound");
    assert!(desk.message("Ready").contains("did you mean aspen"), "{}", desk.message("Ready"));
}

#[test]
fn our_own_late_looks_are_nobodys_fault() {
    let mut desk = Desk::new(single());
    desk.pass();
    desk.now += SignedDuration::from_mins(40);
    let plan = desk.pass();
    assert!(plan.wants_syncs);
    assert_eq!(
        (desk.said("Ready"), desk.said("Reconciling")),
        ("Unknown/ObservationStale".into(), "True/ObservationStale".into())
    );
    assert_eq!(desk.said("SyncHealthy"), "Unknown/ObservationStale");
    desk.view = AccountView::Unavailable { long: true };
    desk.pass();
    assert_eq!(
        (desk.said("Ready"), desk.said("ReadHealthy")),
        ("Unknown/ProviderUnavailable".into(), "Unknown/ProviderUnavailable".into())
    );
    desk.view = AccountView::NotReady("its key is gone".to_owned());
    desk.pass();
    assert_eq!(
        (desk.said("Ready"), desk.said("ReadHealthy")),
        ("Unknown/AccountNotReady".into(), "Unknown/AccountNotReady".into())
    );
    desk.view = AccountView::NotFound;
    desk.pass();
    assert_eq!(
        (desk.said("Ready"), desk.said("ReadHealthy")),
        ("False/AccountNotFound".into(), "Unknown/AccountNotFound".into())
    );
    desk.view = AccountView::Ready { allow_insecure: false };
    desk.minutes(1, |_| {});
    assert_eq!((desk.said("Ready"), desk.said("SyncHealthy")), ("True/InSync".into(), "True/Green".into()));
    assert!(find(&desk.object.status.as_ref().unwrap().conditions, crate::api::ConditionType::Stalled).is_none());
}
