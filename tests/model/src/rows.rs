//! The subscriptions on an endpoint: the model's own small operator, by the rules *Create* (rows), *Mirror* and *Pairs*. The
//! endpoint's plan does not make rows, but what it promises is about them.

use crate::operator::{Fate, list, list_rows, send};
use crate::provider::Answer;
use crate::world::{DECLARED, Id, World, Write};

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
    let status = object.status.as_ref().filter(|status| status.remote != 0 && status.generation != 0)?;
    let mirror = &world.procs[proc].mirror;
    let known = mirror.get(status.remote)?;
    if !known.fresh {
        return Some(RowStep::List(known.id));
    }
    for pair in 0..DECLARED {
        let mut rows = known.rows.iter().filter(|row| row.pair == pair);
        let kept = rows.next();
        if kept.is_some() {
            // A twin goes only where a list, not merely an answer, has shown the one that stays.
            match rows.next_back() {
                Some(_) if known.listed.is_none_or(|listed| listed < known.written) => {
                    return Some(RowStep::List(known.id));
                }
                Some(twin) => return Some(RowStep::Delete { row: twin.id, on: known.id }),
                None => continue,
            }
        }
        match mirror.row_doubts.iter().find(|doubt| doubt.what == pair) {
            None => return Some(RowStep::Create { on: known.id, pair }),
            Some(doubt) if doubt.look <= world.now => return Some(RowStep::List(known.id)),
            Some(_) => {}
        }
    }
    None
}

/// Executes a step.
pub fn execute(world: &mut World, proc: usize, step: &RowStep, fate: Fate) {
    let now = world.now;
    match *step {
        RowStep::List(id) => list_rows(world, proc, id),
        RowStep::Create { on, pair } => match send(world, proc, Write::CreateRow { on, pair }, fate) {
            Some(Answer::MadeRow(row)) => {
                let mirror = &mut world.procs[proc].mirror;
                mirror.wrote_rows(on, true);
                mirror.row_made(on, row);
            }
            Some(_) => list(world, proc, Fate::Answered),
            None if fate == Fate::Lost => world.procs[proc].mirror.doubt_row(pair, now),
            None => {}
        },
        RowStep::Delete { row, on } => match send(world, proc, Write::DeleteRow { row, on }, fate) {
            Some(Answer::Done) => {
                let mirror = &mut world.procs[proc].mirror;
                mirror.wrote_rows(on, true);
                mirror.row_gone(on, row);
            }
            Some(_) => world.procs[proc].mirror.wrote_rows(on, false),
            None if fate == Fate::Lost => world.procs[proc].mirror.wrote_rows(on, false),
            None => {}
        },
    }
}
