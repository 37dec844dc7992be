//! What is remembered of a monitor, and what a new process takes from the stored status instead: a verdict that was kept
//! overnight is still the verdict after a restart.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::damper::Damper;
use super::practice::{Practice, Word};
use crate::api::{ConditionType, PracticeSyncMonitor, PracticeSyncMonitorStatus, Reason};
use crate::plan::condition::{Is, find};

/// The verdicts, in the order in which everything here holds them.
pub(super) const VERDICTS: [ConditionType; 3] =
    [ConditionType::ReadHealthy, ConditionType::WriteHealthy, ConditionType::SyncHealthy];

/// A verdict as it is stored: whether it is good, whether it flaps, since when.
type Stored = Option<(bool, bool, Timestamp)>;

/// What is remembered of a monitor.
#[derive(Clone, Debug, Default)]
pub struct MonitorMemory {
    begun: bool,
    stored: PracticeSyncMonitorStatus,
    fleet: bool,
    practices: BTreeMap<Arc<str>, Practice>,
    /// What Events have told, by practice and place of the verdict.
    pub(super) told: HashMap<(Arc<str>, usize), (Is, Reason)>,
    /// Of the fleet as a whole: each verdict, and what it last said.
    pub(super) whole: [(Damper, Option<Word>); 3],
}

impl MonitorMemory {
    /// The first pass of this process takes over what is stored.
    pub(super) fn begin(&mut self, object: &PracticeSyncMonitor) {
        if self.begun {
            return;
        }
        self.begun = true;
        self.stored = object.status.clone().unwrap_or_default();
        self.fleet = object.spec.all_practices.is_some();
        if self.fleet {
            for (place, kind) in VERDICTS.into_iter().enumerate() {
                let damper = verdict(&self.stored.conditions, kind)
                    .map(|(good, flapping, since)| Damper::known(good, flapping, since));
                self.whole[place] = (damper.unwrap_or_default(), None);
            }
        }
    }

    /// The memory of a practice, made of what is stored at its first look.
    pub(super) fn practice(&mut self, key: &Arc<str>, name: &str) -> &mut Practice {
        if !self.practices.contains_key(key) {
            let verdicts = VERDICTS.map(|kind| self.stored_of(kind, name));
            for (place, kind) in VERDICTS.into_iter().enumerate() {
                if let Some((good, ..)) = verdicts[place] {
                    let told = if good { (Is::True, Reason::Green) } else { (Is::False, self.reason_of(kind, name)) };
                    self.told.insert((key.clone(), place), told);
                }
            }
            let [read, write, both] = verdicts;
            self.practices.insert(key.clone(), Practice::known([read, write], both));
        }
        self.practices.entry(key.clone()).or_default()
    }

    /// A practice that had a look.
    pub(super) fn get(&self, key: &str) -> Option<&Practice> {
        self.practices.get(key)
    }

    /// These were judged: forgets every other practice, and what was stored, which says nothing about those that join later.
    pub(super) fn keep(&mut self, keys: &BTreeSet<Arc<str>>) {
        self.stored = PracticeSyncMonitorStatus::default();
        self.practices.retain(|key, _| keys.contains(key));
        self.told.retain(|(key, _), _| keys.contains(key));
    }

    /// Nothing can be seen now: a verdict that is bad is not said again before it is seen to be bad.
    pub(super) fn hide(&mut self) {
        self.practices.values_mut().for_each(Practice::hide);
        for (damper, _) in &mut self.whole {
            damper.hide();
        }
    }

    /// What is stored of one practice. In a fleet only the bad are named, so the others are what the fleet is, if the list of
    /// the bad is not cut.
    fn stored_of(&self, kind: ConditionType, name: &str) -> Stored {
        let whole = verdict(&self.stored.conditions, kind)?;
        if !self.fleet {
            return Some(whole);
        }
        let practices = self.stored.practices.as_ref()?;
        match practices.unhealthy.iter().find(|one| one.practice == name) {
            Some(one) if !whole.0 => Some((false, one.reason == Reason::Flapping.as_str(), one.since.0)),
            Some(_) => Some(whole),
            None if practices.unhealthy.len() < super::report::UNHEALTHY => Some((true, false, whole.2)),
            None => None,
        }
    }

    fn reason_of(&self, kind: ConditionType, name: &str) -> Reason {
        let unhealthy = self.stored.practices.iter().flat_map(|practices| &practices.unhealthy);
        let own = unhealthy.into_iter().find(|one| one.practice == name).map(|one| one.reason.as_str());
        let condition = find(&self.stored.conditions, kind).map(|condition| condition.reason.as_str());
        let text = if self.fleet { own.or(condition) } else { condition };
        text.and_then(Reason::named).unwrap_or(Reason::Red)
    }
}

fn verdict(conditions: &[Condition], kind: ConditionType) -> Stored {
    let condition = find(conditions, kind)?;
    let good = match condition.status.as_str() {
        "True" => true,
        "False" => false,
        _ => return None,
    };
    Some((good, condition.reason == Reason::Flapping.as_str(), condition.last_transition_time.0))
}
