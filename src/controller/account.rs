//! `ProviderAccount` and `ClusterProviderAccount`: reads the key, makes the realm, says what is wrong, and lets go when nobody needs it any more.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::ResourceExt;

use super::account_kind::{AccountKind, is_shared};
use super::accounts::{AccountEntry, AccountName, Member, RealmHandle, Standing, Trouble};
use super::context::{Context, LastRead};
use super::driver::Done;
use super::error::PassError;
use super::memory::Memory;
use super::write::Writer;
use super::{adapters, claims, credentials, observer, policy, request, wakes};
use crate::api::account::{RemoteCounts, UnclaimedEndpoint};
use crate::api::provider_block::ProviderBlock;
use crate::api::{IN_USE_FINALIZER, ProviderAccountStatus, REMOTE_FINALIZER, Reason};
use crate::plan::account::{AccountFinding, held_up, scope, wide_outage, wide_outage_note};
use crate::plan::condition::bounded;
use crate::plan::target;
use crate::provider::Keyring;
use crate::provider::base_url::BaseUrl;
use crate::provider::gate::{Gate, GateConfig};
use crate::provider::mirror::{Mirror, World};
use crate::provider::model::{RemoteId, RemoteRow};
use crate::provider::realm::Realm;
use crate::signing::SecretText;

/// Most unclaimed endpoints in the status.
const UNCLAIMED: usize = 20;

/// Namespace and name of a Secret.
pub type SecretName = (String, String);

/// What this process remembers of an account object.
#[derive(Default)]
pub struct AccountMemory {
    /// Its Secrets as last read.
    pub secrets: BTreeMap<SecretName, LastRead>,
    /// The Secrets that hold the keys now, to be let go when others do.
    pub held: BTreeSet<SecretName>,
    /// The generation for which the credentials were last to be proven.
    proven_for: Option<i64>,
    /// The realm of the last key, which goes on serving deletes when the Secret is gone.
    realm: Option<Arc<RealmHandle>>,
    /// Whether the dependants know that the account releases them.
    released: bool,
}

/// One pass.
pub async fn pass<A: AccountKind>(context: &Arc<Context>, mut object: Arc<A>) -> Result<Done, PassError> {
    let name = object.known_as();
    let memory = A::memories(context).of(&object.uid().unwrap_or_default());
    let writer = Writer { context, cache: A::cache(context) };
    let deleting = object.meta().deletion_timestamp.is_some();
    let held = object.finalizers().iter().any(|finalizer| finalizer == IN_USE_FINALIZER);
    let dependants = dependants(context, &name);
    if deleting && (!held || dependants.is_empty()) {
        if held {
            credentials::let_go(context, &*object, &memory).await?;
            writer.remove_finalizer(&object, IN_USE_FINALIZER).await?;
        }
        context.accounts.forget(&name);
        return Ok(Done::rest(None));
    }
    let policy = policy::of_account(object.account(), object.meta());
    if policy.releasing && !std::mem::replace(&mut memory.plan().released, true) {
        wakes::dependants(context, &name);
    }
    if !held {
        object = writer.add_finalizer(&object, IN_USE_FINALIZER).await?;
    }
    let handled = object.stored().and_then(|status| status.last_handled_reconcile_at.clone());
    let asked = request::unanswered(&*object, handled.as_deref());
    // Before the monitors can see the account.
    context.outages.begin(&name, A::conditions(&object));
    let (finding, realm) = find(context, &*object, &memory, asked.is_some()).await?;
    let news = record(context, &*object, &finding, realm.clone());
    if news {
        wakes::dependants(context, &name);
    }
    let mut report = if deleting { held_up(&finding, &dependants) } else { finding.report() };
    let before = object.stored().cloned().unwrap_or_default();
    let outage = context.outages.any(&name);
    if outage {
        report = report.with(wide_outage());
    }
    let generation = object.meta().generation.unwrap_or_default();
    let mut status = ProviderAccountStatus {
        observed_generation: generation,
        conditions: report.conditions(&before.conditions, generation, Timestamp::now()),
        last_handled_reconcile_at: if realm.is_some() { asked.or(handled) } else { handled },
        ..before.clone()
    };
    if let (AccountFinding::Authenticated | AccountFinding::ScopeSuspect { .. }, Some(handle)) = (&finding, &realm) {
        count(context, handle, &mut status);
    }
    // No watch tells of rights that come back.
    let unreadable = matches!(finding, AccountFinding::SecretForbidden { .. }).then_some(context.timing.backoff.1);
    let replaced = credentials::replaced_in(context, &memory);
    let again = outage_end(context, realm.as_deref()).into_iter().chain(unreadable).chain(replaced).min();
    context.metrics.set_unclaimed_endpoints(
        &super::driver::object_key(&*object),
        status.remote.and_then(|remote| u64::try_from(remote.unclaimed_endpoints).ok()),
    );
    let counted =
        ProviderAccountStatus { remote: status.remote, unclaimed: status.unclaimed.clone(), ..before.clone() };
    let counters_only = object.stored().is_some() && counted == status;
    if status == before && object.stored().is_some() {
        return Ok(Done::rest(again));
    }
    if counters_only && let Err(left) = memory.counters_due(context.timing.plan.counters, Instant::now()) {
        return Ok(Done::rest(Some(again.map_or(left, |again| again.min(left)))));
    }
    let object = writer.status(&object, &status).await?;
    memory.counters_written(Instant::now());
    let told = wide_outage_note(&before.conditions, outage).into_iter().collect::<Vec<_>>();
    context.events.publish(&*object, &told).await;
    Ok(Done::rest(again))
}

