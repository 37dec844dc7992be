//! What a process knows of the provider: `provider::mirror`, whose every interleaving of slow lists and writes has its own
//! property test, reduced to lists that take no time.

use crate::adapter::LOOK_AFTER;
use crate::time::Time;
use crate::world::{Doubt, Ep, Gone, Id, Known, Mirror, Row, Seq};

impl Mirror {
    /// The next moment.
    pub fn tick(&mut self) -> Seq {
        self.clock += 1;
        self.clock
    }

    /// An endpoint that is known.
    pub fn get(&self, id: Id) -> Option<&Known> {
        self.known.iter().find(|known| known.id == id)
    }

    fn get_mut(&mut self, id: Id) -> Option<&mut Known> {
        self.known.iter_mut().find(|known| known.id == id)
    }

    /// A good endpoint list. `held` is what the object holds or removes; `lacks` an id that the list leaves out although it
    /// is there.
    pub fn list(&mut self, eps: &[Ep], held: &[Id], now: Time, lacks: Option<Id>) {
        let started = self.tick();
        self.listed = Some((started, now));
        let listed: Vec<&Ep> = eps.iter().filter(|ep| Some(ep.id) != lacks).collect();
        let mut missing: Vec<Id> = held.to_vec();
        missing.extend(self.known.iter().map(|known| known.id).chain(self.gone.iter().map(|gone| gone.id)));
        missing.retain(|id| !listed.iter().any(|ep| ep.id == *id));
        missing.sort_unstable();
        missing.dedup();
        self.known.retain(|known| !missing.contains(&known.id));
        for ep in &listed {
            self.shown(ep);
        }
        self.gone.retain(|gone| missing.contains(&gone.id));
        for id in missing {
            match self.gone.iter_mut().find(|gone| gone.id == id) {
                Some(gone) => (gone.last, gone.lists) = (now, 2),
                // Of an id that nobody holds nothing is ever asked.
                None if held.contains(&id) => self.gone.push(Gone { id, first: now, last: now, lists: 1 }),
                None => {}
            }
        }
        self.doubts.retain(|doubt| now < doubt.look);
    }

    /// A list or an answer shows an endpoint.
    pub fn shown(&mut self, ep: &Ep) {
        match self.get_mut(ep.id) {
            Some(known) => (known.url, known.active) = (ep.url, ep.active),
            None => self.known.push(Known {
                id: ep.id,
                url: ep.url,
                active: ep.active,
                made: ep.made,
                created: false,
                listed: None,
                written: 0,
                fresh: false,
                doubt: None,
                rows: Vec::new(),
            }),
        }
    }

    /// A 201: nothing is on it yet.
    pub fn created(&mut self, ep: &Ep) {
        self.tick();
        self.shown(ep);
        if let Some(known) = self.get_mut(ep.id) {
            (known.created, known.fresh) = (true, true);
        }
    }

    /// A POST whose answer was lost.
    pub fn doubt(&mut self, url: u8, now: Time) {
        self.doubts.retain(|doubt| doubt.url != url);
        self.doubts.push(Doubt { url, look: now.plus(LOOK_AFTER) });
    }

    /// A PATCH or DELETE of an endpoint was sent: what was counted of its absence is void.
    pub fn writes(&mut self, id: Id) {
        self.gone.retain(|gone| gone.id != id);
    }

    /// A DELETE was answered with success.
    pub fn deleted(&mut self, id: Id) {
        self.known.retain(|known| known.id != id);
    }

    /// A good list of an endpoint's rows.
    pub fn list_rows(&mut self, ep: &Ep, now: Time) {
        let started = self.tick();
        if let Some(known) = self.get_mut(ep.id) {
            (known.listed, known.fresh) = (Some(started), true);
            known.rows = ep.rows.clone();
            known.doubt = known.doubt.filter(|look| now < *look);
        }
    }

    /// The rows of an endpoint were written to, and the answer says how they are.
    pub fn wrote_rows(&mut self, id: Id) {
        let now = self.tick();
        if let Some(known) = self.get_mut(id) {
            known.written = now;
        }
    }

    /// A write to the rows of an endpoint was answered with 404, or (then `now` is given) its answer was lost.
    pub fn rows_in_doubt(&mut self, id: Id, now: Option<Time>) {
        self.wrote_rows(id);
        if let Some(known) = self.get_mut(id) {
            known.fresh = false;
            known.doubt = now.map(|now| now.plus(LOOK_AFTER)).or(known.doubt);
        }
    }

    /// A row has come.
    pub fn row_made(&mut self, id: Id, row: Row) {
        if let Some(known) = self.get_mut(id) {
            known.rows.push(row);
            known.rows.sort_unstable();
        }
    }

    /// A row has gone.
    pub fn row_gone(&mut self, id: Id, row: u8) {
        if let Some(known) = self.get_mut(id) {
            known.rows.retain(|known| known.id != row);
        }
    }
}
