//! A practice goes dark while it is open, comes back, and goes dark at night: one alarm, not two. With seconds instead of
//! minutes in the spec, and the simulator's times.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use testbed::nexhealth::SyncTime;

use super::checks::{self, PRACTICE, SOON};
use crate::Failure;
use crate::examples::{self, MORE, NAMESPACE, PRACTICES};
use crate::narrator::{Narrator, seconds};
use crate::stage::Stage;
use crate::watch::Watch;

/// The practice that nothing happens to.
const OTHER: &str = "lakeside-dental";
/// Of the monitors here.
const STALE_AFTER: Duration = Duration::from_secs(15);
const READING: &str =
    r#"jsonpath={range .status.conditions[?(@.type=="ReadHealthy")]}{.status} {.reason}: {.message}{"\n"}{end}"#;
const TABLE: &str = "practicesyncmonitors";

pub async fn play(narrator: &Narrator, stage: &mut Stage) -> Result<(), Failure> {
    let watch = Watch::start(&stage.control_plane.admin(), narrator.style());
    let scene = Monitor { narrator, stage };
    scene.fresh()?;
    scene.declare().await?;
    scene.dark().await?;
    scene.back().await?;
    scene.night().await?;
    scene.cost()?;
    drop(watch);
    Ok(())
}

struct Monitor<'a> {
    narrator: &'a Narrator,
    stage: &'a Stage,
}

