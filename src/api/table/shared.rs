//! Rows that mean the same on several kinds.

use super::Beside::{AtRest, Reconciling, Stalled};
use super::{Alert, KINDS, Row, other, ready};
use crate::api::condition::ConditionType::DeletionBlocked;
use crate::api::condition::Is::{False, True, Unknown};
use crate::api::condition::Reason;

const OF_ACCOUNTS: &[&str] = &["WebhookEndpoint", "WebhookSubscription", "PracticeSyncMonitor"];
const REMOTE: &[&str] = &["WebhookEndpoint", "WebhookSubscription"];
const DELETED: &[&str] = &["ProviderAccount", "ClusterProviderAccount", "WebhookEndpoint", "WebhookSubscription"];

pub(super) const ROWS: &[Row] = &[
    ready(
        KINDS,
        Unknown,
        &[Reason::Progressing],
        Reconciling,
        "first pass, or calls under way",
        "wait; more than a few minutes: the operator's log",
    ),
    ready(
        OF_ACCOUNTS,
        False,
        &[Reason::AccountNotFound],
        Reconciling,
        "no account of that name can be used from this namespace",
        "create it; `spec.accountRef` is immutable, so a wrong name needs a new object",
    ),
    ready(
        OF_ACCOUNTS,
        Unknown,
        &[Reason::AccountNotReady],
        Reconciling,
        "the account cannot be used; the message repeats why",
        "mend the account: its alert tells",
    )
    .quiet(),
    ready(
        OF_ACCOUNTS,
        Unknown,
        &[Reason::ProviderUnavailable],
        Reconciling,
        "the provider has not answered for 10 minutes; what exists there is left as it is",
        "see the account: its alert tells",
    )
    .quiet(),
    ready(
        OF_ACCOUNTS,
        False,
        &[Reason::NotGranted],
        Stalled,
        "the `ClusterProviderAccount` does not lend what the spec asks for; what exists stays",
        "ask its owner for the field of the [grant](tenants.md) that the message names, or ask for less",
    ),
    ready(
        &["WebhookSubscription", "PracticeSyncMonitor"],
        False,
        &[Reason::NotSupportedByProvider],
        Stalled,
        "the provider has no such thing",
        "delete the object, or let it refer to an account of another provider",
    ),
    ready(
        REMOTE,
        False,
        &[Reason::Suspended],
        AtRest,
        "`spec.suspend` holds back what `status.plan` names",
        "`suspend: false` to have it done",
    ),
    ready(
        REMOTE,
        False,
        &[Reason::ObserveOnly],
        AtRest,
        "the account's `managementPolicy: Observe` holds back what `status.plan` names",
        "`managementPolicy: Manage` on the account to have it done",
    ),
    ready(
        DELETED,
        False,
        &[Reason::Deleting],
        Reconciling,
        "it is being deleted and waits; the message says for what",
        "wait; `DeletionBlocked` says if something is in the way",
    )
    .quiet(),
    other(
        REMOTE,
        DeletionBlocked,
        True,
        &[Reason::RemoteNotDeleted],
        "the provider refuses to delete it",
        "delete it there, or give it up with `spec.deletionPolicy: Orphan`",
    )
    .by(Alert::DeletionBlocked),
    other(
        REMOTE,
        DeletionBlocked,
        True,
        &[Reason::AccountNotFound, Reason::AccountNotReady, Reason::ProviderUnavailable, Reason::ScopeSuspect],
        "the remote side cannot be deleted, or its absence not confirmed, while the account cannot be used",
        "mend the account, or give the remote side up with `spec.deletionPolicy: Orphan`",
    )
    .by(Alert::DeletionBlocked),
];
