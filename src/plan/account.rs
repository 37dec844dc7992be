//! What is said of a `ProviderAccount`, and the world by which it is recognised (rules.md *Outcomes*, *Absence*).

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::Note;
use super::condition::{Is, Report, Verdict, is_true};
use crate::api::account::Scope;
use crate::api::{ConditionType, Reason};

/// Most institution ids in a sample.
const SAMPLE: usize = 32;

/// What was found of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountFinding {
    /// The spec cannot be used; the text says why.
    BadSpec(Reason, String),
    /// The Secret is not there, or somebody replaces it.
    SecretMissing {
        /// Its name.
        secret: String,
        /// The field that names it.
        field: &'static str,
        /// What it is to hold.
        what: &'static str,
    },
    /// The Secret cannot be read.
    SecretForbidden {
        /// Its name.
        secret: String,
        /// The field that names it.
        field: &'static str,
    },
    /// The Secret has no key that can be sent; the text says why.
    KeyUnusable(String),
    /// The provider does not accept the key.
    CredentialsRejected {
        /// What was sent, such as `the API key in the Secret "x"`.
        sent: String,
    },
    /// The answer is another provider's.
    OtherServer {
        /// The provider that the account is for.
        provider: &'static str,
        /// The field of its block.
        field: &'static str,
        /// Whose server it seems to be.
        like: &'static str,
    },
    /// The provider does not answer.
    Unavailable {
        /// What happened.
        cause: String,
    },
    /// A list was refused.
    Refused {
        /// HTTP status.
        status: u16,
    },
    /// The key sees another world than before.
    ScopeSuspect {
        /// Of the world that was known.
        fingerprint: Option<String>,
        /// Whether the key still reaches the practices that were known, and only the endpoints have gone.
        same_practices: bool,
    },
    /// All is well.
    Authenticated,
}

impl AccountFinding {
    /// The report.
    pub fn report(&self) -> Report {
        match self {
            Self::BadSpec(reason, message) => Report::stalled(*reason, message.clone()),
            Self::SecretMissing { secret, field, what } => Report::waiting(
                Reason::SecretMissing,
                format!(
                    "the Secret {secret:?} that {field} names is not there or is being deleted: create it with the {what}"
                ),
            ),
            Self::SecretForbidden { secret, field } => Report::waiting(
                Reason::SecretMissing,
                format!(
                    "the operator may not read the Secret {secret:?} that {field} names: give its ServiceAccount the rights of the chart in the Secret's namespace (in a namespace that is being deleted they go first, and the key in memory serves deletes)"
                ),
            ),
            Self::KeyUnusable(message) => Report::stalled(Reason::CredentialsRejected, message.clone()),
            Self::CredentialsRejected { sent } => Report::stalled(
                Reason::CredentialsRejected,
                format!(
                    "the provider does not accept {sent}: put a valid key there; it is tried at once when the Secret changes"
                ),
            ),
            Self::OtherServer { provider, field, like } => Report::stalled(
                Reason::OtherProvider,
                format!(
                    "the server does not answer as {provider} does, but as {like}: correct spec.baseUrl, or create an account with the block of that provider instead of {field}. What exists stays as it is"
                ),
            ),
            Self::Unavailable { cause } => Report::waiting(
                Reason::ProviderUnavailable,
                format!(
                    "the provider cannot be asked ({cause}); it is tried again by itself. If this lasts, check spec.baseUrl, the network and the provider's status page"
                ),
            ),
            Self::Refused { status } => Report::stalled(
                Reason::Rejected,
                format!(
                    "the provider refuses to list what the key reaches (HTTP {status}): check what the key may do (at NexHealth also spec.nexHealth.apiVersion)"
                ),
            ),
            Self::ScopeSuspect { same_practices: true, .. } => Report::waiting(
                Reason::ScopeSuspect,
                "every endpoint that was known has gone from the provider at once, although the key reaches the same practices: nothing is written for half an hour, in case that is a mistake there; then what is declared is made again by itself. To have it made now, set spec.acceptScope to status.scope.fingerprint",
            ),
            Self::ScopeSuspect { fingerprint, same_practices: false } => {
                let accept = fingerprint.as_ref().map(|fingerprint| {
                    format!(", or, if what it shows now is right, set spec.acceptScope to status.scope.fingerprint ({fingerprint:?})")
                });
                Report::waiting(
                    Reason::ScopeSuspect,
                    format!(
                        "the key no longer shows what this account has seen before, as if it belonged to another organisation: nothing is written remotely. Put the former key back into the Secret{}",
                        accept.unwrap_or_default()
                    ),
                )
            }
            Self::Authenticated => Report::ready(Reason::Authenticated, "the provider accepts the API key"),
        }
    }

