//! What a ClusterProviderAccount lends (api.md, *ClusterProviderAccount*): the whole decision, pure.
//!
//! A namespace gets the grants whose selector matches its labels. What one grant says holds together: a practice is lent only
//! for the hosts of the same grant, and so are adoption and `undeclared: Delete`. Several grants add up, never mix: were the
//! practice of one usable with the host of another, adding a grant could lend something that nobody wrote down. An object
//! acts within its grants or not at all, so that no half of it goes where the other half may not.

mod rows;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use url::Url;

use super::condition::Report;
use crate::api::Reason;
use crate::api::cluster_account::{Grant, LabelExpression, LabelOperator, NamespaceSelector};
use crate::api::endpoint::Adoption;
use crate::api::subscription::{AppliedScope, Undeclared};
use crate::api::{WebhookEndpoint, WebhookEndpointSpec, WebhookSubscription, WebhookSubscriptionSpec};

pub use rows::LentRows;

/// The grants of one account, ready to be asked.
#[derive(Debug, Default)]
pub struct Grants {
    account: Arc<str>,
    lots: Vec<(NamespaceSelector, Arc<Lot>)>,
}

/// What one grant lends.
#[derive(Debug, Default)]
struct Lot {
    every_practice: bool,
    practices: HashSet<String>,
    account_wide: bool,
    hosts: Vec<String>,
    adoption: bool,
    undeclared_delete: bool,
}

impl Grants {
    /// The grants in the spec of an account of this name.
    pub fn new(account: &str, grants: &[Grant]) -> Self {
        let lot = |grant: &Grant| {
            let lot = Lot {
                every_practice: grant.all_practices.is_some(),
                practices: grant.practices.iter().cloned().collect(),
                account_wide: grant.account_wide.is_some(),
                hosts: grant.target_hosts.clone(),
                adoption: grant.allow_adoption,
                undeclared_delete: grant.allow_undeclared_delete,
            };
            (grant.namespace_selector.clone(), Arc::new(lot))
        };
        Self { account: Arc::from(account), lots: grants.iter().map(lot).collect() }
    }

    /// The share of a namespace with these labels.
    pub fn share(&self, labels: &BTreeMap<String, String>) -> Share {
        let lots = self.lots.iter().filter(|(selector, _)| selects(selector, labels));
        let lots = lots.map(|(_, lot)| lot.clone()).collect();
        Share::Lent(Lent { account: self.account.clone(), lots })
    }
}

/// Whether a namespace with these labels is meant.
fn selects(selector: &NamespaceSelector, labels: &BTreeMap<String, String>) -> bool {
    let holds = |expression: &LabelExpression| {
        let value = labels.get(&expression.key);
        match expression.operator {
            LabelOperator::In => value.is_some_and(|value| expression.values.contains(value)),
            LabelOperator::NotIn => value.is_none_or(|value| !expression.values.contains(value)),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
        }
    };
    selector.match_labels.iter().all(|(key, wanted)| labels.get(key) == Some(wanted))
        && selector.match_expressions.iter().all(holds)
}

/// What an account lends to the objects of one namespace.
#[derive(Clone, Debug, Default)]
pub enum Share {
    /// It is the namespace's own account.
    #[default]
    Whole,
    /// It is an account of the cluster.
    Lent(Lent),
}

/// The grants that match a namespace.
#[derive(Clone, Debug)]
pub struct Lent {
    account: Arc<str>,
    lots: Vec<Arc<Lot>>,
}

impl Lent {
    fn denied(&self, what: &str) -> Report {
        let Self { account, lots } = self;
        let message = if lots.is_empty() {
            format!(
                "the ClusterProviderAccount {account:?} lends this namespace nothing: no namespaceSelector in its spec.grants matches the labels of the namespace. Have a grant added there. What exists at the provider stays as it is"
            )
        } else {
            format!(
                "the ClusterProviderAccount {account:?} does not lend this namespace {what}. What exists at the provider stays as it is"
            )
        };
        Report::stalled(Reason::NotGranted, message)
    }

    fn with_host(&self, host: Option<&str>) -> impl Iterator<Item = &Lot> {
        let lots = self.lots.iter().map(|lot| &**lot);
        lots.filter(move |lot| host.is_some_and(|host| lot.hosts.iter().any(|granted| host_matches(granted, host))))
    }
}

/// Whether a host is the granted one, or, under `*.`, has exactly one label before it.
fn host_matches(granted: &str, host: &str) -> bool {
    match granted.strip_prefix("*.") {
        None => granted == host,
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
    }
}

