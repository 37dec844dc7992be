//! Which objects are to be planned, and when. An object is planned by one pass at a time; what wakes it meanwhile makes
//! one more pass, and the earliest of several times counts.
//!
//! Objects are numbers here, the places of the cache: ten thousand that rest cost nothing but their timers.

use std::collections::{BTreeSet, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::memory::lock;

/// When an object is to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Action(Option<Duration>);

impl Action {
    /// Only when it is woken.
    pub fn await_change() -> Self {
        Self(None)
    }

    /// After this time, or when it is woken.
    pub fn requeue(after: Duration) -> Self {
        Self(Some(after))
    }
}

/// The objects of one kind that wait for a pass.
#[derive(Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    /// Objects without a pass under way, by time.
    due: BTreeSet<(Instant, u32)>,
    /// When each is to be planned.
    times: HashMap<u32, Instant>,
    running: BTreeSet<u32>,
}

impl Queue {
    /// Plans an object after this time at the latest.
    pub fn wake(&self, object: u32, after: Duration) {
        if lock(&self.state).schedule(object, Instant::now() + after) {
            self.changed.notify_one();
        }
    }

    /// The next object whose time has come. It must be given back with [`Queue::done`]. For one caller at a time.
    pub async fn next(&self) -> u32 {
        loop {
            let first = {
                let mut state = lock(&self.state);
                match state.due.first().copied() {
                    Some((at, object)) if at <= Instant::now() => {
                        state.due.remove(&(at, object));
                        state.times.remove(&object);
                        state.running.insert(object);
                        return object;
                    }
                    first => first.map(|(at, _)| at),
                }
            };
            let changed = self.changed.notified();
            match first {
                Some(at) => {
                    let _ = tokio::time::timeout_at(at, changed).await;
                }
                None => changed.await,
            }
        }
    }

    /// The object's pass is over.
    pub fn done(&self, object: u32, action: Action) {
        let mut state = lock(&self.state);
        state.running.remove(&object);
        let woken = state.times.remove(&object);
        let again = action.0.map(|after| Instant::now() + after);
        let at = woken.into_iter().chain(again).min();
        if at.is_some_and(|at| state.schedule(object, at)) {
            self.changed.notify_one();
        }
    }
}

impl State {
    /// Answers whether the next object may be another one now, or the same one sooner.
    fn schedule(&mut self, object: u32, at: Instant) -> bool {
        let before = self.times.get(&object).copied();
        if before.is_some_and(|before| before <= at) {
            return false;
        }
        self.times.insert(object, at);
        if self.running.contains(&object) {
            return false;
        }
        if let Some(before) = before {
            self.due.remove(&(before, object));
        }
        self.due.insert((at, object));
        self.due.first() == Some(&(at, object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::ZERO;

    async fn next(queue: &Queue) -> Option<u32> {
        tokio::time::timeout(Duration::from_millis(1), queue.next()).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn many_wakes_are_one_pass_and_the_earliest_counts() {
        let queue = Queue::default();
        queue.wake(1, Duration::from_secs(60));
        queue.wake(1, Duration::from_secs(5));
        queue.wake(1, Duration::from_secs(20));
        let start = Instant::now();
        assert_eq!(queue.next().await, 1);
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        queue.done(1, Action::await_change());
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(next(&queue).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_wakes_during_a_pass_makes_one_more_after_it() {
        let queue = Queue::default();
        queue.wake(1, NOW);
        assert_eq!(queue.next().await, 1);
        queue.wake(1, NOW);
        queue.wake(1, NOW);
        assert_eq!(next(&queue).await, None, "one pass at a time");
        queue.done(1, Action::requeue(Duration::from_secs(60)));
        assert_eq!(next(&queue).await, Some(1));
        queue.done(1, Action::await_change());
        assert_eq!(next(&queue).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_may_ask_for_another_look_and_a_wake_comes_before_it() {
        let queue = Queue::default();
        queue.wake(1, NOW);
        assert_eq!(queue.next().await, 1);
        queue.done(1, Action::requeue(Duration::from_secs(60)));
        queue.wake(1, Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!(queue.next().await, 1);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_something_sooner() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.wake(1, Duration::from_secs(3600));
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.next().await }
        });
        tokio::task::yield_now().await;
        queue.wake(2, NOW);
        assert_eq!(waiting.await.unwrap(), 2);
    }
}
