//! rules.md *Outcomes*: what an object says while its account cannot be used.

use super::AccountView;
use super::condition::Report;
use crate::api::Reason;

/// What stands between an object and its account; `None` while the account can be used.
pub enum AccountBlock {
    /// Say this.
    Report(Report),
    /// An outage that has not lasted long: leave the object as it is.
    LeaveUnchanged,
}

/// The row of the table for this account, or `None` to go on.
pub fn account_block(account: &AccountView, account_name: &str) -> Option<AccountBlock> {
    let report = match account {
        AccountView::Ready { .. } => return None,
        AccountView::Unavailable { long: false } => return Some(AccountBlock::LeaveUnchanged),
        AccountView::Unavailable { long: true } => Report::unknown(
            Reason::ProviderUnavailable,
            format!(
                "the provider of account {account_name:?} has not answered for a while; see the account's Ready condition. What exists there is left as it is"
            ),
        ),
        AccountView::Lacks { provider, what } => Report::stalled(
            Reason::NotSupportedByProvider,
            format!(
                "{provider} has no {what}, so there is nothing to do: delete this object, or let it refer to an account of another provider"
            ),
        ),
        AccountView::NotFound => Report::waiting(
            Reason::AccountNotFound,
            format!(
                "spec.accountRef names the ProviderAccount {account_name:?}, which is not in this namespace (an account can be used only from its own): create it here"
            ),
        ),
        AccountView::NotReady(why) | AccountView::DeletesOnly(why) => Report::unknown(
            Reason::AccountNotReady,
            format!(
                "the ProviderAccount {account_name:?} cannot be used: {why}. What exists at the provider stays as it is"
            ),
        ),
    };
    Some(AccountBlock::Report(report))
}