    /// Whether only the Secret is lacking: a key that is still in memory may serve deletes.
    pub fn leaves_key_in_memory(&self) -> bool {
        matches!(self, Self::SecretMissing { .. } | Self::SecretForbidden { .. })
    }

    /// Why dependants cannot use the account; `None` where they can or where an outage speaks for itself.
    pub fn blocks(&self) -> Option<String> {
        match self {
            Self::Authenticated | Self::Unavailable { .. } => None,
            _ => Some(self.report().message),
        }
    }
}

/// What holds up the deletion of an account, and what is wrong with the account besides, because that may be why its
/// endpoints do not go.
pub fn held_up(finding: &AccountFinding, endpoints: &[String]) -> Report {
    let names = endpoints.iter().take(5).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    let more = if endpoints.len() > 5 { " and others" } else { "" };
    let mut message = format!(
        "WebhookEndpoints {names}{more} still need this account's key to delete what they made: delete them, or see their conditions (with spec.deletionPolicy: Orphan a WebhookEndpoint leaves it at the provider; on this account it releases all of them)"
    );
    if let Some(trouble) = finding.blocks() {
        message = format!("{message}. The account itself cannot be used: {trouble}");
    }
    let blocked = Verdict::new(ConditionType::DeletionBlocked, Is::True, Reason::InUse, message.clone());
    Report::waiting(Reason::Deleting, message).with(blocked)
}

/// Many practices went bad together.
pub fn wide_outage() -> Verdict {
    let message = "more than spec.outagePercent of the practices that are monitored and open went bad together: look at the provider's status page; the monitors say which practices";
    Verdict::new(ConditionType::ProviderWideOutage, Is::True, Reason::ProviderWideOutage, message)
}

/// The Event where that begins or ends.
pub fn wide_outage_note(before: &[Condition], now: bool) -> Option<Note> {
    let reason = Reason::ProviderWideOutage.as_str();
    match (is_true(before, ConditionType::ProviderWideOutage), now) {
        (false, true) => Some(Note::warning(reason, "Observe", wide_outage().message)),
        (true, false) => {
            let text = "most practices that went bad together are good again; a monitor whose practice is not says why";
            Some(Note::normal(reason, "Observe", text))
        }
        _ => None,
    }
}

/// The scope after a trusted round: the sample is chosen once, and refilled only when an id has left.
pub fn scope(before: Option<&Scope>, provider: &str, origin: &str, institutions: &BTreeSet<i64>) -> Option<Scope> {
    let old: BTreeSet<i64> = before.map(|scope| scope.sample.iter().copied().collect()).unwrap_or_default();
    let mut sample: BTreeSet<i64> = old.intersection(institutions).copied().collect();
    if before.is_some() && sample.len() == old.len() && !old.is_empty() {
        return before.cloned();
    }
    let wanted = SAMPLE.min(institutions.len());
    let more: Vec<i64> = institutions.difference(&sample).copied().take(wanted.saturating_sub(sample.len())).collect();
    sample.extend(more);
    // Of a key that reaches nobody too: a person must be able to accept that (`spec.acceptScope`).
    if sample.is_empty() && before.is_some() {
        return before.cloned();
    }
    let fingerprint = fingerprint(provider, origin, &sample);
    let count = i64::try_from(institutions.len()).unwrap_or(i64::MAX);
    Some(Scope { institutions: count, fingerprint, sample: sample.into_iter().collect() })
}

fn fingerprint(provider: &str, origin: &str, sample: &BTreeSet<i64>) -> String {
    let mut hash = Sha256::new();
    hash.update(provider.as_bytes());
    hash.update([0]);
    hash.update(origin.as_bytes());
    for id in sample {
        hash.update([0]);
        hash.update(id.to_string().as_bytes());
    }
    format!("sha256:{}", hex::encode(hash.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_chosen_once_and_refilled_only_when_an_id_has_left() {
        let all: BTreeSet<i64> = (1..=40).collect();
        let first = scope(None, "nexhealth", "https://x", &all).unwrap();
        assert_eq!(first.sample.len(), 32);
        let grown: BTreeSet<i64> = (-5..=40).collect();
        assert_eq!(scope(Some(&first), "nexhealth", "https://x", &grown).unwrap(), first);
        let shrunk: BTreeSet<i64> = (2..=40).collect();
        let refilled = scope(Some(&first), "nexhealth", "https://x", &shrunk).unwrap();
        assert!(!refilled.sample.contains(&1));
        assert_eq!(refilled.sample.len(), 32);
        assert_ne!(refilled.fingerprint, first.fingerprint);
    }
}
