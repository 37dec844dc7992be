//! The operator is killed in mid-work, three times, and answers are lost: in the end everything is there once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use testbed::nexhealth::{Call, Change, Entry, Fault, HookAction, Mark, Matcher, When};
use tokio::sync::watch;

use super::checks::{self, Pair, SOON, check_signature};
use crate::Failure;
use crate::examples::{self, NAMESPACE, PRACTICES, pairs};
use crate::narrator::Narrator;
use crate::stage::Stage;
use crate::watch::Watch;

const ENDPOINTS: &str = "/webhook_endpoints";
const ROWS: &str = "/webhook_endpoints/*/webhook_subscriptions";
/// Answers on their way that a kill in the middle of the rows waits for.
const UNDER_WAY: usize = 3;

pub async fn play(narrator: &Narrator, stage: &mut Stage) -> Result<(), Failure> {
    let watch = Watch::start(&stage.control_plane.admin(), narrator.style());
    let mark = stage.simulator.mark();
    let mut scene = Crash { narrator, stage, mark };
    let declared = scene.during_the_endpoint().await?;
    let (id, trap) = scene.endpoint_found().await?;
    scene.during_the_rows(trap, &declared).await?;
    scene.during_the_last_rows(&declared).await?;
    scene.finish(&declared).await?;
    scene.once(id, &declared).await?;
    drop(watch);
    Ok(())
}

struct Crash<'a> {
    narrator: &'a Narrator,
    stage: &'a mut Stage,
    mark: Mark,
}

