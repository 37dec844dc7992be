//! What an endpoint's plan looks at: account, mirror, Secret.

use std::collections::HashSet;
use std::sync::Arc;

use kube::ResourceExt;

use super::Pass;
use super::rotation::{leaving, moved};
use crate::api::endpoint::SubscriptionCounts;
use crate::api::subscription::AppliedScope;
use crate::controller::account_kind;
use crate::controller::accounts::{AccountEntry, AccountName, RealmHandle};
use crate::controller::claims;
use crate::controller::context::LastRead;
use crate::controller::error::PassError;
use crate::controller::secrets;
use crate::controller::tenancy;
use crate::plan::AccountView;
use crate::plan::contention::Corrections;
use crate::plan::create::Candidate;
use crate::plan::endpoint::{OtherRemote, RemoteSide, SecretView, secret_name};
use crate::plan::grants::{Share, target_host};
use crate::plan::pairs::Sibling;
use crate::plan::rotation::Pair;
use crate::provider::mirror::{CreateState, Mirror};
use crate::provider::model::{Absence, RemoteEndpoint, RemoteId, RowKey, canonical_url};
use crate::signing::SecretText;

impl Pass<'_> {
    /// How the account stands. While nobody knows what it lends, the object is left as it is; but it may go.
    pub(super) fn view(&self, account: &AccountName, entry: Option<&AccountEntry>, namespace: &str) -> AccountView {
        let stays = self.object.metadata.deletion_timestamp.is_none();
        match account_kind::view(self.context, account, entry) {
            AccountView::Ready { .. } if stays && tenancy::share(self.context, account, namespace).is_none() => {
                AccountView::Unavailable { long: false }
            }
            view => view,
        }
    }

    /// What the account lends, and what subscriptions have made on the remote endpoint, where it delivers to another host
    /// than the spec's.
    pub(super) fn share(&self, account: &AccountName, namespace: &str) -> (Share, Vec<AppliedScope>) {
        let share = tenancy::share(self.context, account, namespace).unwrap_or_else(Share::nothing);
        let urls = if share.is_lent() { tenancy::target_urls(self.context, &self.object) } else { Vec::new() };
        let hosts: HashSet<_> = urls.iter().map(|url| target_host(url)).collect();
        if hosts.len() < 2 {
            return (share, Vec::new());
        }
        let subscriptions = claims::subscriptions(self.context, namespace, &self.object.name_any());
        let applied = subscriptions.iter().filter_map(|one| one.status.as_ref()?.applied.as_ref());
        (share, applied.map(|applied| applied.scope.clone()).collect())
    }

    /// Forgets what a new generation or another realm makes void.
    pub(super) fn adjust(&self, handle: Option<&RealmHandle>, account: Option<i64>) {
        let mut mind = self.memory.plan();
        let generation = (self.object.metadata.generation, account);
        if mind.generation != generation {
            mind.generation = generation;
            mind.plan.refused = None;
            mind.plan.delete_refused.clear();
            mind.plan.second_refused = None;
            mind.plan.rows_in_the_way = None;
            mind.plan.unreadable = None;
            mind.plan.corrections = Corrections::default();
            mind.plan.reactivated = None;
            mind.plan.other_refused = None;
            mind.plan.stuck.clear();
        }
        let same =
            handle.is_some_and(|handle| mind.realm.upgrade().is_some_and(|realm| Arc::ptr_eq(&realm, &handle.realm)));
        if let (false, Some(handle)) = (same, handle) {
            mind.realm = Arc::downgrade(&handle.realm);
            // A POST of the present intent may have been answered in the world before, where nobody looks any more: only a
            // list that starts now can show what it made, and what it makes later is ours too.
            if mind.intent.is_some() {
                mind.intent = Some(handle.realm.read(Mirror::now));
                mind.plan.intent_is_mine = false;
            }
            mind.deleted.clear();
            mind.plan.refused = None;
            mind.plan.made = None;
            mind.plan.looked_before_retiring = false;
        }
    }

    /// The mirror, as far as it concerns this object, and the keys of the remotes it holds or may take.
    pub(super) fn remote(&self, handle: &RealmHandle) -> (RemoteSide, Vec<SecretText>) {
        let others = claims::held_by_others(self.context, &self.object, &handle.realm.key().origin);
        let mind = self.memory.plan();
        handle.realm.read(|mirror| {
            let status = self.object.status.clone().unwrap_or_default();
            let held_id = status.remote_id.as_deref().map(RemoteId::new);
            let list = mirror.endpoint_list();
            let since =
                |id: &RemoteId| list.is_some_and(|list| mind.deleted.get(id).is_none_or(|at| list.started > *at));
            let removing: Vec<RemoteId> = status.removing.iter().map(RemoteId::new).collect();
            let made = mind.plan.made.as_ref().and_then(|made| mirror.endpoint(made));
            let candidates = self.candidates(mirror, made, &removing, &others);
            let named = self.object.spec.adopt_remote_id.as_deref().map(RemoteId::new);
            let named = named.filter(|id| held_id.as_ref() != Some(id)).and_then(|id| mirror.endpoint(&id).cloned());
            let named = named.map(|endpoint| candidate(mirror, &endpoint, &removing, &others));
            let held = held_id.as_ref().and_then(|id| mirror.endpoint(id)).cloned();
            let pair = Pair::of(&status);
            let gone = |id: &RemoteId| mirror.endpoint(id).is_none() && mind.deleted.contains_key(id) && since(id);
            let other = pair.as_ref().and_then(Pair::other).map(|id| OtherRemote {
                id: id.clone(),
                endpoint: mirror.endpoint(id).cloned(),
                absence: absence(mirror, id),
                gone: gone(id),
            });
            let home = status.home.as_ref().map(RemoteId::new);
            let homes: Vec<RemoteId> = home.iter().chain(&removing).cloned().collect();
            let second = other.as_ref().and_then(|other| other.endpoint.as_ref());
            let keys =
                held.iter().chain(second).chain(candidates.iter().chain(&named).map(|candidate| &candidate.endpoint));
            let mut keys: Vec<SecretText> = keys.filter_map(|endpoint| endpoint.key.clone()).collect();
            if let Some(keyring) = handle.realm.provider().keyring() {
                keys.extend(keyring.listed_keys(&self.object.spec.target_url));
            }
            let urls = claims::urls(&self.object);
            let uncertain = urls.iter().filter_map(|url| match mirror.endpoint_create_state(url) {
                CreateState::Uncertain { look_after } => Some(look_after),
                CreateState::Free | CreateState::InFlight => None,
            });
            let uncertain = uncertain.max();
            let side = RemoteSide {
                listed: list.is_some(),
                listed_since_intent: list.is_some_and(|list| mind.intent.is_none_or(|at| list.started > at)),
                listed_at: list.map(|list| list.at),
                absence: held_id.as_ref().filter(|_| held.is_none()).and_then(|id| absence(mirror, id)),
                gone: held_id.as_ref().is_some_and(gone),
                removing_gone: removing.iter().all(|id| mirror.endpoint(id).is_none() && since(id)),
                removing: removing.into_iter().filter(|id| mirror.endpoint(id).is_some()).collect(),
                rows: match home {
                    Some(_) => self.counts(mirror, handle, &homes),
                    None => {
                        let held: Vec<_> = held.iter().chain(second).map(|endpoint| endpoint.id.clone()).collect();
                        self.counts(mirror, handle, &held)
                    }
                },
                leaving: pair
                    .as_ref()
                    .filter(|pair| pair.moves())
                    .and_then(|pair| leaving(mirror, pair, &mind.plan.stuck)),
                moved: pair.as_ref().map(|pair| moved(mirror, pair)).unwrap_or_default(),
                other,
                held,
                same_url: candidates,
                named,
                seen_before: mirror.endpoint_list_before(),
                uncertain,
            };
            (side, keys)
        })
    }

    /// Endpoints that the object does not hold and may have made; `made` is one that a 201 of this process named.
    fn candidates(
        &self,
        mirror: &Mirror,
        made: Option<&RemoteEndpoint>,
        removing: &[RemoteId],
        others: &claims::HeldByOthers<'_>,
    ) -> Vec<Candidate> {
        let removing_ids: Vec<&str> = removing.iter().map(RemoteId::as_str).collect();
        let held: Vec<&str> = claims::ids(&self.object).filter(|id| !removing_ids.contains(id)).collect();
        let urls = claims::urls(&self.object);
        let made = made.filter(|made| canonical_url(&made.target_url).is_none_or(|url| !urls.contains(&url)));
        let with_url = urls.iter().flat_map(|url| mirror.endpoints_with_url(url));
        with_url
            .chain(made)
            .filter(|endpoint| !held.contains(&endpoint.id.as_str()))
            .map(|endpoint| candidate(mirror, endpoint, removing, others))
            .collect()
    }

    /// Rows on what the object holds; `None` where they are not known, or nothing is held.
    fn counts(&self, mirror: &Mirror, handle: &RealmHandle, held: &[RemoteId]) -> Option<SubscriptionCounts> {
        if held.is_empty() || held.iter().any(|id| !mirror.row_list_known(id)) {
            return None;
        }
        let namespace = self.object.namespace().unwrap_or_default();
        let name = self.object.name_any();
        let catalogue = handle.realm.provider().catalogue();
        let declared = |key: &RowKey| {
            mirror.practice_of(key).is_some_and(|practice| {
                let practice = practice.map(|name| &**name);
                let subscriptions = claims::declarers(self.context, (&namespace, &name), practice, &key.event);
                subscriptions.iter().any(|subscription| {
                    Sibling { object: subscription, older: false }.declares(practice, key, catalogue)
                })
            })
        };
        let rows = held.iter().flat_map(|id| mirror.rows_of(id));
        let undeclared = rows.filter(|row| !declared(&row.key())).count();
        let active = held.iter().map(|id| mirror.row_counts(id).active).sum();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        Some(SubscriptionCounts { active: number(active), undeclared: number(undeclared) })
    }

    /// The Secret, read only where nothing that was read before is still true.
    pub(super) async fn secret(&self, listed: &[SecretText]) -> Result<SecretView, PassError> {
        let known = match &self.memory.plan().secret {
            LastRead::Known(secret) => Some(secret.clone()),
            LastRead::Unknown => None,
        };
        let secret = match known {
            Some(secret) => secret,
            None => {
                let namespace = self.object.namespace().unwrap_or_default();
                let read = secrets::read(self.context, &namespace, &secret_name(&self.object)).await;
                let read = match read {
                    // In a namespace that is going the rights to Secrets go first, and the finalizer must leave all the same.
                    Err(PassError::Forbidden) if self.object.metadata.deletion_timestamp.is_some() => None,
                    read => read?.map(Arc::new),
                };
                self.memory.plan().secret = LastRead::Known(read.clone());
                read
            }
        };
        Ok(secrets::view(&self.object, secret.as_deref(), listed))
    }
}

