//! Every change of the provider's state, whoever made it, and what can be proved from it.

use super::model::Webhook;
use crate::sim::{Actor, Mark};
use jiff::Timestamp;

/// What changed.
#[derive(Clone, Debug)]
pub enum Change {
    /// A new webhook.
    Created(Webhook),
    /// A webhook is gone; as it was before.
    Deleted(Webhook),
}

/// One change.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Place in the common order of calls and journal entries.
    pub seq: u64,
    /// When, by the real clock.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub change: Change,
}

/// Which webhooks a question is about.
#[derive(Clone, Debug)]
pub struct LiveQuery {
    /// Of this practice group.
    pub group: String,
    /// Of this event.
    pub event_type: String,
    /// To this URL, if it matters.
    pub url: Option<String>,
    /// Signed with this key, if it matters.
    pub signing_key: Option<String>,
}

impl LiveQuery {
    /// Every webhook of this event.
    pub fn new(group: &str, event_type: &str) -> Self {
        Self { group: group.to_owned(), event_type: event_type.to_owned(), url: None, signing_key: None }
    }

    /// Only to this URL.
    pub fn to(mut self, url: &str) -> Self {
        self.url = Some(url.to_owned());
        self
    }

    /// Only signed with this key.
    pub fn signed_with(mut self, signing_key: &str) -> Self {
        self.signing_key = Some(signing_key.to_owned());
        self
    }

    fn fits(&self, webhook: &Webhook) -> bool {
        webhook.group == self.group
            && webhook.event_type == self.event_type
            && self.url.as_ref().is_none_or(|url| *url == webhook.url)
            && (self.signing_key.is_none() || self.signing_key == webhook.signing_key)
    }
}

/// How many such webhooks there were from one change to the next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// The journal entry (or mark) it begins with.
    pub from: u64,
    /// Their number until the next stretch.
    pub live: usize,
}

/// The number of webhooks at `since` and after each later change of it.
pub(crate) fn timeline(journal: &[Entry], query: &LiveQuery, since: Mark) -> Vec<Stretch> {
    let mut live = 0;
    let mut stretches = vec![Stretch { from: since.0, live }];
    for entry in journal {
        live = match &entry.change {
            Change::Created(webhook) => live + usize::from(query.fits(webhook)),
            Change::Deleted(webhook) => live - usize::from(query.fits(webhook)),
        };
        if entry.seq <= since.0 {
            stretches[0].live = live;
        } else if stretches.last().is_none_or(|last| last.live != live) {
            stretches.push(Stretch { from: entry.seq, live });
        }
    }
    stretches
}
