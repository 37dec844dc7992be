//! The released binary as a child process, and what the kernel says of it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::process::{Child, Command};

use crate::Failure;

const STARTED_WITHIN: Duration = Duration::from_secs(30);
/// Longer than the operator takes to drain.
const STOPPED_WITHIN: Duration = Duration::from_secs(15);
/// Ticks a second in `/proc/<pid>/stat`, on every Linux that matters.
const TICKS: f64 = 100.0;

/// The running operator. Killed when dropped.
pub struct Operator {
    child: Child,
    log: PathBuf,
    http: String,
}

/// What the kernel says of the process.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Resident memory now, MiB.
    pub rss: f64,
    /// The most it ever was, MiB.
    pub peak: f64,
    /// CPU time so far, seconds.
    pub cpu: f64,
}

impl Operator {
    /// Starts it and returns when it says where it listens.
    pub async fn start(kubeconfig: &Path, allowed_base_url: &str, log: PathBuf) -> Result<Self, Failure> {
        let binary = binary()?;
        let cannot = |error: std::io::Error| format!("cannot start {}: {error}", binary.display());
        let file = File::create(&log).map_err(cannot)?;
        let mut command = Command::new(&binary);
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            if name.starts_with("EXTERNAL_WEBHOOKS_") || name.starts_with("MALLOC_") || name == "RUST_LOG" {
                command.env_remove(&*name);
            }
        }
        command
            .args(["run", "--http-addr", "127.0.0.1:0", "--allowed-base-url", allowed_base_url])
            .env("KUBECONFIG", kubeconfig)
            .env_remove("POD_NAMESPACE")
            .stdin(Stdio::null())
            .stdout(file.try_clone().map_err(cannot)?)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true);
        let child = command.spawn().map_err(cannot)?;
        let mut operator = Self { child, log, http: String::new() };
        let deadline = Instant::now() + STARTED_WITHIN;
        while operator.http.is_empty() {
            if Instant::now() > deadline || matches!(operator.child.try_wait(), Ok(Some(_))) {
                return Err(format!("the operator did not start\n{}", operator.log_tail()));
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
            let text = std::fs::read_to_string(&operator.log).unwrap_or_default();
            operator.http = address(&text).map(|address| format!("http://{address}")).unwrap_or_default();
        }
        Ok(operator)
    }

    /// The end of its log, for a failure.
    pub fn log_tail(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }

    /// The value of a metric without labels.
    pub async fn metric(&self, name: &str) -> Result<f64, Failure> {
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| error.to_string())?;
        let answer = client.get(format!("{}/metrics", self.http)).send().await;
        let page = answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())?;
        let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok()).ok_or_else(|| format!("no metric {name}"))
    }

    /// What it uses.
    pub fn usage(&self) -> Result<Usage, Failure> {
        let id = self.child.id().ok_or("the operator has ended")?;
        let read =
            |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}")).map_err(|error| error.to_string());
        let (status, stat) = (read("status")?, read("stat")?);
        let kib = |name: &str| -> f64 {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.split_whitespace().next().and_then(|number| number.parse().ok()).unwrap_or_default()
        };
        // The name, which may hold anything, ends with the last bracket; the fields after it are numbered from 3.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let ticks = |field: usize| fields.get(field - 3).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        Ok(Usage { rss: kib("VmRSS:") / 1024.0, peak: kib("VmHWM:") / 1024.0, cpu: (ticks(14) + ticks(15)) / TICKS })
    }

    /// Asks it to stop, as Kubernetes does.
    pub async fn stop(mut self) -> Result<(), Failure> {
        if let Some(id) = self.child.id() {
            let asked = Command::new("sh").args(["-c", "kill -TERM \"$1\"", "stop", &id.to_string()]).status().await;
            asked.map_err(|error| format!("cannot signal the operator: {error}"))?;
        }
        match tokio::time::timeout(STOPPED_WITHIN, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            other => Err(format!("the operator did not stop well: {other:?}\n{}", self.log_tail())),
        }
    }
}

/// Where the operator says that it listens.
fn address(log: &str) -> Option<&str> {
    let line = log.lines().find(|line| line.contains("/metrics") && line.contains("\"address\":"))?;
    line.split("\"address\":\"").nth(1)?.split('"').next()
}

/// `make bench` builds both binaries into one folder.
fn binary() -> Result<PathBuf, Failure> {
    let own = std::env::current_exe().map_err(|error| format!("cannot find the bench's own folder: {error}"))?;
    let operator = own.with_file_name("external-webhooks");
    if !operator.is_file() {
        return Err(format!("{} is not built: start the bench with `make bench`", operator.display()));
    }
    Ok(operator)
}
