//! What a subscription says once it is at rest: failures of single items, and events the catalogue does not know.

use super::Refusal;
use super::condition::{Is, Report, Verdict, bounded};
use super::nearest::did_you_mean_event;
use super::pairs::Item;
use super::row_calls::MADE_OTHERWISE;
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
        if refusal.status == MADE_OTHERWISE {
            let message = "the provider made a subscription for another practice, resourceType or event than asked for, which was taken back: check the event's name and resourceType against the provider's own";
            return Self::new(item, ItemReason::Rejected, message);
        }
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
    } else if only(ItemReason::RemoteExists) {
        Reason::RemoteExists
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
            (Some(known), Some(written)) if !catalogue.name_alone && **written != *known.resource_type => {
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
    let sent = match catalogue.name_alone {
        true => "They are sent",
        false => "Where resourceType is set it is sent",
    };
    let message = format!(
        "not in the provider's catalogue: {}. {sent} all the same, and the provider decides",
        unknown.join("; ")
    );
    Verdict::new(ConditionType::KnownEvents, Is::False, Reason::UnknownEvents, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::model::KnownEvent;
    use jiff::Timestamp;

    fn item(practice: Option<&str>) -> Item {
        use crate::plan::pairs::ItemProblem;
        let key = Err(ItemProblem { reason: ItemReason::Rejected, message: String::new() });
        Item { practice: practice.map(Into::into), event: "patient_created".into(), key }
    }

    fn ready(report: &Report) -> (String, String, String) {
        let conditions = report.conditions(&[], 1, Timestamp::UNIX_EPOCH);
        let ready = conditions.iter().find(|condition| condition.type_ == "Ready").unwrap();
        let progress = conditions.iter().map(|condition| condition.type_.as_str()).find(|kind| *kind != "Ready");
        (format!("{}/{}", ready.status, ready.reason), progress.unwrap_or("at rest").to_owned(), ready.message.clone())
    }

    #[test]
    fn a_refusal_says_what_the_provider_said_and_what_to_do() {
        for (status, says, remedy) in [
            (MADE_OTHERWISE, "made a subscription for another practice", "check the event's name"),
            (403, "(HTTP 403)", "have it granted by the provider"),
            (422, "(HTTP 422)", "check the event's name"),
        ] {
            let at = Timestamp::UNIX_EPOCH;
            let stored = Failure::refused(&item(Some("a")), Refusal { status, at }).stored();
            assert_eq!((stored.practice.as_deref(), stored.event.as_str()), (Some("a"), "patient_created"));
            assert!(stored.reason == "Rejected" && stored.message.contains(says), "{status}: {}", stored.message);
            assert!(stored.message.contains(remedy), "{status}: {}", stored.message);
        }
    }

    #[test]
    fn an_object_at_rest_says_the_reason_of_its_failures_and_names_the_first() {
        use ItemReason::{Contended, DeclaredElsewhere, Rejected, SwitchedOffRemotely};
        let cases: [(&[ItemReason], &str); 8] = [
            (&[SwitchedOffRemotely], "False/SwitchedOffRemotely"),
            (&[DeclaredElsewhere, DeclaredElsewhere], "False/DeclaredElsewhere"),
            (&[Contended], "False/Contended"),
            (&[Rejected], "False/PartlyRejected"),
            (&[Rejected, Rejected, Rejected], "False/Rejected"),
            (&[Contended, Contended, Contended], "False/Contended"),
            (&[Contended, Rejected], "False/PartlyRejected"),
            (&[SwitchedOffRemotely, Rejected, Rejected], "False/Rejected"),
        ];
        for (reasons, says) in cases {
            let fail = |reason: &ItemReason| Failure::new(&item(Some("a")), *reason, "because");
            let failures: Vec<Failure> = reasons.iter().map(fail).collect();
            let rest = if reasons.len() > 1 { " (status.failures names the others)" } else { "" };
            let message = format!("patient_created of a: because{rest}");
            assert_eq!(ready(&settled_report(3, &failures, Some("silent"))), (says.into(), "Stalled".into(), message));
        }
        let (says, progress, message) = ready(&settled_report(3, &[], Some("silent")));
        assert_eq!([says.as_str(), &progress, &message], ["False/EndpointInactive", "Reconciling", "silent"]);
        assert_eq!(ready(&settled_report(3, &[], None)).0, "True/InSync");
        let of_the_account = [Failure::new(&item(None), Rejected, "because")];
        assert_eq!(ready(&settled_report(1, &of_the_account, None)).2, "patient_created: because");
    }

    #[test]
    fn events_are_known_by_name_and_type() {
        let known = KnownEvent {
            resource_type: "Patient".into(),
            event: "patient_created".into(),
            practice_scoped: true,
            delivered: Vec::new(),
        };
        let catalogue = Catalogue { events: vec![known], ..Catalogue::default() };
        for (resource_type, event, unknown) in [
            (None, "patient_created", None),
            (Some("Patient"), "patient_created", None),
            (Some("Person"), "patient_created", Some("patient_created belongs to resourceType Patient, not Person.")),
            (None, "patient_made", Some("patient_made (did you mean patient_created?).")),
            (Some("Patient"), "zzz", Some("not in the provider's catalogue: zzz.")),
        ] {
            let spec = serde_json::json!({"endpointRef": {"name": "intake"}, "practices": ["a"],
                "events": [{"resourceType": resource_type, "event": event}]});
            let report = Report::ready(Reason::InSync, "")
                .with(known_events(&serde_json::from_value(spec).unwrap(), &catalogue));
            let conditions = report.conditions(&[], 1, Timestamp::UNIX_EPOCH);
            let said = conditions.iter().find(|condition| condition.type_ == "KnownEvents").unwrap();
            assert_eq!(said.status == "True", unknown.is_none(), "{resource_type:?} {event}: {}", said.message);
            assert!(said.message.contains(unknown.unwrap_or_default()), "{}", said.message);
        }
    }
}
