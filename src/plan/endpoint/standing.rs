//! How an endpoint stands that is as declared, or was switched off at the provider: what the status says of it
//! (rules.md *Switched off remotely*, *Delivery gaps*, *Keys and the Secret*).

use std::time::Duration;

use super::correct::switched_off;
use super::draft::Draft;
use super::{EndpointInput, EndpointPlan, EndpointStep, SecretView, rejected, secret_name};
use crate::api::endpoint::{GapCause, Reactivation, SigningSecretStatus, SubscriptionCounts};
use crate::api::rotation::RotationPhase;
use crate::api::{ConditionType, Reason};
use crate::plan::condition::{Is, Report, Verdict, find};
use crate::plan::gaps::{self, Loss};
use crate::plan::reactivation::{self, Next};
use crate::plan::rotation::{Pair, due};
use crate::plan::{Note, wire_time};
use crate::provider::model::{Absence, RemoteEndpoint, RemoteId};
use crate::signing::SecretText;

/// How an endpoint stands.
pub(in crate::plan) struct Standing {
    /// What is to be said.
    pub(in crate::plan) report: Report,
    /// When to look again.
    again: Option<Duration>,
    /// Switched off remotely, and to be switched on now.
    reactivate: Option<RemoteId>,
    /// What would be done, were it allowed.
    lines: Vec<String>,
    off: bool,
}

impl Standing {
    /// Whether it was switched off at the provider.
    pub(in crate::plan) fn is_off(&self) -> bool {
        self.off
    }

    /// Something else has to be said of it, for a time.
    pub(in crate::plan) fn instead(&mut self, report: Report, left: Duration) {
        let others = std::mem::take(&mut self.report.others);
        self.report = Report { others, ..report };
        self.again = self.again.into_iter().chain([left]).min();
    }

    /// What would be done about it besides, were it allowed.
    pub(in crate::plan) fn would(&mut self, line: String) {
        self.lines.push(line);
    }

    /// Writes it, and plans again.
    pub(in crate::plan) fn acknowledge(self, draft: Draft<'_>) -> EndpointPlan {
        draft.acknowledge(self.report)
    }

    /// Nothing else is to be done; `again` is when the caller wants to look again.
    pub(in crate::plan) fn rest(self, mut draft: Draft<'_>, again: Option<Duration>) -> EndpointPlan {
        if let Some(id) = self.reactivate {
            let text = format!("remote endpoint {id} was switched off at the provider; switched it on again");
            draft.notes.push(Note::warning("Reactivated", "Reactivate", text));
            return draft.step(EndpointStep::Reactivate(id));
        }
        if !self.lines.is_empty() {
            return draft.would_and_says(self.lines, self.report.others);
        }
        let again = self.again.into_iter().chain(again).min();
        draft.finish(self.report, EndpointStep::Rest, again)
    }
}

/// Everything is there: what there is to say.
pub(in crate::plan) fn standing(
    input: &EndpointInput<'_>,
    draft: &mut Draft<'_>,
    endpoint: &RemoteEndpoint,
) -> Standing {
    let spec = &input.object.spec;
    note_key(input, draft, endpoint);
    let before = pairs(draft.status.subscriptions);
    draft.status.active = Some(endpoint.active);
    draft.status.subscriptions =
        input.remote.rows.or(draft.status.subscriptions).or(Some(SubscriptionCounts::default()));
    draft.status.reactivation = reactivation::counted(
        draft.status.reactivation.take(),
        input.memory.reactivated,
        endpoint.active,
        input.now,
        input.timing,
    );
    let published = published(input, draft, endpoint);
    if switched_off(input, endpoint) {
        let pairs = before.max(pairs(draft.status.subscriptions));
        return off(input, draft, endpoint, published, pairs);
    }
    if published.reason == Reason::KeyLost {
        lost_key(input, draft);
    } else {
        close_gaps(input, draft);
    }
    let (report, active) = if spec.active {
        let active = Verdict::new(ConditionType::Active, Is::True, Reason::Delivering, "deliveries are on");
        (Report::ready(Reason::InSync, "the remote endpoint is as declared"), active)
    } else {
        let active = Verdict::new(ConditionType::Active, Is::False, Reason::AsDeclared, "spec.active is false");
        (Report::ready(Reason::InSync, "the remote endpoint is as declared, and switched off by spec.active"), active)
    };
    let again = reactivation::forgotten_in(draft.status.reactivation.as_ref(), input.now, input.timing);
    let report = match published.reason {
        Reason::KeyLost if due::duplicate_refused(&draft.status) => {
            Report::stalled(Reason::KeyLost, published.message.clone())
        }
        Reason::KeyLost => Report::waiting(Reason::KeyLost, published.message.clone()),
        _ => report,
    };
    Standing { report: report.with(published).with(active), again, reactivate: None, lines: Vec::new(), off: false }
}

