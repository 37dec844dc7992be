//! Everything that can go wrong with one call, and with which calls it can.
//!
//! The codes are those of the project's list of faults: P for the provider's side, K for the cluster's, C for the process.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use testbed::kube_proxy::{KubeFault, WatchFault};
use testbed::nexhealth::When::{After, Before};
use testbed::nexhealth::{Fault, MadeUp};

use super::plan::{Side, Target};

/// When the process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The call is never carried out.
    Before,
    /// It is carried out, and nobody hears of it.
    Sent,
    /// Its answer has arrived, and nothing more was sent.
    Answered,
    /// It is carried out a moment after the next process has started.
    Late,
    /// It is carried out when the next process has finished the work.
    VeryLate,
}

/// What happens to the call.
#[derive(Clone, Copy)]
pub enum Effect {
    /// A fault of the provider; the text is the account's API key.
    Provider(fn(&str) -> Fault),
    /// A fault on the way to the API server; the number comes from the seed.
    Kube(fn(u64) -> KubeFault),
    /// The operator is killed and started again.
    Crash(Moment),
}

/// The calls something can happen to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum On {
    /// Every call to the provider.
    Provider,
    /// Calls that change the provider's state.
    ProviderWrite,
    /// Lists.
    ProviderRead,
    /// Only `PATCH` and `DELETE`.
    ProviderChange,
    /// Only `DELETE`.
    ProviderDelete,
    /// Every request to the API server but watches.
    Kube,
    /// Writes to the API server.
    KubeWrite,
    /// Reads of one object or a list.
    KubeRead,
    /// Watches.
    KubeWatch,
    /// Writes on either side.
    AnyWrite,
}

/// One kind of trouble.
pub struct Trouble {
    /// Its name in a plan.
    pub name: &'static str,
    /// Its codes.
    pub code: &'static str,
    /// Which calls.
    pub on: On,
    /// What happens.
    pub effect: Effect,
    /// How many calls in a row, before the seed adds up to two where this is more than one.
    pub times: usize,
    /// Whether the operator cannot know afterwards if its write was carried out: then one extra remote may appear.
    pub loses: bool,
}

impl std::fmt::Debug for Trouble {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name)
    }
}

impl Trouble {
    /// Whether it can happen to this call.
    pub fn fits(&self, target: &Target) -> bool {
        let (side, verb, write) = (target.side, target.verb(), target.is_write());
        match self.on {
            On::Provider => side == Side::Provider,
            On::ProviderWrite => side == Side::Provider && write,
            On::ProviderRead => side == Side::Provider && verb == "GET",
            On::ProviderChange => side == Side::Provider && matches!(verb, "PATCH" | "DELETE"),
            On::ProviderDelete => side == Side::Provider && verb == "DELETE",
            On::Kube => side == Side::Kube && verb != "WATCH",
            On::KubeWrite => side == Side::Kube && write,
            On::KubeRead => side == Side::Kube && matches!(verb, "GET" | "LIST"),
            On::KubeWatch => side == Side::Kube && verb == "WATCH",
            On::AnyWrite => write,
        }
    }
}

const fn provider(name: &'static str, code: &'static str, on: On, fault: fn(&str) -> Fault) -> Trouble {
    Trouble { name, code, on, effect: Effect::Provider(fault), times: 1, loses: false }
}

const fn kube(name: &'static str, code: &'static str, on: On, fault: fn(u64) -> KubeFault) -> Trouble {
    Trouble { name, code, on, effect: Effect::Kube(fault), times: 1, loses: false }
}

const fn crash(name: &'static str, code: &'static str, moment: Moment) -> Trouble {
    Trouble { name, code, on: On::AnyWrite, effect: Effect::Crash(moment), times: 1, loses: true }
}

impl Trouble {
    const fn loses(mut self) -> Self {
        self.loses = true;
        self
    }

    const fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }
}

fn status(code: u16) -> Fault {
    Fault::Status(Before, MadeUp::status(code))
}

