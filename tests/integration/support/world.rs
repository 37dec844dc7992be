//! One test's own world: a namespace on the shared cluster, a provider, an operator, and a record of everything.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};
use testbed::control_plane::{ControlPlane, Namespace};
use testbed::nexhealth::{Endpoint, Mark, Simulator};
use tokio::sync::MutexGuard;

use super::canary::{Place, leaks};
use super::logs::Logs;
use super::operator::{Operator, Settings, panics};
use super::record::{CLUSTER_ACCOUNT, KINDS, Object, Recorder};
use super::{calls, rules, shapes};

/// How long a test waits for something that must happen.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// See the module.
pub struct World {
    /// The provider.
    pub provider: Arc<Simulator>,
    /// What happened to our objects.
    pub recorder: Recorder,
    /// The shared cluster.
    pub cluster: &'static ControlPlane,
    /// A client that may do everything.
    pub client: Client,
    /// The test's own namespace.
    pub namespace: Namespace,
    /// What the next operator is started with.
    pub settings: Settings,
    /// What other providers of this test keep secret, to be asked at its end.
    pub secrets_elsewhere: Vec<Box<dyn Fn() -> Vec<String> + Send + Sync>>,
    pub(super) logs: Logs,
    /// How the next operator reaches the cluster.
    pub kubeconfig: PathBuf,
    pub(super) operator: Option<Operator>,
    /// Metrics pages of operators that have ended.
    pub(super) metrics: String,
    /// Where the operator watches the whole cluster, it is the only one that does.
    pub(super) _alone: Option<MutexGuard<'static, ()>>,
}

impl World {
    /// The API key of the usual organisation.
    pub fn api_key(&self) -> String {
        self.provider.keys().remove(0)
    }

    /// The Secret with the API key.
    pub fn secret(&self) -> Value {
        shapes::secret("nexhealth", &self.api_key())
    }

    /// An account at this world's provider.
    pub fn account(&self, name: &str) -> Value {
        shapes::account(name, &self.provider.base_url())
    }

    /// Starts the operator.
    pub fn start_operator(&mut self) {
        assert!(self.operator.is_none(), "an operator runs already");
        self.operator = Some(Operator::start(&self.kubeconfig, &self.settings, &self.logs));
    }

    /// Ends the operator as `SIGKILL` does.
    pub async fn kill_operator(&mut self) {
        let operator = self.operator.take().expect("an operator runs");
        self.metrics.push_str(&operator.metrics.encode().unwrap());
        operator.kill().await;
    }

    /// Ends the operator in an orderly way.
    pub async fn stop_operator(&mut self) {
        let operator = self.operator.take().expect("an operator runs");
        self.metrics.push_str(&operator.metrics.encode().unwrap());
        assert_eq!(operator.health.alive(), Ok(()), "alive to the end");
        if let Err(error) = operator.stop().await {
            panic!("the operator did not end well: {error}\n{}", self.report());
        }
    }

    /// Ends the operator in an orderly way, if one runs.
    pub async fn end_operator(&mut self) -> Result<(), String> {
        let Some(operator) = self.operator.take() else { return Ok(()) };
        self.metrics.push_str(&operator.metrics.encode().unwrap());
        operator.health.alive()?;
        operator.stop().await
    }

    /// Applies objects, as a user does, and waits until the record has them.
    pub async fn apply(&self, objects: impl IntoIterator<Item = Value>) {
        let mut documents = Vec::new();
        for mut object in objects {
            if object["kind"] != CLUSTER_ACCOUNT {
                object["metadata"]["namespace"] = Value::from(self.namespace.name());
            }
            if object["apiVersion"].is_null() {
                object["apiVersion"] = Value::from("external-webhooks.io/v1alpha1");
            }
            documents.push(object.to_string());
        }
        let applied = self.cluster.apply_yaml(&documents.join("\n---\n")).await.unwrap();
        for object in applied {
            let kind = object.types.map(|types| types.kind).unwrap_or_default();
            let name = object.metadata.name.unwrap_or_default();
            let version = object.metadata.resource_version.and_then(|text| text.parse().ok()).unwrap_or_default();
            if KINDS.contains(&kind.as_str()) {
                self.until("the record has what was applied", |world| world.recorder.has_seen(&kind, &name, version))
                    .await;
            }
        }
    }

