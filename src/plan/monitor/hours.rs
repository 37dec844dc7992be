//! Office hours as they are written, checked: what a schema cannot see, or what comes from a ConfigMap without one.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::{Date, Weekday};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde_json::Value;

use crate::api::office_hours::{Day, OfficeHours, Window};
use crate::plan::nearest::did_you_mean;

/// Minutes of a day.
const DAY: u32 = 24 * 60;
/// Most windows and closed dates, as in the schema.
const WINDOWS: usize = 21;
const CLOSED: usize = 366;

/// Office hours that can be used.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Hours {
    /// IANA name, where it is written.
    pub time_zone: Option<String>,
    /// By weekday from Monday on: first minute, and the minute after the last, which may be on the next day.
    pub weekly: [Vec<(u32, u32)>; 7],
    /// Dates on which no window begins.
    pub closed: BTreeSet<Date>,
    /// The first part of each window that does not count.
    pub grace: Duration,
}

impl Hours {
    /// Checks office hours; `place` is where they stand, for the message.
    ///
    /// # Errors
    /// What is wrong and what to do, for a person.
    pub fn check(written: &OfficeHours, place: &str) -> Result<Self, String> {
        if written.weekly.is_empty() {
            return Err(format!(
                "{place}: weekly is empty, so the practice would never be open and never be judged: list its windows, or leave the office hours out for a practice that is always open"
            ));
        }
        if written.weekly.len() > WINDOWS || written.closed_dates.len() > CLOSED {
            return Err(format!(
                "{place} has more than {WINDOWS} windows or {CLOSED} closed dates: remove those that have passed"
            ));
        }
        if let Some(name) = &written.time_zone {
            zone(name).map_err(|remedy| format!("{place}.timeZone {remedy}"))?;
        }
        let mut weekly: [Vec<(u32, u32)>; 7] = Default::default();
        for window in &written.weekly {
            let (open, close) = span(window).map_err(|remedy| format!("{place}.weekly: {remedy}"))?;
            for day in &window.days {
                if let Some(windows) = weekly.get_mut(*day as usize) {
                    windows.push((open, close));
                }
            }
        }
        weekly.iter_mut().for_each(|windows| windows.sort_unstable());
        if weekly.iter().all(Vec::is_empty) {
            return Err(format!("{place}.weekly: no window has days: write them as [Mon, Tue, Wed, Thu, Fri]"));
        }
        if let Some((one, other)) = overlap(&weekly) {
            return Err(format!(
                "{place}.weekly: the window that begins on {one} and the one that begins on {other} overlap: join them, or let the first end before the second begins"
            ));
        }
        let mut closed = BTreeSet::new();
        for date in &written.closed_dates {
            let read: Date = date.parse().map_err(|_| {
                format!("{place}.closedDates: {date:?} is no date: write it as year-month-day, in quotes")
            })?;
            closed.insert(read);
        }
        let grace = written.opening_grace.get().ok_or_else(|| {
            format!("{place}.openingGrace must be a duration in whole hours, minutes and seconds, such as 30m")
        })?;
        Ok(Self { time_zone: written.time_zone.clone(), weekly, closed, grace })
    }