/// Endpoint objects that still need the account: by name, and those of an account of the cluster by namespace and name,
/// which only its owner reads.
fn dependants(context: &Context, account: &AccountName) -> Vec<String> {
    let endpoints = claims::endpoints_of(context, account);
    let needs = |endpoint: &&Arc<crate::api::WebhookEndpoint>| {
        endpoint.finalizers().iter().any(|finalizer| finalizer == REMOTE_FINALIZER)
    };
    let mut names: Vec<String> = endpoints
        .iter()
        .filter(needs)
        .map(|endpoint| match is_shared(account) {
            true => format!("{}/{}", endpoint.namespace().unwrap_or_default(), endpoint.name_any()),
            false => endpoint.name_any(),
        })
        .collect();
    names.sort();
    names
}

/// What is to be said of the account, and its realm where it has one.
async fn find<A: AccountKind>(
    context: &Arc<Context>,
    object: &A,
    memory: &Memory<AccountMemory>,
    fresh: bool,
) -> Result<(AccountFinding, Option<Arc<RealmHandle>>), PassError> {
    let spec = object.account();
    let Some(block) = spec.block() else {
        let message =
            "spec has no provider block: set spec.nexHealth, spec.heroHealth or spec.insightHealth".to_owned();
        return Ok((AccountFinding::BadSpec(Reason::InvalidSpec, message), None));
    };
    let own = adapters::default_base_url(&block);
    let url = spec.base_url.as_deref().unwrap_or(own);
    let base_url = match BaseUrl::parse(url, own, &context.allowed_base_urls) {
        Ok(base_url) => base_url,
        Err(error) => return Ok((AccountFinding::BadSpec(Reason::BaseUrlNotAllowed, error.to_string()), None)),
    };
    let keys = match credentials::read(context, object, memory).await? {
        Ok(keys) => keys,
        // rules.md *Keys and the Secret*: the key in memory serves deletes only.
        Err(finding) if finding.leaves_key_in_memory() => {
            let origin = base_url.origin();
            let realm = memory.plan().realm.clone().filter(|handle| handle.realm.key().origin == origin);
            return Ok((finding, realm));
        }
        Err(finding) => return Ok((finding, None)),
    };
    let handle = match join(context, object, &block, base_url, &keys) {
        Ok(handle) => handle,
        Err(message) => return Ok((AccountFinding::BadSpec(Reason::InvalidSpec, message), None)),
    };
    let known = object.stored().and_then(|status| status.scope.as_ref());
    // rules.md *Absence*: it counts once, because the fingerprint changes with what is accepted.
    let accepts = known.is_some_and(|scope| scope.fingerprint == spec.accept_scope);
    let sample = known.map(|scope| scope.sample.iter().map(|id| Arc::from(id.to_string())).collect());
    handle.realm.set_expectations(claims::held_in(context, &handle), sample.unwrap_or_default());
    handle.realm.accept_world(accepts);
    let generation = object.meta().generation;
    if std::mem::replace(&mut memory.plan().proven_for, generation) != generation {
        handle.realm.forget_proof();
    }
    memory.plan().realm = Some(handle.clone());
    let look = fresh || !handle.realm.has_looked() && handle.trouble().is_none();
    if look && observer::round(&handle).await {
        // The other accounts of the realm hear of it too.
        wakes::accounts_of(context, &handle);
    }
    let finding = match handle.trouble() {
        Some(Trouble::CredentialsRejected) => AccountFinding::CredentialsRejected { sent: credentials::sent(object) },
        Some(Trouble::OtherServer { like }) => {
            AccountFinding::OtherServer { provider: block.provider(), field: block.field(), like }
        }
        Some(Trouble::Unavailable { cause, .. }) => AccountFinding::Unavailable { cause },
        Some(Trouble::Refused { status }) => AccountFinding::Refused { status },
        None => match handle.realm.world() {
            World::Trusted => AccountFinding::Authenticated,
            World::Suspect | World::Unwitnessed => AccountFinding::ScopeSuspect {
                fingerprint: known.map(|scope| scope.fingerprint.clone()),
                same_practices: handle.realm.read(|mirror| mirror.witnesses().sample),
            },
            World::Unknown => AccountFinding::Unavailable { cause: "no list has come in yet".to_owned() },
        },
    };
    Ok((finding, Some(handle)))
}

