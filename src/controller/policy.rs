//! What an account's spec allows its objects. It is read from the spec itself, because it also counts while the account
//! cannot be used.

use kube::core::ObjectMeta;

use super::account_kind;
use super::accounts::AccountName;
use super::context::Context;
use crate::api::account::{AccountDeletionPolicy, ManagementPolicy};
use crate::api::{ProviderAccountSpec, WebhookEndpoint};
use crate::plan::AccountPolicy;

/// The policy of an account; the usual one where there is no such account.
pub fn of(context: &Context, account: &AccountName) -> AccountPolicy {
    let account = account_kind::get(context, account);
    account.map(|account| of_account(account.spec(), account.meta())).unwrap_or_default()
}

/// The policy of an endpoint's account.
pub fn of_endpoint(context: &Context, endpoint: &WebhookEndpoint) -> AccountPolicy {
    of(context, &account_kind::of_endpoint(endpoint))
}

/// What an account says itself.
pub fn of_account(spec: &ProviderAccountSpec, meta: &ObjectMeta) -> AccountPolicy {
    let orphan = spec.deletion_policy == AccountDeletionPolicy::Orphan;
    AccountPolicy {
        observe: spec.management_policy == ManagementPolicy::Observe,
        orphan,
        releasing: orphan && meta.deletion_timestamp.is_some(),
    }
}
