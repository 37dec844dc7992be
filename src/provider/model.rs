//! What the remote side looks like, in words that fit every provider. Plain data: no calls, no clock.

pub mod home;
pub mod probe;
pub mod sync;

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

pub use super::canonical::canonical_url;
use crate::signing::SecretText;

/// A remote id, kept as text because providers disagree on numbers and strings.
///
/// Ordered as numbers where both are numbers, so that "keep the lowest id" (rules.md *Create*) means the oldest.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RemoteId(Arc<str>);

impl RemoteId {
    /// Wraps the provider's id.
    pub fn new(id: impl AsRef<str>) -> Self {
        Self(Arc::from(id.as_ref()))
    }

    /// The id as the provider wrote it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Ord for RemoteId {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.0.parse::<u64>(), other.0.parse::<u64>()) {
            (Ok(a), Ok(b)) => a.cmp(&b).then_with(|| self.0.cmp(&other.0)),
            _ => self.0.cmp(&other.0),
        }
    }
}

impl PartialOrd for RemoteId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Who makes the key that signs deliveries. It also decides how one is replaced (rules.md *Rotation*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The provider, when the endpoint is created; it cannot be chosen. So another key is another endpoint, beside the first.
    Provider,
    /// We do ([`crate::signing::new_key()`]), and hand it over with each registration or out of band. Another key is in the
    /// Secret before anything that signs with it is registered in place of what there was.
    Operator,
}

/// A practice that the key reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Practice {
    /// The name users write in a spec (NexHealth: the institution's subdomain); empty where it has none.
    pub name: Arc<str>,
    /// The id that rows carry (NexHealth: `institution_id`).
    pub key: Arc<str>,
}

/// A remote endpoint.
#[derive(Clone, PartialEq, Eq)]
pub struct RemoteEndpoint {
    /// Its id.
    pub id: RemoteId,
    /// Where deliveries go, as the provider wrote it. May hold secrets in its query: shorten before showing.
    pub target_url: String,
    /// Whether deliveries are on.
    pub active: bool,
    /// When it was made, by the provider's clock.
    pub created_at: Option<Timestamp>,
    /// When it last changed, by the provider's clock.
    pub updated_at: Option<Timestamp>,
    /// Its signing key, where the answer showed one that can be used (not empty, masked or shorter than 8 characters).
    pub key: Option<SecretText>,
}

impl fmt::Debug for RemoteEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteEndpoint").field("id", &self.id).field("active", &self.active).finish_non_exhaustive()
    }
}

/// A remote subscription: one event of one practice (or of the account) on one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteRow {
    /// Its id.
    pub id: RemoteId,
    /// The endpoint it delivers to; where there are none, its home ([`home`]).
    pub endpoint: RemoteId,
    /// [`Practice::key`] of its practice; `None` for events of the account.
    pub practice: Option<Arc<str>>,
    /// The provider's resource type, such as `Appointment`.
    pub resource_type: Arc<str>,
    /// The base event name, such as `appointment_created`.
    pub event: Arc<str>,
    /// Whether deliveries are on.
    pub active: bool,
    /// When it was made, by the provider's clock.
    pub created_at: Option<Timestamp>,
}

/// What a row is about, whatever its id: rules.md *Create*, identity is (held endpoint, institution, resourceType, event).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowKey {
    /// [`Practice::key`]; `None` for events of the account.
    pub practice: Option<Arc<str>>,
    /// Resource type.
    pub resource_type: Arc<str>,
    /// Base event name.
    pub event: Arc<str>,
}

impl RemoteRow {
    /// The row's identity on its endpoint.
    pub fn key(&self) -> RowKey {
        RowKey { practice: self.practice.clone(), resource_type: self.resource_type.clone(), event: self.event.clone() }
    }
}

/// An endpoint to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEndpoint {
    /// Where deliveries go.
    pub target_url: String,
    /// Whether deliveries are on from the start.
    pub active: bool,
}

/// Changes to an endpoint; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPatch {
    /// New target URL.
    pub target_url: Option<String>,
    /// New switch.
    pub active: Option<bool>,
}

/// A row to be made.
#[derive(Clone)]
pub struct NewRow {
    /// The endpoint (split shape), or the home ([`home`], fused shape).
    pub endpoint: RemoteId,
    /// [`Practice::name`]; `None` for events of the account.
    pub practice: Option<Arc<str>>,
    /// Resource type, in the provider's own case.
    pub resource_type: Arc<str>,
    /// Base event name.
    pub event: Arc<str>,
    /// Whether deliveries are on from the start.
    pub active: bool,
    /// The API version whose payload shape the row is pinned to (NexHealth `Nex-Api-Version`).
    pub payload_version: Arc<str>,
}

/// Changes to a row; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPatch {
    /// New switch.
    pub active: Option<bool>,
    /// Moves the row to this endpoint.
    pub new_endpoint: Option<RemoteId>,
}

/// What one list of rows covers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RowScope {
    /// One endpoint (split shape).
    Endpoint(RemoteId),
    /// The whole account (fused shape).
    Account,
}

/// One event a provider is known to offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownEvent {
    /// Resource type in the provider's case.
    pub resource_type: Arc<str>,
    /// Base event name.
    pub event: Arc<str>,
    /// Whether it belongs to a practice (`false`: to the account).
    pub practice_scoped: bool,
    /// The names that deliveries carry; empty where they are not documented.
    pub delivered: Vec<Arc<str>>,
}

/// The known events of a provider. Known, not closed: the provider decides about the rest.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// What the provider calls itself.
    pub provider: &'static str,
    /// An event's name says all: there are no resource types, and every event belongs to the account.
    pub name_alone: bool,
    /// All known events.
    pub events: Vec<KnownEvent>,
}

