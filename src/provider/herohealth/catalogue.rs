//! The known events of Hero Health: the eight of its AsyncAPI page.
//!
//! Older copies of that page lack the two of `write-to-record`, and one copy lists `form-submission.created`: events that
//! are not here are sent all the same, and the provider decides.

use std::sync::LazyLock;

use crate::provider::model::{Catalogue, KnownEvent};

const EVENTS: [&str; 8] = [
    "appointment.confirmed",
    "appointment.rescheduled",
    "appointment.cancelled",
    "prescription.issued",
    "patient.medical-record-updated",
    "patient.added-to-sequence",
    "write-to-record.succeeded",
    "write-to-record.failed",
];

pub(super) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let known = |event: &str| KnownEvent {
        resource_type: "".into(),
        event: event.into(),
        practice_scoped: false,
        delivered: vec![event.into()],
    };
    Catalogue { provider: "Hero Health", events: EVENTS.map(known).into(), name_alone: true }
});
