//! What a list or an answer changed, so that exactly the objects concerned are woken.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use crate::provider::model::{RemoteId, RowKey};

/// What changed in a mirror.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Endpoints that appeared, changed, vanished, or were found absent for the first time.
    pub endpoints: BTreeSet<RemoteId>,
    /// Canonical target URLs under which an endpoint appeared, changed or vanished: objects that hold no id find it so.
    pub urls: BTreeSet<Arc<str>>,
    /// Pairs whose rows changed, or whose creation became certain.
    pub pairs: HashSet<(RemoteId, RowKey)>,
    /// The practices changed.
    pub practices: bool,
    /// [`super::Mirror::world`] changed: everything of the realm is concerned.
    pub world: bool,
}

impl Changes {
    /// Whether nobody need be woken.
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty() && self.urls.is_empty() && self.pairs.is_empty() && !self.practices && !self.world
    }

    /// Adds the changes of something applied at the same time.
    pub fn merge(&mut self, other: Self) {
        self.endpoints.extend(other.endpoints);
        self.urls.extend(other.urls);
        self.pairs.extend(other.pairs);
        self.practices |= other.practices;
        self.world |= other.world;
    }
}
