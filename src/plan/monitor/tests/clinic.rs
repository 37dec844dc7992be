//! A practice in a test: what the provider would show of it minute by minute, and what a monitor says.

use std::sync::Arc;
use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::api::Reason;
use crate::plan::condition::Is;
use crate::plan::monitor::calendar::Calendar;
use crate::plan::monitor::hours::{Hours, zone};
use crate::plan::monitor::practice::{Look, Practice, Rules, View, Way, Word};
use crate::provider::model::sync::{Colour, Direction, Sync};

/// What happens to a practice, or to us, for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Trouble {
    /// Its server is off; the colour follows after 150 minutes, as at the provider.
    Dark,
    /// The provider says red, and its times go on.
    Red,
    /// Red for so many minutes, green for so many, again and again.
    Flaps(i64),
    /// Our own polls do not happen.
    NoPolls,
    /// The provider does not answer; after ten minutes the account says so.
    ProviderDown,
    /// Its times are so many minutes ahead; negative: behind.
    Clock(i64),
    /// The provider shows no sync.
    Gone,
    /// The provider shows no time.
    Null,
    /// A time from 1970, which the adapter takes for none.
    Epoch,
    /// A colour that no document names.
    Mauve,
}

/// A trouble from one local time to another.
pub type Incident = (&'static str, &'static str, Trouble);

/// A practice.
pub struct Clinic {
    pub zone: TimeZone,
    pub calendar: Calendar,
    pub rules: Rules,
    /// Whether its server or a browser is on at a local time, when nothing is wrong.
    pub on: fn(DateTime) -> bool,
    pub incidents: Vec<(DateTime, DateTime, Trouble)>,
    mind: Practice,
    last: Option<Timestamp>,
    looked: Option<(Timestamp, Vec<Sync>)>,
    failing: Option<Timestamp>,
    said: [Option<(Is, Reason)>; 3],
}

pub fn hours(yaml: &str) -> Arc<Hours> {
    Arc::new(Hours::read(yaml, "the test's hours").unwrap())
}

pub fn rules(read: u64, write: u64) -> Rules {
    let minutes = |minutes: u64| Duration::from_secs(minutes * 60);
    Rules {
        stale_after: [Some(minutes(read)), Some(minutes(write))],
        confirm: minutes(10),
        recover: minutes(5),
        interval: minutes(1),
        ..Rules::default()
    }
}

impl Clinic {
    pub fn new(zone_name: &str, yaml: Option<&str>, rules: Rules, on: fn(DateTime) -> bool) -> Self {
        let zone = zone(zone_name).unwrap();
        let calendar = yaml.map_or_else(Calendar::always, |yaml| Calendar::new(hours(yaml), zone.clone()));
        Self {
            zone,
            calendar,
            rules,
            on,
            incidents: Vec::new(),
            mind: Practice::default(),
            last: None,
            looked: None,
            failing: None,
            said: Default::default(),
        }
    }

    pub fn with(mut self, incidents: &[Incident]) -> Self {
        let read = |text: &str| text.replace(' ', "T").parse::<DateTime>().unwrap();
        self.incidents = incidents.iter().map(|(from, to, what)| (read(from), read(to), *what)).collect();
        self
    }

    pub fn moment(&self, local: &str) -> Timestamp {
        let local: DateTime = local.replace(' ', "T").parse().unwrap();
        local.to_zoned(self.zone.clone()).unwrap().timestamp()
    }

    fn trouble(&self, local: DateTime) -> Option<(DateTime, Trouble)> {
        let now = self.incidents.iter().find(|(from, to, _)| *from <= local && local < *to);
        now.map(|(from, _, what)| (*from, *what))
    }

