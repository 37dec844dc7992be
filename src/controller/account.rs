//! `ProviderAccount`: reads the key, makes the realm, says what is wrong, and lets go when nobody needs it any more.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use kube::ResourceExt;

use super::accounts::{AccountEntry, AccountName, Member, RealmHandle, Standing, Trouble};
use super::context::{Context, LastRead};
use super::driver::Done;
use super::error::PassError;
use super::memory::Memory;
use super::secrets::{self, ReadSecret};
use super::write::Writer;
use super::{adapters, claims, observer, policy, request, wakes};
use crate::api::account::{RemoteCounts, UnclaimedEndpoint};
use crate::api::provider_block::{CredentialRef, ProviderBlock};
use crate::api::{
    IN_USE_FINALIZER, ProviderAccount, ProviderAccountSpec, ProviderAccountStatus, REMOTE_FINALIZER, Reason,
};
use crate::plan::account::{AccountFinding, held_up, scope, wide_outage, wide_outage_note};
use crate::plan::condition::bounded;
use crate::plan::target;
use crate::provider::Keyring;
use crate::provider::base_url::BaseUrl;
use crate::provider::credentials::check_api_key;
use crate::provider::gate::{Gate, GateConfig};
use crate::provider::mirror::{Mirror, World};
use crate::provider::model::{RemoteId, RemoteRow};
use crate::provider::realm::Realm;
use crate::signing::SecretText;

/// Most unclaimed endpoints in the status.
const UNCLAIMED: usize = 20;

/// What this process remembers of an account object.
#[derive(Default)]
pub struct AccountMemory {
    /// Its Secrets as last read, by name.
    pub secrets: BTreeMap<String, LastRead>,
    /// The Secrets that hold the keys now, to be let go when others do.
    held: BTreeSet<String>,
    /// The generation for which the credentials were last to be proven.
    proven_for: Option<i64>,
    /// The realm of the last key, which goes on serving deletes when the Secret is gone.
    realm: Option<Arc<RealmHandle>>,
    /// Whether the dependants know that the account releases them.
    released: bool,
}

