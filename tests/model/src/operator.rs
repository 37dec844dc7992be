//! A process of the operator: one step of the endpoint's plan, executed as `controller/endpoint` does, with whatever fate
//! its call may have.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::adapter::{self, Decision, Step, View};
use crate::mutant::Mutant;
use crate::provider::{Answer, land};
use crate::rows::{self, RowStep};
use crate::time::{Timed, normalise};
use crate::world::{Late, Mind, Object, Proc, Read, Receiver, Secret, World, Write};

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// The answer is lost. A write at the provider takes effect at any later moment, or never.
    Lost,
    /// The process ends while it waits; the same holds for the write.
    Crash,
    /// The list lacks the endpoint that the object holds, although it is there.
    Lacking,
}

const SHARDS: usize = 64;

/// What was decided: plans are pure, so the same view has the same decision.
type Decided = HashMap<(View, Option<Mutant>), Decision>;

static DECIDED: LazyLock<Vec<Mutex<Decided>>> = LazyLock::new(|| (0..SHARDS).map(|_| Mutex::default()).collect());

/// Most decisions remembered in a shard.
const REMEMBERED: usize = 15_000;

/// What a process sees, if there is an object.
pub fn view(world: &World, proc: usize) -> Option<View> {
    let me = &world.procs[proc];
    let object = world.object_of(proc)?.clone();
    let mut mind = me.mind.clone();
    if mind.generation != object.generation {
        mind.generation = object.generation;
        mind.reactivated = None;
    }
    let secret = world.secret_of(proc).cloned();
    Some(View { now: world.now, started: me.started, object, secret, mirror: me.mirror.clone(), mind })
}

/// What the plan decides on what a process sees.
pub fn decide(world: &World, proc: usize, mutant: Option<Mutant>) -> Option<Decision> {
    let mut view = view(world, proc)?;
    let normal = normalise(&mut view);
    let key = (view, mutant);
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    let shard = &DECIDED[hasher.finish() as usize % SHARDS];
    let known = shard.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
    let mut decision = known.unwrap_or_else(|| {
        let decision = match mutant {
            None => adapter::plan(&key.0),
            Some(mutant) => mutant.plan(&key.0),
        };
        let mut decided = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if decided.len() > REMEMBERED {
            decided.clear();
        }
        decided.insert(key, decision.clone());
        decision
    });
    decision.times(&mut |time| *time = normal.back(*time));
    Some(decision)
}

/// Whether a decision changes anything: the operator rests on one that does not.
pub fn does_nothing(world: &World, proc: usize, decision: &Decision) -> bool {
    decision.step == Step::Rest
        && world.object_of(proc).is_some_and(|object| object.status.as_ref() == Some(&decision.status))
}

/// Executes a decision.
pub fn execute(world: &mut World, proc: usize, decision: &Decision, fate: Fate) {
    let generation = world.object_of(proc).map(|object| object.generation).unwrap_or_default();
    let me = &mut world.procs[proc];
    if me.mind.generation != generation {
        me.mind.generation = generation;
        me.mind.reactivated = None;
    }
    match &decision.step {
        Step::AddFinalizer => _ = write_object(world, proc, fate, |object| object.finalizer = true),
        Step::Acknowledge => acknowledge(world, proc, decision, fate),
        Step::Rest => _ = write_object(world, proc, fate, |object| object.status = Some(decision.status.clone())),
        Step::RemoveFinalizer => _ = write_object(world, proc, fate, |object| object.finalizer = false),
        Step::ListEndpoints => list(world, proc, fate),
        Step::ListRows(id) => {
            list_rows(world, proc, *id);
            world.procs[proc].mind.looked_before_retiring = true;
        }
        Step::Create { url, active } => create(world, proc, *url, *active, fate),
        Step::Patch { id, url, active } => _ = change(world, proc, *id, *url, *active, fate),
        Step::Reactivate(id) => {
            if change(world, proc, *id, None, Some(true), fate) {
                let now = world.now;
                world.procs[proc].mind.reactivated = Some(now);
            }
        }
        Step::Delete(id) => delete(world, proc, *id, fate),
        Step::MoveRow { row, from, to } => rows::move_row(world, proc, *row, *from, *to, fate),
        Step::DeleteRow { row, on } => rows::execute(world, proc, &RowStep::Delete { row: *row, on: *on }, fate),
        Step::Publish(secret) => write_secret(world, proc, fate, Some(secret.clone())),
        Step::ReleaseSecret => {
            let released = world.secret.clone().map(|secret| Secret { owned: false, ..secret });
            write_secret(world, proc, fate, released);
        }
        Step::Unknown => world.breaks("the plan asked for a step that the model does not know"),
    }
}