impl Crash<'_> {
    /// The worst moment: the provider has made the endpoint, and nobody knows its id or key.
    async fn during_the_endpoint(&mut self) -> Result<Vec<Pair>, Failure> {
        let narrator = self.narrator;
        let documents = examples::read(PRACTICES, &self.stage.simulator.base_url())?;
        let declared = pairs(&documents);
        narrator.step("First crash: the provider has made the endpoint, its answer is still on the way");
        let trap = Trap::set(self.stage, 0, |call| call.path == ENDPOINTS);
        narrator.command(&format!("kubectl apply -f {PRACTICES}"));
        let applied = self.stage.kubectl().apply(documents).await?;
        narrator.output(&applied);
        trap.caught(self.stage, 1).await?;
        self.kill(trap).await?;
        if self.stage.simulator.endpoints().len() != 1 {
            return Err("the provider should have one endpoint now".to_owned());
        }
        let fields = "jsonpath={.status.remoteId}{.status.pendingCreate}";
        let kubectl = self.stage.kubectl();
        let status = kubectl.show(narrator, &["get", "whe", "intake", "-n", NAMESPACE, "-o", fields]).await?;
        narrator.table(&status);
        // The whole of it begins with the intent: no id before it.
        if !status.starts_with('{') {
            return Err("the status should hold the intent to create, and no id yet".to_owned());
        }
        let get = ["get", "secret", checks::SECRET, "-n", NAMESPACE, "--ignore-not-found", "-o", "name"];
        if !kubectl.quiet(&get).await?.is_empty() {
            return Err("there should be no Secret yet".to_owned());
        }
        narrator.done("all that is left is the intent, written before the POST; no id, and no Secret with the key");
        Ok(declared)
    }

    /// What the dead one made is found by its intent. The trap for the next crash is set before it starts.
    async fn endpoint_found(&mut self) -> Result<(i64, Trap), Failure> {
        let narrator = self.narrator;
        narrator.step("Restarted: it looks before it creates, and finds its own endpoint");
        let id = self.stage.simulator.endpoints().first().map(|endpoint| endpoint.id);
        let id = id.ok_or("the provider has no endpoint")?;
        self.lose(2, 3);
        let trap = Trap::set(self.stage, 8, is_row);
        narrator
            .say("(here and below the dead one's lease is taken from it by hand; else the next waits half a minute)");
        self.restart().await?;
        let wait = format!("--for=jsonpath={{.status.remoteId}}={id}");
        let kubectl = self.stage.kubectl();
        kubectl.show(narrator, &["wait", &wait, "whe/intake", "-n", NAMESPACE, "--timeout=30s"]).await?;
        checks::published_key(self.stage, id).await?;
        if self.stage.simulator.endpoints().len() != 1 {
            return Err("a second endpoint was made".to_owned());
        }
        narrator.done(&format!("it holds endpoint {id}, has published its key, and made no second one"));
        Ok((id, trap))
    }

    /// Some answers are reset, and then the process is gone with others under way.
    async fn during_the_rows(&mut self, trap: Trap, declared: &[Pair]) -> Result<(), Failure> {
        let narrator = self.narrator;
        narrator.step("Second crash: connections break, then it dies in the middle of the subscriptions");
        trap.caught(self.stage, UNDER_WAY).await?;
        self.kill(trap).await?;
        self.made_so_far(declared)
    }

    async fn during_the_last_rows(&mut self, declared: &[Pair]) -> Result<(), Failure> {
        let narrator = self.narrator;
        narrator.step("Restarted, and a third crash further on");
        let trap = Trap::set(self.stage, 3, is_row);
        self.restart().await?;
        trap.caught(self.stage, UNDER_WAY).await?;
        self.kill(trap).await?;
        self.made_so_far(declared)
    }

    /// Nobody kills it any more, but answers are still lost.
    async fn finish(&mut self, declared: &[Pair]) -> Result<(), Failure> {
        let narrator = self.narrator;
        narrator.step("Restarted once more: two answers are lost, and it may finish");
        let rule = self.lose(2, 2);
        self.restart().await?;
        narrator
            .say("(after a lost answer it looks 3 s later whether the subscription is there; where ten or more of an");
        narrator.say("object seem to be missing, it makes them only after a second list, 10 s later)");
        checks::all_ready(narrator, self.stage).await?;
        if self.stage.simulator.faults().hits(rule) != 2 {
            return Err("two answers should have been lost".to_owned());
        }
        checks::counted(narrator, self.stage, declared.len()).await?;
        checks::table(narrator, self.stage, "hooks").await
    }

    /// Everything once, at the provider's own word.
    async fn once(&self, id: i64, declared: &[Pair]) -> Result<(), Failure> {
        let (narrator, stage, mark) = (self.narrator, &*self.stage, self.mark);
        narrator.step("What the provider says");
        let endpoints = stage.simulator.endpoints();
        if endpoints.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>() != [id] {
            return Err(format!("the provider has {} endpoints instead of the one with id {id}", endpoints.len()));
        }
        checks::provider_has(stage, id, declared)?;
        if stage.simulator.rows().len() != declared.len() {
            return Err("there are subscriptions on an endpoint that is gone".to_owned());
        }
        narrator.done(&format!("1 endpoint, {} subscriptions, each declared pair exactly once", declared.len()));

        let posts: Vec<Call> = checks::written(stage, mark).into_iter().filter(|call| call.method == "POST").collect();
        let lost = posts.iter().filter(|call| call.effect && call.status.is_none()).count();
        narrator.say(&format!("calls that took, in four lives: {}", checks::calls(&stage.simulator.calls_since(mark))));
        let journal: Vec<Entry> = stage.simulator.journal().into_iter().filter(|entry| entry.seq > mark.0).collect();
        let made = |wanted: fn(&Change) -> bool| journal.iter().filter(|entry| wanted(&entry.change)).count();
        let new_endpoints = made(|change| matches!(change, Change::EndpointCreated(_)));
        let new_rows = made(|change| matches!(change, Change::RowCreated(_)));
        let extra = (new_endpoints + new_rows).saturating_sub(1 + declared.len());
        let sent = posts.len();
        // One with the endpoint, those of two crashes, three resets before them and two after.
        if lost < 1 + 2 * UNDER_WAY + 3 + 2 {
            return Err(format!("only {lost} answers were lost: the scene did not show what it is for"));
        }
        // rules.md *Create*: what holds.
        if extra > lost {
            return Err(format!("{extra} too many were made for {lost} lost answers"));
        }
        narrator.done(&match extra {
            0 => format!("{sent} POSTs, {lost} of them without an answer: nothing was ever made twice"),
            _ => format!("{sent} POSTs, {lost} of them without an answer: {extra} made twice, and gone again"),
        });
        let key = checks::published_key(stage, id).await?;
        check_signature(&checks::emit(stage, "/nexhealth").await?, &key)?;
        narrator.done("an event arrives once, and the key in the Secret verifies it");
        Ok(())
    }

    /// SIGKILL, with what the trap holds unanswered for good.
    async fn kill(&mut self, trap: Trap) -> Result<(), Failure> {
        let narrator = self.narrator;
        self.stage.kill_operator().await?;
        let held = trap.held();
        trap.release(self.stage);
        self.stage.simulator.faults().clear();
        let what = if held == 1 { "1 answer".to_owned() } else { format!("{held} answers") };
        narrator.done(&format!("kill -9, with {what} on the way that it will never read"));
        Ok(())
    }

    /// As a Deployment would do it, but for the lease: see `Stage::release_lease`.
    async fn restart(&mut self) -> Result<(), Failure> {
        self.stage.release_lease().await?;
        self.stage.start_operator().await
    }

    /// Row POSTs from the `nth` on are carried out, and their connections are reset.
    fn lose(&self, nth: u64, times: u64) -> testbed::nexhealth::RuleId {
        let matcher = Matcher::new("POST", ROWS).nth(nth).times(times);
        self.stage.simulator.faults().on(matcher, Fault::Reset(When::After))
    }

    fn made_so_far(&self, declared: &[Pair]) -> Result<(), Failure> {
        let simulator = &self.stage.simulator;
        let there = simulator.rows().len();
        if there == 0 || there >= declared.len() {
            return Err(format!("{there} of {} subscriptions are there: this was not the middle", declared.len()));
        }
        let created = checks::written(self.stage, self.mark);
        let lost = created.iter().filter(|call| call.method == "POST" && call.status.is_none()).count();
        self.narrator.say(&format!(
            "the provider has {there} of {} subscriptions; so far {lost} answers never arrived (reset, or to the dead)",
            declared.len()
        ));
        Ok(())
    }
}

