//! rules.md *Suspend and Observe*: what would be done, in words, instead of doing it.

use super::AccountPolicy;
use super::condition::Report;
use crate::api::Reason;

/// Most lines of `status.plan`.
const LINES: usize = 20;

/// Longest line of `status.plan`.
const LINE: usize = 256;

/// Why nothing is written at the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freeze {
    /// `spec.suspend`.
    Suspended,
    /// The account's `managementPolicy: Observe`.
    Observed,
}

/// Whether an object may only look.
pub fn freeze(suspend: bool, policy: AccountPolicy) -> Option<Freeze> {
    if suspend {
        return Some(Freeze::Suspended);
    }
    policy.observe.then_some(Freeze::Observed)
}

impl Freeze {
    /// What an object says that is not as declared: neither Reconciling nor Stalled, because nobody works on it and nothing
    /// is wrong with it.
    pub fn report(self) -> Report {
        match self {
            Self::Suspended => Report::frozen(
                Reason::Suspended,
                "spec.suspend holds back what would have to be done, which status.plan names: set it to false to have it done",
            ),
            Self::Observed => Report::frozen(
                Reason::ObserveOnly,
                "the account's managementPolicy is Observe, which holds back what status.plan names: set it to Manage to have it done",
            ),
        }
    }
}

/// Lines as they may stand in a status, in the order given.
pub fn lines(wanted: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut wanted = wanted.into_iter();
    lines.extend(wanted.by_ref().take(LINES).map(cut));
    let more = wanted.count();
    if more > 0
        && let Some(last) = lines.last_mut()
    {
        *last = format!("and {} more", more + 1);
    }
    lines
}

fn cut(line: String) -> String {
    if line.chars().count() <= LINE {
        return line;
    }
    line.chars().take(LINE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_short_and_says_how_much_it_leaves_out() {
        let plan = lines((0..30).map(|number| format!("{number} {}", "x".repeat(300))));
        assert_eq!(plan.len(), LINES);
        assert!(plan.iter().all(|line| line.chars().count() <= LINE));
        assert_eq!(plan.last().map(String::as_str), Some("and 11 more"));
        assert_eq!(lines((0..20).map(|number| number.to_string())).last().map(String::as_str), Some("19"));
    }
}
