//! docs/performance.md: text that stays, tables and plots from the figures. A miss is written down as one.

use std::fmt::Write as _;

use crate::Failure;
use crate::figures::{Converge, Figures, folder};
use crate::plot::{self, Line};
use crate::stage::told;
use crate::targets::{self, Verdict};

const INTRODUCTION: &str = "\
# Performance

What the released operator costs, under the rights it ships with, against a real API server (etcd, kube-apiserver,
kube-controller-manager) and a simulated provider on the same machine. Written by `make bench`; nothing in it is asserted by
a test, because times belong to a machine. One part alone: `make bench ONLY=converge N=1000`; the outage, which takes a
quarter of an hour, only with `make bench ONLY=outage`. The figures as numbers: [figures.json](performance/figures.json).

**The floor** is what nobody can do in less on this machine, in the same run: a bare HTTP loop that sends the same calls
with the same 8 in flight, and after it a bare client that makes the same writes to the same Kubernetes objects with 32 in
flight. Neither plans, checks nor remembers anything. The operator's time is counted from the start of its process with all
objects in place, to `Ready=True` of the last one.
";

/// The machine, without names.
pub fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let (cpu, memory, kernel) = (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/sys/kernel/osrelease"));
    let cores = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let kib =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<f64>().ok());
    let version: Vec<&str> = kernel.trim().split(['.', '-']).take(2).collect();
    format!(
        "{cores} cores of {}, {:.0} GiB of memory, Linux {}, shared by operator, API server, etcd, provider and bench",
        std::env::consts::ARCH,
        kib.unwrap_or_default() / 1024.0 / 1024.0,
        version.join(".")
    )
}

/// Writes page and plots.
pub fn write(figures: &Figures) -> Result<(), Failure> {
    let figures = in_order(figures);
    let mut page = INTRODUCTION.to_owned();
    let _ = writeln!(
        page,
        "\nMachine: {}.\n\n## Targets\n\n| what | target | measured | |\n|---|---|---|---|",
        figures.machine
    );
    for row in targets::rows(&figures) {
        let verdict = match row.verdict {
            Verdict::Met => "met",
            Verdict::Missed => "**missed**",
            Verdict::Reported => "",
        };
        let _ = writeln!(page, "| {} | {} | {} | {verdict} |", row.what, row.target, row.measured);
    }
    for note in targets::causes(&figures) {
        let _ = write!(page, "\n{note}\n");
    }
    converge(&mut page, &figures.converge);
    rest(&mut page, &figures.converge);
    others(&mut page, &figures);
    std::fs::write(folder().with_extension("md"), page).map_err(told("docs/performance.md"))?;
    plots(&figures.converge)
}

fn in_order(figures: &Figures) -> Figures {
    let mut ordered = figures.clone();
    ordered.converge.sort_by_key(|case| (case.rows, case.objects));
    ordered.memory.sort_by_key(|case| (case.objects, case.foreign_secrets));
    ordered.restart.sort_by_key(|case| (case.rows, case.objects));
    ordered
}

fn converge(page: &mut String, cases: &[Converge]) {
    page.push_str(
        "\n## Converging\n\n`make bench ONLY=converge`\n\n\
         | subscriptions | objects | endpoints | calls | seconds | floor: calls + writes | times the floor | CPU-seconds | peak RSS, MiB | writes per subscription object | per endpoint | account | Events |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for case in cases {
        let floor = case.floor.map_or("".to_owned(), |(calls, writes)| format!("{calls:.1} + {writes:.1}"));
        let times =
            case.floor.map_or("".to_owned(), |(calls, writes)| format!("{:.2}", case.seconds / (calls + writes)));
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {:.1} | {floor} | {times} | {:.1} | {:.0} | {:.2} | {:.2} | {} | {} |",
            case.rows,
            case.objects,
            case.endpoints,
            case.calls,
            case.seconds,
            case.cpu,
            case.peak,
            case.subscription_writes as f64 / case.objects as f64,
            case.endpoint_writes as f64 / case.endpoints as f64,
            case.account_writes,
            case.events,
        );
    }
    for name in ["calls", "time", "memory"] {
        let _ = write!(page, "\n![{name} over N](performance/{name}.svg)\n");
    }
}

fn rest(page: &mut String, cases: &[Converge]) {
    page.push_str(
        "\n## At rest\n\nFor a minute, from 15 s after the last object was ready; `observeInterval: 30s`, its least.\n\n\
         | subscriptions | objects | rounds | calls per round | writes to Kubernetes | CPU, milliseconds a minute | RSS, MiB |\n\
         |--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for case in cases {
        let rest = case.rest;
        let _ = writeln!(
            page,
            "| {} | {} | {} | {:.1} | {} | {:.0} | {:.1} |",
            case.rows,
            case.objects,
            rest.rounds,
            rest.calls as f64 / rest.rounds.max(1) as f64,
            rest.writes,
            rest.cpu / rest.seconds.max(1.0) * 60_000.0,
            case.rss
        );
    }
}

