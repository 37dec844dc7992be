//! The metrics of api.md, behind one method per fact, so that no caller names a metric or invents a label.

pub mod labels;
mod objects;
mod rotation;
mod self_test;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::provider::CallObserver;

use labels::{DurationLabels, ProviderLabels, RealmLabels, ReconcileLabels, RequestLabels, WriteLabels};
pub use labels::{Kind, ObjectKey, Outcome, Verb};
pub use objects::Freshness;
pub use rotation::{PhaseFacts, RotationFacts};
pub use self_test::SelfTestFacts;

/// The content type of [`Metrics::encode`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// From a cached answer to the longest deadline of a provider call.
const DURATION_BUCKETS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0];

type Seconds = Gauge<f64, AtomicU64>;
type Durations = Family<DurationLabels, Histogram, fn() -> Histogram>;

/// All metrics of the process. Clones are cheap and count into the same numbers.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    objects: Arc<objects::Objects>,
    requests: Family<RequestLabels, Counter>,
    durations: Durations,
    budget: Family<RealmLabels, Seconds>,
    throttled: Family<ProviderLabels, Counter<f64, AtomicU64>>,
    replaced: Family<ProviderLabels, Counter>,
    reconciles: Family<ReconcileLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    unconfirmed: Gauge,
    oldest_unreconciled: Seconds,
    leader: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// A registry with every metric at its start.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("external_webhooks");
        let objects = Arc::new(objects::Objects::default());
        registry.register_collector(Box::new(objects::ObjectsCollector(Arc::clone(&objects))));

        let requests = Family::default();
        registry.register("provider_requests", "Calls to providers by how they ended", requests.clone());
        let durations: Durations = Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        registry.register("provider_request_duration_seconds", "Time that calls to providers took", durations.clone());
        let budget = Family::default();
        registry.register("provider_budget_ratio", "Part of an account's call budget that is left", budget.clone());
        let throttled = Family::default();
        registry.register("provider_throttled_seconds", "Time that calls waited for the budget", throttled.clone());
        let replaced = Family::default();
        let help = "Webhooks made anew and then deleted: between the two calls an event of each could arrive twice";
        registry.register("webhooks_replaced", help, replaced.clone());
        let reconciles = Family::default();
        registry.register("reconcile", "Passes over objects by how they ended", reconciles.clone());
        let writes = Family::default();
        registry.register("kube_writes", "Writes to the Kubernetes API, without the leader lease", writes.clone());
        let unconfirmed = Gauge::default();
        let help = "Objects whose remote side could not be confirmed since the last change";
        registry.register("unconfirmed_objects", help, unconfirmed.clone());
        let oldest_unreconciled = Gauge::default();
        let help = "For how long the object that waits longest has been waiting for a pass";
        registry.register("oldest_unreconciled_seconds", help, oldest_unreconciled.clone());
        let leader = Gauge::default();
        registry.register("leader", "1 while this process leads", leader.clone());

        Self(Arc::new(Inner {
            registry,
            objects,
            requests,
            durations,
            budget,
            throttled,
            replaced,
            reconciles,
            writes,
            unconfirmed,
            oldest_unreconciled,
            leader,
        }))
    }

    /// Replaces the conditions of an object. Those that are not in the list any more leave no series.
    pub fn set_conditions(&self, object: &ObjectKey, conditions: &[Condition]) {
        self.0.objects.set_conditions(object, conditions);
    }

    /// Since when the deletion of an object is blocked; `None` when it is not.
    pub fn set_deletion_blocked(&self, object: &ObjectKey, since: Option<Instant>) {
        self.0.objects.set_deletion_blocked(object, since);
    }

    /// How many remote endpoints of an account no object claims; `None` when that is not known.
    pub fn set_unclaimed_endpoints(&self, account: &ObjectKey, count: Option<u64>) {
        self.0.objects.set_unclaimed(account, count);
    }

    /// Whether an object is held back from writing at the provider.
    pub fn set_suspended(&self, object: &ObjectKey, suspended: bool) {
        self.0.objects.set_suspended(object, suspended);
    }

    /// Counts a time in which events of an endpoint could not arrive.
    pub fn delivery_gap(&self, endpoint: &ObjectKey, seconds: f64) {
        self.0.objects.add_gap(endpoint, seconds);
    }

    /// How fresh the data of a monitor's practices is; `None` while nothing is judged.
    pub fn set_freshness(&self, monitor: &ObjectKey, freshness: Option<Freshness>) {
        self.0.objects.set_freshness(monitor, freshness);
    }

    /// When the key of an endpoint is to be replaced, and how far that is.
    pub fn set_rotation(&self, endpoint: &ObjectKey, facts: RotationFacts) {
        self.0.objects.set_rotation(endpoint, facts);
    }

    /// What the last self-test of an endpoint found; `None` where none was made.
    pub fn set_self_test(&self, endpoint: &ObjectKey, facts: Option<SelfTestFacts>) {
        self.0.objects.set_self_test(endpoint, facts);
    }

    /// Forgets everything about an object that is gone.
    pub fn remove_object(&self, object: &ObjectKey) {
        self.0.objects.remove(object);
    }

    /// Forgets every object for which `keep` is false: the sweep for deletions that no watch reported.
    pub fn retain_objects(&self, keep: impl Fn(&ObjectKey) -> bool) {
        self.0.objects.retain(keep);
    }

    /// Counts one call to a provider.
    pub fn provider_request(&self, provider: &'static str, operation: &'static str, code: &str, took: Duration) {
        let code = code.to_owned();
        self.0.requests.get_or_create(&RequestLabels { provider, operation, code }).inc();
        self.0.durations.get_or_create(&DurationLabels { provider, operation }).observe(took.as_secs_f64());
    }

    /// The part (0 to 1) of a realm's call budget that is left. `account` is the name of the account that stands for the
    /// realm, never anything derived from a key; `None` when the realm is gone.
    pub fn set_budget_ratio(&self, provider: &'static str, account: &str, left: Option<f64>) {
        let labels = RealmLabels { provider, account: account.to_owned() };
        match left {
            Some(left) => {
                self.0.budget.get_or_create(&labels).set(left.clamp(0.0, 1.0));
            }
            None => {
                self.0.budget.remove(&labels);
            }
        }
    }

    /// Counts time that a call waited for the budget or for a provider's Retry-After.
    pub fn throttled(&self, provider: &'static str, waited: Duration) {
        self.0.throttled.get_or_create(&ProviderLabels { provider }).inc_by(waited.as_secs_f64());
    }

    /// Counts webhooks that were made anew and then deleted, where a provider can change nothing in place.
    pub fn replaced(&self, provider: &'static str, count: u64) {
        self.0.replaced.get_or_create(&ProviderLabels { provider }).inc_by(count);
    }

    /// Counts one pass over an object.
    pub fn reconciled(&self, kind: Kind, outcome: Outcome) {
        self.0.reconciles.get_or_create(&ReconcileLabels { kind, outcome }).inc();
    }

    /// Counts one write to the Kubernetes API.
    pub fn kube_write(&self, kind: Kind, verb: Verb) {
        self.0.writes.get_or_create(&WriteLabels { kind, verb }).inc();
    }

    /// How many objects have a remote side that was not confirmed since their last change.
    pub fn set_unconfirmed_objects(&self, count: u64) {
        self.0.unconfirmed.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// For how long the object that waits longest has been waiting; set at each scrape from [`super::Health`].
    pub fn set_oldest_unreconciled(&self, age: Duration) {
        self.0.oldest_unreconciled.set(age.as_secs_f64());
    }

    /// Whether this process leads.
    pub fn set_leader(&self, leads: bool) {
        self.0.leader.set(i64::from(leads));
    }

    /// All metrics as OpenMetrics text.
    ///
    /// # Errors
    /// Never in practice: writing to a `String` does not fail.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut page = String::new();
        text::encode(&mut page, &self.0.registry)?;
        Ok(page)
    }
}

