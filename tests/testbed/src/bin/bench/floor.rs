//! What nobody can do in less: a bare loop that sends the same calls to the provider with as many in flight, and a bare
//! client that makes the same writes to Kubernetes. Neither plans, checks or remembers anything.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::ResourceExt;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use testbed::control_plane::AuditRequest;
use testbed::nexhealth::Simulator;

use crate::Failure;
use crate::shape::{self, API_KEY, Shape};
use crate::stage::{AT_ONCE, Stage, count, told};

/// Calls in flight, as the operator's gate allows.
const IN_FLIGHT: usize = 8;

/// A bare client of the provider.
pub struct Bare {
    client: reqwest::Client,
    base: String,
    token: String,
}

impl Bare {
    /// Signs in.
    pub async fn sign_in(simulator: &Simulator) -> Result<Self, Failure> {
        let client = reqwest::Client::builder().no_proxy().build().map_err(told("the HTTP client"))?;
        let mut bare = Self { client, base: simulator.base_url(), token: API_KEY.to_owned() };
        let answer = bare.send("POST", "/authenticates", None).await?;
        bare.token = format!("Bearer {}", answer["data"]["token"].as_str().ok_or("no token")?);
        Ok(bare)
    }

    /// One call, its answer read.
    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let method = reqwest::Method::from_bytes(method.as_bytes()).map_err(told("a method"))?;
        let request = self.client.request(method, format!("{}{path}", self.base));
        let mut request = request.header("nex-api-version", "v3.0.0").header("authorization", &self.token);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(told(path))?;
        let bytes = answer.bytes().await.map_err(told(path))?;
        serde_json::from_slice(&bytes).map_err(told(path))
    }

    /// Creates a row.
    pub async fn create_row(&self, endpoint: i64, practice: &str, pair: &shape::Event) -> Result<(), Failure> {
        let path = format!("/webhook_endpoints/{endpoint}/webhook_subscriptions?subdomain={practice}");
        let body = json!({"resource_type": pair.resource_type, "event": pair.event, "active": true});
        self.send("POST", &path, Some(&body)).await.map(drop)
    }

    /// Creates an endpoint.
    pub async fn create_endpoint(&self, number: usize) -> Result<i64, Failure> {
        let body = json!({"target_url": format!("https://hooks.example.com/{number}"), "active": true});
        let made = self.send("POST", "/webhook_endpoints", Some(&body)).await?;
        made["data"]["id"].as_i64().ok_or_else(|| "an endpoint without an id".to_owned())
    }
}

/// The same calls to a provider of its own.
pub async fn provider(shape: &Shape) -> Result<Duration, Failure> {
    let simulator = Simulator::start(shape::provider(None, shape::PRACTICES)).await.map_err(told("the simulator"))?;
    let began = Instant::now();
    let bare = Bare::sign_in(&simulator).await?;
    let pairs = shape.pairs();
    let mut rows = Vec::new();
    for number in 0..shape.endpoints {
        let endpoint = bare.create_endpoint(number).await?;
        rows.extend(pairs.iter().map(|(practice, pair)| (endpoint, practice, pair)));
    }
    let calls = futures::stream::iter(rows).map(|(endpoint, practice, pair)| bare.create_row(endpoint, practice, pair));
    calls.buffer_unordered(IN_FLIGHT).try_collect::<()>().await?;
    let took = began.elapsed();
    simulator.shutdown().await;
    Ok(took)
}

