//! The operator's own binary as a child process: the one that is released, not a copy of its parts.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::Failure;
use crate::cluster::Launch;

const READY_WITHIN: Duration = Duration::from_secs(30);
/// Longer than the operator takes to drain.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);

/// The running operator. Killed when dropped.
pub struct Operator {
    child: Child,
    log: PathBuf,
    /// Where its own part of the log begins: those of its predecessors are before it.
    log_from: usize,
    /// Where `/metrics` is.
    pub http: String,
}

impl Operator {
    /// Starts it and waits until it is ready. It continues the log of the one before it.
    pub async fn start(launch: &Launch, log: PathBuf) -> Result<Self, Failure> {
        let binary = binary()?;
        let cannot = |error: std::io::Error| format!("cannot start {}: {error}", binary.display());
        let file = OpenOptions::new().create(true).append(true).open(&log).map_err(cannot)?;
        let log_from = file.metadata().map_err(cannot)?.len();
        let log_from = usize::try_from(log_from).unwrap_or(usize::MAX);
        let mut command = Command::new(&binary);
        for (name, _) in std::env::vars_os() {
            // A person's own settings must not change what is shown.
            if name.to_string_lossy().starts_with("EXTERNAL_WEBHOOKS_") {
                command.env_remove(name);
            }
        }
        command
            .args(&launch.args)
            .env("KUBECONFIG", &launch.kubeconfig)
            .env_remove("POD_NAMESPACE")
            .envs(launch.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(cannot)?)
            .stderr(file)
            // Ctrl-C in a terminal must reach it only through us, in order.
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(cannot)?;
        let mut operator = Self { child, log, log_from, http: String::new() };
        operator.ready().await?;
        Ok(operator)
    }

    /// What it, and those before it, have logged so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// The file it logs to.
    pub fn log_file(&self) -> &Path {
        &self.log
    }

    /// A page of its HTTP port.
    pub async fn page(&self, path: &str) -> Result<String, Failure> {
        // A proxy of the environment is for the world outside.
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let answer = client.get(format!("{}{path}", self.http)).send().await;
        let answer = answer.map_err(|error| format!("{path} of the operator: {error}"))?;
        if !answer.status().is_success() {
            let (status, why) = (answer.status(), answer.text().await.unwrap_or_default());
            return Err(format!("{path} of the operator says {status}: {}", why.trim()));
        }
        answer.text().await.map_err(|error| format!("{path} of the operator: {error}"))
    }

    /// Asks it to stop, as Kubernetes does, and expects it to do so by itself and well.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(id) = self.child.id() {
            let asked = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "stop", &id.to_string()]).status().await;
            asked.map_err(|error| format!("cannot signal the operator: {error}"))?;
        }
        match tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(format!("the operator ended with {status} when it was asked to stop")),
            Ok(Err(error)) => Err(format!("waiting for the operator: {error}")),
            Err(_) => {
                let _ = self.child.kill().await;
                Err(format!("the operator did not stop within {} s and was killed", STOPPED_WITHIN.as_secs()))
            }
        }
    }

    /// Kills it as an out-of-memory kill or a dead node would: SIGKILL, no time for anything.
    pub async fn kill(mut self) -> Result<(), Failure> {
        self.child.kill().await.map_err(|error| format!("cannot kill the operator: {error}"))
    }

    async fn ready(&mut self) -> Result<(), Failure> {
        let deadline = Instant::now() + READY_WITHIN;
        let mut last = "it has not said where it listens".to_owned();
        while Instant::now() < deadline {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the operator ended at once ({status})\n{}", self.log()));
            }
            if self.http.is_empty() {
                let log = self.log();
                let own = log.get(self.log_from..).unwrap_or_default();
                self.http = address(own).map(|address| format!("http://{address}")).unwrap_or_default();
            } else {
                match self.page("/readyz").await {
                    Ok(_) => return Ok(()),
                    Err(failure) => last = failure,
                }
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Err(format!("the operator was not ready within {} s: {last}", READY_WITHIN.as_secs()))
    }
}

/// Where the operator says that it listens.
fn address(log: &str) -> Option<&str> {
    let line = log.lines().find(|line| line.contains("/metrics") && line.contains("address="))?;
    line.split("address=").nth(1)?.split_whitespace().next()
}

/// `make demo` builds both binaries into one folder.
fn binary() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find the demo's own folder: {error}"))?;
    let operator = own.with_file_name("external-webhooks");
    if !operator.is_file() {
        return Err(format!("{} is not built: start the demo with `make demo`", operator.display()));
    }
    Ok(operator)
}
