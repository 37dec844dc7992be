//! kubectl as a person or a GitOps tool calls it.

use std::process::Stdio;

use testbed::control_plane::ControlPlane;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Runs it as admin with this input; answers what it printed, or all that it printed if it failed.
pub async fn kubectl(cluster: &ControlPlane, args: &[&str], input: &str) -> Result<String, String> {
    let mut command = Command::from(cluster.kubectl());
    command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Broken off early: kubectl says why itself.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(said.into_owned()) } else { Err(format!("{said}{complained}")) }
}
