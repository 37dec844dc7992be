//! Which accounts can be used, and the realm behind each (rules.md *Realm*).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::memory::lock;
use crate::plan::AccountView;
use crate::provider::gate::Gate;
use crate::provider::realm::{Realm, RealmKey};

/// Deletes per realm and interval that no change of an object asked for (rules.md *Pairs*, *Pace*).
const PRUNES: usize = 10;

/// Namespace and name; of an account of the cluster, the namespace is empty.
pub type AccountName = (String, String);

/// One realm in use: what all accounts with the same key share.
pub struct RealmHandle {
    /// Calls and mirror.
    pub realm: Arc<Realm>,
    /// Budget.
    pub gate: Arc<Gate>,
    /// Ends the realm's observer.
    pub end: CancellationToken,
    /// Asks the observer to look now.
    pub look: Notify,
    /// Asks for sync status, where the last answer is too old or somebody is new.
    pub poll: Notify,
    wants_places: AtomicBool,
    /// Held by a round, so that rounds never overlap; when the last one began.
    pub rounds: tokio::sync::Mutex<Option<Instant>>,
    state: Mutex<RealmState>,
}

#[derive(Default)]
struct RealmState {
    members: HashMap<AccountName, Member>,
    trouble: Option<Trouble>,
    /// When rows were deleted that no change of an object asked for, in the last interval.
    prunes: Vec<Timestamp>,
}

/// What one account asks of its realm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// `spec.observeInterval`, or the tests' own.
    pub interval: Duration,
    /// `spec.syncStatusInterval`, or the tests' own.
    pub sync_interval: Duration,
    /// `spec.rateLimit`.
    pub rate: (u32, u32),
}

/// What a round of the realm failed on. A single failed call of an object is not enough: the round confirms it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The provider does not answer.
    Unavailable {
        /// Since when.
        since: Timestamp,
        /// What happened, in words without secrets.
        cause: String,
    },
    /// The key is not accepted.
    CredentialsRejected,
    /// The answer is another provider's.
    OtherServer {
        /// Whose it seems to be.
        like: &'static str,
    },
    /// A list was refused.
    Refused {
        /// HTTP status.
        status: u16,
    },
}

impl RealmHandle {
    /// A realm that nobody uses yet.
    pub fn new(realm: Arc<Realm>, gate: Arc<Gate>) -> Self {
        Self {
            realm,
            gate,
            end: CancellationToken::new(),
            look: Notify::new(),
            poll: Notify::new(),
            wants_places: AtomicBool::new(false),
            rounds: tokio::sync::Mutex::default(),
            state: Mutex::default(),
        }
    }

    /// An account uses it; the lowest rate wins.
    pub fn join(&self, account: &AccountName, member: Member) {
        let mut state = lock(&self.state);
        let before = state.members.insert(account.clone(), member);
        if before != Some(member) {
            self.retune(&state);
        }
        if before.is_some_and(|before| before.interval != member.interval) {
            // Not after an interval of the old length.
            self.look.notify_one();
        }
        if before.is_some_and(|before| before.sync_interval != member.sync_interval) {
            self.poll.notify_one();
        }
    }

    /// An account no longer uses it; answers whether nobody does.
    pub fn leave(&self, account: &AccountName) -> bool {
        let mut state = lock(&self.state);
        if state.members.remove(account).is_some() {
            self.retune(&state);
        }
        state.members.is_empty()
    }

    fn retune(&self, state: &RealmState) {
        if let Some((rate, burst)) = state.members.values().map(|member| member.rate).min() {
            self.gate.reconfigure(rate, burst);
        }
    }

    /// Accounts that use it.
    pub fn members(&self) -> Vec<AccountName> {
        lock(&self.state).members.keys().cloned().collect()
    }

    /// How often to look: as often as the most eager account wants.
    pub fn interval(&self) -> Duration {
        let state = lock(&self.state);
        state.members.values().map(|member| member.interval).min().unwrap_or(Duration::from_secs(300))
    }

    /// How often to read sync status: as often as the most eager account wants.
    pub fn sync_interval(&self) -> Duration {
        let state = lock(&self.state);
        state.members.values().map(|member| member.sync_interval).min().unwrap_or(Duration::from_secs(60))
    }

    /// A monitor needs the places of practices.
    pub fn want_places(&self) {
        self.wants_places.store(true, Ordering::Release);
        self.poll.notify_one();
    }

    /// Whether somebody needs places.
    pub fn places_wanted(&self) -> bool {
        self.wants_places.load(Ordering::Acquire)
    }

    /// They were asked for.
    pub fn places_asked(&self) {
        self.wants_places.store(false, Ordering::Release);
    }

    /// rules.md *Pairs*, *Pace*: how many rows that no change of an object asked to delete may be deleted now.
    pub fn prunes_left(&self, now: Timestamp) -> usize {
        let interval = self.interval();
        let mut state = lock(&self.state);
        state.prunes.retain(|at| crate::plan::elapsed(*at, now) < interval);
        PRUNES.saturating_sub(state.prunes.len())
    }

