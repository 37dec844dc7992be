//! What a subscription says once it is at rest: failures of single items, and events the catalogue does not know.

use super::Refusal;
use super::condition::{Is, Report, Verdict, bounded};
use super::nearest::did_you_mean_event;
use super::pairs::Item;
use crate::api::condition::ItemReason;
use crate::api::subscription::ItemFailure;
use crate::api::{ConditionType, Reason, WebhookSubscriptionSpec};
use crate::provider::model::Catalogue;

/// One pair that failed.
#[derive(Clone, Debug)]
pub struct Failure {
    practice: Option<String>,
    event: String,
    reason: ItemReason,
    message: String,
}

impl Failure {
    /// A failure of this item.
    pub fn new(item: &Item, reason: ItemReason, message: &str) -> Self {
        let practice = item.practice.as_deref().map(str::to_owned);
        Self { practice, event: item.event.to_string(), reason, message: message.to_owned() }
    }

    /// A practice that the key no longer reaches, under `allPractices`: nothing that is declared lacks.
    pub fn practice_left(name: &str) -> Self {
        let message =
            "the key no longer reaches this practice; what is subscribed there stays for a day, in case it comes back";
        Self {
            practice: Some(name.to_owned()),
            event: "*".to_owned(),
            reason: ItemReason::PracticeUnreachable,
            message: message.to_owned(),
        }
    }

    /// In one word.
    pub fn reason(&self) -> ItemReason {
        self.reason
    }

    /// A refusal by the provider.
    pub fn refused(item: &Item, refusal: Refusal) -> Self {
        let advice = match refusal.status {
            403 => "the key may not use this event for this practice: have it granted by the provider, or remove it",
            _ => "check the event's name and resourceType, or whether the provider offers it to this key",
        };
        let message = format!("refused by the provider (HTTP {}): {advice}", refusal.status);
        Self::new(item, ItemReason::Rejected, &message)
    }

    /// As it stands in the status.
    pub fn stored(&self) -> ItemFailure {
        ItemFailure {
            practice: self.practice.clone(),
            event: self.event.clone(),
            reason: self.reason.as_str().to_owned(),
            message: bounded(self.message.clone()),
        }
    }
}

/// The summary of an object at rest. Nothing in the message counts or changes from pass to pass.
pub fn settled_report(items: usize, failures: &[Failure], silent: Option<&'static str>) -> Report {
    let Some(first) = failures.first() else {
        return match silent {
            Some(why) => Report::waiting(Reason::EndpointInactive, why),
            None => Report::ready(Reason::InSync, "every declared subscription is at the provider as declared"),
        };
    };
    let only = |reason| failures.iter().all(|failure| failure.reason == reason);
    let reason = if only(ItemReason::SwitchedOffRemotely) {
        Reason::SwitchedOffRemotely
    } else if only(ItemReason::DeclaredElsewhere) {
        Reason::DeclaredElsewhere
    } else if only(ItemReason::Contended) {
        Reason::Contended
    } else if failures.len() == items {
        Reason::Rejected
    } else {
        Reason::PartlyRejected
    };
    let of = first.practice.as_deref().map(|practice| format!(" of {practice}")).unwrap_or_default();
    let rest = if failures.len() > 1 { " (status.failures names the others)" } else { "" };
    Report::stalled(reason, format!("{}{of}: {}{rest}", first.event, first.message))
}

/// `KnownEvents`: informs, and never touches Ready, because the provider decides.
pub fn known_events(spec: &WebhookSubscriptionSpec, catalogue: &Catalogue) -> Verdict {
    let mut unknown = Vec::new();
    for event in &spec.events {
        match (catalogue.find(&event.event), &event.resource_type) {
            (Some(known), Some(written)) if **written != *known.resource_type => {
                unknown.push(format!("{} belongs to resourceType {}, not {written}", event.event, known.resource_type));
            }
            (Some(_), _) => {}
            (None, _) => {
                unknown.push(format!("{}{}", event.event, did_you_mean_event(&event.event, catalogue)));
            }
        }
    }
    if unknown.is_empty() {
        return Verdict::new(ConditionType::KnownEvents, Is::True, Reason::AllKnown, "every event is in the catalogue");
    }
    let message = format!(
        "not in the provider's catalogue: {}. Where resourceType is set it is sent all the same, and the provider decides",
        unknown.join("; ")
    );
    Verdict::new(ConditionType::KnownEvents, Is::False, Reason::UnknownEvents, message)
}