/// A process ends and another begins.
pub fn restart(world: &mut World, proc: usize) {
    let deposed = world.procs[proc].deposed;
    if deposed.is_some() {
        world.procs.remove(proc);
    } else {
        world.procs[proc] = Proc::new(world.now);
    }
}

/// Writes the object as a process sees it, changed; only if that is what the API server has. Answers whether the process
/// knows that it was written.
fn write_object(world: &mut World, proc: usize, fate: Fate, change: impl FnOnce(&mut Object)) -> bool {
    if world.procs[proc].object != Read::Fresh {
        world.procs[proc].object = Read::Fresh;
        return false;
    }
    let Some(before) = world.object.clone() else { return false };
    let mut after = before.clone();
    change(&mut after);
    world.orphaned |= after.deleting && !after.finalizer && after.orphan;
    put_object(world, Some(after).filter(|object| object.finalizer || !object.deleting), Some(proc));
    settle_write(world, proc, fate, |me| me.object = Read::Old(before))
}

/// The API server has another object from here on; whoever did not write it has not seen it yet.
pub fn put_object(world: &mut World, after: Option<Object>, writer: Option<usize>) {
    if world.object == after {
        return;
    }
    if let Some(before) = std::mem::replace(&mut world.object, after) {
        for (number, proc) in world.procs.iter_mut().enumerate() {
            if Some(number) != writer && proc.object == Read::Fresh {
                proc.object = Read::Old(before.clone());
            }
        }
    }
}

fn settle_write(world: &mut World, proc: usize, fate: Fate, lost: impl FnOnce(&mut Proc)) -> bool {
    match fate {
        Fate::Answered | Fate::Lacking => return true,
        Fate::Lost => lost(&mut world.procs[proc]),
        Fate::Crash => restart(world, proc),
    }
    false
}

fn acknowledge(world: &mut World, proc: usize, decision: &Decision, fate: Fate) {
    let pending = |object: Option<&Object>| object.and_then(|object| object.status.as_ref()?.pending.clone());
    let phase = |object: Option<&Object>| object.and_then(|object| object.status.as_ref()?.rotation.as_ref()?.phase);
    let (before, phase_before) = (pending(world.object_of(proc)), phase(world.object_of(proc)));
    let after = decision.status.pending.clone();
    let known = write_object(world, proc, fate, |object| object.status = Some(decision.status.clone()));
    if known && phase(world.object_of(proc)) != phase_before {
        world.procs[proc].mind.looked_before_retiring = false;
    }
    if known && after.is_some() && after != before {
        let me = &mut world.procs[proc];
        let Mind { lost_post, generation, .. } = me.mind;
        let intent = Some(me.mirror.tick());
        let deleted = std::mem::take(&mut me.mind.deleted);
        me.mind = Mind { intent_is_mine: true, intent, lost_post, deleted, generation, ..Mind::default() };
    }
}

fn write_secret(world: &mut World, proc: usize, fate: Fate, after: Option<Secret>) {
    if world.procs[proc].secret != Read::Fresh {
        world.procs[proc].secret = Read::Fresh;
        return;
    }
    put_secret(world, after, Some(proc));
    // What was read before a write whose answer was lost is read anew.
    settle_write(world, proc, fate, |me| me.secret = Read::Fresh);
}

