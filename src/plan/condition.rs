//! Conditions by the rules of the API contract: `Reconciling` and `Stalled` only while true and never both,
//! `Ready=Unknown` implies `Reconciling`, `lastTransitionTime` moves only when `status` flips, stable messages.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::wire_time;
pub use crate::api::condition::Is;
use crate::api::{ConditionType, Reason};

/// Longest message that is written.
const MESSAGE_LIMIT: usize = 1024;

/// Whether somebody works on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Nothing to do.
    AtRest,
    /// We work or wait for something that we watch.
    Reconciling,
    /// Only a person or a change is expected to help.
    Stalled,
}

/// One condition besides the summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Its type.
    pub kind: ConditionType,
    /// Its value.
    pub is: Is,
    /// Its reason.
    pub reason: Reason,
    /// What a person should know and do.
    pub message: String,
}

impl Verdict {
    /// One condition.
    pub fn new(kind: ConditionType, is: Is, reason: Reason, message: impl Into<String>) -> Self {
        Self { kind, is, reason, message: message.into() }
    }
}

/// What is to be said of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// `Ready`.
    pub ready: Is,
    /// Its reason, also that of `Reconciling` or `Stalled`.
    pub reason: Reason,
    /// Its message.
    pub message: String,
    /// Which of `Reconciling` and `Stalled` is present.
    pub progress: Progress,
    /// Other conditions.
    pub others: Vec<Verdict>,
}

impl Report {
    /// As declared.
    pub fn ready(reason: Reason, message: impl Into<String>) -> Self {
        Self { ready: Is::True, reason, message: message.into(), progress: Progress::AtRest, others: Vec::new() }
    }

    /// Not known yet; work goes on.
    pub fn unknown(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            ready: Is::Unknown,
            reason,
            message: message.into(),
            progress: Progress::Reconciling,
            others: Vec::new(),
        }
    }

    /// Not as declared, and we work on it or wait for something that we watch.
    pub fn waiting(reason: Reason, message: impl Into<String>) -> Self {
        Self { ready: Is::False, reason, message: message.into(), progress: Progress::Reconciling, others: Vec::new() }
    }

    /// Not as declared, and only a person or a change is expected to help.
    pub fn stalled(reason: Reason, message: impl Into<String>) -> Self {
        Self { ready: Is::False, reason, message: message.into(), progress: Progress::Stalled, others: Vec::new() }
    }

    /// Not as declared, because nothing may be done about it: nobody works on it, and nothing is wrong.
    pub fn frozen(reason: Reason, message: impl Into<String>) -> Self {
        Self { ready: Is::False, reason, message: message.into(), progress: Progress::AtRest, others: Vec::new() }
    }

    /// Adds another condition.
    #[must_use]
    pub fn with(mut self, verdict: Verdict) -> Self {
        self.others.push(verdict);
        self
    }

    /// The conditions to store, given those that stand there.
    pub fn conditions(&self, before: &[Condition], generation: i64, now: Timestamp) -> Vec<Condition> {
        let mut verdicts = vec![Verdict::new(ConditionType::Ready, self.ready, self.reason, self.message.clone())];
        let progress = match self.progress {
            Progress::AtRest => None,
            Progress::Reconciling => Some(ConditionType::Reconciling),
            Progress::Stalled => Some(ConditionType::Stalled),
        };
        verdicts.extend(progress.map(|kind| Verdict::new(kind, Is::True, self.reason, self.message.clone())));
        verdicts.extend(self.others.iter().cloned());
        verdicts.sort_by_key(|verdict| verdict.kind);
        verdicts.into_iter().map(|verdict| store(verdict, before, generation, now)).collect()
    }
}

fn store(verdict: Verdict, before: &[Condition], generation: i64, now: Timestamp) -> Condition {
    let status = verdict.is.as_str();
    let same = before.iter().find(|condition| condition.type_ == verdict.kind.as_str() && condition.status == status);
    Condition {
        last_transition_time: same.map_or_else(|| wire_time(now), |condition| condition.last_transition_time.clone()),
        message: bounded(verdict.message),
        observed_generation: Some(generation),
        reason: verdict.reason.as_str().to_owned(),
        status: status.to_owned(),
        type_: verdict.kind.as_str().to_owned(),
    }
}

/// Cuts a message at the schema's bound, at a character.
pub fn bounded(mut message: String) -> String {
    if message.chars().count() > MESSAGE_LIMIT {
        message = message.chars().take(MESSAGE_LIMIT - 1).collect();
        message.push('…');
    }
    message
}

/// The stored condition of a type.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// A stored condition, to be said again.
pub fn kept(conditions: &[Condition], kind: ConditionType) -> Option<Verdict> {
    let condition = find(conditions, kind)?;
    let is = match condition.status.as_str() {
        "True" => Is::True,
        "False" => Is::False,
        _ => Is::Unknown,
    };
    let reason = Reason::named(&condition.reason)?;
    Some(Verdict::new(kind, is, reason, condition.message.clone()))
}

/// Whether a condition is stored as true.
pub fn is_true(conditions: &[Condition], kind: ConditionType) -> bool {
    find(conditions, kind).is_some_and(|condition| condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_transition_time_moves_only_when_the_status_flips() {
        let first = Report::unknown(Reason::Progressing, "a").conditions(&[], 1, at(10));
        let second = Report::unknown(Reason::AccountNotReady, "b").conditions(&first, 2, at(20));
        assert_eq!(find(&second, ConditionType::Ready).unwrap().last_transition_time, wire_time(at(10)));
        let third = Report::ready(Reason::InSync, "c").conditions(&second, 2, at(30));
        assert_eq!(find(&third, ConditionType::Ready).unwrap().last_transition_time, wire_time(at(30)));
        assert!(find(&third, ConditionType::Reconciling).is_none());
    }

    #[test]
    fn the_same_report_gives_the_same_conditions() {
        let report = Report::stalled(Reason::Rejected, "x").with(Verdict::new(
            ConditionType::KnownEvents,
            Is::True,
            Reason::AllKnown,
            "",
        ));
        let first = report.conditions(&[], 3, at(1));
        assert_eq!(report.conditions(&first, 3, at(99)), first);
    }
}
