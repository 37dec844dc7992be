//! The provider's journal, replayed: who had what when, foreign things left aside.

use std::collections::{BTreeMap, BTreeSet};

use testbed::nexhealth::{Actor, Change, Endpoint, Entry, Row};

use super::scenario::Wanted;

/// What was planted before anything began: nobody's of this cluster.
#[derive(Clone, Debug, Default)]
pub struct Foreign {
    /// Endpoints.
    pub endpoints: Vec<Endpoint>,
    /// Rows, on foreign endpoints and on ours.
    pub rows: Vec<Row>,
    /// Whether users delete the endpoint of ours that has foreign rows: then those go with it (rules.md *Deletion*).
    pub host_goes: bool,
    /// Whether the endpoint of ours that has foreign rows is replaced: then they move with the others, each once or, if the
    /// provider refuses the move, made anew before the old one goes (rules.md *Rotation*).
    pub host_moves: bool,
}

impl Foreign {
    /// Whether the row is foreign.
    pub fn has_row(&self, id: i64) -> bool {
        self.rows.iter().any(|row| row.id == id)
    }

    /// Whether the row is foreign and must stay.
    fn protects(&self, row: &Row) -> bool {
        self.has_row(row.id) && (self.has_endpoint(row.endpoint_id) || !self.host_goes)
    }

    /// Whether the row is foreign, or was made in the place of one that could not be moved.
    fn owns(&self, row: &Row) -> bool {
        let same = |one: &&Row| !self.has_endpoint(one.endpoint_id) && is_same_pair(one, row);
        self.has_row(row.id)
            || self.host_moves && !self.has_endpoint(row.endpoint_id) && self.rows.iter().any(|one| same(&one))
    }

    /// Whether a call may do this to a foreign row.
    fn lets_move(&self, before: &Row, after: &Row) -> bool {
        let ours = |row: &Row| !self.has_endpoint(row.endpoint_id);
        let moved = before.endpoint_id != after.endpoint_id && before.active == after.active;
        self.host_moves && moved && ours(before) && ours(after)
    }

    /// Whether the endpoint is foreign.
    pub fn has_endpoint(&self, id: i64) -> bool {
        self.endpoints.iter().any(|endpoint| endpoint.id == id)
    }
}

fn is_same_pair(one: &Row, other: &Row) -> bool {
    (&one.subdomain, &one.event) == (&other.subdomain, &other.event)
}

/// Practice and event.
pub type Pair = (String, String);

/// What the journal tells of our things.
#[derive(Debug, Default)]
pub struct History {
    endpoints: BTreeMap<i64, Endpoint>,
    rows: BTreeMap<i64, Row>,
    /// For each pair of ours, the number of live rows after each change of it, with the number of the change.
    pub live: BTreeMap<Pair, Vec<(u64, usize)>>,
    /// Endpoints that calls made, and of them those that calls removed.
    pub made: Vec<(u64, Endpoint)>,
    /// How many endpoints of ours there were at most at once.
    pub most_endpoints: usize,
    /// Rows that calls made: number of the call, row.
    pub rows_made: Vec<(u64, Row)>,
    /// Changes of foreign things that calls made, in words.
    pub trespass: Vec<String>,
}

impl History {
    /// Replays a journal.
    pub fn of(journal: &[Entry], foreign: &Foreign) -> Self {
        let mut this = Self::default();
        for entry in journal {
            this.take(entry, foreign);
        }
        this
    }

