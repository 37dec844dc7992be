//! What is searched: where it begins, what may go wrong, and how often.

use crate::actions::edited;
use crate::fair;
use crate::operator::put_object;
use crate::time::Time;
use crate::world::{Budget, Ep, FOREIGN, Object, Proc, Receiver, Row, Setup, World};

/// What somebody may do behind the operator's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Harm {
    /// One of our endpoints is deleted at the provider.
    DeleteEndpoint,
    /// It is switched off there.
    SwitchOff,
    /// A row on it is deleted there.
    DeleteRow,
    /// A row that nobody declares is made on it.
    AddRow,
    /// Somebody makes an endpoint with our URL, and a row on it.
    Stranger,
    /// The Secret is deleted.
    DeleteSecret,
    /// `current` of the Secret is overwritten.
    TamperSecret,
    /// A list leaves out what is there.
    ListLacks,
}

/// What a user may do to the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Nothing is.
    None,
    /// It is deleted.
    Delete,
    /// Its deletionPolicy becomes Orphan.
    Orphan,
    /// Its target URL changes.
    Url,
    /// It is switched off, or on.
    Switch,
    /// It is suspended, or resumed.
    Suspend,
    /// A rotation is asked for.
    Rotate,
    /// The same, with `overlap: 0s`.
    Leak,
}

/// A search.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called in reports.
    pub name: &'static str,
    /// What stays the same.
    pub setup: Setup,
    /// What a user has just asked for, of an object that was at rest; absent: nobody has looked at the object yet.
    pub begins: Option<Edit>,
    /// How much may happen.
    pub budget: Budget,
    /// Which harm.
    pub harms: Vec<Harm>,
    /// Which edits.
    pub edits: Vec<Edit>,
}

impl Scenario {
    /// The bounds in words.
    pub fn bounds(&self) -> String {
        let Budget { faults, crashes, lost, kube, takeovers, slow, harm, edits, deliveries } = self.budget;
        let kinds = [
            (crashes, "crashes"),
            (lost, "answers of the provider lost"),
            (kube, "of the API server"),
            (takeovers, "changes of leader"),
            (harm, "times harm"),
        ];
        let kinds = kinds.iter().filter(|(most, _)| *most > 0 && faults > 0);
        let kinds: Vec<String> = kinds.map(|(most, what)| format!("{} {what}", most.min(&faults))).collect();
        let mut parts = vec![format!("{} declared pairs", self.setup.pairs)];
        if faults > 0 {
            parts.push(format!("{faults} faults in all, of them at most {}", kinds.join(", ")));
        }
        let others = [(edits, "edits"), (slow, "times slow"), (deliveries, "delivery followed")];
        parts.extend(others.iter().filter(|(most, _)| *most > 0).map(|(most, what)| format!("{most} {what}")));
        parts.join("; ")
    }

    /// The state in which it begins.
    pub fn start(&self) -> World {
        let mut world = nobody_has_looked(self.setup);
        if let Some(edit) = self.begins {
            let mut before = Vec::new();
            while !before.contains(&world) {
                before.push(world.clone());
                world = fair::next(&world, None);
            }
            prepare(&mut world);
            if let Some(edited) = edited(&world, edit) {
                put_object(&mut world, edited, None);
            }
        }
        world.left = self.budget;
        world
    }
}

/// What a search begins with besides.
fn prepare(world: &mut World) {
    if world.setup.foreign_row {
        let row = Row { id: world.next_row, pair: FOREIGN };
        world.next_row += 1;
        world.eps.iter_mut().for_each(|ep| ep.rows.push(row));
    }
    if world.setup.twin {
        let (id, made) = (world.next_id, world.now);
        world.next_id += 1;
        world.excuses += 1;
        world.eps.push(Ep { id, url: 1, active: true, made, mine: true, rows: Vec::new() });
        let statuses = world.object.iter_mut().filter_map(|object| object.status.as_mut());
        for last in statuses.filter_map(|status| status.last.as_mut()) {
            (last.since, last.until, last.outstanding) = (made, Some(made), true);
        }
    }
}

