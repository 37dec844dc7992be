//! What is done to the real binary and to the servers that all plans share. These run alone, last.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use testbed::control_plane::Namespace;
use testbed::nexhealth::{Fault, Matcher, When};

use super::report::Ordeal;
use crate::support::{HILLTOP, LAKESIDE, SUNSHINE, World, breaches, endpoint, events, pairs, subscription};

const BINARY: &str = env!("CARGO_BIN_EXE_external-webhooks");
const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];
const EVENTS: usize = 20;
const PRACTICES: [&str; 3] = [SUNSHINE, LAKESIDE, HILLTOP];

/// All of them, one after the other.
pub async fn all(seed: u64) -> Vec<Ordeal> {
    let mut ordeals = Vec::new();
    for what in [Which::Kills, Which::Freezes, Which::ApiServer, Which::Etcd] {
        let began = Instant::now();
        let (what, broken) = match tokio::spawn(run(what, seed)).await {
            Ok(done) => done,
            Err(error) => (format!("{what:?}"), vec![format!("the bench failed: {error}")]),
        };
        ordeals.push(Ordeal { what, broken, took: began.elapsed() });
    }
    ordeals
}

/// See [`all`].
#[derive(Clone, Copy, Debug)]
enum Which {
    Kills,
    Freezes,
    ApiServer,
    Etcd,
}

async fn run(which: Which, seed: u64) -> (String, Vec<String>) {
    match which {
        Which::Kills => kills(seed).await,
        Which::Freezes => freezes(seed).await,
        Which::ApiServer => api_server().await,
        Which::Etcd => etcd().await,
    }
}

/// Objects enough for some seconds of work at a provider that takes its time.
async fn work(world: &World) {
    let slow = Fault::Delay(When::After, Duration::from_millis(60));
    world.provider.faults().on(Matcher::path("/webhook_endpoints/**"), slow);
    let mut objects = vec![world.secret(), world.account("default")];
    for name in NAMES {
        objects.extend([endpoint(name), subscription(name, name, &PRACTICES, &events(EVENTS))]);
    }
    world.apply(objects).await;
}

/// Why not everything is as declared, if it is not: each pair once on each of the endpoints, each key in its Secret.
async fn unfinished(world: &World) -> Option<String> {
    let latest = world.recorder.latest();
    if let Some(object) = latest.values().find(|object| super::oracles::kstatus(object) != "Current") {
        return Some(format!("{} {} is {}", object.kind, object.name(), super::oracles::kstatus(object)));
    }
    let (endpoints, rows) = (world.provider.endpoints(), world.provider.rows());
    if endpoints.len() != NAMES.len() || rows.len() != NAMES.len() * PRACTICES.len() * EVENTS {
        return Some(format!("{} endpoints, {} rows", endpoints.len(), rows.len()));
    }
    for remote in &endpoints {
        let mut found: Vec<(String, String)> = rows
            .iter()
            .filter(|row| row.endpoint_id == remote.id && row.active)
            .map(|row| (row.subdomain.clone().unwrap_or_default(), row.event.clone()))
            .collect();
        found.sort();
        found.dedup();
        let name = remote.target_url.rsplit('/').next().unwrap_or_default();
        let kept = world.secret_value(&format!("{name}-signing"), "current").await;
        if found.len() != pairs(&PRACTICES, &events(EVENTS)).len() || kept.as_ref() != Some(&remote.secret_key) {
            return Some(format!("endpoint {name} lacks rows, or its key is not in the Secret"));
        }
    }
    None
}

/// Waits for the end, and for it to stay.
async fn verdict(world: &World, within: Duration) -> Vec<String> {
    let began = Instant::now();
    let mut broken = Vec::new();
    while let Some(why) = unfinished(world).await {
        if began.elapsed() > within {
            broken.push(format!("O3: not converged after {} s: {why}", within.as_secs()));
            broken.push(world.report());
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let (mark, versions) = (world.provider.mark(), newest(world));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let writes = world.provider.calls_since(mark).iter().filter(|call| call.is_write()).count();
    if writes > 0 || newest(world) != versions {
        broken.push(format!("O3: {writes} calls, and versions {versions:?} became {:?}", newest(world)));
    }
    broken.extend(breaches(&world.recorder.versions()));
    broken.extend(world.leaks().await);
    broken
}

/// The newest version of each object. Not the number of versions seen: a watch that had to begin again sees them twice.
fn newest(world: &World) -> Vec<u64> {
    world.recorder.latest().values().map(|object| object.version()).collect()
}

/// A binary of ours that is running. It dies with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    async fn start(world: &World, own: &Namespace, lead: bool) -> Self {
        let (_, kubeconfig) = world.cluster.service_account_client(own.name(), "external-webhooks").await.unwrap();
        let mut command = Command::new(BINARY);
        command.args(["run", "--http-addr", "127.0.0.1:0", "--namespace", world.namespace.name()]);
        command.args(["--allowed-base-url", &world.provider.base_url(), &format!("--leader-elect={lead}")]);
        command.env("KUBECONFIG", kubeconfig).env("RUST_LOG", "warn").env_remove("POD_NAMESPACE");
        // What it says goes where the bench says what it does; it is of interest only if something breaks.
        Self(command.stdout(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.0.id().to_string()]).status().unwrap();
        assert!(sent.success(), "{name} could not be sent");
    }

    fn ended(&mut self) -> Option<std::process::ExitStatus> {
        self.0.try_wait().unwrap()
    }
}