/// One pass.
pub async fn pass(context: &Arc<Context>, mut object: Arc<ProviderAccount>) -> Result<Done, PassError> {
    let name: AccountName = (object.namespace().unwrap_or_default(), object.name_any());
    let memory = context.account_memory.of(&object.uid().unwrap_or_default());
    let writer = Writer { context, cache: &context.account_cache };
    let deleting = object.metadata.deletion_timestamp.is_some();
    let held = object.finalizers().iter().any(|finalizer| finalizer == IN_USE_FINALIZER);
    let dependants = dependants(context, &object);
    if deleting && (!held || dependants.is_empty()) {
        if held {
            let_go(context, &object, &memory).await?;
            writer.remove_finalizer(&object, IN_USE_FINALIZER).await?;
        }
        context.accounts.forget(&name);
        return Ok(Done::rest(None));
    }
    let policy = policy::of_account(&object);
    if policy.releasing && !std::mem::replace(&mut memory.plan().released, true) {
        wakes::dependants(context, &name);
    }
    if !held {
        object = writer.add_finalizer(&object, IN_USE_FINALIZER).await?;
    }
    let handled = object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.clone());
    let asked = request::unanswered(&*object, handled.as_deref());
    // Before the monitors can see the account.
    context.outages.begin(&name, object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default());
    let (finding, realm) = find(context, &object, &memory, asked.is_some()).await?;
    let news = record(context, &name, &object, &finding, realm.clone());
    if news {
        wakes::dependants(context, &name);
    }
    let mut report = if deleting { held_up(&finding, &dependants) } else { finding.report() };
    let before = object.status.clone().unwrap_or_default();
    let outage = context.outages.since(&name).is_some();
    if outage {
        report = report.with(wide_outage());
    }
    let generation = object.metadata.generation.unwrap_or_default();
    let mut status = ProviderAccountStatus {
        observed_generation: generation,
        conditions: report.conditions(&before.conditions, generation, Timestamp::now()),
        last_handled_reconcile_at: if realm.is_some() { asked.or(handled) } else { handled },
        ..before.clone()
    };
    if let (AccountFinding::Authenticated | AccountFinding::ScopeSuspect { .. }, Some(handle)) = (&finding, &realm) {
        count(context, &object, handle, &mut status);
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
    let counters_only = object.status.is_some() && counted == status;
    if status == before && object.status.is_some() {
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

/// Endpoint objects that still need the account.
fn dependants(context: &Context, account: &ProviderAccount) -> Vec<String> {
    let endpoints = claims::endpoints_of(context, &account.namespace().unwrap_or_default(), &account.name_any());
    let needs = |endpoint: &&Arc<crate::api::WebhookEndpoint>| {
        endpoint.finalizers().iter().any(|finalizer| finalizer == REMOTE_FINALIZER)
    };
    let mut names: Vec<String> = endpoints.iter().filter(needs).map(|endpoint| endpoint.name_any()).collect();
    names.sort();
    names
}

async fn let_go(context: &Context, object: &ProviderAccount, memory: &Memory<AccountMemory>) -> Result<(), PassError> {
    let namespace = object.namespace().unwrap_or_default();
    let named = object.spec.credential_refs().into_iter().map(|credential| credential.name.to_owned());
    let held = std::mem::take(&mut memory.plan().held);
    let names: BTreeSet<String> = named.chain(held).collect();
    for name in names {
        secrets::let_go(context, &namespace, &name, &object.name_any()).await?;
    }
    Ok(())
}

/// What is to be said of the account, and its realm where it has one.
async fn find(
    context: &Arc<Context>,
    object: &ProviderAccount,
    memory: &Memory<AccountMemory>,
    fresh: bool,
) -> Result<(AccountFinding, Option<Arc<RealmHandle>>), PassError> {
    let Some(block) = object.spec.block() else {
        let message =
            "spec has no provider block: set spec.nexHealth, spec.heroHealth or spec.insightHealth".to_owned();
        return Ok((AccountFinding::BadSpec(Reason::InvalidSpec, message), None));
    };
    let own = adapters::default_base_url(&block);
    let url = object.spec.base_url.as_deref().unwrap_or(own);
    let base_url = match BaseUrl::parse(url, own, &context.allowed_base_urls) {
        Ok(base_url) => base_url,
        Err(error) => return Ok((AccountFinding::BadSpec(Reason::BaseUrlNotAllowed, error.to_string()), None)),
    };
    let keys = match credentials(context, object, memory).await? {
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
    let known = object.status.as_ref().and_then(|status| status.scope.as_ref());
    // rules.md *Absence*: it counts once, because the fingerprint changes with what is accepted.
    let accepts = known.is_some_and(|scope| scope.fingerprint == object.spec.accept_scope);
    let sample = known.map(|scope| scope.sample.iter().map(|id| Arc::from(id.to_string())).collect());
    handle.realm.set_expectations(claims::held_in(context, &handle), sample.unwrap_or_default());
    handle.realm.accept_world(accepts);
    let generation = object.metadata.generation;
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
        Some(Trouble::CredentialsRejected) => AccountFinding::CredentialsRejected { sent: sent(&object.spec) },
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

/// What the provider does not accept, in words.
fn sent(spec: &ProviderAccountSpec) -> String {
    let of = |credential: &CredentialRef<'_>| format!("the {} in the Secret {:?}", credential.what, credential.name);
    let sent: Vec<String> = spec.credential_refs().iter().map(of).collect();
    match &spec.insight_health {
        Some(block) => format!("{} for spec.insightHealth.ehr {:?}", sent.join(" with "), block.ehr),
        None => sent.join(" with "),
    }
}

/// The keys that the spec names, in its order, held by the in-use finalizer before their first use.
async fn credentials(
    context: &Context,
    object: &ProviderAccount,
    memory: &Memory<AccountMemory>,
) -> Result<Result<Vec<SecretText>, AccountFinding>, PassError> {
    let namespace = object.namespace().unwrap_or_default();
    let mut read = Vec::new();
    for credential in object.spec.credential_refs() {
        let CredentialRef { field, what, name, .. } = credential;
        let missing = || AccountFinding::SecretMissing { secret: name.to_owned(), field, what };
        let secret = match secret(context, &namespace, name, memory).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Ok(Err(missing())),
            Err(PassError::Forbidden) => {
                return Ok(Err(AccountFinding::SecretForbidden { secret: name.to_owned(), field }));
            }
            Err(error) => return Err(error),
        };
        if object.metadata.deletion_timestamp.is_none() && secrets::released_by_replacement(context, &secret).await? {
            return Ok(Err(missing()));
        }
        match usable(&secret, &credential) {
            Ok(value) => read.push((secret, value)),
            Err(message) => return Ok(Err(AccountFinding::KeyUnusable(message))),
        }
    }
    let mut now = BTreeSet::new();
    for (secret, _) in &read {
        if now.insert(secret.meta.name.clone().unwrap_or_default()) {
            let held = secrets::hold(context, secret).await;
            if held.is_err() {
                // Somebody else has written it since it was read, and the watch may have told so before we had read it.
                memory.plan().secrets.clear();
            }
            held?;
        }
    }
    let before = std::mem::replace(&mut memory.plan().held, now.clone());
    for name in before.difference(&now) {
        secrets::let_go(context, &namespace, name, &object.name_any()).await?;
    }
    memory.plan().secrets.retain(|name, _| now.contains(name));
    Ok(Ok(read.into_iter().map(|(_, value)| value).collect()))
}

/// A Secret as it was last read, or is now.
async fn secret(
    context: &Context,
    namespace: &str,
    name: &str,
    memory: &Memory<AccountMemory>,
) -> Result<Option<Arc<ReadSecret>>, PassError> {
    if let Some(LastRead::Known(Some(known))) = memory.plan().secrets.get(name) {
        return Ok(Some(known.clone()));
    }
    let read = secrets::read(context, namespace, name).await?.map(Arc::new);
    memory.plan().secrets.insert(name.to_owned(), LastRead::Known(read.clone()));
    Ok(read)
}

fn usable(secret: &ReadSecret, credential: &CredentialRef<'_>) -> Result<SecretText, String> {
    let CredentialRef { field, what, name, key } = credential;
    let Some(value) = secret.values.get(*key) else {
        return Err(format!(
            "the Secret {name:?} has no text under the key {key:?}: add the {what} there, or correct {field}.key"
        ));
    };
    match check_api_key(value) {
        Ok(()) => Ok(value.clone()),
        Err(remedy) => Err(format!("the {what} in the Secret {name:?} under {key:?} {remedy}")),
    }
}

/// The realm of the keys; new keys make a new one, whose lists begin from nothing.
fn join(
    context: &Arc<Context>,
    object: &ProviderAccount,
    block: &ProviderBlock<'_>,
    base_url: BaseUrl,
    keys: &[SecretText],
) -> Result<Arc<RealmHandle>, String> {
    let rate = |number: i64| u32::try_from(number).unwrap_or(u32::MAX).max(1);
    let limit = object.spec.rate_limit;
    let member = Member {
        interval: context.observe_interval(object),
        sync_interval: context.sync_interval(object),
        rate: (rate(limit.requests_per_minute), rate(limit.burst)),
    };
    let realm_key = adapters::realm_key(block, &base_url, keys);
    let (handle, new) = context.accounts.realm(realm_key, |realm_key| {
        let config = GateConfig { requests_per_minute: member.rate.0, burst: member.rate.1, ..GateConfig::default() };
        let gate = Arc::new(Gate::new(config));
        let provider = adapters::adapter(context, block, base_url, keys, gate.clone())?;
        Ok::<_, String>(RealmHandle::new(Realm::new(realm_key, provider, context.timing.realm), gate))
    })?;
    handle.join(&(object.namespace().unwrap_or_default(), object.name_any()), member);
    if new {
        observer::start(context, &handle);
    }
    Ok(handle)
}

/// Tells the dependants' passes how the account stands; answers whether that is news to them.
fn record(
    context: &Context,
    name: &AccountName,
    object: &ProviderAccount,
    finding: &AccountFinding,
    realm: Option<Arc<RealmHandle>>,
) -> bool {
    let standing = match (finding.blocks(), realm.as_ref().and_then(|handle| handle.trouble())) {
        (Some(why), _) if finding.leaves_key_in_memory() && realm.is_some() => Standing::DeletesOnly(bounded(why)),
        (Some(why), _) => Standing::NotReady(bounded(why)),
        (None, Some(Trouble::Unavailable { since, .. })) => {
            let long = crate::plan::elapsed(since, Timestamp::now()) >= context.timing.plan.outage_grace;
            Standing::Unavailable { long }
        }
        (None, _) if *finding == AccountFinding::Authenticated => Standing::Ready,
        (None, _) => Standing::Unavailable { long: false },
    };
    let entry = AccountEntry {
        standing,
        generation: object.metadata.generation,
        allow_insecure: object.spec.allow_insecure_targets,
        api_version: adapters::payload_version(object.spec.block()),
        realm,
    };
    context.accounts.set(name, entry)
}

/// While the Secret is going: when it counts as being replaced (rules.md *Keys and the Secret*). No watch tells of that.
fn replaced_in(context: &Context, memory: &Memory<AccountMemory>) -> Option<std::time::Duration> {
    let going = |read: &LastRead| match read {
        LastRead::Known(Some(secret)) => secret.meta.deletion_timestamp.as_ref().map(|since| since.0),
        _ => None,
    };
    let since = memory.plan().secrets.values().filter_map(going).min()?;
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
fn count(context: &Context, object: &ProviderAccount, handle: &RealmHandle, status: &mut ProviderAccountStatus) {
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
            let before = object.status.as_ref().and_then(|status| status.scope.as_ref());
            status.scope = scope(before, "nexhealth", &handle.realm.key().origin, &institutions);
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
