//! Definitions of other projects' kinds (Argo CD, Flux, External Secrets), so that our samples for them are judged by the real
//! schemas. They are not copied into this repository: each is taken once from the Go module that carries it, and kept beside
//! the control plane's programs. What is used is pinned by its hash, whatever the module proxy says.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// A file in a Go module.
struct Definition {
    module: &'static str,
    path: &'static str,
    sha256: &'static str,
}

const ARGO_CD: &str = "github.com/argoproj/argo-cd/v3@v3.5.7";
const FLUX_SOURCES: &str = "github.com/fluxcd/source-controller@v1.9.6";
const FLUX_HELM: &str = "github.com/fluxcd/helm-controller@v1.6.0";
const FLUX_KUSTOMIZE: &str = "github.com/fluxcd/kustomize-controller@v1.9.6";
const EXTERNAL_SECRETS: &str = "github.com/external-secrets/external-secrets@v1.3.2";

const DEFINITIONS: &[Definition] = &[
    Definition {
        module: ARGO_CD,
        path: "manifests/crds/application-crd.yaml",
        sha256: "5dde0e229249b6b707beb98674c1deae3949d5c319a6c45b9f5a80c99618e40c",
    },
    Definition {
        module: FLUX_SOURCES,
        path: "config/crd/bases/source.toolkit.fluxcd.io_gitrepositories.yaml",
        sha256: "bd0c08183287b2eea0d885751fc686bc4b2b583e919de6bd57859170b8d1727f",
    },
    Definition {
        module: FLUX_SOURCES,
        path: "config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml",
        sha256: "80c7c6e5c8de0764cc83acd4de5c74bea8e51186085304d22cecc5f2eb35500e",
    },
    Definition {
        module: FLUX_HELM,
        path: "config/crd/bases/helm.toolkit.fluxcd.io_helmreleases.yaml",
        sha256: "d9c199571f7115aa87583f8692e9a17354b708f6c58aaa8c185608fb634a34c9",
    },
    Definition {
        module: FLUX_KUSTOMIZE,
        path: "config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml",
        sha256: "da23ca0e6b4c80d3d26a91583137491e147ef4ef1e2208aece0d0af4ef851974",
    },
    Definition {
        module: EXTERNAL_SECRETS,
        path: "config/crds/bases/external-secrets.io_externalsecrets.yaml",
        sha256: "690dbc0d51b5f9bc5266b450b533cfd22c5273268e8569102e528a39519cd4ba",
    },
    Definition {
        module: EXTERNAL_SECRETS,
        path: "config/crds/bases/external-secrets.io_secretstores.yaml",
        sha256: "ef1fc349941cea1d56b87f8c31cf05a9fed85b7c000a60e69c6b2b29a13fa648",
    },
];

/// Where they are kept: beside the control plane's programs.
fn folder() -> Result<PathBuf, String> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = variable("EXTERNAL_WEBHOOKS_CACHE")
        .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("external-webhooks")))
        .or_else(|| variable("HOME").map(|folder| folder.join(".cache/external-webhooks")))
        .ok_or("no cache folder: set EXTERNAL_WEBHOOKS_CACHE, XDG_CACHE_HOME or HOME")?;
    Ok(root.join("definitions"))
}

/// The definitions as one YAML text. Those that are not kept yet are fetched first, some 100 MB through the Go module proxy,
/// once.
///
/// # Errors
/// No Go, no network, or a file that is not the pinned one; the text says which and what to do.
pub fn definitions() -> Result<String, String> {
    let folder = folder()?;
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    for definition in DEFINITIONS {
        // The hash is the name, so that an update fetches anew.
        let kept = folder.join(format!("{}.yaml", definition.sha256));
        if std::fs::read(&kept).is_ok_and(|bytes| is_pinned(definition, &bytes)) {
            continue;
        }
        let bytes = fetch(definition)?;
        let cannot = |error: std::io::Error| format!("{}: {error}", kept.display());
        // Renamed when it is whole: another process may look for it at the same time.
        let partial = tempfile::NamedTempFile::new_in(&folder).map_err(cannot)?;
        std::fs::write(partial.path(), bytes).map_err(cannot)?;
        partial.persist(&kept).map_err(|error| cannot(error.error))?;
    }
    let files = DEFINITIONS.iter().map(|definition| {
        let path = folder.join(format!("{}.yaml", definition.sha256));
        std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    });
    Ok(files.collect::<Result<Vec<_>, _>>()?.join("\n---\n"))
}

fn is_pinned(definition: &Definition, bytes: &[u8]) -> bool {
    hex::encode(Sha256::digest(bytes)) == definition.sha256
}

fn fetch(definition: &Definition) -> Result<Vec<u8>, String> {
    let Definition { module, path, .. } = definition;
    let nowhere = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mut command = Command::new("go");
    // Outside of any module. The checksum database is not asked: the hash of the file is ours.
    command.args(["mod", "download", "-json", module]).current_dir(nowhere.path());
    command.env("GOFLAGS", "").env("GOWORK", "off").env("GONOSUMDB", "*");
    let output = command.output().map_err(|error| format!("cannot fetch {module}: go: {error} (install Go 1.26)"))?;
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let Some(dir) = answer["Dir"].as_str() else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("cannot fetch {module}; the network is needed once (GOPROXY): {} {said}", answer["Error"]));
    };
    let bytes = std::fs::read(Path::new(dir).join(path)).map_err(|error| format!("{module} {path}: {error}"))?;
    if is_pinned(definition, &bytes) {
        Ok(bytes)
    } else {
        Err(format!("{module} {path} is not the file that tests/testbed/src/foreign.rs pins by its hash"))
    }
}
