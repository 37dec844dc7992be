//! The archive: an OCI layout, with the file that older `docker load` looks for.

use std::io;
use std::path::Path;

use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};

use super::{About, BINARY, Platform, ROOTS, USER, append, digest, layer};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// Files of the archive by path; blobs are named by what they hold.
#[derive(Default)]
struct Files(Vec<(String, Vec<u8>)>);

impl Files {
    /// Keeps a blob, and answers how others refer to it.
    fn blob(&mut self, media_type: &str, bytes: Vec<u8>) -> Value {
        let digest = digest(&bytes);
        let descriptor = json!({"mediaType": media_type, "digest": digest, "size": bytes.len()});
        self.0.push((blob_path(&digest), bytes));
        descriptor
    }
}

fn blob_path(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

/// Writes the image of these platforms to `archive`.
///
/// # Errors
/// A binary cannot be read, or the archive cannot be written.
pub fn write(archive: &Path, platforms: &[Platform], about: &About) -> io::Result<()> {
    let created = i64::try_from(about.epoch).ok().and_then(|second| Timestamp::from_second(second).ok());
    let created = created.unwrap_or(Timestamp::UNIX_EPOCH).to_string();
    let (mut files, mut manifests, mut for_docker) = (Files::default(), Vec::new(), Vec::new());
    for platform in platforms {
        let layer = layer(&std::fs::read(&platform.binary)?, about.epoch)?;
        let config = json!({
            "created": created,
            "architecture": platform.architecture,
            "os": "linux",
            "config": {
                "User": format!("{USER}:{USER}"),
                "Entrypoint": [format!("/{BINARY}")],
                "Env": [format!("SSL_CERT_FILE=/{ROOTS}")],
                "WorkingDir": "/",
                "Labels": labels(about),
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.content]},
            "history": [{"created": created, "created_by": "make image"}],
        });
        let config = files.blob(CONFIG, config.to_string().into_bytes());
        let layer = files.blob(LAYER, layer.bytes);
        let path = |descriptor: &Value| blob_path(descriptor["digest"].as_str().unwrap_or_default());
        for_docker.push(json!({"Config": path(&config), "RepoTags": [about.name], "Layers": [path(&layer)]}));
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        let mut manifest = files.blob(MANIFEST, manifest.to_string().into_bytes());
        manifest["platform"] = json!({"architecture": platform.architecture, "os": "linux"});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
    let mut index = files.blob(INDEX, index.to_string().into_bytes());
    let tag = about.name.rsplit(':').next().unwrap_or_default();
    index["annotations"] = json!({"io.containerd.image.name": about.name, "org.opencontainers.image.ref.name": tag});
    let top = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [index]});
    files.0.push(("index.json".into(), top.to_string().into_bytes()));
    // The older format knows one architecture; the first one.
    for_docker.truncate(1);
    files.0.push(("manifest.json".into(), Value::from(for_docker).to_string().into_bytes()));
    files.0.push(("oci-layout".into(), json!({"imageLayoutVersion": "1.0.0"}).to_string().into_bytes()));
    // Binaries that are the same give one blob.
    files.0.sort();
    files.0.dedup();
    let mut out = tar::Builder::new(Vec::new());
    for (path, bytes) in &files.0 {
        append(&mut out, path, 0o644, Some(bytes), about.epoch)?;
    }
    std::fs::write(archive, out.into_inner()?)
}

fn labels(about: &About) -> Value {
    let mut labels = json!({
        "org.opencontainers.image.title": "external-webhooks",
        "org.opencontainers.image.description":
            "A Kubernetes operator that manages webhook endpoints and subscriptions at healthcare integration providers",
        "org.opencontainers.image.version": about.version,
        "org.opencontainers.image.licenses": "Apache-2.0",
    });
    if let Some(revision) = &about.revision {
        labels["org.opencontainers.image.revision"] = json!(revision);
    }
    labels
}
