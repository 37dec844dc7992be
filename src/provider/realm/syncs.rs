//! What the provider says of syncs and places: one answer for all monitors of a realm.
//!
//! It is no part of the mirror, because nothing is ever decided about endpoints or rows by it, and nothing of ours is
//! written there: the newest answer is all that counts. Whoever asks is one task of the controller, so no two calls overlap.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;

use super::Realm;
use crate::provider::CallError;
use crate::provider::model::sync::{Place, Sync, Syncs};

/// The last good answers.
#[derive(Default)]
pub(super) struct Board {
    syncs: Option<Arc<Syncs>>,
    places: Option<Arc<HashMap<Arc<str>, Vec<Place>>>>,
}

impl Realm {
    /// Reads the state of every sync that the key reaches.
    ///
    /// # Errors
    /// See [`CallError`]; the last good answer stays.
    pub async fn refresh_syncs(&self) -> Result<(), CallError> {
        let Some(calls) = self.provider.syncs() else { return Ok(()) };
        let at = Timestamp::now();
        let list = self.noted(calls.list().await)?;
        let mut of: HashMap<Arc<str>, Vec<Sync>> = HashMap::new();
        for (practice, sync) in list {
            of.entry(practice).or_default().push(sync);
        }
        self.post(|board| board.syncs = Some(Arc::new(Syncs { at, of })));
        Ok(())
    }

    /// Reads the places of every practice that the key reaches.
    ///
    /// # Errors
    /// See [`CallError`]; the last good answer stays.
    pub async fn refresh_places(&self) -> Result<(), CallError> {
        let Some(calls) = self.provider.syncs() else { return Ok(()) };
        let list = self.noted(calls.places().await)?;
        let mut of: HashMap<Arc<str>, Vec<Place>> = HashMap::new();
        for place in list {
            of.entry(place.practice.clone()).or_default().push(place);
        }
        self.post(|board| board.places = Some(Arc::new(of)));
        Ok(())
    }

    /// The last good answer about syncs.
    pub fn syncs(&self) -> Option<Arc<Syncs>> {
        self.board.read().unwrap_or_else(PoisonError::into_inner).syncs.clone()
    }

    /// The last good list of places, by the key of their practice.
    pub fn places(&self) -> Option<Arc<HashMap<Arc<str>, Vec<Place>>>> {
        self.board.read().unwrap_or_else(PoisonError::into_inner).places.clone()
    }

    fn post(&self, act: impl FnOnce(&mut Board)) {
        act(&mut self.board.write().unwrap_or_else(PoisonError::into_inner));
    }
}
