//! rules.md *Outcomes*: what an object says while its account cannot be used.

use super::AccountView;
use super::condition::Report;
use crate::api::Reason;
use crate::api::endpoint::{AccountKind, AccountRef};

/// What stands between an object and its account; `None` while the account can be used.
pub enum AccountBlock {
    /// Say this.
    Report(Report),
    /// An outage that has not lasted long: leave the object as it is.
    LeaveUnchanged,
}

/// What an object says of an account of the cluster where those are off.
pub const NOT_SERVED: &str = "ClusterProviderAccounts are off, because the operator watches single namespaces (--namespace): create a ProviderAccount in this namespace and objects that refer to it, or have the operator watch all namespaces";

/// The row of the table for this account, or `None` to go on.
pub fn account_block(account: &AccountView, name: &AccountRef) -> Option<AccountBlock> {
    let report = match account {
        AccountView::Ready { .. } => return None,
        AccountView::Unavailable { long: false } => return Some(AccountBlock::LeaveUnchanged),
        AccountView::Unavailable { long: true } => Report::unknown(
            Reason::ProviderUnavailable,
            format!(
                "the provider of the {name} has not answered for a while; see the account's Ready condition. What exists there is left as it is"
            ),
        ),
        AccountView::Lacks { provider, what } => Report::stalled(
            Reason::NotSupportedByProvider,
            format!(
                "{provider} has no {what}, so there is nothing to do: delete this object, or let it refer to an account of another provider"
            ),
        ),
        AccountView::NotServed => Report::stalled(Reason::InvalidSpec, NOT_SERVED),
        AccountView::NotFound if name.kind == AccountKind::ClusterProviderAccount => Report::waiting(
            Reason::AccountNotFound,
            format!("spec.accountRef names the {name}, which is not in the cluster: have it created there"),
        ),
        AccountView::NotFound => Report::waiting(
            Reason::AccountNotFound,
            format!(
                "spec.accountRef names the {name}, which is not in this namespace (an account can be used only from its own): create it here"
            ),
        ),
        AccountView::NotReady(why) | AccountView::DeletesOnly(why) => Report::unknown(
            Reason::AccountNotReady,
            format!("the {name} cannot be used: {why}. What exists at the provider stays as it is"),
        ),
    };
    Some(AccountBlock::Report(report))
}
