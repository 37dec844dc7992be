//! Everything that runs besides the operator: an API server of this case's own, and the provider.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::Value;
use testbed::control_plane::{AuditRequest, ControlPlane, Mark, Options};
use testbed::nexhealth::{RateLimit, Simulator};

use crate::Failure;
use crate::operator::Operator;
use crate::ready::Ready;
use crate::shape::{self, Shape};

/// The operator's namespace, as in its RBAC.
const SYSTEM: &str = "external-webhooks-system";
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../crds");
/// Requests of the bench's own clients at the same time: as many as the operator has passes.
pub const AT_ONCE: usize = 32;
/// How long anything may take that must happen.
const PATIENCE: Duration = Duration::from_secs(600);

/// See the module.
pub struct Stage {
    pub plane: ControlPlane,
    pub simulator: Simulator,
    pub client: Client,
    pub namespace: String,
    kubeconfig: PathBuf,
    starts: u32,
}

/// Anything that can be said to a person.
pub fn told<E: std::fmt::Display>(what: &str) -> impl Fn(E) -> Failure {
    move |error| format!("{what}: {error}")
}

impl Stage {
    /// Starts it, with the account in place.
    pub async fn start(limit: Option<RateLimit>) -> Result<Self, Failure> {
        Self::start_with(limit, shape::PRACTICES).await
    }

    /// The same at a provider with this many practices.
    pub async fn start_with(limit: Option<RateLimit>, practices: usize) -> Result<Self, Failure> {
        let plane = ControlPlane::start(Options::default()).await.map_err(told("the API server"))?;
        let simulator = Simulator::start(shape::provider(limit, practices)).await.map_err(told("the simulator"))?;
        plane.install_crds(CRDS).await.map_err(told("the definitions"))?;
        plane.install_operator_rbac(SYSTEM).await.map_err(told("the rights"))?;
        let account = plane.service_account_client(SYSTEM, "external-webhooks").await;
        let (_, kubeconfig) = account.map_err(told("the ServiceAccount"))?;
        let namespace = plane.namespace("bench").await.map_err(told("the namespace"))?.name().to_owned();
        let client = plane.admin();
        let stage = Self { plane, simulator, client, namespace, kubeconfig, starts: 0 };
        for object in shape::account(&stage.simulator.base_url(), limit) {
            stage.create(object).await?;
        }
        Ok(stage)
    }

    /// Ends everything.
    pub async fn stop(self) {
        self.simulator.shutdown().await;
        self.plane.shutdown().await;
    }

    /// A client of one kind in the case's namespace.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        let (group, version, plural) = match kind {
            "Secret" => ("", "v1", "secrets".to_owned()),
            kind => ("external-webhooks.io", "v1alpha1", format!("{}s", kind.to_lowercase())),
        };
        let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural);
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource)
    }

    /// Creates one object.
    pub async fn create(&self, object: Value) -> Result<(), Failure> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        let object: DynamicObject = serde_json::from_value(object).map_err(told("an object"))?;
        self.api(&kind).create(&PostParams::default(), &object).await.map(drop).map_err(told(&kind))
    }

    /// Creates many objects.
    pub async fn create_all(&self, objects: Vec<Value>) -> Result<(), Failure> {
        let creates = futures::stream::iter(objects).map(|object| self.create(object));
        creates.buffer_unordered(AT_ONCE).try_collect().await
    }

    /// Secrets that are nobody's business, 32 KiB each.
    pub async fn foreign_secrets(&self, count: usize) -> Result<(), Failure> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "default");
        let text = "x".repeat(32 * 1024);
        let make = |number: usize| {
            let mut secret =
                Secret { string_data: Some(BTreeMap::from([("blob".to_owned(), text.clone())])), ..Secret::default() };
            secret.metadata.name = Some(format!("foreign-{number}"));
            let secrets = secrets.clone();
            async move { secrets.create(&PostParams::default(), &secret).await.map(drop) }
        };
        let creates = futures::stream::iter((0..count).map(make));
        creates.buffer_unordered(AT_ONCE).try_collect().await.map_err(told("a Secret"))
    }

    /// Starts the operator.
    pub async fn operator(&mut self) -> Result<Operator, Failure> {
        self.starts += 1;
        let log = self.plane.dir().join(format!("operator-{}.log", self.starts));
        Operator::start(&self.kubeconfig, &self.simulator.base_url(), log).await
    }

    /// Converges a shape whose objects exist already; answers how long that took from the operator's start on.
    pub async fn converge(&mut self, shape: &Shape) -> Result<(Operator, Duration), Failure> {
        let ready = Ready::start(self);
        let began = Instant::now();
        let operator = self.operator().await?;
        let reached = ready.reaches(shape.endpoints + shape.objects(), PATIENCE).await;
        reached.map_err(|error| format!("{error}\n{}", operator.log_tail()))?;
        Ok((operator, began.elapsed()))
    }

    /// Writes of the operator since a mark, its lease aside.
    pub fn writes(&self, since: Mark) -> Result<Vec<AuditRequest>, Failure> {
        let user = format!("system:serviceaccount:{SYSTEM}:");
        let requests = self.plane.audit().requests(&user, since).map_err(told("the audit log"))?;
        let reads = ["get", "list", "watch"];
        Ok(requests
            .into_iter()
            .filter(|request| !reads.contains(&request.verb.as_str()) && request.resource != "leases")
            .collect())
    }
}

/// How many of these writes concern a resource.
pub fn count(writes: &[AuditRequest], resource: &str) -> usize {
    writes.iter().filter(|write| write.resource == resource).count()
}
