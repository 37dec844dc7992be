//! `run`: the operator. The order of the parts is the order of this file: logs, TLS, client, probes, lease, controllers,
//! and on the way out the reverse.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use clap::{ArgAction, Args};
use futures::FutureExt;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use url::Url;

use super::Failure;
use crate::controller;
use crate::runtime::health::Role;
use crate::runtime::http::HttpServer;
use crate::runtime::lease::{Standing, unique_identity};
use crate::runtime::telemetry::{self, LogFormat};
use crate::runtime::{Health, Lease, LeaseTiming, Metrics, kube_client, shutdown};

/// The Lease object that replicas share.
const LEASE_NAME: &str = "external-webhooks";

/// Where a pod finds its own namespace.
const NAMESPACE_FILE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Arguments of `run`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct RunArgs {
    /// Watch only this namespace. May be given several times; left out: all namespaces.
    #[arg(long, value_name = "NS", env = "EXTERNAL_WEBHOOKS_NAMESPACE", value_delimiter = ',', value_parser = namespace)]
    pub namespace: Vec<String>,

    /// Let accounts use a base URL of this origin besides the providers' own. May be given several times.
    #[arg(long, value_name = "URL", env = "EXTERNAL_WEBHOOKS_ALLOWED_BASE_URL", value_delimiter = ',', value_parser = origin)]
    pub allowed_base_url: Vec<String>,

    /// Whether replicas elect a leader. Switch it off only where a second process can never run.
    #[arg(long, value_name = "BOOL", env = "EXTERNAL_WEBHOOKS_LEADER_ELECT", action = ArgAction::Set,
          default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_elect: bool,

    /// Where /metrics, /healthz and /readyz are served; port 0 takes any free port, which is logged.
    #[arg(long, value_name = "ADDRESS", env = "EXTERNAL_WEBHOOKS_HTTP_ADDR", default_value = "0.0.0.0:8080")]
    pub http_addr: SocketAddr,

    /// Let the self-test call targets with addresses that are not public: loopback, private, link-local.
    #[arg(long, env = "EXTERNAL_WEBHOOKS_ALLOW_PRIVATE_TARGETS")]
    pub allow_private_targets: bool,

    /// How log lines look.
    #[arg(long, value_name = "FORMAT", env = "EXTERNAL_WEBHOOKS_LOG_FORMAT", value_enum, default_value = "json")]
    pub log_format: LogFormat,
}

/// A namespace's name, by the rule of the API server (an RFC 1123 label). An empty one is refused rather than read as
/// "all": it is what an unset shell variable leaves behind.
fn namespace(text: &str) -> Result<String, String> {
    let ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || text.len() > 63 || !text.chars().all(ok) || text.starts_with('-') || text.ends_with('-') {
        return Err("not a namespace name; leave flag and variable out to watch all namespaces".to_owned());
    }
    Ok(text.to_owned())
}

/// An origin. Anything after it is refused, because it would look as if only that path were allowed.
fn origin(text: &str) -> Result<String, String> {
    let url =
        Url::parse(text).map_err(|error| format!("not a URL ({error}); write for example https://example.com"))?;
    let plain =
        url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
    if !matches!(url.scheme(), "https" | "http") || url.path() != "/" || !plain {
        return Err(
            "must be an http or https origin without user, path or query, such as https://example.com".to_owned()
        );
    }
    Ok(url.origin().ascii_serialization())
}

/// Runs the operator to its end.
pub(super) fn main(args: RunArgs) -> Result<(), Failure> {
    let filter = std::env::var("RUST_LOG").ok();
    let _logs = telemetry::start(args.log_format, filter.as_deref()).map_err(|error| match error {
        telemetry::TelemetryError::Filter(_) => Failure::bad_argument(error),
        _ => Failure::failed(error),
    })?;
    // One thread: the operator waits for others nearly all the time, and every thread that allocates costs memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the async runtime: {error}")))?;
    let result = runtime.block_on(operate(args));
    // What still hangs here has had its time; the end of the process must not wait for it.
    runtime.shutdown_background();
    result
}

