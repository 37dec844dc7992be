//! What happens when nothing more goes wrong: one path, on which everybody does what is due, until nothing changes.

use crate::actions::{loaded, observed, refreshed, tick};
use crate::mutant::Mutant;
use crate::operator::{self, Fate};
use crate::provider::land;
use crate::rows;
use crate::world::{Budget, Read, World};

/// The next state on the fair path.
pub fn next(world: &World, mutant: Option<Mutant>) -> World {
    let mut next = step(world, mutant);
    next.left = Budget::default();
    next.normalise();
    next
}

fn step(world: &World, mutant: Option<Mutant>) -> World {
    let mut next = world.clone();
    if let Some(late) = next.late.pop() {
        land(&mut next, &late.write);
        return next;
    }
    if let Some(deposed) = world.procs.iter().position(|proc| proc.deposed.is_some()) {
        operator::restart(&mut next, deposed);
        return next;
    }
    if world.procs[0].object != Read::Fresh || world.procs[0].secret != Read::Fresh {
        return refreshed(world, 0).unwrap_or(next);
    }
    if let Some(decision) =
        operator::decide(world, 0, mutant).filter(|decision| !operator::does_nothing(world, 0, decision))
    {
        operator::execute(&mut next, 0, &decision, Fate::Answered);
        return next;
    }
    if let Some(step) = rows::next(world, 0) {
        rows::execute(&mut next, 0, &step, Fate::Answered);
        return next;
    }
    if world.procs[0].mirror.listed.is_none_or(|(_, at)| at < world.now) {
        return observed(world, 0);
    }
    if world.receiver.stale.is_some() {
        return loaded(world);
    }
    tick(world).unwrap_or(next)
}
