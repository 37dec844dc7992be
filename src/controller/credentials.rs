//! The Secrets that an account names: read, held by the in-use finalizer, let go (rules.md *Keys and the Secret*).

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::account::{AccountMemory, SecretName};
use super::account_kind::AccountKind;
use super::context::{Context, LastRead};
use super::error::PassError;
use super::memory::Memory;
use super::secrets::{self, ReadSecret};
use crate::api::provider_block::CredentialRef;
use crate::plan::account::AccountFinding;
use crate::provider::credentials::check_api_key;
use crate::signing::SecretText;

/// Takes our hold off the Secrets that an account names, or still has in use.
pub async fn let_go<A: AccountKind>(
    context: &Context,
    object: &A,
    memory: &Memory<AccountMemory>,
) -> Result<(), PassError> {
    let named = object.secrets().into_iter().map(|(namespace, name)| (namespace.to_owned(), name.to_owned()));
    let held = std::mem::take(&mut memory.plan().held);
    let secrets: BTreeSet<SecretName> = named.chain(held).collect();
    for (namespace, name) in secrets {
        secrets::let_go(context, &namespace, &name, Some(&object.known_as())).await?;
    }
    Ok(())
}

/// What the provider does not accept, in words.
pub fn sent<A: AccountKind>(object: &A) -> String {
    let spec = object.account();
    let of = |credential: &CredentialRef<'_>| {
        format!("the {} in the Secret {:?}", credential.what, shown(object, credential))
    };
    let sent: Vec<String> = spec.credential_refs().iter().map(of).collect();
    match &spec.insight_health {
        Some(block) => format!("{} for spec.insightHealth.ehr {:?}", sent.join(" with "), block.ehr),
        None => sent.join(" with "),
    }
}

/// The keys that the spec names, in its order, held by the in-use finalizer before their first use.
pub async fn read<A: AccountKind>(
    context: &Context,
    object: &A,
    memory: &Memory<AccountMemory>,
) -> Result<Result<Vec<SecretText>, AccountFinding>, PassError> {
    let mut read = Vec::new();
    for credential in object.account().credential_refs() {
        let (field, what, shown) = (credential.field, credential.what, shown(object, &credential));
        let missing = || AccountFinding::SecretMissing { secret: shown.clone(), field, what };
        let secret = match secret(context, object.secret_of(&credential), memory).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Ok(Err(missing())),
            Err(PassError::Forbidden) => {
                return Ok(Err(AccountFinding::SecretForbidden { secret: shown, field }));
            }
            Err(error) => return Err(error),
        };
        if object.meta().deletion_timestamp.is_none() && secrets::released_by_replacement(context, &secret).await? {
            return Ok(Err(missing()));
        }
        match usable(&secret, &shown, &credential) {
            Ok(value) => read.push((secret, value)),
            Err(message) => return Ok(Err(AccountFinding::KeyUnusable(message))),
        }
    }
    let mut now = BTreeSet::new();
    for (secret, _) in &read {
        if now.insert(name_of(secret)) {
            let held = secrets::hold(context, secret).await;
            if held.is_err() {
                // Somebody else has written it since it was read, and the watch may have told so before we had read it.
                memory.plan().secrets.clear();
            }
            held?;
        }
    }
    let before = std::mem::replace(&mut memory.plan().held, now.clone());
    for (namespace, name) in before.difference(&now) {
        secrets::let_go(context, namespace, name, Some(&object.known_as())).await?;
    }
    memory.plan().secrets.retain(|name, _| now.contains(name));
    Ok(Ok(read.into_iter().map(|(_, value)| value).collect()))
}

/// A Secret as it was last read, or is now.
async fn secret(
    context: &Context,
    (namespace, name): (&str, &str),
    memory: &Memory<AccountMemory>,
) -> Result<Option<Arc<ReadSecret>>, PassError> {
    let key = (namespace.to_owned(), name.to_owned());
    if let Some(LastRead::Known(Some(known))) = memory.plan().secrets.get(&key) {
        return Ok(Some(known.clone()));
    }
    let read = secrets::read(context, namespace, name).await?.map(Arc::new);
    memory.plan().secrets.insert(key, LastRead::Known(read.clone()));
    Ok(read)
}

fn name_of(secret: &ReadSecret) -> SecretName {
    (secret.meta.namespace.clone().unwrap_or_default(), secret.meta.name.clone().unwrap_or_default())
}

/// How a Secret is named in what is said of an account.
fn shown<A: AccountKind>(_: &A, credential: &CredentialRef<'_>) -> String {
    match A::SHARED {
        true => format!("{}/{}", credential.namespace.unwrap_or_default(), credential.name),
        false => credential.name.to_owned(),
    }
}

fn usable(secret: &ReadSecret, name: &str, credential: &CredentialRef<'_>) -> Result<SecretText, String> {
    let CredentialRef { field, what, key, .. } = credential;
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

/// While the Secret is going: when it counts as being replaced (rules.md *Keys and the Secret*). No watch tells of that.
pub fn replaced_in(context: &Context, memory: &Memory<AccountMemory>) -> Option<std::time::Duration> {
    let going = |read: &LastRead| match read {
        LastRead::Known(Some(secret)) => secret.meta.deletion_timestamp.as_ref().map(|since| since.0),
        _ => None,
    };
    let since = memory.plan().secrets.values().filter_map(going).min()?;
    let left = context.timing.secret_replaced.saturating_sub(crate::plan::elapsed(since, Timestamp::now()));
    (!left.is_zero()).then_some(left)
}
