//! api.md *Conditions: rules for every kind*, as one check for every status that a plan writes.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::{ConditionType, Reason};

/// Panics unless the conditions keep the rules.
pub fn check(conditions: &[Condition], observed: i64, generation: i64) {
    let status = |kind: &str| conditions.iter().find(|c| c.type_ == kind).map(|c| c.status.as_str());
    let ready = status("Ready").expect("rule 1: Ready exists");
    let (reconciling, stalled) = (status("Reconciling"), status("Stalled"));
    for only_true in ["Reconciling", "Stalled", "DeletionBlocked"] {
        assert!(matches!(status(only_true), None | Some("True")), "rule 0: {only_true} is removed when not true");
    }
    assert!(reconciling.is_none() || stalled.is_none(), "rule 0: never both");
    assert!(ready != "Unknown" || reconciling.is_some(), "rule 0: Unknown implies Reconciling");
    assert!(ready != "True" || (stalled.is_none() && reconciling.is_none()), "as declared and yet not at rest");
    assert_eq!(observed, generation, "rule 2: on the status");
    for condition in conditions {
        assert_eq!(condition.observed_generation, Some(generation), "rule 2: on {}", condition.type_);
        assert!(ConditionType::ALL.iter().any(|kind| kind.as_str() == condition.type_), "rule 1: {}", condition.type_);
        assert!(Reason::ALL.iter().any(|reason| reason.as_str() == condition.reason), "rule 1: {}", condition.reason);
        assert!(condition.message.chars().count() <= 1024 && !condition.message.is_empty(), "rule 3: {condition:?}");
        let same = conditions.iter().filter(|other| other.type_ == condition.type_).count();
        assert_eq!(same, 1, "{} stands twice", condition.type_);
    }
}
