//! The main path: YAML in, signed events out, and nothing left behind.

use std::time::Instant;

use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::json;
use sha2::{Digest, Sha256};
use testbed::nexhealth::Row;

use super::checks::{self, EVENT, OBSERVED, PRACTICE, Pair, SECRET, SOON, calls, check_signature, writes};
use crate::Failure;
use crate::examples::{self, MORE, NAMESPACE, PRACTICES, pairs};
use crate::narrator::{Narrator, seconds};
use crate::stage::Stage;
use crate::watch::Watch;

pub async fn play(narrator: &Narrator, stage: &mut Stage) -> Result<(), Failure> {
    let scene = Main { narrator, stage };
    let watch = Watch::start(&stage.control_plane.admin(), narrator.style());
    let mut declared = scene.declare().await?;
    let key = scene.secret().await?;
    scene.deliver(&key, "/nexhealth").await?;
    scene.heal(&declared).await?;
    scene.edit(&mut declared, &key).await?;
    scene.more().await?;
    scene.no_leak(&key).await?;
    scene.delete_one(&mut declared).await?;
    scene.delete_all().await?;
    drop(watch);
    Ok(())
}

struct Main<'a> {
    narrator: &'a Narrator,
    stage: &'a Stage,
}

impl Main<'_> {
    /// The examples, until every condition is true and the provider has exactly what they declare.
    async fn declare(&self) -> Result<Vec<Pair>, Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        let documents = examples::read(PRACTICES, &stage.simulator.base_url())?;
        let declared = pairs(&documents);
        narrator.step(&format!("Three practices, {} subscriptions, declared in YAML", declared.len()));
        narrator.say("(spec.baseUrl of the account leads to the simulator; all else is as in examples/)");
        let mark = stage.simulator.mark();
        narrator.command(&format!("kubectl apply -f {PRACTICES}"));
        let applied = stage.kubectl().apply(documents).await?;
        narrator.output(&applied);
        self.all_ready().await?;
        self.provider_has(&declared)?;
        let endpoints = stage.simulator.endpoints().len();
        narrator.done(&format!(
            "the provider has {endpoints} endpoint and exactly the {} declared subscriptions, each once",
            declared.len()
        ));
        narrator.say(&format!("calls that took: {}", calls(&stage.simulator.calls_since(mark))));
        checks::counted(narrator, stage, declared.len()).await?;
        self.table("hooks").await?;
        Ok(declared)
    }

    /// The signing key, from provider to Secret. Only its fingerprint is printed.
    async fn secret(&self) -> Result<String, Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("The signing key is in a Secret, for receivers to mount");
        let described = stage.kubectl().show(narrator, &["describe", "secret", SECRET, "-n", NAMESPACE]).await?;
        narrator.table(&without_empty_lines(&described));
        let current = checks::published_key(stage, self.endpoint_id()?).await?;
        let secret = stage.kubectl().get(&["secret", SECRET, "-n", NAMESPACE]).await?;
        let shown = &secret["metadata"]["annotations"]["external-webhooks.io/fingerprint"];
        let fingerprint = format!("sha256:{}", hex::encode(&Sha256::digest(&current)[..4]));
        if shown != &json!(fingerprint) {
            return Err(format!("the Secret's fingerprint is {shown}, not {fingerprint}"));
        }
        narrator.done("\"current\" is the key that the provider signs with, and the fingerprint is its own");
        Ok(current)
    }

    /// One event, from the practice to the receiver, and whether the Secret proves who sent it.
    async fn deliver(&self, key: &str, path: &str) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("Somebody books an appointment");
        let event = checks::emit(stage, path).await?;
        narrator.say(&format!("POST {path}  {} of {}", event.event_name(), event.json()["subdomain"]));
        narrator.say(&format!("timestamp: {}", event.timestamp.clone().unwrap_or_default()));
        narrator.say(&format!("signature: {}", event.signature.clone().unwrap_or_default()));
        check_signature(&event, key)?;
        narrator
            .done("the receiver verifies it with the Secret; changed by one byte, or with another key, it does not");
        Ok(())
    }

    /// Somebody deletes a subscription in the provider's portal.
    async fn heal(&self, declared: &[Pair]) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("Somebody deletes a subscription at the provider, behind the operator's back");
        let lost = self.row(PRACTICE, EVENT.1)?;
        if !stage.simulator.edit().delete_row(lost.id) {
            return Err(format!("the simulator has no subscription {}", lost.id));
        }
        let begun = Instant::now();
        narrator.say(&format!("{} of {PRACTICE} (id {}) is gone there", EVENT.1, lost.id));
        narrator.say("the operator would see it within observeInterval; an annotation asks it to look now");
        let now = k8s_openapi::jiff::Timestamp::now();
        let annotation = format!("external-webhooks.io/reconcile-requested-at={now}");
        let ask = ["annotate", "provideraccount", "default", "-n", NAMESPACE, "--overwrite", &annotation];
        stage.kubectl().show(narrator, &ask).await?;
        let healed = stage.until(OBSERVED, |_| self.provider_has(declared)).await;
        healed.map_err(|failure| format!("the subscription was not made again: {failure}"))?;
        let row = self.row(PRACTICE, EVENT.1)?;
        narrator.done(&format!(
            "it is there again (id {}), {} later, and nothing twice",
            row.id,
            seconds(begun.elapsed())
        ));
        let fields = "custom-columns=TYPE:.type,REASON:.reason,OBJECT:.regarding.name,NOTE:.note";
        let selector = "reason=SubscriptionMissing";
        let events = ["get", "events.events.k8s.io", "-n", NAMESPACE, "--field-selector", selector, "-o", fields];
        let found = checks::eventually(stage, &events, "SubscriptionMissing").await?;
        narrator.output(&found);
        Ok(())
    }

    /// An edit changes what is there; it never replaces it.
    async fn edit(&self, declared: &mut Vec<Pair>, key: &str) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("An edit: another path, one more event");
        let (mark, before) = (stage.simulator.mark(), self.endpoint_id()?);
        let path = r#"{"spec":{"targetUrl":"https://hooks.example.com/v2/nexhealth"}}"#;
        let add = r#"[{"op":"add","path":"/spec/events/-","value":{"event":"document_insertion"}}]"#;
        let kubectl = stage.kubectl();
        kubectl
            .show(narrator, &["patch", "webhookendpoint", "intake", "-n", NAMESPACE, "--type=merge", "-p", path])
            .await?;
        kubectl
            .show(narrator, &["patch", "webhooksubscription", PRACTICE, "-n", NAMESPACE, "--type=json", "-p", add])
            .await?;
        declared.push((PRACTICE.to_owned(), "document_insertion".to_owned()));
        self.all_ready().await?;
        stage.until(SOON, |_| self.provider_has(declared)).await?;
        let gap = declared
            .iter()
            .filter(|(practice, event)| event != "document_insertion" || practice != PRACTICE)
            .find(|(practice, event)| stage.simulator.was_ever_without_live_row(practice, event, mark));
        if let Some((practice, event)) = gap {
            return Err(format!("{event} of {practice} was without a subscription for a moment"));
        }
        if self.endpoint_id()? != before {
            return Err("the endpoint was replaced instead of changed".to_owned());
        }
        check_signature(&checks::emit(stage, "/v2/nexhealth").await?, key)?;
        narrator.done("the same remote endpoint and key, events at the new path, no subscription missing for a moment");
        narrator.say(&format!("writes that took: {}", writes(stage, mark)));
        Ok(())
    }

    /// Every other example.
    async fn more(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("All practices at once, and events that belong to none");
        let base_url = stage.simulator.base_url();
        for file in ["all-practices.yaml", "account-wide.yaml"] {
            let path = format!("{MORE}/{file}");
            narrator.command(&format!("kubectl apply -f {path}"));
            narrator.output(&stage.kubectl().apply(examples::read(&path, &base_url)?).await?);
        }
        for file in ["orphan.yaml", "rotation-scheduled.yaml", "rotation-on-request.yaml"] {
            stage.kubectl().dry_run(narrator, &format!("{MORE}/{file}")).await?;
        }
        self.all_ready().await?;
        self.table("webhooksubscriptions").await?;
        let onboarding = stage.simulator.rows().iter().filter(|row| row.subdomain.is_none()).count();
        let everywhere = stage.simulator.endpoints().last().map(|last| stage.simulator.rows_on(last.id).len());
        if (onboarding, everywhere) != (2, Some(6)) {
            return Err(format!("expected 2 account-wide rows and 6 for all practices: {onboarding}, {everywhere:?}"));
        }
        narrator.done("two events for each of three practices, and two of the account");
        Ok(())
    }

    /// Key material is in Secrets and nowhere else.
    async fn no_leak(&self, key: &str) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("Keys are in Secrets and nowhere else");
        let operator = stage.operator()?;
        let objects =
            stage.kubectl().quiet(&["get", "hooks,events", "-A", "-o", "yaml", "--show-managed-fields"]).await?;
        let places =
            [("objects and Events", objects), ("log", operator.log()), ("metrics", operator.page("/metrics").await?)];
        for (place, text) in &places {
            for (name, secret) in [("API key", stage.api_key.as_str()), ("signing key", key)] {
                if text.contains(secret) || text.contains(&BASE64_STANDARD.encode(secret)) {
                    return Err(format!("the {name} is in the operator's {place}"));
                }
            }
        }
        let size: usize = places.iter().map(|(_, text)| text.len()).sum();
        narrator.done(&format!("searched {} kB of status, Events, logs and metrics for both keys: none", size / 1000));
        Ok(())
    }

    /// One object less.
    async fn delete_one(&self, declared: &mut Vec<Pair>) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("One practice leaves");
        let kept = self.rows_of(|row| row.subdomain.as_deref() != Some("lakeside-dental"));
        let delete = ["delete", "webhooksubscription", "lakeside-dental", "-n", NAMESPACE, "--timeout=30s"];
        narrator.output(&stage.kubectl().show(narrator, &delete).await?);
        declared.retain(|(practice, _)| practice != "lakeside-dental");
        self.provider_has(declared)?;
        if self.rows_of(|row| row.subdomain.as_deref() != Some("lakeside-dental")) != kept {
            return Err("subscriptions of other practices were touched".to_owned());
        }
        narrator.done("its 12 subscriptions are gone before the object is; the others are untouched");
        Ok(())
    }

    /// Everything, in whatever order Kubernetes deletes it.
    async fn delete_all(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("The namespace is deleted, with the account and its API key in it");
        narrator
            .say("(finalizers keep the key until nothing at the provider needs it; Kubernetes itself takes its time)");
        let mark = stage.simulator.mark();
        stage.kubectl().show(narrator, &["delete", "namespace", NAMESPACE, "--timeout=60s"]).await?;
        let (endpoints, rows) = (stage.simulator.endpoints().len(), stage.simulator.rows().len());
        if (endpoints, rows) != (0, 0) {
            return Err(format!("the provider still has {endpoints} endpoints and {rows} subscriptions"));
        }
        narrator.done("the namespace is gone, and the provider is empty: 0 endpoints, 0 subscriptions");
        narrator.say(&format!("writes that took: {}", writes(stage, mark)));
        Ok(())
    }

    async fn all_ready(&self) -> Result<(), Failure> {
        checks::all_ready(self.narrator, self.stage).await
    }

    async fn table(&self, kinds: &str) -> Result<(), Failure> {
        checks::table(self.narrator, self.stage, kinds).await
    }

    /// Exactly these pairs on the first endpoint, each once and live.
    fn provider_has(&self, declared: &[Pair]) -> Result<(), Failure> {
        checks::provider_has(self.stage, self.endpoint_id()?, declared)
    }

    fn endpoint_id(&self) -> Result<i64, Failure> {
        let first = self.stage.simulator.endpoints().first().map(|endpoint| endpoint.id);
        first.ok_or_else(|| "the provider has no endpoint".to_owned())
    }

    fn row(&self, practice: &str, event: &str) -> Result<Row, Failure> {
        let wanted = |row: &Row| row.subdomain.as_deref() == Some(practice) && row.event == event;
        let found = self.stage.simulator.rows().into_iter().find(wanted);
        found.ok_or_else(|| format!("the provider has no subscription for {event} of {practice}"))
    }

    fn rows_of(&self, wanted: impl Fn(&Row) -> bool) -> Vec<i64> {
        self.stage.simulator.rows().iter().filter(|row| wanted(row)).map(|row| row.id).collect()
    }
}

fn without_empty_lines(text: &str) -> String {
    text.lines().filter(|line| !line.trim().is_empty()).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_declare_a_dozen_events_for_each_of_three_practices() {
        let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../", "examples/three-practices");
        let documents = examples::read(root, "http://127.0.0.1:1").unwrap();
        let declared = pairs(&documents);
        for practice in testbed::nexhealth::SimConfig::SUBDOMAINS {
            let own: Vec<&Pair> = declared.iter().filter(|pair| pair.0 == practice).collect();
            assert_eq!(own.len(), 12, "{practice}");
            assert!(own.iter().any(|pair| pair.1.starts_with("sync_status_")));
        }
    }
}
