//! Guards removed one at a time: wrappers around the real plan that change what it sees or what it says. Each must be
//! caught by a property, or the properties would not see the guard's absence in the plan either.

use crate::adapter::{self, Decision, Step, View};
use crate::world::Known;

/// A guard that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutant {
    /// No intent is written before the POST.
    NoIntent,
    /// The id is written before the key is in the Secret.
    IdBeforeKey,
    /// `lastCreate` is not kept.
    NoLastCreate,
    /// `lastCreate` never says that a POST may be outstanding.
    NeverOutstanding,
    /// The finalizer goes without waiting for what was sent.
    FinalizerAtOnce,
    /// One list that lacks an endpoint is enough.
    OneList,
    /// A lost answer counts as a refusal.
    NoDoubt,
    /// An intent of a process before this one counts as this one's.
    EveryIntentIsMine,
    /// Rows of a candidate are not looked at.
    RowsNotLookedAt,
    /// A twin is deleted without being named first, and one named stays a candidate.
    NoRemoving,
}

impl Mutant {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::NoIntent,
        Self::IdBeforeKey,
        Self::NoLastCreate,
        Self::NeverOutstanding,
        Self::FinalizerAtOnce,
        Self::OneList,
        Self::NoDoubt,
        Self::EveryIntentIsMine,
        Self::RowsNotLookedAt,
        Self::NoRemoving,
    ];

    /// The plan without the guard.
    pub fn plan(self, view: &View) -> Decision {
        let mut seen = view.clone();
        self.blind(&mut seen);
        let mut decision = adapter::plan(&seen);
        self.forget(view, &mut decision);
        decision
    }

    fn blind(self, view: &mut View) {
        match self {
            Self::OneList => {
                for gone in &mut view.mirror.gone {
                    gone.lists = 2;
                    gone.first = gone.last.plus(-adapter::ABSENCE_GAP);
                }
            }
            Self::NoDoubt => {
                view.mirror.doubts.clear();
                view.mind.lost_post = None;
            }
            Self::EveryIntentIsMine => view.mind.intent_is_mine = true,
            Self::RowsNotLookedAt => {
                let empty = |known: &mut Known| {
                    known.created = true;
                    known.rows.clear();
                };
                view.mirror.known.iter_mut().for_each(empty);
            }
            _ => {}
        }
    }

    fn forget(self, view: &View, decision: &mut Decision) {
        let before = view.object.status.clone().unwrap_or_default();
        match self {
            Self::NoIntent if decision.status.pending.is_some() && decision.step == Step::Acknowledge => {
                decision.status.pending = None;
                decision.step = Step::Create { url: view.object.url, active: view.object.active };
            }
            Self::IdBeforeKey if before.remote == 0 => {
                if let Step::Publish(secret) = &decision.step {
                    decision.status.remote = secret.current;
                    decision.status.generation = view.object.generation;
                    decision.step = Step::Acknowledge;
                }
            }
            Self::NoLastCreate => decision.status.last = None,
            Self::NeverOutstanding => {
                if let Some(last) = &mut decision.status.last {
                    last.outstanding = false;
                }
            }
            Self::FinalizerAtOnce if view.object.deleting => {
                if matches!(decision.step, Step::Rest | Step::ListEndpoints) && view.mirror.listed.is_some() {
                    decision.step = Step::RemoveFinalizer;
                }
            }
            Self::NoRemoving => {
                if let Some(twin) = decision.status.removing.pop() {
                    decision.step = Step::Delete(twin);
                }
            }
            _ => {}
        }
    }
}
