//! The subscriptions on an endpoint: the model's own small operator, by the rules *Create* (rows), *Mirror*, *Pairs* and
//! *Rotation*. The endpoint's plan does not make declared rows, but what it promises is about them.

use crate::adapter::{ABSENCE_GAP, places};
use crate::operator::{Fate, list, list_rows, send};
use crate::provider::Answer;
use crate::world::{Id, Known, World, Write};

/// What is to be done about rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowStep {
    List(Id),
    Create { on: Id, pair: u8 },
    Delete { row: u8, on: Id },
}

/// The next step of a process, if there is one.
pub fn next(world: &World, proc: usize) -> Option<RowStep> {
    let object = world.object_of(proc).filter(|object| !object.deleting && !object.suspend)?;
    let status = object.status.as_ref().filter(|status| status.remote != 0)?;
    let (here, leaving) = places(status);
    let mirror = &world.procs[proc].mirror;
    let gone = |id: Id| {
        mirror.gone.iter().any(|gone| gone.id == id && gone.lists > 1 && gone.last.since(gone.first) >= ABSENCE_GAP)
    };
    let leaving = leaving.filter(|id| !gone(*id));
    let to = mirror.get(here)?;
    let from = match leaving {
        Some(id) => Some(mirror.get(id)?),
        None => None,
    };
    for known in from.iter().copied().chain([to]) {
        if !known.fresh && known.doubt.is_none_or(|look| look <= world.now) {
            return Some(RowStep::List(known.id));
        }
    }
    let settled = |known: &Known| known.fresh && known.doubt.is_none();
    if !settled(to) || from.is_some_and(|from| !settled(from)) {
        return None;
    }
    for pair in 0..world.setup.pairs {
        let on = |known: &Known| known.rows.iter().any(|row| row.pair == pair);
        if on(to) {
            let mut rows = to.rows.iter().filter(|row| row.pair == pair);
            // A twin goes only where a list, not merely an answer, has shown the one that stays.
            match (rows.next(), rows.next_back()) {
                (Some(_), Some(_)) if to.listed.is_none_or(|listed| listed < to.written) => {
                    return Some(RowStep::List(to.id));
                }
                (Some(_), Some(twin)) => return Some(RowStep::Delete { row: twin.id, on: to.id }),
                _ => continue,
            }
        }
        match from {
            None => return Some(RowStep::Create { on: to.id, pair }),
            // The endpoint's plan moves it.
            Some(from) if on(from) => {}
            // The list of the destination starts after that of the source has ended.
            Some(from) => {
                let source = from.listed.unwrap_or_default();
                if source < from.written {
                    return Some(RowStep::List(from.id));
                }
                if to.listed.is_none_or(|listed| listed < source || listed < to.written) {
                    return Some(RowStep::List(to.id));
                }
                return Some(RowStep::Create { on: to.id, pair });
            }
        }
    }
    None
}

/// Executes a step.
pub fn execute(world: &mut World, proc: usize, step: &RowStep, fate: Fate) {
    match *step {
        RowStep::List(id) => list_rows(world, proc, id),
        RowStep::Create { on, pair } => match send(world, proc, Write::CreateRow { on, pair }, fate) {
            Some(Answer::MadeRow(row)) => {
                let mirror = &mut world.procs[proc].mirror;
                mirror.wrote_rows(on);
                mirror.row_made(on, row);
            }
            Some(_) => list(world, proc, Fate::Answered),
            None => lost(world, proc, &[on], fate),
        },
        RowStep::Delete { row, on } => match send(world, proc, Write::DeleteRow { row, on }, fate) {
            Some(Answer::NotFound) => world.procs[proc].mirror.rows_in_doubt(on, None),
            Some(_) => {
                let mirror = &mut world.procs[proc].mirror;
                mirror.wrote_rows(on);
                mirror.row_gone(on, row);
            }
            None => lost(world, proc, &[on], fate),
        },
    }
}

/// Moves a row, as the endpoint's plan asks for in a rotation.
pub fn move_row(world: &mut World, proc: usize, row: u8, from: Id, to: Id, fate: Fate) {
    let is_on = |id| world.procs[proc].mirror.get(id).is_some_and(|known| known.active);
    if is_on(from) && !is_on(to) {
        world.breaks("a subscription is moved to an endpoint that is known to be off");
    }
    match send(world, proc, Write::MoveRow { row, from, to }, fate) {
        Some(Answer::MadeRow(moved)) => {
            let mirror = &mut world.procs[proc].mirror;
            mirror.wrote_rows(from);
            mirror.wrote_rows(to);
            mirror.row_gone(from, row);
            mirror.row_made(to, moved);
        }
        Some(_) => {
            [from, to].into_iter().for_each(|id| world.procs[proc].mirror.rows_in_doubt(id, None));
            list(world, proc, Fate::Answered);
        }
        None => lost(world, proc, &[from, to], fate),
    }
}

fn lost(world: &mut World, proc: usize, ids: &[Id], fate: Fate) {
    if fate == Fate::Lost {
        let now = world.now;
        ids.iter().for_each(|id| world.procs[proc].mirror.rows_in_doubt(*id, Some(now)));
    }
}
