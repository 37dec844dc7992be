//! The event catalogue: which pair of resource type and event a subscription may name.
//!
//! Source: the provider's list of supported subscriptions (38 pairs) and its OpenAPI description of v3.0.0
//! (45 pairs); 33 are in both. The simulator accepts all 50, because an account of a certain age may know either.

use Source::{Beta, Both, List, OpenApi};

/// Where a pair is documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the list of supported subscriptions and in the OpenAPI description.
    Both,
    /// Only in the list of supported subscriptions.
    List,
    /// Only in the OpenAPI description of v3.0.0.
    OpenApi,
    /// Only in the restricted v3.1.0.
    Beta,
}

/// One resource type and event that may be subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// `resource_type`, CamelCase.
    pub resource_type: &'static str,
    /// `event`, the base name without a delivery suffix.
    pub event: &'static str,
    /// Where the pair is documented.
    pub source: Source,
}

impl Pair {
    /// `Onboarding` belongs to the account; everything else to one institution.
    pub fn institution_scoped(&self) -> bool {
        self.resource_type != ONBOARDING
    }
}

/// The one resource type that takes no subdomain.
pub const ONBOARDING: &str = "Onboarding";

const TABLE: &[(&str, &str, Source)] = &[
    ("Adjustment", "adjustment_created", Both),
    ("Adjustment", "adjustment_updated", Both),
    ("Adjustment", "adjustment_deleted", Both),
    ("Adjustment", "adjustment_insertion", OpenApi),
    ("AdjustmentTransaction", "adjustment_transaction_insertion", List),
    ("AdjustmentType", "adjustment_type_created", Both),
    ("AdjustmentType", "adjustment_type_updated", Both),
    ("Appointment", "appointment_insertion", Both),
    ("Appointment", "appointment_created", Both),
    ("Appointment", "appointment_updated", Both),
    ("Appointment", "appointment_requested", Both),
    ("Charge", "charge_created", Both),
    ("Charge", "charge_updated", Both),
    ("Charge", "charge_deleted", Both),
    ("Claim", "claim_created", Both),
    ("Claim", "claim_updated", Both),
    ("Claim", "claim_deleted", Both),
    ("Conversation", "conversation_created", List),
    ("Conversation", "conversation_updated", List),
    ("Document", "document_insertion", OpenApi),
    ("FeeSchedule", "fee_schedule_created", Both),
    ("FeeSchedule", "fee_schedule_updated", Both),
    ("FormRequest", "form_request_completed", List),
    ("FormResponse", "form_response_insertion", Both),
    ("Message", "message_created", Both),
    ("Message", "message_updated", Both),
    ("Onboarding", "onboarding_created", OpenApi),
    ("Onboarding", "onboarding_updated", OpenApi),
    ("Onboarding", "onboarding_availability_ready", OpenApi),
    ("Patient", "patient_created", Both),
    ("Patient", "patient_updated", Both),
    ("PatientInsuranceCoverage", "patient_insurance_created", Both),
    ("PatientInsuranceCoverage", "patient_insurance_updated", Both),
    ("Payment", "payment_created", Both),
    ("Payment", "payment_updated", Both),
    ("Payment", "payment_deleted", Both),
    ("Payment", "payment_insertion", OpenApi),
    ("PaymentTransaction", "payment_transaction_insertion", List),
    ("PaymentType", "payment_type_created", Both),
    ("PaymentType", "payment_type_updated", Both),
    ("Procedure", "procedure_created", Both),
    ("Procedure", "procedure_updated", Both),
    ("ProcedureCode", "procedure_code_created", OpenApi),
    ("ProcedureCode", "procedure_code_updated", OpenApi),
    ("ProcedureCode", "procedure_code_deleted", OpenApi),
    ("SyncStatus", "sync_status_read_change", Both),
    ("SyncStatus", "sync_status_write_change", Both),
    ("TreatmentPlan", "treatment_plan_created", OpenApi),
    ("TreatmentPlan", "treatment_plan_updated", OpenApi),
    ("TreatmentPlan", "treatment_plan_deleted", OpenApi),
    ("Provider", "provider_created", Beta),
    ("Provider", "provider_updated", Beta),
    ("WorkingHour", "working_hour_created", Beta),
    ("WorkingHour", "working_hour_updated", Beta),
];

fn all() -> impl Iterator<Item = Pair> {
    TABLE.iter().map(|&(resource_type, event, source)| Pair { resource_type, event, source })
}

/// The 50 pairs that v3.0.0 accepts here.
pub fn pairs() -> impl Iterator<Item = Pair> {
    all().filter(|pair| pair.source != Beta)
}

/// The pair with exactly these names; the four of v3.1.0 only where `beta` holds.
pub fn find(resource_type: &str, event: &str, beta: bool) -> Option<Pair> {
    all().find(|pair| pair.resource_type == resource_type && pair.event == event && (beta || pair.source != Beta))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_match_the_two_documents() {
        let count = |wanted: Source| pairs().filter(|pair| pair.source == wanted).count();
        assert_eq!((count(Both), count(List), count(OpenApi)), (33, 5, 12));
        assert_eq!(pairs().count(), 50);
        assert_eq!(pairs().filter(|pair| !pair.institution_scoped()).count(), 3);
    }

    #[test]
    fn beta_pairs_need_the_beta() {
        assert_eq!(find("Provider", "provider_created", false), None);
        assert!(find("Provider", "provider_created", true).is_some());
    }
}
