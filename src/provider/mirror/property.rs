//! No interleaving of lists and writes plans a POST for a row that exists or a DELETE of the only row of a declared
//! pair (rules.md *Mirror*).
//!
//! A model server is changed by our writes (which land, are answered, or lose their answer, in any order) and behind our
//! back. Lists are under way several at a time and end in any order; each row of a list is taken from the server's state
//! at a moment of its own between start and end. What the planner below does is all that a plan may conclude.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use proptest::prelude::*;

use super::property_ops::{Op, op};
use super::{CreateState, Failure, Mirror, Seq};
use crate::provider::model::{RemoteEndpoint, RemoteId, RemoteRow, RowKey, RowScope};

pub(super) const PAIRS: u8 = 2;
const SETTLE: i64 = 30;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    to: bool,
    pair: u8,
    active: bool,
}

type Server = BTreeMap<u32, Row>;

#[derive(Clone, Debug)]
enum Call {
    Create { pair: u8 },
    Move { id: u32 },
    Switch { id: u32 },
    Delete { id: u32 },
}

#[derive(Debug)]
struct Write {
    call: Call,
    landed: Option<Option<(u32, Row)>>,
}

struct OpenList {
    to: bool,
    started: Seq,
    at: i64,
    moments: Vec<Server>,
}

struct World {
    server: Server,
    mirror: Mirror,
    now: i64,
    step: u64,
    high: u32,
    low: u32,
    lists: Vec<OpenList>,
    writes: Vec<Write>,
    late: Vec<(i64, Write)>,
    started: HashMap<Seq, u64>,
    foreign_made: HashMap<u32, (bool, u64)>,
    foreign_gone: HashMap<u32, u64>,
    posts: usize,
}

fn endpoint(to: bool) -> RemoteId {
    RemoteId::new(if to { "20" } else { "10" })
}

fn key(pair: u8) -> RowKey {
    let practice = (pair > 0).then(|| Arc::from("7"));
    RowKey { practice, resource_type: Arc::from("Appointment"), event: Arc::from(format!("event_{pair}")) }
}

fn time(now: i64) -> Timestamp {
    Timestamp::from_second(now).unwrap()
}

fn remote(id: u32, row: Row) -> RemoteRow {
    let RowKey { practice, resource_type, event } = key(row.pair);
    let (id, endpoint) = (RemoteId::new(id.to_string()), endpoint(row.to));
    RemoteRow { id, endpoint, practice, resource_type, event, active: row.active, created_at: None }
}

fn number(id: &RemoteId) -> u32 {
    id.as_str().parse().unwrap()
}

impl World {
    fn new(rows: Vec<(u8, bool)>, saw_created: bool) -> Self {
        let mut mirror = Mirror::new();
        if saw_created {
            let target_url = "https://example.org/".to_owned();
            let (created_at, updated_at, key) = (None, None, None);
            let remote = RemoteEndpoint { id: endpoint(true), target_url, active: true, created_at, updated_at, key };
            let _ = mirror.endpoint_created("https://example.org/", remote);
        }
        let rows = rows.into_iter().filter(|(_, to)| !(saw_created && *to));
        let server = (1000..).zip(rows.map(|(pair, to)| Row { to, pair, active: true })).collect();
        Self {
            server,
            mirror,
            now: 1000,
            step: 0,
            high: 2000,
            low: 999,
            lists: Vec::new(),
            writes: Vec::new(),
            late: Vec::new(),
            started: HashMap::new(),
            foreign_made: HashMap::new(),
            foreign_gone: HashMap::new(),
            posts: 0,
        }
    }

