//! Guards removed one at a time: wrappers around the real plan that change what it sees or what it says. Each must be
//! caught by a property, or the properties would not see the guard's absence in the plan either.

use crate::adapter::{self, Decision, Step, View};
use crate::world::{Known, Phase};

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
    /// The switch does not wait until receivers had time to load the new key.
    NoPublishDelay,
    /// Rows are moved before the new key is in the Secret.
    NoPublishing,
    /// The former key is left out of the Secret.
    NoPrevious,
    /// The former endpoint is retired without waiting for its retries.
    NoOverlap,
    /// The former endpoint is deleted without looking what is on it.
    RetireUnseen,
    /// `toRemoteId` is the endpoint that is there.
    ToIsFrom,
    /// What was handled is not remembered.
    RequestForgotten,
    /// A row is deleted on the former endpoint, to be made on the new one.
    DeleteThenMake,
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
        Self::NoPublishDelay,
        Self::NoPublishing,
        Self::NoPrevious,
        Self::NoOverlap,
        Self::RetireUnseen,
        Self::ToIsFrom,
        Self::RequestForgotten,
        Self::DeleteThenMake,
    ];

    /// What is left out, in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::NoIntent => "no intent is written before the POST",
            Self::IdBeforeKey => "the id is written before the key is in the Secret",
            Self::NoLastCreate => "lastCreate is not kept",
            Self::NeverOutstanding => "lastCreate never says that a POST may be outstanding",
            Self::FinalizerAtOnce => "the finalizer goes without waiting for what was sent",
            Self::OneList => "one list that lacks an endpoint is enough",
            Self::NoDoubt => "a lost answer counts as a refusal",
            Self::EveryIntentIsMine => "an intent of a process before this one counts as this one's",
            Self::RowsNotLookedAt => "rows of a candidate are not looked at",
            Self::NoRemoving => "a twin is deleted without being named first",
            Self::NoPublishDelay => "the switch does not wait for publishDelay",
            Self::NoPublishing => "rows are moved before the new key is in the Secret",
            Self::NoPrevious => "the former key is left out of the Secret",
            Self::NoOverlap => "the former endpoint is retired without waiting for its retries",
            Self::RetireUnseen => "the former endpoint is deleted without looking what is on it",
            Self::ToIsFrom => "toRemoteId is fromRemoteId",
            Self::RequestForgotten => "the request that was handled is not remembered",
            Self::DeleteThenMake => "a row is deleted on the former endpoint and made on the new one",
        }
    }

    /// A word in the names of the searches that look for it.
    pub fn scenarios(self) -> &'static str {
        match self {
            Self::FinalizerAtOnce => "deletion at any moment",
            Self::OneList => "rotation: harm",
            Self::RowsNotLookedAt => "harm",
            Self::RetireUnseen => "rotation",
            Self::NoRemoving => "a twin",
            Self::NoPublishDelay
            | Self::NoPublishing
            | Self::NoPrevious
            | Self::NoOverlap
            | Self::ToIsFrom
            | Self::RequestForgotten
            | Self::DeleteThenMake => "rotation: crashes",
            _ => "",
        }
    }

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
            Self::NoPublishDelay => {
                if let Some(rotation) = view.object.status.as_mut().and_then(|status| status.rotation.as_mut()) {
                    rotation.published = rotation.published.map(|at| at.plus(-adapter::PUBLISH_DELAY));
                }
            }
            // The plan believes that the key is there.
            Self::NoPrevious => {
                let rotation = view.object.status.as_ref().and_then(|status| status.rotation.as_ref());
                if let (Some(secret), Some(rotation)) = (&mut view.secret, rotation)
                    && rotation.phase.is_some()
                    && secret.current == rotation.to
                {
                    secret.previous = rotation.from;
                }
            }
            Self::NoOverlap => view.object.leaked = true,
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
            Self::FinalizerAtOnce
                if view.object.deleting
                    && view.mirror.listed.is_some()
                    && matches!(decision.step, Step::Rest | Step::ListEndpoints) =>
            {
                decision.step = Step::RemoveFinalizer;
            }
            Self::NoPublishing => {
                if let Some(rotation) = &mut decision.status.rotation
                    && rotation.phase == Some(Phase::Publishing)
                {
                    (rotation.phase, rotation.published) = (Some(Phase::Switching), Some(view.now));
                }
            }
            Self::NoPrevious => {
                if let Step::Publish(secret) = &mut decision.step {
                    secret.previous = 0;
                }
            }
            Self::RetireUnseen => {
                let rotation = before.rotation.as_ref().filter(|rotation| rotation.phase == Some(Phase::Retiring));
                if let (Some(rotation), Step::ListRows(_) | Step::MoveRow { .. }) = (rotation, &decision.step) {
                    decision.step = Step::Delete(rotation.from);
                }
            }
            Self::ToIsFrom => {
                if let Some(rotation) = decision.status.rotation.as_mut().filter(|rotation| rotation.to != 0) {
                    rotation.to = rotation.from;
                }
            }
            Self::RequestForgotten => {
                if let Some(rotation) = &mut decision.status.rotation {
                    rotation.handled = Some(0);
                }
            }
            Self::DeleteThenMake => {
                if let Step::MoveRow { row, from, .. } = decision.step {
                    decision.step = Step::DeleteRow { row, on: from };
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