/// The same writes to the same objects, which the operator has left.
pub async fn kubernetes(stage: &Stage, shape: &Shape, writes: &[AuditRequest]) -> Result<Duration, Failure> {
    let mut work = Vec::new();
    let kinds = [("WebhookEndpoint", "webhookendpoints"), ("WebhookSubscription", "webhooksubscriptions")];
    for (kind, plural) in kinds {
        let objects = stage.api(kind).list(&ListParams::default()).await.map_err(told(kind))?.items;
        let each = (count(writes, plural) as f64 / objects.len().max(1) as f64).round() as usize;
        work.extend(objects.into_iter().map(|object| (kind, object, each)));
    }
    let secrets = stage.api("Secret").list(&ListParams::default()).await.map_err(told("Secrets"))?.items;
    let secrets: Vec<DynamicObject> = secrets.into_iter().take(shape.endpoints).collect();
    let events = count(writes, "events");
    let began = Instant::now();
    let objects = futures::stream::iter(work).map(|(kind, object, each)| object_writes(stage, kind, object, each));
    objects.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    let secrets = futures::stream::iter(secrets).map(|secret| async move {
        let patch = json!({"metadata": {"annotations": {"bench": "written"}}});
        let api = stage.api("Secret");
        api.patch(&secret.name_any(), &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
    });
    secrets.buffer_unordered(AT_ONCE).try_collect::<()>().await.map_err(told("a Secret"))?;
    let api: Api<Event> = Api::namespaced(stage.client.clone(), &stage.namespace);
    let events = futures::stream::iter(0..events).map(|number| {
        let api = api.clone();
        async move {
            api.create(&PostParams::default(), &event(&stage.namespace, number)?)
                .await
                .map(drop)
                .map_err(told("an Event"))
        }
    });
    events.buffer_unordered(AT_ONCE).try_collect::<()>().await?;
    Ok(began.elapsed())
}

/// A finalizer, then the status again and again, each on the version that the write before it answered.
async fn object_writes(stage: &Stage, kind: &str, object: DynamicObject, count: usize) -> Result<(), Failure> {
    let (api, name, mut object) = (stage.api(kind), object.name_any(), object);
    for number in 0..count {
        let version = object.resource_version();
        let (status, path, value) = match number {
            0 => {
                let mut finalizers = object.finalizers().to_vec();
                finalizers.push("bench.example.com/floor".to_owned());
                (false, "/metadata/finalizers", json!(finalizers))
            }
            number => {
                let mut status = object.data["status"].clone();
                status["conditions"][0]["message"] = json!(format!("written for the {number}. time"));
                (true, "/status", status)
            }
        };
        let patch: Vec<Value> = vec![
            json!({"op": "test", "path": "/metadata/uid", "value": object.uid()}),
            json!({"op": "replace", "path": "/metadata/resourceVersion", "value": version}),
            json!({"op": "add", "path": path, "value": value}),
        ];
        let patch = serde_json::from_value(json!(patch)).map_err(told("a patch"))?;
        let (patch, params) = (Patch::<()>::Json(patch), PatchParams::default());
        object = match status {
            true => api.patch_status(&name, &params, &patch).await,
            false => api.patch(&name, &params, &patch).await,
        }
        .map_err(told(kind))?;
    }
    Ok(())
}

fn event(namespace: &str, number: usize) -> Result<Event, Failure> {
    serde_json::from_value(json!({
        "metadata": {"name": format!("floor-{number}")},
        "eventTime": k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
        "reason": "Floor", "action": "Write", "type": "Normal", "note": "created at the provider: 1",
        "reportingController": "bench.example.com/floor", "reportingInstance": "bench",
        "regarding": {"kind": "WebhookSubscription", "apiVersion": "external-webhooks.io/v1alpha1", "namespace": namespace, "name": "one"},
    }))
    .map_err(told("an Event"))
}

/// Reads everything that the operator must read at a start: our objects, and the whole remote side.
pub async fn lists(stage: &Stage, simulator: &Simulator) -> Result<Duration, Failure> {
    let began = Instant::now();
    for kind in ["ProviderAccount", "WebhookEndpoint", "WebhookSubscription"] {
        let (api, mut params) = (stage.api(kind), ListParams::default().limit(500));
        loop {
            let page = api.list(&params).await.map_err(told(kind))?;
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
    }
    let bare = Bare::sign_in(simulator).await?;
    let endpoints = bare.send("GET", "/webhook_endpoints", None).await?;
    for endpoint in endpoints["data"].as_array().into_iter().flatten() {
        bare.send("GET", &format!("/webhook_endpoints/{}/webhook_subscriptions", endpoint["id"]), None).await?;
    }
    bare.send("GET", "/institutions", None).await?;
    Ok(began.elapsed())
}
