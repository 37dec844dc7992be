//! Writes the container image from static binaries; `make image` builds them and calls this.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use testbed::image::{About, Platform, write};

/// Writes the container image from static binaries.
#[derive(Parser)]
struct Arguments {
    /// The binary of an architecture, as `amd64=PATH` or `arm64=PATH`; may be repeated.
    #[arg(long = "binary", required = true, value_parser = platform)]
    binaries: Vec<Platform>,
    /// Repository and tag.
    #[arg(long)]
    name: String,
    /// The operator's version.
    #[arg(long)]
    version: String,
    /// The commit.
    #[arg(long)]
    revision: Option<String>,
    /// Time of every file, in seconds since 1970.
    #[arg(long, env = "SOURCE_DATE_EPOCH", default_value_t = 0)]
    epoch: u64,
    /// The archive to write.
    archive: PathBuf,
}

fn platform(text: &str) -> Result<Platform, String> {
    match text.split_once('=') {
        Some((architecture @ ("amd64" | "arm64"), path)) => {
            Ok(Platform { architecture: architecture.to_owned(), binary: path.into() })
        }
        _ => Err("write amd64=PATH or arm64=PATH".to_owned()),
    }
}

fn main() -> ExitCode {
    let Arguments { binaries, name, version, revision, epoch, archive } = Arguments::parse();
    match write(&archive, &binaries, &About { name, version, revision, epoch }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("image: {}: {error}", archive.display());
            ExitCode::FAILURE
        }
    }
}
