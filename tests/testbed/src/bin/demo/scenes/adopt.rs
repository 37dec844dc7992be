//! What somebody made by hand is taken over: nothing of it is changed, and what is not ours is left alone.

use std::time::{Duration, Instant};

use serde_json::Value;
use testbed::nexhealth::{Actor, Call, Change, Endpoint, Entry, Mark, Row, SimConfig, catalogue};

use super::checks::{self, OBSERVED, PRACTICE, Pair, check_signature};
use crate::Failure;
use crate::examples::{self, NAMESPACE, PRACTICES, pairs};
use crate::narrator::{Narrator, seconds};
use crate::stage::Stage;
use crate::watch::Watch;

/// The examples' target URL.
const TARGET: &str = "https://hooks.example.com/nexhealth";
/// Another system's.
const FOREIGN: &str = "https://reports.example.com/nightly";
/// What somebody subscribed by hand and nobody declares, at each of two practices.
const UNDECLARED: (&str, &str) = ("Document", "document_insertion");
/// The practice whose object only reports it.
const OTHER_PRACTICE: &str = "lakeside-dental";
/// Declared subscriptions that were forgotten by hand.
const FORGOTTEN: usize = 5;
/// Prints the endpoints that no object holds.
const UNCLAIMED: &str = r#"jsonpath={range .status.unclaimed[*]}{.id}  {.targetUrl}{"\n"}{end}"#;
/// Two lists are an observeInterval apart, which is 30 s here; a list may come a tenth earlier.
const APART: Duration = Duration::from_secs(27);

pub async fn play(narrator: &Narrator, stage: &mut Stage) -> Result<(), Failure> {
    let watch = Watch::start(&stage.control_plane.admin(), narrator.style());
    let documents = examples::read(PRACTICES, &stage.simulator.base_url())?;
    let declared = pairs(&documents);
    let scene = Adopt::by_hand(narrator, stage, declared)?;
    scene.refused(documents).await?;
    scene.planned().await?;
    scene.adopted().await?;
    scene.pruned().await?;
    scene.left_alone().await?;
    drop(watch);
    Ok(())
}

struct Adopt<'a> {
    narrator: &'a Narrator,
    stage: &'a Stage,
    declared: Vec<Pair>,
    ours: Endpoint,
    foreign: Endpoint,
    /// The rows of both, made by hand.
    rows: Vec<Row>,
    mark: Mark,
}

impl<'a> Adopt<'a> {
    /// Months ago, in the provider's portal.
    fn by_hand(narrator: &'a Narrator, stage: &'a Stage, declared: Vec<Pair>) -> Result<Self, Failure> {
        narrator.step("Before: somebody made two endpoints by hand, in the provider's portal");
        let portal = stage.simulator.edit();
        let ours = portal.create_endpoint(SimConfig::ORGANISATION, TARGET);
        let foreign = portal.create_endpoint(SimConfig::ORGANISATION, FOREIGN);
        let subscribe = |endpoint: i64, practice: &str, event: &str| {
            let kind = catalogue::pairs().find(|pair| pair.event == event).map(|pair| pair.resource_type);
            let row = kind.and_then(|kind| portal.create_row(endpoint, practice, kind, event));
            row.ok_or_else(|| format!("the simulator cannot subscribe {event} of {practice}"))
        };
        let known = declared.len().saturating_sub(FORGOTTEN);
        let mut rows = Vec::new();
        for (practice, event) in &declared[..known] {
            rows.push(subscribe(ours.id, practice, event)?);
        }
        for practice in [PRACTICE, OTHER_PRACTICE] {
            rows.push(subscribe(ours.id, practice, UNDECLARED.1)?);
        }
        let strange = subscribe(foreign.id, PRACTICE, "patient_created")?;
        let mine = rows.len();
        rows.push(strange);
        let line = |endpoint: &Endpoint, text: &str| format!("{}  {:<40} {text}", endpoint.id, endpoint.target_url);
        let all = declared.len();
        let what = format!("{mine} subscriptions: {known} of the {all} that git will declare, 2 that it will not");
        narrator.table(&line(&ours, &what));
        narrator.table(&line(&foreign, "1 subscription: another system's"));
        let mark = stage.simulator.mark();
        Ok(Self { narrator, stage, declared, ours, foreign, rows, mark })
    }

