//! `ProviderAccount` and `ClusterProviderAccount`: reads the key, makes the realm, says what is wrong, and lets go when nobody needs it any more.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::ResourceExt;
use kube::core::ObjectMeta;

use super::account_kind::{AccountKind, is_shared};
use super::accounts::{AccountEntry, AccountName, Member, RealmHandle, Standing, Trouble};
use super::context::{Context, LastRead};
use super::driver::Done;
use super::error::PassError;
use super::memory::Memory;
use super::secrets::{self, ReadSecret};
use super::write::Writer;
use super::{claims, observer, policy, request, wakes};
use crate::api::account::{NexHealthAccount, RemoteCounts, SecretKeyRef, UnclaimedEndpoint};
use crate::api::{IN_USE_FINALIZER, ProviderAccountStatus, REMOTE_FINALIZER, Reason};
use crate::plan::account::{AccountFinding, held_up, scope, wide_outage, wide_outage_note};
use crate::plan::condition::bounded;
use crate::plan::target;
use crate::provider::base_url::BaseUrl;
use crate::provider::gate::{Gate, GateConfig};
use crate::provider::mirror::{Mirror, World};
use crate::provider::nexhealth::{self, NexHealth, check_api_key};
use crate::provider::realm::{Realm, RealmKey};
use crate::provider::{CallObserver, Provider};
use crate::signing::SecretText;

/// Most unclaimed endpoints in the status.
const UNCLAIMED: usize = 20;

