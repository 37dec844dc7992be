//! What an endpoint's status tells the metrics of its rotation.

use crate::api::WebhookEndpointStatus;
use crate::api::rotation::RotationPhase;
use crate::runtime::metrics::{PhaseFacts, RotationFacts};

/// When a rotation is due, or since when the present one is in its phase.
pub fn rotation_facts(status: Option<&WebhookEndpointStatus>) -> RotationFacts {
    let Some(status) = status else { return RotationFacts::default() };
    let due = status.signing_secret.as_ref().and_then(|secret| secret.next_rotation_time.as_ref());
    let phase = status.rotation.as_ref().and_then(|rotation| {
        let (name, since) = match rotation.phase? {
            RotationPhase::Preparing => ("Preparing", rotation.started_at.as_ref()),
            RotationPhase::Publishing => ("Publishing", rotation.published_at.as_ref()),
            RotationPhase::Switching => ("Switching", None),
            RotationPhase::Draining => ("Draining", rotation.switched_at.as_ref()),
            RotationPhase::Retiring => ("Retiring", None),
        };
        Some(PhaseFacts { name, since: since.map(|time| time.0) })
    });
    RotationFacts { due: due.map(|time| time.0), phase }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(rotation: Value) -> RotationFacts {
        let secret = json!({"name": "x", "fingerprint": "sha256:00", "nextRotationTime": "2026-02-01T00:00:00Z"});
        let status: WebhookEndpointStatus =
            serde_json::from_value(json!({"signingSecret": secret, "rotation": rotation})).unwrap();
        rotation_facts(Some(&status))
    }

    #[test]
    fn each_phase_has_the_time_that_its_status_tells() {
        let times = json!({
            "startedAt": "2026-01-01T01:00:00Z", "publishedAt": "2026-01-01T02:00:00Z", "switchedAt": "2026-01-01T03:00:00Z"
        });
        let since = [
            ("Preparing", Some(1)),
            ("Publishing", Some(2)),
            ("Switching", None),
            ("Draining", Some(3)),
            ("Retiring", None),
        ];
        for (name, hour) in since {
            let mut rotation = times.clone();
            rotation["phase"] = json!(name);
            let since = hour.map(|hour: u8| format!("2026-01-01T0{hour}:00:00Z").parse().unwrap());
            assert_eq!(of(rotation).phase, Some(PhaseFacts { name, since }));
        }
    }

    #[test]
    fn none_runs() {
        let facts = of(json!({"lastHandledRequestId": "1", "startedAt": "2026-01-01T01:00:00Z"}));
        assert_eq!(facts, RotationFacts { due: Some("2026-02-01T00:00:00Z".parse().unwrap()), phase: None });
        assert_eq!(rotation_facts(None), RotationFacts::default());
    }
}
