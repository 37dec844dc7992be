//! Leaving the Secret behind for whoever still reads it.

use kube::ResourceExt;

use super::Pass;
use crate::controller::context::LastRead;
use crate::controller::error::PassError;
use crate::controller::secrets;

impl Pass<'_> {
    async fn namespace_is_going(&self) -> bool {
        let namespace = self.object.namespace().unwrap_or_default();
        secrets::namespace_is_going(self.context, &namespace).await.unwrap_or(false)
    }

    /// Takes our owner reference off the Secret.
    pub(super) async fn release(&self) -> Result<(), PassError> {
        let before = match &self.memory.plan().secret {
            LastRead::Known(Some(secret)) => secret.clone(),
            _ => return Err(PassError::Conflict),
        };
        let written = secrets::release(self.context, &self.object, &before).await;
        self.memory.plan().secret = LastRead::Unknown;
        match written {
            Ok(_) | Err(PassError::Gone) => Ok(()),
            // The Secret goes with its namespace, whose end has taken our rights already.
            Err(PassError::Forbidden) if self.namespace_is_going().await => Ok(()),
            Err(error) => Err(error),
        }
    }
}
