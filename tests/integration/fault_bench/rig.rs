//! One plan, run: a world behind a proxy, foreign things planted, the act, the crashes, the wait for the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use external_webhooks::controller::Timing;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::json;
use testbed::kube_proxy::KubeProxy;
use testbed::nexhealth::{Mark, SimConfig};

use super::history::Foreign;
use super::injector::Injector;
use super::oracles;
use super::plan::{Plan, Target};
use super::scenario::{Scenario, character};
use super::tally;
use super::troubles::Moment;
use crate::support::{Deliveries, HILLTOP, Mood, SUNSHINE, World, events, repeats, torn};

/// How long a plan may stand still before it has failed to converge.
const STILL: Duration = Duration::from_secs(40);
/// How long before a person looks, where one is needed.
const BLOCKED: Duration = Duration::from_secs(4);
/// The longest a plan may take to converge, or to come to rest.
const LONGEST: Duration = Duration::from_secs(90);
/// Without writes for this long, and for two rounds of observation, an operator is at rest.
const QUIET: Duration = Duration::from_millis(500);

/// How often something happens, where deliveries are watched.
const PACE: Duration = Duration::from_millis(40);

/// What is needed while a plan runs.
pub struct Rig {
    /// The plan.
    pub plan: Plan,
    /// Namespace, provider, operator.
    pub world: World,
    /// What was planted.
    pub foreign: Foreign,
    /// What goes wrong.
    pub injector: Arc<Injector>,
    _proxy: KubeProxy,
    crashes: u64,
    /// A call of a dead process waits for the next one to have finished.
    lands_last: bool,
    /// A person has done what the objects' conditions said: the one case in which nothing else helps.
    pub helped: bool,
    /// Events that happen all the time, in plans of a rotation in which the operator does no more than die.
    deliveries: Option<Deliveries>,
}

/// What came of a plan.
#[derive(Debug)]
pub struct Outcome {
    /// How many calls something happened to.
    pub hits: usize,
    /// The calls since the act began.
    pub learned: Vec<Target>,
    /// What is broken, in words; with the report of the world if anything is.
    pub broken: Vec<String>,
    /// The world's report, if anything is broken.
    pub report: String,
}

fn timing(timing: &mut Timing) {
    let ms = Duration::from_millis;
    timing.observe_interval = Some(ms(200));
    timing.kube_call = ms(800);
    timing.calls.deadline = ms(700);
    timing.calls.write_deadline = ms(700);
    timing.calls.connect = ms(400);
    timing.credentials_retry = ms(200);
    timing.tokens.refused = ms(150);
    timing.tokens.shortest = ms(500);
    timing.plan.rejected = ms(300);
    timing.realm.settle_accepted = ms(600);
}

/// Runs one plan to its end.
pub async fn run(plan: &Plan) -> Outcome {
    let mut rig = Rig::make(plan.clone()).await;
    let mut broken = match rig.play().await {
        Ok(()) => Vec::new(),
        Err(why) => vec![why],
    };
    broken.extend(rig.end().await);
    broken.extend(oracles::broken(&rig).await);
    broken.sort();
    broken.dedup();
    let report = if broken.is_empty() { String::new() } else { rig.report() };
    Outcome { hits: rig.injector.hits(), learned: rig.injector.learned(), broken, report }
}

impl Rig {
    async fn make(plan: Plan) -> Self {
        let (seed, scenario) = (plan.seed, plan.scenario);
        let world = World::named("plan").brief_logs().timing(timing).provider(repeats);
        let world = world.provider(|config| character(scenario, &mut config.switches, seed));
        // Half of its rights depend on how it is installed: both ways are tried.
        let world = if seed.is_multiple_of(3) { world.namespaced() } else { world };
        let mut world = world.prepare().await;
        world.settings.silence = Duration::from_secs(4);
        let proxy = world.cluster.proxy().await.unwrap();
        let file = world.kubeconfig.with_file_name(format!("{}.kubeconfig", world.namespace.name()));
        world.kubeconfig = proxy.kubeconfig(&world.kubeconfig, &file).unwrap();
        let injector = Injector::install(&plan, &world.provider, &proxy);
        let mut foreign = plant(&world);
        foreign.host_goes = matches!(plan.scenario, Scenario::Delete | Scenario::NamespaceDelete);
        foreign.host_moves = plan.scenario.rotates();
        Self {
            plan,
            world,
            foreign,
            injector,
            _proxy: proxy,
            crashes: 0,
            lands_last: false,
            helped: false,
            deliveries: None,
        }
    }

    /// How many answers were lost or processes died in the middle of something: each may leave one extra remote for a while.
    pub fn losses(&self) -> usize {
        self.injector.losses()
    }

