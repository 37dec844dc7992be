//! Everything that can happen next.

use crate::adapter::{self, LEASE, OUTSTANDING, PUBLISH_DELAY, RETRIES, Step};
use crate::mutant::Mutant;
use crate::operator::{self, Fate};
use crate::provider::{land, refused_for_good};
use crate::rows::{self, RowStep};
use crate::scenario::{Edit, Harm, Scenario};
use crate::world::{Delivery, Ep, FOREIGN, GARBAGE, Object, Proc, Read, Receiver, Row, Secret, World};

/// One event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A process takes the next step of its plan.
    Pass(usize, Step, Fate),
    /// A process works on rows.
    Rows(usize, RowStep, Fate),
    /// A process that rests looks at everything.
    Observe(usize, Fate),
    /// A process learns what the API server has.
    Refresh(usize),
    /// A process ends, and another begins where it led.
    Crash(usize),
    /// Another process leads, while this one goes on for a moment.
    Takeover,
    /// A write that was sent takes effect.
    Late(usize),
    /// A write that was sent never takes effect.
    Never(usize),
    /// Time passes.
    Tick,
    /// The receiver loads the Secret.
    Load,
    /// A delivery that the receiver refuses, because it cannot verify it or is down; it will be repeated.
    Refused(u8),
    /// Somebody does harm.
    Harm(Harm, u8),
    /// A user edits the object.
    Edit(Edit),
}

/// Calls `see` with every event and the state after it.
pub fn each(world: &World, scenario: &Scenario, mutant: Option<Mutant>, see: &mut dyn FnMut(Action, World)) {
    for proc in 0..world.procs.len() {
        of_process(world, proc, scenario, mutant, &mut |action, mut next| {
            if let Some(me) = next.procs.get_mut(proc) {
                me.armed = false;
            }
            see(action, next);
        });
    }
    for number in 0..world.late.len() {
        let mut next = world.clone();
        let late = next.late.remove(number);
        see(Action::Never(number), next.clone());
        land(&mut next, &late.write);
        see(Action::Late(number), next);
    }
    if let Some(mut next) = tick(world) {
        let busy = (0..world.procs.len()).any(|proc| is_busy(world, proc, mutant));
        if !busy || world.left.slow > 0 {
            next.left.slow -= u8::from(busy);
            see(Action::Tick, next);
        }
    }
    if world.receiver.stale.is_some() {
        see(Action::Load, loaded(world));
    }
    if world.left.deliveries > 0 && world.delivery.is_none() {
        for ep in world.eps.iter().filter(|ep| delivers(world, ep)) {
            let mut next = world.clone();
            next.left.deliveries -= 1;
            next.delivery = Some(Delivery { by: ep.id, since: world.now });
            see(Action::Refused(ep.id), next);
        }
    }
    if world.left.takeovers > 0 && world.left.faults > 0 && world.procs.len() == 1 {
        let mut next = world.clone();
        next.left.takeovers -= 1;
        next.left.faults -= 1;
        next.excuses += 1;
        (next.procs[0].deposed, next.procs[0].armed) = (Some(world.now), true);
        next.procs.push(Proc::new(world.now));
        see(Action::Takeover, next);
    }
    if world.left.harm > 0 && world.left.faults > 0 {
        for harm in &scenario.harms {
            do_harm(world, *harm, see);
        }
    }
    if world.left.edits > 0 {
        for edit in &scenario.edits {
            if let Some(after) = edited(world, *edit) {
                let mut next = world.clone();
                next.left.edits -= 1;
                operator::put_object(&mut next, after, None);
                see(Action::Edit(*edit), next);
            }
        }
    }
}

/// Whether a process that leads has something to do. Time passes while it has only a few times, see [`crate::world::Budget`].
fn is_busy(world: &World, proc: usize, mutant: Option<Mutant>) -> bool {
    let me = &world.procs[proc];
    if me.deposed.is_some() {
        return false;
    }
    let old = me.object != Read::Fresh || me.secret != Read::Fresh;
    let decision = operator::decide(world, proc, mutant);
    old || decision.is_some_and(|decision| !operator::does_nothing(world, proc, &decision))
        || rows::next(world, proc).is_some()
}

/// The fates that a call may still have.
fn fates(world: &World, is_kube: bool) -> impl Iterator<Item = (Fate, World)> {
    let any = world.left.faults > 0;
    let lost = if is_kube { world.left.kube } else { world.left.lost };
    let fates = [(Fate::Answered, true), (Fate::Lost, any && lost > 0), (Fate::Crash, any && world.left.crashes > 0)];
    fates.into_iter().filter(|(_, may)| *may).map(move |(fate, _)| {
        let mut next = world.clone();
        match fate {
            Fate::Answered | Fate::Lacking => return (fate, next),
            Fate::Lost if is_kube => next.left.kube -= 1,
            Fate::Lost => next.left.lost -= 1,
            Fate::Crash => next.left.crashes -= 1,
        }
        next.left.faults -= 1;
        (fate, next)
    })
}

