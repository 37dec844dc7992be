//! `PracticeSyncMonitor`: whether the data of practices is fresh, without crying wolf at night.
//!
//! | file | subject |
//! |---|---|
//! | `hours` | office hours as they are written, checked |
//! | `calendar` | open time: office hours on the clock of a place |
//! | `track` | one direction of one sync: how long ago it worked, how long it is red |
//! | `damper` | a verdict that holds still |
//! | `practice` | the verdicts on one practice; its worst sync decides |
//! | `outage` | many practices that go bad together |
//! | `memory` | what is remembered of a monitor, and what a new process takes from its status |
//! | `words` | what is said, for people |
//! | `report` | status and Events of a monitor |

pub mod calendar;
pub mod damper;
pub mod hours;
mod memory;
pub mod outage;
pub mod practice;
mod report;
#[cfg(test)]
mod tests;
pub mod track;
mod words;

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::condition::{Is, Report};
use super::grants::Share;
use super::nearest::did_you_mean;
use super::outcome::{AccountBlock, account_block};
use super::{AccountView, Note, elapsed};
use crate::api::endpoint::AccountRef;
use crate::api::{DurationText, PracticeSyncMonitor, PracticeSyncMonitorSpec, PracticeSyncMonitorStatus, Reason};
use crate::provider::model::Practice as Reached;
use crate::provider::model::sync::{Place, Syncs};
use calendar::{Calendar, Office};
use hours::Hours;
pub use memory::MonitorMemory;
use outage::Member;
use practice::{Age, Look, Rules, View, Way};

/// Office hours that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HoursTrouble {
    /// Why, in one word.
    pub reason: Reason,
    /// Why, and what to do.
    pub message: String,
    /// Whether we watch for what would help.
    pub watched: bool,
}

/// Everything a monitor's plan may look at.
pub struct MonitorInput<'a> {
    /// The object.
    pub object: &'a PracticeSyncMonitor,
    /// Its account, and the account's name.
    pub account: (AccountView, AccountRef),
    /// What the account lends.
    pub share: Share,
    /// Practices that the key reaches; `None` before the first list.
    pub practices: Option<Vec<Reached>>,
    /// The last good answer about syncs; `None` before the first.
    pub syncs: Option<Arc<Syncs>>,
    /// How often there is one.
    pub interval: Duration,
    /// The office hours; `Ok(None)`: always open.
    pub hours: Result<Option<Arc<Hours>>, HoursTrouble>,
    /// The places of a practice, by its key; `None` before the first list.
    pub places: &'a dyn Fn(&str) -> Option<Vec<Place>>,
    /// Practices that other monitors of the account name.
    pub named: &'a HashSet<String>,
    /// While many practices of the account are bad together: since when those that went bad belong to that.
    pub outage: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
}

/// What to say, and when to look again.
#[derive(Clone, Debug, Default)]
pub struct MonitorPlan {
    /// The status that follows; `None`: leave it as it is.
    pub status: Option<PracticeSyncMonitorStatus>,
    /// Events to publish once it is written.
    pub notes: Vec<Note>,
    /// When to plan again without being woken.
    pub again: Option<Duration>,
    /// Whether the answer about syncs is missing or too old.
    pub wants_syncs: bool,
    /// Whether the places of practices are needed and not known.
    pub wants_places: bool,
    /// How each practice, by its key, counts for an outage of the account; `None`: nothing has been looked at yet.
    pub members: Option<Vec<(Arc<str>, Member)>>,
    /// How long ago each direction last worked, at the practice where that is longest ago.
    pub ages: [Option<Age>; 2],
    /// Whether a practice whose verdict is bad is open, or any if none is bad; `None`: none is judged.
    pub office_open: Option<bool>,
}

/// A practice and what is said of it.
struct Judged {
    name: Arc<str>,
    key: Arc<str>,
    view: View,
}

