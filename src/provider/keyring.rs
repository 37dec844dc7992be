//! URLs and keys of rows that carry their own (rules.md *Providers of another shape*, *Fused*).
//!
//! A plan names where a row is to stand by its home ([`home`]), which says nothing of URL and key. Here is what is behind
//! it: put in by the endpoint object once its key is in the Secret, or seen in a list. Nothing here is ever printed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::model::RemoteId;
use super::model::home::{home, home_of_unknown_key, same_url};
use crate::signing::SecretText;

/// What a row is made with.
#[derive(Clone)]
pub struct FusedTarget {
    /// Where deliveries go.
    pub target_url: String,
    /// The key that signs them.
    pub key: SecretText,
}

/// What one realm knows.
#[derive(Default)]
pub struct Keyring(Mutex<Known>);

#[derive(Default)]
struct Known {
    offered: HashMap<RemoteId, FusedTarget>,
    listed: HashMap<RemoteId, SecretText>,
    /// URLs of homes, as listed.
    urls: HashMap<RemoteId, String>,
    /// Fingerprints of the keys of rows, by id, for providers whose lists hide keys.
    rows: HashMap<RemoteId, String>,
}

impl Keyring {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows may be made with this URL and key, which is in the Secret. Answers their home, and whether that is news.
    pub fn offer(&self, target_url: &str, key: &SecretText) -> (RemoteId, bool) {
        let id = home(target_url, &key.fingerprint());
        let target = FusedTarget { target_url: target_url.to_owned(), key: key.clone() };
        let news = self.known().offered.insert(id.clone(), target).is_none();
        (id, news)
    }

    /// What rows of a home are made with; `None` unless it was offered.
    pub fn target(&self, home: &RemoteId) -> Option<FusedTarget> {
        self.known().offered.get(home).cloned()
    }

    /// The key of a home, offered or listed.
    pub fn key(&self, home: &RemoteId) -> Option<SecretText> {
        let known = self.known();
        known.offered.get(home).map(|target| target.key.clone()).or_else(|| known.listed.get(home).cloned())
    }

    /// Homes whose keys are known.
    pub fn homes(&self) -> Vec<RemoteId> {
        let known = self.known();
        known.offered.keys().chain(known.listed.keys()).cloned().collect()
    }

    /// Every key that a list has shown for this URL.
    pub fn listed_keys(&self, target_url: &str) -> Vec<SecretText> {
        let here = home_of_unknown_key(target_url);
        self.known().listed.iter().filter(|(home, _)| same_url(home, &here)).map(|(_, key)| key.clone()).collect()
    }

    /// The URL of a home, as far as rows there have shown it.
    pub fn target_url(&self, home: &RemoteId) -> Option<String> {
        self.known().urls.get(home).cloned()
    }

    /// Somebody knows with which key a row signs. Answers whether that is news.
    pub fn tell(&self, row: &RemoteId, fingerprint: &str) -> bool {
        self.known().rows.insert(row.clone(), fingerprint.to_owned()).as_deref() != Some(fingerprint)
    }

    /// The home of a listed row: by its key where that is shown, else by what is known of its id.
    pub fn locate(&self, row: &RemoteId, target_url: &str, key: Option<&SecretText>) -> RemoteId {
        let mut known = self.known();
        let id = match (key, known.rows.get(row)) {
            (Some(key), _) => home(target_url, &key.fingerprint()),
            (None, Some(fingerprint)) => home(target_url, fingerprint),
            (None, None) => home_of_unknown_key(target_url),
        };
        known.listed.extend(key.map(|key| (id.clone(), key.clone())));
        known.urls.entry(id.clone()).or_insert_with(|| target_url.to_owned());
        id
    }
}
