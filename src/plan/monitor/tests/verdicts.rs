//! The verdicts on one practice, look by look: which sync decides, what stays, and when something may change.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::clinic::{hours, rules};
use crate::api::Reason;
use crate::plan::condition::Is;
use crate::plan::monitor::calendar::{Calendar, Office};
use crate::plan::monitor::hours::zone;
use crate::plan::monitor::practice::{Look, Practice, Rules, View, Way};
use crate::provider::model::sync::{Colour, Direction, Sync};

const OFFICE: &str = "weekly: [{days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"17:00\"}]";

/// A practice, on a Wednesday.
struct Room {
    practice: Practice,
    rules: Rules,
    calendar: Calendar,
}

fn at(clock: &str) -> Timestamp {
    format!("2026-05-06T{clock}Z").parse().unwrap()
}

fn office(place: &str, yaml: &str) -> Calendar {
    Calendar::new(hours(yaml), zone(place).unwrap())
}

/// A sync that last worked then, in both directions.
fn sync(name: &str, read: &str, write: &str) -> Sync {
    let green = |clock: &str| Direction { colour: Colour::Green, word: None, at: Some(at(clock)) };
    Sync { name: name.into(), read: green(read), write: green(write), ..Sync::default() }
}

fn red(sync: Sync) -> Sync {
    Sync { read: Direction { colour: Colour::Red, ..sync.read }, ..sync }
}

impl Room {
    fn new(calendar: Calendar) -> Self {
        Self { practice: Practice::default(), rules: rules(60, 60), calendar }
    }

    /// A look, and what it shows.
    fn sees(&mut self, clock: &str, syncs: &[Sync]) -> View {
        let now = at(clock);
        self.practice.judge(&self.rules, &self.calendar, &Look { syncs, at: now, blind: None, now })
    }

    /// What is said of reading at a moment at which the provider cannot be asked.
    fn blind(&mut self, clock: &str, looked: &str) -> (Is, Reason) {
        let look = Look { syncs: &[], at: at(looked), blind: Some(Reason::ProviderUnavailable), now: at(clock) };
        read(&self.practice.judge(&self.rules, &self.calendar, &look))
    }
}

fn read(view: &View) -> (Is, Reason) {
    let word = view.words[0].as_ref().unwrap();
    (word.is, word.reason)
}

fn names(view: &View) -> Option<Arc<str>> {
    view.words[0].as_ref().unwrap().sync.clone()
}

const GOOD: (Is, Reason) = (Is::True, Reason::Green);
const STALE: (Is, Reason) = (Is::False, Reason::Stale);
const RED: (Is, Reason) = (Is::False, Reason::Red);

#[test]
fn it_is_looked_at_again_when_the_next_sync_becomes_stale_or_a_verdict_recovers() {
    let mut room = Room::new(Calendar::always());
    let (alpha, beta) = (sync("alpha", "11:10:00", "12:00:00"), sync("beta", "11:50:00", "12:00:00"));
    assert_eq!(room.sees("12:00:00", &[alpha.clone(), beta.clone()]).again, at("12:10:00"));
    let stale = room.sees("12:11:00", &[alpha, beta.clone()]);
    assert_eq!((read(&stale), stale.again), (STALE, at("12:50:00")), "what is stale is not waited for");
    let fresh = sync("alpha", "12:12:00", "12:12:00");
    assert_eq!(room.sees("12:12:00", &[fresh, beta]).again, at("12:17:00"), "good for `recover`");
    let mut closed = Room::new(office("UTC", OFFICE));
    assert_eq!(closed.sees("06:00:00", &[sync("alpha", "05:50:00", "05:50:00")]).again, at("08:00:00"), "closed");
}