    /// By default nothing is taken over, and nothing is made beside it.
    async fn refused(&self, documents: Vec<Value>) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("The same URL is declared in git: it is not taken over unasked, and not made twice");
        narrator.command(&format!("kubectl apply -f {PRACTICES}"));
        let applied = stage.kubectl().apply(documents).await?;
        narrator.output(&applied);
        let fields = r#"jsonpath={range .status.conditions[?(@.type=="Ready")]}{.reason}: {.message}{"\n"}{end}"#;
        let get = ["get", "whe", "intake", "-n", NAMESPACE, "-o", fields];
        checks::eventually(stage, &get, "RemoteExists").await?;
        let said = stage.kubectl().show(narrator, &get).await?;
        narrator.table(&said);
        let named = [&format!("endpoint {} ", self.ours.id), "spec.adoptRemoteId", "spec.adoption"];
        if let Some(missing) = named.iter().find(|name| !said.contains(**name)) {
            return Err(format!("the message does not name {missing:?}"));
        }
        self.nothing_written()?;
        narrator.done("it names the id and the field that would adopt it; not one write at the provider");
        let account = ["get", "pacct", "default", "-n", NAMESPACE, "-o", UNCLAIMED];
        checks::eventually(stage, &account, FOREIGN).await?;
        let unclaimed = stage.kubectl().show(narrator, &account).await?;
        narrator.table(&unclaimed);
        if !unclaimed.contains(TARGET) || unclaimed.lines().count() != 2 {
            return Err("the account should list both endpoints as unclaimed".to_owned());
        }
        narrator.done("the account lists every endpoint that no object holds");
        Ok(())
    }

    /// A rehearsal.
    async fn planned(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("A rehearsal: what would adoption do?");
        self.patch("pacct", "default", r#"{"spec":{"managementPolicy":"Observe"}}"#).await?;
        self.patch("whe", "intake", r#"{"spec":{"adoption":"IfUnclaimed"}}"#).await?;
        let lines = r#"jsonpath={range .status.plan[*]}{@}{"\n"}{end}"#;
        let get = ["get", "whe", "intake", "-n", NAMESPACE, "-o", lines];
        checks::eventually(stage, &get, &format!("adopt remote endpoint {}", self.ours.id)).await?;
        let plan = stage.kubectl().show(narrator, &get).await?;
        narrator.table(&plan);
        if plan.contains("create") || plan.contains("change") {
            return Err("the plan should be to adopt, and no more".to_owned());
        }
        self.nothing_written()?;
        narrator.done("status.plan says it; still not one write at the provider");
        Ok(())
    }

    /// The take-over: the key is published, what is missing is added, the rest stays as it is.
    async fn adopted(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("Now for real");
        self.patch("pacct", "default", r#"{"spec":{"managementPolicy":"Manage"}}"#).await?;
        let wait = format!("--for=jsonpath={{.status.remoteId}}={}", self.ours.id);
        stage.kubectl().show(narrator, &["wait", &wait, "whe/intake", "-n", NAMESPACE, "--timeout=30s"]).await?;
        checks::all_ready(narrator, stage).await?;
        let key = checks::published_key(stage, self.ours.id).await?;
        check_signature(&checks::emit(stage, "/nexhealth").await?, &key)?;
        narrator.done("the Secret holds the key that it has always signed with; an event verifies");
        let calls = checks::written(stage, self.mark);
        let new_row = |call: &&Call| call.method == "POST" && call.subscription_id.is_some();
        if (calls.iter().filter(new_row).count(), calls.len()) != (FORGOTTEN, FORGOTTEN) {
            return Err(format!(
                "expected {FORGOTTEN} new subscriptions and no other write: {}",
                checks::calls(&calls)
            ));
        }
        self.unchanged(|_| true)?;
        narrator.done(&format!(
            "endpoint {} and everything on it is as it was; the {FORGOTTEN} forgotten subscriptions are added",
            self.ours.id
        ));
        narrator.say(&format!("writes that took: {}", checks::calls(&calls)));
        Ok(())
    }

    /// What nobody declares is reported, and deleted only where an object says so.
    async fn pruned(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("Two subscriptions on it that nobody declares: reported, or deleted on request");
        self.patch("webhooksubscription", PRACTICE, r#"{"spec":{"undeclared":"Delete"}}"#).await?;
        let asked = Instant::now();
        let fields = r"jsonpath={.status.subscriptions}";
        let get = ["get", "whe", "intake", "-n", NAMESPACE, "-o", fields];
        checks::eventually(stage, &get, r#""undeclared":2"#).await?;
        let counts = stage.kubectl().show(narrator, &get).await?;
        narrator.table(&counts);
        narrator.say("(deleted only when two lists, an observeInterval of 30 s apart, show that nobody declares it)");
        let stray = self.stray(PRACTICE)?;
        let gone = |stage: &Stage| {
            let there = stage.simulator.rows().iter().any(|row| row.id == stray);
            if there { Err(format!("subscription {stray} is still there")) } else { Ok(()) }
        };
        let mut wait = APART.saturating_sub(asked.elapsed());
        while stage.until(wait, gone).await.is_err() {
            if asked.elapsed() > OBSERVED {
                return Err(format!("subscription {stray} is still there, {} later", seconds(asked.elapsed())));
            }
            narrator.say("(the next list comes within another interval; an annotation asks for it now)");
            let now = k8s_openapi::jiff::Timestamp::now();
            let annotation = format!("external-webhooks.io/reconcile-requested-at={now}");
            let ask = ["annotate", "webhooksubscription", PRACTICE, "-n", NAMESPACE, "--overwrite", &annotation];
            stage.kubectl().show(narrator, &ask).await?;
            // A list may still be a moment too early to count.
            wait = Duration::from_secs(4);
        }
        self.two_lists(stray)?;
        let note = "custom-columns=TYPE:.type,REASON:.reason,OBJECT:.regarding.name,NOTE:.note";
        let events = ["get", "events.events.k8s.io", "-n", NAMESPACE, "--field-selector", "reason=Pruned", "-o", note];
        let found = checks::eventually(stage, &events, "Pruned").await?;
        narrator.output(&found);
        let kept = self.stray(OTHER_PRACTICE)?;
        let mut wanted = self.declared.clone();
        wanted.push((OTHER_PRACTICE.to_owned(), UNDECLARED.1.to_owned()));
        checks::provider_has(stage, self.ours.id, &wanted)?;
        narrator.done(&format!(
            "{} of {PRACTICE} (id {stray}) is deleted; that of {OTHER_PRACTICE} (id {kept}) is reported and stays",
            UNDECLARED.1
        ));
        checks::eventually(stage, &get, r#""undeclared":1"#).await?;
        let counts = stage.kubectl().show(narrator, &get).await?;
        narrator.table(&counts);
        Ok(())
    }

    /// rules.md *Pairs*: the DELETE of this row followed two lists, an observeInterval apart.
    fn two_lists(&self, stray: i64) -> Result<(), Failure> {
        let calls = self.stage.simulator.calls_since(self.mark);
        let deleted = calls.iter().position(|call| call.method == "DELETE" && call.subscription_id == Some(stray));
        let path = format!("/webhook_endpoints/{}/webhook_subscriptions", self.ours.id);
        let before = calls.iter().take(deleted.ok_or("nobody deleted it")?);
        let mut lists = before.filter(|call| call.method == "GET" && call.path == path).map(|call| call.at);
        let first = lists.next().ok_or("it was deleted without a list")?;
        let apart = lists.next_back().map(|last| last.duration_since(first).unsigned_abs());
        match apart {
            Some(apart) if apart + Duration::from_millis(500) >= APART => {
                self.narrator.done(&format!("deleted after a list, and another {} later", seconds(apart)));
                Ok(())
            }
            _ => Err("it was deleted before two lists an interval apart".to_owned()),
        }
    }

    /// All that was written, and that the other system's endpoint is no part of it.
    async fn left_alone(&self) -> Result<(), Failure> {
        let (narrator, stage) = (self.narrator, self.stage);
        narrator.step("What the operator changed at the provider, all in all");
        let stray = self.stray(PRACTICE)?;
        self.unchanged(|row| row.id != stray)?;
        let touched = |change: &Change| match change {
            Change::EndpointCreated(_) | Change::EndpointPatched { .. } | Change::EndpointDeleted(_) => true,
            Change::RowCreated(row) | Change::RowDeleted(row) => row.endpoint_id != self.ours.id,
            _ => true,
        };
        let journal = stage.simulator.journal();
        let after = |entry: &&Entry| entry.seq > self.mark.0 && entry.actor != Actor::Person;
        if let Some(entry) = journal.iter().filter(after).find(|entry| touched(&entry.change)) {
            return Err(format!("this should not have been changed: {:?}", entry.change));
        }
        narrator.done(&format!("writes: {}", checks::calls(&checks::written(stage, self.mark))));
        let one = ["wait", "--for=jsonpath={.status.remote.unclaimedEndpoints}=1", "pacct/default", "-n", NAMESPACE];
        stage.kubectl().quiet(&one).await?;
        let unclaimed =
            stage.kubectl().show(narrator, &["get", "pacct", "default", "-n", NAMESPACE, "-o", UNCLAIMED]).await?;
        narrator.table(&unclaimed);
        if unclaimed.trim() != format!("{}  {FOREIGN}", self.foreign.id) {
            return Err("the account should list the other system's endpoint, and only that, as unclaimed".to_owned());
        }
        narrator.done(&format!("endpoint {} of the other system was never touched, and is listed", self.foreign.id));
        Ok(())
    }

    /// Both endpoints, and those of the rows made by hand that matter, are as they were, down to `updated_at`.
    fn unchanged(&self, matters: impl Fn(&Row) -> bool) -> Result<(), Failure> {
        if self.stage.simulator.endpoints() != [self.ours.clone(), self.foreign.clone()] {
            return Err("the endpoints are not as they were".to_owned());
        }
        let now = self.stage.simulator.rows();
        match self.rows.iter().filter(|row| matters(row)).find(|row| !now.contains(row)) {
            Some(row) => Err(format!("subscription {} ({}) is not as it was", row.id, row.event)),
            None => Ok(()),
        }
    }

    fn nothing_written(&self) -> Result<(), Failure> {
        match checks::written(self.stage, self.mark) {
            calls if calls.is_empty() => Ok(()),
            calls => Err(format!("something was written at the provider: {}", checks::calls(&calls))),
        }
    }

    /// The row of a practice that somebody made and nobody declares.
    fn stray(&self, practice: &str) -> Result<i64, Failure> {
        let wanted = |row: &&Row| row.subdomain.as_deref() == Some(practice) && row.event == UNDECLARED.1;
        self.rows.iter().find(wanted).map(|row| row.id).ok_or_else(|| format!("{practice} has no undeclared row"))
    }

    async fn patch(&self, kind: &str, name: &str, patch: &str) -> Result<(), Failure> {
        let args = ["patch", kind, name, "-n", NAMESPACE, "--type=merge", "-p", patch];
        self.stage.kubectl().show(self.narrator, &args).await.map(|_| ())
    }
}