fn busy(retry_after: &str) -> Fault {
    Fault::Status(Before, MadeUp::retry_after(429, retry_after))
}

/// A refusal that repeats what it was sent.
fn echo(api_key: &str) -> Fault {
    let body = json!({"code": false, "description": "patient Jane Canary, born 1980-02-30", "data": null,
        "error": [format!("key {api_key} may not do this")]});
    Fault::Status(Before, MadeUp { status: 422, body: Some(body), retry_after: None })
}

fn nothing_listed(_: &str) -> Fault {
    Fault::EditBody(Arc::new(|body: &mut Value| {
        if body["data"].is_array() {
            body["data"] = json!([]);
        }
    }))
}

fn in_two_seconds(_: &str) -> Fault {
    busy(&httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2)))
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn watch_event(seed: u64) -> usize {
    usize::try_from(seed % 3).unwrap_or_default() + 1
}

/// Everything.
pub static ALL: &[Trouble] = &[
    crash("crash-before-sending", "C02", Moment::Before),
    crash("crash-after-sending", "C02", Moment::Sent),
    crash("crash-after-answer", "C01", Moment::Answered),
    crash("crash-lands-late", "C01 K11", Moment::Late),
    crash("old-leader-lands-last", "K11", Moment::VeryLate),
    provider("lost-answer", "P01", On::ProviderWrite, |_| Fault::Reset(After)).loses(),
    provider("closed-after", "P01", On::ProviderWrite, |_| Fault::Close(After)).loses(),
    provider("timeout-carried-out", "P02", On::ProviderWrite, |_| Fault::Hang(After)).loses(),
    provider("reset-before", "P03", On::Provider, |_| Fault::Reset(Before)).loses(),
    provider("timeout-not-carried-out", "P02", On::Provider, |_| Fault::Hang(Before)).loses(),
    provider("carried-out-after-timeout", "P02", On::ProviderWrite, |_| Fault::Delay(Before, ms(900))).loses(),
    provider("empty-body", "P04", On::Provider, |_| Fault::EmptyBody).loses(),
    provider("accepted-202", "P06", On::ProviderWrite, |_| Fault::AcceptedLater(ms(250))).loses(),
    provider("other-2xx", "P06", On::ProviderWrite, |_| Fault::OtherStatus(200)).loses(),
    provider("truncated-10", "P08", On::Provider, |_| Fault::TruncatedBody(10)).loses(),
    provider("truncated-120", "P08", On::Provider, |_| Fault::TruncatedBody(120)).loses(),
    provider("wrong-shape", "P09", On::Provider, |_| Fault::WrongShape).loses(),
    provider("html-200", "P09", On::Provider, |_| Fault::Html(After, 200)).loses(),
    provider("html-502", "P16", On::Provider, |_| Fault::Html(Before, 502)).loses().times(2),
    provider("code-false", "P09", On::Provider, |_| Fault::CodeFalse(Before)).loses(),
    provider("code-false-carried-out", "P09", On::ProviderWrite, |_| Fault::CodeFalse(After)).loses(),
    provider("slow", "P12", On::Provider, |_| Fault::Delay(After, ms(300))),
    provider("slow-body", "P12", On::Provider, |_| Fault::SlowBody { piece: 8, pause: ms(100) }).loses(),
    provider("huge-body", "P12", On::Provider, |_| Fault::HugeBody(24 << 20)).loses(),
    provider("429-seconds", "P13", On::Provider, |_| busy("1")),
    provider("429-date", "P14", On::Provider, in_two_seconds),
    provider("429-past-date", "P14", On::Provider, |_| busy("Wed, 21 Oct 2015 07:28:00 GMT")),
    provider("429-garbage", "P14", On::Provider, |_| busy("soon")),
    provider("429-negative", "P14", On::Provider, |_| busy("-5")),
    provider("429-bare", "P14", On::Provider, |_| status(429)).times(2),
    provider("500", "P16", On::Provider, |_| status(500)).loses(),
    provider("503-burst", "P16", On::Provider, |_| status(503)).loses().times(3),
    provider("504", "P16", On::Provider, |_| status(504)).loses(),
    provider("500-carried-out", "P17", On::ProviderWrite, |_| Fault::Status(After, MadeUp::status(500))).loses(),
    provider("401", "P18", On::Provider, |_| status(401)),
    provider("401-again-and-again", "P18", On::Provider, |_| status(401)).times(3),
    provider("403", "P20", On::Provider, |_| status(403)),
    provider("404-though-there", "P21 P23", On::Provider, |_| status(404)),
    provider("400", "P33", On::ProviderWrite, |_| status(400)),
    provider("409", "P32", On::ProviderWrite, |_| status(409)),
    provider("422-echoes-the-key", "P32 P43", On::Provider, echo),
    provider("delete-5xx", "P24", On::ProviderDelete, |_| status(503)).loses().times(4),
    provider("still-listed", "P24", On::ProviderDelete, |_| Fault::WithoutEffect).times(2),
    provider("no-effect", "P32", On::ProviderChange, |_| Fault::WithoutEffect),
    provider("redirect", "P35", On::Provider, |_| Fault::Redirect {
        status: 307,
        location: "http://169.254.169.254/latest".to_owned(),
    }),
    // A good list that lies: by rules.md *Absence* one missing row is made again at once, and the twin removed later.
    provider("nothing-listed", "P22", On::ProviderRead, nothing_listed).loses(),
    kube("409", "K06", On::KubeWrite, |_| KubeFault::Answer(Before, 409, None)),
    kube("409-burst", "K06", On::KubeWrite, |_| KubeFault::Answer(Before, 409, None)).times(3),
    kube("lost-answer", "K07", On::KubeWrite, |_| KubeFault::Reset(After)),
    kube("timeout-carried-out", "K07", On::KubeWrite, |_| KubeFault::Hang(After)),
    kube("500-carried-out", "K07", On::KubeWrite, |_| KubeFault::Answer(After, 500, None)),
    kube("reset-before", "K07", On::Kube, |_| KubeFault::Reset(Before)),
    kube("timeout-not-carried-out", "K07", On::Kube, |_| KubeFault::Hang(Before)),
    kube("429", "K08", On::Kube, |_| KubeFault::Answer(Before, 429, Some("1".to_owned()))),
    kube("500", "K08", On::Kube, |_| KubeFault::Answer(Before, 500, None)),
    kube("503-burst", "K08", On::Kube, |_| KubeFault::Answer(Before, 503, None)).times(3),
    kube("403-for-a-while", "K09", On::Kube, |_| KubeFault::Answer(Before, 403, None)).times(4),
    kube("slow", "K08", On::Kube, |_| KubeFault::Delay(ms(300))),
    kube("lands-after-timeout", "K07", On::KubeWrite, |_| KubeFault::Delay(ms(1100))),
    kube("list-410", "K02", On::KubeRead, |_| KubeFault::Answer(Before, 410, None)),
    kube("watch-500", "K08", On::KubeWatch, |_| KubeFault::Answer(Before, 500, None)),
    kube("watch-403", "K09", On::KubeWatch, |_| KubeFault::Answer(Before, 403, None)).times(2),
    kube("watch-410", "K02", On::KubeWatch, |_| KubeFault::Answer(Before, 410, None)),
    kube("watch-410-in-stream", "K02", On::KubeWatch, |seed| KubeFault::Watch(WatchFault::Gone(watch_event(seed)))),
    kube("watch-cut-in-event", "K01", On::KubeWatch, |seed| KubeFault::Watch(WatchFault::Cut(watch_event(seed)))),
    kube("watch-ends", "K01", On::KubeWatch, |seed| KubeFault::Watch(WatchFault::End(watch_event(seed)))),
    kube("watch-drops-event", "K05", On::KubeWatch, |seed| KubeFault::Watch(WatchFault::Drop(watch_event(seed)))),
    kube("watch-silent", "K03", On::KubeWatch, |seed| KubeFault::Watch(WatchFault::Silent(watch_event(seed)))),
];