impl CallObserver for Metrics {
    fn observed(&self, provider: &'static str, operation: &'static str, code: &str, seconds: f64) {
        self.provider_request(provider, operation, code, Duration::from_secs_f64(seconds.max(0.0)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: &str, status: &str) -> Condition {
        Condition {
            type_: kind.into(),
            status: status.into(),
            ..serde_json::from_value(serde_json::json!({
                "lastTransitionTime": "2026-01-01T00:00:00Z", "message": "", "reason": "Rejected", "status": "", "type": ""
            }))
            .unwrap()
        }
    }

    fn endpoint(name: &str) -> ObjectKey {
        ObjectKey::new(Kind::WebhookEndpoint, "clinics", name)
    }

    fn rotation(due: Option<i64>) -> RotationFacts {
        let due = due.map(|second| jiff::Timestamp::from_second(second).unwrap());
        RotationFacts { due, phase: Some(PhaseFacts { name: "Draining", since: due }) }
    }

    #[test]
    fn a_condition_is_one_for_its_status_and_zero_for_the_others() {
        let metrics = Metrics::new();
        metrics.set_conditions(&endpoint("intake"), &[condition("Ready", "False")]);
        let page = metrics.encode().unwrap();
        let series = |status: &str, value: u8| {
            format!(
                "external_webhooks_condition{{kind=\"WebhookEndpoint\",namespace=\"clinics\",name=\"intake\",type=\"Ready\",status=\"{status}\"}} {value}\n"
            )
        };
        for (status, value) in [("True", 0), ("False", 1), ("Unknown", 0)] {
            assert!(page.contains(&series(status, value)), "{page}");
        }
        let reason = "external_webhooks_condition_reason{kind=\"WebhookEndpoint\",namespace=\"clinics\",name=\"intake\",type=\"Ready\",status=\"False\",reason=\"Rejected\"} 1\n";
        assert!(page.contains(reason), "{page}");
    }

    #[test]
    fn the_gaps_of_an_endpoint_are_counted_from_zero() {
        let metrics = Metrics::new();
        metrics.set_conditions(&endpoint("intake"), &[condition("Ready", "True")]);
        let told = |value: &str| {
            let series = "external_webhooks_delivery_gap_seconds_total{kind=\"WebhookEndpoint\",namespace=\"clinics\",name=\"intake\"}";
            let page = metrics.encode().unwrap();
            assert!(page.contains(&format!("{series} {value}\n")), "{page}");
        };
        told("0.0");
        metrics.delivery_gap(&endpoint("intake"), 60.0);
        told("60.0");
    }

    #[test]
    fn removed_conditions_and_objects_leave_no_series() {
        let metrics = Metrics::new();
        metrics.set_conditions(&endpoint("a"), &[condition("Ready", "True"), condition("Stalled", "True")]);
        metrics.set_conditions(&endpoint("a"), &[condition("Ready", "True")]);
        assert!(!metrics.encode().unwrap().contains("Stalled"));
        metrics.set_deletion_blocked(&endpoint("a"), Some(Instant::now()));
        metrics.set_unclaimed_endpoints(&endpoint("b"), Some(3));
        metrics.set_rotation(&endpoint("c"), rotation(None));
        assert!(metrics.encode().unwrap().contains("deletion_blocked_seconds{kind"));
        assert!(metrics.encode().unwrap().contains("name=\"b\"} 3"));
        metrics.remove_object(&endpoint("a"));
        metrics.set_rotation(&endpoint("c"), RotationFacts::default());
        metrics.retain_objects(|object| object.name != "b");
        assert!(!metrics.encode().unwrap().contains("clinics"));
    }

    #[test]
    fn every_metric_of_the_contract_is_there_under_its_name() {
        let metrics = Metrics::new();
        metrics.provider_request("nexhealth", "list_rows", "200", Duration::from_millis(70));
        metrics.set_budget_ratio("nexhealth", "clinics/default", Some(1.5));
        metrics.throttled("nexhealth", Duration::from_millis(1500));
        metrics.reconciled(Kind::WebhookEndpoint, Outcome::InSync);
        metrics.kube_write(Kind::Secret, Verb::Patch);
        metrics.set_unconfirmed_objects(2);
        metrics.set_oldest_unreconciled(Duration::from_secs(3));
        metrics.set_leader(true);
        let monitor = ObjectKey::new(Kind::PracticeSyncMonitor, "clinics", "sunshine");
        let long_ago = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1);
        metrics.set_freshness(
            &monitor,
            Some(Freshness {
                last: [Some(long_ago), None],
                open: [Some(Duration::from_secs(60)), None],
                office_open: Some(false),
            }),
        );
        // A rotation that began in the future: its age is 0 whatever the clock says.
        metrics.set_rotation(&endpoint("intake"), rotation(Some(4_000_000_000)));
        let page = metrics.encode().unwrap();
        let live = page
            .lines()
            .find(|line| {
                line.starts_with("external_webhooks_sync_read_age_seconds{") && line.contains("clock=\"live\"")
            })
            .unwrap();
        assert!(live.rsplit(' ').next().unwrap().parse::<f64>().unwrap() >= 3600.0, "{live}");
        assert!(!page.contains("\nexternal_webhooks_sync_write_age_seconds{"), "{page}");
        for line in [
            "provider_requests_total{provider=\"nexhealth\",operation=\"list_rows\",code=\"200\"} 1",
            "provider_request_duration_seconds_bucket{le=\"0.1\",provider=\"nexhealth\",operation=\"list_rows\"} 1",
            "provider_budget_ratio{provider=\"nexhealth\",account=\"clinics/default\"} 1.0",
            "provider_throttled_seconds_total{provider=\"nexhealth\"} 1.5",
            "reconcile_total{kind=\"WebhookEndpoint\",outcome=\"in_sync\"} 1",
            "kube_writes_total{kind=\"Secret\",verb=\"patch\"} 1",
            "unconfirmed_objects 2",
            "oldest_unreconciled_seconds 3.0",
            "leader 1",
            "sync_read_age_seconds{kind=\"PracticeSyncMonitor\",namespace=\"clinics\",name=\"sunshine\",clock=\"open\"} 60.0",
            "secret_rotation_due_timestamp_seconds{kind=\"WebhookEndpoint\",namespace=\"clinics\",name=\"intake\"} 4000000000.0",
            "rotation_phase_seconds{kind=\"WebhookEndpoint\",namespace=\"clinics\",name=\"intake\",phase=\"Draining\"} 0.0",
            "office_open{kind=\"PracticeSyncMonitor\",namespace=\"clinics\",name=\"sunshine\"} 0.0",
        ] {
            assert!(page.contains(&format!("\nexternal_webhooks_{line}\n")), "{line} is not in\n{page}");
        }
        assert!(page.ends_with("# EOF\n"));
    }
}
