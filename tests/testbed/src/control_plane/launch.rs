//! The command lines of the servers and the wait until they answer.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use axum::http::Request;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client};

use super::binaries::{API_SERVER, CONTROLLER_MANAGER, ETCD};
use super::files::Files;
use super::process::Supervised;
use super::{Binaries, Error};

const POLL: Duration = Duration::from_millis(50);

/// Three ports that were free a moment ago. The servers cannot be handed an open socket, so another process may take one in
/// between; the caller then tries again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ports {
    etcd: u16,
    etcd_peers: u16,
    pub(super) api: u16,
}

impl Ports {
    pub(super) fn free() -> Result<Self, Error> {
        // All three are held until all are known, so they differ.
        let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(Error::io("127.0.0.1:0"));
        let listeners = [listen()?, listen()?, listen()?];
        let port = |index: usize| {
            let address = listeners[index].local_addr().map_err(Error::io("127.0.0.1:0"))?;
            Ok::<u16, Error>(address.port())
        };
        Ok(Self { etcd: port(0)?, etcd_peers: port(1)?, api: port(2)? })
    }

    pub(super) fn server(self) -> String {
        format!("https://127.0.0.1:{}", self.api)
    }
}

/// Starts etcd and waits until it listens.
pub(super) async fn etcd(
    binaries: &Binaries,
    files: &Files,
    ports: Ports,
    timeout: Duration,
) -> Result<Supervised, Error> {
    let (clients, peers) = (ports.etcd, ports.etcd_peers);
    let args = [
        "--name=testbed".to_owned(),
        format!("--data-dir={}", files.path("etcd")),
        format!("--listen-client-urls=http://127.0.0.1:{clients}"),
        format!("--advertise-client-urls=http://127.0.0.1:{clients}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peers}"),
        format!("--initial-advertise-peer-urls=http://127.0.0.1:{peers}"),
        format!("--initial-cluster=testbed=http://127.0.0.1:{peers}"),
        // The data lives as long as the test; waiting for the disk would be most of the time of a write.
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    let mut etcd = Supervised::spawn(ETCD.name, &binaries.etcd, &args, &files.dir)?;
    let deadline = Instant::now() + timeout;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, clients)).is_err() {
        etcd.check()?;
        if Instant::now() > deadline {
            return Err(etcd.not_ready(timeout));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(etcd)
}

/// Starts kube-apiserver and waits for `/readyz`, which includes the built-in roles.
pub(super) async fn api_server(
    binaries: &Binaries,
    files: &Files,
    ports: Ports,
    extra: &[String],
    admin: &Client,
    timeout: Duration,
) -> Result<Supervised, Error> {
    let mut args = vec![
        format!("--etcd-servers=http://127.0.0.1:{}", ports.etcd),
        format!("--secure-port={}", ports.api),
        "--bind-address=127.0.0.1".to_owned(),
        // Without it the server looks for an interface with a route, which a sandbox may not have.
        "--advertise-address=127.0.0.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        format!("--cert-dir={}", files.path("certificates")),
        format!("--tls-cert-file={}", files.path("serving.crt")),
        format!("--tls-private-key-file={}", files.path("serving.key")),
        format!("--service-account-key-file={}", files.path("accounts.pub")),
        format!("--service-account-signing-key-file={}", files.path("accounts.key")),
        "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
        format!("--token-auth-file={}", files.path("tokens.csv")),
        "--authorization-mode=RBAC".to_owned(),
        "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
        format!("--audit-policy-file={}", files.path("audit-policy.yaml")),
        format!("--audit-log-path={}", files.path("audit.log")),
        // The line is in the file before the client has its answer, so a test may count right after its last request.
        "--audit-log-mode=blocking-strict".to_owned(),
        // Marks are offsets into one file, which a rotation would invalidate.
        "--audit-log-maxsize=1000000".to_owned(),
        "--profiling=false".to_owned(),
    ];
    args.extend_from_slice(extra);
    let mut server = Supervised::spawn(API_SERVER.name, &binaries.api_server, &args, &files.dir)?;
    let deadline = Instant::now() + timeout;
    while !is_ready(admin).await {
        server.check()?;
        if Instant::now() > deadline {
            return Err(server.not_ready(timeout));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(server)
}

async fn is_ready(admin: &Client) -> bool {
    let Ok(request) = Request::get("/readyz").body(Vec::new()) else { return false };
    let answer = tokio::time::timeout(Duration::from_secs(2), admin.request_text(request)).await;
    matches!(answer, Ok(Ok(_)))
}

/// Starts kube-controller-manager and waits for its first deed, the `default` ServiceAccount of `default`.
pub(super) async fn controller_manager(
    binaries: &Binaries,
    files: &Files,
    admin: &Client,
    timeout: Duration,
) -> Result<Supervised, Error> {
    let args = [
        format!("--kubeconfig={}", files.path("controller-manager.kubeconfig")),
        "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller".to_owned(),
        "--leader-elect=false".to_owned(),
        "--use-service-account-credentials=false".to_owned(),
        "--secure-port=0".to_owned(),
        "--concurrent-namespace-syncs=20".to_owned(),
        "--concurrent-gc-syncs=20".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--profiling=false".to_owned(),
    ];
    let mut manager = Supervised::spawn(CONTROLLER_MANAGER.name, &binaries.controller_manager, &args, &files.dir)?;
    let accounts = Api::<ServiceAccount>::namespaced(admin.clone(), "default");
    let deadline = Instant::now() + timeout;
    while !matches!(accounts.get_opt("default").await, Ok(Some(_))) {
        manager.check()?;
        if Instant::now() > deadline {
            return Err(manager.not_ready(timeout));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(manager)
}