async fn operate(args: RunArgs) -> Result<(), Failure> {
    let asked = shutdown::listen().map_err(|error| Failure::failed(format!("cannot listen for signals: {error}")))?;
    kube_client::install_tls_provider();
    let config = kube_client::config().await.map_err(Failure::failed)?;
    let own_namespace = own_namespace(&config.default_namespace);
    let client = kube_client::client(config).map_err(Failure::failed)?;

    let (metrics, health, end) = (Metrics::new(), Health::new(), CancellationToken::new());
    let _end = end.clone().drop_guard();
    let server = HttpServer::start(args.http_addr, metrics.clone(), health.clone(), end.clone()).await;
    let _server = server.map_err(|error| {
        Failure::failed(format!("cannot listen on {}: {error}; choose another --http-addr", args.http_addr))
    })?;

    let lease = if args.leader_elect {
        let pod = std::env::var("POD_NAME").or_else(|_| std::env::var("HOSTNAME"));
        let identity = unique_identity(pod.as_deref().unwrap_or("external-webhooks"));
        let timing = LeaseTiming::default();
        Lease::start(client.clone(), &own_namespace, LEASE_NAME, &identity, timing, asked.clone())
    } else {
        info!("leader election is off: a second process would be a mistake");
        Lease::always()
    };
    let followed = tokio::spawn(follow(lease.clone(), metrics.clone(), health.clone()));

    let config = controller::Config {
        client,
        namespaces: args.namespace,
        allowed_base_urls: args.allowed_base_url,
        allow_private_targets: args.allow_private_targets,
        timing: controller::Timing::default(),
        metrics,
        health: health.clone(),
        lease: lease.clone(),
        shutdown: asked.clone(),
    };
    let result = lead(&lease, &health, &asked, work(config)).await;
    followed.abort();
    result
}

/// The controllers, with a panic turned into an ordinary failure: it has the same exit code and the same way out.
async fn work(config: controller::Config) -> Result<(), String> {
    match AssertUnwindSafe(controller::run(config)).catch_unwind().await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("a controller panicked; the message is above, please report it".to_owned()),
    }
}

/// Runs `controllers` while this process leads, and ends them in the way that the reason for ending asks for.
async fn lead(
    lease: &Lease,
    health: &Health,
    asked: &CancellationToken,
    controllers: impl Future<Output = Result<(), String>>,
) -> Result<(), Failure> {
    let acquired = tokio::select! {
        acquired = lease.acquired() => acquired,
        () = asked.cancelled() => false,
    };
    if !acquired {
        lease.release().await;
        return if asked.is_cancelled() { Ok(()) } else { Err(Failure::failed(lease.lost().await)) };
    }
    tokio::pin!(controllers);
    let result = tokio::select! {
        biased;
        // No draining here: work in hand was begun under a lease that is gone.
        lost = lease.lost() => return Err(Failure::failed(format!("{lost}; exiting, so that a restart begins afresh"))),
        result = &mut controllers => match result {
            result if asked.is_cancelled() => {
                stopped(result);
                Ok(())
            }
            Err(error) => Err(Failure::failed(error)),
            Ok(()) => Err(Failure::failed("the controllers ended although nobody asked them to; restart, and report it")),
        },
        () = asked.cancelled() => {
            health.set_role(Role::Stopping);
            return stop(lease, shutdown::DRAIN_CONTROLLERS, controllers).await;
        }
    };
    if result.is_err() {
        health.set_role(Role::Stopping);
    }
    lease.release().await;
    result
}

/// The orderly end: controllers first, then the lease. A lease is given back only when nothing works under it any more;
/// otherwise it runs out by itself, later than anything that is still on its way.
async fn stop(
    lease: &Lease,
    limit: Duration,
    controllers: impl Future<Output = Result<(), String>>,
) -> Result<(), Failure> {
    tokio::select! {
        biased;
        lost = lease.lost() => Err(Failure::failed(lost)),
        drained = tokio::time::timeout(limit, controllers) => {
            match drained {
                Ok(result) => stopped(result),
                Err(_) => {
                    warn!("the controllers did not stop in time; the leader lease is left to run out");
                    return Ok(());
                }
            }
            lease.release().await;
            Ok(())
        }
    }
}

/// Whoever asked the process to stop gets what they asked for, even if the last call went wrong.
fn stopped(result: Result<(), String>) {
    match result {
        Ok(()) => info!("stopped"),
        Err(error) => warn!(error, "a controller failed while it was stopping"),
    }
}

async fn follow(lease: Lease, metrics: Metrics, health: Health) {
    lease
        .follow(|standing| {
            metrics.set_leader(*standing == Standing::Leading);
            health.set_role(match standing {
                Standing::Starting => Role::Starting,
                Standing::Standby => Role::Standby,
                Standing::Leading => Role::Leader,
                Standing::Lost(_) | Standing::Ended => Role::Stopping,
            });
        })
        .await;
}