    async fn play(&mut self) -> Result<(), String> {
        let (scenario, seed) = (self.plan.scenario, self.plan.seed);
        if scenario.begins_at_rest() {
            self.world.start_operator();
            self.world.apply(scenario.before(&self.world, seed)).await;
            self.world.all_ready().await;
            self.plant_on_ours();
            self.world.rounds(2).await;
            self.deliver().await;
        }
        if scenario == Scenario::LostKey {
            self.world.stop_operator().await;
            self.world.secrets().delete("intake-signing", &DeleteParams::default()).await.unwrap();
        }
        self.injector.arm();
        if !scenario.begins_at_rest() || scenario == Scenario::LostKey {
            self.world.start_operator();
        }
        scenario.act(&self.world, seed).await;
        self.converge().await?;
        self.injector.disarm();
        self.rest().await?;
        let twins = self.losses() > 0;
        let Some(deliveries) = self.deliveries.take() else { return Ok(()) };
        let (account, mut broken) = deliveries.end(twins).await;
        tally::add(&account);
        broken.extend(torn(&deliveries.contents()));
        if broken.is_empty() { Ok(()) } else { Err(format!("O6: {}", broken.join("; "))) }
    }

    /// Lets events happen. What a provider that lies or refuses makes of a rotation is judged without them (see `signatures`):
    /// a row that it does not let us move is made anew, and what waits for the old one is lost.
    async fn deliver(&mut self) {
        let mood = match self.plan.scenario {
            Scenario::Rotate => Mood::Busy,
            // What waits to be repeated when a leaked key goes is lost, by the rules.
            Scenario::Leak => Mood::Calm,
            _ => return,
        };
        if self.plan.only_crashes() {
            let pairs = self.plan.scenario.lasting();
            self.deliveries = Some(Deliveries::start(&self.world, "intake-signing", &pairs, PACE, mood).await);
        }
    }

    /// A row that a person added to our endpoint: `undeclared: Report` leaves it alone.
    fn plant_on_ours(&mut self) {
        let mark: Vec<i64> = self.foreign.endpoints.iter().map(|endpoint| endpoint.id).collect();
        let own = self.world.provider.endpoints().into_iter().find(|endpoint| !mark.contains(&endpoint.id));
        let pair = events(6)[5];
        let portal = self.world.provider.edit();
        let row = own.and_then(|own| portal.create_row(own.id, HILLTOP, pair.resource_type, pair.event));
        self.foreign.rows.extend(row);
    }

    /// Waits for the declared state; kills and restarts the operator where the plan says so.
    async fn converge(&mut self) -> Result<(), String> {
        let (began, mut moved, mut seen, mut why) = (Instant::now(), Instant::now(), None, String::new());
        loop {
            if let Some(moment) = self.injector.crash() {
                self.crash(moment).await;
                moved = Instant::now();
            }
            let now = (self.world.recorder.count(), self.world.provider.journal_len());
            // Looking costs more than what is looked at: only when something has changed.
            if seen != Some(now) {
                (seen, moved) = (Some(now), Instant::now());
                match oracles::unfinished(self) {
                    Some(unfinished) => why = unfinished,
                    None if std::mem::take(&mut self.lands_last) => {
                        self.injector.let_land();
                        tokio::time::sleep(Duration::from_millis(50)).await;
                        seen = None;
                        continue;
                    }
                    None => return Ok(()),
                }
            }
            if moved.elapsed() > BLOCKED && self.help().await {
                (seen, moved) = (None, Instant::now());
                continue;
            }
            if moved.elapsed() > STILL || began.elapsed() > LONGEST {
                // What still waits to land must not wait for ever.
                self.injector.let_land();
                return Err(format!("O3: not converged after {} s: {why}", began.elapsed().as_secs()));
            }
            let nap = tokio::time::sleep(Duration::from_millis(15));
            tokio::select! {
                () = nap => {}
                () = self.injector.dying.notified() => {}
            }
        }
    }