fn others(page: &mut String, figures: &Figures) {
    page.push_str("\n## Memory\n\n`make bench ONLY=memory`; one object per subscription, 75 s after the last was ready.\n\n| objects | foreign Secrets of 32 KiB | RSS, MiB | peak, MiB |\n|--:|--:|--:|--:|\n");
    for case in &figures.memory {
        let _ = writeln!(page, "| {} | {} | {:.1} | {:.1} |", case.objects, case.foreign_secrets, case.rss, case.peak);
    }
    page.push_str("\n## Restart\n\nWith everything in place, to `external_webhooks_unconfirmed_objects` = 0; the floor is a bare client that lists the same objects and the same remote side.\n\n| subscriptions | objects | seconds | floor | calls | writes | peak RSS, MiB |\n|--:|--:|--:|--:|--:|--:|--:|\n");
    for case in &figures.restart {
        let _ = writeln!(
            page,
            "| {} | {} | {:.2} | {:.2} | {} | {} | {:.0} |",
            case.rows, case.objects, case.seconds, case.floor, case.calls, case.writes, case.peak
        );
    }
    if let Some(budget) = figures.budget {
        let _ = writeln!(
            page,
            "\n## Budget\n\n`make bench ONLY=budget`: {} subscriptions at a provider that answers 429 beyond {} calls a minute and a burst of {}, \
             which is what the account says too. Busiest 60 s: {} calls. Used while work waited: {:.1} %. Answers of 429: {}. Took {:.0} s.",
            budget.rows,
            budget.per_minute,
            budget.burst,
            budget.busiest,
            budget.used * 100.0,
            budget.refused,
            budget.seconds
        );
    }
    if let Some(latency) = figures.latency {
        let _ = writeln!(
            page,
            "\n## From a request to Ready\n\n`make bench ONLY=latency`: one subscription object of one pair at an idle operator, from sending its creation to seeing `Ready=True`, \
             {} times; beside it a bare watch that makes the same writes and the same call, one after the other.\n\n\
             | | median, ms | worst, ms |\n|---|--:|--:|\n| operator | {:.0} | {:.0} |\n| bare | {:.0} | {:.0} |",
            latency.samples, latency.median, latency.worst, latency.floor_median, latency.floor_worst
        );
    }
    if let Some(it) = figures.monitors {
        let _ = writeln!(
            page,
            "\n## Monitors\n\n`make bench ONLY=monitors`: {} monitors of as many practices, each with office hours in the zone of its location; `syncStatusInterval: 1m`. \
             First verdict on all: {:.1} s, {} writes. At rest for {:.0} s: {} reads of sync status, {} writes, {:.0} CPU-milliseconds a minute, {:.1} MiB; peak {:.0} MiB.",
            it.objects,
            it.seconds,
            it.writes,
            it.rest.seconds,
            it.rest.rounds,
            it.rest.writes,
            it.rest.cpu / it.rest.seconds.max(1.0) * 60_000.0,
            it.rss,
            it.peak
        );
    }
    if let Some(outage) = figures.outage {
        let _ = writeln!(
            page,
            "\n## Outage\n\n`make bench ONLY=outage`: {} subscription objects, every call answered with 503 for {:.1} minutes. Calls meanwhile: {}, at most {} at a time. \
             Writes to subscription objects in the first ten minutes: {}; after them: {}. Everything ready again {:.1} s after the provider was.",
            outage.objects,
            outage.minutes,
            outage.calls,
            outage.at_once,
            outage.writes_before,
            outage.writes_after,
            outage.recovery
        );
    }
}

fn plots(cases: &[Converge]) -> Result<(), Failure> {
    let few = |case: &&Converge| case.objects != case.rows;
    let many = |case: &&Converge| case.objects == case.rows;
    let over = |name: &str, of: &dyn Fn(&Converge) -> f64, bound: bool| {
        let points = |wanted: &dyn Fn(&&Converge) -> bool| {
            cases.iter().filter(|case| wanted(case)).map(|case| (case.rows as f64, of(case))).collect::<Vec<_>>()
        };
        let line = |name: String, points| Line { name, points, bound };
        [line(format!("{name}, one object each"), points(&many)), line(format!("{name}, few objects"), points(&few))]
    };
    let floor = |case: &Converge| case.floor.map(|(calls, writes)| calls + writes).unwrap_or_default();
    let [calls, _] = over("calls", &|case| case.calls as f64, false);
    let [target, _] = over("N + 2E + 5", &|case| (case.rows + 2 * case.endpoints + 5) as f64, true);
    let calls = [Line { name: "operator".to_owned(), ..calls }, Line { name: "N + 2E + 5".to_owned(), ..target }];
    let time: Vec<Line> =
        over("operator", &|case| case.seconds, false).into_iter().chain(over("floor", &floor, true)).collect();
    let memory: Vec<Line> =
        over("at rest", &|case| case.rss, false).into_iter().chain(over("peak", &|case| case.peak, true)).collect();
    let all = [
        ("calls", "Calls to converge", "calls", &calls[..]),
        ("time", "Time to converge", "seconds", &time[..]),
        ("memory", "Resident memory", "MiB", &memory[..]),
    ];
    for (name, title, unit, lines) in all {
        let file = folder().join(format!("{name}.svg"));
        std::fs::write(&file, plot::svg(title, unit, lines)).map_err(told("a plot"))?;
    }
    Ok(())
}
