//! What an endpoint's plan may look at.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::api::WebhookEndpoint;
use crate::api::endpoint::SubscriptionCounts;
use crate::api::subscription::AppliedScope;
use crate::plan::contention::Corrections;
use crate::plan::create::Candidate;
use crate::plan::gaps::Loss;
use crate::plan::grants::Share;
use crate::plan::verification::Tested;
use crate::plan::{AccountPolicy, AccountView, PlanTiming, Refusal};
use crate::provider::model::{Absence, Moved, RemoteEndpoint, RemoteId, RemoteRow, RowCreateState};
use crate::signing::SecretText;

/// Everything an endpoint's plan may look at.
pub struct EndpointInput<'a> {
    /// The object.
    pub object: &'a WebhookEndpoint,
    /// Its account.
    pub account: AccountView,
    /// What the account's spec allows.
    pub policy: AccountPolicy,
    /// What the account lends.
    pub share: Share,
    /// Where the remote endpoint delivers to another host than the spec's: what subscriptions have made on it.
    pub applied: &'a [AppliedScope],
    /// The remote side, as far as it concerns this object.
    pub remote: RemoteSide,
    /// The Secret of the wanted name.
    pub secret: SecretView,
    /// Another object that has the better right to this target URL.
    pub rival: Option<String>,
    /// Subscription objects that must leave before this one: those that are being deleted and still have rows here, and
    /// all of them while the account releases its objects.
    pub leaving_subscriptions: usize,
    /// Subscription objects here that are still at work.
    pub unsettled_subscriptions: usize,
    /// What subscription objects here have lost.
    pub losses: &'a [Loss],
    /// Until when a process before this one has surely looked (rules.md *Delivery gaps*).
    pub last_alive: Timestamp,
    /// What this process remembers of the object.
    pub memory: EndpointMemory,
    /// When this process began to plan; POSTs of a process before it may still land.
    pub process_started: Timestamp,
    /// How long the process before this one may have kept writing: the lease time.
    pub predecessor: Duration,
    /// Now.
    pub now: Timestamp,
    /// Injected durations.
    pub timing: &'a PlanTiming,
}

/// The remote side of one endpoint object.
#[derive(Clone, Debug, Default)]
pub struct RemoteSide {
    /// Whether a good endpoint list of this process exists.
    pub listed: bool,
    /// Whether one started after the intent was acknowledged.
    pub listed_since_intent: bool,
    /// When the last good endpoint list started.
    pub listed_at: Option<Timestamp>,
    /// The endpoint of `status.remoteId`, if it is there.
    pub held: Option<RemoteEndpoint>,
    /// Its absence, if good lists lack it.
    pub absence: Option<Absence>,
    /// Whether our DELETE of it was answered with 2xx and a later good list lacks it.
    pub gone: bool,
    /// Other endpoints with the same canonical URL.
    pub same_url: Vec<Candidate>,
    /// The endpoint that `spec.adoptRemoteId` names, if it is there.
    pub named: Option<Candidate>,
    /// When the endpoint list before the last started.
    pub seen_before: Option<Timestamp>,
    /// Of `status.removing`, those that are still listed.
    pub removing: Vec<RemoteId>,
    /// Whether every id that is on its way out is absent from a good list that started after our last write to it.
    pub removing_gone: bool,
    /// A POST that may have been lost: when to look for what it made.
    pub uncertain: Option<Timestamp>,
    /// Rows on the held endpoint, and on both during a rotation.
    pub rows: Option<SubscriptionCounts>,
    /// The second endpoint of a rotation.
    pub other: Option<OtherRemote>,
    /// Rows that a rotation moves; `None` while they are not known.
    pub leaving: Option<Leaving>,
    /// How far their move is proven.
    pub moved: Moved,
}

/// The remote endpoint of a rotation that `status.remoteId` does not name: the new one until the switch, the former one
/// after it.
#[derive(Clone, Debug)]
pub struct OtherRemote {
    /// Its id.
    pub id: RemoteId,
    /// Itself, if it is there.
    pub endpoint: Option<RemoteEndpoint>,
    /// Its absence, if good lists lack it.
    pub absence: Option<Absence>,
    /// Whether our DELETE of it was answered with 2xx and a later good list lacks it.
    pub gone: bool,
}

