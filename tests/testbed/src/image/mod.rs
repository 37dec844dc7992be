//! The container image, written without a daemon: one layer with the static binary and what it needs, for one or several
//! architectures, as an archive that `docker load`, `podman load`, `skopeo` and `crane` read.
//!
//! | path | is |
//! |---|---|
//! | `/external-webhooks` | the binary; time zones are inside it |
//! | `/etc/ssl/certs/ca-certificates.crt` | Mozilla's roots, from a pinned crate rather than from the machine that builds |
//! | `/etc/passwd`, `/etc/group` | a name for the user 65532 |
//!
//! The same binaries give the same bytes: times are `SOURCE_DATE_EPOCH` or 1970, owners are root, order is fixed.

mod layout;

use std::io::{self, Write};
use std::path::PathBuf;

use base64::Engine;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

pub use layout::write;

/// Who runs the binary; the number is what Kubernetes can check for not being root.
pub const USER: u32 = 65532;
/// Where the roots are; rustls looks there by itself, and the image's environment says so too.
pub const ROOTS: &str = "etc/ssl/certs/ca-certificates.crt";
/// The binary.
pub const BINARY: &str = "external-webhooks";

/// The binary of one architecture.
#[derive(Debug, Clone)]
pub struct Platform {
    /// As images call it: `amd64` or `arm64`.
    pub architecture: String,
    /// The static binary.
    pub binary: PathBuf,
}

/// What images say of themselves.
#[derive(Debug, Clone)]
pub struct About {
    /// Repository and tag, such as `external-webhooks:0.1.0`.
    pub name: String,
    /// The operator's version.
    pub version: String,
    /// The commit, if it is known.
    pub revision: Option<String>,
    /// Seconds since 1970 that every file and the image carry.
    pub epoch: u64,
}

/// A layer: compressed bytes, and the digest of what they contain.
struct Layer {
    bytes: Vec<u8>,
    content: String,
}

/// One file or folder of the layer.
struct Entry<'a> {
    path: &'a str,
    mode: u32,
    content: Option<&'a [u8]>,
}

fn layer(binary: &[u8], epoch: u64) -> io::Result<Layer> {
    let (roots, passwd, group) = (roots(), format!("nonroot:x:{USER}:{USER}::/:\n"), format!("nonroot:x:{USER}:\n"));
    let folder = |path| Entry { path, mode: 0o755, content: None };
    let file = |path, mode, content| Entry { path, mode, content: Some(content) };
    let entries = [
        folder("etc/"),
        file("etc/group", 0o644, group.as_bytes()),
        file("etc/passwd", 0o644, passwd.as_bytes()),
        folder("etc/ssl/"),
        folder("etc/ssl/certs/"),
        file(ROOTS, 0o644, roots.as_bytes()),
        file(BINARY, 0o755, binary),
    ];
    let mut archive = tar::Builder::new(Vec::new());
    for Entry { path, mode, content } in entries {
        append(&mut archive, path, mode, content, epoch)?;
    }
    let plain = archive.into_inner()?;
    // No name and no time in the header of the compression.
    let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
    compressed.write_all(&plain)?;
    Ok(Layer { bytes: compressed.finish()?, content: digest(&plain) })
}

/// Adds a file, or a folder where there is no content, that belongs to root.
fn append(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    content: Option<&[u8]>,
    epoch: u64,
) -> io::Result<()> {
    let mut header = tar::Header::new_ustar();
    let bytes = content.unwrap_or_default();
    header.set_entry_type(if content.is_some() { tar::EntryType::Regular } else { tar::EntryType::Directory });
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(epoch);
    archive.append_data(&mut header, path, bytes)
}

/// Mozilla's roots as PEM.
fn roots() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        let encoded = base64::prelude::BASE64_STANDARD.encode(certificate);
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in encoded.as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// As OCI writes it.
fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}
