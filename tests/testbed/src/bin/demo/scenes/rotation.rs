//! The signing key is replaced twice while events go on happening, once with the operator killed in the middle. Receivers
//! notice nothing. With seconds instead of days: the provider here repeats what was refused for seconds, not for 48 h.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testbed::nexhealth::{Account, DeliveryOutcome, Mark, Steady, verifying};
use testbed::volume::Volume;

use super::checks::{self, Pair, SECRET};
use crate::Failure;
use crate::examples::{self, NAMESPACE, PRACTICES, pairs};
use crate::narrator::{Narrator, seconds};
use crate::stage::Stage;
use crate::watch::Watch;

/// How much later than it was written the receiver's volume shows new content. A kubelet takes up to a minute.
const LAG: Duration = Duration::from_secs(2);
/// More than [`LAG`], as anywhere.
const PUBLISH_DELAY: &str = "4s";
/// More than the last repetition of this provider (see `Stage::start`), as 49 h are more than 48 h.
const OVERLAP: &str = "6s";
/// How often something happens.
const PACE: Duration = Duration::from_millis(25);
/// Of every so many events the receiver refuses the first deliveries, though they verify.
const BUSY: (u64, usize) = (5, 2);
/// A rotation takes the two durations and some seconds.
const LIMIT: Duration = Duration::from_secs(60);

pub async fn play(narrator: &Narrator, stage: &mut Stage) -> Result<(), Failure> {
    let watch = Watch::start(&stage.control_plane.admin(), narrator.style());
    let mut scene = Rotation::begin(narrator, stage).await?;
    scene.rotate("first", None).await?;
    scene.rotate("second", Some("Publishing")).await?;
    scene.told().await?;
    scene.verdict().await?;
    drop(watch);
    Ok(())
}

struct Rotation<'a> {
    narrator: &'a Narrator,
    stage: &'a mut Stage,
    declared: Vec<Pair>,
    volume: Arc<Volume>,
    steady: Steady,
    mark: Mark,
}

impl<'a> Rotation<'a> {
    /// The examples, a receiver that has mounted the Secret, and practices at work.
    async fn begin(narrator: &'a Narrator, stage: &'a mut Stage) -> Result<Self, Failure> {
        let mut documents = examples::read(PRACTICES, &stage.simulator.base_url())?;
        for endpoint in documents.iter_mut().filter(|document| document["kind"] == "WebhookEndpoint") {
            endpoint["spec"]["signingSecret"]["rotation"] = json!({"publishDelay": PUBLISH_DELAY, "overlap": OVERLAP});
        }
        let declared = pairs(&documents);
        narrator.step(&format!("{} subscriptions, and things that happen all the time", declared.len()));
        narrator.say(&format!(
            "(spec.signingSecret.rotation: publishDelay {PUBLISH_DELAY}, overlap {OVERLAP}; this provider gives up after seconds)"
        ));
        narrator.command(&format!("kubectl apply -f {PRACTICES}"));
        narrator.output(&stage.kubectl().apply(documents).await?);
        checks::all_ready(narrator, stage).await?;
        checks::counted(narrator, stage, declared.len()).await?;
        checks::table(narrator, stage, "whe").await?;
        let volume = Arc::new(Volume::mount(stage.control_plane.admin(), NAMESPACE, SECRET, LAG));
        volume.mounted().await;
        let mounted = volume.clone();
        stage.receiver.answer_with(verifying(move || mounted.keys(), BUSY.0, BUSY.1));
        let steady = Steady::start(&stage.simulator, declared.clone(), PACE);
        let mark = stage.simulator.mark();
        narrator.done(&format!(
            "a receiver has mounted the Secret and sees changes {} late; {} events a second; it is busy for every {}th",
            seconds(LAG),
            1000 / PACE.as_millis(),
            BUSY.0
        ));
        Ok(Self { narrator, stage, declared, volume, steady, mark })
    }

