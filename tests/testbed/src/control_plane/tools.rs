//! Programs of others that judge and install the chart and its rules, built like the servers: once, pinned, into the cache.
//!
//! Each has a Go module of its own, because their dependencies do not agree with each other.

use std::path::PathBuf;

use super::Error;
use super::binaries::Program;
use super::go::{Module, pinned};

/// One program of others.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    program: Program,
    module: &'static str,
    go_mod: &'static str,
    go_sum: &'static str,
    /// Where the program keeps its own version.
    version_variable: &'static str,
    /// Build tags, separated by commas.
    tags: &'static str,
}

/// Installs charts.
pub const HELM: Tool = Tool {
    program: Program { name: "helm", package: "helm.sh/helm/v4/cmd/helm" },
    module: "helm.sh/helm/v4",
    go_mod: include_str!("../../tools/helm/go.mod"),
    go_sum: include_str!("../../tools/helm/go.sum"),
    version_variable: "helm.sh/helm/v4/internal/version.version",
    tags: "",
};

/// Judges what a chart makes by good practice.
pub const KUBE_SCORE: Tool = Tool {
    program: Program { name: "kube-score", package: "github.com/zegl/kube-score/cmd/kube-score" },
    module: "github.com/zegl/kube-score",
    go_mod: include_str!("../../tools/kube-score/go.mod"),
    go_sum: include_str!("../../tools/kube-score/go.sum"),
    version_variable: "main.version",
    tags: "",
};

/// Compares manifests with schemas.
pub const KUBECONFORM: Tool = Tool {
    program: Program { name: "kubeconform", package: "github.com/yannh/kubeconform/cmd/kubeconform" },
    module: "github.com/yannh/kubeconform",
    go_mod: include_str!("../../tools/kubeconform/go.mod"),
    go_sum: include_str!("../../tools/kubeconform/go.sum"),
    version_variable: "main.version",
    tags: "",
};

/// Tests alert rules.
pub const PROMTOOL: Tool = Tool {
    program: Program { name: "promtool", package: "github.com/prometheus/prometheus/cmd/promtool" },
    module: "github.com/prometheus/prometheus",
    go_mod: include_str!("../../tools/promtool/go.mod"),
    go_sum: include_str!("../../tools/promtool/go.sum"),
    version_variable: "github.com/prometheus/common/version.Version",
    // Without the service discovery of every cloud it is built in half the time.
    tags: "remove_all_sd",
};

impl Tool {
    /// Where the program is, after building it on first use.
    ///
    /// # Errors
    /// There is no Go, or it cannot build the program, or there is nowhere to keep it.
    pub async fn find(self) -> Result<PathBuf, Error> {
        let version = pinned(self.go_mod, &format!("{} ", self.module)).ok_or(Error::Pin(self.module))?;
        let module = Module {
            what: self.program.name,
            folder: format!("tools/{}-{version}", self.program.name),
            go_mod: self.go_mod,
            go_sum: self.go_sum,
            tags: self.tags,
            ld_flags: format!("-s -w -X {}={version}", self.version_variable),
        };
        Ok(module.ensure(vec![self.program]).await?.join(self.program.name))
    }
}