    fn run(&mut self, op: Op) {
        self.step += 1;
        match op {
            Op::ListStart { to } => self.start(to),
            Op::Round => self.round(),
            Op::ListEnd { nth, dice } if !self.lists.is_empty() => self.end(nth % self.lists.len(), dice),
            Op::ListFail { nth } if !self.lists.is_empty() => {
                let list = self.lists.remove(nth % self.lists.len());
                self.mirror.list_failed(list.started);
            }
            Op::Plan { pair } => self.plan(pair),
            Op::Move { pair } => self.plan_move(pair),
            Op::Switch { pair, to } => {
                if let Some(row) = self.mirror.rows(&endpoint(to), &key(pair)).first() {
                    self.mirror.begin_row_write(&row.id, None);
                    self.writes.push(Write { call: Call::Switch { id: number(&row.id) }, landed: None });
                }
            }
            Op::Land { nth } if !self.writes.is_empty() => {
                let nth = nth % self.writes.len();
                let mut write = self.writes.remove(nth);
                self.land(&mut write);
                self.writes.insert(nth, write);
            }
            Op::Answer { nth } if !self.writes.is_empty() => {
                let write = self.writes.remove(nth % self.writes.len());
                self.answer(write);
            }
            Op::Lose { nth } if !self.writes.is_empty() => {
                let write = self.writes.remove(nth % self.writes.len());
                self.lose(write);
            }
            Op::LandLate { nth } if !self.late.is_empty() => {
                let (_, mut write) = self.late.remove(nth % self.late.len());
                self.land(&mut write);
            }
            Op::Wait { seconds } => {
                self.now += seconds;
                self.late.retain(|(until, _)| self.now < *until);
            }
            Op::ForeignDelete { nth } => {
                if let Some(id) = self.server.keys().nth(nth % self.server.len().max(1)).copied() {
                    self.server.remove(&id);
                    self.foreign_gone.insert(id, self.step);
                }
            }
            Op::ForeignCreate { pair, to, low } => {
                let id = self.new_id(low);
                self.server.insert(id, Row { to, pair, active: true });
                self.foreign_made.insert(id, (to, self.step));
            }
            Op::ForeignMove { nth } => {
                if let Some(row) = self.server.values_mut().nth(nth) {
                    row.to = true;
                }
            }
            _ => {}
        }
        for list in &mut self.lists {
            list.moments.push(self.server.clone());
        }
    }

    /// Lists source and destination one after the other.
    fn round(&mut self) {
        for to in [false, true] {
            self.step += 1;
            self.start(to);
            self.end(self.lists.len() - 1, 1);
        }
    }

    fn new_id(&mut self, low: bool) -> u32 {
        self.high += 1;
        self.low -= 1;
        if low { self.low } else { self.high }
    }

    fn start(&mut self, to: bool) {
        let started = self.mirror.tick();
        self.started.insert(started, self.step);
        self.lists.push(OpenList { to, started, at: self.now, moments: vec![self.server.clone()] });
    }

    fn end(&mut self, nth: usize, dice: u64) {
        let list = self.lists.remove(nth);
        let mut rows = BTreeMap::new();
        for id in list.moments.iter().flat_map(BTreeMap::keys) {
            let moment = dice.wrapping_mul(u64::from(*id) | 1).rotate_right(17) as usize % list.moments.len();
            if let Some(row) = list.moments[moment].get(id).filter(|row| row.to == list.to) {
                rows.insert(*id, remote(*id, *row));
            }
        }
        let rows: Vec<_> = rows.into_values().collect();
        let scope = RowScope::Endpoint(endpoint(list.to));
        let _ = self.mirror.apply_rows(&scope, list.started, time(list.at), &rows);
    }

    fn land(&mut self, write: &mut Write) {
        if write.landed.is_some() {
            return;
        }
        let touched = match write.call {
            Call::Create { pair } => {
                let id = self.new_id(false);
                self.server.insert(id, Row { to: true, pair, active: true });
                Some(id)
            }
            Call::Move { id } => self.server.get_mut(&id).map(|row| row.to = true).map(|()| id),
            Call::Switch { id } => self.server.get_mut(&id).map(|row| row.active = !row.active).map(|()| id),
            Call::Delete { id } => {
                write.landed = Some(self.server.remove(&id).map(|row| (id, row)));
                return;
            }
        };
        write.landed = Some(touched.map(|id| (id, self.server[&id])));
    }

    fn answer(&mut self, write: Write) {
        let failure = if write.landed.is_none() { Failure::Refused } else { Failure::NotFound };
        let row = write.landed.flatten();
        let mirror = &mut self.mirror;
        let _ = match (write.call, row) {
            (Call::Create { pair }, Some((id, row))) => {
                mirror.row_created(&endpoint(true), &key(pair), &remote(id, row))
            }
            (Call::Create { pair }, None) => mirror.row_create_failed(&endpoint(true), &key(pair), failure),
            (Call::Move { .. } | Call::Switch { .. }, Some((id, row))) => mirror.row_patched(&remote(id, row)),
            (Call::Delete { id }, Some(_)) => mirror.row_deleted(&RemoteId::new(id.to_string())),
            (Call::Move { id } | Call::Switch { id } | Call::Delete { id }, None) => {
                mirror.row_write_failed(&RemoteId::new(id.to_string()), failure)
            }
        };
    }

    fn lose(&mut self, write: Write) {
        let failure = Failure::Uncertain { look_after: time(self.now + SETTLE) };
        let _ = match write.call {
            Call::Create { pair } => self.mirror.row_create_failed(&endpoint(true), &key(pair), failure),
            Call::Move { id } | Call::Switch { id } | Call::Delete { id } => {
                self.mirror.row_write_failed(&RemoteId::new(id.to_string()), failure)
            }
        };
        if write.landed.is_none() {
            self.late.push((self.now + SETTLE, write));
        }
    }