/// The realm of the keys; new keys make a new one, whose lists begin from nothing.
fn join<A: AccountKind>(
    context: &Arc<Context>,
    object: &A,
    block: &ProviderBlock<'_>,
    base_url: BaseUrl,
    keys: &[SecretText],
) -> Result<Arc<RealmHandle>, String> {
    let rate = |number: i64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    let (spec, limit) = (object.account(), object.account().rate_limit);
    let member = Member {
        interval: context.observe_interval(spec),
        sync_interval: context.sync_interval(spec),
        rate: (rate(limit.requests_per_minute), rate(limit.burst)),
    };
    let realm_key = adapters::realm_key(block, &base_url, keys);
    let (handle, new) = context.accounts.realm(realm_key, |realm_key| {
        let config = GateConfig { requests_per_minute: member.rate.0, burst: member.rate.1, ..GateConfig::default() };
        let gate = Arc::new(Gate::new(config));
        let provider = adapters::adapter(context, block, base_url, keys, gate.clone())?;
        Ok::<_, String>(RealmHandle::new(Realm::new(realm_key, provider, context.timing.realm), gate))
    })?;
    handle.join(&object.known_as(), member);
    if new {
        observer::start(context, &handle);
    }
    Ok(handle)
}

/// Tells the dependants' passes how the account stands; answers whether that is news to them.
fn record<A: AccountKind>(
    context: &Context,
    object: &A,
    finding: &AccountFinding,
    realm: Option<Arc<RealmHandle>>,
) -> bool {
    // What is wrong with a shared account is for its owner to read.
    let shown = |why: String| match A::SHARED {
        true => "its own Ready condition says why, to those who may read it".to_owned(),
        false => bounded(why),
    };
    let standing = match (finding.blocks().map(shown), realm.as_ref().and_then(|handle| handle.trouble())) {
        (Some(why), _) if finding.leaves_key_in_memory() && realm.is_some() => Standing::DeletesOnly(why),
        (Some(why), _) => Standing::NotReady(why),
        (None, Some(Trouble::Unavailable { since, .. })) => {
            let long = crate::plan::elapsed(since, Timestamp::now()) >= context.timing.plan.outage_grace;
            Standing::Unavailable { long }
        }
        (None, _) if *finding == AccountFinding::Authenticated => Standing::Ready,
        (None, _) => Standing::Unavailable { long: false },
    };
    let entry = AccountEntry {
        standing,
        generation: object.meta().generation,
        allow_insecure: object.account().allow_insecure_targets,
        api_version: adapters::payload_version(object.account().block()),
        realm,
    };
    context.accounts.set(&object.known_as(), entry)
}