fn candidate(
    mirror: &Mirror,
    endpoint: &RemoteEndpoint,
    removing: &[RemoteId],
    others: &claims::HeldByOthers<'_>,
) -> Candidate {
    let (id, list) = (&endpoint.id, mirror.endpoint_list());
    // A decision to take or to remove an endpoint rests on a list of its rows as young as the list that shows it.
    let fresh = mirror.row_list(id).is_some_and(|rows| list.is_some_and(|list| rows.started > list.started));
    let known = mirror.saw_created(id) || fresh;
    let held_elsewhere = others.contains(id);
    Candidate {
        endpoint: endpoint.clone(),
        rows: known.then(|| mirror.row_counts(id).total),
        taken: held_elsewhere || removing.contains(id),
        held_elsewhere,
    }
}

/// What plans see of an absence: the run of lists with a witness where there is one.
fn absence(mirror: &Mirror, id: &RemoteId) -> Option<Absence> {
    let absence = mirror.absence(id)?;
    Some(match absence.witnessed_run {
        Some(run) => {
            Absence { first: run.first, last: run.last, lists: run.lists, witnessed: true, seen: absence.seen }
        }
        None => Absence {
            first: absence.first,
            last: absence.last,
            lists: absence.lists,
            witnessed: false,
            seen: absence.seen,
        },
    })
}
