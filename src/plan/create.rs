//! rules.md *Create*: which listed endpoint one of our own POSTs has made, when its answer never came.

use jiff::{SignedDuration, Timestamp};

use super::PlanTiming;
use crate::api::endpoint::{LastCreate, PendingCreate};
use crate::provider::model::{RemoteEndpoint, RemoteId, canonical_url};

/// Most ids an intent names.
pub const SEEN_LIMIT: usize = 16;

/// A create that is under way or has ended: the window in which what it made must have appeared.
#[derive(Clone, Debug)]
pub struct Intent<'a> {
    since: Timestamp,
    until: Timestamp,
    seen: &'a [String],
    url: Option<&'a str>,
}

impl<'a> Intent<'a> {
    /// An intent whose id is not known yet: its window is still open.
    pub fn open(pending: &'a PendingCreate, now: Timestamp) -> Self {
        Self { since: pending.since.0, until: now, seen: &pending.seen_remote_ids, url: pending.target_url.as_deref() }
    }

    /// An intent whose id became known.
    pub fn closed(last: &'a LastCreate) -> Self {
        Self { since: last.since.0, until: last.until.0, seen: &last.seen_remote_ids, url: last.target_url.as_deref() }
    }

    /// Whether a POST of ours made this endpoint, judged by all but its rows. The caller knows that no object holds the
    /// id; it must also see a good list without rows before it acts. `url` is the spec's.
    pub fn matches(&self, endpoint: &RemoteEndpoint, url: &str, timing: &PlanTiming) -> bool {
        let Some(created) = endpoint.created_at else { return false };
        if canonical_url(&endpoint.target_url) != canonical_url(self.url.unwrap_or(url)) {
            return false;
        }
        let slack = SignedDuration::try_from(timing.clock_slack).unwrap_or(SignedDuration::ZERO);
        let from = self.since.saturating_sub(slack).unwrap_or(Timestamp::MIN);
        let to = self.until.saturating_add(slack).unwrap_or(Timestamp::MAX);
        from <= created && created <= to && !self.seen.iter().any(|id| id == endpoint.id.as_str())
    }
}

/// An endpoint that the object does not hold, with the object's URL or one that an intent of it asked for.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The endpoint.
    pub endpoint: RemoteEndpoint,
    /// Rows on it, where a good list has told.
    pub rows: Option<usize>,
    /// Whether another object holds it, or this one is removing it.
    pub taken: bool,
    /// Whether another object holds it.
    pub held_elsewhere: bool,
}

/// What the candidates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rows of this one must be listed first.
    NeedRows(RemoteId),
    /// All judged.
    Judged {
        /// Made by our POSTs, lowest id first.
        ours: Vec<RemoteId>,
        /// Somebody else's, lowest id first.
        foreign: Vec<RemoteId>,
    },
}

/// Judges candidates against the intents of an object whose spec has this `url`. `made` is an id that this process saw in
/// a 201, which needs no other evidence.
pub fn judge(
    url: &str,
    candidates: &[Candidate],
    intents: &[Intent<'_>],
    made: Option<&RemoteId>,
    timing: &PlanTiming,
) -> Verdict {
    let (mut ours, mut foreign) = (Vec::new(), Vec::new());
    let own = canonical_url(url);
    for candidate in candidates.iter().filter(|candidate| !candidate.taken) {
        let id = &candidate.endpoint.id;
        if made == Some(id) {
            ours.push(id.clone());
        } else if intents.iter().any(|intent| intent.matches(&candidate.endpoint, url, timing)) {
            match candidate.rows {
                None => return Verdict::NeedRows(id.clone()),
                Some(0) => ours.push(id.clone()),
                Some(_) => foreign.push(id.clone()),
            }
        } else if canonical_url(&candidate.endpoint.target_url) == own {
            foreign.push(id.clone());
        }
    }
    ours.sort();
    foreign.sort();
    Verdict::Judged { ours, foreign }
}

/// The ids a new intent must not mistake for its own: everything with the URL, but never an id that the intent before it
/// would call Ours, which would make it nobody's.
pub fn seen(url: &str, candidates: &[Candidate], before: Option<&LastCreate>, timing: &PlanTiming) -> Vec<String> {
    let before = before.map(Intent::closed);
    let mut ids: Vec<&RemoteId> = candidates
        .iter()
        .filter(|candidate| !before.as_ref().is_some_and(|intent| intent.matches(&candidate.endpoint, url, timing)))
        .filter(|candidate| canonical_url(&candidate.endpoint.target_url) == canonical_url(url))
        .map(|candidate| &candidate.endpoint.id)
        .collect();
    ids.sort();
    ids.into_iter().rev().take(SEEN_LIMIT).map(|id| id.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::wire_time;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn candidate(id: &str, created: i64, rows: Option<usize>) -> Candidate {
        let endpoint = RemoteEndpoint {
            id: RemoteId::new(id),
            target_url: "https://h.example.com/".into(),
            active: true,
            created_at: Some(at(created)),
            updated_at: None,
            key: None,
        };
        Candidate { endpoint, rows, taken: false, held_elsewhere: false }
    }

    #[test]
    fn only_an_empty_unseen_endpoint_of_the_window_is_ours() {
        let timing = PlanTiming::default();
        let pending =
            PendingCreate { since: wire_time(at(10_000)), target_url: None, seen_remote_ids: vec!["7".into()] };
        let intent = [Intent::open(&pending, at(10_060))];
        let judged = |c| judge("https://h.example.com/", &[c], &intent, None, &timing);
        assert_eq!(judged(candidate("9", 10_030, None)), Verdict::NeedRows(RemoteId::new("9")));
        let ours = Verdict::Judged { ours: vec![RemoteId::new("9")], foreign: vec![] };
        assert_eq!(judged(candidate("9", 10_030, Some(0))), ours);
        let foreign = |id| Verdict::Judged { ours: vec![], foreign: vec![RemoteId::new(id)] };
        assert_eq!(judged(candidate("9", 10_030, Some(1))), foreign("9"), "a person's endpoint with rows");
        assert_eq!(judged(candidate("7", 10_030, Some(0))), foreign("7"), "seen before");
        assert_eq!(judged(candidate("9", 9_000, Some(0))), foreign("9"), "too old");
        assert_eq!(judged(candidate("9", 11_000, Some(0))), foreign("9"), "too new");
    }

    #[test]
    fn a_new_intent_does_not_disown_what_the_last_one_made() {
        let timing = PlanTiming::default();
        let last = LastCreate {
            since: wire_time(at(10_000)),
            until: wire_time(at(10_010)),
            target_url: None,
            seen_remote_ids: vec!["3".into()],
            outstanding: true,
        };
        let there = [candidate("3", 9_990, Some(0)), candidate("5", 10_005, Some(0)), candidate("6", 99_000, Some(0))];
        assert_eq!(seen("https://h.example.com/", &there, Some(&last), &timing), vec!["6".to_owned(), "3".to_owned()]);
    }
}
