//! The provider: what a write does when it takes effect, and the properties that a single write could break.

use crate::operator::bit;
use crate::world::{Ep, Id, Row, World, Write};

/// What the provider answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Made(Id),
    MadeRow(Row),
    Done,
    NotFound,
}

/// A write takes effect.
pub fn land(world: &mut World, write: &Write) -> Answer {
    let covered = coverage(world);
    let answer = apply(world, write);
    let declared = world.object.as_ref().is_some_and(|object| !object.deleting && object.active);
    // Switching off was asked for, if by an older spec.
    let asked = matches!(write, Write::Patch { active: Some(false), .. });
    // Whether it knows that the destination is off is asked where it plans to move.
    let off = matches!(write, Write::MoveRow { to, .. } if world.ep(*to).is_some_and(|to| !to.active));
    // A twin is deleted because of the row that stays, which somebody may have deleted a moment ago.
    let twin = matches!(write, Write::DeleteRow { .. });
    if declared
        && !asked
        && !((off || twin) && world.harmed)
        && coverage(world).iter().zip(covered).any(|(after, before)| before && !after)
    {
        world.breaks("a write of ours took the last subscription of a declared pair");
    }
    answer
}

fn coverage(world: &World) -> [bool; 4] {
    std::array::from_fn(|pair| pair < usize::from(world.setup.pairs) && world.is_covered(pair as u8))
}

fn apply(world: &mut World, write: &Write) -> Answer {
    match write {
        Write::Create { url, active } => {
            let id = world.next_id;
            world.next_id += 1;
            world.eps.push(Ep { id, url: *url, active: *active, made: world.now, mine: true, rows: Vec::new() });
            Answer::Made(id)
        }
        Write::Patch { id, url, active } => {
            let Some(ep) = world.eps.iter_mut().find(|ep| ep.id == *id) else { return Answer::NotFound };
            ep.url = url.unwrap_or(ep.url);
            ep.active = active.unwrap_or(ep.active);
            if !ep.mine {
                world.breaks("somebody else's endpoint was changed");
            }
            Answer::Done
        }
        Write::Delete(id) => {
            let Some(place) = world.eps.iter().position(|ep| ep.id == *id) else { return Answer::NotFound };
            let gone = world.eps.remove(place);
            if !gone.mine {
                world.breaks("somebody else's endpoint was deleted");
            }
            if world.delivery.is_some_and(|delivery| delivery.by == *id) {
                refused_for_good(world, "an endpoint was deleted before it had repeated what was refused");
            }
            Answer::Done
        }
        Write::CreateRow { on, pair } => {
            let row = Row { id: world.next_row, pair: *pair };
            let Some(ep) = world.eps.iter_mut().find(|ep| ep.id == *on) else { return Answer::NotFound };
            ep.rows.push(row);
            world.next_row += 1;
            if world.published & bit(*on) == 0 {
                world.breaks("a subscription was made on an endpoint whose key was never in the Secret");
            }
            Answer::MadeRow(row)
        }
        Write::MoveRow { row, from, to } => {
            if world.ep(*to).is_none() {
                return Answer::NotFound;
            }
            let Some(moved) = take(world, *row, *from) else { return Answer::NotFound };
            if let Some(ep) = world.eps.iter_mut().find(|ep| ep.id == *to) {
                ep.rows.push(moved);
                ep.rows.sort_unstable();
            }
            Answer::MadeRow(moved)
        }
        Write::DeleteRow { row, on } => match take(world, *row, *on) {
            None => Answer::NotFound,
            Some(row) => {
                if row.pair >= world.setup.pairs {
                    world.breaks("somebody else's subscription was deleted");
                }
                Answer::Done
            }
        },
    }
}

fn take(world: &mut World, row: u8, from: Id) -> Option<Row> {
    let ep = world.eps.iter_mut().find(|ep| ep.id == from)?;
    let place = ep.rows.iter().position(|known| known.id == row)?;
    Some(ep.rows.remove(place))
}

/// The delivery that is followed will never arrive. With `overlap: 0s`, after harm and for an object that goes, that may be.
pub fn refused_for_good(world: &mut World, why: &'static str) {
    let excused = world.harmed || world.object.as_ref().is_none_or(|object| object.deleting || object.leaked);
    if !excused {
        world.breaks(why);
    }
    world.delivery = None;
}
