//! Status and Events of a monitor. A status is written only when a verdict changes.

use jiff::Timestamp;

use super::memory::{MonitorMemory, VERDICTS};
use super::practice::{Word, join};
use super::{Judged, MonitorInput, MonitorPlan, words};
use crate::api::monitor_status::{PracticeCounts, SyncSeen, UnhealthyPractice};
use crate::api::{PracticeSyncMonitorStatus, Reason};
use crate::plan::condition::{Is, Report, Verdict};
use crate::plan::{Note, wire_time};
use crate::provider::model::sync::{Direction, Sync};

/// Most practices that the status of a fleet names.
pub(super) const UNHEALTHY: usize = 50;
/// Most syncs in a status.
const SYNCS: usize = 16;

/// No verdict can be given: each says why.
pub(super) fn nothing(input: &MonitorInput<'_>, report: Report) -> MonitorPlan {
    let word = Word::unknown(report.reason);
    let said = places(input).into_iter().map(|place| (place, word.clone(), None)).collect();
    let before = input.object.status.clone().unwrap_or_default();
    let draft = PracticeSyncMonitorStatus { practices: None, ..before };
    MonitorPlan { status: Some(settle(input, draft, report, said)), ..MonitorPlan::default() }
}

/// The status and the Events that follow from the verdicts on all practices.
pub(super) fn finish(
    input: &MonitorInput<'_>,
    memory: &mut MonitorMemory,
    mut plan: MonitorPlan,
    report: Report,
    judged: &[Judged],
) -> MonitorPlan {
    let fleet = input.object.spec.all_practices.is_some();
    let outage = input.outage;
    let mut said: Said = Vec::new();
    for place in places(input) {
        let words: Vec<(&Judged, Word)> =
            judged.iter().filter_map(|judged| Some((judged, named(of(judged, place)?.clone(), outage)))).collect();
        for (judged, word) in &words {
            plan.notes.extend(note(input, memory, judged, place, word));
        }
        if !fleet {
            let word = words.into_iter().next().map(|(_, word)| word);
            said.push((place, word.unwrap_or_else(|| Word::unknown(report.reason)), None));
            continue;
        }
        // Whatever is no part of an outage is named first; then the order of names.
        let rank = |word: &Word| match (word.is, word.reason) {
            (Is::False, Reason::ProviderWideOutage) => 1,
            (Is::False, _) => 0,
            (Is::Unknown, _) => 2,
            (Is::True, _) => 3,
        };
        let worst = words.iter().min_by_key(|(_, word)| rank(word));
        let ordered = worst.iter().map(|(_, word)| word).chain(words.iter().map(|(_, word)| word));
        let (damper, last) = &mut memory.whole[place];
        let mut word = if words.is_empty() {
            damper.hide();
            Word::unknown(Reason::NoSync)
        } else {
            join(damper, last.as_ref(), ordered, input.now)
        };
        word = named(word, None);
        *last = Some(word.clone());
        let name = worst.filter(|_| word.is != Is::True).map(|(judged, _)| judged.name.to_string());
        said.push((place, word, name));
    }
    let healthy = judged.iter().filter(|judged| judged.view.both.is == Is::True).count();
    let mut counts = PracticeCounts { total: number(judged.len()), healthy: number(healthy), unhealthy: Vec::new() };
    if fleet {
        counts.unhealthy = judged.iter().filter_map(|judged| unhealthy(judged, outage)).take(UNHEALTHY).collect();
    }
    let before = input.object.status.clone().unwrap_or_default();
    let id = judged.first().filter(|_| !fleet).and_then(|judged| judged.key.parse().ok());
    let draft = PracticeSyncMonitorStatus { practices: Some(counts), institution_id: id, ..before.clone() };
    let mut status = settle(input, draft, report, said);
    if status != before {
        let syncs = input.syncs.as_deref();
        let own = judged.first().filter(|_| !fleet).map(|judged| judged.key.clone());
        let shown = own.iter().flat_map(|key| syncs.map(|syncs| syncs.of_practice(key)).unwrap_or_default());
        status.syncs = shown.take(SYNCS).map(seen).collect();
    }
    plan.status = Some(status);
    plan
}

