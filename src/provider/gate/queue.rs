//! Who is next: first come, first served within a lane, by weight between lanes that have waiters (rules.md *Gate*).
//!
//! Each lane has a virtual time that a turn moves on by the reciprocal of its weight; the lane that is furthest behind is
//! next. A lane that was empty starts at the present virtual time, so that nothing is saved up by not asking, and every
//! lane with waiters moves on, so that none starves.

use std::collections::VecDeque;

use super::lane::Lane;

/// Waiters, each with something to tell it by.
pub(super) struct Queue<T> {
    lanes: [VecDeque<Waiter<T>>; Lane::COUNT],
    /// Virtual time of each lane's next turn.
    turns: [u64; Lane::COUNT],
    now: u64,
    /// Whether the last turn was one of [`Lane::Front`].
    front_had_last: bool,
    next_id: u64,
}

struct Waiter<T> {
    id: u64,
    probe: bool,
    item: T,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Self {
            lanes: std::array::from_fn(|_| VecDeque::new()),
            turns: [0; Lane::COUNT],
            now: 0,
            front_had_last: false,
            next_id: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// Takes a place; the number names it.
    pub(super) fn push(&mut self, lane: Lane, probe: bool, item: T) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.insert(lane, Waiter { id, probe, item });
        id
    }

    fn insert(&mut self, lane: Lane, waiter: Waiter<T>) {
        let turn = &mut self.turns[lane.index()];
        let waiters = &mut self.lanes[lane.index()];
        if waiters.is_empty() {
            *turn = (*turn).max(self.now);
        }
        // Numbers grow with arrival: who is raised into a lane stands where it would have stood all along.
        let place = waiters.partition_point(|other| other.id < waiter.id);
        waiters.insert(place, waiter);
    }

    /// The next waiter.
    pub(super) fn pop(&mut self) -> Option<T> {
        let waits = |lane: &Lane| !self.lanes[lane.index()].is_empty();
        let weighted = Lane::WEIGHTED.into_iter().filter(waits).min_by_key(|lane| self.turns[lane.index()]);
        let front = waits(&Lane::Front) && (weighted.is_none() || !self.front_had_last);
        self.front_had_last = front;
        if front {
            return self.lanes[Lane::Front.index()].pop_front().map(|waiter| waiter.item);
        }
        let lane = weighted?;
        self.now = self.turns[lane.index()];
        self.turns[lane.index()] += lane.stride();
        self.lanes[lane.index()].pop_front().map(|waiter| waiter.item)
    }

    /// Gives a place up; `false` if its turn has come already.
    pub(super) fn remove(&mut self, id: u64) -> bool {
        self.take(id).is_some()
    }

    /// Moves a waiter to a more urgent lane.
    pub(super) fn raise(&mut self, id: u64, lane: Lane) {
        if let Some(waiter) = self.take(id) {
            self.insert(lane, waiter);
        }
    }

    fn take(&mut self, id: u64) -> Option<Waiter<T>> {
        self.lanes.iter_mut().find_map(|waiters| {
            let place = waiters.binary_search_by_key(&id, |waiter| waiter.id).ok()?;
            waiters.remove(place)
        })
    }

    /// Takes out all that are no probes.
    pub(super) fn drain_ordinary(&mut self) -> Vec<T> {
        let mut drained = Vec::new();
        for waiters in &mut self.lanes {
            let (probes, ordinary): (VecDeque<_>, VecDeque<_>) = waiters.drain(..).partition(|waiter| waiter.probe);
            *waiters = probes;
            drained.extend(ordinary.into_iter().map(|waiter| waiter.item));
        }
        drained
    }
}
