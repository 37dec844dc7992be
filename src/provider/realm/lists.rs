//! Lists, single-flight: however many objects want to know, one call answers them.
//!
//! A list runs in the lane of whoever started it, and is raised to that of the most urgent caller that waits for it, so
//! that a read which a waiting write needs runs in that write's lane (rules.md *Gate*).

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::Realm;
use crate::provider::gate::{Errand, Lever};
use crate::provider::mirror::{Changes, ListInfo, Mirror, Seq};
use crate::provider::model::{RemoteId, RowScope};
use crate::provider::{CallError, Unavailable};

/// What can be listed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Target {
    Endpoints,
    Rows(RowScope),
    Practices,
}

impl Target {
    fn last(&self, mirror: &Mirror) -> Option<ListInfo> {
        match self {
            Self::Endpoints => mirror.endpoint_list(),
            Self::Rows(scope) => mirror.scope_list(scope),
            Self::Practices => mirror.practice_list(),
        }
    }
}

type Outcome = Option<Result<(), CallError>>;

/// The newest list of a target under way.
pub(super) struct Flight {
    started: Seq,
    outcome: watch::Receiver<Outcome>,
    lever: Lever,
    probe: bool,
}

/// Ends a list in every case, a panic of the adapter included: waiters are answered, the mirror knows it has ended.
struct Landing {
    realm: Arc<Realm>,
    target: Target,
    started: Seq,
    outcome: watch::Sender<Outcome>,
}

impl Drop for Landing {
    fn drop(&mut self) {
        self.realm.change(|mirror| mirror.list_failed(self.started));
        let mut flights = self.realm.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if flights.get(&self.target).is_some_and(|flight| flight.started == self.started) {
            flights.remove(&self.target);
        }
        drop(flights);
        self.outcome.send_if_modified(|outcome| outcome.is_none() && outcome.replace(Err(broken_off())).is_none());
    }
}

fn broken_off() -> CallError {
    CallError::Unavailable { cause: Unavailable::Reset, ambiguity: None }
}

impl Realm {
    /// Sees to a good endpoint list that started after `not_before`; `None`: any list of this process.
    ///
    /// # Errors
    /// The error of the list that was waited for; every waiter gets it, none repeats the call.
    pub async fn refresh_endpoints(self: &Arc<Self>, not_before: Option<Seq>) -> Result<(), CallError> {
        if self.provider.endpoints().is_none() {
            return Ok(());
        }
        self.refresh(Target::Endpoints, not_before).await
    }

    /// Sees to a good list of an endpoint's rows that started after `not_before`.
    ///
    /// # Errors
    /// As [`Realm::refresh_endpoints`].
    pub async fn refresh_rows(self: &Arc<Self>, endpoint: &RemoteId, not_before: Option<Seq>) -> Result<(), CallError> {
        let scope = match self.provider.endpoints() {
            Some(_) => RowScope::Endpoint(endpoint.clone()),
            None => RowScope::Account,
        };
        self.refresh_row_scope(scope, not_before).await
    }

    /// The same for any scope.
    ///
    /// # Errors
    /// As [`Realm::refresh_endpoints`].
    pub async fn refresh_row_scope(
        self: &Arc<Self>,
        scope: RowScope,
        not_before: Option<Seq>,
    ) -> Result<(), CallError> {
        if self.provider.rows().is_none() {
            return Ok(());
        }
        self.refresh(Target::Rows(scope), not_before).await
    }

    /// Sees to a good list of practices that started after `not_before`.
    ///
    /// # Errors
    /// As [`Realm::refresh_endpoints`].
    pub async fn refresh_practices(self: &Arc<Self>, not_before: Option<Seq>) -> Result<(), CallError> {
        if self.provider.practices().is_none() {
            return Ok(());
        }
        self.refresh(Target::Practices, not_before).await
    }

