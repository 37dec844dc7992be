//! How a world comes into being: the shared cluster, the usual provider, durations in milliseconds.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use external_webhooks::controller::Timing;
use external_webhooks::plan::PlanTiming;
use external_webhooks::provider::http::CallLimits;
use external_webhooks::provider::nexhealth::TokenTiming;
use external_webhooks::provider::realm::RealmTiming;
use external_webhooks::runtime::Lease;
use testbed::control_plane::{ControlPlane, Options, shared};
use testbed::nexhealth::{ApiKey, Mode, SimConfig, Simulator};
use tokio::sync::{Mutex, OnceCell};

use super::logs::Logs;
use super::operator::Settings;
use super::record::Recorder;
use super::world::World;

/// Namespace and ServiceAccount of every operator under test.
pub const OPERATORS: &str = "external-webhooks-system";
const SERVICE_ACCOUNT: &str = "external-webhooks";

/// The operator's kubeconfig: definitions and rights are installed by the first test that asks.
static INSTALLED: OnceCell<PathBuf> = OnceCell::const_new();

/// The cluster of tests whose operator watches all of it, and who has it.
static WHOLE: OnceCell<(&'static ControlPlane, PathBuf)> = OnceCell::const_new();
static ALONE: Mutex<()> = Mutex::const_new(());

async fn installed(cluster: &ControlPlane) -> PathBuf {
    let install = || async {
        cluster.install_crds(concat!(env!("CARGO_MANIFEST_DIR"), "/crds")).await.unwrap();
        cluster.install_operator_rbac(OPERATORS).await.unwrap();
        cluster.service_account_client(OPERATORS, SERVICE_ACCOUNT).await.unwrap().1
    };
    INSTALLED.get_or_init(install).await.clone()
}

/// A cluster with nothing on it. It is never dropped, like the shared one; its processes end with this one.
pub async fn bare_cluster() -> &'static ControlPlane {
    Box::leak(Box::new(ControlPlane::start(Options::default()).await.unwrap()))
}

/// A cluster of the test's own.
async fn own_cluster() -> (&'static ControlPlane, PathBuf) {
    let cluster = bare_cluster().await;
    cluster.install_crds(concat!(env!("CARGO_MANIFEST_DIR"), "/crds")).await.unwrap();
    cluster.install_operator_rbac(OPERATORS).await.unwrap();
    let kubeconfig = cluster.service_account_client(OPERATORS, SERVICE_ACCOUNT).await.unwrap().1;
    (cluster, kubeconfig)
}

/// The shared cluster, with our kinds on it, and the kubeconfig of the operator's ServiceAccount.
pub async fn cluster() -> (&'static ControlPlane, PathBuf) {
    let cluster = shared().await;
    let kubeconfig = installed(cluster).await;
    (cluster, kubeconfig)
}

/// The operator's durations, in milliseconds instead of seconds.
pub fn brief_timing() -> Timing {
    let ms = Duration::from_millis;
    Timing {
        plan: PlanTiming {
            absence_gap: ms(150),
            outstanding: ms(300),
            counters: ms(100),
            retry_rows: ms(200),
            self_test: ms(100),
            self_test_retry: ms(300),
            ..PlanTiming::default()
        },
        realm: RealmTiming {
            settle_answered: ms(50),
            settle_timed_out: ms(200),
            settle_accepted: ms(500),
            suspect: ms(2000),
            proven: Duration::from_secs(3600),
        },
        calls: CallLimits { deadline: ms(1500), write_deadline: ms(1500), connect: ms(500), ..CallLimits::default() },
        tokens: TokenTiming::default(),
        observe_interval: Some(ms(300)),
        sync_interval: Some(ms(500)),
        backoff: (ms(10), ms(200)),
        probe: (ms(20), ms(200)),
        credentials_retry: Duration::from_secs(3600),
        conflict: ms(5),
        kube_call: Duration::from_secs(10),
        secret_replaced: ms(300),
        definition_refused: ms(1000),
        namespace_poll: ms(100),
        lease: ms(200),
        measure: ms(100),
        outage_writes: ms(5),
        self_test: ms(1500),
    }
}

