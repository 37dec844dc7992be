//! The alerts, by name and severity. How each is computed is generated with the rules; its runbook is a page of its own.

use crate::api::condition::closed_names;

closed_names! {
    /// Alerts. Each has a runbook, docs/runbooks/`<slug>`.md.
    Alert {
        /// An object waits for something for too long.
        NotReady,
        /// An object waits for a person.
        Stalled,
        /// A deletion is held up.
        DeletionBlocked,
        /// A signing key could not be replaced in time.
        RotationOverdue,
        /// A signing key is lost.
        SigningKeyLost,
        /// The provider stopped delivering.
        EndpointSwitchedOff,
        /// Events of some time have not arrived and will not.
        DeliveryGap,
        /// The receiver does not treat our own test events as it should.
        ReceiverFailsTest,
        /// The receiver's certificate is about to expire.
        CertificateExpires,
        /// Data of practices is not fresh.
        PracticeStale,
        /// Many practices went bad together.
        ProviderWideOutage,
        /// An account cannot be used.
        AccountUnavailable,
        /// An account's call budget is used up.
        BudgetExhausted,
        /// No operator runs.
        OperatorAbsent,
        /// Operators run, and none leads.
        NoLeader,
    }
}

/// How soon a person must look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Now: many practices or a whole account lose events, or nothing works.
    Page,
    /// On a working day: one object, or nothing is lost yet.
    Ticket,
}

impl Severity {
    /// The value of the label `severity`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Ticket => "ticket",
        }
    }
}

impl Alert {
    /// How soon a person must look.
    pub const fn severity(self) -> Severity {
        match self {
            Self::SigningKeyLost
            | Self::EndpointSwitchedOff
            | Self::ProviderWideOutage
            | Self::AccountUnavailable
            | Self::OperatorAbsent
            | Self::NoLeader => Severity::Page,
            Self::NotReady
            | Self::Stalled
            | Self::DeletionBlocked
            | Self::RotationOverdue
            | Self::DeliveryGap
            | Self::ReceiverFailsTest
            | Self::CertificateExpires
            | Self::PracticeStale
            | Self::BudgetExhausted => Severity::Ticket,
        }
    }

    /// The name of its runbook, such as `not-ready`.
    pub fn slug(self) -> String {
        let mut slug = String::new();
        for letter in self.as_str().chars() {
            if letter.is_ascii_uppercase() && !slug.is_empty() {
                slug.push('-');
            }
            slug.push(letter.to_ascii_lowercase());
        }
        slug
    }
}