/// Place of a verdict, what it says, and the practice it names.
type Said = Vec<(usize, Word, Option<String>)>;

/// The verdicts that the spec asks for.
fn places(input: &MonitorInput<'_>) -> Vec<usize> {
    let spec = &input.object.spec;
    let asked = [spec.read.is_some(), spec.write.is_some(), true];
    (0..VERDICTS.len()).filter(|place| asked[*place]).collect()
}

fn of(judged: &Judged, place: usize) -> Option<&Word> {
    judged.view.words.get(place).map_or(Some(&judged.view.both), Option::as_ref)
}

/// A word, with the outage as its reason where it belongs to one.
fn named(word: Word, outage: Option<Timestamp>) -> Word {
    let belongs = word.is == Is::False && outage.is_some_and(|from| word.fell.is_some_and(|fell| fell >= from));
    Word { reason: if belongs { Reason::ProviderWideOutage } else { word.reason }, ..word }
}

fn settle(
    input: &MonitorInput<'_>,
    draft: PracticeSyncMonitorStatus,
    mut report: Report,
    said: Said,
) -> PracticeSyncMonitorStatus {
    let spec = &input.object.spec;
    for (place, word, practice) in said {
        let message = words::message(spec, place, &word, practice.as_deref());
        report = report.with(Verdict::new(VERDICTS[place], word.is, word.reason, message));
    }
    let generation = input.object.metadata.generation.unwrap_or_default();
    let conditions = report.conditions(&draft.conditions, generation, input.now);
    PracticeSyncMonitorStatus { observed_generation: generation, conditions, ..draft }
}

/// An Event where a verdict on a practice has changed. An outage of many is told once, by the account; that it is well for
/// the first time is no news.
fn note(
    input: &MonitorInput<'_>,
    memory: &mut MonitorMemory,
    judged: &Judged,
    place: usize,
    word: &Word,
) -> Option<Note> {
    let spec = &input.object.spec;
    let definite = word.is != Is::Unknown || word.reason == Reason::NoSync;
    if !definite {
        return None;
    }
    let before = memory.told.insert((judged.key.clone(), place), (word.is, word.reason));
    // The third verdict is about the other two, unless it alone flaps.
    if before == Some((word.is, word.reason)) || place > 1 && word.reason != Reason::Flapping {
        return None;
    }
    let of_outage = |reason: Reason| reason == Reason::ProviderWideOutage;
    if of_outage(word.reason) || word.is == Is::True && before.is_none_or(|(_, reason)| of_outage(reason)) {
        return None;
    }
    let text = format!("{} of {}: {}", words::name(place), judged.name, words::message(spec, place, word, None));
    Some(match word.is {
        Is::False => Note::warning(word.reason.as_str(), "Observe", text),
        _ => Note::normal(word.reason.as_str(), "Observe", text),
    })
}

fn unhealthy(judged: &Judged, outage: Option<Timestamp>) -> Option<UnhealthyPractice> {
    let bad = judged.view.words.iter().flatten().find(|word| word.is == Is::False);
    let word = bad.or(Some(&judged.view.both)).filter(|word| word.is == Is::False)?;
    let since = word.since.unwrap_or(Timestamp::UNIX_EPOCH);
    let reason = named(word.clone(), outage).reason.as_str().to_owned();
    Some(UnhealthyPractice { practice: judged.name.to_string(), reason, since: wire_time(since) })
}

fn seen(sync: &Sync) -> SyncSeen {
    let cut = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let word = |direction: &Direction| direction.word.as_deref().map(|word| cut(word, 63));
    let time = |direction: &Direction| direction.at.map(wire_time);
    SyncSeen {
        name: cut(&sync.name, 253),
        emr: sync.emr.as_deref().map(|name| cut(name, 253)),
        emr_type: sync.emr_types.iter().take(8).map(|kind| cut(kind, 63)).collect(),
        read_status: word(&sync.read),
        read_status_at: time(&sync.read),
        write_status: word(&sync.write),
        write_status_at: time(&sync.write),
        locations: sync.locations.as_ref().map(|locations| number(locations.len())),
    }
}

fn number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
