//! Open time over gaps and folds of the clock, holidays, windows over midnight; and against a count of minutes.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::clinic::hours;
use crate::plan::monitor::calendar::{Calendar, Office};
use crate::plan::monitor::hours::zone;

fn calendar(zone_name: &str, yaml: &str) -> Calendar {
    Calendar::new(hours(yaml), zone(zone_name).unwrap())
}

fn moment(zone_name: &str, local: &str) -> Timestamp {
    let local: DateTime = local.replace(' ', "T").parse().unwrap();
    local.to_zoned(zone(zone_name).unwrap()).unwrap().timestamp()
}

fn minutes(zone_name: &str, yaml: &str, from: &str, to: &str) -> u64 {
    let mut calendar = calendar(zone_name, yaml);
    calendar.counted(moment(zone_name, from), moment(zone_name, to)).as_secs() / 60
}

const DAYS: &str = "days: [Mon, Tue, Wed, Thu, Fri, Sat, Sun]";

#[test]
fn windows_around_the_jumps_of_the_clock() {
    let chicago = |window: &str, day: &str, next: &str| {
        let yaml = format!("weekly: [{{{DAYS}, {window}}}]\nopeningGrace: 0s");
        minutes("America/Chicago", &yaml, &format!("{day} 00:00"), &format!("{next} 00:00"))
    };
    let (spring, fall) = (("2026-03-08", "2026-03-09"), ("2026-11-01", "2026-11-02"));
    let over = r#"open: "01:30", close: "03:30""#;
    assert_eq!(chicago(over, spring.0, spring.1), 60, "an hour is missing");
    assert_eq!(chicago(over, fall.0, fall.1), 180, "an hour comes twice");
    let ends_in = r#"open: "01:30", close: "02:30""#;
    assert_eq!(chicago(ends_in, spring.0, spring.1), 30, "it ends at the jump");
    let begins_in = r#"open: "02:30", close: "04:00""#;
    assert_eq!(chicago(begins_in, spring.0, spring.1), 60, "it begins at the jump");
    let within = r#"open: "02:10", close: "02:50""#;
    assert_eq!(chicago(within, spring.0, spring.1), 0, "it does not happen");
    let twice = r#"open: "01:15", close: "01:45""#;
    assert_eq!(chicago(twice, fall.0, fall.1), 90, "from the first to the last time the clock shows it");
    let whole = r#"open: "00:00", close: "24:00""#;
    assert_eq!(chicago(whole, spring.0, spring.1), 23 * 60);
    assert_eq!(chicago(whole, fall.0, fall.1), 25 * 60);
    let london = format!("weekly: [{{{DAYS}, open: \"22:00\", close: \"03:00\"}}]\nopeningGrace: 30m");
    assert_eq!(minutes("Europe/London", &london, "2026-03-28 12:00", "2026-03-29 12:00"), 4 * 60 - 30);
    assert_eq!(minutes("Europe/London", &london, "2026-10-24 12:00", "2026-10-25 12:00"), 6 * 60 - 30);
    assert_eq!(minutes("Europe/London", &london, "2026-07-24 12:00", "2026-07-25 12:00"), 5 * 60 - 30);
}

#[test]
fn a_window_that_follows_another_has_no_opening_and_no_minute_counts_twice() {
    let split = format!(
        "weekly: [{{{DAYS}, open: \"00:00\", close: \"12:00\"}}, {{{DAYS}, open: \"12:00\", close: \"24:00\"}}]"
    );
    assert_eq!(minutes("America/Chicago", &split, "2026-05-01 00:00", "2026-05-04 00:00"), 3 * 24 * 60);
    let around = format!(
        "weekly: [{{{DAYS}, open: \"00:30\", close: \"01:30\"}}, {{{DAYS}, open: \"01:30\", close: \"03:00\"}}]\nopeningGrace: 0s"
    );
    assert_eq!(
        minutes("America/Chicago", &around, "2026-11-01 00:00", "2026-11-02 00:00"),
        210,
        "2.5 hours and the one that comes twice"
    );
}

#[test]
fn a_closed_date_is_the_day_on_which_a_window_begins() {
    let yaml = format!(
        "weekly: [{{{DAYS}, open: \"20:00\", close: \"04:00\"}}]\nclosedDates: [\"2026-12-25\"]\nopeningGrace: 0s"
    );
    assert_eq!(minutes("Europe/London", &yaml, "2026-12-24 12:00", "2026-12-25 12:00"), 8 * 60);
    assert_eq!(minutes("Europe/London", &yaml, "2026-12-25 12:00", "2026-12-26 12:00"), 0);
}

