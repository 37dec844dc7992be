//! What the status says of an object whose key we make.

use std::time::Duration;

use super::moving::{Moving, Why};
use super::{OwnKeyInput, keys};
use crate::api::endpoint::{SigningSecretStatus, SubscriptionCounts};
use crate::api::rotation::RotationPhase;
use crate::api::{ConditionType, Reason};
use crate::plan::condition::{Is, Report, Verdict};
use crate::plan::endpoint::{Draft, EndpointPlan, close_gaps, progressing, secret_name};
use crate::plan::rotation::{Cause, Source, due};
use crate::plan::row_calls::RowCall;
use crate::plan::{target, wire_time};

/// What is to be said.
pub(super) struct Said<'a> {
    report: Report,
    own: &'a OwnKeyInput<'a>,
}

impl Said<'_> {
    /// Writes it, and plans again.
    pub(super) fn acknowledge(self, draft: Draft<'_>) -> EndpointPlan {
        draft.acknowledge(self.report)
    }

    /// When to look again at what cannot be moved. Nothing of ours changes when somebody else's webhook goes.
    fn retry(&self, why: &Why) -> Duration {
        let input = &self.own.endpoint;
        match why {
            Why::Refused(refusal) => refusal.left(input.now, input.timing),
            Why::Stranger(_) => input.timing.retry_rows,
        }
    }

    /// Nothing else is to be done now.
    pub(super) fn rest(self, draft: Draft<'_>, moving: &Moving, again: Option<Duration>) -> EndpointPlan {
        let running = draft.status.rotation.as_ref().is_some_and(|rotation| rotation.phase.is_some());
        let wait = match moving {
            Moving::Wait(wait) => *wait,
            Moving::Stuck(_, why) => Some(self.retry(why)),
            Moving::Do(_) | Moving::Look(_) | Moving::Empty => None,
        };
        let again = again.into_iter().chain(wait).min();
        let report = match moving {
            // Ready stays True during a rotation, and what sticks is said by RotationOverdue.
            _ if running => self.report,
            Moving::Empty => self.report,
            Moving::Stuck(id, why) => instead(not_moved(id.as_str(), why, self.own.provider), self.report),
            Moving::Wait(_) | Moving::Do(_) | Moving::Look(_) => {
                instead(progressing("webhooks are made anew at the provider, and the former ones deleted"), self.report)
            }
        };
        draft.rest(report, again)
    }
}

fn instead(report: Report, of: Report) -> Report {
    Report { others: of.others, ..report }
}

fn not_moved(id: &str, why: &Why, provider: &str) -> Report {
    let message = match why {
        Why::Refused(refusal) => format!(
            "{provider} refuses to replace or delete webhook {id}, which is no longer as declared (HTTP {}): delete it there",
            refusal.status
        ),
        Why::Stranger(other) => format!(
            "webhook {id} still has the former URL, and {provider} has webhook {other} of its event with the new URL, whose key nobody knows: delete {other} there"
        ),
    };
    Report::stalled(Reason::RemoteNotDeleted, message)
}

/// Fingerprint and age of the newest key that is known to be published.
pub(super) fn note_key(own: &OwnKeyInput<'_>, draft: &mut Draft<'_>, fingerprint: &str) {
    let object = own.endpoint.object;
    let last = due::last(draft.status.signing_secret.as_ref(), &own.endpoint.secret);
    let runs = draft.status.rotation.as_ref().is_some_and(|rotation| rotation.phase.is_some());
    let next = last.filter(|_| !runs).and_then(|last| due::next(object, last));
    draft.status.signing_secret = Some(SigningSecretStatus {
        name: secret_name(object),
        fingerprint: fingerprint.to_owned(),
        last_rotation_time: last.map(wire_time),
        next_rotation_time: next.map(wire_time),
    });
}

