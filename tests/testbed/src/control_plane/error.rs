//! What can go wrong with the control plane, each with its remedy.

use std::path::PathBuf;

/// Why a control plane could not be built, started or used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `KUBEBUILDER_ASSETS` is set, and what it names cannot be used.
    #[error(
        "KUBEBUILDER_ASSETS={folder} holds no executable `{missing}`: point it at a folder with etcd and kube-apiserver, \
         or unset it to have them built from Go modules"
    )]
    Assets {
        /// The folder that the variable names.
        folder: PathBuf,
        /// The program that is not in it.
        missing: &'static str,
    },
    /// There is nowhere to keep what is built.
    #[error("no cache folder: set EXTERNAL_WEBHOOKS_CACHE, XDG_CACHE_HOME or HOME")]
    NoCache,
    /// The programs must be built, and there is no Go.
    #[error(
        "cannot build {program}: `go` is not on PATH; install Go {go_version} or newer (https://go.dev/dl), or set \
         KUBEBUILDER_ASSETS to a folder with etcd, kube-apiserver, kube-controller-manager and kubectl"
    )]
    NoGo {
        /// The program that was to be built.
        program: &'static str,
        /// The version that the pinned modules ask for.
        go_version: String,
    },
    /// Go could not build one of the programs.
    #[error(
        "building {program} failed; modules need the network once (GOPROXY), see the end of Go's output:\n{output}"
    )]
    Build {
        /// The program that was to be built.
        program: &'static str,
        /// The last lines that Go printed.
        output: String,
    },
    /// The embedded `tools/go.mod` lacks a version that the build needs.
    #[error("tests/testbed/tools/go.mod does not name a version of {0}")]
    Pin(&'static str),
    /// One of the servers ended by itself.
    #[error("{program} ended ({status}) while the control plane was starting; the end of its log:\n{log}")]
    Exited {
        /// The server that ended.
        program: &'static str,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// The last lines of its log.
        log: String,
    },
    /// One of the servers runs but does not answer.
    #[error(
        "{program} was not ready within {seconds} s (a slower machine may raise Options::ready_timeout); the end of its log:\n{log}"
    )]
    NotReady {
        /// The server that is not ready.
        program: &'static str,
        /// How long it was given.
        seconds: u64,
        /// The last lines of its log.
        log: String,
    },
    /// A custom resource definition was refused or never served.
    #[error("CustomResourceDefinition {name} is not served: {reason}")]
    Crd {
        /// The definition.
        name: String,
        /// What its conditions say.
        reason: String,
    },
    /// A manifest is no Kubernetes object.
    #[error("a manifest from {origin} cannot be applied: {reason}")]
    Manifest {
        /// The file, or `text` for a string.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the test bed could not be read or written.
    #[error("cannot use {path}: {source}")]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A program could not be started.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A certificate or key could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The API server refused a request, or could not be reached.
    #[error("{what}: {source}")]
    Kube {
        /// What was being done.
        what: String,
        /// The cause.
        source: Box<kube::Error>,
    },
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn kube(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |source| Self::Kube { what, source: Box::new(source) }
    }

    /// Another process took one of the ports between our looking and the server's binding.
    pub(super) fn is_port_taken(&self) -> bool {
        matches!(self, Self::Exited { log, .. } if log.contains("address already in use"))
    }
}
