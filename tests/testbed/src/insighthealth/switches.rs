//! Every point that the pages leave open, as a switch. All can be changed while the simulator runs.

use crate::sim::RateLimit;
use std::collections::BTreeSet;

/// What a batch without an appointment is. Not documented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EmptyBatch {
    /// 400: none of it is valid.
    #[default]
    Refused,
    /// 200: none of it is invalid.
    Accepted,
}

const FHIR: [&str; 7] = ["proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow"];

/// The open points. See each field for its meaning and default.
#[derive(Clone, Debug)]
pub struct Switches {
    /// A batch without an appointment.
    pub empty_batch: EmptyBatch,
    /// The 401 of an API key that nobody has; that of a missing one is documented, and this text is not.
    pub unknown_key_text: String,
    /// The 401 of a missing or wrong signature. The page names such a text and does not give it.
    pub wrong_signature_text: String,
    /// Whether the EHR is looked at before the signature. Not documented; default false.
    pub ehr_before_signature: bool,
    /// Whether dates that are not `MM/DD/YYYY` or `MM/DD/YYYY HH:MM` make an appointment invalid. Default true.
    pub dates_checked: bool,
    /// The statuses that are kept; any other becomes `booked`. The page that lists them is not public: these are those of FHIR.
    pub statuses: BTreeSet<String>,
    /// The limit per key; default none.
    pub rate_limit: Option<RateLimit>,
}

impl Default for Switches {
    fn default() -> Self {
        Self {
            empty_batch: EmptyBatch::default(),
            unknown_key_text: "Invalid API key".to_owned(),
            wrong_signature_text: "Invalid webhook signature".to_owned(),
            ehr_before_signature: false,
            dates_checked: true,
            statuses: FHIR.into_iter().map(str::to_owned).collect(),
            rate_limit: None,
        }
    }
}