fn writes(world: &World) -> usize {
    world.provider.ledger().iter().filter(|call| call.is_write()).count()
}

async fn own_namespace(world: &World) -> Namespace {
    let own = world.cluster.namespace("ordeal-operator").await.unwrap();
    world.cluster.install_operator_rbac(own.name()).await.unwrap();
    own
}

/// The binary is killed again and again while it makes everything.
async fn kills(seed: u64) -> (String, Vec<String>) {
    let world = World::named("kills").prepare().await;
    let own = own_namespace(&world).await;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    work(&world).await;
    let (mut kills, mut inside) = (0, 0);
    while kills < 15 {
        let running = Running::start(&world, &own, false).await;
        let (before, began) = (writes(&world), Instant::now());
        // Ten or more missing rows are confirmed by a second list 10 s later (rules.md *Absence*).
        while writes(&world) == before && began.elapsed() < Duration::from_secs(20) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
        inside += usize::from(writes(&world) > before);
        kills += 1;
        drop(running);
    }
    let _last = Running::start(&world, &own, false).await;
    let broken = verdict(&world, Duration::from_secs(120)).await;
    (
        format!(
            "the binary, killed {kills} times with SIGKILL while it makes 6 endpoints and 360 rows ({inside} kills fell between writes of one process)"
        ),
        broken,
    )
}

/// Two binaries; the one that leads is stopped in the middle of its work, and goes on when the other has taken over.
async fn freezes(seed: u64) -> (String, Vec<String>) {
    let world = World::named("freezes").prepare().await;
    let own = own_namespace(&world).await;
    let mut random = rand::rngs::StdRng::seed_from_u64(seed);
    let mut first = Running::start(&world, &own, true).await;
    work(&world).await;
    world.until("the first works", |world| writes(world) > 5).await;
    let second = Running::start(&world, &own, true).await;
    tokio::time::sleep(Duration::from_millis(random.random_range(100..900))).await;
    first.signal("STOP");
    let stopped = writes(&world);
    let began = Instant::now();
    while writes(&world) < stopped + 30 && began.elapsed() < Duration::from_secs(60) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took_over = writes(&world) >= stopped + 30;
    first.signal("CONT");
    let mut broken = if took_over { Vec::new() } else { vec!["the second did not take over".to_owned()] };
    broken.extend(verdict(&world, Duration::from_secs(120)).await);
    if first.ended().is_none() {
        broken.push("the first still runs although it lost its lease".to_owned());
    }
    drop(second);
    let after = format!(
        "two binaries, the leader stopped with SIGSTOP after {stopped} writes and continued when the other led"
    );
    (after, broken)
}

/// The API server is killed and started again while an operator works.
async fn api_server() -> (String, Vec<String>) {
    let mut world =
        World::named("api-server").timing(|timing| timing.kube_call = Duration::from_secs(2)).prepare().await;
    world.start_operator();
    work(&world).await;
    world.until("it works", |world| writes(world) > 20).await;
    world.cluster.restart_api_server().await.unwrap();
    let broken = ended(&mut world).await;
    ("the API server killed and started again in the middle of the work".to_owned(), broken)
}

/// etcd stands still for longer than any deadline of ours, and goes on.
async fn etcd() -> (String, Vec<String>) {
    let mut world = World::named("etcd").timing(|timing| timing.kube_call = Duration::from_secs(2)).prepare().await;
    world.start_operator();
    work(&world).await;
    world.until("it works", |world| writes(world) > 20).await;
    world.cluster.signal_etcd("STOP").unwrap();
    tokio::time::sleep(Duration::from_secs(8)).await;
    world.cluster.signal_etcd("CONT").unwrap();
    let broken = ended(&mut world).await;
    ("etcd stopped for 8 s in the middle of the work".to_owned(), broken)
}

async fn ended(world: &mut World) -> Vec<String> {
    let mut broken = verdict(world, Duration::from_secs(120)).await;
    broken.extend(world.end_operator().await.err());
    broken.extend(crate::support::panics(world.namespace.name()));
    broken
}