    fn take(&mut self, entry: &Entry, foreign: &Foreign) {
        let call = match entry.actor {
            Actor::Call(call) => Some(call),
            _ => None,
        };
        match &entry.change {
            Change::EndpointCreated(endpoint) => {
                self.endpoints.insert(endpoint.id, endpoint.clone());
                self.made.extend(call.map(|call| (call, endpoint.clone())));
            }
            Change::EndpointPatched { after, .. } => {
                self.suspect(call, foreign.has_endpoint(after.id), "patched a foreign endpoint");
                self.endpoints.insert(after.id, after.clone());
            }
            Change::EndpointDeleted(endpoint) => {
                self.suspect(call, foreign.has_endpoint(endpoint.id), "deleted a foreign endpoint");
                self.endpoints.remove(&endpoint.id);
            }
            Change::RowCreated(row) => {
                self.suspect(call, foreign.has_endpoint(row.endpoint_id), "made a row on a foreign endpoint");
                self.rows.insert(row.id, row.clone());
                self.rows_made.extend(call.map(|call| (call, row.clone())));
            }
            Change::RowPatched { before, after } | Change::RowMoved { before, after } => {
                let wrong = foreign.has_row(after.id) && !foreign.lets_move(before, after);
                self.suspect(call, wrong, "changed a foreign row");
                self.rows.insert(after.id, after.clone());
            }
            Change::RowDeleted(row) => {
                self.rows.remove(&row.id);
                let replaced = foreign.host_moves && self.stands(row, foreign);
                self.suspect(call, foreign.protects(row) && !replaced, "deleted a foreign row");
            }
            Change::InstitutionAdded(_) | Change::InstitutionRemoved(_) => {}
        }
        let ours = self.endpoints.keys().filter(|id| !foreign.has_endpoint(**id)).count();
        self.most_endpoints = self.most_endpoints.max(ours);
        self.count(entry.seq, foreign);
    }

    fn suspect(&mut self, call: Option<u64>, foreign: bool, what: &str) {
        if let (Some(call), true) = (call, foreign) {
            self.trespass.push(format!("call {call} {what}"));
        }
    }

    /// Whether a row of the same pair is on an endpoint of ours.
    fn stands(&self, gone: &Row, foreign: &Foreign) -> bool {
        let ours = |row: &&Row| self.endpoints.contains_key(&row.endpoint_id) && !foreign.has_endpoint(row.endpoint_id);
        self.rows.values().filter(ours).any(|row| is_same_pair(row, gone) && row.active == gone.active)
    }

    fn count(&mut self, at: u64, foreign: &Foreign) {
        let mut now: BTreeMap<Pair, usize> = self.live.keys().map(|pair| (pair.clone(), 0)).collect();
        for row in self.rows.values().filter(|row| row.active && !foreign.owns(row)) {
            if self.endpoints.get(&row.endpoint_id).is_some_and(|endpoint| endpoint.active) {
                *now.entry((row.subdomain.clone().unwrap_or_default(), row.event.clone())).or_default() += 1;
            }
        }
        for (pair, live) in now {
            let line = self.live.entry(pair).or_default();
            if line.last().is_none_or(|(_, last)| *last != live) {
                line.push((at, live));
            }
        }
    }

    /// Whether an endpoint of ours has taken the place of another: the first that was made is gone.
    pub fn replaced(&self) -> bool {
        self.made.first().is_some_and(|(_, first)| !self.endpoints.contains_key(&first.id))
    }

    /// What of ours there is now. Twins are told by the second part: the number of endpoints and of rows.
    pub fn now(&self, foreign: &Foreign) -> (Wanted, (usize, usize)) {
        let endpoints: Vec<&Endpoint> = self.endpoints.values().filter(|one| !foreign.has_endpoint(one.id)).collect();
        let rows: Vec<&Row> = self.rows.values().filter(|row| !foreign.owns(row)).collect();
        let url =
            |row: &Row| self.endpoints.get(&row.endpoint_id).map(|one| one.target_url.clone()).unwrap_or_default();
        let wanted = Wanted {
            endpoints: endpoints.iter().map(|one| (one.target_url.clone(), one.active)).collect(),
            rows: rows
                .iter()
                .map(|row| (url(row), row.subdomain.clone().unwrap_or_default(), row.event.clone(), row.active))
                .collect::<BTreeSet<_>>(),
        };
        (wanted, (endpoints.len(), rows.len()))
    }

    /// Foreign things that are no longer as they were planted.
    pub fn harmed(&self, foreign: &Foreign) -> Vec<String> {
        let endpoints = foreign.endpoints.iter().filter(|one| self.endpoints.get(&one.id) != Some(one));
        let whole = |row: &Row| {
            let moves = foreign.host_moves && !foreign.has_endpoint(row.endpoint_id);
            self.rows.get(&row.id) == Some(row) || moves && self.stands(row, foreign)
        };
        let rows = foreign.rows.iter().filter(|row| foreign.protects(row) && !whole(row));
        let endpoints = endpoints.map(|one| format!("foreign endpoint {} is not as it was", one.id));
        endpoints.chain(rows.map(|row| format!("foreign row {} is not as it was", row.id))).collect()
    }
}