#[test]
fn what_a_moment_is_and_until_when() {
    let yaml = "weekly: [{days: [Mon], open: \"08:00\", close: \"17:00\"}]";
    let mut calendar = calendar("Asia/Tokyo", yaml);
    let tokyo = |local: &str| moment("Asia/Tokyo", local);
    let week = [
        ("2026-05-04 07:59", Office::Closed, "2026-05-04 08:00"),
        ("2026-05-04 08:00", Office::Opening, "2026-05-04 08:30"),
        ("2026-05-04 08:30", Office::Open, "2026-05-04 17:00"),
        ("2026-05-04 16:59", Office::Open, "2026-05-04 17:00"),
        ("2026-05-04 17:00", Office::Closed, "2026-05-11 08:00"),
    ];
    // Backwards as well: what was asked for last decides nothing.
    for (at, office, until) in week.into_iter().chain(week.into_iter().rev()) {
        let stretch = calendar.at(tokyo(at));
        assert_eq!((stretch.office, stretch.until), (office, tokyo(until)), "{at}");
    }
    assert_eq!(Calendar::always().at(tokyo("2026-05-05 03:00")).office, Office::Open);
}

#[test]
fn what_is_long_ago_is_counted_for_a_year_at_most() {
    let mut always = Calendar::always();
    let now = moment("UTC", "2026-05-05 03:00");
    assert_eq!(always.counted(Timestamp::UNIX_EPOCH, now), Duration::from_secs(now.as_second() as u64));
    let yaml = format!("weekly: [{{{DAYS}, open: \"00:00\", close: \"24:00\"}}]");
    let mut hours = calendar("UTC", &yaml);
    assert_eq!(hours.counted(Timestamp::UNIX_EPOCH, now).as_secs(), 366 * 24 * 3600);
}

/// Whether a minute is open, by looking at the clock of the place alone.
fn shows_open(local: DateTime, windows: &[(u32, u32)], days: &[bool; 7]) -> bool {
    let minute = u32::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap();
    let begins = |local: DateTime| days[usize::try_from(local.weekday().to_monday_zero_offset()).unwrap()];
    let today = windows.iter().any(|(open, close)| begins(local) && *open <= minute && minute < *close);
    let before = local.checked_sub(SignedDuration::from_hours(24)).unwrap();
    let of_yesterday = |(_, close): &(u32, u32)| begins(before) && minute + 24 * 60 < *close;
    today || windows.iter().any(of_yesterday)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// Away from the jumps, open time is the count of the minutes whose clock is within a window.
    #[test]
    fn open_time_is_the_count_of_open_minutes(
        zone_name in prop::sample::select(vec!["America/Chicago", "Europe/London", "Asia/Kathmandu", "America/Phoenix"]),
        days in prop::array::uniform7(any::<bool>()),
        open in 0_u32..700,
        length in 1_u32..600,
        second in prop::option::of((10_u32..100, 1_u32..400)),
        start in 0_i64..5000,
        span in 1_i64..7000,
    ) {
        prop_assume!(days.iter().any(|day| *day));
        let close = open + length;
        let mut windows = vec![(open, close)];
        windows.extend(second.map(|(gap, length)| (close + gap, close + gap + length)));
        prop_assume!(windows.iter().all(|(open, close)| *open < 1440 && *close < open + 1440 && *close <= 1440 + windows[0].0));
        let names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
        let chosen: Vec<&str> = names.into_iter().zip(days).filter(|(_, on)| *on).map(|(name, _)| name).collect();
        let clock = |minute: u32| match minute {
            1440 => "24:00".to_owned(),
            minute => format!("{:02}:{:02}", minute % 1440 / 60, minute % 60),
        };
        let lines = windows.iter().map(|(open, close)| {
            format!("- {{days: [{}], open: \"{}\", close: \"{}\"}}\n", chosen.join(", "), clock(*open), clock(*close))
        });
        let yaml = format!("weekly:\n{}openingGrace: 0s\n", lines.collect::<String>());
        let mut calendar = calendar(zone_name, &yaml);
        let from = moment("UTC", "2026-05-04 00:00") + SignedDuration::from_mins(start);
        let tz = zone(zone_name).unwrap();
        let shown = |minute: i64| shows_open(tz.to_datetime(from + SignedDuration::from_mins(minute)), &windows, &days);
        let expected = (0..span).filter(|minute| shown(*minute)).count();
        let to = from + SignedDuration::from_mins(span);
        prop_assert_eq!(calendar.counted(from, to).as_secs() / 60, expected as u64, "{}", yaml);
        // The same in two parts, by a calendar that has looked elsewhere before.
        let middle = from + SignedDuration::from_mins(span / 2);
        prop_assert_eq!((calendar.counted(from, middle) + calendar.counted(middle, to)).as_secs() / 60, expected as u64);
        for minute in (0..span).step_by(97) {
            let office = calendar.at(from + SignedDuration::from_mins(minute)).office;
            prop_assert_eq!(office == Office::Open, shown(minute));
        }
    }
}