/// How a world is made.
pub struct WorldBuilder {
    name: &'static str,
    timing: Timing,
    provider: SimConfig,
    logs: Logs,
    namespaced: bool,
    own_cluster: bool,
    prepared: Option<(&'static ControlPlane, PathBuf)>,
    whole_cluster: bool,
}

impl WorldBuilder {
    /// Changes the operator's durations.
    pub fn timing(mut self, edit: impl FnOnce(&mut Timing)) -> Self {
        edit(&mut self.timing);
        self
    }

    /// Nothing is noticed by looking now and then: only watches wake the operator.
    pub fn watches_only(self) -> Self {
        self.timing(|timing| timing.observe_interval = Some(Duration::from_secs(3600)))
    }

    /// Logs less, for a test that runs a thousand times.
    pub fn brief_logs(mut self) -> Self {
        self.logs = Logs::brief();
        self
    }

    /// The operator has the rights for its one namespace only, as with `--namespace`.
    pub fn namespaced(mut self) -> Self {
        self.namespaced = true;
        self
    }

    /// On a cluster that no other test uses, because the test breaks it. It is as slow to start as the shared one.
    pub fn own_cluster(mut self) -> Self {
        self.own_cluster = true;
        self
    }

    /// On a cluster that the test has prepared, with the kubeconfig of its operator.
    pub fn on(mut self, cluster: &'static ControlPlane, kubeconfig: PathBuf) -> Self {
        self.prepared = Some((cluster, kubeconfig));
        self
    }

    /// The operator watches all namespaces, on a cluster that such tests have one after the other.
    pub fn whole_cluster(mut self) -> Self {
        self.whole_cluster = true;
        self
    }

    /// Changes the provider.
    pub fn provider(mut self, edit: impl FnOnce(&mut SimConfig)) -> Self {
        edit(&mut self.provider);
        self
    }

    /// Makes everything but the objects; the operator does not run yet.
    pub async fn prepare(self) -> World {
        let alone = if self.whole_cluster { Some(ALONE.lock().await) } else { None };
        let (cluster, mut kubeconfig) = match self.prepared {
            Some(prepared) => prepared,
            None if self.own_cluster => own_cluster().await,
            None if self.whole_cluster => WHOLE.get_or_init(own_cluster).await.clone(),
            None => cluster().await,
        };
        let namespace = cluster.namespace(self.name).await.unwrap();
        let client = cluster.admin();
        if self.namespaced {
            let own = cluster.namespace("operator-of").await.unwrap();
            cluster.install_namespaced_rbac(own.name(), namespace.name()).await.unwrap();
            kubeconfig = cluster.service_account_client(own.name(), SERVICE_ACCOUNT).await.unwrap().1;
        }
        let provider = Arc::new(Simulator::start(self.provider).await.unwrap());
        let settings = Settings {
            namespace: namespace.name().to_owned(),
            everywhere: self.whole_cluster,
            allowed_base_urls: vec![provider.base_url()],
            allow_private_targets: true,
            timing: self.timing,
            silence: Duration::from_secs(300),
            lease: Lease::always(),
        };
        World {
            recorder: match self.whole_cluster {
                true => Recorder::with_cluster_account(&client, namespace.name()),
                false => Recorder::start(&client, namespace.name()),
            },
            provider,
            cluster,
            client,
            namespace,
            settings,
            kubeconfig,
            secrets_elsewhere: Vec::new(),
            logs: self.logs,
            operator: None,
            metrics: String::new(),
            _alone: alone,
        }
    }

    /// With a running operator, the account `default` and the Secret that holds its key.
    pub async fn start(self) -> World {
        let mut world = self.prepare().await;
        world.start_operator();
        world.apply([world.secret(), world.account("default")]).await;
        world
    }
}

impl World {
    /// A world with the usual provider: one organisation, one key, three practices, no rate limit.
    pub fn named(name: &'static str) -> WorldBuilder {
        let mut provider = SimConfig::default();
        provider.switches.rate_limit = None;
        let key = format!("canary-key-{name}-{:016x}", rand::random::<u64>());
        provider.organisations[0].keys = vec![ApiKey::new("main", &key, Mode::Production)];
        WorldBuilder {
            name,
            timing: brief_timing(),
            provider,
            logs: Logs::default(),
            namespaced: false,
            own_cluster: false,
            prepared: None,
            whole_cluster: false,
        }
    }
}
