//! Rows of endpoints, but for rotation and self-test.

use super::Beside::{AtRest, Stalled};
use super::{Alert, ENDPOINT, Row, other, ready};
use crate::api::condition::ConditionType::{Active, SecretPublished};
use crate::api::condition::Is::{False, True};
use crate::api::condition::Reason;

pub(super) const ROWS: &[Row] = &[
    ready(ENDPOINT, True, &[Reason::InSync], AtRest, "the provider has what is declared", ""),
    ready(
        ENDPOINT,
        True,
        &[Reason::Unmanaged],
        AtRest,
        "the provider has nothing to register: the key is published, and people arrange the rest",
        "give the provider's support what the message names",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::RemoteNotDeleted],
        Stalled,
        "the provider refuses to delete a webhook that has the former URL",
        "delete it there",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::Rejected],
        Stalled,
        "the provider said no",
        "by the message. Believed for six hours, or until the spec or the account changes",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::InsecureTarget],
        Stalled,
        "`http` would send health data unencrypted",
        "`https`, or `allowInsecureTargets` on a sandbox account",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::InvalidSpec],
        Stalled,
        "stored under older rules, and cannot be used as it stands",
        "correct the field that the message names",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::Conflict],
        Stalled,
        "another object has the same URL",
        "another path or query, or use that object",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::RemoteExists],
        Stalled,
        "the provider has an endpoint with this URL that is not ours",
        "`adoption: IfUnclaimed` or `adoptRemoteId` takes it over; else delete it there, or another path or query",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::AmbiguousRemote],
        Stalled,
        "several unclaimed endpoints have this URL",
        "`adoptRemoteId` with one of the ids that the message names",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::CannotAdopt],
        Stalled,
        "the endpoint that `adoptRemoteId` names is not there, is held by another object, or delivers elsewhere",
        "by the message, which says which",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::Contended],
        Stalled,
        "somebody outside the cluster changed it back three times in half an hour; left alone for six hours",
        "find the other writer (a second cluster, a script, a person). Any change of the spec tries again",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::SecretConflict],
        Stalled,
        "a Secret of the wanted name is somebody else's; it is never overwritten",
        "remove it, or make the endpoint anew with another `signingSecret.name`",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::KeyUnreadable],
        Stalled,
        "the provider hides the key, and the Secret lacks it",
        "have the provider return `secret_key` to this account's API key, or delete and create the endpoint",
    ),
    ready(
        ENDPOINT,
        False,
        &[Reason::KeyLost],
        Stalled,
        "the Secret lost the key, and the provider does not show it; a rotation begins by itself",
        "[the Secret is gone or damaged](receivers.md#the-secret-is-gone-or-damaged)",
    )
    .either()
    .by(Alert::SigningKeyLost),
    ready(
        ENDPOINT,
        False,
        &[Reason::SwitchedOffRemotely],
        Stalled,
        "switched off there: NexHealth does so after 48 h of failed deliveries, for all practices at once",
        "mend the receiver. With `reactivation: Auto` it is switched on again after 10 min, 1 h, 6 h, then daily; any change of the spec does so at once. Then see [delivery gaps](operations.md#delivery-gaps)",
    )
    .either()
    .by(Alert::EndpointSwitchedOff),
    other(ENDPOINT, SecretPublished, True, &[Reason::Published], "the Secret holds the signing key", ""),
    other(
        ENDPOINT,
        SecretPublished,
        False,
        &[Reason::KeyLost],
        "the Secret does not hold the key, and the provider does not show it",
        "see `Ready`",
    )
    .by(Alert::SigningKeyLost),
    other(
        ENDPOINT,
        SecretPublished,
        False,
        &[Reason::SecretConflict, Reason::KeyUnreadable],
        "the key cannot be published",
        "see `Ready`",
    ),
    other(ENDPOINT, Active, True, &[Reason::Delivering], "deliveries are on", ""),
    other(ENDPOINT, Active, False, &[Reason::AsDeclared], "`spec.active` is false", ""),
    other(
        ENDPOINT,
        Active,
        False,
        &[Reason::SwitchedOffRemotely],
        "the provider, or a person there, switched it off, so no event arrives",
        "see `Ready`",
    )
    .by(Alert::EndpointSwitchedOff),
];