/// Fingerprint and age of the key, as far as they are known.
fn note_key(input: &EndpointInput<'_>, draft: &mut Draft<'_>, endpoint: &RemoteEndpoint) {
    let current = match &input.secret {
        SecretView::Ours { current: Some(current), .. } => Some(current.fingerprint()),
        _ => endpoint.key.as_ref().map(SecretText::fingerprint),
    };
    let known = draft.status.signing_secret.take();
    let last = due::last(known.as_ref(), &input.secret);
    let runs = draft.status.rotation.as_ref().is_some_and(|rotation| rotation.phase.is_some());
    let next = last.filter(|_| !runs).and_then(|last| due::next(input.object, last));
    // Where the provider hides the key, the fingerprint is the only evidence of what was published: it changes with what
    // this operator writes, never with what it finds.
    let fingerprint = match known {
        Some(known) if endpoint.key.is_none() => Some(known.fingerprint),
        _ => current,
    };
    draft.status.signing_secret = fingerprint.map(|fingerprint| SigningSecretStatus {
        name: secret_name(input.object),
        fingerprint,
        last_rotation_time: last.map(wire_time),
        next_rotation_time: next.map(wire_time),
    });
}

fn published(input: &EndpointInput<'_>, draft: &Draft<'_>, endpoint: &RemoteEndpoint) -> Verdict {
    let name = secret_name(input.object);
    if key_is_lost(input, endpoint) && due::duplicate_refused(&draft.status) {
        let message = format!(
            "the Secret {name:?} does not hold the signing key, the provider does not show it, and it refuses a second endpoint with this target URL, which would have a new one: change spec.targetUrl (another path or query that reaches the same receiver). Until then receivers cannot verify anything; status.deliveryGaps says what to fetch"
        );
        return Verdict::new(ConditionType::SecretPublished, Is::False, Reason::KeyLost, message);
    }
    if key_is_lost(input, endpoint) {
        let message = format!(
            "the Secret {name:?} does not hold the signing key, and the provider does not show it: it is replaced by a new one now. Receivers cannot verify what was signed with the lost key; see status.deliveryGaps for what to fetch"
        );
        return Verdict::new(ConditionType::SecretPublished, Is::False, Reason::KeyLost, message);
    }
    let message = format!("the Secret {name:?} holds the signing key under \"current\"");
    Verdict::new(ConditionType::SecretPublished, Is::True, Reason::Published, message)
}

/// rules.md *Keys and the Secret*: lists hide the key, and the Secret does not hold what was published.
pub(in crate::plan) fn key_is_lost(input: &EndpointInput<'_>, endpoint: &RemoteEndpoint) -> bool {
    if endpoint.key.is_some() {
        return false;
    }
    let known = input.object.status.as_ref().and_then(|status| status.signing_secret.as_ref());
    let holds = |key: &Option<SecretText>| {
        key.as_ref().is_some_and(|key| known.is_none_or(|known| known.fingerprint == key.fingerprint()))
    };
    match &input.secret {
        // Two were written together: one that is known vouches for the other.
        SecretView::Ours { current, previous: Some(previous), .. } => {
            !holds(current) && !holds(&Some(previous.clone()))
        }
        SecretView::Ours { current, .. } => !holds(current),
        SecretView::Missing | SecretView::Foreign => true,
    }
}

/// rules.md *Delivery gaps*: what has lasted ends with the confirmed repair, that is once everything here delivers again.
///
/// The endpoint itself is as declared here: a remote that is off where we want it on is [`off`] or patched before.
pub(in crate::plan) fn close_gaps(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    if input.unsettled_subscriptions > 0 {
        return;
    }
    for cause in [GapCause::EndpointSwitchedOff, GapCause::EndpointMissing] {
        draft.close_gap(cause, input.now);
    }
    // Deliveries verify again once they come from the new endpoint of the rotation that follows.
    let own = draft.status.rotation.as_ref().filter(|_| draft.status.remote_id.is_none());
    let phase = Pair::of(&draft.status).map(|pair| pair.phase).or(own.and_then(|rotation| rotation.phase));
    if phase.is_none_or(|phase| matches!(phase, RotationPhase::Draining | RotationPhase::Retiring)) {
        draft.close_gap(GapCause::SigningKeyLost, input.now);
    }
    // Recorded by a process before this one, and repaired: nobody else will tell.
    for cause in [GapCause::SubscriptionsSwitchedOff, GapCause::SubscriptionsMissing] {
        if !input.losses.iter().any(|loss| loss.cause == cause) {
            draft.close_gap(cause, input.now);
        }
    }
}

