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

    /// W2 of rules.md *Absence*: at least half of the sample is here.
    pub(super) fn witnesses(&self, sample: &[Arc<str>]) -> bool {
        let here = sample.iter().filter(|key| self.by_key(key).is_some()).count();
        !sample.is_empty() && here * 2 >= sample.len()
    }
}