/// The namespace of the lease: the pod's own, else what `POD_NAMESPACE` or the kubeconfig's context says.
fn own_namespace(configured: &str) -> String {
    std::fs::read_to_string(NAMESPACE_FILE)
        .ok()
        .or_else(|| std::env::var("POD_NAMESPACE").ok())
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| configured.to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn parse(args: &[&str]) -> RunArgs {
        match Cli::try_parse_from([&["external-webhooks", "run"], args].concat()).unwrap().command {
            Command::Run(args) => args,
            Command::Crds(_) => unreachable!(),
        }
    }

    #[test]
    fn defaults_are_those_of_the_contract() {
        let expected = RunArgs {
            namespace: vec![],
            allowed_base_url: vec![],
            leader_elect: true,
            http_addr: SocketAddr::from(([0, 0, 0, 0], 8080)),
            allow_private_targets: false,
            log_format: LogFormat::Json,
        };
        assert_eq!(parse(&[]), expected);
    }

    #[test]
    fn every_flag_is_taken() {
        let args = parse(&[
            "--namespace",
            "a",
            "--namespace=b,c",
            "--allowed-base-url",
            "https://Sandbox.example.com/",
            "--allowed-base-url",
            "http://127.0.0.1:8081",
            "--leader-elect=false",
            "--http-addr",
            "[::1]:0",
            "--allow-private-targets",
            "--log-format",
            "text",
        ]);
        assert_eq!(args.namespace, ["a", "b", "c"]);
        assert_eq!(args.allowed_base_url, ["https://sandbox.example.com", "http://127.0.0.1:8081"]);
        assert!(!args.leader_elect);
        assert_eq!(args.http_addr.port(), 0);
        assert!(args.allow_private_targets);
        assert_eq!(args.log_format, LogFormat::Text);
        assert!(parse(&["--leader-elect"]).leader_elect);
    }

    /// The environment of a running process cannot be changed safely, so this test is its own child.
    #[test]
    fn every_flag_is_a_variable_too_and_the_flag_wins() {
        const CHILD: &str = "EXTERNAL_WEBHOOKS_TEST_CHILD";
        if std::env::var_os(CHILD).is_some() {
            let args = parse(&["--log-format=json"]);
            assert_eq!(args.namespace, ["a", "b"]);
            assert_eq!(args.allowed_base_url, ["https://x.example.com", "http://localhost:1"]);
            assert!(!args.leader_elect);
            assert_eq!(args.http_addr, SocketAddr::from(([127, 0, 0, 1], 0)));
            assert!(args.allow_private_targets);
            assert_eq!(args.log_format, LogFormat::Json);
            return;
        }
        let name = "cli::run::tests::every_flag_is_a_variable_too_and_the_flag_wins";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env(CHILD, "1")
            .env("EXTERNAL_WEBHOOKS_NAMESPACE", "a,b")
            .env("EXTERNAL_WEBHOOKS_ALLOWED_BASE_URL", "https://x.example.com,http://localhost:1")
            .env("EXTERNAL_WEBHOOKS_LEADER_ELECT", "false")
            .env("EXTERNAL_WEBHOOKS_HTTP_ADDR", "127.0.0.1:0")
            .env("EXTERNAL_WEBHOOKS_ALLOW_PRIVATE_TARGETS", "true")
            .env("EXTERNAL_WEBHOOKS_LOG_FORMAT", "text")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
    }

    #[test]
    fn an_allowed_base_url_is_an_origin_and_nothing_more() {
        for wrong in
            ["example.com", "https://u@example.com", "https://example.com/x", "https://example.com?x", "file:///x"]
        {
            assert!(origin(wrong).is_err(), "{wrong}");
        }
        assert_eq!(origin("https://example.com:443").unwrap(), "https://example.com");
    }

    #[tokio::test]
    async fn a_request_to_stop_is_no_failure_and_drains() {
        let (lease, health, asked) = (Lease::always(), Health::new(), CancellationToken::new());
        let drained = asked.clone();
        let controllers = async move {
            drained.cancelled().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        };
        let stopper = asked.clone();
        tokio::spawn(async move { stopper.cancel() });
        assert!(lead(&lease, &health, &asked, controllers).await.is_ok());
        assert!(health.ready().unwrap_err().contains("stopping"));
    }

    /// What a new leader plans on is read after it has begun to lead, so nothing of the controllers may run before.
    #[tokio::test]
    async fn controllers_begin_only_under_the_lease() {
        kube_client::install_tls_provider();
        // Nobody answers there, so this process never leads.
        let client = kube_client::client(kube::Config::new("http://127.0.0.1:1".parse().unwrap())).unwrap();
        let (health, asked) = (Health::new(), CancellationToken::new());
        let lease = Lease::start(client, "here", LEASE_NAME, "me", LeaseTiming::default(), asked.clone());
        let (began, asks) = (std::cell::Cell::new(false), asked.clone());
        let controllers = async {
            began.set(true);
            Ok(())
        };
        let stopper = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            asks.cancel();
        };
        let (result, ()) = tokio::join!(lead(&lease, &health, &asked, controllers), stopper);
        assert!(result.is_ok() && !began.get());
    }

    #[tokio::test]
    async fn controllers_that_end_by_themselves_are_a_failure() {
        let (lease, health, asked) = (Lease::always(), Health::new(), CancellationToken::new());
        assert!(lead(&lease, &health, &asked, async { Ok(()) }).await.is_err());
        let failed = lead(&lease, &health, &asked, async { Err("why".to_owned()) }).await.unwrap_err();
        assert!(failed.message.contains("why"));
    }

    #[tokio::test]
    async fn controllers_that_hang_do_not_hold_up_the_end() {
        let lease = Lease::always();
        assert!(stop(&lease, Duration::from_millis(10), std::future::pending()).await.is_ok());
    }
}
