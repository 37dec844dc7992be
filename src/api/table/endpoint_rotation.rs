//! Rows of endpoints about the rotation of the signing key and the self-test.

use super::{Alert, ENDPOINT, Row, other};
use crate::api::condition::ConditionType::{Rotating, RotationOverdue, Verified};
use crate::api::condition::Is::{False, True, Unknown};
use crate::api::condition::Reason;

pub(super) const ROWS: &[Row] = &[
    phase(
        &[Reason::Preparing],
        "the second endpoint is made, with its key: seconds",
        "if it stays: the account (provider down, key refused, budget)",
    ),
    phase(
        &[Reason::Publishing],
        "both keys are in the Secret, everything is still signed with `previous`: `publishDelay`",
        "if it stays: `SecretPublished`",
    ),
    phase(
        &[Reason::Switching],
        "subscriptions move: seconds; for thousands at most `requestsPerMinute` a minute",
        "if it stays: `RotationOverdue` names the subscription that the provider does not let go",
    ),
    phase(
        &[Reason::Draining],
        "the first endpoint is kept, because NexHealth repeats what was refused for 48 h: `overlap`",
        "two days are normal. A shorter `overlap` counts at once",
    ),
    phase(
        &[Reason::Retiring],
        "the first endpoint goes, then `previous`: seconds",
        "if it stays: the provider refuses to delete it; delete it there",
    ),
    overdue(
        &[Reason::DuplicateUrlRefused],
        "the provider wants another URL for the second endpoint",
        "change `targetUrl` (path or query, to the same receiver), at NexHealth with a new `requestId` in the same edit. The former URL must work until the rotation has ended",
    ),
    overdue(
        &[Reason::BookkeepingLost],
        "nothing says when the key was last replaced (a restore without status), so none is guessed",
        "a new `requestId`: replaces it now, and the interval counts from there",
    ),
    overdue(
        &[Reason::MoveRefused],
        "the provider neither moves a subscription to the second endpoint nor lets it be made there",
        "the message names the subscription: have its practice granted to the account's key, or delete it at the provider",
    ),
    overdue(
        &[Reason::KeyUnreadable],
        "the provider shows no key for the second endpoint",
        "have it return `secret_key` to this account's API key",
    ),
    overdue(
        &[Reason::Rejected],
        "the provider refuses to make the second endpoint, or to change it as declared",
        "by the message; the present key stays in use",
    ),
    overdue(
        &[Reason::RemoteNotDeleted],
        "the provider refuses to delete an endpoint of the rotation",
        "delete it there; until then its key stays in the Secret as `previous`",
    ),
    overdue(
        &[Reason::SwitchedOffRemotely],
        "the endpoint is switched off at the provider; no key is replaced meanwhile",
        "mend the receiver, see `Active`",
    ),
    overdue(
        &[Reason::Suspended, Reason::ObserveOnly],
        "the rotation is held back",
        "`suspend: false`, or `managementPolicy: Manage` on the account",
    ),
    overdue(
        &[Reason::ArrangedByPeople],
        "the key is due to be replaced, which the provider can only learn from a person",
        "a new `requestId`, then give the provider's support the new key within `overlap`",
    ),
    overdue(
        &[Reason::Overrun],
        "it takes an hour longer than its pauses",
        "the other conditions of the endpoint and of its account (provider down, call budget). It goes on by itself from where it is",
    ),
    other(
        ENDPOINT,
        Verified,
        True,
        &[Reason::SignatureVerified],
        "the receiver took the event signed with the key in the Secret, and refused the other",
        "",
    ),
    other(
        ENDPOINT,
        Verified,
        False,
        &[Reason::SignatureNotChecked],
        "it did not answer 401 or 403 to the event signed with a wrong key: whoever knows the URL can send it events",
        "have it [verify](receivers.md#verify) and answer 401 where no key fits",
    )
    .by(Alert::ReceiverFailsTest),
    other(
        ENDPOINT,
        Verified,
        False,
        &[Reason::Refused],
        "it did not take the event signed with the key in the Secret, and so takes nothing that the provider sends",
        "401, 403: let it [load the Secret](receivers.md#read-the-secret-again). 3xx: put the final URL into `targetUrl`. 404, 405: correct the path. 5xx: its own log",
    )
    .by(Alert::ReceiverFailsTest),
    other(
        ENDPOINT,
        Verified,
        False,
        &[Reason::TlsInvalid],
        "the certificate has expired, is for another name or of an unknown issuer, or there is no TLS",
        "renew or replace it; serve the whole chain",
    )
    .by(Alert::ReceiverFailsTest),
    other(
        ENDPOINT,
        Verified,
        Unknown,
        &[Reason::Unreachable],
        "no answer from here; the provider may have better luck",
        "by the message: DNS, receiver down, egress of the operator (NetworkPolicy), or an address that is not public",
    )
    .by(Alert::ReceiverFailsTest),
    other(
        ENDPOINT,
        Verified,
        Unknown,
        &[Reason::SignatureNotChecked],
        "it was too busy (429, 5xx) for the second event",
        "nothing, if it goes away by itself",
    ),
    other(ENDPOINT, Verified, Unknown, &[Reason::Progressing], "not tested yet", "wait for `publishDelay`; else see `Ready`"),
    other(
        ENDPOINT,
        Verified,
        Unknown,
        &[Reason::Suspended, Reason::ObserveOnly, Reason::AsDeclared],
        "not tested while suspended, under Observe, or with `active: false`",
        "",
    ),
];

const fn phase(reason: &'static [Reason], means: &'static str, act: &'static str) -> Row {
    other(ENDPOINT, Rotating, True, reason, means, act)
}

const fn overdue(reason: &'static [Reason], means: &'static str, act: &'static str) -> Row {
    other(ENDPOINT, RotationOverdue, True, reason, means, act).by(Alert::RotationOverdue)
}
