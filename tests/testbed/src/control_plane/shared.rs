//! One control plane for all tests of a process.

use tokio::sync::OnceCell;

use super::{ControlPlane, Error, Options};

/// The outcome is kept also when it is bad: forty tests shall not try a broken build forty times.
static SHARED: OnceCell<Result<ControlPlane, Error>> = OnceCell::const_new();

/// The control plane of this process, started by the first test that asks and stopped when the process ends.
///
/// It belongs to no runtime: the servers are plain processes and each client is made by the test that uses it, so it does not
/// matter which test's runtime started it. A static is never dropped; the pipe to the servers breaks when the process ends,
/// and that stops them.
///
/// # Panics
/// When it cannot be started, with the reason and the remedy.
pub async fn shared() -> &'static ControlPlane {
    match SHARED.get_or_init(|| ControlPlane::start(Options::default())).await {
        Ok(control_plane) => control_plane,
        Err(error) => panic!("no control plane: {error}"),
    }
}