fn is_row(call: &Call) -> bool {
    call.path.ends_with("/webhook_subscriptions")
}

/// Holds back the answers to POSTs that were carried out; when it is let go, they are lost.
struct Trap {
    held: Arc<AtomicUsize>,
    open: watch::Sender<bool>,
}

impl Trap {
    /// Lets the first `answered` such calls through.
    fn set(stage: &Stage, answered: usize, of: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        let (open, closed) = watch::channel(false);
        let held = Arc::new(AtomicUsize::new(0));
        let (seen, counted) = (AtomicUsize::new(0), held.clone());
        stage.simulator.on_effect(move |call| {
            if call.method != "POST" || !call.effect || !of(call) || seen.fetch_add(1, Ordering::SeqCst) < answered {
                return HookAction::Proceed;
            }
            counted.fetch_add(1, Ordering::SeqCst);
            let mut closed = closed.clone();
            let opened = async move {
                // A trap that is dropped is open too.
                let _ = closed.wait_for(|open| *open).await;
            };
            HookAction::Wait(Box::pin(opened), Box::new(HookAction::Inject(Fault::Reset(When::After))))
        });
        Self { held, open }
    }

    fn held(&self) -> usize {
        self.held.load(Ordering::SeqCst)
    }

    /// Waits until it holds so many.
    async fn caught(&self, stage: &Stage, wanted: usize) -> Result<(), Failure> {
        let enough = |held: usize| if held < wanted { Err(format!("only {held} calls were made")) } else { Ok(()) };
        stage.until(SOON, |_| enough(self.held())).await
    }

    fn release(self, stage: &Stage) {
        stage.simulator.clear_hooks();
        self.open.send_replace(true);
    }
}
