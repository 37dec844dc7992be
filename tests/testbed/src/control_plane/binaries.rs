//! Finds the four programs, or has them built.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{Error, build};

/// One of the programs: its file name and the Go package it is built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Program {
    pub(super) name: &'static str,
    pub(super) package: &'static str,
}

pub(super) const ETCD: Program = Program { name: "etcd", package: "go.etcd.io/etcd/server/v3" };
pub(super) const API_SERVER: Program =
    Program { name: "kube-apiserver", package: "k8s.io/kubernetes/cmd/kube-apiserver" };
pub(super) const CONTROLLER_MANAGER: Program =
    Program { name: "kube-controller-manager", package: "k8s.io/kubernetes/cmd/kube-controller-manager" };
pub(super) const KUBECTL: Program = Program { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl" };

/// Where the programs of a control plane are.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// The storage of the API server.
    pub etcd: PathBuf,
    /// The API server.
    pub api_server: PathBuf,
    /// Deletes namespaces, collects garbage, makes the `default` ServiceAccounts.
    pub controller_manager: PathBuf,
    /// The command line client, for examples that a reader would type.
    pub kubectl: PathBuf,
}

impl Binaries {
    /// The programs from `KUBEBUILDER_ASSETS` (envtest's convention), and what is missing there from the cache, where it is
    /// built on first use: some nine minutes of two cores, then never again.
    pub async fn find() -> Result<Self, Error> {
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        // Absolute, since the programs are started in another folder.
        let assets = assets.map(|folder| std::path::absolute(&folder).map_err(Error::io(folder))).transpose()?;
        if let Some(folder) = &assets {
            for program in [ETCD, API_SERVER] {
                if !is_executable(&folder.join(program.name)) {
                    return Err(Error::Assets { folder: folder.clone(), missing: program.name });
                }
            }
        }
        let given = |program: Program| {
            assets.as_ref().map(|folder| folder.join(program.name)).filter(|path| is_executable(path))
        };
        let programs = [ETCD, API_SERVER, CONTROLLER_MANAGER, KUBECTL];
        let missing: Vec<Program> = programs.into_iter().filter(|program| given(*program).is_none()).collect();
        let built = if missing.is_empty() { PathBuf::new() } else { build::ensure(missing).await? };
        let path = |program: Program| given(program).unwrap_or_else(|| built.join(program.name));
        Ok(Self {
            etcd: path(ETCD),
            api_server: path(API_SERVER),
            controller_manager: path(CONTROLLER_MANAGER),
            kubectl: path(KUBECTL),
        })
    }
}

pub(super) fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