impl Catalogue {
    /// The known event of this name. Names are unique in every catalogue (a test of each adapter says so).
    pub fn find(&self, event: &str) -> Option<&KnownEvent> {
        self.events.iter().find(|known| &*known.event == event)
    }

    /// The resource type of an event: as written, else as known. Where there are none it is empty.
    pub fn resource_type(&self, written: Option<&str>, event: &str) -> Option<Arc<str>> {
        if self.name_alone {
            return Some(Arc::from(""));
        }
        written.map(Arc::from).or_else(|| self.find(event).map(|known| known.resource_type.clone()))
    }
}

/// Whether a row may be made for an identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowCreateState {
    /// Nothing stands in the way.
    Free,
    /// A POST for it is under way.
    InFlight,
    /// A POST for it may have been lost; a list that starts at this time or later decides.
    Uncertain {
        /// When to look.
        look_after: Timestamp,
    },
}

/// rules.md *Rotation*, when Switching ends: a good list of the former endpoint, then one of the new, both started after
/// the last PATCH.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Moved {
    /// The former one has to be listed.
    #[default]
    ListFrom,
    /// The new one has to be listed.
    ListTo,
    /// A write may still take effect: no list before this moment says anything.
    InDoubt {
        /// When to look.
        until: Timestamp,
        /// Whether on the new one.
        to: bool,
    },
    /// A write has no answer yet.
    InFlight,
    /// Nothing is left on the former one.
    Proven,
}

/// What a plan may ask about the rows of one realm. The mirror answers; a plan never sees more than it asks for, because
/// ten thousand objects ask only about their own pairs.
pub trait RemoteRows {
    /// Rows of this identity on this endpoint, lowest id first.
    fn rows(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow>;
    /// One row, whatever endpoint it is on.
    fn row(&self, id: &RemoteId) -> Option<RemoteRow>;
    /// Rows of this identity that are one too many and may be deleted: all but the lowest id, and none while in doubt.
    fn twins(&self, endpoint: &RemoteId, key: &RowKey) -> Vec<RemoteRow>;
    /// Whether the rows of this endpoint are known: a good list of this process, or this process saw it made.
    fn known(&self, endpoint: &RemoteId) -> bool;
    /// Whether the last list of this endpoint's rows started after our last write there.
    fn settled(&self, endpoint: &RemoteId) -> bool;
    /// rules.md *Mirror*: absent from the good lists of all these endpoints, each started after our last write there.
    fn missing(&self, endpoints: &[RemoteId], key: &RowKey) -> bool;
    /// Whether this endpoint is gone for good, and its rows with it: deleted by us, or lacking in two good lists with a
    /// witness that are at least `gap` apart (rules.md *Absence*).
    fn vanished(&self, endpoint: &RemoteId, gap: Duration) -> bool;
    /// Whether a POST may go.
    fn create_state(&self, endpoint: &RemoteId, key: &RowKey) -> RowCreateState;
    /// When the last good list that showed a row of this pair started; `None` where this process never saw one listed.
    fn last_seen(&self, endpoint: &RemoteId, key: &RowKey) -> Option<Timestamp>;
    /// When the list of this endpoint's rows before the last one started.
    fn seen_before(&self, endpoint: &RemoteId) -> Option<Timestamp>;
    /// Every row of an endpoint, lowest id first.
    fn all_rows(&self, endpoint: &RemoteId) -> Vec<RemoteRow>;
    /// The name under which this process last knew a practice that the key no longer reaches.
    fn former_practice(&self, key: &str) -> Option<Arc<str>>;
    /// The key under which this process last knew a practice that the account's key no longer reaches.
    fn former_key(&self, name: &str) -> Option<Arc<str>>;
    /// When the last good list of this endpoint's rows started.
    fn listed_at(&self, endpoint: &RemoteId) -> Option<Timestamp>;
    /// The practice's id in rows, by the name users write.
    fn practice_key(&self, name: &str) -> Option<Arc<str>>;
    /// Rows of this identity that deliver to the same URL as those of a home, but are none of its own: made by somebody else,
    /// or with a key that nobody knows any more (fused shape). None where there are endpoints.
    fn strangers(&self, _home: &RemoteId, _key: &RowKey) -> Vec<RemoteRow> {
        Vec::new()
    }
    /// Homes of this key that have rows (fused shape).
    fn homes(&self, _fingerprint: &str) -> Vec<RemoteId> {
        Vec::new()
    }
    /// When to look for what a write here without an answer may have done; `None` where none is in doubt.
    fn in_doubt(&self, _endpoint: &RemoteId) -> Option<Timestamp> {
        None
    }
    /// The name of a practice that the key reaches, by the id in rows.
    fn practice_name(&self, key: &str) -> Option<Arc<str>>;
    /// Names of every practice the key reaches; `None` before the first good list.
    fn practice_names(&self) -> Option<Vec<Arc<str>>>;
    /// One of them, for calls that want a practice and mean none.
    fn any_practice(&self) -> Option<Arc<str>> {
        self.practice_names()?.into_iter().next()
    }
}

/// How long, and in how many good lists, an id has been absent (rules.md *Absence*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Absence {
    /// Start of the first good list that lacked it.
    pub first: Timestamp,
    /// Start of the last one.
    pub last: Timestamp,
    /// How many in a row.
    pub lists: u32,
    /// Whether each of them had a witness that the account still sees the same world.
    pub witnessed: bool,
    /// Start of the last good list that showed it; `None` where this process never saw it.
    pub seen: Option<Timestamp>,
}