/// Rows on the former endpoint of a rotation: a batch of each kind, because there may be ten thousand.
#[derive(Clone, Debug, Default)]
pub struct Leaving {
    /// Those that nothing is known against.
    pub movable: Vec<LeavingRow>,
    /// Those that the provider has refused to move, and what it refused last; those about which something can be done
    /// come first.
    pub stuck: Vec<(LeavingRow, Stuck)>,
    /// Whether rows of the new endpoint have to be listed first: a 404 has called its list into question.
    pub look_on_new: bool,
}

/// A row on the former endpoint.
#[derive(Clone, Debug)]
pub struct LeavingRow {
    /// The row.
    pub row: RemoteRow,
    /// The name of its practice; absent for rows of the account, and where the key no longer reaches the practice.
    pub practice: Option<Arc<str>>,
    /// A practice that the key reaches, which the provider wants with every PATCH.
    pub any_practice: Option<Arc<str>>,
    /// Whether the new endpoint has the same pair.
    pub there: bool,
    /// Whether it may be made there.
    pub making: RowCreateState,
}

/// What the provider refused about a row that is to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stuck {
    /// To move it.
    Move(Refusal),
    /// To make it on the new endpoint.
    Make(Refusal),
    /// To delete it on the former one.
    Delete(Refusal),
}

impl Stuck {
    /// When, and with which status.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::Move(refusal) | Self::Make(refusal) | Self::Delete(refusal) => *refusal,
        }
    }
}

/// The Secret of the wanted name.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretView {
    /// Not there.
    Missing,
    /// Somebody else's.
    Foreign,
    /// Ours.
    Ours {
        /// What `current` holds.
        current: Option<SecretText>,
        /// What `previous` holds.
        previous: Option<SecretText>,
        /// Whether labels, annotations and owner are as wanted.
        dressed: bool,
        /// Whether it has our owner reference.
        owned: bool,
        /// When its key was last changed, as its annotation says.
        rotated_at: Option<Timestamp>,
    },
}

/// What this process remembers of an endpoint object.
#[derive(Clone, Debug, Default)]
pub struct EndpointMemory {
    /// Our CRD is being removed: nothing remote is deleted (rules.md *Deletion*).
    pub definition_going: bool,
    /// This process wrote the present intent; otherwise a process before it did, and may have sent a POST.
    pub intent_is_mine: bool,
    /// How many endpoints of the present intent showed no key, and when the last was made.
    pub unreadable: Option<(u32, Timestamp)>,
    /// The id that a 201 of this process named.
    pub made: Option<RemoteId>,
    /// When this process last sent a POST whose answer was ambiguous.
    pub lost_post: Option<Timestamp>,
    /// The provider refused the create or the change for this generation.
    pub refused: Option<Refusal>,
    /// What was put back under the present spec.
    pub corrections: Corrections,
    /// When this process last switched on what was switched off remotely.
    pub reactivated: Option<Timestamp>,
    /// What the provider refused to delete, because of rows or for good.
    pub delete_refused: HashMap<RemoteId, Refusal>,
    /// Rows of the held endpoint, listed because deleting it was refused.
    pub rows_in_the_way: Option<Vec<RemoteRow>>,
    /// When rows in the way were last deleted.
    pub rows_tried: Option<Timestamp>,
    /// The provider refused to make the second endpoint of a rotation for this generation.
    pub second_refused: Option<Refusal>,
    /// The provider refused to change the second endpoint of a rotation for this generation.
    pub other_refused: Option<Refusal>,
    /// What the provider refused about rows that a rotation moves.
    pub stuck: HashMap<RemoteId, Stuck>,
    /// How often rows that a rotation moves were listed and not found.
    pub not_found: HashMap<RemoteId, u32>,
    /// Whether rows of the former endpoint of a rotation were listed since its retirement began.
    pub looked_before_retiring: bool,
    /// The last self-test of this process.
    pub tested: Option<Tested>,
    /// A person asked for a fresh look, so a self-test is due.
    pub test_asked: bool,
}

impl EndpointInput<'_> {
    /// A refusal to delete this one that is still believed.
    pub(in crate::plan) fn delete_refused(&self, id: &RemoteId) -> Option<Refusal> {
        let refusal = self.memory.delete_refused.get(id).copied();
        refusal.filter(|refusal| refusal.holds(self.now, self.timing))
    }
}
