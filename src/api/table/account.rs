//! Rows of accounts.

use super::Beside::{AtRest, Reconciling, Stalled};
use super::{ACCOUNT, Alert, Row, other, ready};
use crate::api::condition::ConditionType::{DeletionBlocked, ProviderWideOutage};
use crate::api::condition::Is::{False, True};
use crate::api::condition::Reason;

pub(super) const ROWS: &[Row] = &[
    ready(ACCOUNT, True, &[Reason::Authenticated], AtRest, "the provider accepts the key", ""),
    ready(
        ACCOUNT,
        False,
        &[Reason::SecretMissing],
        Reconciling,
        "the Secret with the API key is not there, is being deleted, or may not be read",
        "create it, or give the operator the rights of the chart; no restart, it is noticed",
    )
    .by(Alert::AccountUnavailable),
    ready(
        ACCOUNT,
        False,
        &[Reason::CredentialsRejected],
        Stalled,
        "the provider does not accept the key, or the Secret holds none that could be sent (empty, line break)",
        "put a valid key into the Secret (`printf`, not `echo`). It is tried at once, and every 15 minutes",
    )
    .by(Alert::AccountUnavailable),
    ready(
        ACCOUNT,
        False,
        &[Reason::ScopeSuspect],
        Reconciling,
        "the key shows nothing of what was known; nothing is written until it does. If only the endpoints are gone and the practices are the same, for half an hour",
        "put the former key back. If what it shows now is right, set `spec.acceptScope` to `status.scope.fingerprint`",
    )
    .by(Alert::AccountUnavailable),
    ready(
        ACCOUNT,
        False,
        &[Reason::ProviderUnavailable],
        Reconciling,
        "the provider does not answer. Other objects keep their last status for 10 minutes",
        "the provider's status page, DNS, egress rules. It is tried again by itself",
    )
    .by(Alert::AccountUnavailable),
    ready(
        ACCOUNT,
        False,
        &[Reason::OtherProvider],
        Stalled,
        "the server answers as that of another provider does",
        "correct `spec.baseUrl`, or an account with the block of that provider",
    )
    .by(Alert::AccountUnavailable),
    ready(
        ACCOUNT,
        False,
        &[Reason::BaseUrlNotAllowed],
        Stalled,
        "`spec.baseUrl` could send the key elsewhere",
        "remove it, or start the operator with `--allowed-base-url`",
    )
    .by(Alert::AccountUnavailable),
    ready(
        ACCOUNT,
        False,
        &[Reason::Rejected],
        Stalled,
        "the provider refuses to list what the key reaches",
        "what the key may do; at NexHealth `spec.nexHealth.apiVersion` too",
    )
    .by(Alert::AccountUnavailable),
    ready(
        ACCOUNT,
        False,
        &[Reason::InvalidSpec],
        Stalled,
        "stored under older rules, and cannot be used as it stands",
        "correct the field that the message names",
    )
    .by(Alert::AccountUnavailable),
    other(
        ACCOUNT,
        DeletionBlocked,
        True,
        &[Reason::InUse],
        "endpoints still need its key to delete what they made",
        "delete them first, or see their conditions; `deletionPolicy: Orphan` on the account releases all of them",
    )
    .by(Alert::DeletionBlocked),
    other(
        ACCOUNT,
        ProviderWideOutage,
        True,
        &[Reason::ProviderWideOutage],
        "more than `spec.outagePercent` of the practices that are monitored and open went bad within 15 minutes",
        "the provider's status page, not the practices; the monitors say which",
    )
    .by(Alert::ProviderWideOutage),
];
