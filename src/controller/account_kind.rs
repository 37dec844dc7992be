//! The two kinds of accounts behind one face: whoever needs an account asks here and does not care which kind it is.
//!
//! An account is known by namespace and name everywhere in this process. One of the cluster has no namespace, so its name
//! has an empty one, which no account of a namespace can have.

use std::sync::Arc;

use kube::ResourceExt;
use kube::core::ObjectMeta;

use super::account::AccountMemory;
use super::accounts::{AccountEntry, AccountName};
use super::context::Context;
use super::kinds::Controlled;
use super::{found_by, wakes};
use crate::api::endpoint::{AccountKind as RefKind, AccountRef};
use crate::api::provider_block::CredentialRef;
use crate::api::{
    ClusterProviderAccount, PracticeSyncMonitor, ProviderAccount, ProviderAccountSpec, ProviderAccountStatus,
    WebhookEndpoint,
};
use crate::plan::AccountView;

/// A kind of account.
pub trait AccountKind: Controlled<Mind = AccountMemory> {
    /// Whether namespaces share it, so that what is wrong with it is said to its owner only.
    const SHARED: bool;

    /// What both kinds have in their spec.
    fn account(&self) -> &ProviderAccountSpec;
    /// The stored status.
    fn stored(&self) -> Option<&ProviderAccountStatus>;

    /// Namespace and name of the Secret that holds a credential. An account of a namespace reads that one only, whatever the
    /// reference says.
    fn secret_of<'a>(&'a self, credential: &CredentialRef<'a>) -> (&'a str, &'a str) {
        let namespace = match Self::SHARED {
            true => credential.namespace,
            false => self.meta().namespace.as_deref(),
        };
        (namespace.unwrap_or_default(), credential.name)
    }

    /// Namespace and name of every Secret that it refers to.
    fn secrets(&self) -> Vec<(&str, &str)> {
        self.account().credential_refs().iter().map(|credential| self.secret_of(credential)).collect()
    }

    /// By which it is known.
    fn known_as(&self) -> AccountName {
        (self.namespace().unwrap_or_default(), self.name_any())
    }
}

impl AccountKind for ProviderAccount {
    const SHARED: bool = false;

    fn account(&self) -> &ProviderAccountSpec {
        &self.spec
    }

    fn stored(&self) -> Option<&ProviderAccountStatus> {
        self.status.as_ref()
    }
}

impl AccountKind for ClusterProviderAccount {
    const SHARED: bool = true;

    fn account(&self) -> &ProviderAccountSpec {
        &self.spec.account
    }

    fn stored(&self) -> Option<&ProviderAccountStatus> {
        self.status.as_ref()
    }
}

/// An account of either kind.
#[derive(Clone)]
pub enum Account {
    /// Of a namespace.
    Own(Arc<ProviderAccount>),
    /// Of the cluster.
    Cluster(Arc<ClusterProviderAccount>),
}

impl Account {
    /// What both kinds have in their spec.
    pub fn spec(&self) -> &ProviderAccountSpec {
        match self {
            Self::Own(account) => account.account(),
            Self::Cluster(account) => account.account(),
        }
    }

    /// Its metadata.
    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Own(account) => &account.metadata,
            Self::Cluster(account) => &account.metadata,
        }
    }

    /// By which it is known.
    pub fn known_as(&self) -> AccountName {
        match self {
            Self::Own(account) => account.known_as(),
            Self::Cluster(account) => account.known_as(),
        }
    }

    /// Namespace and name of every Secret that it refers to.
    pub fn secrets(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Own(account) => account.secrets(),
            Self::Cluster(account) => account.secrets(),
        }
    }

    /// Plans it again at once.
    pub fn wake(&self, context: &Context) {
        match self {
            Self::Own(account) => wakes::wake(context, &**account),
            Self::Cluster(account) => wakes::wake(context, &**account),
        }
    }

    /// Plans it again when its counters may be written.
    pub fn count(&self, context: &Context) {
        match self {
            Self::Own(account) => wakes::count(context, &**account),
            Self::Cluster(account) => wakes::count(context, &**account),
        }
    }
}

/// The account that a reference in a namespace means.
pub fn named(reference: &AccountRef, namespace: &str) -> AccountName {
    let namespace = match reference.kind {
        RefKind::ProviderAccount => namespace,
        RefKind::ClusterProviderAccount => "",
    };
    (namespace.to_owned(), reference.name.clone())
}

/// The account of an endpoint object.
pub fn of_endpoint(endpoint: &WebhookEndpoint) -> AccountName {
    named(&endpoint.spec.account_ref, endpoint.metadata.namespace.as_deref().unwrap_or_default())
}

/// The account of a monitor.
pub fn of_monitor(monitor: &PracticeSyncMonitor) -> AccountName {
    named(&monitor.spec.account_ref, monitor.metadata.namespace.as_deref().unwrap_or_default())
}

/// Whether an account is one of the cluster.
pub fn is_shared(account: &AccountName) -> bool {
    account.0.is_empty()
}

/// An account, if it is there.
pub fn get(context: &Context, account: &AccountName) -> Option<Account> {
    match is_shared(account) {
        true => context.cluster_account_cache.get("", &account.1).map(Account::Cluster),
        false => context.account_cache.get(&account.0, &account.1).map(Account::Own),
    }
}

/// Every account.
pub fn all(context: &Context) -> Vec<Account> {
    let own = context.account_cache.all().into_iter().map(Account::Own);
    own.chain(context.cluster_account_cache.all().into_iter().map(Account::Cluster)).collect()
}

/// The accounts that refer to a Secret.
pub fn using_secret(context: &Context, namespace: &str, name: &str) -> Vec<Account> {
    let key = found_by::secret(namespace, name);
    let own = context.account_cache.find(key).into_iter().map(Account::Own);
    let cluster = context.cluster_account_cache.find(key).into_iter().map(Account::Cluster);
    own.chain(cluster).filter(|account| account.secrets().contains(&(namespace, name))).collect()
}

/// How an account stands, for its dependants.
///
/// `entry` is what the caller has read of it: its realm and how it stands must be of one moment.
pub fn view(context: &Context, account: &AccountName, entry: Option<&AccountEntry>) -> AccountView {
    match entry {
        Some(entry) => entry.view(),
        // Its first pass in this process is still to come.
        None if get(context, account).is_some() => AccountView::Unavailable { long: false },
        None if is_shared(account) && !context.serves_cluster_accounts => AccountView::NotServed,
        None => AccountView::NotFound,
    }
}
