//! The events of the provider's pages. Copies of different age list different ones.

/// In every copy.
pub const ALWAYS: [&str; 6] = [
    "appointment.confirmed",
    "appointment.rescheduled",
    "appointment.cancelled",
    "prescription.issued",
    "patient.medical-record-updated",
    "patient.added-to-sequence",
];

/// In the AsyncAPI page, not in older copies.
pub const WRITE_TO_RECORD: [&str; 2] = ["write-to-record.succeeded", "write-to-record.failed"];

/// In one copy of the pages only.
pub const FORM_SUBMISSION: &str = "form-submission.created";

/// What a thin payload calls the thing that an event is about: what stands before the dot.
pub fn object_of(event_type: &str) -> &str {
    event_type.split('.').next().unwrap_or(event_type)
}