    /// One minute: the provider's side goes on, a poll if there is one, a verdict.
    pub fn minute(&mut self, now: Timestamp) -> View {
        let local = self.zone.to_datetime(now);
        let trouble = self.trouble(local);
        let what = trouble.map(|(_, what)| what);
        // In health the times float by up to twenty minutes.
        let beat = (now.as_second() / 60) % 17 == 0;
        if (self.on)(local) && what != Some(Trouble::Dark) && beat || self.last.is_none() {
            self.last = Some(now);
        }
        let polls = !matches!(what, Some(Trouble::NoPolls | Trouble::ProviderDown));
        if polls {
            self.looked = Some((now, self.shown(now, local, trouble)));
        }
        self.failing = (what == Some(Trouble::ProviderDown)).then(|| self.failing.unwrap_or(now));
        self.judge(now)
    }

    /// A verdict without a new look.
    pub fn judge(&mut self, now: Timestamp) -> View {
        let nothing = (Timestamp::UNIX_EPOCH, Vec::new());
        let (at, syncs) = self.looked.as_ref().unwrap_or(&nothing);
        let since = |from: Timestamp| now.duration_since(from);
        let down = self.failing.is_some_and(|from| since(from) >= SignedDuration::from_mins(10));
        let late = since(*at) > SignedDuration::from_mins(2);
        let blind = match (down, late) {
            (true, _) => Some(Reason::ProviderUnavailable),
            (false, true) => Some(Reason::ObservationStale),
            (false, false) => None,
        };
        self.mind.judge(&self.rules, &self.calendar, &Look { syncs, at: *at, blind, now })
    }

    /// Open time since a direction last worked, counted anew.
    pub fn open_age(&self, way: Way, now: Timestamp) -> Option<Duration> {
        let last = self.mind.age(way).last?;
        Some(self.calendar.clone().counted(last, now))
    }

    /// What the provider shows.
    fn shown(&self, now: Timestamp, local: DateTime, trouble: Option<(DateTime, Trouble)>) -> Vec<Sync> {
        let last = self.last.unwrap();
        let (from, what) = trouble.map_or((local, None), |(from, what)| (from, Some(what)));
        let into = local.duration_since(from).as_mins();
        let limit = |minutes: i64| now.duration_since(last) > SignedDuration::from_mins(minutes);
        let red = match what {
            Some(Trouble::Red) => [true, true],
            Some(Trouble::Flaps(every)) => [(into / every) % 2 == 0; 2],
            _ => [limit(150), limit(25)],
        };
        let at = match what {
            Some(Trouble::Null | Trouble::Epoch) => None,
            Some(Trouble::Clock(minutes)) => Some(last + SignedDuration::from_mins(minutes)),
            _ => Some(last),
        };
        let colour = |red: bool| match (what, red) {
            (Some(Trouble::Mauve), _) => Colour::Other,
            (_, true) => Colour::Red,
            (_, false) => Colour::Green,
        };
        if what == Some(Trouble::Gone) {
            return Vec::new();
        }
        let [read, write] = red.map(|red| Direction { colour: colour(red), word: None, at });
        vec![Sync { name: "main".into(), read, write, ..Sync::default() }]
    }

    /// Drives the minutes of a time and writes down each turn, with its local time.
    pub fn diary(&mut self, from: &str, to: &str) -> Vec<String> {
        let (mut now, end) = (self.moment(from), self.moment(to));
        let mut lines = Vec::new();
        while now < end {
            let view = self.minute(now);
            let local = self.zone.to_datetime(now);
            let words: [Option<&Word>; 3] = [view.words[0].as_ref(), view.words[1].as_ref(), Some(&view.both)];
            for (place, word) in words.into_iter().enumerate() {
                let Some(word) = word else { continue };
                let said = (word.is, word.reason);
                if self.said[place].replace(said) != Some(said) {
                    let name = ["read", "write", "sync"][place];
                    let shown = local.strftime("%a %Y-%m-%d %H:%M");
                    lines.push(format!("{shown}  {name:<5} {:?} {} ({:?})", word.is, word.reason, view.office));
                }
            }
            now += SignedDuration::from_mins(1);
        }
        lines
    }
}