/// The host that a target URL delivers to, in lower case; `None` where two readers of the URL could disagree about it.
///
/// The provider reads the URL with a parser of its own. One that takes a backslash, a percent sign or a tab otherwise than
/// ours would deliver to a host that nobody has granted, so only what all of them read alike is read at all.
pub fn target_host(url: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("https") && !scheme.eq_ignore_ascii_case("http") {
        return None;
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (host, port) = authority.split_once(':').unwrap_or((authority, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    if !plain(host) || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let parsed = Url::parse(url).ok()?;
    let host = host.to_ascii_lowercase();
    (parsed.host_str() == Some(&host)).then_some(host)
}

impl Share {
    /// Of an account that is not there, or of which nothing is known.
    pub fn nothing() -> Self {
        Self::Lent(Lent { account: Arc::from(""), lots: Vec::new() })
    }

    /// Whether an endpoint object may act at all; whatever the answer, it may go. `applied` is what subscriptions have made on
    /// it, where the provider delivers to another host than the spec's.
    ///
    /// # Errors
    /// What is to be said instead.
    pub fn allows(&self, object: &WebhookEndpoint, applied: &[AppliedScope]) -> Result<(), Report> {
        let holds = object.status.as_ref().is_some_and(|status| status.remote_id.is_some());
        self.endpoint(&object.spec, holds)?;
        self.new_host(&object.spec.target_url, applied)
    }

    /// `holds` says that it has a remote endpoint, so that adoption is history.
    fn endpoint(&self, spec: &WebhookEndpointSpec, holds: bool) -> Result<(), Report> {
        let Self::Lent(lent) = self else { return Ok(()) };
        let host = target_host(&spec.target_url);
        if lent.with_host(host.as_deref()).next().is_none() {
            let named = host.map(|host| format!(" {host:?}")).unwrap_or_default();
            return Err(lent.denied(&format!(
                "the host{named} of spec.targetUrl: have it added to targetHosts in spec.grants there, or use a host that is granted"
            )));
        }
        let wanted = match (&spec.adopt_remote_id, spec.adoption) {
            (Some(_), _) => Some("spec.adoptRemoteId"),
            (None, Adoption::IfUnclaimed) => Some("spec.adoption: IfUnclaimed"),
            (None, Adoption::Never) => None,
        };
        if let Some(field) = wanted.filter(|_| !holds && !self.adoption(&spec.target_url)) {
            return Err(lent.denied(&format!(
                "the right to adopt, which {field} needs: have allowAdoption: true set in a grant with that host in spec.grants there, or remove the field"
            )));
        }
        Ok(())
    }

    /// Whether an endpoint that is at the provider already, with this target URL, may be taken over.
    pub fn adoption(&self, target_url: &str) -> bool {
        let Self::Lent(lent) = self else { return true };
        lent.with_host(target_host(target_url).as_deref()).any(|lot| lot.adoption)
    }

    /// Whether what subscriptions have made on an endpoint may be delivered to the host of its spec.
    fn new_host(&self, target_url: &str, applied: &[AppliedScope]) -> Result<(), Report> {
        let Self::Lent(lent) = self else { return Ok(()) };
        let reach = self.reach([target_url]);
        let all = |scope: &AppliedScope| {
            scope.practices.iter().all(|name| reach.practice(name))
                && (scope.all_practices.is_none() || reach.every_practice())
                && (scope.account_wide.is_none() || reach.account_wide())
        };
        match applied.iter().all(all) {
            true => Ok(()),
            false => Err(lent.denied(
                "every practice that WebhookSubscriptions on this endpoint have subscribed together with the host of spec.targetUrl: have that host added to targetHosts in the grants of those practices, or put the former host back into spec.targetUrl",
            )),
        }
    }

    /// What may be subscribed for delivery to all of these target URLs: the declared one, and those that the provider still
    /// delivers to.
    pub fn reach<'a>(&self, target_urls: impl IntoIterator<Item = &'a str>) -> Reach {
        let Self::Lent(lent) = self else { return Reach(None) };
        let lots = |url: &str| {
            let host = target_host(url);
            let all: Vec<Arc<Lot>> = lent.lots.clone();
            let here = |lot: &Arc<Lot>| {
                host.as_deref().is_some_and(|host| lot.hosts.iter().any(|granted| host_matches(granted, host)))
            };
            all.into_iter().filter(here).collect()
        };
        Reach(Some((lent.clone(), target_urls.into_iter().map(lots).collect())))
    }

    /// Whether a practice may be monitored, whatever its hosts.
    pub fn monitors(&self, practice: &str) -> bool {
        let Self::Lent(lent) = self else { return true };
        lent.lots.iter().any(|lot| lot.every_practice || lot.practices.contains(practice))
    }

    /// Whether a monitor may act: of the practice that it names, or of all that are granted.
    ///
    /// # Errors
    /// What is to be said instead.
    pub fn monitor(&self, practice: Option<&str>) -> Result<(), Report> {
        let Self::Lent(lent) = self else { return Ok(()) };
        match practice {
            Some(practice) if !self.monitors(practice) => Err(lent.denied(&format!(
                "the practice {practice:?} of spec.practice: have it added to practices in spec.grants there, or create a PracticeSyncMonitor of a practice that is granted"
            ))),
            None if !lent.lots.iter().any(|lot| lot.every_practice || !lot.practices.is_empty()) => Err(lent.denied(
                "any practice: have practices or allPractices: {} added to a grant in spec.grants there",
            )),
            _ => Ok(()),
        }
    }

    /// Whether others share the account, so that what is known of them is not for this namespace's eyes.
    pub fn is_lent(&self) -> bool {
        matches!(self, Self::Lent(_))
    }
}

/// What may be subscribed on one endpoint. Without grants: everything.
#[derive(Clone, Debug, Default)]
pub struct Reach(Option<(Lent, Vec<Vec<Arc<Lot>>>)>);

impl Reach {
    fn each_host(&self, lends: impl Fn(&Lot) -> bool) -> bool {
        self.0.as_ref().is_none_or(|(_, hosts)| hosts.iter().all(|lots| lots.iter().any(|lot| lends(lot))))
    }

    /// Whether events of this practice may be subscribed.
    pub fn practice(&self, name: &str) -> bool {
        self.each_host(|lot| lot.every_practice || lot.practices.contains(name))
    }

    /// Whether those of every practice may, now and later.
    pub fn every_practice(&self) -> bool {
        self.each_host(|lot| lot.every_practice)
    }

    /// Whether those of the account may.
    pub fn account_wide(&self) -> bool {
        self.each_host(|lot| lot.account_wide)
    }

    fn undeclared_delete(&self, practice: Option<&str>) -> bool {
        self.each_host(|lot| {
            let lends = |name: &str| lot.every_practice || lot.practices.contains(name);
            lot.undeclared_delete && practice.map_or(lot.account_wide, lends)
        })
    }

    /// Whether rows that nobody declares may be deleted: of every practice that may be subscribed.
    fn undeclared_delete_everywhere(&self) -> bool {
        let lends = |lot: &Lot| lot.every_practice || !lot.practices.is_empty();
        self.0
            .as_ref()
            .is_none_or(|(_, hosts)| hosts.iter().flatten().filter(|lot| lends(lot)).all(|lot| lot.undeclared_delete))
    }

    /// Of these practices, the first that may not be subscribed.
    pub fn first_beyond<'n>(&self, mut names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        names.find(|name| !self.practice(name))
    }

    /// Whether a subscription object may act at all.
    ///
    /// # Errors
    /// What is to be said instead.
    pub fn subscription(&self, spec: &WebhookSubscriptionSpec) -> Result<(), Report> {
        let Some((lent, _)) = &self.0 else { return Ok(()) };
        let names = || spec.practices.iter().flatten().map(String::as_str);
        if let Some(name) = self.first_beyond(names()) {
            return Err(lent.denied(&format!(
                "the practice {name:?} for the endpoint's host: have it added to practices of a grant with that host in spec.grants there, or remove it from spec.practices"
            )));
        }
        if spec.account_wide.is_some() && !self.account_wide() {
            return Err(lent.denied(
                "events without a practice for the endpoint's host: have accountWide: {} added to a grant with that host in spec.grants there",
            ));
        }
        let any = |lot: &Lot| lot.every_practice || !lot.practices.is_empty();
        if spec.all_practices.is_some() && !self.each_host(any) {
            return Err(lent.denied(
                "any practice for the endpoint's host: have practices or allPractices: {} added to a grant with that host in spec.grants there",
            ));
        }
        if spec.undeclared == Undeclared::Delete {
            let granted = match (&spec.practices, &spec.all_practices) {
                (Some(_), _) => names().all(|name| self.undeclared_delete(Some(name))),
                (None, Some(_)) => self.undeclared_delete_everywhere(),
                (None, None) => self.undeclared_delete(None),
            };
            if !granted {
                return Err(lent.denied(
                    "the right to delete what nobody declares, which spec.undeclared: Delete needs: have allowUndeclaredDelete: true set in the grants of these practices in spec.grants there, or set spec.undeclared: Report",
                ));
            }
        }
        Ok(())
    }

    /// What an object with `allPractices` says when a practice, whose events it has subscribed, is no longer lent.
    pub fn withdrawn(&self, practice: &str) -> Option<Report> {
        let (lent, _) = self.0.as_ref()?;
        Some(lent.denied(&format!(
            "the practice {practice:?} any more, which this object has subscribed for the endpoint's host: have it added to practices of a grant with that host in spec.grants there, or add it to spec.allPractices.except to have its subscriptions deleted"
        )))
    }

    /// Whether `allPractices` means less than all that the key reaches.
    pub fn is_narrow(&self) -> bool {
        !self.every_practice()
    }

    /// An object with `allPractices`, as if it had named the practices that are lent: beyond them it declares nothing.
    pub fn narrowed(&self, object: &Arc<WebhookSubscription>) -> Arc<WebhookSubscription> {
        let (Some(all), Some((_, hosts)), true) = (&object.spec.all_practices, &self.0, self.is_narrow()) else {
            return object.clone();
        };
        let named = hosts.iter().flatten().flat_map(|lot| &lot.practices);
        let lent = named.filter(|name| self.practice(name) && !all.except.contains(name));
        let lent: BTreeSet<&String> = lent.collect();
        let mut narrowed = WebhookSubscription::clone(object);
        narrowed.spec.practices = Some(lent.into_iter().cloned().collect());
        narrowed.spec.all_practices = None;
        Arc::new(narrowed)
    }
}
