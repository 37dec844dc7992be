//! The known events of NexHealth: its supported subscriptions and its OpenAPI document (v3.0.0) together.
//!
//! `events.json` also keeps the names that deliveries carry, because some differ from the name to subscribe with.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::provider::model::{Catalogue, KnownEvent};

pub(super) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let events: Vec<Entry> = serde_json::from_str(EVENTS).unwrap_or_default();
    Catalogue { provider: "NexHealth", name_alone: false, events: events.into_iter().map(KnownEvent::from).collect() }
});

const EVENTS: &str = include_str!("events.json");

#[derive(Deserialize)]
struct Entry {
    resource_type: String,
    event: String,
    practice_scoped: bool,
    delivered: Vec<String>,
}

impl From<Entry> for KnownEvent {
    fn from(entry: Entry) -> Self {
        let (resource_type, event) = (entry.resource_type.into(), entry.event.into());
        let delivered = entry.delivered.into_iter().map(Into::into).collect();
        Self { resource_type, event, practice_scoped: entry.practice_scoped, delivered }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn fifty_pairs_with_unique_names() {
        assert_eq!(CATALOGUE.events.len(), 50);
        let names: BTreeSet<&str> = CATALOGUE.events.iter().map(|known| &*known.event).collect();
        assert_eq!(names.len(), 50);
        let of_the_account: Vec<_> = CATALOGUE.events.iter().filter(|known| !known.practice_scoped).collect();
        assert_eq!(of_the_account.len(), 3);
        assert!(of_the_account.iter().all(|known| &*known.resource_type == "Onboarding"));
        assert_eq!(&*CATALOGUE.find("patient_insurance_created").unwrap().resource_type, "PatientInsuranceCoverage");
    }

    #[test]
    fn deliveries_carry_the_base_name_with_at_most_a_suffix() {
        let entries: serde_json::Value = serde_json::from_str(EVENTS).unwrap();
        for entry in entries.as_array().unwrap() {
            let base = entry["event"].as_str().unwrap();
            for delivered in entry["delivered"].as_array().unwrap() {
                let (name, _) =
                    delivered.as_str().unwrap().split_once('.').unwrap_or((delivered.as_str().unwrap(), ""));
                assert_eq!(name, base);
            }
        }
    }
}
