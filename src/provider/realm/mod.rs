//! Accounts that share an API key: one mirror, one health, one place through which every call goes (rules.md *Realm*).
//!
//! The realm couples calls to the mirror so that no caller can forget to: a list starts with a moment of the mirror's
//! clock and ends in it, a write begins in the mirror before it is sent and its outcome is applied even when nobody waits
//! for it any more. Nothing here retries: pace and repetition belong to the gate and to the plans.

mod health;
mod lists;
mod syncs;
mod writes;

#[cfg(test)]
mod fake;
#[cfg(test)]
mod lane_tests;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{broadcast, watch};

pub use health::Health;

use super::mirror::{Changes, Failure, Mirror, World};
use super::model::{RemoteId, RowScope};
use super::{Ambiguity, CallError, Provider};

/// How many changes a slow receiver may be behind. One that lags further looks at everything, as after a start.
const CHANGES_KEPT: usize = 1024;

/// What makes accounts one realm. The digest of the key is compared and never shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct RealmKey {
    /// [`Provider::name`].
    pub provider: &'static str,
    /// Scheme, host and port of the API.
    pub origin: String,
    key_digest: [u8; 32],
}

impl RealmKey {
    /// `key_digest` is [`crate::signing::SecretText::digest`] of the API key (and of whatever else splits realms).
    pub fn new(provider: &'static str, origin: impl Into<String>, key_digest: [u8; 32]) -> Self {
        Self { provider, origin: origin.into(), key_digest }
    }
}

impl fmt::Debug for RealmKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { provider, origin, key_digest: _ } = self;
        f.debug_struct("RealmKey").field("provider", provider).field("origin", origin).finish_non_exhaustive()
    }
}

/// How long to wait before looking for a write whose answer was lost (rules.md *Create*, *Ambiguous answer*).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealmTiming {
    /// After a reset, 5xx, empty or cut body.
    pub settle_answered: Duration,
    /// After our own deadline.
    pub settle_timed_out: Duration,
    /// After a 202.
    pub settle_accepted: Duration,
    /// How long credentials that no list proves count as proven (a day).
    pub proven: Duration,
    /// How long a world in which everything has gone is held before the practices decide (rules.md *Absence*: 30 min).
    pub suspect: Duration,
}

impl Default for RealmTiming {
    fn default() -> Self {
        Self {
            settle_answered: Duration::from_secs(3),
            settle_timed_out: Duration::from_secs(30),
            settle_accepted: Duration::from_secs(120),
            proven: Duration::from_secs(24 * 3600),
            suspect: Duration::from_secs(1800),
        }
    }
}

impl RealmTiming {
    fn settle(&self, ambiguity: Ambiguity) -> Duration {
        match ambiguity {
            Ambiguity::Answered => self.settle_answered,
            Ambiguity::TimedOut => self.settle_timed_out,
            Ambiguity::Accepted => self.settle_accepted,
        }
    }

    /// What a failed write means to the mirror.
    fn failure(&self, error: &CallError, now: Timestamp) -> Failure {
        match (error, error.ambiguity()) {
            (_, Some(ambiguity)) => {
                let look_after = now.saturating_add(self.settle(ambiguity)).unwrap_or(Timestamp::MAX);
                Failure::Uncertain { look_after }
            }
            (CallError::NotFound, None) => Failure::NotFound,
            _ => Failure::Refused,
        }
    }
}

/// One realm. A change of credentials makes a new one: no list survives it.
pub struct Realm {
    key: RealmKey,
    provider: Arc<dyn Provider>,
    timing: RealmTiming,
    /// Never locked across an `await`.
    mirror: RwLock<Mirror>,
    flights: Mutex<HashMap<lists::Target, lists::Flight>>,
    board: RwLock<syncs::Board>,
    changes: broadcast::Sender<Arc<Changes>>,
    health: watch::Sender<Health>,
    /// When the credentials were last proven, where no list does it.
    proven: Mutex<Option<Timestamp>>,
}

