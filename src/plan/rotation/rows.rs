//! Rows on the former endpoint: each is moved, or made on the new one and then deleted.

use std::time::Duration;

use super::phases::SOON;
use crate::plan::elapsed;
use crate::plan::endpoint::{EndpointInput, EndpointStep, Leaving, LeavingRow, Stuck};
use crate::plan::row_calls::RowCall;
use crate::provider::model::{RemoteEndpoint, RemoteId, RowCreateState};

/// What is to be done about rows on the former endpoint.
pub(super) enum Rows {
    /// This.
    Do(EndpointStep),
    /// The provider refuses everything that could be done about those that are left; for how long that is believed.
    Stuck(Duration),
    /// Nothing is there.
    Empty,
}

pub(super) fn rows_on(input: &EndpointInput<'_>, from: &RemoteId, to: &RemoteEndpoint) -> Rows {
    let Some(Leaving { movable, stuck, look_on_new }) = &input.remote.leaving else {
        return Rows::Do(EndpointStep::ListRows(from.clone()));
    };
    // A 404 = look on the new one, which may be gone.
    if *look_on_new {
        return Rows::Do(EndpointStep::ListRows(to.id.clone()));
    }
    let moves = movable.iter().map(|leaving| RowCall::Move {
        row: leaving.row.clone(),
        to: to.id.clone(),
        practice: leaving.any_practice.clone(),
    });
    let mut calls: Vec<RowCall> = moves.collect();
    let mut waits = Vec::new();
    for (leaving, why) in stuck {
        match detour(input, leaving, *why, to) {
            Detour::Call(call) => calls.push(call),
            Detour::Look => return Rows::Do(EndpointStep::ListRows(to.id.clone())),
            Detour::Wait(wait) => waits.push(wait),
        }
    }
    if !calls.is_empty() {
        return Rows::Do(EndpointStep::Rows(calls));
    }
    waits.into_iter().min().map_or(Rows::Empty, |wait| Rows::Stuck(wait.max(SOON)))
}

/// What is done about a row that the provider refused to move.
enum Detour {
    Call(RowCall),
    /// A list of the new endpoint tells.
    Look,
    /// Nothing for now.
    Wait(Duration),
}

/// rules.md *Rotation*: refused for good = create on the new endpoint, then delete on the former one.
fn detour(input: &EndpointInput<'_>, leaving: &LeavingRow, stuck: Stuck, to: &RemoteEndpoint) -> Detour {
    let LeavingRow { row, practice, any_practice, there, making } = leaving;
    let left = stuck.refusal().left(input.now, input.timing);
    match (stuck, making) {
        _ if left.is_zero() => {
            Detour::Call(RowCall::Move { row: row.clone(), to: to.id.clone(), practice: any_practice.clone() })
        }
        (Stuck::Move(_), _) if *there => Detour::Call(RowCall::Delete { row: row.clone() }),
        (Stuck::Move(_), RowCreateState::InFlight) => Detour::Wait(SOON),
        (Stuck::Move(_), RowCreateState::Uncertain { look_after }) => match elapsed(input.now, *look_after) {
            Duration::ZERO => Detour::Look,
            wait => Detour::Wait(wait),
        },
        // Without its practice's name it cannot be made.
        (Stuck::Move(_), RowCreateState::Free) if row.practice.is_some() && practice.is_none() => Detour::Wait(left),
        (Stuck::Move(_), RowCreateState::Free) => Detour::Call(RowCall::Create {
            endpoint: to.id.clone(),
            key: row.key(),
            practice: practice.clone(),
            active: row.active,
        }),
        (Stuck::Make(_) | Stuck::Delete(_), _) => Detour::Wait(left),
    }
}