/// What there is to say of an object whose Secret and homes were looked at. `besides` is said too.
pub(super) fn of<'a>(own: &'a OwnKeyInput<'a>, draft: &mut Draft<'_>, besides: Option<Verdict>) -> Said<'a> {
    let (input, spec) = (&own.endpoint, &own.endpoint.object.spec);
    let name = secret_name(input.object);
    let fingerprint = draft.status.signing_secret.as_ref().map(|known| known.fingerprint.clone()).unwrap_or_default();
    let at_hand = keys::source(own, &fingerprint);
    let published = match at_hand {
        None => {
            let message = format!(
                "the Secret {name:?} does not hold the signing key, and {} does not show it: it is replaced by a new one now. Receivers cannot verify what was signed with the lost key; see status.deliveryGaps for what to fetch",
                own.provider
            );
            Verdict::new(ConditionType::SecretPublished, Is::False, Reason::KeyLost, message)
        }
        Some(Source::Current | Source::Previous | Source::New | Source::Home(_) | Source::Remote(_)) => {
            let message = format!("the Secret {name:?} holds the signing key under \"current\"");
            Verdict::new(ConditionType::SecretPublished, Is::True, Reason::Published, message)
        }
    };
    let lost = published.reason == Reason::KeyLost;
    if !lost {
        close_gaps(input, draft);
    }
    let report = match (own.registers, lost) {
        (_, true) => Report::waiting(Reason::KeyLost, published.message.clone()),
        (false, _) => Report::ready(Reason::Unmanaged, arrange(own, &name)),
        (true, _) if spec.active => {
            Report::ready(Reason::InSync, "the signing key is published, and webhooks are registered with it")
        }
        (true, _) => Report::ready(
            Reason::InSync,
            "the signing key is published; spec.active is false, so no webhook is registered with it",
        ),
    };
    let mut report = report.with(published);
    if own.registers {
        draft.status.active = Some(spec.active);
        draft.status.subscriptions =
            input.remote.rows.or(draft.status.subscriptions).or(Some(SubscriptionCounts::default()));
        report = report.with(match spec.active {
            true => Verdict::new(ConditionType::Active, Is::True, Reason::Delivering, "deliveries are on"),
            false => Verdict::new(ConditionType::Active, Is::False, Reason::AsDeclared, "spec.active is false"),
        });
    } else if due::cause(input, &draft.status) == Some(Cause::Due) {
        let message = format!(
            "the signing key is due to be replaced, which {} can only learn from a person: set spec.signingSecret.rotation.requestId to a new value, then give them the new key within spec.signingSecret.rotation.overlap. The present key stays in use",
            own.provider
        );
        report = report.with(Verdict::new(ConditionType::RotationOverdue, Is::True, Reason::ArrangedByPeople, message));
    }
    report.others.extend(besides);
    Said { report, own }
}

/// What a person has to do at a static provider. Whether it was done, nothing tells.
fn arrange(own: &OwnKeyInput<'_>, secret: &str) -> String {
    let shown = target::shown(&own.endpoint.object.spec.target_url);
    format!(
        "{} has nothing to register, and nothing tells whether it was arranged: give its support the URL {shown}, an API key of your receiver's, and the key \"current\" of the Secret {secret:?} as the signing key",
        own.provider
    )
}

/// rules.md *Suspend and Observe*: what would be done.
pub(super) fn held_back(
    own: &OwnKeyInput<'_>,
    mut draft: Draft<'_>,
    phase: Option<RotationPhase>,
    moving: &Moving,
) -> EndpointPlan {
    let said = of(own, &mut draft, None);
    let mut lines = Vec::new();
    let here = super::rotation::home_of(
        own,
        &draft.status,
        &draft.status.signing_secret.as_ref().map(|known| known.fingerprint.clone()).unwrap_or_default(),
    );
    if own.registers && draft.status.home.as_deref() != Some(here.as_str()) {
        let shown = target::shown(&own.endpoint.object.spec.target_url);
        lines.push(format!("make every webhook anew with the URL {shown}, and delete the former ones"));
    }
    if let Moving::Do(crate::plan::endpoint::EndpointStep::Rows(calls)) = moving {
        lines.extend(calls.iter().map(|call| match call {
            RowCall::Move { row, .. } => format!("make webhook {} ({}) anew and delete it", row.id, row.event),
            RowCall::Delete { row } | RowCall::Prune { row, .. } | RowCall::Switch { row, .. } => {
                format!("delete webhook {} ({})", row.id, row.event)
            }
            RowCall::Create { key, .. } => format!("make a webhook for {}", key.event),
        }));
    }
    if lines.is_empty() {
        let mut plan = draft.rest(said.report, None);
        let rotation = match phase {
            Some(_) => Some("go on with the key rotation"),
            None => due::cause(&own.endpoint, &own.endpoint.object.status.clone().unwrap_or_default())
                .filter(|cause| own.registers || *cause == Cause::Requested)
                .map(|_| "replace the signing key"),
        };
        plan.status.plan.extend(rotation.map(str::to_owned));
        return plan;
    }
    draft.would_and_says(lines, said.report.others)
}