impl Realm {
    /// A realm that knows nothing yet.
    pub fn new(key: RealmKey, provider: Arc<dyn Provider>, timing: RealmTiming) -> Arc<Self> {
        let mut mirror = Mirror::holding(timing.suspect);
        if provider.practices().is_none() {
            // There are none, and that is all there ever is to know of them.
            let started = mirror.tick();
            mirror.apply_practices(started, Timestamp::now(), Vec::new());
        }
        Arc::new(Self {
            key,
            provider,
            timing,
            mirror: RwLock::new(mirror),
            flights: Mutex::default(),
            board: RwLock::default(),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            health: watch::Sender::new(Health::Unknown),
            proven: Mutex::default(),
        })
    }

    /// What makes it this realm.
    pub fn key(&self) -> &RealmKey {
        &self.key
    }

    /// The provider, for what is no call: its catalogue, who makes keys, which capabilities it has.
    pub fn provider(&self) -> &dyn Provider {
        &*self.provider
    }

    /// Asks the mirror. Keep it short: answers of writes wait meanwhile.
    pub fn read<T>(&self, ask: impl FnOnce(&Mirror) -> T) -> T {
        ask(&self.mirror.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether everything that can be listed was listed by this process, or the credentials were proven where nothing can.
    pub fn has_looked(&self) -> bool {
        let listed = |mirror: &Mirror| match (self.provider.endpoints(), self.provider.rows()) {
            (Some(_), _) => mirror.endpoint_list().is_some() && mirror.practice_list().is_some(),
            (None, Some(_)) => mirror.scope_list(&RowScope::Account).is_some(),
            (None, None) => self.is_proven(),
        };
        self.read(listed)
    }

    /// Whether the account still sees the same world (rules.md *Absence*). Where there are no endpoints, nothing could be a
    /// witness: credentials that a practice group or an EHR is bound to see no other world.
    pub fn world(&self) -> World {
        match self.provider.endpoints() {
            Some(_) => self.read(Mirror::world),
            None if self.has_looked() => World::Trusted,
            None => World::Unknown,
        }
    }

    fn is_proven(&self) -> bool {
        self.proven.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The spec has changed: what was proven under the old one has to be proven again.
    pub fn forget_proof(&self) {
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Sees to it that the credentials were proven of late.
    async fn prove(&self) -> Result<(), CallError> {
        let now = Timestamp::now();
        let last = *self.proven.lock().unwrap_or_else(PoisonError::into_inner);
        let holds = last
            .is_some_and(|last| Duration::try_from(now.duration_since(last)).is_ok_and(|age| age < self.timing.proven));
        if holds {
            return Ok(());
        }
        self.authenticate().await?;
        *self.proven.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
        Ok(())
    }

    /// Rows may stand at this home from now on, as the mirror has to know before it can say that none does.
    pub fn expect_home(&self, home: &RemoteId) {
        self.change(|mirror| mirror.expect_place(home));
    }

    fn change<T>(&self, act: impl FnOnce(&mut Mirror) -> T) -> T {
        act(&mut self.mirror.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn publish(&self, changes: Changes) {
        if !changes.is_empty() {
            // Nobody listening is no failure.
            _ = self.changes.send(Arc::new(changes));
        }
    }

    /// Tells which endpoint ids our objects hold and which practice keys the account's sample has.
    pub fn set_expectations(&self, held: HashSet<RemoteId>, sample: Vec<Arc<str>>) {
        self.publish(self.change(|mirror| mirror.set_expectations(held, sample)));
    }

    /// A person says, or no longer says, that the world is right as the key shows it now.
    pub fn accept_world(&self, accepted: bool) {
        self.publish(self.change(|mirror| mirror.accept_world(accepted)));
    }

    /// What lists and answers changed, from here on. A receiver that lagged has to look at everything.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Changes>> {
        self.changes.subscribe()
    }

    /// How the provider has answered of late.
    pub fn health(&self) -> Health {
        *self.health.borrow()
    }

    /// The same, to wait for changes.
    pub fn watch_health(&self) -> watch::Receiver<Health> {
        self.health.subscribe()
    }

    /// Every call's outcome passes here.
    fn noted<T>(&self, result: Result<T, CallError>) -> Result<T, CallError> {
        self.note(&result);
        result
    }

    fn note<T>(&self, result: &Result<T, CallError>) {
        let now = Timestamp::now();
        self.health.send_if_modified(|health| {
            let next = health.after(result.as_ref().err(), now);
            std::mem::replace(health, next) != next
        });
    }

    /// Proves the credentials without changing anything.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn authenticate(&self) -> Result<(), CallError> {
        self.noted(self.provider.authenticate().await)
    }
}
