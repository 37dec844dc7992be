//! Counts the calls of one operator on both sides, and lets happen to them what the plan says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use jiff::Timestamp;
use testbed::kube_proxy::{KubeCall, KubeFault, KubeProxy};
use testbed::nexhealth::When::{After, Before};
use testbed::nexhealth::{Call, Fault, HookAction, Mark, Simulator};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::plan::{Plan, Shot, Side, Target, written};
use super::troubles::{Effect, Moment};
use crate::support::describe;

/// A write to the cluster, and how the provider stood around it.
#[derive(Clone, Debug)]
pub struct KubeWrite {
    /// What it was.
    pub what: String,
    /// What was sent.
    pub body: String,
    /// The provider's endpoints and rows when it arrived.
    pub remotes: (Vec<i64>, Vec<i64>),
    /// Now, at the provider, when the API server had carried it out; `None` if it did not.
    pub done: Option<Mark>,
    /// The time then.
    pub at: Option<Timestamp>,
}

/// A shot and what became of it.
struct Aimed {
    shot: Shot,
    times: usize,
    hits: usize,
}

#[derive(Default)]
struct State {
    armed: bool,
    /// Nothing is sent by the operator any more: it is about to be killed.
    frozen: bool,
    counts: HashMap<(Side, String), usize>,
    learned: Vec<Target>,
    shots: Vec<Aimed>,
    /// Calls whose effect or answer kills the process.
    fatal: HashMap<(Side, u64), Moment>,
    crash: Option<Moment>,
    kube: Vec<(u64, KubeWrite)>,
}

/// See the module.
pub struct Injector {
    state: Mutex<State>,
    seed: u64,
    api_key: String,
    provider: Weak<Simulator>,
    /// Told when the process has to die.
    pub dying: Notify,
    /// Lets calls of dead processes land.
    pub land: Mutex<CancellationToken>,
}

/// What a shot does to the call at hand.
enum Verdict {
    Frozen,
    Effect(Effect),
}

