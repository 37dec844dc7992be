//! One source of "please stop" for the whole process.
//!
//! Controllers, server and election all listen to the same token; none installs a signal handler of its own, because a
//! handler per part leaves the process deaf once the first of them is gone.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long the process may take from the first signal to its end. Kubernetes kills after 30 s by default.
pub const DRAIN: Duration = Duration::from_secs(10);

/// The part of [`DRAIN`] that controllers get to finish the calls they are in; the rest is for giving the lease back.
pub const DRAIN_CONTROLLERS: Duration = Duration::from_secs(7);

/// Starts to listen for SIGTERM and SIGINT: the first cancels the token, the second ends the process at once with
/// exit code 1. Must be called inside the async runtime, before anything that takes time.
///
/// # Errors
/// When the operating system refuses the handlers.
pub fn listen() -> std::io::Result<CancellationToken> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let token = CancellationToken::new();
    let asked = token.clone();
    tokio::spawn(async move {
        // Awaited before the line is written: what a disabled log line names is never evaluated.
        let first = next(&mut term, &mut int).await;
        info!("{first} received, stopping; once more ends at once");
        asked.cancel();
        let second = next(&mut term, &mut int).await;
        warn!("{second} received again, ending at once");
        // The log is written by another thread; the second signal is worth the moment it takes.
        tokio::time::sleep(Duration::from_millis(50)).await;
        std::process::exit(1);
    });
    Ok(token)
}

async fn next(term: &mut Signal, int: &mut Signal) -> &'static str {
    tokio::select! {
        _ = term.recv() => "SIGTERM",
        _ = int.recv() => "SIGINT",
    }
}
