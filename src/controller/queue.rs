//! Which objects are to be planned, and when. An object is planned by one pass at a time; what wakes it meanwhile makes
//! one more pass, and the earliest of several times counts. Objects that are going are not behind thousands that come
//! (rules.md *Gate*: deletes have a lane of their own, which is of no use to a pass that has not begun).
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
    /// Objects without a pass under way, by time: those that are going, then the others.
    due: [BTreeSet<(Instant, u32)>; 2],
    /// When each is to be planned, and among which of the two.
    times: HashMap<u32, (Instant, Urgency)>,
    running: BTreeSet<u32>,
}

/// Which objects come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Those that are going.
    Going,
    /// All others.
    Usual,
}

impl Queue {
    /// Plans an object after this time at the latest.
    pub fn wake(&self, object: u32, urgency: Urgency, after: Duration) {
        if lock(&self.state).schedule(object, urgency, Instant::now() + after) {
            self.changed.notify_one();
        }
    }

    /// The next object whose time has come and that is as urgent as `least`. It must be given back with [`Queue::done`].
    /// For one caller at a time.
    pub async fn next(&self, least: Urgency) -> u32 {
        loop {
            let first = match lock(&self.state).take(least) {
                Ok(object) => return object,
                Err(first) => first,
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
    pub fn done(&self, object: u32, urgency: Urgency, action: Action) {
        let mut state = lock(&self.state);
        state.running.remove(&object);
        let woken = state.times.remove(&object).map(|(at, _)| at);
        let again = action.0.map(|after| Instant::now() + after);
        let at = woken.into_iter().chain(again).min();
        if at.is_some_and(|at| state.schedule(object, urgency, at)) {
            self.changed.notify_one();
        }
    }
}

impl State {
    /// Takes the first object whose time has come; else says when the first one's will have.
    fn take(&mut self, least: Urgency) -> Result<u32, Option<Instant>> {
        let now = Instant::now();
        let mut first: Option<Instant> = None;
        for due in self.due.iter_mut().take(least as usize + 1) {
            match due.first().copied() {
                Some((at, object)) if at <= now => {
                    due.remove(&(at, object));
                    self.times.remove(&object);
                    self.running.insert(object);
                    return Ok(object);
                }
                later => first = first.into_iter().chain(later.map(|(at, _)| at)).min(),
            }
        }
        Err(first)
    }

    /// Answers whether the next object may be another one now, or the same one sooner.
    fn schedule(&mut self, object: u32, urgency: Urgency, at: Instant) -> bool {
        let before = self.times.get(&object).copied();
        if before.is_some_and(|(before, as_urgent)| before <= at && as_urgent <= urgency) {
            return false;
        }
        let at = before.map_or(at, |(before, _)| before.min(at));
        self.times.insert(object, (at, urgency));
        if self.running.contains(&object) {
            return false;
        }
        if let Some((before, as_urgent)) = before {
            self.due[as_urgent as usize].remove(&(before, object));
        }
        let due = &mut self.due[urgency as usize];
        due.insert((at, object));
        due.first() == Some(&(at, object))
    }
}

#[cfg(test)]
mod tests {
    use super::Urgency::{Going, Usual};
    use super::*;

    const NOW: Duration = Duration::ZERO;

    async fn next(queue: &Queue) -> Option<u32> {
        tokio::time::timeout(Duration::from_millis(1), queue.next(Usual)).await.ok()
    }

    #[tokio::test(start_paused = true)]
    async fn many_wakes_are_one_pass_and_the_earliest_counts() {
        let queue = Queue::default();
        queue.wake(1, Usual, Duration::from_secs(60));
        queue.wake(1, Usual, Duration::from_secs(5));
        queue.wake(1, Usual, Duration::from_secs(20));
        let start = Instant::now();
        assert_eq!(queue.next(Usual).await, 1);
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        queue.done(1, Usual, Action::await_change());
        tokio::time::sleep(Duration::from_secs(120)).await;
        assert_eq!(next(&queue).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn what_wakes_during_a_pass_makes_one_more_after_it() {
        let queue = Queue::default();
        queue.wake(1, Usual, NOW);
        assert_eq!(queue.next(Usual).await, 1);
        queue.wake(1, Usual, NOW);
        queue.wake(1, Usual, NOW);
        assert_eq!(next(&queue).await, None, "one pass at a time");
        queue.done(1, Usual, Action::requeue(Duration::from_secs(60)));
        assert_eq!(next(&queue).await, Some(1));
        queue.done(1, Usual, Action::await_change());
        assert_eq!(next(&queue).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pass_may_ask_for_another_look_and_a_wake_comes_before_it() {
        let queue = Queue::default();
        queue.wake(1, Usual, NOW);
        assert_eq!(queue.next(Usual).await, 1);
        queue.done(1, Usual, Action::requeue(Duration::from_secs(60)));
        queue.wake(1, Usual, Duration::from_secs(10));
        let start = Instant::now();
        assert_eq!(queue.next(Usual).await, 1);
        assert_eq!(start.elapsed(), Duration::from_secs(10));
    }

    #[tokio::test]
    async fn whoever_waits_is_told_of_something_sooner() {
        let queue = std::sync::Arc::new(Queue::default());
        queue.wake(1, Usual, Duration::from_secs(3600));
        let waiting = tokio::spawn({
            let queue = queue.clone();
            async move { queue.next(Usual).await }
        });
        tokio::task::yield_now().await;
        queue.wake(2, Usual, NOW);
        assert_eq!(waiting.await.unwrap(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_goes_is_not_behind_thousands_that_come() {
        let queue = Queue::default();
        (0..1000).for_each(|object| queue.wake(object, Usual, NOW));
        tokio::time::sleep(Duration::from_secs(1)).await;
        queue.wake(500, Going, NOW);
        queue.wake(2000, Going, NOW);
        assert_eq!((queue.next(Usual).await, queue.next(Going).await), (500, 2000));
        let none = tokio::time::timeout(Duration::from_secs(1), queue.next(Going)).await;
        assert!(none.is_err(), "places that are kept free for what goes");
        queue.done(500, Going, Action::requeue(NOW));
        assert_eq!(queue.next(Going).await, 500);
        let rest = futures::future::join_all((0..999).map(|_| queue.next(Usual))).await;
        assert_eq!((rest.len(), rest.contains(&500)), (999, false));
    }
}
