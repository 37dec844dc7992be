//! What one run of the bench does, as one line from which it can be done again.

use std::fmt;
use std::str::FromStr;

use super::scenario::Scenario;
use super::troubles::{self, Effect, Trouble};

/// Where a call goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// The provider's API.
    Provider,
    /// The API server.
    Kube,
}

impl Side {
    fn word(self) -> &'static str {
        match self {
            Self::Provider => "provider",
            Self::Kube => "kube",
        }
    }
}

/// The `nth` call of this description since the scenario's act began. Described calls rather than places in one long list:
/// the operator works on many things at once, and their order is not the same twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Target {
    /// Where it goes.
    pub side: Side,
    /// What it is, such as `POST.row` or `PATCH.secrets.nexhealth`.
    pub what: String,
    /// Counted from 1.
    pub nth: usize,
}

impl Target {
    /// The verb of the call.
    pub fn verb(&self) -> &str {
        self.what.split('.').next().unwrap_or_default()
    }

    /// Whether it can change something.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb(), "GET" | "LIST" | "WATCH") && !self.is_sign_in()
    }

    /// Whether it fetches a token.
    pub fn is_sign_in(&self) -> bool {
        self.what == "POST.authenticates"
    }
}

/// A description of a call as it stands in a plan's line.
pub fn written(description: &str) -> String {
    description.replace([' ', '/'], ".")
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.side.word(), self.what, self.nth)
    }
}

/// One thing that goes wrong.
#[derive(Clone, Debug)]
pub struct Shot {
    /// Which call.
    pub target: Target,
    /// What happens to it.
    pub trouble: &'static Trouble,
}

/// A plan: a scenario, what goes wrong in it, and the seed of everything else.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What users do.
    pub scenario: Scenario,
    /// None: a run in which nothing goes wrong.
    pub shots: Vec<Shot>,
    /// Chooses the provider's character, the pause before a restart, how often a fault repeats.
    pub seed: u64,
}

impl Plan {
    /// The name of its column in the report: the fault, or that it is a mix.
    pub fn fault(&self) -> &'static str {
        match self.shots.as_slice() {
            [] => "(none)",
            [one] => one.trouble.name,
            _ => "(two or three at once)",
        }
    }
}

impl Plan {
    /// Whether nothing goes wrong but that the process dies.
    pub fn only_crashes(&self) -> bool {
        self.shots.iter().all(|shot| matches!(shot.trouble.effect, Effect::Crash(_)))
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shots: Vec<String> =
            self.shots.iter().map(|shot| format!("{}/{}", shot.target, shot.trouble.name)).collect();
        let shots = if shots.is_empty() { "nothing".to_owned() } else { shots.join("+") };
        write!(formatter, "{}/{shots}/seed{}", self.scenario.name(), self.seed)
    }
}

impl FromStr for Plan {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("{line}: {what}");
        let (scenario, rest) = line.split_once('/').ok_or_else(|| wrong("no scenario"))?;
        let (shots, seed) = rest.rsplit_once('/').ok_or_else(|| wrong("no seed"))?;
        let seed = seed.strip_prefix("seed").and_then(|seed| seed.parse().ok()).ok_or_else(|| wrong("no seed"))?;
        let scenario = Scenario::ALL.into_iter().find(|one| one.name() == scenario).ok_or_else(|| wrong("scenario"))?;
        let shots: Result<Vec<Shot>, String> = match shots {
            "nothing" => Ok(Vec::new()),
            shots => shots.split('+').map(|shot| read_shot(shot).ok_or_else(|| wrong(shot))).collect(),
        };
        Ok(Self { scenario, shots: shots?, seed })
    }
}

fn read_shot(text: &str) -> Option<Shot> {
    let (target, trouble) = text.split_once('/')?;
    let mut parts = target.split(':');
    let side = [Side::Provider, Side::Kube].into_iter().find(|side| Some(side.word()) == parts.clone().next())?;
    let (what, nth) = (parts.nth(1)?.to_owned(), parts.next()?.parse().ok()?);
    let target = Target { side, what, nth };
    let trouble = troubles::ALL.iter().find(|one| one.name == trouble && one.fits(&target))?;
    Some(Shot { target, trouble })
}

#[test]
fn a_line_is_read_as_it_was_written() {
    for line in [
        "create/provider:POST.row:2/lost-answer/seed1",
        "edit/nothing/seed3",
        "delete/kube:PATCH.webhookendpoints.intake:1/409+provider:DELETE.endpoint:1/still-listed/seed2",
    ] {
        assert_eq!(line.parse::<Plan>().unwrap().to_string(), line);
    }
    for wrong in ["create", "nap/nothing/seed1", "create/provider:POST.row:1/nonsense/seed1", "create/nothing/1"] {
        assert!(wrong.parse::<Plan>().is_err(), "{wrong}");
    }
}