fn of_process(
    world: &World,
    proc: usize,
    scenario: &Scenario,
    mutant: Option<Mutant>,
    see: &mut dyn FnMut(Action, World),
) {
    if let Some(next) = refreshed(world, proc) {
        see(Action::Refresh(proc), next);
    }
    let fenced = world.procs[proc].deposed.is_some() && !world.procs[proc].armed;
    let decision = operator::decide(world, proc, mutant);
    let mut rests = true;
    if let Some(decision) = decision.filter(|decision| !operator::does_nothing(world, proc, decision)) {
        rests = false;
        let reads = matches!(decision.step, Step::ListEndpoints | Step::ListRows(_));
        let is_kube = !matches!(
            decision.step,
            Step::Create { .. } | Step::Patch { .. } | Step::Delete(_) | Step::Reactivate(_) | Step::MoveRow { .. }
        );
        let fated = fates(world, is_kube).filter(|(fate, _)| !reads || *fate == Fate::Answered);
        for (fate, mut next) in fated.filter(|_| reads || !fenced) {
            operator::execute(&mut next, proc, &decision, fate);
            see(Action::Pass(proc, decision.step.clone(), fate), next);
        }
        if decision.step == Step::ListEndpoints {
            lacking(world, scenario, |mut next| {
                operator::list(&mut next, proc, Fate::Lacking);
                see(Action::Pass(proc, Step::ListEndpoints, Fate::Lacking), next);
            });
        }
    }
    if let Some(step) = rows::next(world, proc) {
        let reads = matches!(step, RowStep::List(_));
        let fated = fates(world, false).filter(|(fate, _)| !reads || *fate == Fate::Answered);
        for (fate, mut next) in fated.filter(|_| reads || !fenced) {
            rows::execute(&mut next, proc, &step, fate);
            see(Action::Rows(proc, step.clone(), fate), next);
        }
    } else if rests || world.setup.background_lists {
        see(Action::Observe(proc, Fate::Answered), observed(world, proc));
        lacking(world, scenario, |mut next| {
            operator::list(&mut next, proc, Fate::Lacking);
            see(Action::Observe(proc, Fate::Lacking), next);
        });
    }
    if world.procs[proc].deposed.is_some() {
        let mut next = world.clone();
        operator::restart(&mut next, proc);
        see(Action::Crash(proc), next);
    } else if world.left.crashes > 0 && world.left.faults > 0 {
        let mut next = world.clone();
        next.left.crashes -= 1;
        next.left.faults -= 1;
        operator::restart(&mut next, proc);
        see(Action::Crash(proc), next);
    }
}

fn lacking(world: &World, scenario: &Scenario, see: impl FnOnce(World)) {
    // Twice is by rule proof of absence.
    let may = !world.lacked && world.left.harm > 0 && world.left.faults > 0;
    if may && scenario.harms.contains(&Harm::ListLacks) {
        let mut next = world.clone();
        next.lacked = true;
        next.left.harm -= 1;
        next.left.faults -= 1;
        see(next);
    }
}

/// A process that rests lists endpoints and rows once in a while.
pub fn observed(world: &World, proc: usize) -> World {
    let mut next = world.clone();
    operator::list(&mut next, proc, Fate::Answered);
    let status = next.object_of(proc).and_then(|object| object.status.as_ref());
    let (here, leaving) = status.map(adapter::places).unwrap_or_default();
    for id in leaving.into_iter().chain([here]).filter(|id| *id != 0) {
        if next.procs[proc].mirror.get(id).is_some() {
            operator::list_rows(&mut next, proc, id);
        }
    }
    next
}

/// A process learns what the API server has, if it knew something older.
pub fn refreshed(world: &World, proc: usize) -> Option<World> {
    let me = &world.procs[proc];
    if me.object == Read::Fresh && me.secret == Read::Fresh {
        return None;
    }
    let mut next = world.clone();
    next.procs[proc].object = Read::Fresh;
    next.procs[proc].secret = Read::Fresh;
    Some(next)
}

