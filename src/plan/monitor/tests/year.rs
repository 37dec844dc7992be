//! A year of minutes: what each condition said, when and why, as text that was read by a person.
//!
//! After a change that is meant: `UPDATE_GOLDEN=1 cargo test --lib plan::monitor::tests::year`, and read what changed.

use jiff::civil::{DateTime, Weekday};

use super::clinic::{Clinic, Incident, Trouble, rules};

const OFFICE: &str = "
weekly: [{days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"17:00\"}]
closedDates: [\"2026-01-01\", \"2026-07-03\", \"2026-11-26\", \"2026-12-24\", \"2026-12-25\", \"2026-12-28\", \"2026-12-29\", \"2026-12-30\", \"2026-12-31\"]
";

const LONDON: &str = "
weekly:
- {days: [Mon, Tue, Wed, Thu, Fri], open: \"09:00\", close: \"17:30\"}
- {days: [Sat], open: \"22:00\", close: \"03:00\"}
openingGrace: 15m
";

const LUNCH: &str = "
weekly:
- {days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"12:00\"}
- {days: [Mon, Tue, Wed, Thu, Fri], open: \"13:00\", close: \"17:00\"}
";

const NO_LUNCH: &str = "weekly: [{days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"17:00\"}]";

fn weekday(at: DateTime) -> bool {
    !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The office's server is switched on by the first who comes and off by the last who goes, and stays off in holidays.
fn office_server(at: DateTime) -> bool {
    let holidays = ["2026-01-01", "2026-07-03", "2026-11-26"];
    let day = at.date().to_string();
    let week = "2026-12-24".to_owned();
    weekday(at) && !holidays.contains(&day.as_str()) && day < week && (8..17).contains(&at.hour())
}

fn always(_: DateTime) -> bool {
    true
}

/// Somebody sits at a browser with the extension, but not at lunch.
fn browser(at: DateTime) -> bool {
    weekday(at) && (8..17).contains(&at.hour()) && at.hour() != 12
}

/// The text of one case over the year: what is wrong when, then what was said.
fn case(title: &str, clinic: Clinic, incidents: &[Incident]) -> String {
    part(title, clinic, incidents, ("2026-01-01 00:00", "2027-01-01 00:00"))
}

/// The same over another time.
fn part(title: &str, mut clinic: Clinic, incidents: &[Incident], (from, to): (&str, &str)) -> String {
    let mut text = format!("== {title}\n");
    for (from, to, what) in incidents {
        text.push_str(&format!("   {from} to {to}: {what:?}\n"));
    }
    clinic = clinic.with(incidents);
    for line in clinic.diary(from, to) {
        text.push_str(&line);
        text.push('\n');
    }
    text.push('\n');
    text
}

/// Compares with the text that is checked in.
fn golden(name: &str, text: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/monitor/tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    for (number, (known, now)) in known.lines().zip(text.lines()).enumerate() {
        assert_eq!(known, now, "{name} differs at line {}", number + 1);
    }
    assert_eq!(known.lines().count(), text.lines().count(), "{name} has another length");
}

/// A weekday outage, nights, weekends, a holiday week, flapping, a provider's outage, our own, clocks, both jumps of the
/// clock in Chicago.
#[test]
fn an_office_with_a_server_in_chicago() {
    let incidents: &[Incident] = &[
        ("2026-01-14 10:00", "2026-01-14 14:30", Trouble::Dark),
        ("2026-01-22 16:30", "2026-01-23 09:00", Trouble::Dark),
        ("2026-02-06 15:00", "2026-02-09 10:00", Trouble::Dark),
        ("2026-02-18 10:00", "2026-02-18 10:08", Trouble::Red),
        ("2026-02-18 14:00", "2026-02-18 14:40", Trouble::Red),
        ("2026-02-25 16:55", "2026-02-25 20:00", Trouble::Red),
        ("2026-03-09 09:00", "2026-03-09 11:00", Trouble::Dark),
        ("2026-03-18 09:00", "2026-03-18 12:00", Trouble::Flaps(12)),
        ("2026-04-01 09:00", "2026-04-01 12:00", Trouble::Flaps(2)),
        ("2026-04-15 10:00", "2026-04-15 11:00", Trouble::ProviderDown),
        ("2026-04-21 22:00", "2026-04-22 05:00", Trouble::ProviderDown),
        ("2026-04-29 10:00", "2026-04-29 11:00", Trouble::NoPolls),
        ("2026-05-05 23:00", "2026-05-06 09:00", Trouble::NoPolls),
        ("2026-05-13 07:00", "2026-05-13 18:00", Trouble::Clock(60)),
        ("2026-05-20 07:00", "2026-05-20 18:00", Trouble::Clock(-60)),
        ("2026-06-03 10:00", "2026-06-03 10:30", Trouble::Gone),
        ("2026-06-10 20:00", "2026-06-10 23:00", Trouble::Gone),
        ("2026-06-17 10:00", "2026-06-17 10:30", Trouble::Null),
        ("2026-06-24 10:00", "2026-06-24 12:00", Trouble::Null),
        ("2026-07-08 10:00", "2026-07-08 12:00", Trouble::Mauve),
        ("2026-11-02 09:00", "2026-11-02 11:00", Trouble::Dark),
    ];
    let clinic = || Clinic::new("America/Chicago", Some(OFFICE), rules(60, 30), office_server);
    golden("chicago.txt", &case("a server in an office in Chicago", clinic(), incidents));
}

/// Windows over midnight on the nights of both jumps, a server that is never off, and an outage in each.
#[test]
fn a_late_office_in_london() {
    let incidents: &[Incident] = &[
        ("2026-03-28 22:30", "2026-03-29 04:00", Trouble::Dark),
        ("2026-07-11 23:30", "2026-07-12 02:30", Trouble::Dark),
        ("2026-10-24 23:30", "2026-10-25 04:00", Trouble::Dark),
    ];
    let clinic = Clinic::new("Europe/London", Some(LONDON), rules(60, 30), always);
    golden("london.txt", &case("an office in London, with a late shift on Saturday", clinic, incidents));
}

/// A browser-based system: a year with the lunches in the hours, and a week that shows what happens without.
#[test]
fn a_browser_that_goes_to_lunch() {
    let outage: &[Incident] = &[("2026-05-06 11:30", "2026-05-06 15:00", Trouble::Dark)];
    let with = |yaml: &str| Clinic::new("America/Denver", Some(yaml), rules(120, 30), browser);
    let mut text = case("a browser that goes to lunch, with lunch in the hours", with(LUNCH), outage);
    let week = ("2026-05-10 00:00", "2026-05-17 00:00");
    text.push_str(&part(
        "a week of the same without lunch in the hours: each lunch is an outage",
        with(NO_LUNCH),
        &[],
        week,
    ));
    golden("browser.txt", &text);
}

/// Without hours a practice is judged at night too.
#[test]
fn a_cloud_that_never_sleeps() {
    let incidents: &[Incident] = &[("2026-08-01 23:00", "2026-08-02 03:00", Trouble::Dark)];
    let clinic = Clinic::new("Asia/Kolkata", None, rules(60, 30), always);
    golden("always.txt", &case("always open", clinic, incidents));
}
