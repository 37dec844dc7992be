//! The cluster that the demo plays on: one of its own, or an existing one on which it installs the chart.
//!
//! On an existing one the chart is installed without pods, and the operator runs here, with the ServiceAccount, arguments and
//! environment of the chart's Deployment: a pod could not reach the simulated provider of this machine. A cluster that has the
//! operator already is refused, and everything that was installed is removed at the end.

use std::path::{Path, PathBuf};
use std::process::Command;

use kube::Client;
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};
use tempfile::TempDir;
use testbed::control_plane::tools::HELM;
use testbed::control_plane::{ControlPlane, Options};

use crate::Failure;
use crate::examples::{CRDS, NAMESPACE};

/// The operator's namespace, as in its RBAC.
pub const SYSTEM: &str = "external-webhooks-system";
/// Its name there: of the release, the ServiceAccount and the lease.
pub const OPERATOR: &str = "external-webhooks";
const CHART: &str = "charts/external-webhooks";

/// How the operator is started.
pub struct Launch {
    /// The rights of its ServiceAccount.
    pub kubeconfig: PathBuf,
    /// Arguments.
    pub args: Vec<String>,
    /// Variables.
    pub env: Vec<(String, String)>,
}

/// See the module.
pub enum Cluster {
    /// One of its own.
    Own(Box<ControlPlane>),
    /// Somebody's.
    Existing(Existing),
}

/// An existing cluster.
pub struct Existing {
    kubeconfig: PathBuf,
    client: Client,
    folder: TempDir,
}

impl Cluster {
    /// That of `DEMO_KUBECONFIG`, which `make demo KUBECONFIG=...` sets, or a new one.
    pub async fn start() -> Result<Self, Failure> {
        match std::env::var_os("DEMO_KUBECONFIG").filter(|path| !path.is_empty()) {
            Some(path) => Existing::reach(PathBuf::from(path)).await.map(Self::Existing),
            None => {
                let started = ControlPlane::start(Options::default()).await;
                started.map(|own| Self::Own(Box::new(own))).map_err(|error| error.to_string())
            }
        }
    }

    /// A client that may do everything.
    pub fn admin(&self) -> Client {
        match self {
            Self::Own(control_plane) => control_plane.admin(),
            Self::Existing(existing) => existing.client.clone(),
        }
    }

    /// A kubeconfig of the same rights.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        match self {
            Self::Own(control_plane) => control_plane.admin_kubeconfig(),
            Self::Existing(existing) => existing.kubeconfig.clone(),
        }
    }

    /// `kubectl` with these rights.
    pub fn kubectl(&self) -> Command {
        match self {
            Self::Own(control_plane) => control_plane.kubectl(),
            Self::Existing(existing) => existing.command("kubectl"),
        }
    }

    /// A folder for logs; it goes with the demo.
    pub fn dir(&self) -> &Path {
        match self {
            Self::Own(control_plane) => control_plane.dir(),
            Self::Existing(existing) => existing.folder.path(),
        }
    }

    /// Installs definitions and rights, and says what was done and how to start the operator.
    pub async fn install(&self, provider: &str) -> Result<(&'static str, Launch), Failure> {
        match self {
            Self::Own(control_plane) => {
                control_plane.install_crds(CRDS).await.map_err(|error| error.to_string())?;
                control_plane.install_operator_rbac(SYSTEM).await.map_err(|error| error.to_string())?;
                let account = control_plane.service_account_client(SYSTEM, OPERATOR).await;
                let kubeconfig = account.map_err(|error| error.to_string())?.1;
                let args = ["run", "--http-addr=127.0.0.1:0", "--log-format=text", "--allowed-base-url", provider];
                let args = args.map(str::to_owned).to_vec();
                let done = "crds/ and charts/external-webhooks/rbac/cluster.yaml are applied";
                Ok((done, Launch { kubeconfig, args, env: Vec::new() }))
            }
            Self::Existing(existing) => {
                let launch = existing.install(provider).await?;
                Ok(("the chart is installed, with its pods here instead of there", launch))
            }
        }
    }

    /// While the operator runs: removes the demo's objects, so that nothing waits for an operator that is gone.
    pub async fn clear(&self) -> Result<(), Failure> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Existing(existing) => {
                let args = ["delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=90s"];
                existing.run(existing.command("kubectl"), &args).await.map(drop)
            }
        }
    }

    /// Removes what was installed, and stops what was started.
    pub async fn shutdown(self) -> Result<(), Failure> {
        match self {
            Self::Own(control_plane) => {
                control_plane.shutdown().await;
                Ok(())
            }
            Self::Existing(existing) => existing.remove().await,
        }
    }
}

