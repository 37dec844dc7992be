//! The real binary, as a pod runs it.

use std::io::Read;
use std::process::{Command, Stdio};

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;

use crate::support::{Running, SUNSHINE, World, endpoint, events, get, subscription, unknown_metrics};

const BINARY: &str = env!("CARGO_BIN_EXE_external-webhooks");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_converges_and_stops_in_order() {
    let world = World::named("binary").prepare().await;
    world.apply([world.secret(), world.account("default"), endpoint("intake")]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    let own = world.cluster.namespace("binary-operator").await.unwrap();
    world.cluster.install_operator_rbac(own.name()).await.unwrap();
    let (_, kubeconfig) = world.cluster.service_account_client(own.name(), "external-webhooks").await.unwrap();
    let mut command = Command::new(BINARY);
    command.args(["run", "--http-addr", "127.0.0.1:0", "--namespace", world.namespace.name()]);
    command.args(["--allowed-base-url", &world.provider.base_url()]);
    command.env("KUBECONFIG", kubeconfig).env("RUST_LOG", "trace").env_remove("POD_NAMESPACE");
    let mut running = Running::start(command);
    world.until("an address", |_| running.address().is_some()).await;
    let address = running.address().unwrap();
    world.all_ready().await;
    assert_eq!(world.provider.rows().len(), 2);
    assert_eq!(get(&address, "/healthz").await.0, 200);
    assert_eq!(get(&address, "/readyz").await.0, 200);
    let (status, metrics) = get(&address, "/metrics").await;
    assert_eq!(status, 200);
    for line in ["external_webhooks_leader 1", "external_webhooks_provider_requests_total{provider=\"nexhealth\""] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    // What a young process has not measured yet; `health_checks` sees all others.
    let later =
        ["provider_budget_ratio", "provider_throttled_seconds_total"].map(|name| format!("external_webhooks_{name}"));
    let unknown: Vec<String> = unknown_metrics(&metrics).into_iter().filter(|name| !later.contains(name)).collect();
    assert!(unknown.is_empty(), "alert rules or dashboard ask for {unknown:?}, which is not in\n{metrics}");
    let leases: Api<Lease> = Api::namespaced(world.client.clone(), own.name());
    let holder = |lease: Lease| lease.spec.and_then(|spec| spec.holder_identity).filter(|holder| !holder.is_empty());
    assert!(holder(leases.get("external-webhooks").await.unwrap()).is_some());
    let stopped = Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    let mut ended = None;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while ended.is_none() && std::time::Instant::now() < deadline {
        ended = running.child.try_wait().unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(ended.and_then(|status| status.code()), Some(0), "{}", running.log());
    assert_eq!(holder(leases.get("external-webhooks").await.unwrap()), None, "the lease is given back");
    world.assert_nowhere(&[("the binary's log", running.log()), ("its /metrics", metrics)]);
    world.finish().await;
}

/// What is not logged must happen all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn works_and_stops_without_a_log() {
    let world = World::named("binary-silent").prepare().await;
    world.apply([world.secret(), world.account("default"), endpoint("intake")]).await;
    let own = world.cluster.namespace("binary-operator").await.unwrap();
    world.cluster.install_operator_rbac(own.name()).await.unwrap();
    let (_, kubeconfig) = world.cluster.service_account_client(own.name(), "external-webhooks").await.unwrap();
    let mut command = Command::new(BINARY);
    command.args(["run", "--http-addr", "127.0.0.1:0", "--leader-elect=false"]);
    command.args(["--namespace", world.namespace.name(), "--allowed-base-url", &world.provider.base_url()]);
    command.env("KUBECONFIG", kubeconfig).env("RUST_LOG", "off").env_remove("POD_NAMESPACE");
    let mut running = Running::start(command);
    world.all_ready().await;
    assert!(running.child.try_wait().unwrap().is_none(), "it runs until it is told to stop");
    assert!(Command::new("kill").args(["-TERM", &running.child.id().to_string()]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || running.child.wait().unwrap()).await.unwrap();
    assert_eq!(ended.code(), Some(0));
    world.finish().await;
}

#[test]
fn bad_arguments_end_with_2_and_a_sentence() {
    for arguments in [&["run", "--http-addr", "nowhere"][..], &["run", "--allowed-base-url", "example.com"], &["walk"]]
    {
        let mut child = Command::new(BINARY).args(arguments).stderr(Stdio::piped()).spawn().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(2), "{arguments:?}: {said}");
        assert!(!said.trim().is_empty());
    }
}