/// While an outage is young, the pass that tells the dependants that it no longer is.
fn outage_end(context: &Context, realm: Option<&RealmHandle>) -> Option<std::time::Duration> {
    let Some(Trouble::Unavailable { since, .. }) = realm.and_then(RealmHandle::trouble) else { return None };
    let left = context.timing.plan.outage_grace.saturating_sub(crate::plan::elapsed(since, Timestamp::now()));
    (!left.is_zero()).then_some(left)
}

/// What the key reaches, as counts and as the world by which it is recognised.
fn count(context: &Context, handle: &RealmHandle, status: &mut ProviderAccountStatus) {
    let held = claims::held_in(context, handle);
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    if let Some(keyring) = handle.realm.provider().keyring() {
        return handle.realm.read(|mirror| count_rows(mirror, keyring, &held, status));
    }
    if handle.realm.provider().endpoints().is_none() {
        return;
    }
    handle.realm.read(|mirror| {
        let mut unclaimed: Vec<_> = mirror.endpoints().filter(|endpoint| !held.contains(&endpoint.id)).collect();
        unclaimed.sort_by(|a, b| a.id.cmp(&b.id));
        status.remote = Some(RemoteCounts {
            endpoints: number(mirror.endpoints().count()),
            subscriptions: number(held.iter().map(|id| mirror.row_counts(id).total).sum()),
            unclaimed_endpoints: number(unclaimed.len()),
        });
        let shown = unclaimed.iter().take(UNCLAIMED).map(|endpoint| UnclaimedEndpoint {
            id: endpoint.id.as_str().to_owned(),
            target_url: target::shown(&endpoint.target_url).chars().take(2048).collect(),
        });
        status.unclaimed = shown.collect();
        let institutions: BTreeSet<i64> =
            mirror.practices().iter().filter_map(|practice| practice.key.parse().ok()).collect();
        if mirror.practice_list().is_some() && mirror.world() == World::Trusted {
            status.scope = scope(status.scope.as_ref(), "nexhealth", &handle.realm.key().origin, &institutions);
        } else if mirror.world() != World::Unknown && status.scope.is_none() {
            // Nothing was ever known: a person must be able to accept what is there now all the same.
            status.scope = scope(None, "nexhealth", &handle.realm.key().origin, &BTreeSet::new());
        }
    });
}

/// The same where rows carry URL and key of their own: those that no object holds are unclaimed.
fn count_rows(mirror: &Mirror, keyring: &Keyring, held: &HashSet<RemoteId>, status: &mut ProviderAccountStatus) {
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let mut unclaimed: Vec<RemoteRow> = mirror.every_row().filter(|row| !held.contains(&row.endpoint)).collect();
    unclaimed.sort_by(|a, b| a.id.cmp(&b.id));
    status.remote = Some(RemoteCounts {
        endpoints: 0,
        subscriptions: number(held.iter().map(|home| mirror.row_counts(home).total).sum()),
        unclaimed_endpoints: number(unclaimed.len()),
    });
    let shown = unclaimed.iter().take(UNCLAIMED).map(|row| UnclaimedEndpoint {
        id: row.id.as_str().to_owned(),
        target_url: target::shown(&keyring.target_url(&row.endpoint).unwrap_or_default()).chars().take(2048).collect(),
    });
    status.unclaimed = shown.collect();
}