    /// With rights in single namespaces, a process that dies while its namespace goes takes the only copy of the API key
    /// along: the rights to the Secret have ended, and the Secret itself is gone (api.md, `--namespace`). Then each object
    /// must say so with the way out, and here a person takes it. In every other plan nobody helps.
    async fn help(&mut self) -> bool {
        let may =
            self.plan.scenario == Scenario::NamespaceDelete && self.plan.seed.is_multiple_of(3) && self.crashes > 0;
        if !may {
            return false;
        }
        let mut helped = false;
        for (kind, plural) in [("WebhookEndpoint", "webhookendpoints"), ("WebhookSubscription", "webhooksubscriptions")]
        {
            let gvk = GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind);
            let resource = ApiResource::from_gvk_with_plural(&gvk, plural);
            let (client, namespace) = (self.world.client.clone(), self.world.namespace.name());
            let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
            for object in self.world.recorder.latest().values().filter(|object| object.kind == kind && !object.gone) {
                let says = object.message("DeletionBlocked").contains("spec.deletionPolicy: Orphan");
                if !says || object.value["spec"]["deletionPolicy"] == "Orphan" {
                    // It must say the way out: else nobody takes it.
                    continue;
                }
                let orphan = Patch::Merge(json!({"spec": {"deletionPolicy": "Orphan"}}));
                match api.patch(object.name(), &PatchParams::default(), &orphan).await {
                    Ok(_) => helped = true,
                    Err(error) => eprintln!("{}: the way out cannot be taken: {error}", self.plan),
                }
            }
        }
        self.helped |= helped;
        helped
    }

    async fn crash(&mut self, moment: Moment) {
        self.crashes += 1;
        if moment == Moment::Answered {
            // The answer is on its way; nothing the process sends now is heard.
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        self.world.kill_operator().await;
        tokio::time::sleep(Duration::from_millis(self.plan.seed * 7 % 40)).await;
        self.injector.thaw();
        self.world.start_operator();
        match moment {
            Moment::Late => {
                tokio::time::sleep(Duration::from_millis(20 + self.plan.seed * 40 % 120)).await;
                self.injector.let_land();
            }
            Moment::VeryLate => self.lands_last = true,
            _ => {}
        }
    }

    /// O3: the operator comes to rest: no write on either side, and everything still as declared.
    async fn rest(&mut self) -> Result<(), String> {
        let (began, observed) = (Instant::now(), self.plan.scenario != Scenario::NamespaceDelete);
        loop {
            // The write that ends everything may be seen before the hook on its answer has run.
            if let Some(moment) = self.injector.crash() {
                self.crash(moment).await;
                self.converge().await?;
            }
            let (mark, writes) = (self.world.provider.mark(), self.injector.kube_count());
            let versions = self.world.recorder.count();
            tokio::time::sleep(QUIET).await;
            if observed {
                self.looked_twice(mark).await?;
            }
            if self.injector.is_dying() {
                continue;
            }
            let provider = self.world.provider.calls_since(mark).iter().filter(|call| call.is_write()).count();
            let kube = self.injector.kube_count() - writes;
            let changed = self.world.recorder.count() - versions;
            if provider + kube + changed == 0 {
                match oracles::unfinished(self) {
                    None => return Ok(()),
                    Some(why) if began.elapsed() > LONGEST / 3 => return Err(format!("O3: at rest, but {why}")),
                    // A machine that is slow for a moment looks like a provider that is: it must pass.
                    Some(_) => self.converge().await?,
                }
                continue;
            }
            if began.elapsed() > LONGEST / 3 {
                let why = format!("O3: never at rest: {provider} calls, {kube} writes to the cluster in a window");
                return Err(why);
            }
        }
    }

    /// Two more rounds of observation.
    async fn looked_twice(&self, since: Mark) -> Result<(), String> {
        let began = Instant::now();
        let rounds = |world: &World| {
            let calls = world.provider.calls_since(since);
            calls.iter().filter(|call| call.method == "GET" && call.path == "/institutions").count()
        };
        while rounds(&self.world) < 2 && !self.injector.is_dying() {
            if began.elapsed() > STILL {
                return Err("O3: the provider is not observed any more".to_owned());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// The operator stops in order.
    async fn end(&mut self) -> Option<String> {
        self.injector.disarm();
        self.injector.thaw();
        self.world.end_operator().await.err().map(|why| format!("O11: {why}"))
    }

    /// Everything a person wants to see.
    fn report(&self) -> String {
        let writes: Vec<String> = self
            .injector
            .kube_writes()
            .iter()
            .map(|write| {
                let body: String = write.body.chars().take(300).collect();
                format!("{} {:?} {body}", write.what, write.done)
            })
            .collect();
        let rows: Vec<String> = self.world.provider.rows().iter().map(|row| format!("{row:?}")).collect();
        let text = self.world.report();
        format!("{text}\n--- writes to the cluster\n{}\n--- rows\n{}\n", writes.join("\n"), rows.join("\n"))
    }
}

/// Endpoints and rows of somebody else under the same key.
fn plant(world: &World) -> Foreign {
    let portal = world.provider.edit();
    let mut foreign = Foreign::default();
    for (url, practices) in
        [("https://other.example.com/hook", &[SUNSHINE, HILLTOP][..]), ("https://hooks.example.com/intake/2", &[])]
    {
        let endpoint = portal.create_endpoint(SimConfig::ORGANISATION, url);
        for practice in practices {
            let pair = events(1)[0];
            foreign.rows.extend(portal.create_row(endpoint.id, practice, pair.resource_type, pair.event));
        }
        foreign.endpoints.push(endpoint);
    }
    foreign
}
