//! The alert rules: what each alert asks of the metrics.

use external_webhooks::api::ConditionType;
use external_webhooks::api::condition::Is;
use external_webhooks::api::table::Alert;

use crate::selectors::{all_but, exactly};

/// One alert as Prometheus takes it.
pub struct Rule {
    /// The query; the alert fires for each series that it answers.
    pub expr: String,
    /// For how long it must answer.
    pub lasting: &'static str,
    /// For how long it goes on firing, so that a short recovery is not a second alert.
    pub keep: Option<&'static str>,
    /// One line.
    pub summary: &'static str,
    /// What is at stake.
    pub description: &'static str,
}

/// Two replicas, and a leader that changes, are one series.
const OBJECT: &str = "kind, namespace, name";

/// A line that begins with the object.
macro_rules! about {
    ($text:literal) => {
        concat!("{{ $labels.kind }} {{ $labels.namespace }}/{{ $labels.name }} ", $text)
    };
}

/// How an alert is computed. Exhaustive, so that a new alert is not forgotten.
pub fn rule(alert: Alert) -> Rule {
    match alert {
        Alert::NotReady => Rule {
            expr: format!(
                "max by ({OBJECT}, reason) (\n  {}\n)\nunless on ({OBJECT})\n  external_webhooks_condition{{type=\"Stalled\",status=\"True\"}} == 1",
                all_but(alert, ConditionType::Ready, &[Is::False, Is::Unknown])
            ),
            lasting: "15m",
            keep: Some("5m"),
            summary: about!("is not ready: {{ $labels.reason }}"),
            description: "It waits for something that does not come. What exists at the provider stays as it is.",
        },
        Alert::Stalled => Rule {
            expr: format!("max by ({OBJECT}, reason) (\n  {}\n)", all_but(alert, ConditionType::Stalled, &[Is::True])),
            lasting: "5m",
            keep: None,
            summary: about!("waits for a person: {{ $labels.reason }}"),
            description: "Only a person or a change of its spec or references is expected to help; its message names the field.",
        },
        Alert::DeletionBlocked => Rule {
            expr: format!("max by ({OBJECT}) (external_webhooks_deletion_blocked_seconds) > 3600"),
            lasting: "5m",
            keep: None,
            summary: about!("cannot be deleted for {{ $value | humanizeDuration }}"),
            description: "Its finalizer stays until the provider has deleted what it made, or somebody gives that up.",
        },
        Alert::RotationOverdue => Rule {
            expr: format!(
                "max by ({OBJECT}) ({})\nor\ntime() - max by ({OBJECT}) (external_webhooks_secret_rotation_due_timestamp_seconds) > 7200",
                exactly(alert)
            ),
            lasting: "10m",
            keep: None,
            summary: about!("keeps an old signing key"),
            description: "The key could not be replaced when it was due. Events go on arriving, signed with a key that is in the Secret.",
        },
        Alert::SigningKeyLost => Rule {
            expr: format!("max by ({OBJECT}) ({})", exactly(alert)),
            lasting: "1m",
            keep: None,
            summary: about!("has lost its signing key"),
            description: "The Secret does not hold the key and the provider does not show it: receivers that start now refuse every event.",
        },
        Alert::EndpointSwitchedOff => Rule {
            expr: format!("max by ({OBJECT}) ({})", exactly(alert)),
            lasting: "5m",
            keep: None,
            summary: about!("is switched off at the provider"),
            description: "No event arrives, and those of the 48 hours before were refused by the receiver.",
        },
        Alert::DeliveryGap => Rule {
            // The second half is for a gap that was counted before the first scrape of a new process.
            expr: format!(
                "sum by ({OBJECT}) (increase(external_webhooks_delivery_gap_seconds_total[6h])) > 0\nor\nmax by ({OBJECT}) (\n  external_webhooks_delivery_gap_seconds_total > 0 unless external_webhooks_delivery_gap_seconds_total offset 6h\n)"
            ),
            lasting: "0m",
            keep: None,
            summary: about!("missed events for {{ $value | humanizeDuration }}"),
            description: "The gap is over. What happened in it does not come again and has to be fetched.",
        },
        Alert::ReceiverFailsTest => Rule {
            expr: format!("max by ({OBJECT}, reason) (\n  {}\n)", exactly(alert)),
            lasting: "1h",
            keep: None,
            summary: about!("has a receiver that fails the self-test: {{ $labels.reason }}"),
            description: "It refuses what the provider signs, takes what nobody signed, or cannot be reached.",
        },
        Alert::CertificateExpires => Rule {
            expr: format!(
                "max by ({OBJECT}) (last_over_time(external_webhooks_target_certificate_expiry_timestamp_seconds[2d])) - time() < 14 * 86400\nand on ({OBJECT})\n  external_webhooks_condition{{type=\"Ready\",status=\"True\"}}"
            ),
            lasting: "1h",
            keep: None,
            summary: about!("has a receiver whose certificate ends in {{ $value | humanizeDuration }}"),
            description: "After that the provider refuses to deliver.",
        },
        Alert::PracticeStale => Rule {
            expr: format!(
                "count by (namespace) (\n  max by ({OBJECT}) ({})\n  and on ({OBJECT})\n    max by ({OBJECT}) (external_webhooks_office_open) == 1\n)",
                all_but(alert, ConditionType::SyncHealthy, &[Is::False])
            ),
            lasting: "5m",
            keep: None,
            summary: "{{ $value }} PracticeSyncMonitors in {{ $labels.namespace }} say that data is not fresh",
            description: "What these practices do does not reach you, or what you write does not reach them. Only open practices count.",
        },
        Alert::ProviderWideOutage => Rule {
            expr: format!(
                "max by ({OBJECT}) (external_webhooks_condition{{type=\"ProviderWideOutage\",status=\"True\"}}) == 1"
            ),
            lasting: "1m",
            keep: Some("10m"),
            summary: about!("sees many practices go bad at once"),
            description: "So many at a time is the provider, not the practices.",
        },
        Alert::AccountUnavailable => Rule {
            expr: format!(
                "max by ({OBJECT}, reason) (\n  {}\n)",
                all_but(alert, ConditionType::Ready, &[Is::False, Is::Unknown])
            ),
            lasting: "10m",
            keep: Some("10m"),
            summary: about!("cannot be used: {{ $labels.reason }}"),
            description: "Nothing that uses this account is made, repaired or watched. Events go on arriving.",
        },
        Alert::BudgetExhausted => Rule {
            expr: "max by (provider, account) (max_over_time(external_webhooks_provider_budget_ratio[15m])) < 0.1"
                .to_owned(),
            lasting: "15m",
            keep: None,
            summary: "The call budget of {{ $labels.account }} at {{ $labels.provider }} is used up",
            description: "Changes wait for spec.rateLimit, and take longer the more there are.",
        },
        Alert::OperatorAbsent => Rule {
            expr: "absent(external_webhooks_leader)".to_owned(),
            lasting: "10m",
            keep: None,
            summary: "No external-webhooks operator is scraped",
            description: "Nothing is made, repaired, rotated or watched. Events go on arriving.",
        },
        Alert::NoLeader => Rule {
            expr: "sum by (job, namespace) (external_webhooks_leader) == 0".to_owned(),
            lasting: "5m",
            keep: None,
            summary: "No external-webhooks operator in {{ $labels.namespace }} leads",
            description: "Processes run and none works. Events go on arriving.",
        },
    }
}