impl Injector {
    /// Before this provider and this proxy; not armed yet.
    pub fn install(plan: &Plan, provider: &Arc<Simulator>, proxy: &KubeProxy) -> Arc<Self> {
        let aimed = |shot: &Shot| {
            let times = shot.trouble.times;
            let more = if times > 1 { usize::try_from(plan.seed % 3).unwrap_or_default() } else { 0 };
            Aimed { shot: shot.clone(), times: times + more, hits: 0 }
        };
        let this = Arc::new(Self {
            state: Mutex::new(State { shots: plan.shots.iter().map(aimed).collect(), ..State::default() }),
            seed: plan.seed,
            api_key: provider.keys().remove(0),
            provider: Arc::downgrade(provider),
            dying: Notify::new(),
            land: Mutex::default(),
        });
        let injector = this.clone();
        provider.on_request(move |call| injector.provider_asked(call));
        let injector = this.clone();
        provider.on_effect(move |call| injector.provider_done(call));
        let injector = this.clone();
        proxy.on_request(move |call| injector.kube_asked(call));
        let injector = this.clone();
        proxy.on_answer(move |call| injector.kube_done(call));
        this
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on calls are counted, and shots are fired.
    pub fn arm(&self) {
        self.state().armed = true;
    }

    /// Nothing goes wrong any more.
    pub fn disarm(&self) {
        self.state().armed = false;
    }

    /// Every call since it was armed, in the order in which they first came.
    pub fn learned(&self) -> Vec<Target> {
        self.state().learned.clone()
    }

    /// The writes to the cluster so far.
    pub fn kube_writes(&self) -> Vec<KubeWrite> {
        self.state().kube.iter().map(|(_, write)| write.clone()).collect()
    }

    /// How many writes to the cluster there were so far.
    pub fn kube_count(&self) -> usize {
        self.state().kube.len()
    }

    /// How many calls were hit.
    pub fn hits(&self) -> usize {
        self.state().shots.iter().map(|aimed| aimed.hits).sum()
    }

    /// How many hits left the operator without knowledge of what it had done at the provider.
    pub fn losses(&self) -> usize {
        let lost = |aimed: &&Aimed| aimed.shot.trouble.loses;
        self.state().shots.iter().filter(lost).map(|aimed| aimed.hits).sum()
    }

    /// How many changes of rows were hit: one that the provider refuses to move is made on the new endpoint before it goes from
    /// the former one (rules.md *Rotation*).
    pub fn detours(&self) -> usize {
        let moved = |aimed: &&Aimed| aimed.shot.target.what == "PATCH.row";
        self.state().shots.iter().filter(moved).map(|aimed| aimed.hits).sum()
    }

    /// The moment at which the process has to die, asked once.
    pub fn crash(&self) -> Option<Moment> {
        self.state().crash.take()
    }

    /// Whether the process has to die and still lives.
    pub fn is_dying(&self) -> bool {
        self.state().crash.is_some()
    }

    /// The next process may send.
    pub fn thaw(&self) {
        self.state().frozen = false;
    }

    fn held(&self) -> CancellationToken {
        self.land.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Lets what dead processes have sent arrive.
    pub fn let_land(&self) {
        let mut land = self.land.lock().unwrap_or_else(PoisonError::into_inner);
        land.cancel();
        *land = CancellationToken::new();
    }

    fn die(&self, state: &mut State, moment: Moment) {
        (state.frozen, state.crash) = (true, Some(moment));
        self.dying.notify_one();
    }

    /// Counts a call and looks whether it is aimed at.
    fn judge(&self, state: &mut State, side: Side, number: u64, what: String) -> Option<Verdict> {
        if state.frozen {
            return Some(Verdict::Frozen);
        }
        if !state.armed {
            return None;
        }
        let count = state.counts.entry((side, what.clone())).or_default();
        *count += 1;
        let target = Target { side, what, nth: *count };
        state.learned.push(target.clone());
        let due = |aimed: &&mut Aimed| {
            let at = &aimed.shot.target;
            at.side == side && at.what == target.what && (at.nth..at.nth + aimed.times).contains(&target.nth)
        };
        let aimed = state.shots.iter_mut().find(due)?;
        aimed.hits += 1;
        let effect = aimed.shot.trouble.effect;
        if let Effect::Crash(moment) = effect {
            match moment {
                Moment::Sent | Moment::Answered => drop(state.fatal.insert((side, number), moment)),
                _ => self.die(state, moment),
            }
        }
        Some(Verdict::Effect(effect))
    }

    fn provider_asked(&self, call: &Call) -> HookAction {
        match self.judge(&mut self.state(), Side::Provider, call.seq, written(&describe(call))) {
            None => HookAction::Proceed,
            Some(Verdict::Frozen | Verdict::Effect(Effect::Crash(Moment::Before))) => {
                HookAction::Inject(Fault::Hang(Before))
            }
            Some(Verdict::Effect(Effect::Provider(fault))) => HookAction::Inject(fault(&self.api_key)),
            Some(Verdict::Effect(Effect::Crash(Moment::Late | Moment::VeryLate))) => {
                let land = self.held();
                HookAction::wait(async move { land.cancelled().await })
            }
            Some(Verdict::Effect(_)) => HookAction::Proceed,
        }
    }

    fn provider_done(&self, call: &Call) -> HookAction {
        match self.done(Side::Provider, call.seq) {
            Some(Moment::Sent) => HookAction::Inject(Fault::Hang(After)),
            _ => HookAction::Proceed,
        }
    }

    fn done(&self, side: Side, number: u64) -> Option<Moment> {
        let mut state = self.state();
        let moment = state.fatal.remove(&(side, number))?;
        self.die(&mut state, moment);
        Some(moment)
    }

    fn kube_asked(&self, call: &KubeCall) -> Option<KubeFault> {
        let provider = self.provider.upgrade();
        let remotes = provider.filter(|_| call.is_write()).map(|provider| {
            let endpoints = provider.endpoints().into_iter().map(|endpoint| endpoint.id).collect();
            (endpoints, provider.rows().into_iter().map(|row| row.id).collect())
        });
        let mut state = self.state();
        if let (Some(remotes), false) = (remotes, state.frozen) {
            let write = KubeWrite {
                what: call.describe(),
                body: String::from_utf8_lossy(&call.body).into_owned(),
                remotes,
                done: None,
                at: None,
            };
            state.kube.push((call.number, write));
        }
        match self.judge(&mut state, Side::Kube, call.number, written(&call.describe()))? {
            Verdict::Frozen | Verdict::Effect(Effect::Crash(Moment::Before)) => Some(KubeFault::Hang(Before)),
            Verdict::Effect(Effect::Kube(fault)) => Some(fault(self.seed)),
            Verdict::Effect(Effect::Crash(Moment::Late | Moment::VeryLate)) => Some(KubeFault::Hold(self.held())),
            Verdict::Effect(_) => None,
        }
    }

    fn kube_done(&self, call: &KubeCall) -> Option<KubeFault> {
        if call.status.is_some_and(|status| status < 300)
            && let Some(provider) = self.provider.upgrade()
        {
            let mark = provider.mark();
            let mut state = self.state();
            if let Some((_, write)) = state.kube.iter_mut().rev().find(|(number, _)| *number == call.number) {
                (write.done, write.at) = (Some(mark), Some(Timestamp::now()));
            }
        }
        (self.done(Side::Kube, call.number) == Some(Moment::Sent)).then_some(KubeFault::Hang(After))
    }
}