    /// Takes one of them.
    pub fn take_prune(&self, now: Timestamp) -> bool {
        let free = self.prunes_left(now) > 0;
        if free {
            lock(&self.state).prunes.push(now);
        }
        free
    }

    /// What is wrong with it.
    pub fn trouble(&self) -> Option<Trouble> {
        lock(&self.state).trouble.clone()
    }

    /// Records how a round ended, and opens or closes the breaker accordingly; answers whether that is news.
    pub fn set_trouble(&self, trouble: Option<Trouble>) -> bool {
        let mut state = lock(&self.state);
        let trouble = match (&state.trouble, trouble) {
            // The first failure dates the outage.
            (Some(Trouble::Unavailable { since, .. }), Some(Trouble::Unavailable { cause, .. })) => {
                Some(Trouble::Unavailable { since: *since, cause })
            }
            (_, trouble) => trouble,
        };
        match &trouble {
            Some(Trouble::Unavailable { .. }) => self.gate.open_breaker(),
            _ => self.gate.close_breaker(),
        }
        let news = state.trouble != trouble;
        state.trouble = trouble;
        news
    }
}

/// How an account stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Usable.
    Ready,
    /// Not usable; the text says why.
    NotReady(String),
    /// Not usable but for deletes, with the key that this process remembers; the text says why.
    DeletesOnly(String),
    /// The provider does not answer.
    Unavailable {
        /// Whether that has lasted so long that dependants say so too.
        long: bool,
    },
}

/// An account after its pass.
#[derive(Clone)]
pub struct AccountEntry {
    /// How it stands.
    pub standing: Standing,
    /// Generation of the object: a change makes refusals void (rules.md *Outcomes*).
    pub generation: Option<i64>,
    /// `spec.allowInsecureTargets`.
    pub allow_insecure: bool,
    /// `spec.nexHealth.apiVersion`.
    pub api_version: Arc<str>,
    /// Its realm, where it has a key that can be sent.
    pub realm: Option<Arc<RealmHandle>>,
}

impl AccountEntry {
    /// What plans see of it.
    pub fn view(&self) -> AccountView {
        match &self.standing {
            Standing::Ready => AccountView::Ready { allow_insecure: self.allow_insecure },
            Standing::NotReady(why) => AccountView::NotReady(why.clone()),
            Standing::DeletesOnly(why) => AccountView::DeletesOnly(why.clone()),
            Standing::Unavailable { long } => AccountView::Unavailable { long: *long },
        }
    }
}

/// All accounts that had a pass, and all realms in use.
#[derive(Default)]
pub struct Accounts {
    entries: Mutex<HashMap<AccountName, AccountEntry>>,
    realms: Mutex<HashMap<RealmKey, Arc<RealmHandle>>>,
}

impl Accounts {
    /// An account by name.
    pub fn get(&self, account: &AccountName) -> Option<AccountEntry> {
        lock(&self.entries).get(account).cloned()
    }

    /// Records an account's pass; answers whether its dependants see something new.
    pub fn set(&self, name: &AccountName, entry: AccountEntry) -> bool {
        let mut entries = lock(&self.entries);
        let news = entries.get(name).is_none_or(|before| {
            let same_realm = match (&before.realm, &entry.realm) {
                (Some(a), Some(b)) => Arc::ptr_eq(a, b),
                (a, b) => a.is_none() && b.is_none(),
            };
            before.standing != entry.standing || before.generation != entry.generation || !same_realm
        });
        let before = entries.insert(name.clone(), entry.clone());
        drop(entries);
        let left = before.and_then(|before| before.realm);
        if let Some(left) = left.filter(|left| entry.realm.as_ref().is_none_or(|realm| !Arc::ptr_eq(left, realm))) {
            self.leave(&left, name);
        }
        news
    }

    /// An account is gone.
    pub fn forget(&self, name: &AccountName) {
        let before = lock(&self.entries).remove(name);
        if let Some(realm) = before.and_then(|entry| entry.realm) {
            self.leave(&realm, name);
        }
    }

    fn leave(&self, handle: &Arc<RealmHandle>, name: &AccountName) {
        if handle.leave(name) {
            handle.end.cancel();
            lock(&self.realms).retain(|_, other| !Arc::ptr_eq(other, handle));
        }
    }

    /// The realm of a key, made by `make` if nobody uses it yet. The flag says whether it is new.
    pub fn realm<E>(
        &self,
        key: RealmKey,
        make: impl FnOnce(RealmKey) -> Result<RealmHandle, E>,
    ) -> Result<(Arc<RealmHandle>, bool), E> {
        let mut realms = lock(&self.realms);
        if let Some(handle) = realms.get(&key) {
            return Ok((handle.clone(), false));
        }
        let handle = Arc::new(make(key.clone())?);
        realms.insert(key, handle.clone());
        Ok((handle, true))
    }
}
