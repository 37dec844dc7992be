//! Text kept once. A mirror of 10,000 rows holds a few hundred different practice keys, resource types and events; as
//! four-byte names they make a row's identity twelve bytes instead of forty-eight.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::provider::model::RowKey;

/// Stands for one text.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Name(NonZeroU32);

/// A [`RowKey`] in names.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    practice: Option<Name>,
    resource_type: Name,
    event: Name,
}

/// The table of texts. It only grows, by texts never seen before; a new mirror begins a new one.
#[derive(Default)]
pub(super) struct Names {
    texts: Vec<Arc<str>>,
    index: HashMap<Arc<str>, Name>,
}

impl Names {
    /// The pair of a key, for writing.
    pub(super) fn intern(&mut self, key: &RowKey) -> Pair {
        Pair {
            practice: key.practice.as_ref().map(|text| self.name(text)),
            resource_type: self.name(&key.resource_type),
            event: self.name(&key.event),
        }
    }

    /// The pair of a key, for reading: a text without a name is on no row.
    pub(super) fn find(&self, key: &RowKey) -> Option<Pair> {
        let practice = match &key.practice {
            Some(text) => Some(*self.index.get(text)?),
            None => None,
        };
        let resource_type = *self.index.get(&key.resource_type)?;
        let event = *self.index.get(&key.event)?;
        Some(Pair { practice, resource_type, event })
    }

    /// The key of a pair, sharing the table's texts.
    pub(super) fn key(&self, pair: Pair) -> RowKey {
        RowKey {
            practice: pair.practice.map(|name| self.text(name)),
            resource_type: self.text(pair.resource_type),
            event: self.text(pair.event),
        }
    }

    fn name(&mut self, text: &Arc<str>) -> Name {
        if let Some(name) = self.index.get(text) {
            return *name;
        }
        let count = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        let name = Name(NonZeroU32::MIN.saturating_add(count));
        self.texts.push(text.clone());
        self.index.insert(text.clone(), name);
        name
    }

    fn text(&self, name: Name) -> Arc<str> {
        self.texts.get(name.0.get() as usize - 1).cloned().unwrap_or_default()
    }
}
