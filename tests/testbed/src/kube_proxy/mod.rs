//! A proxy between one operator and the API server, that breaks what it is told to break.
//!
//! It speaks plain HTTP/1.1 on the loopback interface and passes the operator's own credentials on, so that RBAC decides
//! as without it. Watches stream through. What has reached it reaches the API server even if the operator dies meanwhile,
//! as a request does that is on the wire.

mod call;
mod faults;
mod forward;
mod watch;

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use kube::{Client, Config};
use serde_json::Value;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

pub use call::KubeCall;
pub use faults::{KubeFault, KubeHook, WatchFault};

use crate::control_plane::Error;
use crate::sim::server;

/// What all requests of one proxy share.
struct Core {
    upstream: Client,
    requests: AtomicU64,
    on_request: Mutex<Option<KubeHook>>,
    on_answer: Mutex<Option<KubeHook>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// A proxy of one's own. Stops when dropped.
pub struct KubeProxy {
    core: Arc<Core>,
    address: SocketAddr,
    _stop: DropGuard,
}

impl KubeProxy {
    /// Starts on the current tokio runtime, before the API server that this configuration names. Its credentials are not
    /// used: each request brings its own.
    ///
    /// # Errors
    /// If no port can be bound, or the configuration makes no client.
    pub(crate) async fn start(mut upstream: Config) -> Result<Self, Error> {
        upstream.auth_info = Default::default();
        upstream.default_retry = false;
        let upstream = Client::try_from(upstream).map_err(Error::kube("making the client of a proxy"))?;
        let listener = server::bind(0).await.map_err(Error::io("the port of a proxy"))?;
        let address = listener.local_addr().map_err(Error::io("the port of a proxy"))?;
        let stop = CancellationToken::new();
        let core = Arc::new(Core {
            upstream,
            requests: AtomicU64::new(1),
            on_request: Mutex::default(),
            on_answer: Mutex::default(),
            tasks: TaskTracker::new(),
            stop: stop.clone(),
        });
        let shared = core.clone();
        let answer = move |request| forward::answer(shared.clone(), request);
        tokio::spawn(server::serve(listener, stop.clone(), core.tasks.clone(), answer));
        Ok(Self { core, address, _stop: stop.drop_guard() })
    }

    /// `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A copy of a kubeconfig that leads here, written to `file`.
    ///
    /// # Errors
    /// If the files cannot be read or written.
    pub fn kubeconfig(&self, of: &Path, file: &Path) -> io::Result<PathBuf> {
        let mut config: Value = serde_json::from_slice(&std::fs::read(of)?)?;
        config["clusters"][0]["cluster"] = serde_json::json!({"server": self.url()});
        std::fs::write(file, config.to_string())?;
        Ok(file.to_owned())
    }

    /// Asks this hook about each request before anything is done about it. Replaces the one before.
    pub fn on_request(&self, hook: impl Fn(&KubeCall) -> Option<KubeFault> + Send + Sync + 'static) {
        *self.core.on_request.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }

    /// Asks this hook about each request when the API server has answered and nothing was passed on yet.
    pub fn on_answer(&self, hook: impl Fn(&KubeCall) -> Option<KubeFault> + Send + Sync + 'static) {
        *self.core.on_answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(hook));
    }
}