impl Monitor<'_> {
    fn sync(&self, practice: &str, at: SyncTime) -> Result<(), Failure> {
        let both = |sync: &mut testbed::nexhealth::SyncSource| {
            sync.read_status_at = at.clone();
            sync.write_status_at = at;
        };
        let there = self.stage.simulator.edit_sync(practice, both);
        if there { Ok(()) } else { Err(format!("the simulator has no practice {practice}")) }
    }

    /// Every practice was read a second ago, whenever one looks.
    fn fresh(&self) -> Result<(), Failure> {
        [PRACTICE, OTHER, "hilltop-dental"]
            .iter()
            .try_for_each(|practice| self.sync(practice, SyncTime::Ago(Duration::from_secs(1))))
    }

    async fn declare(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("An account, and monitors of two practices on shared office hours: always open, for now");
        let wanted = ["Namespace", "Secret", "ProviderAccount"];
        let mut documents = examples::read(PRACTICES, &stage.simulator.base_url())?;
        documents.retain(|document| wanted.iter().any(|kind| document["kind"] == *kind));
        for account in documents.iter_mut().filter(|document| document["kind"] == "ProviderAccount") {
            account["spec"]["syncStatusInterval"] = json!("5s");
        }
        documents.push(hours(
            "timeZone: UTC\nweekly: [{days: [Mon, Tue, Wed, Thu, Fri, Sat, Sun], open: \"00:00\", close: \"24:00\"}]",
        ));
        documents.extend([monitor("sunshine", PRACTICE), monitor("lakeside", OTHER)]);
        narrator.command("kubectl apply -f account.yaml -f office-hours.yaml -f monitors.yaml");
        narrator.output(&stage.kubectl().apply(documents).await?);
        for file in ["monitor.yaml", "monitor-fleet.yaml"] {
            stage.kubectl().dry_run(narrator, &format!("{MORE}/{file}")).await?;
        }
        self.reads("sunshine", "True Green").await?;
        self.reads("lakeside", "True Green").await?;
        checks::table(narrator, stage, TABLE).await?;
        narrator.done("both are Green: what was read of them is fresh");
        Ok(())
    }

    /// Waits until reading is judged so, and shows it.
    async fn reads(&self, name: &str, wanted: &str) -> Result<String, Failure> {
        checks::eventually(self.stage, &["get", "psm", name, "-n", NAMESPACE, "-o", READING], wanted).await
    }

    async fn dark(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("The server of sunshine-dental is switched off while the practice is open");
        self.sync(PRACTICE, SyncTime::At(Timestamp::now()))?;
        narrator.say(&format!("its times stand still from now on; staleAfter is {} s here", STALE_AFTER.as_secs()));
        let began = Instant::now();
        let said = self.reads("sunshine", "False Stale").await?;
        let took = began.elapsed();
        narrator.table(&said);
        if took < STALE_AFTER {
            return Err(format!("it was called stale after {}", seconds(took)));
        }
        checks::table(narrator, stage, TABLE).await?;
        let events = ["get", "events", "-n", NAMESPACE, "--field-selector", "involvedObject.name=sunshine"];
        checks::eventually(stage, &events, "Stale").await?;
        let (read, lake) =
            (self.metric("sunshine", "sync_read_age_seconds").await?, self.reads("lakeside", "True Green").await?);
        narrator.say(&format!("sync_read_age_seconds is {read:.0}; at lakeside-dental: {}", lake.trim()));
        narrator.done(&format!(
            "ReadHealthy turned False after {}, with an Event; Ready stays True, so that no rollout waits",
            seconds(took)
        ));
        Ok(())
    }

    async fn back(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("The server is on again");
        self.sync(PRACTICE, SyncTime::Ago(Duration::from_secs(1)))?;
        let began = Instant::now();
        self.reads("sunshine", "True Green").await?;
        checks::table(narrator, stage, TABLE).await?;
        narrator.done(&format!(
            "Green after {}: good for `recover` first, so that it does not flicker",
            seconds(began.elapsed())
        ));
        Ok(())
    }

    async fn night(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("Night: the shared hours say closed, and the server goes off as every evening");
        narrator.command("kubectl apply -f office-hours.yaml");
        let closed =
            hours(&format!("timeZone: UTC\nweekly: [{{days: [{}], open: \"11:00\", close: \"13:00\"}}]", not_today()));
        narrator.output(&stage.kubectl().apply(vec![closed]).await?);
        let deadline = Instant::now() + SOON;
        while self.metric("sunshine", "office_open").await? > 0.0 {
            if Instant::now() > deadline {
                return Err("office_open did not turn 0 after the edit of the ConfigMap".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        narrator.say("office_open is 0: the edit was noticed at once, for both monitors");
        let before = self.version().await?;
        self.sync(PRACTICE, SyncTime::At(Timestamp::now()))?;
        tokio::time::sleep(STALE_AFTER + Duration::from_secs(8)).await;
        let said = self.reads("sunshine", "").await?;
        let age = self.metric("sunshine", "sync_read_age_seconds").await?;
        if !said.starts_with("True Green") || age < STALE_AFTER.as_secs_f64() {
            return Err(format!("at night it said {said} at an age of {age:.0} s"));
        }
        if self.version().await? != before {
            return Err("the object was written while nothing had changed".to_owned());
        }
        narrator.table(&said);
        narrator.done(&format!(
            "{age:.0} s old by the wall clock, and nobody is called out of bed: no open time has passed"
        ));
        Ok(())
    }

    /// One call serves all.
    fn cost(&self) -> Result<(), Failure> {
        let calls: Vec<_> = self.stage.simulator.calls("GET", "/sync_status");
        let (Some(first), Some(last)) = (calls.first(), calls.last()) else { return Err("nobody asked".to_owned()) };
        let span = last.at.duration_since(first.at).as_secs_f64();
        let most = span / 4.5 + 1.5;
        if calls.len() as f64 > most {
            return Err(format!("{} calls in {span:.0} s, at most {most:.0}", calls.len()));
        }
        self.narrator.done(&format!(
            "GET /sync_status was called {} times in {span:.0} s: once per 5 s, for all monitors",
            calls.len()
        ));
        Ok(())
    }

    async fn version(&self) -> Result<Value, Failure> {
        let object = self.stage.kubectl().get(&["psm", "sunshine", "-n", NAMESPACE]).await?;
        Ok(object["metadata"]["resourceVersion"].clone())
    }

    /// A metric of a monitor; of ages, the live one.
    async fn metric(&self, monitor: &str, name: &str) -> Result<f64, Failure> {
        let page = self.stage.operator()?.page("/metrics").await?;
        let (begin, label) = (format!("external_webhooks_{name}{{"), format!("name=\"{monitor}\""));
        let mut lines = page.lines().filter(|line| line.starts_with(&begin) && line.contains(&label));
        let line = lines.find(|line| !line.contains("clock=\"open\""));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        value.ok_or_else(|| format!("there is no metric {name} of {monitor}"))
    }
}

fn hours(text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "office", "namespace": NAMESPACE},
        "data": {"hours": text},
    })
}

fn monitor(name: &str, practice: &str) -> Value {
    let limit = json!({"staleAfter": format!("{}s", STALE_AFTER.as_secs())});
    json!({
        "apiVersion": "external-webhooks.io/v1alpha1", "kind": "PracticeSyncMonitor",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "practice": practice, "read": limit, "write": limit, "confirm": "5s", "recover": "5s",
            "officeHoursFrom": {"configMapRef": {"name": "office", "key": "hours"}},
        },
    })
}

/// A day of the week that is far from now.
fn not_today() -> String {
    (Timestamp::now() + SignedDuration::from_hours(3 * 24)).to_zoned(TimeZone::UTC).strftime("%a").to_string()
}
