//! Time as the model has it: ticks, of which only order and short distances matter.
//!
//! A state is stored with its times *normalised*: they are moved to the origin, and no two neighbouring ones are further
//! apart than [`FAR`], which is more than any duration that a rule compares with. What rules can tell apart stays apart,
//! everything else becomes one state, and so the states are finite although time goes on for ever.

/// More than every duration of [`crate::adapter`], in ticks.
pub const FAR: i16 = 4;

/// A moment, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub i16);

impl Time {
    /// Later by some ticks.
    pub fn plus(self, ticks: i16) -> Self {
        Self(self.0 + ticks)
    }

    /// Ticks since another moment.
    pub fn since(self, other: Self) -> i16 {
        self.0 - other.0
    }
}

/// Something that has times in it.
pub trait Timed {
    /// Shows every time of it, in any order.
    fn times(&mut self, see: &mut dyn FnMut(&mut Time));
}

impl<T: Timed> Timed for Option<T> {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        self.iter_mut().for_each(|inner| inner.times(see));
    }
}

impl<T: Timed> Timed for Vec<T> {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        self.iter_mut().for_each(|inner| inner.times(see));
    }
}

impl<T: Timed> Timed for Box<T> {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        (**self).times(see);
    }
}

impl Timed for Time {
    fn times(&mut self, see: &mut dyn FnMut(&mut Time)) {
        see(self);
    }
}

/// The way from normalised times back.
pub struct Normal(Vec<(Time, Time)>);

impl Normal {
    /// The time before it was normalised; one that was not there counts from the last that was before it.
    pub fn back(&self, time: Time) -> Time {
        let known = self.0.iter().rev().find(|(_, normal)| *normal <= time);
        known.or(self.0.first()).map_or(time, |(original, normal)| original.plus(time.since(*normal)))
    }
}

/// Normalises the times of a thing.
pub fn normalise(thing: &mut dyn Timed) -> Normal {
    let mut all = Vec::with_capacity(16);
    thing.times(&mut |time| all.push(*time));
    all.sort_unstable();
    all.dedup();
    let mut map: Vec<(Time, Time)> = Vec::with_capacity(all.len());
    for time in all {
        let normal = map.last().map_or(Time(0), |(before, normal)| normal.plus(time.since(*before).min(FAR)));
        map.push((time, normal));
    }
    thing.times(&mut |time| {
        if let Ok(place) = map.binary_search_by_key(time, |(original, _)| *original) {
            *time = map[place].1;
        }
    });
    Normal(map)
}

/// Says which fields of a type have times in them.
macro_rules! timed {
    ($type:ty: $($field:ident),+) => {
        impl $crate::time::Timed for $type {
            fn times(&mut self, see: &mut dyn FnMut(&mut $crate::time::Time)) {
                $(self.$field.times(see);)+
            }
        }
    };
}
pub(crate) use timed;
