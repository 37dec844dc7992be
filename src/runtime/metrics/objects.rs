//! The metrics that exist per object: they are kept by object and written out when asked for, so that an object which is
//! gone, or a condition which was removed, leaves no series behind.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::labels::{Kind, ObjectKey};
use super::rotation::{Rotation, RotationFacts};
use super::self_test::SelfTestFacts;

/// Every status a condition can have; all three are written out, the present one as 1, as users of other controllers'
/// condition metrics expect.
const STATUSES: [&str; 3] = ["True", "False", "Unknown"];

/// One condition of an object, as far as metrics tell of it.
#[derive(Debug)]
struct Told {
    kind: Box<str>,
    status: &'static str,
    reason: Box<str>,
}

#[derive(Debug, Default)]
struct Entry {
    conditions: Vec<Told>,
    blocked_since: Option<Instant>,
    unclaimed: Option<u64>,
    suspended: bool,
    gap_seconds: f64,
    freshness: Option<Freshness>,
    rotation: Option<Rotation>,
    self_test: Option<SelfTestFacts>,
}

/// How fresh the data of a monitor's practices is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Freshness {
    /// When reading and writing last worked, by our clock; each is told as its age at the moment of asking.
    pub last: [Option<Timestamp>; 2],
    /// Open time since then, as of the last look.
    pub open: [Option<Duration>; 2],
    /// Whether the practice is open; absent where none is judged.
    pub office_open: Option<bool>,
}

impl Entry {
    fn is_empty(&self) -> bool {
        self.conditions.is_empty()
            && self.blocked_since.is_none()
            && self.unclaimed.is_none()
            && !self.suspended
            && self.gap_seconds <= 0.0
            && self.freshness.is_none()
            && self.rotation.is_none()
            && self.self_test.is_none()
    }
}

/// Everything known per object.
#[derive(Debug, Default)]
pub(super) struct Objects(RwLock<BTreeMap<ObjectKey, Entry>>);

impl Objects {
    fn read(&self) -> RwLockReadGuard<'_, BTreeMap<ObjectKey, Entry>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, BTreeMap<ObjectKey, Entry>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, object: &ObjectKey, change: impl FnOnce(&mut Entry)) {
        let mut objects = self.write();
        let mut entry = objects.remove(object).unwrap_or_default();
        change(&mut entry);
        if !entry.is_empty() {
            objects.insert(object.clone(), entry);
        }
    }

    pub fn set_conditions(&self, object: &ObjectKey, conditions: &[Condition]) {
        let known = |status: &str| STATUSES.into_iter().find(|s| *s == status).unwrap_or("Unknown");
        let told =
            |c: &Condition| Told { kind: (*c.type_).into(), status: known(&c.status), reason: (*c.reason).into() };
        let conditions = conditions.iter().map(told).collect();
        self.change(object, |entry| entry.conditions = conditions);
    }

    pub fn set_deletion_blocked(&self, object: &ObjectKey, since: Option<Instant>) {
        self.change(object, |entry| entry.blocked_since = since);
    }

    pub fn set_unclaimed(&self, account: &ObjectKey, count: Option<u64>) {
        self.change(account, |entry| entry.unclaimed = count);
    }

    pub fn set_suspended(&self, object: &ObjectKey, suspended: bool) {
        self.change(object, |entry| entry.suspended = suspended);
    }

    pub fn add_gap(&self, endpoint: &ObjectKey, seconds: f64) {
        self.change(endpoint, |entry| entry.gap_seconds += seconds);
    }

    pub fn set_freshness(&self, monitor: &ObjectKey, freshness: Option<Freshness>) {
        self.change(monitor, |entry| entry.freshness = freshness);
    }

    pub fn set_rotation(&self, endpoint: &ObjectKey, facts: RotationFacts) {
        self.change(endpoint, |entry| entry.rotation = Rotation::after(entry.rotation.take(), facts));
    }

    pub fn set_self_test(&self, endpoint: &ObjectKey, facts: Option<SelfTestFacts>) {
        self.change(endpoint, |entry| entry.self_test = facts);
    }

    pub fn remove(&self, object: &ObjectKey) {
        self.write().remove(object);
    }

    pub fn retain(&self, keep: impl Fn(&ObjectKey) -> bool) {
        self.write().retain(|object, _| keep(object));
    }
}

