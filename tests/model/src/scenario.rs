//! What is searched: where it begins, what may go wrong, and how often.

use crate::time::Time;
use crate::world::{Budget, Object, Proc, Receiver, World};

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
    /// How much may happen.
    pub budget: Budget,
    /// Which harm.
    pub harms: Vec<Harm>,
    /// Which edits.
    pub edits: Vec<Edit>,
}

impl Scenario {
    /// The state in which it begins: an object that nobody has looked at yet.
    pub fn start(&self) -> World {
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
            left: self.budget,
            harmed: false,
            orphaned: false,
            excuses: 0,
            broken: None,
        }
    }
}

/// The searches of `make test`, or with `large` those of `make model`.
pub fn all(large: bool) -> Vec<Scenario> {
    let more = u8::from(large);
    let none = Budget::default();
    vec![
        Scenario {
            name: "create: crashes, lost answers, a change of leader",
            budget: Budget { faults: 2 + more, crashes: 2, lost: 2, kube: 1, takeovers: 1, deliveries: 1, ..none },
            harms: vec![],
            edits: vec![],
        },
        Scenario {
            name: "create, then deletion at any moment",
            budget: Budget { faults: 1 + more, crashes: 2, lost: 2, kube: 1, takeovers: 1, edits: 1, ..none },
            harms: vec![],
            edits: vec![Edit::Delete],
        },
        Scenario {
            name: "harm at the provider and to the Secret",
            budget: Budget {
                faults: 1 + more,
                crashes: 1,
                lost: 1,
                kube: 1,
                takeovers: 1,
                harm: 1 + more,
                deliveries: 1,
                ..none
            },
            harms: vec![
                Harm::DeleteEndpoint,
                Harm::SwitchOff,
                Harm::DeleteRow,
                Harm::AddRow,
                Harm::DeleteSecret,
                Harm::TamperSecret,
                Harm::ListLacks,
                Harm::Stranger,
            ],
            edits: vec![],
        },
        Scenario {
            name: "edits of URL and switch, deletion, Orphan",
            budget: Budget { faults: 1, crashes: 1, lost: 1, kube: 1, takeovers: 1, edits: 2, ..none },
            harms: vec![],
            edits: vec![Edit::Url, Edit::Switch, Edit::Delete, Edit::Orphan],
        },
    ]
}
