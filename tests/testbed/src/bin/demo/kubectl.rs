//! The real kubectl, as a person would call it.

use std::process::Stdio;

use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::Failure;
use crate::cluster::Cluster;
use crate::narrator::Narrator;

/// kubectl with the admin's rights.
pub struct Kubectl<'a>(pub &'a Cluster);

impl Kubectl<'_> {
    /// Shows the command, runs it, and returns what it printed.
    pub async fn show(&self, narrator: &Narrator, args: &[&str]) -> Result<String, Failure> {
        narrator.command(&line(args));
        self.run(args, None).await
    }

    /// Runs it silently.
    pub async fn quiet(&self, args: &[&str]) -> Result<String, Failure> {
        self.run(args, None).await
    }

    /// `kubectl apply -f -` of these documents; returns what it printed.
    pub async fn apply(&self, documents: Vec<Value>) -> Result<String, Failure> {
        let list = serde_json::json!({"apiVersion": "v1", "kind": "List", "items": documents});
        self.run(&["apply", "-f", "-"], Some(list.to_string())).await
    }

    /// A file as it is, judged by the API server but not stored.
    pub async fn dry_run(&self, narrator: &Narrator, path: &str) -> Result<(), Failure> {
        let printed = self.show(narrator, &["apply", "--dry-run=server", "-f", path]).await?;
        narrator.output(&printed);
        Ok(())
    }

    /// One object as JSON.
    pub async fn get(&self, args: &[&str]) -> Result<Value, Failure> {
        let text = self.run(&[&["get"], args, &["-o", "json"]].concat(), None).await?;
        serde_json::from_str(&text).map_err(|error| format!("kubectl get {}: no JSON: {error}", args.join(" ")))
    }

    async fn run(&self, args: &[&str], input: Option<String>) -> Result<String, Failure> {
        let mut command = Command::from(self.0.kubectl());
        command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child = command.spawn().map_err(|error| format!("cannot start kubectl: {error}"))?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // Broken off early: kubectl says why itself.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(|error| format!("kubectl: {error}"))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{}` failed: {}", line(args), errors.trim()));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The command as it could be typed.
fn line(args: &[&str]) -> String {
    let quoted = args.iter().map(|arg| {
        let plain = !arg.is_empty() && arg.chars().all(|c| c.is_ascii_alphanumeric() || "-_=./:,".contains(c));
        if plain { (*arg).to_owned() } else { format!("'{arg}'") }
    });
    format!("kubectl {}", quoted.collect::<Vec<_>>().join(" "))
}
