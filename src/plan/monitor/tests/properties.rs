//! What holds of every practice, whatever happens to it.

use std::time::Duration;

use jiff::civil::{DateTime, Weekday};
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::clinic::{Clinic, Trouble, rules};
use crate::api::Reason;
use crate::plan::condition::Is;
use crate::plan::monitor::calendar::Office;
use crate::plan::monitor::practice::{View, Way, Word};

const HOURS: &str = "
weekly:
- {days: [Mon, Tue, Wed, Thu, Fri], open: \"08:00\", close: \"12:00\"}
- {days: [Mon, Tue, Wed, Thu, Fri], open: \"13:00\", close: \"17:30\"}
- {days: [Sat], open: \"22:00\", close: \"04:00\"}
closedDates: [\"2026-03-10\"]
openingGrace: 20m
";

fn on_workdays(at: DateTime) -> bool {
    !matches!(at.weekday(), Weekday::Saturday | Weekday::Sunday) && (7..18).contains(&at.hour())
}

fn always(_: DateTime) -> bool {
    true
}

fn trouble() -> impl Strategy<Value = Trouble> {
    prop_oneof![
        4 => Just(Trouble::Dark),
        3 => Just(Trouble::Red),
        4 => (1_i64..25).prop_map(Trouble::Flaps),
        1 => Just(Trouble::NoPolls),
        1 => Just(Trouble::ProviderDown),
        4 => (-240_i64..90).prop_map(Trouble::Clock),
        1 => Just(Trouble::Gone),
        1 => Just(Trouble::Null),
        1 => Just(Trouble::Epoch),
        1 => Just(Trouble::Mauve),
    ]
}

/// Checks one view after another.
#[derive(Default)]
struct Watch {
    before: [Option<Word>; 3],
    /// Turns between True and False that are no part of flapping.
    turns: [Vec<Timestamp>; 3],
    definite: [Option<(bool, bool)>; 3],
}

impl Watch {
    fn check(&mut self, clinic: &Clinic, view: &View, now: Timestamp) -> Result<(), TestCaseError> {
        let words: [Option<&Word>; 3] = [view.words[0].as_ref(), view.words[1].as_ref(), Some(&view.both)];
        for (place, word) in words.into_iter().enumerate() {
            let Some(word) = word else { continue };
            let before = self.before[place].replace(word.clone());
            let local = clinic.zone.to_datetime(now);
            let turned_bad = word.is == Is::False && before.as_ref().is_none_or(|before| before.is != Is::False);
            prop_assert!(
                !turned_bad || view.office == Office::Open,
                "{} turned False at {:?}: {:?} after {:?}",
                place,
                local,
                word,
                before
            );
            if word.is == Is::True && place < 2 {
                let age = clinic.open_age([Way::Read, Way::Write][place], now);
                let limit = clinic.rules.stale_after[place].unwrap();
                prop_assert!(age.is_none_or(|age| age <= limit), "{} is True at {:?}, {:?} old", place, local, age);
            }
            self.count(place, word, now)?;
        }
        Ok(())
    }

    fn count(&mut self, place: usize, word: &Word, now: Timestamp) -> Result<(), TestCaseError> {
        if word.is == Is::Unknown {
            return Ok(());
        }
        let (good, flapping) = (word.is == Is::True, word.reason == Reason::Flapping);
        let before = self.definite[place].replace((good, flapping));
        let Some((was_good, was_flapping)) = before else { return Ok(()) };
        if good != was_good && !flapping && !was_flapping {
            self.turns[place].push(now);
        }
        self.turns[place].retain(|turn| now.duration_since(*turn) < SignedDuration::from_mins(60));
        prop_assert!(self.turns[place].len() <= 2, "{} turned {} times in an hour", place, self.turns[place].len());
        Ok(())
    }
}

/// Each case is five days of minutes, so there are few unless more are asked for.
fn cases() -> ProptestConfig {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default(),
        None => ProptestConfig::with_cases(60),
    }
}

proptest! {
    #![proptest_config(cases())]

    /// A verdict never turns False outside open time; it is never True when the open age is past `staleAfter`; it turns at
    /// most twice in any 60 minutes, and a third time only into `Flapping`, which lasts for 30 good minutes.
    #[test]
    fn no_wolf_is_cried_and_none_is_missed(
        zone in prop::sample::select(vec!["America/Chicago", "Europe/London"]),
        with_hours in any::<bool>(),
        awake in any::<bool>(),
        limits in (20_u64..90, 20_u64..60),
        troubles in prop::collection::vec((0_i64..5 * 1440, 1_i64..400, trouble()), 0..14),
        offset in 0_i64..60,
    ) {
        let on = if awake { always } else { on_workdays };
        let mut clinic = Clinic::new(zone, with_hours.then_some(HOURS), rules(limits.0, limits.1), on);
        // Over a weekend with the jump of the clock in Chicago.
        let start: DateTime = "2026-03-05T00:00".parse().unwrap();
        clinic.incidents = troubles.iter().map(|(from, length, what)| {
            let from = start.checked_add(SignedDuration::from_mins(*from)).unwrap();
            (from, from.checked_add(SignedDuration::from_mins(*length)).unwrap(), *what)
        }).collect();
        let mut watch = Watch::default();
        let first = clinic.moment("2026-03-05 00:00") + SignedDuration::from_secs(offset);
        for minute in 0..5 * 1440 {
            let now = first + SignedDuration::from_mins(minute);
            let mut view = clinic.minute(now);
            watch.check(&clinic, &view, now)?;
            // As the controller does: plan again when something may change by itself.
            let next = now + SignedDuration::from_mins(1);
            for _ in 0..8 {
                let again = view.again;
                if again <= now || again >= next {
                    break;
                }
                view = clinic.judge(again);
                watch.check(&clinic, &view, again)?;
                if view.again <= again {
                    break;
                }
            }
        }
    }
}

/// At night the provider takes its last time back. It says so in the morning, once the opening is over.
#[test]
fn what_turns_bad_at_night_is_said_in_the_morning() {
    let incident = ("2026-03-05 20:00", "2026-03-06 10:00", Trouble::Clock(-300));
    let until_thursday = |at: DateTime| at.date().day() == 5 && at.hour() < 18;
    let mut clinic = Clinic::new("UTC", Some(HOURS), rules(60, 60), until_thursday).with(&[incident]);
    let lines = clinic.diary("2026-03-05 10:00", "2026-03-06 10:00");
    let of_read: Vec<&str> = lines.iter().filter(|line| line.contains("read")).map(|line| &line[12..]).collect();
    assert_eq!(
        of_read,
        [
            "05 10:00  read  True Green (Open)",
            "05 20:00  read  Unknown OfficeClosed (Closed)",
            "06 08:00  read  Unknown CatchingUp (Opening)",
            "06 08:20  read  False Stale (Open)",
        ],
        "{lines:?}"
    );
}

/// Flapping is over after half an hour without anything bad, and not before.
#[test]
fn flapping_lasts_for_thirty_good_minutes() {
    let mut clinic = Clinic::new("UTC", None, rules(60, 60), always).with(&[(
        "2026-03-05 09:00",
        "2026-03-05 12:00",
        Trouble::Flaps(12),
    )]);
    let lines = clinic.diary("2026-03-05 08:00", "2026-03-05 14:00");
    let of_read: Vec<&str> = lines.iter().filter(|line| line.contains("read")).map(|line| &line[15..]).collect();
    assert_eq!(
        of_read,
        [
            "08:00  read  True Green (Open)",
            "09:10  read  False Red (Open)",
            "09:17  read  True Green (Open)",
            "09:34  read  False Flapping (Open)",
            "12:30  read  True Green (Open)",
        ],
        "the last red minute is 11:59: {lines:?}"
    );
    assert_eq!(Duration::from_secs(1800), crate::plan::monitor::damper::FLAP_RECOVER);
}
