//! The servers and kubectl, pinned by `tools/go.mod`.

use std::path::PathBuf;

use super::Error;
use super::binaries::Program;
use super::go::{Module, pinned};

const GO_MOD: &str = include_str!("../../tools/go.mod");
const GO_SUM: &str = include_str!("../../tools/go.sum");

/// The folder that holds all of `programs`, after building those that it lacks.
pub(super) async fn ensure(programs: Vec<Program>) -> Result<PathBuf, Error> {
    module()?.ensure(programs).await
}

fn module() -> Result<Module, Error> {
    let kubernetes = pinned(GO_MOD, KUBERNETES).ok_or(Error::Pin("k8s.io/kubernetes"))?;
    let etcd = pinned(GO_MOD, ETCD).ok_or(Error::Pin("go.etcd.io/etcd/server/v3"))?;
    Ok(Module {
        what: "control plane",
        folder: format!("control-plane/kubernetes-{kubernetes}-etcd-{etcd}"),
        go_mod: GO_MOD,
        go_sum: GO_SUM,
        tags: "",
        ld_flags: ld_flags(kubernetes),
    })
}

const KUBERNETES: &str = "k8s.io/kubernetes ";
const ETCD: &str = "go.etcd.io/etcd/server/v3 ";

/// Without the version stamp the server calls itself v0.0.0, and helm refuses charts.
fn ld_flags(version: &str) -> String {
    let mut numbers = version.trim_start_matches('v').split('.');
    let (major, minor) = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    let package = "k8s.io/component-base/version";
    format!(
        "-s -w -X {package}.gitVersion={version} -X {package}.gitMajor={major} -X {package}.gitMinor={minor} \
         -X {package}.gitTreeState=clean"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_go_module() {
        let module = module().unwrap();
        assert!(module.folder.starts_with("control-plane/kubernetes-v1."), "{}", module.folder);
        assert!(module.ld_flags.contains("gitMajor=1 "), "{}", module.ld_flags);
    }
}
