//! Office hours that cannot be used: each is refused by a message that names the field and says what would do.

use crate::plan::monitor::hours::Hours;

fn refused(yaml: &str, words: &[&str]) {
    let message = Hours::read(yaml, "the key \"hours\" of the ConfigMap \"office\"").expect_err(yaml);
    for word in words.iter().chain(&["the ConfigMap \"office\""]) {
        assert!(message.contains(word), "{word:?} is not in: {message}");
    }
}

const WEEK: &str = "weekly: [{days: [Mon], open: \"08:00\", close: \"17:00\"}]\n";

#[test]
fn zones() {
    refused(&format!("{WEEK}timeZone: America/Pheonix"), &["timeZone", "IANA", "did you mean America/Phoenix"]);
    refused(&format!("{WEEK}timeZone: Arizona"), &["timeZone", "is not an IANA time zone", "such as America/Phoenix"]);
    refused(&format!("{WEEK}timeZone: \"\""), &["timeZone"]);
    assert!(Hours::read(&format!("{WEEK}timeZone: America/Phoenix"), "x").is_ok());
}

#[test]
fn times() {
    let window = |open: &str, close: &str| format!("weekly: [{{days: [Mon], open: {open}, close: {close}}}]");
    refused(&window("\"08:00\"", "\"08:00\""), &["weekly", "close must differ from open", "next day", "24:00"]);
    refused(&window("\"8:00\"", "\"17:00\""), &["open \"8:00\" is no time of day", "in quotes"]);
    refused(&window("\"08:00\"", "\"25:00\""), &["close \"25:00\""]);
    refused(&window("\"24:00\"", "\"08:00\""), &["open \"24:00\""]);
    refused(&window("\"08:60\"", "\"17:00\""), &["open \"08:60\""]);
    // YAML reads them as numbers.
    refused(&window("0800", "1700"), &["times in quotes"]);
    let over_midnight = Hours::read(&window("\"22:00\"", "\"06:00\""), "x").unwrap();
    assert_eq!(over_midnight.weekly[0], [(22 * 60, 30 * 60)], "earlier means the next day");
}

#[test]
fn windows_that_overlap() {
    let two = |one: &str, other: &str| format!("weekly:\n- {one}\n- {other}\n");
    let overlapping: &[&str] = &["weekly", "overlap", "join them"];
    let morning = "{days: [Mon, Tue], open: \"08:00\", close: \"12:00\"}";
    refused(&two(morning, "{days: [Tue], open: \"11:00\", close: \"17:00\"}"), overlapping);
    refused(&two(morning, "{days: [Mon], open: \"22:00\", close: \"08:30\"}"), &["begins on Mon", "begins on Tue"]);
    refused(&two(morning, morning), overlapping);
    // Around the end of the week.
    refused(&two(morning, "{days: [Sun], open: \"20:00\", close: \"09:00\"}"), &["begins on Sun", "begins on Mon"]);
    assert!(
        Hours::read(&two(morning, "{days: [Mon], open: \"12:00\", close: \"17:00\"}"), "x").is_ok(),
        "touching is fine"
    );
}

#[test]
fn weeks_without_windows() {
    refused("weekly: []", &["weekly is empty", "leave the office hours out"]);
    refused("weekly: [{days: [], open: \"08:00\", close: \"17:00\"}]", &["no window has days"]);
    refused("timeZone: America/Phoenix", &["weekly is a list"]);
}

#[test]
fn up_to_21_windows_and_366_closed_dates() {
    let first = jiff::civil::date(2026, 1, 1);
    let hours = |windows: usize, closed: i64| {
        let window = |number| format!("{{days: [Mon], open: \"{number:02}:00\", close: \"{number:02}:30\"}}, ");
        let date = |day| format!("\"{}\", ", first.saturating_add(jiff::Span::new().days(day)));
        let (weekly, dates): (String, String) = ((0..windows).map(window).collect(), (0..closed).map(date).collect());
        format!("weekly: [{weekly}]\nclosedDates: [{dates}]")
    };
    let most = Hours::read(&hours(21, 366), "x").unwrap();
    assert_eq!((most.weekly[0].len(), most.closed.len()), (21, 366));
    refused(&hours(22, 0), &["more than 21 windows"]);
    refused(&hours(21, 367), &["366 closed dates"]);
    refused(&hours(21, 400), &["366 closed dates"]);
}

#[test]
fn what_is_no_block() {
    refused("{", &["not YAML"]);
    refused("just text", &["no mapping"]);
    refused("", &["no mapping"]);
    refused(&format!("{WEEK}closedDate: [\"2026-12-25\"]"), &["no field \"closedDate\"", "did you mean closedDates"]);
    refused("officeHours: {weekly: []}", &["no field \"officeHours\"", "left margin"]);
    refused("weekly: [{day: [Mon], open: \"08:00\", close: \"17:00\"}]", &["no field \"day\"", "did you mean days"]);
    refused("weekly: [{days: [Monday], open: \"08:00\", close: \"17:00\"}]", &["Mon to Sun"]);
    refused(&format!("{WEEK}closedDates: [\"2026-02-30\"]"), &["closedDates", "no date"]);
    refused(&format!("{WEEK}openingGrace: soon"), &["openingGrace", "duration"]);
}