/// Records that what is delivered cannot be verified any more, since the Secret was last known to be right.
pub(in crate::plan) fn lost_key(input: &EndpointInput<'_>, draft: &mut Draft<'_>) {
    let loss = Loss {
        cause: GapCause::SigningKeyLost,
        from: input.remote.seen_before.unwrap_or(input.last_alive),
        to: None,
        practices: None,
        pairs: pairs(draft.status.subscriptions),
    };
    gaps::open(&mut draft.status.delivery_gaps, &loss);
}

/// Records that nothing arrives from the endpoint any more.
pub(in crate::plan) fn lost(
    input: &EndpointInput<'_>,
    draft: &mut Draft<'_>,
    cause: GapCause,
    absence: Option<Absence>,
) {
    let loss = Loss {
        cause,
        from: absence.and_then(|absence| absence.seen).unwrap_or(input.last_alive),
        to: None,
        practices: None,
        pairs: pairs(draft.status.subscriptions),
    };
    gaps::open(&mut draft.status.delivery_gaps, &loss);
}

/// rules.md *Switched off remotely*.
fn off(
    input: &EndpointInput<'_>,
    draft: &mut Draft<'_>,
    endpoint: &RemoteEndpoint,
    published: Verdict,
    pairs: usize,
) -> Standing {
    let since = endpoint.updated_at.or(input.remote.seen_before).unwrap_or(input.last_alive).min(input.now);
    gaps::open(
        &mut draft.status.delivery_gaps,
        &Loss {
            cause: GapCause::EndpointSwitchedOff,
            from: gaps::before_switch_off(since, input.timing),
            to: None,
            practices: None,
            pairs,
        },
    );
    let policy = input.object.spec.reactivation;
    let said = input.object.status.iter().flat_map(|status| find(&status.conditions, ConditionType::Active));
    let found = said
        .filter(|active| active.reason == Reason::SwitchedOffRemotely.as_str())
        .map(|active| active.last_transition_time.0);
    let found = found.min().unwrap_or(input.now);
    let next = reactivation::next(policy, draft.status.reactivation.as_ref(), found, input.now, input.timing);
    let message = match policy {
        Reactivation::Auto => {
            "the provider, or a person there, switched this endpoint off, so no event arrives: make the receiver answer 2xx. It is switched on again by itself, ever more rarely (spec.reactivation: Auto), and at once after any change of the spec"
        }
        Reactivation::Never => {
            "the provider, or a person there, switched this endpoint off, so no event arrives: make the receiver answer 2xx, then change the spec (for instance spec.active: false and back, or spec.reactivation: Auto) to switch it on again"
        }
    };
    let active = Verdict::new(ConditionType::Active, Is::False, Reason::SwitchedOffRemotely, message);
    let mut state = Standing {
        report: match reactivation::is_stalled(policy, draft.status.reactivation.as_ref()) {
            true => Report::stalled(Reason::SwitchedOffRemotely, message),
            false => Report::waiting(Reason::SwitchedOffRemotely, message),
        },
        again: None,
        reactivate: None,
        lines: Vec::new(),
        off: true,
    };
    if draft.is_frozen() {
        let id = &endpoint.id;
        let line = format!("switch remote endpoint {id} on again, which was switched off at the provider");
        state.lines.extend((next != Next::Never).then_some(line));
    } else if let Some(refusal) = input.memory.refused.filter(|refusal| refusal.holds(input.now, input.timing)) {
        state.report = rejected(refusal);
        state.again = Some(refusal.left(input.now, input.timing));
    } else {
        match next {
            Next::Now => state.reactivate = Some(endpoint.id.clone()),
            Next::Wait(wait) => state.again = Some(wait),
            Next::Never => {}
        }
    }
    state.report.others.extend([published, active]);
    state
}

/// Pairs that delivered.
fn pairs(counts: Option<SubscriptionCounts>) -> usize {
    counts.map_or(0, |counts| usize::try_from(counts.active).unwrap_or_default())
}