    /// One rotation, from the request to the end; the operator is killed when it is in this phase.
    async fn rotate(&mut self, request: &str, killed: Option<&str>) -> Result<(), Failure> {
        let narrator = self.narrator;
        narrator.step(match killed {
            None => "Another key, now: any new requestId asks for it",
            Some(_) => "Once more, and the operator is killed in the middle",
        });
        let (from, before) = (self.only_endpoint()?, self.fingerprint());
        let patch = json!({"spec": {"signingSecret": {"rotation": {"requestId": request}}}}).to_string();
        let ask = ["patch", "whe", "intake", "-n", NAMESPACE, "--type=merge", "-p", &patch];
        narrator.output(&self.stage.kubectl().show(narrator, &ask).await?);
        narrator.say(&format!(
            "{:<11}  {:<31}  {:<22}  the receiver",
            "phase", "Secret: current, previous", "the provider"
        ));
        let (begun, mut seen, mut kill) = (Instant::now(), String::new(), killed);
        loop {
            let object = self.stage.kubectl().get(&["whe", "intake", "-n", NAMESPACE]).await?;
            let (phase, handled) = progress(&object);
            if phase != seen {
                self.line(if phase.is_empty() { "-" } else { &phase });
                seen.clone_from(&phase);
            }
            if phase.is_empty() && handled == request {
                break;
            }
            if kill.is_some_and(|wanted| wanted == phase) {
                kill = None;
                self.kill().await?;
            }
            if begun.elapsed() > LIMIT {
                return Err(format!("the rotation is still {phase:?} after {} s: {object}", LIMIT.as_secs()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        if kill.is_some() {
            return Err("nobody was killed: the scene did not show what it is for".to_owned());
        }
        let to = self.only_endpoint()?;
        if to == from || self.fingerprint() == before {
            return Err(format!("endpoint {from} or its key is still there"));
        }
        checks::published_key(self.stage, to).await?;
        checks::provider_has(self.stage, to, &self.declared)?;
        narrator.done(&format!(
            "endpoint {from} is gone, {to} has its {} subscriptions, and the Secret its key only",
            self.declared.len()
        ));
        checks::table(narrator, self.stage, "whe").await
    }

    async fn kill(&mut self) -> Result<(), Failure> {
        self.stage.kill_operator().await?;
        self.narrator.done("kill -9; nobody does anything, and events go on");
        self.stage.release_lease().await?;
        self.stage.start_operator().await?;
        self.narrator.done("another process goes on where the status says that it was");
        Ok(())
    }

    /// Where everybody stands, in one line.
    fn line(&self, phase: &str) {
        let content = self.volume.contents().pop().unwrap_or_default().fingerprints();
        let rows = |id: i64| self.stage.simulator.rows_on(id).iter().filter(|row| row.active).count();
        let remotes: Vec<String> =
            self.stage.simulator.endpoints().iter().map(|one| format!("{}:{}", one.id, rows(one.id))).collect();
        let account = self.steady.tally(&self.stage.receiver.received());
        self.narrator.say(&format!(
            "{phase:<11}  {:<15} {:<15}  {:<22}  {} verified, {} not",
            short(&content.0),
            short(&content.1),
            remotes.join(" "),
            account.accepted + account.busy,
            account.unverified
        ));
    }

    /// The phases are Events, and `Rotating` was there only while it lasted.
    async fn told(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, &*self.stage);
        narrator.step("What people were told");
        let columns = "custom-columns=REASON:.reason,NOTE:.note";
        let get = ["get", "events.events.k8s.io", "-n", NAMESPACE, "--sort-by=.eventTime", "-o", columns];
        let events = checks::eventually(stage, &get, "Rotated").await?;
        let about: Vec<&str> =
            events.lines().filter(|line| line.starts_with("Rotat") || line.starts_with("REASON")).collect();
        narrator.command(&format!("kubectl {}", get.join(" ")));
        narrator.table(&about.join("\n"));
        let object = stage.kubectl().get(&["whe", "intake", "-n", NAMESPACE]).await?;
        let conditions = object["status"]["conditions"].to_string();
        if conditions.contains("\"Rotating\"") || object["status"]["signingSecret"]["lastRotationTime"].is_null() {
            return Err(format!("the status is not at rest: {}", object["status"]));
        }
        narrator.done("an Event per phase; the ROTATED column says when; nothing else is left of it");
        Ok(())
    }

    /// Nothing lost, nothing refused for good.
    async fn verdict(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, &*self.stage);
        narrator.step("Did the receiver notice?");
        let account = self.steady.account(&stage.receiver, LIMIT).await?;
        let repeated = stage
            .simulator
            .deliveries()
            .iter()
            .filter(|one| one.attempt > 1 && matches!(one.outcome, DeliveryOutcome::Answered(200..=299)))
            .count();
        let Account { happened, twice, unverified, busy, ref lost, ref refused_for_good, .. } = account;
        narrator.say(&format!(
            "{happened} events happened; it was busy {busy} times, and {repeated} deliveries arrived when they were repeated"
        ));
        narrator.say(&format!("{unverified} deliveries did not verify when they came; {twice} came twice"));
        let summary = format!("{} refused for good, {} lost", refused_for_good.len(), lost.len());
        if !lost.is_empty() || !refused_for_good.is_empty() {
            return Err(format!("{summary}: {:?}", account.given_up));
        }
        if happened < 200 || repeated == 0 {
            return Err(format!("{happened} events and {repeated} repetitions: this shows nothing"));
        }
        let gap = self
            .declared
            .iter()
            .find(|(practice, event)| stage.simulator.was_ever_without_live_row(practice, event, self.mark));
        if let Some((practice, event)) = gap {
            return Err(format!("{event} of {practice} was without a subscription for a moment"));
        }
        narrator.done("no subscription was missing for a moment");
        narrator.done(&summary);
        Ok(())
    }

    fn fingerprint(&self) -> String {
        self.volume.contents().pop().unwrap_or_default().fingerprints().0
    }

    fn only_endpoint(&self) -> Result<i64, Failure> {
        match self.stage.simulator.endpoints().as_slice() {
            [one] => Ok(one.id),
            more => Err(format!("the provider has {} endpoints instead of one", more.len())),
        }
    }
}

/// The phase and the request that was last acted on.
fn progress(object: &Value) -> (String, String) {
    let rotation = &object["status"]["rotation"];
    let text = |field: &str| rotation[field].as_str().unwrap_or_default().to_owned();
    (text("phase"), text("lastHandledRequestId"))
}

/// A fingerprint without the name of its digest.
fn short(fingerprint: &str) -> &str {
    fingerprint.strip_prefix("sha256:").unwrap_or(fingerprint)
}
