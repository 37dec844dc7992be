//! Rows of subscriptions.

use super::Beside::{AtRest, Reconciling, Stalled};
use super::{Alert, Row, SUBSCRIPTION, other, ready};
use crate::api::condition::ConditionType::KnownEvents;
use crate::api::condition::Is::{False, True, Unknown};
use crate::api::condition::Reason;

pub(super) const ROWS: &[Row] = &[
    ready(SUBSCRIPTION, True, &[Reason::InSync], AtRest, "the provider has what is declared", ""),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::EndpointNotFound],
        Reconciling,
        "no endpoint of that name, or it is being deleted",
        "correct `spec.endpointRef.name`, or create it",
    ),
    ready(
        SUBSCRIPTION,
        Unknown,
        &[Reason::EndpointNotReady],
        Reconciling,
        "the endpoint has no remote id with a published key yet",
        "mend the endpoint: its alert tells",
    )
    .quiet(),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::EndpointInactive],
        Reconciling,
        "the endpoint is off, so nothing is delivered",
        "`spec.active: true` on the endpoint, or see its `Active`",
    )
    .quiet(),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::Rejected],
        Stalled,
        "the provider said no to all of it",
        "by `status.failures`. Believed for six hours, or until the spec or the account changes",
    ),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::PartlyRejected],
        Stalled,
        "some items failed, the rest works",
        "by `status.failures`",
    ),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::DeclaredElsewhere],
        Stalled,
        "another object declares the same pairs active",
        "let `spec.active` agree",
    ),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::RemoteExists],
        Stalled,
        "somebody else's webhook delivers a declared event to the same URL, and each would arrive twice; the others are registered",
        "delete it at the provider, or give the endpoint another path or query",
    ),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::Contended],
        Stalled,
        "somebody outside the cluster changed it back three times in half an hour; left alone for six hours",
        "find the other writer (a second cluster, a script, a person). Any change of the spec tries again",
    ),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::SwitchedOffRemotely],
        Stalled,
        "subscriptions are switched off at the provider",
        "mend the receiver. With `reactivation: Auto` on the endpoint they are switched on again after 10 min, 1 h, 6 h, then daily; any change of the spec does so at once",
    )
    .either()
    .by(Alert::EndpointSwitchedOff),
    ready(
        SUBSCRIPTION,
        False,
        &[Reason::RemoteNotDeleted],
        Stalled,
        "the provider refuses to delete a subscription that is no longer declared",
        "delete it there",
    ),
    other(SUBSCRIPTION, KnownEvents, True, &[Reason::AllKnown], "every declared event is in the catalogue", ""),
    other(
        SUBSCRIPTION,
        KnownEvents,
        False,
        &[Reason::UnknownEvents],
        "some are not; the message names the nearest. Where `resourceType` is set they are sent all the same, and the provider decides",
        "correct the event, or nothing if the provider takes it",
    ),
];
