//! What an account's spec allows its objects. It is read from the spec itself, because it also counts while the account
//! cannot be used.

use kube::ResourceExt;

use super::context::Context;
use crate::api::account::{AccountDeletionPolicy, ManagementPolicy};
use crate::api::{ProviderAccount, WebhookEndpoint};
use crate::plan::AccountPolicy;

/// The policy of an account of this namespace; the usual one where there is no such account.
pub fn of(context: &Context, namespace: &str, account: &str) -> AccountPolicy {
    context.account_cache.get(namespace, account).map(|account| of_account(&account)).unwrap_or_default()
}

/// The policy of an endpoint's account.
pub fn of_endpoint(context: &Context, endpoint: &WebhookEndpoint) -> AccountPolicy {
    of(context, &endpoint.namespace().unwrap_or_default(), &endpoint.spec.account_ref.name)
}

/// What an account says itself.
pub fn of_account(account: &ProviderAccount) -> AccountPolicy {
    let orphan = account.spec.deletion_policy == AccountDeletionPolicy::Orphan;
    AccountPolicy {
        observe: account.spec.management_policy == ManagementPolicy::Observe,
        orphan,
        releasing: orphan && account.metadata.deletion_timestamp.is_some(),
    }
}
