//! The practices a key reaches, by name and by key.

use std::collections::HashMap;
use std::sync::Arc;

use super::clock::Lists;
use crate::provider::model::Practice;

#[derive(Default)]
pub(super) struct Practices {
    pub(super) all: Vec<Practice>,
    by_name: HashMap<Arc<str>, usize>,
    by_key: HashMap<Arc<str>, usize>,
    /// Those that were in an earlier list and are not in the last: what was made there is still ours, and needs a name.
    former: Vec<Practice>,
    pub(super) lists: Lists,
}

impl Practices {
    /// Takes a list over; answers whether it differs. Order is not a difference.
    pub(super) fn replace(&mut self, mut list: Vec<Practice>) -> bool {
        list.sort_by(|one, two| (&one.key, &one.name).cmp(&(&two.key, &two.name)));
        list.dedup();
        if list == self.all {
            return false;
        }
        let here = |one: &Practice| list.iter().any(|practice| practice.key == one.key);
        self.former.extend(self.all.drain(..));
        self.former.retain(|one| !here(one) && !one.name.is_empty());
        self.by_name = list.iter().enumerate().map(|(place, practice)| (practice.name.clone(), place)).collect();
        self.by_key = list.iter().enumerate().map(|(place, practice)| (practice.key.clone(), place)).collect();
        self.all = list;
        true
    }

    pub(super) fn by_name(&self, name: &str) -> Option<&Practice> {
        self.all.get(*self.by_name.get(name)?)
    }

    pub(super) fn by_key(&self, key: &str) -> Option<&Practice> {
        self.all.get(*self.by_key.get(key)?)
    }

    pub(super) fn former_by_key(&self, key: &str) -> Option<&Arc<str>> {
        self.former.iter().rfind(|practice| *practice.key == *key).map(|practice| &practice.name)
    }

    pub(super) fn former_by_name(&self, name: &str) -> Option<&Arc<str>> {
        self.former.iter().rfind(|practice| *practice.name == *name).map(|practice| &practice.key)
    }

    /// W2 of rules.md *Absence*: at least half of the sample is here.
    pub(super) fn witnesses(&self, sample: &[Arc<str>]) -> bool {
        let here = sample.iter().filter(|key| self.by_key(key).is_some()).count();
        !sample.is_empty() && here * 2 >= sample.len()
    }
}
