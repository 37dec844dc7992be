//! How the provider keeps its copy of a practice's data in step, as it shows it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

/// What the provider says of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colour {
    /// Up.
    Green,
    /// Down.
    Red,
    /// Something that no document names, or nothing: only its age counts.
    #[default]
    Other,
}

/// One direction of a sync: reading from the practice, or writing to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Direction {
    /// Up or down.
    pub colour: Colour,
    /// The same in the provider's own word, where it has one.
    pub word: Option<Arc<str>>,
    /// When it last worked, by the provider's clock. Absent where it says nothing that is a time, or a time before the
    /// provider existed: such a sync has never run.
    pub at: Option<Timestamp>,
}

/// One sync: one practice database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sync {
    /// The provider's name of it. There is no id.
    pub name: Arc<str>,
    /// The practice's system.
    pub emr: Option<Arc<str>>,
    /// Where that system runs.
    pub emr_types: Vec<Arc<str>>,
    /// From the practice.
    pub read: Direction,
    /// To the practice.
    pub write: Direction,
    /// Ids of the locations it covers; `None` where the provider does not say.
    pub locations: Option<Vec<Arc<str>>>,
}

/// All syncs that a key reaches, as of one good answer.
#[derive(Clone, Debug)]
pub struct Syncs {
    /// When the answer was asked for, by our clock.
    pub at: Timestamp,
    /// By [`super::Practice::key`].
    pub of: HashMap<Arc<str>, Vec<Sync>>,
}

impl Syncs {
    /// The syncs of a practice, by its key; none is possible.
    pub fn of_practice(&self, key: &str) -> &[Sync] {
        self.of.get(key).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A place of a practice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its id.
    pub id: Arc<str>,
    /// [`super::Practice::key`] of its practice.
    pub practice: Arc<str>,
    /// IANA name of its time zone, where the provider has one.
    pub time_zone: Option<Arc<str>>,
    /// Whether it is closed for good.
    pub inactive: bool,
}
