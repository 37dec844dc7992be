//! Practices of an account that go bad together (`plan::monitor::outage`): what the monitors have told, by account.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::accounts::AccountName;
use super::memory::lock;
use crate::api::ConditionType;
use crate::plan::condition::find;
use crate::plan::monitor::outage::{self, Member};

/// Every account that has monitors. The monitors of one namespace decide for that namespace alone: where namespaces share
/// an account, what one of them calls stale must not silence the others.
#[derive(Default)]
pub struct Outages(Mutex<HashMap<AccountName, OfAccount>>);

#[derive(Default)]
struct OfAccount {
    begun: bool,
    /// As the account's status had it when this process began.
    before: Option<Timestamp>,
    /// By namespace of the monitors.
    groups: HashMap<String, Group>,
}

#[derive(Default)]
struct Group {
    from: Option<Timestamp>,
    /// By UID of the monitor object.
    members: HashMap<String, Vec<(Arc<str>, Member)>>,
}

impl Outages {
    /// What an account's status says when this process looks at it for the first time.
    pub fn begin(&self, account: &AccountName, stored: &[Condition]) {
        let mut all = lock(&self.0);
        let of_account = all.entry(account.clone()).or_default();
        if !std::mem::replace(&mut of_account.begun, true)
            && let Some(condition) = find(stored, ConditionType::ProviderWideOutage)
        {
            let from = condition.last_transition_time.0.checked_sub(outage::TOGETHER);
            of_account.before = from.ok();
            for group in of_account.groups.values_mut() {
                group.from = group.from.or(of_account.before);
            }
        }
    }

    /// While there is an outage: since when practices that went bad belong to it, for the monitors of a namespace.
    pub fn since(&self, account: &AccountName, namespace: &str) -> Option<Timestamp> {
        let all = lock(&self.0);
        let of_account = all.get(account)?;
        of_account.groups.get(namespace).map_or(of_account.before, |group| group.from)
    }

    /// Whether there is one, in whatever namespace.
    pub fn any(&self, account: &AccountName) -> bool {
        lock(&self.0).get(account).is_some_and(|of_account| match of_account.groups.is_empty() {
            true => of_account.before.is_some(),
            false => of_account.groups.values().any(|group| group.from.is_some()),
        })
    }

    /// What a monitor has found of its practices; answers whether an outage has begun or ended. Nothing is decided before
    /// each of the `expected` monitors has told: a few that are bad are not many.
    pub fn tell(
        &self,
        (account, namespace): (&AccountName, &str),
        monitor: &str,
        members: Vec<(Arc<str>, Member)>,
        (expected, percent): (usize, i64),
        now: Timestamp,
    ) -> bool {
        let mut all = lock(&self.0);
        let of_account = all.entry(account.clone()).or_default();
        let begin = || Group { from: of_account.before, ..Group::default() };
        let group = of_account.groups.entry(namespace.to_owned()).or_insert_with(begin);
        let known = group.members.len();
        let before = group.members.get(monitor);
        if before == Some(&members) {
            return false;
        }
        let bad = |members: &[(Arc<str>, Member)]| members.iter().filter_map(|(_, member)| member.bad_since).max();
        let more = bad(&members) > before.and_then(|before| bad(before));
        group.members.insert(monitor.to_owned(), members);
        // Only who goes bad can begin an outage, and thousands open and close every day.
        let complete = group.members.len() >= expected;
        let decides = group.from.is_some() || more || known < expected;
        if !complete || !decides {
            return false;
        }
        let mut practices: HashMap<&str, Member> = HashMap::new();
        for (practice, member) in group.members.values().flatten() {
            practices.entry(practice).and_modify(|known| *known = known.and(*member)).or_insert(*member);
        }
        let members: Vec<Member> = practices.into_values().collect();
        let from = outage::judge(group.from, &members, percent, now);
        let changed = from.is_some() != group.from.is_some();
        group.from = from;
        changed
    }

    /// A monitor is gone; answers whether that ends an outage.
    pub fn forget(&self, account: &AccountName, namespace: &str, monitor: &str) -> bool {
        let mut all = lock(&self.0);
        let Some(of_account) = all.get_mut(account) else { return false };
        of_account.before = None;
        let Some(group) = of_account.groups.get_mut(namespace) else { return false };
        group.members.remove(monitor);
        if !group.members.is_empty() {
            return false;
        }
        of_account.groups.remove(namespace).is_some_and(|group| group.from.is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_practice_counts_once_however_many_monitors_it_has() {
        let (outages, account) = (Outages::default(), ("ns".to_owned(), "default".to_owned()));
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for monitor in 0..20 {
            let member = Member { open: true, bad_since: (monitor % 5 < 2).then_some(now) };
            let practice: Arc<str> = if monitor % 5 < 2 { "bad".into() } else { format!("{}", monitor % 11).into() };
            assert!(!outages.tell((&account, "ns"), &monitor.to_string(), vec![(practice, member)], (20, 30), now));
        }
    }

    #[test]
    fn nothing_is_decided_before_everybody_has_told() {
        let (outages, account) = (Outages::default(), ("ns".to_owned(), "default".to_owned()));
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let tell = |monitor: usize, bad: bool| {
            let member = Member { open: true, bad_since: bad.then_some(now) };
            let practice: Arc<str> = format!("practice {monitor}").into();
            outages.tell((&account, "ns"), &monitor.to_string(), vec![(practice, member)], (10, 30), now)
        };
        assert!((0..9).all(|monitor| !tell(monitor, monitor < 5)), "five of nine, but ten are expected");
        assert!(tell(9, false) && outages.since(&account, "ns").is_some());
        assert!(!tell(9, false), "that was known");
        assert!(!tell(0, false), "four of ten are still more than 30 percent");
        assert!(tell(1, false) && outages.since(&account, "ns").is_none());
        assert!(!tell(1, true) || outages.since(&account, "ns").is_some());
        assert!((0..9).all(|monitor| !outages.forget(&account, "ns", &monitor.to_string())));
        assert!(outages.forget(&account, "ns", "9"));
    }
}