/// What this process remembers of an account object.
#[derive(Default)]
pub struct AccountMemory {
    /// The Secret as last read.
    pub secret: LastRead,
    /// The Secret that holds the key now, to be let go when another one does.
    held: Option<(String, String)>,
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
            let_go(context, &*object, &memory).await?;
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
    let replaced = replaced_in(context, &memory);
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

async fn let_go<A: AccountKind>(
    context: &Context,
    object: &A,
    memory: &Memory<AccountMemory>,
) -> Result<(), PassError> {
    let named = object.secrets().into_iter().map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    let held = memory.plan().held.take();
    let secrets: BTreeSet<(String, String)> = named.chain(held).collect();
    for (namespace, name) in secrets {
        secrets::let_go(context, &namespace, &name, Some(&object.known_as())).await?;
    }
    Ok(())
}

/// What is to be said of the account, and its realm where it has one.
async fn find<A: AccountKind>(
    context: &Arc<Context>,
    object: &A,
    memory: &Memory<AccountMemory>,
    fresh: bool,
) -> Result<(AccountFinding, Option<Arc<RealmHandle>>), PassError> {
    let spec = object.account();
    let Some(block) = &spec.nex_health else {
        let message = "spec has no provider block: set spec.nexHealth".to_owned();
        return Ok((AccountFinding::BadSpec(Reason::InvalidSpec, message), None));
    };
    let url = spec.base_url.as_deref().unwrap_or(nexhealth::DEFAULT_BASE_URL);
    let base_url = match BaseUrl::parse(url, nexhealth::DEFAULT_BASE_URL, &context.allowed_base_urls) {
        Ok(base_url) => base_url,
        Err(error) => return Ok((AccountFinding::BadSpec(Reason::BaseUrlNotAllowed, error.to_string()), None)),
    };
    let origin = base_url.origin();
    let key = match api_key(context, object, block, memory).await {
        Ok(Ok(key)) => key,
        // rules.md *Keys and the Secret*: the key in memory serves deletes only.
        Ok(Err(finding @ AccountFinding::SecretMissing { .. })) => {
            let realm = memory.plan().realm.clone().filter(|handle| handle.realm.key().origin == origin);
            return Ok((finding, realm));
        }
        Ok(Err(finding)) => return Ok((finding, None)),
        Err(PassError::Forbidden) => {
            let realm = memory.plan().realm.clone().filter(|handle| handle.realm.key().origin == origin);
            let secret = shown(object, &block.api_key_secret_ref);
            return Ok((AccountFinding::SecretForbidden { secret }, realm));
        }
        Err(error) => return Err(error),
    };
    let handle = match join(context, object, block, base_url, &key) {
        Ok(handle) => handle,
        Err(message) => return Ok((AccountFinding::BadSpec(Reason::InvalidSpec, message), None)),
    };
    memory.plan().realm = Some(handle.clone());
    let secret = shown(object, &block.api_key_secret_ref);
    let known = object.stored().and_then(|status| status.scope.as_ref());
    // rules.md *Absence*: it counts once, because the fingerprint changes with what is accepted.
    let accepts = known.is_some_and(|scope| scope.fingerprint == spec.accept_scope);
    let sample = known.map(|scope| scope.sample.iter().map(|id| Arc::from(id.to_string())).collect());
    handle.realm.set_expectations(claims::held_in(context, &handle), sample.unwrap_or_default());
    handle.realm.accept_world(accepts);
    let unseen = handle.realm.read(|mirror| mirror.endpoint_list().is_none() || mirror.practice_list().is_none());
    let look = fresh || unseen && handle.trouble().is_none();
    if look && observer::round(&handle).await {
        // The other accounts of the realm hear of it too.
        wakes::accounts_of(context, &handle);
    }
    let finding = match handle.trouble() {
        Some(Trouble::CredentialsRejected) => AccountFinding::CredentialsRejected { secret },
        Some(Trouble::Unavailable { cause, .. }) => AccountFinding::Unavailable { cause },
        Some(Trouble::Refused { status }) => AccountFinding::Refused { status },
        None => match handle.realm.read(Mirror::world) {
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

/// The API key, held by the in-use finalizer before its first use.
async fn api_key<A: AccountKind>(
    context: &Context,
    object: &A,
    block: &NexHealthAccount,
    memory: &Memory<AccountMemory>,
) -> Result<Result<SecretText, AccountFinding>, PassError> {
    let reference = &block.api_key_secret_ref;
    let (namespace, name, key) = (object.secret_namespace(reference), &reference.name, &reference.key);
    let is_meant = |meta: &ObjectMeta| meta.name.as_ref() == Some(name) && meta.namespace.as_deref() == Some(namespace);
    let known = match &memory.plan().secret {
        LastRead::Known(Some(secret)) if is_meant(&secret.meta) => Some(secret.clone()),
        _ => None,
    };
    let secret = match known {
        Some(secret) => Some(secret),
        None => {
            let read = secrets::read(context, namespace, name).await?.map(Arc::new);
            memory.plan().secret = LastRead::Known(read.clone());
            read
        }
    };
    let missing = || AccountFinding::SecretMissing { secret: shown(object, reference) };
    let Some(secret) = secret else { return Ok(Err(missing())) };
    if object.meta().deletion_timestamp.is_none() && secrets::released_by_replacement(context, &secret).await? {
        return Ok(Err(missing()));
    }
    let value = match usable(&secret, &shown(object, reference), key) {
        Ok(value) => value,
        Err(message) => return Ok(Err(AccountFinding::KeyUnusable(message))),
    };
    secrets::hold(context, &secret).await?;
    let holds = (namespace.to_owned(), name.clone());
    let before = memory.plan().held.replace(holds.clone());
    if let Some((namespace, name)) = before.filter(|before| *before != holds) {
        secrets::let_go(context, &namespace, &name, Some(&object.known_as())).await?;
    }
    Ok(Ok(value))
}

/// How a Secret is named in what is said of an account.
fn shown<A: AccountKind>(object: &A, reference: &SecretKeyRef) -> String {
    match A::SHARED {
        true => format!("{}/{}", object.secret_namespace(reference), reference.name),
        false => reference.name.clone(),
    }
}

fn usable(secret: &ReadSecret, name: &str, key: &str) -> Result<SecretText, String> {
    let Some(value) = secret.values.get(key) else {
        return Err(format!(
            "the Secret {name:?} has no text under the key {key:?}: add the API key there, or correct spec.nexHealth.apiKeySecretRef.key"
        ));
    };
    match check_api_key(value) {
        Ok(()) => Ok(value.clone()),
        Err(remedy) => Err(format!("the API key in the Secret {name:?} under {key:?} {remedy}")),
    }
}

/// The realm of the key; a new key makes a new one, whose lists begin from nothing.
fn join<A: AccountKind>(
    context: &Arc<Context>,
    object: &A,
    block: &NexHealthAccount,
    base_url: BaseUrl,
    key: &SecretText,
) -> Result<Arc<RealmHandle>, String> {
    let realm_key = RealmKey::new("nexhealth", base_url.origin(), key.digest());
    let rate = |number: i64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    let (spec, limit) = (object.account(), object.account().rate_limit);
    let member = Member {
        interval: context.observe_interval(spec),
        sync_interval: context.sync_interval(spec),
        rate: (rate(limit.requests_per_minute), rate(limit.burst)),
    };
    let (handle, new) = context.accounts.realm(realm_key, |realm_key| {
        let config = GateConfig { requests_per_minute: member.rate.0, burst: member.rate.1, ..GateConfig::default() };
        let gate = Arc::new(Gate::new(config));
        let account = nexhealth::NexHealthAccount {
            base_url,
            api_key: key.clone(),
            api_version: Arc::from(block.api_version.as_str()),
            token_timing: context.timing.tokens,
        };
        let observer: Arc<dyn CallObserver> = Arc::new(context.metrics.clone());
        let (http, fence) = (context.http.clone(), Arc::new(context.lease.clone()));
        let provider = NexHealth::new(account, gate.clone(), http, observer, fence);
        let provider: Arc<dyn Provider> = Arc::new(provider.map_err(|error: nexhealth::SetupError| error.to_string())?);
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
    let why = || match A::SHARED {
        true => "its own Ready condition says why, to those who may read it".to_owned(),
        false => bounded(finding.report().message),
    };
    let blocks = finding.blocks().map(|_| why());
    let standing = match (blocks, realm.as_ref().and_then(|handle| handle.trouble())) {
        (Some(why), _) if finding.leaves_key_in_memory() && realm.is_some() => Standing::DeletesOnly(why),
        (Some(why), _) => Standing::NotReady(why),
        (None, Some(Trouble::Unavailable { since, .. })) => {
            let long = crate::plan::elapsed(since, Timestamp::now()) >= context.timing.plan.outage_grace;
            Standing::Unavailable { long }
        }
        (None, _) if *finding == AccountFinding::Authenticated => Standing::Ready,
        (None, _) => Standing::Unavailable { long: false },
    };
    let version = object.account().nex_health.as_ref().map(|block| block.api_version.as_str()).unwrap_or_default();
    let entry = AccountEntry {
        standing,
        generation: object.meta().generation,
        allow_insecure: object.account().allow_insecure_targets,
        api_version: Arc::from(version),
        realm,
    };
    context.accounts.set(&object.known_as(), entry)
}

/// While the Secret is going: when it counts as being replaced (rules.md *Keys and the Secret*). No watch tells of that.
fn replaced_in(context: &Context, memory: &Memory<AccountMemory>) -> Option<std::time::Duration> {
    let LastRead::Known(Some(secret)) = &memory.plan().secret else { return None };
    let since = secret.meta.deletion_timestamp.as_ref()?.0;
    let left = context.timing.secret_replaced.saturating_sub(crate::plan::elapsed(since, Timestamp::now()));
    (!left.is_zero()).then_some(left)
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