impl Existing {
    async fn reach(kubeconfig: PathBuf) -> Result<Self, Failure> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let cannot = |error: &dyn std::fmt::Display| format!("cannot use {}: {error}", kubeconfig.display());
        let read = Kubeconfig::read_from(&kubeconfig).map_err(|error| cannot(&error))?;
        let config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await;
        let client = config.map_err(|error| cannot(&error))?.try_into().map_err(|error: kube::Error| cannot(&error))?;
        let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
        let kubeconfig = std::path::absolute(&kubeconfig).map_err(|error| error.to_string())?;
        let existing = Self { kubeconfig, client, folder };
        for (kind, name) in [
            ("customresourcedefinition", "webhookendpoints.external-webhooks.io"),
            ("namespace", SYSTEM),
            ("namespace", NAMESPACE),
        ] {
            let args = ["get", kind, name, "--ignore-not-found", "-o", "name"];
            if !existing.run(existing.command("kubectl"), &args).await?.trim().is_empty() {
                return Err(format!(
                    "the cluster has {kind} {name} already: the demo takes one without, and removes its own"
                ));
            }
        }
        Ok(existing)
    }

    /// A program with this cluster's kubeconfig.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("KUBECONFIG", &self.kubeconfig);
        command
    }

    async fn run(&self, mut command: Command, args: &[&str]) -> Result<String, Failure> {
        command.args(args);
        let shown = format!("{} {}", command.get_program().to_string_lossy(), args.join(" "));
        let ended = tokio::task::spawn_blocking(move || command.output()).await.map_err(|error| error.to_string())?;
        let output = ended.map_err(|error| format!("cannot start `{shown}`: {error}"))?;
        if !output.status.success() {
            return Err(format!("`{shown}` failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    async fn json(&self, args: &[&str]) -> Result<Value, Failure> {
        let text = self.run(self.command("kubectl"), args).await?;
        serde_json::from_str(&text).map_err(|error| format!("kubectl {}: no JSON: {error}", args.join(" ")))
    }

    async fn helm(&self, args: &[&str]) -> Result<String, Failure> {
        let helm = HELM.find().await.map_err(|error| error.to_string())?;
        self.run(self.command(helm), &[args, &["--namespace", SYSTEM]].concat()).await
    }

    async fn install(&self, provider: &str) -> Result<Launch, Failure> {
        let allowed = format!("allowedBaseUrls={{{provider}}}");
        let values = ["--set", "replicaCount=0", "--set", "logFormat=text", "--set", &allowed];
        self.helm(&[&["install", OPERATOR, CHART, "--create-namespace"], &values[..]].concat()).await?;
        let deployment = self.json(&["get", "deployment", OPERATOR, "-n", SYSTEM, "-o", "json"]).await?;
        let pod = &deployment["spec"]["template"]["spec"];
        let account = pod["serviceAccountName"].as_str().unwrap_or_default();
        let token = ["create", "token", account, "-n", SYSTEM, "--duration=8h"];
        let token = self.run(self.command("kubectl"), &token).await?;
        let mut config = self.json(&["config", "view", "--raw", "--minify", "--flatten", "-o", "json"]).await?;
        config["users"] = json!([{"name": "operator", "user": {"token": token.trim()}}]);
        config["contexts"][0]["context"]["user"] = json!("operator");
        config["contexts"][0]["context"]["namespace"] = json!(SYSTEM);
        let kubeconfig = self.folder.path().join("operator.kubeconfig");
        std::fs::write(&kubeconfig, config.to_string()).map_err(|error| error.to_string())?;
        let texts = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let container = &pod["containers"][0];
        let args = container["args"].as_array().into_iter().flatten().map(texts).map(|argument| {
            // A free port of this machine instead of the pod's own.
            if argument.starts_with("--http-addr=") { "--http-addr=127.0.0.1:0".to_owned() } else { argument }
        });
        let env = container["env"].as_array().into_iter().flatten().map(|variable| {
            let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
                Some("metadata.namespace") => SYSTEM.to_owned(),
                Some(_) => format!("{OPERATOR}-demo"),
                None => texts(&variable["value"]),
            };
            (texts(&variable["name"]), value)
        });
        Ok(Launch { kubeconfig, args: args.collect(), env: env.collect() })
    }

    /// In the order of the chart's notes; each is tried even if the one before failed.
    async fn remove(&self) -> Result<(), Failure> {
        let labels = format!("app.kubernetes.io/instance={OPERATOR},app.kubernetes.io/name={OPERATOR}");
        let release = self.helm(&["uninstall", OPERATOR, "--ignore-not-found"]).await.map(drop);
        let definitions = ["delete", "crd", "-l", &labels, "--timeout=60s"];
        let definitions = self.run(self.command("kubectl"), &definitions).await.map(drop);
        let namespace = ["delete", "namespace", SYSTEM, "--ignore-not-found", "--timeout=60s"];
        let namespace = self.run(self.command("kubectl"), &namespace).await.map(drop);
        release.and(definitions).and(namespace)
    }
}
