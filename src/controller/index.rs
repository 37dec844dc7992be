//! From a property to the objects that have it, so that a pass costs its own pairs and not all objects.
//!
//! A property is a 64-bit hash and an object a number, because there is one entry per object and property: two properties
//! may share a hash, so an answer may name too many objects but never too few. Whoever asks checks what it gets.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A property of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(u64);

impl Key {
    /// The property with these parts.
    pub fn of(parts: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        parts.hash(&mut hasher);
        Self(hasher.finish())
    }
}

/// Objects by property.
#[derive(Default)]
pub struct Index(HashMap<Key, Bucket>);

/// Most properties belong to one object.
enum Bucket {
    One(u32),
    #[expect(clippy::box_collection, reason = "buckets of one object, which are nearly all, stay small")]
    Many(Box<HashSet<u32>>),
}

impl Index {
    /// An object had these properties and now has those. Each list may repeat itself.
    pub fn replace(&mut self, object: u32, before: Vec<Key>, after: Vec<Key>) {
        let (before, after) = (sorted(before), sorted(after));
        if before == after {
            return;
        }
        for key in before.iter().filter(|key| after.binary_search(key).is_err()) {
            self.remove(*key, object);
        }
        for key in after.iter().filter(|key| before.binary_search(key).is_err()) {
            self.add(*key, object);
        }
    }

    /// Objects that have this property, and perhaps others.
    pub fn get(&self, key: Key) -> impl Iterator<Item = u32> {
        let (one, many) = match self.0.get(&key) {
            None => (None, None),
            Some(Bucket::One(object)) => (Some(*object), None),
            Some(Bucket::Many(objects)) => (None, Some(objects.iter().copied())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// How many objects [`Index::get`] answers.
    pub fn count(&self, key: Key) -> usize {
        match self.0.get(&key) {
            None => 0,
            Some(Bucket::One(_)) => 1,
            Some(Bucket::Many(objects)) => objects.len(),
        }
    }

    fn add(&mut self, key: Key, object: u32) {
        let bucket = self.0.entry(key).or_insert(Bucket::One(object));
        match bucket {
            Bucket::One(present) if *present == object => {}
            Bucket::One(present) => *bucket = Bucket::Many(Box::new(HashSet::from([*present, object]))),
            Bucket::Many(objects) => _ = objects.insert(object),
        }
    }

    fn remove(&mut self, key: Key, object: u32) {
        let empty = match self.0.get_mut(&key) {
            None => return,
            Some(Bucket::One(present)) => *present == object,
            Some(Bucket::Many(objects)) => {
                objects.remove(&object);
                objects.is_empty()
            }
        };
        if empty {
            self.0.remove(&key);
        }
    }
}

fn sorted(mut keys: Vec<Key>) -> Vec<Key> {
    keys.sort_unstable();
    keys.dedup();
    keys
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_answers_as_a_look_at_every_object_would(
            steps in proptest::collection::vec((0_u32..6, proptest::collection::vec(0_u8..5, 0..4)), 0..60),
        ) {
            let mut index = Index::default();
            let mut objects: BTreeMap<u32, Vec<u8>> = BTreeMap::new();
            let keys = |properties: &[u8]| properties.iter().map(Key::of).collect::<Vec<_>>();
            for (object, properties) in steps {
                let before = objects.insert(object, properties.clone()).unwrap_or_default();
                index.replace(object, keys(&before), keys(&properties));
                for property in 0..5_u8 {
                    let found: BTreeSet<u32> = index.get(Key::of(property)).collect();
                prop_assert_eq!(found.len(), index.count(Key::of(property)));
                    let has = |(_, own): &(&u32, &Vec<u8>)| own.contains(&property);
                    prop_assert_eq!(found, objects.iter().filter(has).map(|(object, _)| *object).collect());
                }
            }
            for (object, before) in objects {
                index.replace(object, keys(&before), Vec::new());
            }
            prop_assert!(index.0.is_empty(), "nothing stays behind");
        }
    }
}
