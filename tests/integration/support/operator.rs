//! The operator in this process: the library's real controllers on a runtime of their own, so that everything of it,
//! calls under way included, can be made to die at one moment.

use std::path::Path;
use std::sync::{Mutex, Once, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use external_webhooks::controller::{self, Config, Timing};
use external_webhooks::runtime::{Health, Lease, Metrics};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio_util::sync::CancellationToken;

use super::logs::Logs;

/// Panics on threads of operators: name of the thread and message.
static PANICS: Mutex<Vec<(String, String)>> = Mutex::new(Vec::new());
static HOOK: Once = Once::new();

/// What an operator is started with.
#[derive(Clone)]
pub struct Settings {
    /// Watched namespace; also the name of its threads.
    pub namespace: String,
    /// Watches all namespaces, as without `--namespace`. Only on a cluster of the test's own.
    pub everywhere: bool,
    /// `--allowed-base-url`.
    pub allowed_base_urls: Vec<String>,
    /// `--allow-private-targets`.
    pub allow_private_targets: bool,
    /// All durations.
    pub timing: Timing,
    /// A connection to the API server on which nothing comes for this long is given up; 300 s in the real process.
    pub silence: Duration,
    /// What it leads by.
    pub lease: Lease,
}

/// A running operator.
pub struct Operator {
    thread: Option<JoinHandle<Result<(), String>>>,
    shutdown: CancellationToken,
    kill: CancellationToken,
    /// Its metrics.
    pub metrics: Metrics,
    /// Its health.
    pub health: Health,
}

impl Operator {
    /// Starts it with the rights of this kubeconfig.
    pub fn start(kubeconfig: &Path, settings: &Settings, logs: &Logs) -> Self {
        HOOK.call_once(watch_panics);
        let (shutdown, kill) = (CancellationToken::new(), CancellationToken::new());
        let (metrics, health) = (Metrics::new(), Health::new());
        let parts = (kubeconfig.to_owned(), settings.clone(), logs.dispatch());
        let (asked, killed) = (shutdown.clone(), kill.clone());
        let (own_metrics, own_health) = (metrics.clone(), health.clone());
        let body = move || {
            let (kubeconfig, settings, dispatch) = parts;
            let _logs = tracing::dispatcher::set_default(&dispatch);
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name(thread_name(&settings.namespace))
                .on_thread_start(move || std::mem::forget(tracing::dispatcher::set_default(&dispatch)))
                .enable_all()
                .build()
                .map_err(|error| error.to_string())?;
            let work = async {
                let config = Config {
                    client: client(&kubeconfig, settings.silence).await?,
                    namespaces: if settings.everywhere { Vec::new() } else { vec![settings.namespace] },
                    allowed_base_urls: settings.allowed_base_urls,
                    allow_private_targets: settings.allow_private_targets,
                    timing: settings.timing,
                    metrics: own_metrics,
                    health: own_health,
                    lease: settings.lease,
                    shutdown: asked,
                };
                controller::run(config).await.map_err(|error| error.to_string())
            };
            let result = runtime.block_on(async {
                tokio::select! {
                    biased;
                    () = killed.cancelled() => Ok(()),
                    result = work => result,
                }
            });
            // Every task ends where it stands; what is already on the wire arrives, as from a process that was killed.
            runtime.shutdown_timeout(Duration::from_secs(2));
            result
        };
        let name = thread_name(&settings.namespace);
        let thread = std::thread::Builder::new().name(name).spawn(body).unwrap();
        Self { thread: Some(thread), shutdown, kill, metrics, health }
    }

    /// Asks it to stop and waits for its end.
    pub async fn stop(mut self) -> Result<(), String> {
        self.shutdown.cancel();
        let thread = self.thread.take().unwrap();
        let joined = tokio::task::spawn_blocking(move || thread.join());
        match tokio::time::timeout(Duration::from_secs(10), joined).await {
            Ok(ended) => ended.unwrap().map_err(|_| "the operator panicked".to_owned())?,
            Err(_) => Err("the operator did not stop within 10 s".to_owned()),
        }
    }

    /// Ends it as `SIGKILL` does: nothing is finished, nothing is told.
    pub async fn kill(mut self) {
        self.kill.cancel();
        let thread = self.thread.take().unwrap();
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        self.kill.cancel();
    }
}

/// Set up as the real process does it.
async fn client(kubeconfig: &Path, silence: Duration) -> Result<kube::Client, String> {
    let read = Kubeconfig::read_from(kubeconfig).map_err(|error| error.to_string())?;
    let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
    let mut config = config.map_err(|error| error.to_string())?;
    config.default_retry = false;
    config.read_timeout = Some(silence);
    config.reset_reader_on_write = true;
    kube::Client::try_from(config).map_err(|error| error.to_string())
}

fn thread_name(namespace: &str) -> String {
    format!("operator of {namespace}")
}

fn watch_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        if name.starts_with("operator of ") {
            let mut panics = PANICS.lock().unwrap_or_else(PoisonError::into_inner);
            panics.push((name.to_owned(), info.to_string()));
        }
        usual(info);
    }));
}

/// What panicked in operators of this namespace.
pub fn panics(namespace: &str) -> Vec<String> {
    let (name, panics) = (thread_name(namespace), PANICS.lock().unwrap_or_else(PoisonError::into_inner));
    panics.iter().filter(|(thread, _)| *thread == name).map(|(_, message)| message.clone()).collect()
}