    fn plan(&mut self, pair: u8) {
        let key = key(pair);
        let free = self.mirror.row_create_state(&endpoint(true), &key) == CreateState::Free;
        if free && self.mirror.is_missing(&[endpoint(false), endpoint(true)], &key) {
            self.check_post(pair);
            assert!(self.mirror.begin_row_create(&endpoint(true), &key), "a missing, free pair can be claimed");
            self.posts += 1;
            self.writes.push(Write { call: Call::Create { pair }, landed: None });
        }
        for to in [false, true] {
            for twin in self.mirror.twins(&endpoint(to), &key) {
                let kept = self.mirror.rows(&endpoint(to), &key)[0].id.clone();
                self.check_delete(pair, to, number(&kept), number(&twin.id));
                self.mirror.begin_row_write(&twin.id, None);
                self.writes.push(Write { call: Call::Delete { id: number(&twin.id) }, landed: None });
            }
        }
    }

    fn plan_move(&mut self, pair: u8) {
        if let Some(row) = self.mirror.rows(&endpoint(false), &key(pair)).first() {
            self.mirror.begin_row_write(&row.id, Some(&endpoint(true)));
            self.writes.push(Write { call: Call::Move { id: number(&row.id) }, landed: None });
        }
    }

    fn last_list(&self, to: bool) -> u64 {
        let list = self.mirror.row_list(&endpoint(to));
        list.map_or(0, |list| self.started[&list.started])
    }

    /// Nothing of the pair exists, but what somebody else made after the last list of its endpoint began.
    fn check_post(&self, pair: u8) {
        for (id, row) in self.server.iter().filter(|(_, row)| row.pair == pair) {
            let unseen = self.foreign_made.get(id).is_some_and(|(to, made)| *made >= self.last_list(*to));
            assert!(unseen, "POST of pair {pair} although {id} {row:?} exists");
        }
        let late = self.late.iter().map(|(_, write)| write).chain(&self.writes);
        let mut creates = late.filter(|write| write.landed.is_none());
        let outstanding = creates.any(|write| matches!(write.call, Call::Create { pair: other } if other == pair));
        assert!(!outstanding, "POST of pair {pair} although one is outstanding");
    }

    /// Another row of the pair stays, unless somebody else took it after the last list began.
    fn check_delete(&self, pair: u8, to: bool, kept: u32, deleted: u32) {
        let outstanding = self.late.iter().map(|(_, write)| write).chain(&self.writes);
        let doomed: Vec<_> = outstanding
            .filter_map(|write| match write.call {
                Call::Delete { id } if write.landed.is_none() => Some(id),
                _ => None,
            })
            .collect();
        let stays = |(id, row): (&u32, &Row)| row.pair == pair && *id != deleted && !doomed.contains(id);
        let unseen = self.foreign_gone.get(&kept).is_some_and(|gone| *gone >= self.last_list(to));
        assert!(self.server.iter().any(stays) || unseen, "DELETE of {deleted}, the only row of pair {pair}");
    }

    /// Left alone with a working provider, everything converges: one row per pair, and the mirror shows the server.
    fn converge(&mut self) {
        for nth in (0..self.lists.len()).rev() {
            self.end(nth, 7);
        }
        self.finish_writes();
        self.late.clear();
        for _ in 0..4 {
            self.now += 200;
            self.round();
            for pair in 0..PAIRS {
                self.plan(pair);
            }
            self.finish_writes();
            for pair in 0..PAIRS {
                self.plan_move(pair);
            }
            self.finish_writes();
        }
        for pair in 0..PAIRS {
            let rows: Vec<_> = self.server.iter().filter(|(_, row)| row.pair == pair).collect();
            assert!(matches!(rows.as_slice(), [(_, Row { to: true, .. })]), "pair {pair}: {rows:?}");
            let known = self.mirror.rows(&endpoint(true), &key(pair));
            assert_eq!(known, rows.iter().map(|(id, row)| remote(**id, **row)).collect::<Vec<_>>());
        }
        assert_eq!(self.mirror.row_counts(&endpoint(true)).total, usize::from(PAIRS));
        assert_eq!(self.mirror.row_counts(&endpoint(false)).total, 0);
    }

    fn finish_writes(&mut self) {
        while let Some(mut write) = self.writes.pop() {
            self.land(&mut write);
            self.answer(write);
        }
    }
}

/// Many, unless the environment says how many.
fn cases() -> u32 {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default().cases,
        None => 2000,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_interleaving_makes_a_twin_or_a_gap(
        rows in prop::collection::vec((0..PAIRS, any::<bool>()), 0..6),
        saw_created in any::<bool>(),
        ops in prop::collection::vec(op(), 0..70),
    ) {
        let mut world = World::new(rows, saw_created);
        for op in ops {
            world.run(op);
        }
        world.converge();
    }
}
