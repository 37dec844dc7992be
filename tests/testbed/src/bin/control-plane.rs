//! The control plane of the test bed by hand: `build` fills the cache (a CI step of its own), `up` runs one until Ctrl-C.

use std::process::ExitCode;

use testbed::control_plane::tools::{HELM, KUBE_SCORE, KUBECONFORM, PROMTOOL};
use testbed::control_plane::{Binaries, ControlPlane, Error, Options};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "usage: control-plane build | up
  build  build etcd, kube-apiserver, kube-controller-manager, kubectl, helm, kube-score, kubeconform and promtool into the cache, once
  up     start a control plane, print the path of its admin kubeconfig, stop it at Ctrl-C or SIGTERM";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["build"] => build().await,
        ["up"] => up().await,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("control plane: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn build() -> Result<(), Error> {
    let binaries = Binaries::find().await?;
    for path in [binaries.etcd, binaries.api_server, binaries.controller_manager, binaries.kubectl] {
        println!("{}", path.display());
    }
    for tool in [HELM, KUBE_SCORE, KUBECONFORM, PROMTOOL] {
        println!("{}", tool.find().await?.display());
    }
    Ok(())
}

async fn up() -> Result<(), Error> {
    // The handlers come first, so that a signal during the start stops in order too.
    let spawn = |source| Error::Spawn { program: "the signal handler".to_owned(), source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(spawn)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(spawn)?;
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {},
            _ = terminate.recv() => {},
        }
    };
    tokio::pin!(stopped);
    let control_plane = tokio::select! {
        started = ControlPlane::start(Options::default()) => started?,
        () = &mut stopped => return Ok(()),
    };
    println!("{}", control_plane.admin_kubeconfig().display());
    stopped.await;
    control_plane.shutdown().await;
    Ok(())
}