#[test]
fn looks_up_to_two_intervals_apart_recover_and_later_ones_do_not() {
    for (looks, said) in [
        (["12:00:00", "12:02:00", "12:04:00", "12:06:00"], GOOD),
        (["12:00:00", "12:02:01", "12:04:02", "12:06:03"], RED),
    ] {
        let mut room = Room::new(Calendar::always());
        room.practice = Practice::known([Some((false, false, at("11:00:00"))), None], None);
        let said_last = looks.map(|clock| read(&room.sees(clock, &[sync("main", clock, clock)])))[3];
        assert_eq!(said_last, said, "{looks:?}");
    }
}

#[test]
fn syncs_that_nothing_tells_apart_are_followed_one_by_one() {
    let mut room = Room::new(Calendar::always());
    let clocks = ["12:00:00", "12:02:00", "12:04:00", "12:06:00", "12:08:00", "12:10:00"];
    let fresh = |clock| sync("main", clock, clock);
    let said = clocks.map(|clock| room.sees(clock, &[fresh(clock), red(fresh(clock)), fresh(clock)]));
    assert_eq!(read(&said[5]), RED, "the second was red in every look for `confirm`");
    let mut other = Room::new(Calendar::always());
    let said = other.sees("12:00:00", &[fresh("12:00:00"), fresh("10:59:00"), fresh("12:00:00")]);
    assert_eq!(read(&said), STALE);
}

#[test]
fn an_age_that_reaches_the_limit_at_closing_is_past_it_when_the_next_open_time_begins() {
    let mut room = Room::new(office("UTC", OFFICE));
    let last = [sync("main", "16:00:00", "16:00:00")];
    assert_eq!(read(&room.sees("16:59:59", &last)), GOOD);
    assert_eq!(read(&room.sees("17:00:00", &last)), GOOD, "60 open minutes are not more than 60");
    assert_eq!(read(&room.sees("23:00:00", &last)), GOOD, "nor are they at night");
    let next: Timestamp = "2026-05-07T08:30:00Z".parse().unwrap();
    let look = Look { syncs: &last, at: next, blind: None, now: next };
    assert_eq!(read(&room.practice.judge(&room.rules, &room.calendar, &look)), STALE);
}

#[test]
fn the_sync_that_is_named_stays_named_while_it_is_bad() {
    let mut room = Room::new(Calendar::always());
    let both = [sync("alpha", "11:10:00", "12:00:00"), sync("beta", "11:00:00", "12:00:00")];
    assert_eq!(names(&room.sees("12:00:00", &both)).as_deref(), Some("beta"));
    assert_eq!(names(&room.sees("12:20:00", &both)).as_deref(), Some("beta"), "though alpha is stale as well");
    let later = [sync("alpha", "11:10:00", "12:21:00"), sync("beta", "12:21:00", "12:21:00")];
    assert_eq!(names(&room.sees("12:21:00", &later)).as_deref(), Some("alpha"));
}

#[test]
fn other_hours_or_another_zone_count_from_the_next_look_on() {
    let last = [sync("main", "09:00:00", "12:59:00")];
    let mut room = Room::new(office("UTC", OFFICE));
    let before = room.sees("13:00:00", &last);
    assert_eq!((read(&before), before.office), (STALE, Office::Open));
    // Of those four hours, only half an hour is open.
    room.calendar = office("UTC", &OFFICE.replace("17:00", "09:30"));
    let after = room.sees("13:01:00", &last);
    assert_eq!((after.office, room.practice.age(Way::Read).open), (Office::Closed, Some(Duration::from_secs(1800))));
    room.calendar = office("UTC", OFFICE);
    assert_eq!(room.sees("13:02:00", &last).office, Office::Open);
    room.calendar = office("Asia/Tokyo", OFFICE);
    assert_eq!(room.sees("13:03:00", &last).office, Office::Closed, "it is ten in the evening there");
}