/// Plans one monitor.
pub fn plan(input: &MonitorInput<'_>, memory: &mut MonitorMemory) -> MonitorPlan {
    let spec = &input.object.spec;
    memory.begin(input.object);
    if spec.suspend {
        let message = "spec.suspend is true: nothing is judged";
        return stop(input, memory, Report::frozen(Reason::Suspended, message));
    }
    let (blind, report) = match account_block(&input.account.0, &input.account.1) {
        Some(AccountBlock::Report(report)) => (Some(report.reason), Some(report)),
        Some(AccountBlock::LeaveUnchanged) | None => (None, None),
    };
    if let (None, Err(report)) = (&report, input.share.monitor(spec.practice.as_deref())) {
        return stop(input, memory, report);
    }
    let hours = match &input.hours {
        Ok(hours) => hours,
        Err(trouble) => {
            let report = if trouble.watched { Report::waiting } else { Report::stalled };
            return stop(input, memory, report(trouble.reason, trouble.message.clone()));
        }
    };
    let (Some(practices), Some(syncs)) = (&input.practices, &input.syncs) else {
        return match report {
            Some(report) => stop(input, memory, report),
            None => MonitorPlan { wants_syncs: true, ..wait(input, memory, "the provider's first answer about syncs") },
        };
    };
    // Of the others, nothing reaches verdicts, status or hints.
    let lent: Vec<Reached> = match input.share.is_lent() {
        false => Vec::new(),
        true => practices.iter().filter(|practice| input.share.monitors(&practice.name)).cloned().collect(),
    };
    let practices = if input.share.is_lent() { &lent } else { practices };
    let watched = watched(spec, practices, input.named);
    if let (Some(name), true) = (&spec.practice, watched.is_empty() && report.is_none()) {
        return stop(input, memory, not_found(name, practices));
    }
    let late = elapsed(syncs.at, input.now) > input.interval.saturating_mul(2);
    let rules = rules(spec, input.interval);
    let look = |key: &str| Look {
        syncs: syncs.of_practice(key),
        at: syncs.at,
        blind: blind.or(late.then_some(Reason::ObservationStale)),
        now: input.now,
    };
    let mut plan = MonitorPlan { wants_syncs: late, ..MonitorPlan::default() };
    let calendar_of = |practice: &Reached| calendar(hours.as_ref(), || (input.places)(&practice.key), &rules.locations);
    let calendars: Vec<_> = watched.iter().map(|practice| calendar_of(practice)).collect();
    if calendars.iter().any(|calendar| *calendar == Err(ZoneTrouble::NotListed)) {
        let waiting = wait(input, memory, "the provider's list of locations, which has the time zone");
        return MonitorPlan { wants_places: true, ..waiting };
    }
    let mut zone_trouble = None;
    let mut judged = Vec::new();
    for (practice, calendar) in watched.into_iter().zip(calendars) {
        let view = match calendar {
            Ok(calendar) => {
                memory.practice(&practice.key, &practice.name).judge(&rules, &calendar, &look(&practice.key))
            }
            Err(trouble) => {
                plan.wants_places = true;
                zone_trouble = zone_trouble.or(Some(trouble));
                memory.practice(&practice.key, &practice.name).hide();
                View::unknown(&rules, Reason::TimeZoneUnknown, input.now)
            }
        };
        judged.push(Judged { name: practice.name.clone(), key: practice.key.clone(), view });
    }
    memory.keep(&judged.iter().map(|judged| judged.key.clone()).collect());
    let report = match (report, zone_trouble) {
        (Some(report), _) => report,
        (None, Some(trouble)) if spec.practice.is_some() => trouble.report(),
        (None, _) if late => Report::unknown(
            Reason::ObservationStale,
            "the provider's sync status could not be read for two intervals, so nothing is said of the practice; see the account's conditions and the operator's log",
        ),
        (None, _) => Report::ready(Reason::InSync, "the monitor works; ReadHealthy and WriteHealthy are its verdicts"),
    };
    measure(&mut plan, memory, &rules, &judged, input.now, syncs.at);
    report::finish(input, memory, plan, report, &judged)
}

/// No verdict can be given on anything.
fn stop(input: &MonitorInput<'_>, memory: &mut MonitorMemory, report: Report) -> MonitorPlan {
    memory.hide();
    MonitorPlan { members: Some(Vec::new()), ..report::nothing(input, report) }
}

/// Something must come in before anything can be judged. A new process leaves what stands there as it is.
fn wait(input: &MonitorInput<'_>, memory: &mut MonitorMemory, what: &str) -> MonitorPlan {
    let stored = input.object.status.as_ref().filter(|status| !status.conditions.is_empty());
    if stored.is_some_and(|status| Some(status.observed_generation) == input.object.metadata.generation) {
        return MonitorPlan::default();
    }
    let said = stop(input, memory, Report::unknown(Reason::Progressing, format!("waiting for {what}")));
    MonitorPlan { members: None, ..said }
}

/// The practices that the monitor watches.
fn watched<'a>(spec: &PracticeSyncMonitorSpec, practices: &'a [Reached], named: &HashSet<String>) -> Vec<&'a Reached> {
    let mut watched: Vec<&Reached> = match (&spec.practice, &spec.all_practices) {
        (Some(name), _) => practices.iter().filter(|practice| *practice.name == **name).collect(),
        (None, every) => {
            let except: HashSet<&str> = every.iter().flat_map(|every| &every.except).map(String::as_str).collect();
            let taken = |name: &str| name.is_empty() || except.contains(name) || named.contains(name);
            practices.iter().filter(|practice| !taken(&practice.name)).collect()
        }
    };
    watched.sort_by(|one, two| one.name.cmp(&two.name));
    watched
}