/// The API server has another Secret from here on.
pub fn put_secret(world: &mut World, after: Option<Secret>, writer: Option<usize>) {
    if world.secret == after {
        return;
    }
    let before = std::mem::replace(&mut world.secret, after);
    for (number, proc) in world.procs.iter_mut().enumerate() {
        if Some(number) != writer && proc.secret == Read::Fresh {
            proc.secret = Read::Old(before.clone());
        }
    }
    let now = world.now;
    let loaded = world.secret.as_ref().map(|secret| (secret.current, secret.previous));
    let Some((current, previous)) = loaded else { return };
    world.published |= bit(current) | bit(previous);
    if !world.setup.late_receiver {
        world.receiver = Receiver { current, previous, stale: None };
    }
    let same = (current, previous) == (world.receiver.current, world.receiver.previous);
    world.receiver.stale = if same { None } else { world.receiver.stale.or(Some(now)) };
}

/// A key among those that the Secret has held.
pub fn bit(key: u8) -> u32 {
    1u32.checked_shl(key.into()).unwrap_or_default()
}

/// The ids that the object holds or removes, as a process sees it.
fn held(world: &World, proc: usize) -> Vec<u8> {
    let status = world.object_of(proc).and_then(|object| object.status.as_ref());
    let Some(status) = status else { return Vec::new() };
    let running = status.rotation.iter().filter(|rotation| rotation.phase.is_some());
    let rotation = running.flat_map(|rotation| [rotation.from, rotation.to]);
    let ids = [status.remote].into_iter().chain(rotation).chain(status.removing.iter().copied());
    ids.filter(|id| *id != 0).collect()
}

/// A good endpoint list.
pub fn list(world: &mut World, proc: usize, fate: Fate) {
    let held = held(world, proc);
    let lacks = held.first().copied().filter(|_| fate == Fate::Lacking);
    let World { eps, procs, now, .. } = world;
    let me = &mut procs[proc];
    me.mirror.list(eps, &held, *now, lacks);
    me.mind.deleted.retain(|(id, _)| held.contains(id));
}

/// A good list of rows; a 404 orders an endpoint list.
pub fn list_rows(world: &mut World, proc: usize, id: u8) {
    let World { eps, procs, now, .. } = &mut *world;
    match eps.iter().find(|ep| ep.id == id) {
        Some(ep) => procs[proc].mirror.list_rows(ep, *now),
        None => list(world, proc, Fate::Answered),
    }
}

fn create(world: &mut World, proc: usize, url: u8, active: bool, fate: Fate) {
    let write = Write::Create { url, active };
    if let Some(Answer::Made(id)) = send(world, proc, write, fate) {
        let World { eps, procs, .. } = world;
        let me = &mut procs[proc];
        if let Some(ep) = eps.iter().find(|ep| ep.id == id) {
            me.mirror.created(ep);
        }
        me.mind.made = id;
    } else {
        world.excuses += 1;
        if fate == Fate::Lost {
            let now = world.now;
            let me = &mut world.procs[proc];
            me.mind.lost_post = Some(now);
            me.mirror.doubt(url, now);
        }
    }
}

fn change(world: &mut World, proc: usize, id: u8, url: Option<u8>, active: Option<bool>, fate: Fate) -> bool {
    world.procs[proc].mirror.writes(id);
    match send(world, proc, Write::Patch { id, url, active }, fate) {
        Some(Answer::NotFound) => list(world, proc, Fate::Answered),
        Some(_) => {
            let World { eps, procs, .. } = world;
            if let Some(ep) = eps.iter().find(|ep| ep.id == id) {
                procs[proc].mirror.shown(ep);
            }
            return true;
        }
        None => {}
    }
    false
}

fn delete(world: &mut World, proc: usize, id: u8, fate: Fate) {
    world.procs[proc].mirror.writes(id);
    match send(world, proc, Write::Delete(id), fate) {
        Some(Answer::NotFound) => list(world, proc, Fate::Answered),
        Some(_) => {
            let me = &mut world.procs[proc];
            let now = me.mirror.tick();
            me.mirror.deleted(id);
            me.mind.deleted.retain(|(deleted, _)| *deleted != id);
            me.mind.deleted.push((id, now));
        }
        None => {}
    }
}

/// Sends a write to the provider; `None` where no answer comes.
pub fn send(world: &mut World, proc: usize, write: Write, fate: Fate) -> Option<Answer> {
    match fate {
        Fate::Answered | Fate::Lacking => return Some(land(world, &write)),
        Fate::Lost => {}
        Fate::Crash => restart(world, proc),
    }
    world.late.push(Late { write, sent: world.now });
    None
}