/// An object that nobody has looked at yet.
fn nobody_has_looked(setup: Setup) -> World {
    let object = Object {
        finalizer: false,
        deleting: false,
        generation: 1,
        url: 1,
        active: true,
        orphan: false,
        suspend: false,
        request: 0,
        leaked: false,
        status: None,
    };
    World {
        setup,
        now: Time(0),
        next_id: 1,
        next_row: 1,
        eps: Vec::new(),
        late: Vec::new(),
        object: Some(object),
        secret: None,
        procs: vec![Proc::new(Time(0))],
        receiver: Receiver::default(),
        delivery: None,
        left: Budget::default(),
        harmed: false,
        lacked: false,
        orphaned: false,
        excuses: 0,
        published: 0,
        broken: None,
    }
}

const HARMS: &[Harm] = &[
    Harm::DeleteEndpoint,
    Harm::SwitchOff,
    Harm::DeleteRow,
    Harm::AddRow,
    Harm::DeleteSecret,
    Harm::TamperSecret,
    Harm::ListLacks,
    Harm::Stranger,
];

/// The searches of `make test`, or with `large` those of `make model`.
pub fn all(large: bool) -> Vec<Scenario> {
    let more = u8::from(large);
    let none = Budget::default();
    let faults = Budget { faults: 1, crashes: 1 + more, lost: 1 + more, kube: 1, takeovers: 1, ..none };
    let early = Setup { pairs: 1, ..Setup::default() };
    let late = Setup { late_receiver: true, ..early };
    let scenario = |name, setup, begins, budget, harms: &[Harm], edits: &[Edit]| Scenario {
        name,
        setup,
        begins,
        budget,
        harms: harms.to_vec(),
        edits: edits.to_vec(),
    };
    let rotate = Some(Edit::Rotate);
    vec![
        scenario(
            "create: crashes, lost answers, a change of leader",
            early,
            None,
            Budget { faults: 1 + more, slow: more, ..faults },
            &[],
            &[],
        ),
        scenario(
            "create, then deletion at any moment",
            early,
            None,
            Budget { faults: 1 + more, slow: more, edits: 1, ..faults },
            &[],
            &[Edit::Delete],
        ),
        scenario(
            "create: edits of URL and switch, deletion, Orphan",
            early,
            None,
            Budget { edits: 1 + more, ..faults },
            &[],
            &[Edit::Url, Edit::Switch, Edit::Delete, Edit::Orphan],
        ),
        scenario(
            "harm at the provider and to the Secret",
            late,
            None,
            Budget { faults: 1 + more, harm: 1 + more, deliveries: 1, ..faults },
            HARMS,
            &[],
        ),
        scenario(
            "rotation: crashes, lost answers, a change of leader",
            late,
            rotate,
            Budget { faults: 1 + more, slow: more, deliveries: 1, ..faults },
            &[],
            &[],
        ),
        scenario(
            "rotation: harm at the provider and to the Secret",
            late,
            rotate,
            Budget { faults: 1 + more, harm: 1 + more, deliveries: 1, ..faults },
            HARMS,
            &[],
        ),
        scenario(
            "rotation: edits, a second request, a leaked key, deletion, Orphan",
            late,
            rotate,
            Budget { faults: more, edits: 1 + more, ..faults },
            &[],
            &[Edit::Rotate, Edit::Leak, Edit::Url, Edit::Switch, Edit::Suspend, Edit::Delete, Edit::Orphan],
        ),
        scenario(
            "rotation of two pairs and somebody else's row: crashes, lost answers, a change of leader",
            Setup { pairs: 2, foreign_row: true, ..late },
            rotate,
            Budget { faults: 1 + more, ..faults },
            &[],
            &[],
        ),
        scenario(
            "a twin that a lost answer left: lost answers, harm",
            Setup { twin: true, background_lists: true, ..early },
            Some(Edit::None),
            Budget { faults: 2 + more, lost: 1 + more, harm: 1, slow: 1, ..none },
            &[Harm::DeleteEndpoint, Harm::ListLacks],
            &[],
        ),
        scenario(
            "rotation of a leaked key: crashes, lost answers, a change of leader",
            late,
            Some(Edit::Leak),
            Budget { faults: 1 + more, ..faults },
            &[],
            &[],
        ),
    ]
}
