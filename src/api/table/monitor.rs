//! Rows of monitors.

use super::Beside::{AtRest, Reconciling, Stalled};
use super::{Alert, MONITOR, Row, other, ready};
use crate::api::condition::ConditionType::{self, ReadHealthy, SyncHealthy, WriteHealthy};
use crate::api::condition::Is::{False, True, Unknown};
use crate::api::condition::Reason;

pub(super) const ROWS: &[Row] = &[
    ready(MONITOR, True, &[Reason::InSync], AtRest, "the monitor works; its verdicts are the other conditions", ""),
    ready(
        MONITOR,
        False,
        &[Reason::Suspended],
        AtRest,
        "`spec.suspend` is true: nothing is judged",
        "`suspend: false`",
    ),
    ready(
        MONITOR,
        False,
        &[Reason::PracticeNotFound],
        Stalled,
        "the key does not reach a practice of that name",
        "a monitor with the right name (it is immutable), or have the key given access",
    ),
    ready(
        MONITOR,
        False,
        &[Reason::OfficeHoursNotFound],
        Reconciling,
        "the ConfigMap or its key is not there, or may not be read",
        "create it, or give the operator the rights of the chart; it is noticed",
    ),
    ready(
        MONITOR,
        False,
        &[Reason::InvalidOfficeHours],
        Stalled,
        "an unknown zone, windows that overlap or have no length, an empty week, a field that does not exist",
        "correct the field that the message names",
    ),
    ready(
        MONITOR,
        False,
        &[Reason::TimeZoneUnknown],
        Stalled,
        "no zone is written, and the practice's locations have none or several",
        "`timeZone` in the office hours, or `locationIds` of one zone",
    ),
    ready(
        MONITOR,
        Unknown,
        &[Reason::ObservationStale],
        Reconciling,
        "no good answer about syncs for two intervals",
        "the account; else the operator's log, and `sync_status` in `external_webhooks_provider_requests_total`",
    ),
    good(ReadHealthy),
    bad(ReadHealthy, &[Reason::Stale], STALE, CALL),
    bad(ReadHealthy, &[Reason::Red], RED, CALL),
    bad(ReadHealthy, &[Reason::Flapping], FLAPPING, CALM),
    bad(ReadHealthy, &[Reason::ProviderWideOutage], OUTAGE, ONE),
    good(WriteHealthy),
    bad(WriteHealthy, &[Reason::Stale], STALE, CALL),
    bad(
        WriteHealthy,
        &[Reason::Red],
        "the provider says that it is down, for `confirm` of open time; writing now ends in errors",
        CALL,
    ),
    bad(WriteHealthy, &[Reason::Flapping], FLAPPING, CALM),
    bad(WriteHealthy, &[Reason::ProviderWideOutage], OUTAGE, ONE),
    good(SyncHealthy),
    bad(SyncHealthy, &[Reason::Stale], STALE, CALL).by(Alert::PracticeStale),
    bad(SyncHealthy, &[Reason::Red], RED, CALL).by(Alert::PracticeStale),
    bad(SyncHealthy, &[Reason::Flapping], FLAPPING, CALM).by(Alert::PracticeStale),
    bad(SyncHealthy, &[Reason::ProviderWideOutage], OUTAGE, ONE).by(Alert::ProviderWideOutage),
    no_sync(ReadHealthy),
    no_sync(WriteHealthy),
    no_sync(SyncHealthy),
    not_yet(ReadHealthy),
    not_yet(WriteHealthy),
    not_yet(SyncHealthy),
    nothing(ReadHealthy),
    nothing(WriteHealthy),
    nothing(SyncHealthy),
];

const STALE: &str = "it has not worked for longer than `staleAfter` of open time";
const RED: &str = "the provider says that it is down, for `confirm` of open time";
const FLAPPING: &str = "three turns within an hour; bad until 30 good minutes";
const OUTAGE: &str = "many practices of the account went bad within 15 minutes";
const CALL: &str = "call the practice: is its server or browser on, does the sync agent run (antivirus, a new server), are there enough extensions";
const CALM: &str = "the same as for `Stale`; a longer `confirm` or `recover` if it is always so";
const ONE: &str = "the provider's status page, not the practices; the account's alert tells all of them";

const fn good(kind: ConditionType) -> Row {
    other(MONITOR, kind, True, &[Reason::Green], "up and fresh", "")
}

const fn bad(kind: ConditionType, reason: &'static [Reason], means: &'static str, act: &'static str) -> Row {
    other(MONITOR, kind, False, reason, means, act)
}

const fn no_sync(kind: ConditionType) -> Row {
    let means = "the provider shows no sync, or none that ever ran, for the practice or its `locationIds`";
    other(MONITOR, kind, Unknown, &[Reason::NoSync], means, "have it connected; correct `locationIds`")
}

const fn not_yet(kind: ConditionType) -> Row {
    let means = "no verdict yet: closed, just opened, or a first look is to be confirmed";
    other(MONITOR, kind, Unknown, &[Reason::OfficeClosed, Reason::CatchingUp], means, "wait")
}

/// A verdict that cannot be given has the reason of `Ready`.
const fn nothing(kind: ConditionType) -> Row {
    let reasons = &[
        Reason::Progressing,
        Reason::Suspended,
        Reason::AccountNotFound,
        Reason::AccountNotReady,
        Reason::NotGranted,
        Reason::ProviderUnavailable,
        Reason::NotSupportedByProvider,
        Reason::ObservationStale,
        Reason::PracticeNotFound,
        Reason::OfficeHoursNotFound,
        Reason::InvalidOfficeHours,
        Reason::TimeZoneUnknown,
    ];
    other(MONITOR, kind, Unknown, reasons, "nothing can be said of the practice", "see `Ready`")
}