    /// Reads the block from a ConfigMap, which has no schema: a name that is not known is refused, because a mistyped
    /// `closedDates` would be an alarm on a holiday.
    ///
    /// # Errors
    /// What is wrong and what to do, for a person.
    pub fn read(text: &str, place: &str) -> Result<Self, String> {
        let shape = |what: &str| {
            format!(
                "{place} does not hold an officeHours block ({what}): write it as in spec.officeHours, with weekly at the left margin"
            )
        };
        let value: Value = serde_saphyr::from_str(text).map_err(|_| shape("it is not YAML"))?;
        let fields = value.as_object().ok_or_else(|| shape("it is no mapping"))?;
        let known = ["timeZone", "weekly", "closedDates", "openingGrace"];
        if let Some(odd) = fields.keys().find(|name| !known.contains(&name.as_str())) {
            return Err(shape(&format!("there is no field {odd:?}{}", did_you_mean(odd, known.into_iter()))));
        }
        let windows = fields.get("weekly").and_then(Value::as_array).into_iter().flatten();
        let parts = ["days", "open", "close"];
        let mut names = windows.filter_map(Value::as_object).flat_map(serde_json::Map::keys);
        if let Some(odd) = names.find(|name| !parts.contains(&name.as_str())) {
            return Err(shape(&format!("a window has no field {odd:?}{}", did_you_mean(odd, parts.into_iter()))));
        }
        let written: OfficeHours = serde_json::from_value(value).map_err(|_| {
            shape("weekly is a list of {days, open, close}, with days as Mon to Sun and times in quotes")
        })?;
        Self::check(&written, place)
    }
}

/// A time zone by its IANA name, from the binary's own database.
///
/// # Errors
/// What is wrong and what to do, to follow the name of the field.
pub fn zone(name: &str) -> Result<TimeZone, String> {
    let zones = TimeZoneDatabase::bundled();
    zones.get(name).map_err(|_| {
        let known: Vec<String> = zones.available().map(|known| known.to_string()).collect();
        let near = did_you_mean(name, known.iter().map(String::as_str));
        format!("{name:?} is not an IANA time zone{near}: write one such as America/Phoenix")
    })
}

/// First minute of the day, and the minute after the last, counted from the same midnight.
fn span(window: &Window) -> Result<(u32, u32), String> {
    let bad =
        |what: &str, text: &str| format!("{what} {text:?} is no time of day: write it in quotes, such as \"08:00\"");
    let open = minute(&window.open).filter(|minute| *minute < DAY).ok_or_else(|| bad("open", &window.open))?;
    let close = minute(&window.close).ok_or_else(|| bad("close", &window.close))?;
    match close.cmp(&open) {
        Ordering::Less => Ok((open, close + DAY)),
        Ordering::Greater => Ok((open, close)),
        Ordering::Equal => Err(format!(
            "a window opens and closes at {}: close must differ from open; a close earlier than open means the next day, and a whole day is open: \"00:00\", close: \"24:00\"",
            window.open
        )),
    }
}

fn minute(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |part: &str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hour) || !digits(minute) {
        return None;
    }
    let (hour, minute): (u32, u32) = (hour.parse().ok()?, minute.parse().ok()?);
    let total = hour * 60 + minute;
    (minute < 60 && total <= DAY).then_some(total)
}

/// The days on which two windows begin that overlap. A week is a circle.
fn overlap(weekly: &[Vec<(u32, u32)>; 7]) -> Option<(&'static str, &'static str)> {
    const WEEK: u32 = 7 * DAY;
    let mut all: Vec<(u32, u32)> = Vec::new();
    for (day, windows) in (0_u32..).zip(weekly) {
        all.extend(windows.iter().map(|(open, close)| (day * DAY + open, day * DAY + close)));
    }
    let (first, _) = all.first().copied()?;
    let next = all.iter().skip(1).map(|(open, _)| *open).chain([first + WEEK]);
    let ((one, _), other) = all.iter().zip(next).find(|((_, close), open)| close > open)?;
    let name = |minute: u32| day_name(minute % WEEK / DAY);
    Some((name(*one), name(other)))
}

fn day_name(day: u32) -> &'static str {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].get(day as usize).copied().unwrap_or("Mon")
}

/// The place of a weekday in [`Hours::weekly`].
pub(super) fn place_of(day: Weekday) -> usize {
    let day = match day {
        Weekday::Monday => Day::Mon,
        Weekday::Tuesday => Day::Tue,
        Weekday::Wednesday => Day::Wed,
        Weekday::Thursday => Day::Thu,
        Weekday::Friday => Day::Fri,
        Weekday::Saturday => Day::Sat,
        Weekday::Sunday => Day::Sun,
    };
    day as usize
}