#[test]
fn our_own_clock_set_back_counts_no_time_twice() {
    let mut room = Room::new(Calendar::always());
    let last = [sync("main", "12:00:00", "12:00:00")];
    for clock in ["12:00:00", "12:40:00", "12:10:00", "12:50:00"] {
        assert_eq!(read(&room.sees(clock, &last)), GOOD, "{clock}");
    }
    assert_eq!(room.practice.age(Way::Read).open, Some(Duration::from_secs(50 * 60)));
}

#[test]
fn at_closing_the_last_verdict_stays_whatever_cannot_be_seen() {
    for (last, verdict) in [("16:50:00", GOOD), ("15:00:00", STALE)] {
        let mut room = Room::new(office("UTC", OFFICE));
        assert_eq!(read(&room.sees("16:55:00", &[sync("main", last, last)])), verdict);
        assert_eq!(read(&room.sees("18:00:00", &[])), verdict, "no sync is shown");
        assert_eq!(room.blind("18:30:00", "18:00:00"), verdict, "the provider cannot be asked");
        let stored = Some((verdict.0 == Is::True, false, at("16:00:00")));
        room.practice = Practice::known([stored, None], stored);
        assert_eq!(read(&room.sees("19:00:00", &[])).0, verdict.0, "the same after a restart");
    }
}

#[test]
fn without_a_verdict_at_closing_it_is_office_closed() {
    let closed = (Is::Unknown, Reason::OfficeClosed);
    let mut room = Room::new(office("UTC", OFFICE));
    assert_eq!(read(&room.sees("16:50:00", &[sync("main", "16:45:00", "16:45:00")])), GOOD);
    assert_eq!(room.blind("16:55:00", "16:50:00"), (Is::Unknown, Reason::ProviderUnavailable));
    assert_eq!(room.blind("17:05:00", "16:50:00"), closed, "what could not be seen at closing is no verdict");
    let mut new = Room::new(office("UTC", OFFICE));
    assert_eq!(read(&new.sees("16:55:00", &[red(sync("main", "16:50:00", "16:50:00"))])).1, Reason::CatchingUp);
    assert_eq!(new.blind("17:05:00", "16:55:00"), closed);
}

#[test]
fn what_was_good_before_a_gap_at_night_proves_nothing_about_it() {
    let mut room = Room::new(office("UTC", OFFICE));
    let fresh = |clock| [sync("main", clock, clock)];
    assert_eq!(read(&room.sees("16:55:00", &[sync("main", "15:00:00", "15:00:00")])), STALE);
    for (clock, shown, verdict) in [
        ("17:01:00", true, STALE),
        ("17:02:00", false, STALE),
        ("17:04:00", false, STALE),
        ("17:06:00", true, STALE),
        ("17:08:00", true, STALE),
        ("17:10:00", true, STALE),
        ("17:11:00", true, GOOD),
    ] {
        let syncs = fresh(clock);
        assert_eq!(read(&room.sees(clock, if shown { &syncs } else { &[] })), verdict, "{clock}");
    }
}

#[test]
fn other_office_hours_at_night_are_no_recovery_and_a_sync_that_works_again_is() {
    let mut room = Room::new(office("UTC", OFFICE));
    let stale = [sync("main", "15:00:00", "15:00:00")];
    assert_eq!(read(&room.sees("16:55:00", &stale)), STALE);
    // A day whose office was never open, by which nothing has been stale for a moment.
    room.calendar = office("UTC", &OFFICE.replace("Mon, Tue, Wed, Thu, Fri", "Sun"));
    for clock in ["17:10:00", "17:12:00", "17:14:00", "17:16:00", "17:18:00", "17:20:00"] {
        assert_eq!(read(&room.sees(clock, &stale)), STALE, "{clock}");
    }
    for (clock, verdict) in [("17:21:00", STALE), ("17:22:00", STALE), ("17:24:00", STALE), ("17:26:00", GOOD)] {
        assert_eq!(read(&room.sees(clock, &[sync("main", clock, clock)])), verdict, "{clock}");
    }
}
