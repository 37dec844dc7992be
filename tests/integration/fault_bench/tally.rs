//! What became of all events that happened in plans with deliveries, for the page.

use std::sync::{Mutex, PoisonError};

use testbed::nexhealth::Account;

static ALL: Mutex<Tally> =
    Mutex::new(Tally { plans: 0, happened: 0, busy: 0, unverified: 0, twice: 0, lost: 0, refused_for_good: 0 });

/// Sums over plans.
#[derive(Clone, Copy, Default)]
pub struct Tally {
    plans: usize,
    happened: usize,
    busy: usize,
    unverified: usize,
    twice: usize,
    lost: usize,
    refused_for_good: usize,
}

/// One plan more.
pub fn add(account: &Account) {
    let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
    all.plans += 1;
    all.happened += account.happened;
    all.busy += account.busy;
    all.unverified += account.unverified;
    all.twice += account.twice;
    all.lost += account.lost.len();
    all.refused_for_good += account.refused_for_good.len();
}

/// The section of the page.
pub fn section() -> String {
    let Tally { plans, happened, busy, unverified, twice, lost, refused_for_good } =
        *ALL.lock().unwrap_or_else(PoisonError::into_inner);
    format!(
        "\n## Deliveries while keys rotate\n\nIn plans of `rotate` and `leak` in which the process only dies, something happens all the time, and a receiver verifies it with a\nSecret that it sees late.\n\n| | |\n|---|---|\n| rotations | {plans} |\n| events that happened | {happened} |\n| deliveries that the receiver was too busy for, and that were repeated | {busy} |\n| deliveries that no key of its fitted when they came | {unverified} |\n| events accepted twice (an answer was lost, and for a moment there were two rows) | {twice} |\n| events lost | {lost} |\n| events refused for good | {refused_for_good} |\n"
    )
}
