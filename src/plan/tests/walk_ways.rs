//! Where walks begin, and what happens to them on the way.

use super::fixtures::id;
use super::walk::Walk;
use crate::api::rotation::RotationPhase;

impl Walk {
    /// One whose key was asked to be replaced, in this phase; in Publishing, the Secret holds both keys already.
    pub fn at_phase(phase: RotationPhase) -> Self {
        let mut walk = Self::new(serde_json::json!({}));
        walk.edit(&serde_json::json!({"requestId": "one"}));
        walk.until(Some(phase));
        if phase == RotationPhase::Publishing {
            walk.run();
        }
        walk
    }

    /// Somebody deletes an endpoint at the provider, and everything on it.
    pub fn delete(&mut self, gone: &str) {
        self.remotes.retain(|remote| remote.id != id(gone));
        self.rows.retain(|row| row.endpoint != id(gone));
        self.proven.push(id(gone));
    }
}
