//! A Secret as a pod sees it that has mounted it: late, and with its last content when the Secret is gone.

use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client};
use sha2::{Digest as _, Sha256};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio_util::task::AbortOnDropHandle;

/// What the Secret held from one change to the next. Has no `Debug`: keys do not belong into the words of a failed test.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Content {
    /// The newest key.
    pub current: Option<String>,
    /// The key before it, during a rotation.
    pub previous: Option<String>,
}

impl Content {
    fn of(secret: &Secret) -> Self {
        let text = |name: &str| {
            let bytes = secret.data.as_ref()?.get(name)?;
            String::from_utf8(bytes.0.clone()).ok().filter(|text| !text.is_empty())
        };
        Self { current: text("current"), previous: text("previous") }
    }

    /// Both keys, newest first.
    pub fn keys(&self) -> Vec<String> {
        self.current.iter().chain(&self.previous).cloned().collect()
    }

    /// Fingerprints of `current` and `previous`, or a dash: what may be printed.
    pub fn fingerprints(&self) -> (String, String) {
        let print = |key: &Option<String>| {
            let digest = |key: &String| format!("sha256:{}", hex::encode(&Sha256::digest(key)[..4]));
            key.as_ref().map_or_else(|| "-".to_owned(), digest)
        };
        (print(&self.current), print(&self.previous))
    }
}

type Seen = Arc<Mutex<Vec<(Instant, Content)>>>;

/// The mounted Secret. Unmounted when dropped.
pub struct Volume {
    seen: Seen,
    lag: Duration,
    _watch: AbortOnDropHandle<()>,
}

impl Volume {
    /// Mounts a Secret that need not exist yet. New content shows `lag` after it was written, as the kubelet refreshes
    /// volumes now and then.
    pub fn mount(client: Client, namespace: &str, name: &str, lag: Duration) -> Self {
        let seen = Seen::default();
        let api: Api<Secret> = Api::namespaced(client, namespace);
        let watch = AbortOnDropHandle::new(tokio::spawn(follow(api, name.to_owned(), seen.clone())));
        Self { seen, lag, _watch: watch }
    }

    fn seen(&self) -> Vec<(Instant, Content)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys that a program in the pod reads now.
    pub fn keys(&self) -> Vec<String> {
        self.shown().map(|content| content.keys()).unwrap_or_default()
    }

    fn shown(&self) -> Option<Content> {
        let now = Instant::now();
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        // A Secret that is gone changes nothing in a running pod.
        let old = |(at, content): &&(Instant, Content)| {
            *content != Content::default() && now.saturating_duration_since(*at) >= self.lag
        };
        seen.iter().rev().find(old).map(|(_, content)| content.clone())
    }

    /// Everything that the Secret ever held, each change once; the empty content where it was gone.
    pub fn contents(&self) -> Vec<Content> {
        self.seen().into_iter().map(|(_, content)| content).collect()
    }

    /// Waits until the pod could start: until something shows.
    pub async fn mounted(&self) {
        while self.shown().is_none() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn follow(api: Api<Secret>, name: String, seen: Seen) {
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut events = std::pin::pin!(watcher::watcher(api, config));
    loop {
        let content = match events.try_next().await {
            Ok(Some(Event::Apply(secret) | Event::InitApply(secret))) => Content::of(&secret),
            Ok(Some(Event::Delete(_))) => Content::default(),
            Ok(Some(Event::Init | Event::InitDone)) => continue,
            Ok(None) => return,
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.last().is_none_or(|(_, last)| *last != content) {
            seen.push((Instant::now(), content));
        }
    }
}