fn not_found(name: &str, practices: &[Reached]) -> Report {
    let near = did_you_mean(name, practices.iter().map(|practice| &*practice.name));
    let message = format!(
        "spec.practice: the key does not reach a practice {name:?}{near}: create a PracticeSyncMonitor with the right name instead, or have the key given access; it is looked for at every list"
    );
    Report::stalled(Reason::PracticeNotFound, message)
}

/// What the spec asks of each practice.
pub fn rules(spec: &PracticeSyncMonitorSpec, interval: Duration) -> Rules {
    let text = |text: &DurationText, otherwise: u64| text.get().unwrap_or(Duration::from_secs(otherwise));
    let stale =
        |block: &Option<crate::api::monitor::Freshness>| block.as_ref().map(|block| text(&block.stale_after, 3600));
    Rules {
        stale_after: [stale(&spec.read), stale(&spec.write)],
        confirm: text(&spec.confirm, 600),
        recover: text(&spec.recover, 300),
        locations: spec.location_ids.iter().cloned().collect(),
        interval,
    }
}

/// Why the zone of a practice is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
enum ZoneTrouble {
    /// The places have not been listed yet.
    NotListed,
    /// The provider names none, or one that is unknown.
    None,
    /// Its places are in several.
    Several(String),
}

impl ZoneTrouble {
    fn report(&self) -> Report {
        let remedy = "set timeZone in the office hours";
        match self {
            Self::NotListed | Self::None => Report::stalled(
                Reason::TimeZoneUnknown,
                format!("the provider names no usable time zone for the practice's location: {remedy}"),
            ),
            Self::Several(zones) => Report::stalled(
                Reason::TimeZoneUnknown,
                format!(
                    "the practice's locations are in several time zones ({zones}): {remedy}, or name locations of one zone in spec.locationIds"
                ),
            ),
        }
    }
}

/// The office hours of a practice on its own clock.
fn calendar(
    hours: Option<&Arc<Hours>>,
    places: impl FnOnce() -> Option<Vec<Place>>,
    locations: &BTreeSet<String>,
) -> Result<Calendar, ZoneTrouble> {
    let Some(hours) = hours else { return Ok(Calendar::always()) };
    let zone: TimeZone = match &hours.time_zone {
        Some(name) => hours::zone(name).map_err(|_| ZoneTrouble::None)?,
        None => {
            let places = places().ok_or(ZoneTrouble::NotListed)?;
            let meant = |place: &&Place| !place.inactive && (locations.is_empty() || locations.contains(&*place.id));
            let zones: BTreeSet<&str> =
                places.iter().filter(meant).filter_map(|place| place.time_zone.as_deref()).collect();
            match zones.iter().collect::<Vec<_>>()[..] {
                [] => return Err(ZoneTrouble::None),
                [one] => hours::zone(one).map_err(|_| ZoneTrouble::None)?,
                [..] => {
                    let names: Vec<&str> = zones.iter().take(4).copied().collect();
                    return Err(ZoneTrouble::Several(names.join(", ")));
                }
            }
        }
    };
    Ok(Calendar::new(hours.clone(), zone))
}

/// What the metrics and the account are told.
fn measure(
    plan: &mut MonitorPlan,
    memory: &MonitorMemory,
    rules: &Rules,
    judged: &[Judged],
    now: Timestamp,
    looked: Timestamp,
) {
    let is_open = |judged: &&Judged| judged.view.office != Office::Closed;
    let is_bad = |judged: &&Judged| judged.view.both.is == Is::False;
    let mut bad = judged.iter().filter(is_bad).peekable();
    plan.office_open = match (judged.is_empty(), bad.peek().is_some()) {
        (true, _) => None,
        (false, true) => Some(bad.any(|judged| is_open(&judged))),
        (false, false) => Some(judged.iter().any(|judged| is_open(&judged))),
    };
    let members = judged
        .iter()
        .map(|judged| {
            let member = Member { open: judged.view.office == Office::Open, bad_since: judged.view.fell() };
            (judged.key.clone(), member)
        })
        .collect();
    plan.members = Some(members);
    for way in Way::BOTH.into_iter().filter(|way| rules.stale_after[*way as usize].is_some()) {
        let ages = judged.iter().filter_map(|judged| Some(memory.get(&judged.key)?.age(way)));
        let oldest = ages.reduce(|one, two| Age {
            last: one.last.into_iter().chain(two.last).min(),
            open: one.open.into_iter().chain(two.open).max(),
        });
        plan.ages[way as usize] = oldest;
    }
    let stale_at = calendar::later(looked, rules.late());
    let moments = judged.iter().map(|judged| judged.view.again).chain([stale_at]);
    let next = moments.filter(|moment| *moment >= now).min();
    // A little later, so that the moment has surely come.
    plan.again = next.map(|next| elapsed(now, next) + Duration::from_millis(10));
}