    /// Asks for the deletion of an object and returns at once.
    pub async fn delete(&self, kind: &str, name: &str) {
        let gvk = GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", kind.to_lowercase()));
        let api: Api<DynamicObject> = match kind {
            CLUSTER_ACCOUNT => Api::all_with(self.client.clone(), &resource),
            _ => Api::namespaced_with(self.client.clone(), self.namespace.name(), &resource),
        };
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The metrics of the operator that runs.
    pub fn metrics_page(&self) -> String {
        self.operator.as_ref().expect("an operator runs").metrics.encode().unwrap()
    }

    /// Secrets of the namespace.
    pub fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), self.namespace.name())
    }

    /// One value of a Secret.
    pub async fn secret_value(&self, name: &str, key: &str) -> Option<String> {
        let secret = self.secrets().get_opt(name).await.unwrap()?;
        Some(String::from_utf8(secret.data?.remove(key)?.0).unwrap())
    }

    /// The remote endpoint that an object holds.
    pub fn remote_of(&self, name: &str) -> Endpoint {
        let object = self.recorder.get("WebhookEndpoint", name).unwrap();
        let id: i64 = object.status()["remoteId"].as_str().unwrap().parse().unwrap();
        let remote = self.provider.endpoints().into_iter().find(|remote| remote.id == id);
        remote.unwrap_or_else(|| panic!("endpoint {id} of {name} is not at the provider\n{}", self.report()))
    }

    /// Reasons of the Events about one object.
    pub async fn event_reasons(&self, name: &str) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.namespace.name());
        let events = events.list(&ListParams::default()).await.unwrap();
        let about = |event: &Event| event.regarding.as_ref().is_some_and(|object| object.name.as_deref() == Some(name));
        events.items.into_iter().filter(about).filter_map(|event| event.reason).collect()
    }

    /// Writes a status, as only somebody with more rights than a user can.
    pub async fn write_status(&self, kind: &str, name: &str, status: &Value) {
        let gvk = GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind);
        let resource = ApiResource::from_gvk_with_plural(&gvk, &format!("{}s", kind.to_lowercase()));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), self.namespace.name(), &resource);
        let patch = Patch::Json::<()>(
            serde_json::from_value(json!([{"op": "replace", "path": "/status", "value": status}])).unwrap(),
        );
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until the key `current` of a Secret is as wanted.
    pub async fn until_secret(&self, name: &str, holds: impl Fn(Option<&String>) -> bool) {
        let began = Instant::now();
        while !holds(self.secret_value(name, "current").await.as_ref()) {
            assert!(began.elapsed() < PATIENCE, "the Secret {name} is not as wanted\n{}", self.report());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for an Event about an object.
    pub async fn until_event(&self, name: &str, reason: &str) {
        let began = Instant::now();
        while !self.event_reasons(name).await.iter().any(|found| found == reason) {
            assert!(began.elapsed() < PATIENCE, "no Event {reason} about {name}\n{}", self.report());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Forgets the record so far and begins a new one, for a test that itself does to a status what no operator would.
    pub async fn record_anew(&mut self) {
        let known = self.recorder.latest().len();
        self.recorder = Recorder::start(&self.client, self.namespace.name());
        self.until("the new record has every object", |world| world.recorder.latest().len() == known).await;
    }

    /// Runs `kubectl` in the namespace and answers what it printed; it must succeed.
    pub async fn kubectl(&self, args: &[&str]) -> String {
        let mut command = self.cluster.kubectl();
        command.args(["--namespace", self.namespace.name()]).args(args);
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "kubectl {args:?}: {}\n{}", text(&output.stderr), self.report());
        text(&output.stdout)
    }

    /// Waits for this many further rounds of the operator's observation.
    pub async fn rounds(&self, count: usize) {
        let rounds = |world: &Self| world.provider.calls("GET", "/institutions").len();
        let before = rounds(self);
        self.until("another look at the provider", |world| rounds(world) >= before + count).await;
    }

    /// Waits until this holds; fails with everything that is known if it does not. A loaded machine is given time for as
    /// long as objects or the provider still change.
    pub async fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let (began, mut moved, mut progress) = (Instant::now(), Instant::now(), 0);
        while !holds(self) {
            let now = self.recorder.count() + self.provider.journal_len();
            if now != progress {
                (progress, moved) = (now, Instant::now());
            }
            if moved.elapsed() > PATIENCE || began.elapsed() > PATIENCE * 4 {
                panic!("not within {:?}: {what}\n{}", began.elapsed(), self.report());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until an object satisfies this.
    pub async fn wait(&self, kind: &str, name: &str, what: &str, holds: impl Fn(&Object) -> bool) -> Object {
        let found = |world: &Self| world.recorder.get(kind, name).filter(|object| holds(object));
        self.until(&format!("{kind} {name}: {what}"), |world| found(world).is_some()).await;
        found(self).unwrap_or_else(|| self.recorder.get(kind, name).expect("it was there a moment ago"))
    }

    /// Waits until an object is ready as it is declared now.
    pub async fn ready(&self, kind: &str, name: &str) -> Object {
        self.wait(kind, name, "ready", Object::is_ready).await
    }

    /// Waits until every object is ready.
    pub async fn all_ready(&self) {
        let ready = |world: &Self| world.recorder.latest().values().all(|object| object.gone || object.is_ready());
        self.until("everything ready", ready).await;
    }

    /// Waits until `Ready` says this, such as `False/Rejected`, about the present generation.
    pub async fn says(&self, kind: &str, name: &str, ready: &str) -> Object {
        let says = |object: &Object| object.is_current() && object.said("Ready") == ready;
        self.wait(kind, name, &format!("Ready is {ready}"), says).await
    }

    /// Waits until some version of an object had `Ready` say this, for what may be over before anybody looks.
    pub async fn has_said(&self, kind: &str, name: &str, ready: &str) -> Object {
        let found = |world: &Self| {
            let mut versions = world.recorder.versions().into_iter();
            versions.find(|object| object.kind == kind && object.name() == name && object.said("Ready") == ready)
        };
        self.until(&format!("{kind} {name}: Ready was {ready}"), |world| found(world).is_some()).await;
        found(self).expect("versions are never forgotten")
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, kind: &str, name: &str) {
        self.until(&format!("{kind} {name} is gone"), |world| world.recorder.get(kind, name).is_none()).await;
    }

    /// Calls since a mark that could change something, by description.
    pub fn writes(&self, since: Mark) -> BTreeMap<String, usize> {
        calls::tally(self.provider.calls_since(since).iter().filter(|call| call.is_write()))
    }

    /// Asserts exactly these changing calls since a mark, such as `[("POST row", 2)]`.
    pub fn assert_writes<'a>(&self, since: Mark, expected: impl IntoIterator<Item = (&'a str, usize)>) {
        let expected: BTreeMap<String, usize> =
            expected.into_iter().map(|(what, count)| (what.to_owned(), count)).collect();
        assert_eq!(self.writes(since), expected, "{}", self.report());
    }

    /// Whether the provider has exactly these live pairs, each once.
    pub fn has_exactly(&self, pairs: &[(&str, &str)]) -> bool {
        let mut wanted: Vec<(String, String)> =
            pairs.iter().map(|(practice, event)| ((*practice).to_owned(), (*event).to_owned())).collect();
        let live = self.provider.rows().into_iter().filter(|row| row.active);
        let mut found: Vec<(String, String)> = live.map(|row| (row.subdomain.unwrap_or_default(), row.event)).collect();
        wanted.sort();
        found.sort();
        wanted == found
    }

    /// Asserts that these pairs, live since the mark, never were without a live row and never had two.
    pub fn assert_unbroken(&self, since: Mark, pairs: &[(&str, &str)]) {
        for (practice, event) in pairs {
            let gap = self.provider.was_ever_without_live_row(practice, event, since);
            assert!(!gap, "{practice} {event} had a gap\n{}", self.report());
            let twins = self.provider.had_two_live_rows(practice, event, since);
            assert!(!twins, "{practice} {event} had two live rows\n{}", self.report());
        }
    }

    /// Everything a person wants to see of a failure.
    pub fn report(&self) -> String {
        let mut text = String::from("--- objects\n");
        for object in self.recorder.latest().values().filter(|object| !object.gone) {
            text.push_str(&format!("{} {}: {}\n", object.kind, object.name(), object.value));
        }
        text.push_str("--- calls to the provider\n");
        let calls = self.provider.ledger();
        for call in &calls[calls.len().saturating_sub(60)..] {
            let (fault, body) = (call.fault.unwrap_or_default(), call.body.as_ref().map(Value::to_string));
            let status = call.status.map_or("-".to_owned(), |status| status.to_string());
            let body = body.unwrap_or_default();
            text.push_str(&format!("{} {} {} {status} {fault} {body}\n", call.seq, call.method, call.path));
        }
        text.push_str("--- the operator's log\n");
        text.push_str(&self.logs.tail(60));
        text
    }

    /// Ends the test: the operator stops in order, and what holds for every version of every object is checked.
    pub async fn finish(mut self) {
        if self.operator.is_some() {
            let settled = |world: &Self| {
                let latest = world.recorder.latest();
                latest.values().all(|object| object.gone || object.is_current())
            };
            self.until("every status is about the present generation", settled).await;
            self.stop_operator().await;
        }
        let broken = rules::breaches(&self.recorder.versions());
        assert!(broken.is_empty(), "condition rules broken:\n{}\n{}", broken.join("\n"), self.report());
        let leaked = self.leaks().await;
        assert!(leaked.is_empty(), "secrets leaked:\n{}", leaked.join("\n"));
        let panics = panics(self.namespace.name());
        assert!(panics.is_empty(), "the operator panicked: {panics:?}");
    }

    /// Secrets found where they must not be.
    pub async fn leaks(&self) -> Vec<String> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), self.namespace.name());
        let events = events.list(&ListParams::default()).await.unwrap();
        let objects: Vec<String> = self.recorder.versions().iter().map(|object| object.value.to_string()).collect();
        let places = [
            Place { name: "objects", text: objects.join("\n") },
            Place { name: "Events", text: serde_json::to_string(&events.items).unwrap() },
            Place { name: "the log", text: self.logs.text() },
            Place { name: "/metrics", text: self.metrics.clone() },
        ];
        leaks(&self.canaries(), &places)
    }

    /// Everything that must be nowhere but in Secrets.
    fn canaries(&self) -> Vec<(&'static str, String)> {
        let mut secrets = Vec::new();
        secrets.extend(self.provider.keys().into_iter().map(|key| ("an API key", key)));
        secrets.extend(self.provider.tokens().into_iter().map(|token| ("a token", token)));
        secrets.extend(self.provider.signing_keys().into_iter().map(|key| ("a signing key", key)));
        let elsewhere = self.secrets_elsewhere.iter().flat_map(|secrets| secrets());
        secrets.extend(elsewhere.map(|secret| ("a secret of another provider", secret)));
        secrets
    }

    /// Asserts that further places are free of secrets.
    pub fn assert_nowhere(&self, places: &[(&'static str, String)]) {
        let places: Vec<Place> = places.iter().map(|(name, text)| Place { name, text: text.clone() }).collect();
        let leaked = leaks(&self.canaries(), &places);
        assert!(leaked.is_empty(), "secrets leaked:\n{}", leaked.join("\n"));
    }
}
