//! Everything that runs: started in order, stopped in the reverse order, whatever happens in between.

use std::path::PathBuf;
use std::time::Duration;

use testbed::nexhealth::{ApiKey, Mode, Receiver, SimConfig, Simulator};

use crate::Failure;
use crate::cluster::{Cluster, Launch, OPERATOR, SYSTEM};
use crate::examples;
use crate::kubectl::Kubectl;
use crate::narrator::Narrator;
use crate::operator::Operator;

/// Where the operator logs, in the control plane's folder.
const LOG: &str = "operator.log";
/// Host of the examples' target URLs.
const HOST: &str = "hooks.example.com";

/// When this provider repeats what was refused, in milliseconds; the real one goes on for 48 h.
const REPEATS: [u64; 4] = [300, 900, 2000, 4000];

/// What a scene plays on.
pub struct Stage {
    /// The cluster.
    pub control_plane: Cluster,
    /// The provider.
    pub simulator: Simulator,
    /// The user's receiver of events.
    pub receiver: Receiver,
    /// The API key of the examples.
    pub api_key: String,
    launch: Launch,
    operator: Option<Operator>,
}

impl Stage {
    /// Starts everything. What runs already is in `stage` when a later part fails, so that it is stopped in order.
    pub async fn start(narrator: &Narrator, stage: &mut Option<Self>) -> Result<(), Failure> {
        narrator.step("A cluster, a provider, a receiver, and the operator");
        let api_key = examples::api_key()?;
        let control_plane = Cluster::start().await?;
        let version = control_plane.admin().apiserver_version().await.map_err(|error| error.to_string())?;
        let whose = match control_plane {
            Cluster::Own(_) => "etcd, kube-apiserver and kube-controller-manager run",
            Cluster::Existing(_) => "the existing cluster answers",
        };
        narrator.done(&format!("{whose} ({})", version.git_version));
        let mut config = SimConfig::default();
        for organisation in &mut config.organisations {
            organisation.keys = vec![ApiKey::new("main", &api_key, Mode::Production)];
        }
        config.timing.retry_offsets = REPEATS.map(Duration::from_millis).to_vec();
        let simulator = Simulator::start(config).await.map_err(|error| format!("the simulator: {error}"))?;
        let receiver = Receiver::start().await.map_err(|error| format!("the receiver: {error}"))?;
        simulator.route_host(HOST, receiver.address());
        narrator
            .done(&format!("a simulated NexHealth on {} reaches a receiver as https://{HOST}", simulator.base_url()));
        let launch = Launch { kubeconfig: PathBuf::new(), args: Vec::new(), env: Vec::new() };
        let stage = stage.insert(Self { control_plane, simulator, receiver, api_key, launch, operator: None });
        let (done, launch) = stage.control_plane.install(&stage.simulator.base_url()).await?;
        narrator.done(done);
        stage.launch = launch;
        stage.start_operator().await?;
        narrator.done("the operator runs, as a ServiceAccount with these rights and no others, and leads");
        Ok(())
    }

    /// Starts the operator, if it does not run.
    pub async fn start_operator(&mut self) -> Result<(), Failure> {
        if self.operator.is_none() {
            let log = self.control_plane.dir().join(LOG);
            self.operator = Some(Operator::start(&self.launch, log).await?);
        }
        Ok(())
    }

    /// Restarts the operator in order, with further origins that accounts may name.
    pub async fn restart_operator_allowing(&mut self, origins: &[String]) -> Result<(), Failure> {
        for origin in origins {
            self.launch.args.extend(["--allowed-base-url".to_owned(), origin.clone()]);
        }
        if let Some(operator) = self.operator.take() {
            operator.stop().await?;
        }
        self.start_operator().await
    }

    /// SIGKILL. Says nothing to anybody, so the lease stays with the dead.
    pub async fn kill_operator(&mut self) -> Result<(), Failure> {
        let operator = self.operator.take().ok_or_else(|| "the operator does not run".to_owned())?;
        operator.kill().await
    }

    /// Takes the leader lease from a dead operator, as a person may who knows that it is dead. Left alone it runs out.
    pub async fn release_lease(&self) -> Result<(), Failure> {
        let nobody = r#"{"spec":{"holderIdentity":""}}"#;
        self.kubectl().quiet(&["patch", "lease", OPERATOR, "-n", SYSTEM, "--type=merge", "-p", nobody]).await?;
        Ok(())
    }

    pub fn kubectl(&self) -> Kubectl<'_> {
        Kubectl(&self.control_plane)
    }

    pub fn operator(&self) -> Result<&Operator, Failure> {
        self.operator.as_ref().ok_or_else(|| "the operator does not run".to_owned())
    }

    /// The operator's log, if it was started.
    pub fn operator_log(&self) -> Option<String> {
        std::fs::read_to_string(self.control_plane.dir().join(LOG)).ok()
    }

    /// Waits until `look` finds nothing wrong; fails with the last that it found.
    pub async fn until(&self, limit: Duration, look: impl Fn(&Self) -> Result<(), Failure>) -> Result<(), Failure> {
        let deadline = std::time::Instant::now() + limit;
        loop {
            match look(self) {
                Ok(()) => return Ok(()),
                Err(failure) if std::time::Instant::now() > deadline => {
                    return Err(format!("{failure} (after {} s)", limit.as_secs()));
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Stops everything. An operator that does not stop well is a failure; the rest is stopped all the same.
    pub async fn stop(self) -> Result<(), Failure> {
        let cleared = if self.operator.is_some() { self.control_plane.clear().await } else { Ok(()) };
        let stopped = match self.operator {
            Some(operator) => operator.stop().await,
            None => Ok(()),
        };
        drop(self.receiver);
        self.simulator.shutdown().await;
        let removed = self.control_plane.shutdown().await;
        stopped.and(cleared).and(removed)
    }
}
