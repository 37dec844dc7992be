//! From a user's request to `Ready`, one object at a time, beside a bare watch that makes the same writes and the same call.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt};
use kube::ResourceExt;
use kube::api::{DynamicObject, Patch, PatchParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::{Value, json};

use crate::Failure;
use crate::figures::{Figures, Latency};
use crate::floor::Bare;
use crate::ready::Ready;
use crate::shape::{self, Shape};
use crate::stage::{Stage, told};

const SAMPLES: usize = 30;
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures it.
pub async fn run(figures: &mut Figures) -> Result<(), Failure> {
    let mut stage = Stage::start(None).await?;
    let result = measure(&mut stage, figures).await;
    stage.stop().await;
    result
}

async fn measure(stage: &mut Stage, figures: &mut Figures) -> Result<(), Failure> {
    let shape = Shape { rows: 0, endpoints: 1, one_each: true };
    stage.create_all(shape.endpoint_objects()).await?;
    let (operator, _) = stage.converge(&shape).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let own = samples(stage, "own").await?;
    operator.stop().await?;
    let bare = Bare::sign_in(&stage.simulator).await?;
    let endpoint = bare.create_endpoint(1).await?;
    let objects = stage.api("WebhookSubscription");
    let mut events = watcher(objects, watcher::Config::default()).default_backoff().applied_objects().boxed();
    let least = async {
        while let Some(object) = events.try_next().await.map_err(told("the watch"))? {
            if object.name_any().starts_with("bare-") && object.finalizers().is_empty() {
                least(stage, &bare, endpoint, object).await?;
            }
        }
        Err("the watch ended".to_owned())
    };
    let floor = tokio::select! {
        ended = least => return ended,
        floor = samples(stage, "bare") => floor?,
    };
    let found = Latency {
        samples: SAMPLES,
        median: own[SAMPLES / 2],
        worst: own[SAMPLES - 1],
        floor_median: floor[SAMPLES / 2],
        floor_worst: floor[SAMPLES - 1],
    };
    eprintln!("      {found:?}");
    figures.latency = Some(found);
    Ok(())
}

/// Milliseconds, sorted.
async fn samples(stage: &Stage, prefix: &str) -> Result<Vec<f64>, Failure> {
    let ready = Ready::start(stage);
    let pairs = Shape { rows: SAMPLES, endpoints: 1, one_each: true }.pairs();
    let mut taken = Vec::new();
    for (number, (practice, event)) in pairs.into_iter().enumerate() {
        let name = format!("{prefix}-{number}");
        let object = shape::subscription(&name, 0, &[practice], &[event]);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let began = Instant::now();
        stage.create(object).await?;
        ready.sees("WebhookSubscription", &name, PATIENCE).await?;
        taken.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    taken.sort_by(f64::total_cmp);
    Ok(taken)
}

/// Finalizer, what is about to be applied, the call, the result.
async fn least(stage: &Stage, bare: &Bare, endpoint: i64, object: DynamicObject) -> Result<(), Failure> {
    let (api, name, params) = (stage.api("WebhookSubscription"), object.name_any(), PatchParams::default());
    let patch = |value: Value| Patch::Merge(value);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let spec = &object.data["spec"];
    let (practice, event) = (text(&spec["practices"][0]), &spec["events"][0]);
    let finalizer = patch(json!({"metadata": {"finalizers": ["external-webhooks.io/remote"]}}));
    api.patch(&name, &params, &finalizer).await.map_err(told("the finalizer"))?;
    let applied = json!({
        "endpointRemoteId": endpoint.to_string(), "scope": {"practices": [practice]}, "events": [event["event"]],
    });
    let intent = patch(json!({"status": {"observedGeneration": 1, "applied": applied}}));
    api.patch_status(&name, &params, &intent).await.map_err(told("the intent"))?;
    let path = format!("/webhook_endpoints/{endpoint}/webhook_subscriptions?subdomain={practice}");
    let body = json!({"resource_type": event["resourceType"], "event": event["event"], "active": true});
    bare.send("POST", &path, Some(&body)).await?;
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "InSync", "message": "all is as declared",
        "lastTransitionTime": k8s_openapi::jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "observedGeneration": 1,
    });
    let result =
        patch(json!({"status": {"observedGeneration": 1, "conditions": [condition], "desired": 1, "active": 1}}));
    api.patch_status(&name, &params, &result).await.map(drop).map_err(told("the result"))
}
