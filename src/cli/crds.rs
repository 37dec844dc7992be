//! `crds`: the custom resource definitions, generated from the types that the operator itself uses.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::Failure;

/// Arguments of `crds`.
#[derive(Args, Clone, Debug)]
pub struct CrdsArgs {
    /// Write one file per kind into this directory instead of printing them.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}

/// Prints or writes the definitions.
pub(super) fn main(args: &CrdsArgs) -> Result<(), Failure> {
    let crds = crate::api::all_crds();
    match &args.dir {
        Some(dir) => write(dir, &crds),
        None => match io::stdout().lock().write_all(documents(&crds)?.as_bytes()) {
            // `crds | head` is no failure.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result.map_err(|error| Failure::failed(format!("cannot print: {error}"))),
        },
    }
}

fn yaml(crd: &CustomResourceDefinition) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(crd)
        .map_err(|error| Failure::failed(format!("cannot write {} as YAML: {error}", crd.spec.names.kind)))?;
    Ok(format!("---\n{}\n", text.trim_end()))
}

fn documents(crds: &[CustomResourceDefinition]) -> Result<String, Failure> {
    crds.iter().map(yaml).collect()
}

fn write(dir: &Path, crds: &[CustomResourceDefinition]) -> Result<(), Failure> {
    let cannot = |path: &Path, error| Failure::failed(format!("cannot write {}: {error}", path.display()));
    std::fs::create_dir_all(dir).map_err(|error| cannot(dir, error))?;
    for crd in crds {
        let path = dir.join(format!("{}.yaml", crd.spec.names.plural));
        std::fs::write(&path, yaml(crd)?).map_err(|error| cannot(&path, error))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn crd(plural: &str) -> CustomResourceDefinition {
        serde_json::from_value(json!({
            "metadata": {"name": format!("{plural}.example.com")},
            "spec": {
                "group": "example.com", "scope": "Namespaced", "names": {"kind": "On", "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true}]
            }
        }))
        .unwrap()
    }

    #[test]
    fn documents_are_separate_and_read_back_as_they_were() {
        let crds = [crd("ones"), crd("twos")];
        let text = documents(&crds).unwrap();
        let back: Vec<CustomResourceDefinition> =
            text.split("---\n").skip(1).map(|one| serde_saphyr::from_str(one).unwrap()).collect();
        assert_eq!(back, crds);
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"));
    }

    #[test]
    fn a_directory_gets_one_file_per_kind() {
        let dir = std::env::temp_dir().join(format!("crds-{:016x}", rand::random::<u64>()));
        write(&dir, &[crd("ones"), crd("twos")]).unwrap();
        let one = std::fs::read_to_string(dir.join("ones.yaml")).unwrap();
        assert_eq!(one, yaml(&crd("ones")).unwrap());
        assert!(dir.join("twos.yaml").exists());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