    /// One look at everything: endpoints, the rows of every held endpoint, practices.
    ///
    /// Rows are listed one endpoint after the other, lowest id first. A rotation's destination is younger than its
    /// source, so its list starts after the source's has ended, as [`Mirror::is_missing`] wants it.
    ///
    /// # Errors
    /// The first error that is about the account. A refusal or 404 of one endpoint's rows is not: the endpoint was deleted
    /// since the list before, say, and its own object finds out.
    pub async fn round(self: &Arc<Self>) -> Result<(), CallError> {
        let since = Some(self.read(Mirror::now));
        self.refresh_endpoints(since).await?;
        for scope in self.row_scopes() {
            match self.refresh_row_scope(scope, since).await {
                Ok(()) | Err(CallError::NotFound | CallError::Rejected { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.refresh_practices(since).await?;
        // Where nothing can be listed, that the credentials hold is all there is to know.
        if self.provider.rows().is_none() { self.prove().await } else { Ok(()) }
    }

    /// Held endpoints that the provider shows; the whole account where rows have no endpoint.
    fn row_scopes(&self) -> Vec<RowScope> {
        if self.provider.endpoints().is_none() {
            return vec![RowScope::Account];
        }
        let held = |mirror: &Mirror| -> BTreeSet<RemoteId> {
            mirror.held().filter(|id| mirror.endpoint(id).is_some()).cloned().collect()
        };
        self.read(held).into_iter().map(RowScope::Endpoint).collect()
    }

    async fn refresh(self: &Arc<Self>, target: Target, not_before: Option<Seq>) -> Result<(), CallError> {
        let mut errand = Errand::current();
        let Some((mut outcome, lever)) = self.join_or_start(target, not_before, &errand) else { return Ok(()) };
        lever.raise(errand.lane());
        let mut landed = std::pin::pin!(outcome.wait_for(Option::is_some));
        loop {
            tokio::select! {
                biased;
                outcome = &mut landed => {
                    let outcome = outcome.ok().and_then(|outcome| outcome.clone());
                    return outcome.unwrap_or_else(|| Err(broken_off()));
                }
                lane = errand.raised() => lever.raise(lane),
            }
        }
    }

    /// `None` when a list that is new enough has been applied.
    fn join_or_start(
        self: &Arc<Self>,
        target: Target,
        not_before: Option<Seq>,
        errand: &Errand,
    ) -> Option<(watch::Receiver<Outcome>, Lever)> {
        let new_enough = |started: Seq| not_before.is_none_or(|seq| started > seq);
        let mut flights = self.flights.lock().unwrap_or_else(PoisonError::into_inner);
        if self.read(|mirror| target.last(mirror)).is_some_and(|list| new_enough(list.started)) {
            return None;
        }
        // A probe does not join what an open breaker may send away.
        let joins = |flight: &&Flight| new_enough(flight.started) && (flight.probe || !errand.is_probe());
        if let Some(flight) = flights.get(&target).filter(joins) {
            return Some((flight.outcome.clone(), flight.lever.clone()));
        }
        let started = self.change(Mirror::tick);
        let at = Timestamp::now();
        let (sender, outcome) = watch::channel(None);
        let probe = errand.is_probe();
        let (own, lever) = Errand::with_lever(errand.lane());
        let own = if probe { own.probing() } else { own };
        flights.insert(target.clone(), Flight { started, outcome: outcome.clone(), lever: lever.clone(), probe });
        drop(flights);
        let landing = Landing { realm: self.clone(), target, started, outcome: sender };
        tokio::spawn(async move {
            let result = own.run(landing.realm.list(&landing.target, started, at)).await;
            landing.outcome.send_replace(Some(result));
        });
        Some((outcome, lever))
    }

    async fn list(&self, target: &Target, started: Seq, at: Timestamp) -> Result<(), CallError> {
        let changes = match target {
            Target::Endpoints => self.list_endpoints(started, at).await?,
            Target::Rows(scope) => {
                let Some(calls) = self.provider.rows() else { return Ok(()) };
                let rows = self.noted(calls.list(scope).await)?;
                self.change(|mirror| mirror.apply_rows(scope, started, at, &rows))
            }
            Target::Practices => {
                let Some(calls) = self.provider.practices() else { return Ok(()) };
                let list = self.noted(calls.list().await)?;
                self.change(|mirror| mirror.apply_practices(started, at, list))
            }
        };
        self.publish(changes);
        Ok(())
    }

    /// The endpoint list with what it takes to judge it: the inactive, if something is lacking, and the practices, if no
    /// endpoint can be a witness. All are applied at once, or the world would look strange in between.
    async fn list_endpoints(&self, started: Seq, at: Timestamp) -> Result<Changes, CallError> {
        let Some(calls) = self.provider.endpoints() else { return Ok(Changes::default()) };
        let list = self.noted(calls.list(false).await)?;
        let mut second_look = None;
        if self.read(|mirror| mirror.needs_second_look(&list)) {
            second_look = Some(self.noted(calls.list(true).await)?);
        }
        let both: Vec<_> = list.iter().chain(second_look.iter().flatten()).cloned().collect();
        let mut practices = None;
        if self.read(|mirror| mirror.wants_sample_witness(&both))
            && let Some(calls) = self.provider.practices()
        {
            let (started, at) = (self.change(Mirror::tick), Timestamp::now());
            match self.noted(calls.list().await) {
                Ok(list) => practices = Some((started, at, list)),
                // No witness then. The endpoint list is good all the same.
                Err(_) => self.change(|mirror| mirror.list_failed(started)),
            }
        }
        Ok(self.change(|mirror| {
            let before = mirror.world();
            let mut changes = mirror.apply_endpoints(started, at, &list, second_look.as_deref());
            if let Some((started, at, list)) = practices {
                changes.merge(mirror.apply_practices(started, at, list));
            }
            changes.world = mirror.world() != before;
            changes
        }))
    }
}
