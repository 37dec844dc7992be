//! What was to be reached, and whether it was.

use crate::figures::{Converge, Figures};

/// Whether a target was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was.
    Met,
    /// It was not.
    Missed,
    /// There was none.
    Reported,
}

/// One line of the table.
pub struct Row {
    pub what: String,
    pub target: String,
    pub measured: String,
    pub verdict: Verdict,
}

fn row(
    what: &str,
    target: &str,
    measured: impl IntoIterator<Item = String>,
    met: impl IntoIterator<Item = bool>,
) -> Row {
    let measured: Vec<String> = measured.into_iter().collect();
    let met = met.into_iter().all(|met| met);
    let verdict = match (measured.is_empty(), met) {
        (true, _) => Verdict::Reported,
        (false, true) => Verdict::Met,
        (false, false) => Verdict::Missed,
    };
    let measured = if measured.is_empty() { "not measured in this run".to_owned() } else { measured.join("; ") };
    Row { what: what.to_owned(), target: target.to_owned(), measured, verdict }
}

fn name(case: &Converge) -> String {
    format!("{} in {}", case.rows, case.objects)
}

fn over_floor(case: &Converge) -> Option<f64> {
    case.floor.map(|(calls, writes)| case.seconds / (calls + writes))
}

fn is_the_floor_case(case: &&Converge) -> bool {
    case.rows == 1_000
}

/// All lines.
pub fn rows(figures: &Figures) -> Vec<Row> {
    let cases = &figures.converge;
    let tens = |case: &Converge| (case.seconds / 10.0).ceil();
    let subscription = |case: &Converge| (case.subscription_writes as f64 - tens(case)) / case.objects as f64;
    let endpoint = |case: &Converge| (case.endpoint_writes as f64 - tens(case)) / case.endpoints as f64;
    let per_round = |case: &Converge| case.rest.calls as f64 / case.rest.rounds.max(1) as f64;
    let mut rows = vec![
        row(
            "calls to converge N subscriptions on E endpoints",
            "N + 2E + 5",
            cases.iter().map(|case| format!("{}: {}", name(case), case.calls)),
            cases.iter().map(|case| case.calls <= case.rows + 2 * case.endpoints + 5),
        ),
        row(
            "provider calls at rest per observeInterval",
            "E + 2",
            cases.iter().map(|case| format!("{}: {:.1} of {}", name(case), per_round(case), case.endpoints + 2)),
            cases.iter().map(|case| per_round(case) <= (case.endpoints + 2) as f64),
        ),
        row(
            "Kubernetes writes at rest, the lease aside",
            "0",
            cases.iter().map(|case| format!("{}: {}", name(case), case.rest.writes)),
            cases.iter().map(|case| case.rest.writes == 0),
        ),
        row(
            "writes per endpoint to converge, its Secret included, less one per 10 s",
            "5",
            cases.iter().map(|case| format!("{}: {:.1}", name(case), endpoint(case).max(0.0))),
            cases.iter().map(|case| endpoint(case) <= 5.0),
        ),
        row(
            "writes per subscription object to converge, less one per 10 s",
            "3",
            cases.iter().map(|case| format!("{}: {:.1}", name(case), subscription(case).max(0.0))),
            cases.iter().map(|case| subscription(case) <= 3.0),
        ),
        row(
            "time to converge 1,000, provider unlimited",
            "1.5 times the floor",
            cases
                .iter()
                .filter(is_the_floor_case)
                .filter_map(|case| Some(format!("{}: {:.2}", name(case), over_floor(case)?))),
            cases.iter().filter(is_the_floor_case).filter_map(|case| Some(over_floor(case)? <= 1.5)),
        ),
    ];
    rows.extend(later(figures));
    rows
}

fn later(figures: &Figures) -> Vec<Row> {
    let memory = |objects: usize| figures.memory.iter().filter(move |case| case.objects == objects);
    let shown = |objects: usize| {
        memory(objects).map(|case| {
            format!("{:.1} MiB among {} foreign Secrets, peak {:.0}", case.rss, case.foreign_secrets, case.peak)
        })
    };
    let budget = figures.budget;
    let monitors = figures.monitors;
    vec![
        row(
            "5,000 monitors of one account",
            "one read of sync status per syncStatusInterval of a minute, 0 writes at rest",
            monitors.iter().map(|it| {
                let (reads, seconds) = (it.rest.rounds, it.rest.seconds);
                format!("{}: {reads} reads in {seconds:.0} s, {} writes", it.objects, it.rest.writes)
            }),
            // One comes up to a tenth earlier than the interval, and one may have been due at once.
            monitors.iter().map(|it| it.rest.writes == 0 && it.rest.rounds as f64 <= it.rest.seconds / 54.0 + 1.0),
        ),
        row(
            "restart with 10,000 in place",
            "0 writes, E + 3 calls, all confirmed within 5 times the time of a bare reader",
            figures.restart.iter().map(|case| {
                format!(
                    "{} objects: {} writes, {} calls, {:.1} times",
                    case.objects,
                    case.writes,
                    case.calls,
                    case.seconds / case.floor
                )
            }),
            figures
                .restart
                .iter()
                .map(|case| case.writes == 0 && case.calls <= case.endpoints + 3 && case.seconds <= case.floor * 5.0),
        ),
        row("RSS 60 s after rest, 2,000 objects", "25 MiB", shown(2_000), memory(2_000).map(|case| case.rss <= 25.0)),
        row(
            "RSS 60 s after rest, 10,000 objects",
            "60 MiB",
            shown(10_000),
            memory(10_000).map(|case| case.rss <= 60.0),
        ),
        row(
            "budget",
            "at most rate + burst in any 60 s, 95 % used while work waits, no 429",
            budget.iter().map(|it| {
                format!(
                    "{} calls of {}, {:.1} %, {} refused",
                    it.busiest,
                    it.per_minute + it.burst,
                    it.used * 100.0,
                    it.refused
                )
            }),
            budget
                .iter()
                .map(|it| it.busiest <= (it.per_minute + it.burst) as usize && it.used >= 0.95 && it.refused == 0),
        ),
        row(
            "outage of more than ten minutes, 2,000 objects",
            "one probe at a time, no write per object before 10 min, one after",
            figures.outage.iter().map(|it| {
                format!("{} at a time, {} writes before, {} after", it.at_once, it.writes_before, it.writes_after)
            }),
            figures.outage.iter().map(|it| it.at_once <= 1 && it.writes_before == 0 && it.writes_after == it.objects),
        ),
    ]
}

/// Why what was missed was missed, in words.
pub fn causes(figures: &Figures) -> Vec<String> {
    let mut causes = Vec::new();
    if !figures.converge.is_empty() {
        causes.push(
            "Writes to converge are counted strictly: one per ten seconds is taken off for the whole run, not for each object. \
             An endpoint writes its counters once more when its rows are there, and a subscription that had its first pass \
             before its endpoint had an id said so, because `Ready` exists from the first pass."
                .to_owned(),
        );
    }
    if figures.memory.iter().any(|memory| memory.objects >= 10_000 && memory.rss > 60.0) {
        causes.push(
            "At 10,000 objects each costs some four and a half KiB: the object as it was last seen, what is known of its rows, \
             its place in the indices and its metrics."
                .to_owned(),
        );
    }
    causes
}