/// Time passes, if nothing is due before.
pub fn tick(world: &World) -> Option<World> {
    let due = world.late.iter().any(|late| world.now.since(late.sent) + 1 >= OUTSTANDING)
        || world.procs.iter().any(|proc| proc.deposed.is_some_and(|since| world.now.since(since) >= LEASE))
        || world.receiver.stale.is_some_and(|since| world.now.since(since) + 1 >= PUBLISH_DELAY);
    if due {
        return None;
    }
    let mut next = world.clone();
    if let Some(delivery) = world.delivery {
        if verifies(&world.receiver, delivery.by) {
            next.delivery = None;
        } else if world.now.since(delivery.since) >= RETRIES {
            refused_for_good(&mut next, "a delivery was refused until its retries ended");
        }
    }
    next.procs.iter_mut().for_each(|proc| proc.armed = false);
    next.now = world.now.plus(1);
    Some(next)
}

/// The receiver has what the Secret holds.
pub fn loaded(world: &World) -> World {
    let mut next = world.clone();
    if let Some(Secret { current, previous, .. }) = world.secret {
        next.receiver = Receiver { current, previous, stale: None };
    }
    next.receiver.stale = None;
    next
}

fn verifies(receiver: &Receiver, key: u8) -> bool {
    receiver.current == key || receiver.previous == key
}

/// Whether the receiver would refuse what an endpoint delivers now.
pub fn is_refused(world: &World, ep: &Ep) -> bool {
    delivers(world, ep) && !verifies(&world.receiver, ep.id)
}

fn delivers(world: &World, ep: &Ep) -> bool {
    ep.active && ep.rows.iter().any(|row| row.pair < world.setup.pairs)
}

fn do_harm(world: &World, harm: Harm, see: &mut dyn FnMut(Action, World)) {
    let mut does = |on: u8, change: &dyn Fn(&mut World)| {
        let mut next = world.clone();
        next.left.harm -= 1;
        next.left.faults -= 1;
        next.harmed = true;
        change(&mut next);
        see(Action::Harm(harm, on), next);
    };
    let mine = world.eps.iter().filter(|ep| ep.mine);
    match harm {
        Harm::DeleteEndpoint => mine.for_each(|ep| {
            does(ep.id, &|next| {
                next.eps.retain(|other| other.id != ep.id);
                next.delivery = next.delivery.filter(|delivery| delivery.by != ep.id);
            });
        }),
        Harm::SwitchOff => mine.filter(|ep| ep.active).for_each(|ep| {
            does(ep.id, &|next| next.eps.iter_mut().filter(|own| own.id == ep.id).for_each(|own| own.active = false));
        }),
        Harm::DeleteRow => mine.for_each(|ep| {
            for row in &ep.rows {
                does(row.id, &|next| {
                    next.eps.iter_mut().for_each(|own| own.rows.retain(|other| other.id != row.id));
                });
            }
        }),
        Harm::AddRow => mine.for_each(|ep| {
            does(ep.id, &|next| {
                let row = Row { id: next.next_row, pair: FOREIGN };
                next.next_row += 1;
                next.eps.iter_mut().filter(|own| own.id == ep.id).for_each(|own| own.rows.push(row));
            });
        }),
        Harm::Stranger => does(world.next_id, &|next| {
            let rows = vec![Row { id: next.next_row, pair: FOREIGN }];
            let url = next.object.as_ref().map_or(1, |object| object.url);
            next.eps.push(Ep { id: next.next_id, url, active: true, made: next.now, mine: false, rows });
            (next.next_id, next.next_row) = (next.next_id + 1, next.next_row + 1);
        }),
        Harm::DeleteSecret if world.secret.is_some() => does(0, &|next| operator::put_secret(next, None, None)),
        Harm::TamperSecret if world.secret.as_ref().is_some_and(|secret| secret.current != GARBAGE) => {
            let garbled = world.secret.clone().map(|secret| Secret { current: GARBAGE, ..secret });
            does(0, &|next| operator::put_secret(next, garbled.clone(), None));
        }
        Harm::DeleteSecret | Harm::TamperSecret | Harm::ListLacks => {}
    }
}

/// The object after an edit; `Some(None)`: it has gone. `None`: the edit is not possible.
pub fn edited(world: &World, edit: Edit) -> Option<Option<Object>> {
    let mut object = world.object.clone().filter(|object| !object.deleting)?;
    match edit {
        Edit::None => return None,
        Edit::Delete if !object.finalizer => return Some(None),
        Edit::Delete => object.deleting = true,
        Edit::Orphan if object.orphan => return None,
        Edit::Orphan => object.orphan = true,
        Edit::Url => object.url += 1,
        Edit::Switch => object.active = !object.active,
        Edit::Suspend => object.suspend = !object.suspend,
        Edit::Rotate | Edit::Leak => {
            object.request += 1;
            object.leaked = edit == Edit::Leak;
        }
    }
    // A deletion changes the generation as well.
    object.generation += 1;
    Some(Some(object))
}