impl Objects {
    fn conditions(&self, family: &mut MetricEncoder<'_>) -> std::fmt::Result {
        for (object, entry) in self.read().iter() {
            for told in &entry.conditions {
                for status in STATUSES {
                    let labels = (object.clone(), [("type", &*told.kind), ("status", status)]);
                    ConstGauge::new(i64::from(status == told.status)).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    fn reasons(&self, family: &mut MetricEncoder<'_>) -> std::fmt::Result {
        for (object, entry) in self.read().iter() {
            for told in &entry.conditions {
                let labels = [("type", &*told.kind), ("status", told.status), ("reason", &*told.reason)];
                ConstGauge::new(1).encode(family.encode_family(&(object.clone(), labels))?)?;
            }
        }
        Ok(())
    }

    fn gaps(&self, family: &mut MetricEncoder<'_>) -> std::fmt::Result {
        // Of an endpoint without any too: an increase from nothing is none to Prometheus.
        let counts =
            |object: &ObjectKey, entry: &Entry| object.kind == Kind::WebhookEndpoint || entry.gap_seconds > 0.0;
        for (object, entry) in self.read().iter().filter(|(object, entry)| counts(object, entry)) {
            ConstCounter::new(entry.gap_seconds).encode(family.encode_family(object)?)?;
        }
        Ok(())
    }

    fn ages(&self, family: &mut MetricEncoder<'_>, way: usize) -> std::fmt::Result {
        let now = Timestamp::now();
        for (object, freshness) in self.read().iter().filter_map(|(object, entry)| Some((object, entry.freshness?))) {
            let live = freshness.last[way].map(|last| now.duration_since(last).as_secs_f64().max(0.0));
            let open = freshness.open[way].map(|open| open.as_secs_f64());
            for (clock, age) in [("live", live), ("open", open)] {
                if let Some(age) = age {
                    let labels = (object.clone(), [("clock", clock)]);
                    ConstGauge::new(age).encode(family.encode_family(&labels)?)?;
                }
            }
        }
        Ok(())
    }

    fn phases(&self, family: &mut MetricEncoder<'_>) -> std::fmt::Result {
        let now = Timestamp::now();
        for (object, entry) in self.read().iter() {
            if let Some((phase, age)) = entry.rotation.as_ref().and_then(|rotation| rotation.phase(now)) {
                let labels = (object.clone(), [("phase", phase)]);
                ConstGauge::new(age).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn answers(&self, family: &mut MetricEncoder<'_>) -> std::fmt::Result {
        for (object, facts) in self.read().iter().filter_map(|(object, entry)| Some((object, entry.self_test?))) {
            for (event, class) in facts.answers() {
                let labels = (object.clone(), [("event", event), ("class", class)]);
                ConstGauge::new(1).encode(family.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn per_object(&self, family: &mut MetricEncoder<'_>, value: impl Fn(&Entry) -> Option<f64>) -> std::fmt::Result {
        for (object, entry) in self.read().iter() {
            if let Some(value) = value(entry) {
                ConstGauge::new(value).encode(family.encode_family(object)?)?;
            }
        }
        Ok(())
    }
}

/// What the registry holds.
#[derive(Debug)]
pub(super) struct ObjectsCollector(pub std::sync::Arc<Objects>);

impl Collector for ObjectsCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> std::fmt::Result {
        let gauge = MetricType::Gauge;
        let help = "Conditions of the objects: 1 for the status that a condition has, 0 for the others";
        self.0.conditions(&mut encoder.encode_descriptor("condition", help, None, gauge)?)?;
        let help = "Conditions of the objects with their reasons; always 1";
        self.0.reasons(&mut encoder.encode_descriptor("condition_reason", help, None, gauge)?)?;
        let help = "Remote endpoints of an account that no object claims";
        #[allow(clippy::cast_precision_loss)] // a count of remote endpoints is far below 2^52
        self.0.per_object(&mut encoder.encode_descriptor("unclaimed_endpoints", help, None, gauge)?, |entry| {
            entry.unclaimed.map(|count| count as f64)
        })?;
        let help = "For how long the deletion of an object has been blocked";
        self.0.per_object(&mut encoder.encode_descriptor("deletion_blocked_seconds", help, None, gauge)?, |entry| {
            entry.blocked_since.map(|since| since.elapsed().as_secs_f64())
        })?;
        let help = "1 for an object that its spec or its account holds back from writing at the provider";
        self.0.per_object(&mut encoder.encode_descriptor("suspended", help, None, gauge)?, |entry| {
            entry.suspended.then_some(1.0)
        })?;
        for (way, name) in ["sync_read_age_seconds", "sync_write_age_seconds"].into_iter().enumerate() {
            let help = "Time since the sync of a monitor's practice last worked, where that is longest ago: live by the wall clock, open within office hours";
            self.0.ages(&mut encoder.encode_descriptor(name, help, None, gauge)?, way)?;
        }
        let help = "Whether a practice whose verdict is bad is open, or any practice of the monitor if none is bad";
        self.0.per_object(&mut encoder.encode_descriptor("office_open", help, None, gauge)?, |entry| {
            entry.freshness?.office_open.map(|open| f64::from(u8::from(open)))
        })?;
        let help = "When the signing key of an endpoint is due to be replaced, in seconds since 1970";
        let name = "secret_rotation_due_timestamp_seconds";
        self.0.per_object(&mut encoder.encode_descriptor(name, help, None, gauge)?, |entry| {
            entry.rotation.as_ref()?.due()
        })?;
        let help = "For how long the present phase of a rotation has been going on; absent while none runs";
        self.0.phases(&mut encoder.encode_descriptor("rotation_phase_seconds", help, None, gauge)?)?;
        let help = "1 for how the receiver answered each event of the last self-test: signed with the published key (genuine) or a wrong one (forged)";
        self.0.answers(&mut encoder.encode_descriptor("self_test_answer", help, None, gauge)?)?;
        let help = "Until when the certificate of an endpoint's receiver is valid, as last seen by a self-test, in seconds since 1970";
        let name = "target_certificate_expiry_timestamp_seconds";
        self.0.per_object(&mut encoder.encode_descriptor(name, help, None, gauge)?, |entry| {
            entry.self_test.as_ref()?.expiry()
        })?;
        let help = "Time in which events of an endpoint could not arrive, counted when it was over";
        let counter = MetricType::Counter;
        self.0.gaps(&mut encoder.encode_descriptor("delivery_gap_seconds", help, None, counter)?)
    }
}
