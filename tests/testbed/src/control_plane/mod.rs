//! A real etcd + kube-apiserver + kube-controller-manager for tests, the demo and the benchmarks.
//!
//! No mock of Kubernetes: validation rules, field ownership, RBAC, garbage collection and namespace deletion are the real
//! ones. Nothing that is started here outlives the process that started it, even when that is killed.

mod access;
mod apply;
mod audit;
mod binaries;
mod build;
mod error;
mod files;
mod go;
mod launch;
mod process;
mod shared;
pub mod tools;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use kube::{Client, Config};
use tempfile::TempDir;
use tokio::sync::Mutex;

pub use access::Namespace;
pub use audit::{Audit, AuditRequest, Mark};
pub use binaries::Binaries;
pub use error::Error;
pub use shared::shared;

use crate::kube_proxy::KubeProxy;
use files::Files;
use launch::Ports;
use process::Supervised;

/// How a control plane is started; `Options::default()` is right for tests.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long each server may take to answer. Some four seconds are usual, a loaded CI machine needs more.
    pub ready_timeout: Duration,
    /// Further flags of kube-apiserver, for a test that needs a feature gate or another limit.
    pub api_server_args: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { ready_timeout: Duration::from_secs(90), api_server_args: Vec::new() }
    }
}

/// A running control plane. Dropping it stops the servers and removes their files.
#[derive(Debug)]
pub struct ControlPlane {
    // The servers come first: they must be gone before their folder is removed.
    controller_manager: Mutex<Option<Supervised>>,
    api_server: Mutex<Option<Supervised>>,
    etcd: Supervised,
    options: Options,
    binaries: Binaries,
    ports: Ports,
    files: Files,
    dir: TempDir,
}

impl ControlPlane {
    /// Finds or builds the programs and starts them on free loopback ports.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let binaries = Binaries::find().await?;
        let mut attempts_left = 3;
        loop {
            match Self::start_once(&options, &binaries).await {
                Err(error) if error.is_port_taken() && attempts_left > 0 => attempts_left -= 1,
                result => return result,
            }
        }
    }

    async fn start_once(options: &Options, binaries: &Binaries) -> Result<Self, Error> {
        let dir = tempfile::Builder::new()
            .prefix("external-webhooks-control-plane-")
            // It holds the admin's token.
            .permissions(std::fs::Permissions::from_mode(0o700))
            .tempdir()
            .map_err(Error::io(std::env::temp_dir()))?;
        let files = Files::write(dir.path())?;
        let ports = Ports::free()?;
        files.write_kubeconfigs(&ports.server())?;
        let timeout = options.ready_timeout;
        let admin = client(config(&files, ports, &files.admin_token)?)?;
        let etcd = launch::etcd(binaries, &files, ports, timeout).await?;
        let api_server = launch::api_server(binaries, &files, ports, &options.api_server_args, &admin, timeout).await?;
        let manager = launch::controller_manager(binaries, &files, &admin, timeout).await?;
        Ok(Self {
            controller_manager: Mutex::new(Some(manager)),
            api_server: Mutex::new(Some(api_server)),
            etcd,
            options: options.clone(),
            binaries: binaries.clone(),
            ports,
            files,
            dir,
        })
    }

    /// A client that may do everything. It belongs to the current runtime (its connections are driven there), so each test
    /// takes its own.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn admin(&self) -> Client {
        match config(&self.files, self.ports, &self.files.admin_token).and_then(client) {
            Ok(client) => client,
            // The same configuration made a client when the control plane started.
            Err(error) => panic!("the admin client cannot be made: {error}"),
        }
    }

    /// A kubeconfig of the same rights, for kubectl, helm and other programs.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.files.dir.join("admin.kubeconfig")
    }

    /// The URL of the API server, for a proxy that a test puts before it.
    pub fn server_url(&self) -> String {
        self.ports.server()
    }

    /// A proxy of one's own before the API server, that breaks what it is told to break.
    pub async fn proxy(&self) -> Result<KubeProxy, Error> {
        KubeProxy::start(config(&self.files, self.ports, "")?).await
    }

    /// `kubectl` as admin, of the server's version.
    pub fn kubectl(&self) -> Command {
        let mut command = Command::new(&self.binaries.kubectl);
        command.env("KUBECONFIG", self.admin_kubeconfig()).env("KUBECACHEDIR", self.files.dir.join("kubectl-cache"));
        command
    }

    /// The requests that the API server has answered.
    pub fn audit(&self) -> Audit {
        Audit::new(self.files.dir.join("audit.log"))
    }

    /// Kills kube-apiserver and starts it again on the same port and data, as an upgrade of a cluster does. Watches break.
    pub async fn restart_api_server(&self) -> Result<(), Error> {
        let mut running = self.api_server.lock().await;
        if let Some(server) = running.take() {
            stop(server).await;
        }
        let (args, timeout) = (&self.options.api_server_args, self.options.ready_timeout);
        *running =
            Some(launch::api_server(&self.binaries, &self.files, self.ports, args, &self.admin(), timeout).await?);
        Ok(())
    }

    /// Sends a signal to etcd: `STOP` makes it stand still, `CONT` go on.
    pub fn signal_etcd(&self, name: &str) -> Result<(), Error> {
        self.etcd.signal(name)
    }

    /// Starts kube-controller-manager anew. The garbage collector learns of new kinds only every 30 s and at its start.
    pub(super) async fn restart_controller_manager(&self) -> Result<(), Error> {
        let mut running = self.controller_manager.lock().await;
        if let Some(manager) = running.take() {
            stop(manager).await;
        }
        let timeout = self.options.ready_timeout;
        *running = Some(launch::controller_manager(&self.binaries, &self.files, &self.admin(), timeout).await?);
        Ok(())
    }

    /// The folder of logs, keys and data; it goes with the control plane.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Stops the servers and removes their files, and returns when both are done.
    pub async fn shutdown(self) {
        // A panic in it would have been one in `drop`; there is nothing left to clean up after it.
        let _ = tokio::task::spawn_blocking(move || drop(self)).await;
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // All at once; the fields' own drops then wait for each.
        self.etcd.release();
        for server in [&mut self.controller_manager, &mut self.api_server] {
            if let Some(server) = server.get_mut() {
                server.release();
            }
        }
    }
}

async fn stop(server: Supervised) {
    // Waits in a thread of its own: the end of a process is not an event of this runtime.
    let _ = tokio::task::spawn_blocking(move || server.stop()).await;
}

fn config(files: &Files, ports: Ports, token: &str) -> Result<Config, Error> {
    let server = ports.server();
    let url = server.parse().map_err(|error| Error::Manifest { origin: server, reason: format!("no URL: {error}") })?;
    let mut config = Config::new(url);
    config.root_cert = Some(vec![files.certificate_der.clone()]);
    config.auth_info.token = Some(token.to_owned().into());
    Ok(config)
}

fn client(config: Config) -> Result<Client, Error> {
    Client::try_from(config).map_err(Error::kube("making a client"))
}
