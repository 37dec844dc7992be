//! Builds programs once from pinned Go modules into a cache outside `target/`, so that `cargo clean` does not cost them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::Error;
use super::binaries::{Program, is_executable};
use super::process::Supervised;

const HEARTBEAT: Duration = Duration::from_secs(15);

/// A Go module of ours that pins the versions of programs.
#[derive(Debug, Clone)]
pub(super) struct Module {
    /// What is built, for a person who waits.
    pub(super) what: &'static str,
    /// Its folder in the cache, with the versions of what matters in it.
    pub(super) folder: String,
    /// `go.mod`.
    pub(super) go_mod: &'static str,
    /// `go.sum`.
    pub(super) go_sum: &'static str,
    /// Build tags, separated by commas.
    pub(super) tags: &'static str,
    /// Flags of the linker.
    pub(super) ld_flags: String,
}

impl Module {
    /// The version that `go.mod` names after `module`, so that it is written once.
    pub(super) fn pinned(&self, module: &str) -> Option<&'static str> {
        pinned(self.go_mod, module)
    }

    /// The folder that holds all of `programs`, after building those that it lacks.
    pub(super) async fn ensure(self, programs: Vec<Program>) -> Result<PathBuf, Error> {
        let folder = self.cache_folder()?;
        if programs.iter().all(|program| is_executable(&folder.join(program.name))) {
            return Ok(folder);
        }
        let work = tokio::task::spawn_blocking(move || self.build_all(&programs, folder));
        work.await.map_err(|source| Error::Spawn { program: "the build".to_owned(), source: source.into() })?
    }

    fn build_all(&self, programs: &[Program], folder: PathBuf) -> Result<PathBuf, Error> {
        let module = folder.join("module");
        std::fs::create_dir_all(&module).map_err(Error::io(&module))?;
        let lock = folder.join("lock");
        let held = File::options().create(true).append(true).open(&lock).map_err(Error::io(&lock))?;
        if held.try_lock().is_err() {
            self.say(&format!("another process builds {}, waiting for it ({})", self.what, lock.display()));
            held.lock().map_err(Error::io(&lock))?;
        }
        for (name, text) in [("go.mod", self.go_mod), ("go.sum", self.go_sum)] {
            let path = module.join(name);
            std::fs::write(&path, text).map_err(Error::io(&path))?;
        }
        let missing: Vec<&Program> =
            programs.iter().filter(|program| !is_executable(&folder.join(program.name))).collect();
        for (index, program) in missing.iter().enumerate() {
            self.say(&format!(
                "building {} ({} of {}) into {}",
                program.name,
                index + 1,
                missing.len(),
                folder.display()
            ));
            let took = self.build_one(**program, &module, &folder)?;
            self.say(&format!("built {} in {} s", program.name, took.as_secs()));
        }
        // The lock goes with the file, also when this process is killed.
        drop(held);
        Ok(folder)
    }

    /// Builds to a name of its own and renames, so that a killed build never leaves a half-written program behind.
    fn build_one(&self, program: Program, module: &Path, folder: &Path) -> Result<Duration, Error> {
        let started = Instant::now();
        let go = find_go().ok_or_else(|| Error::NoGo {
            program: program.name,
            go_version: self.pinned("go ").unwrap_or_default().to_owned(),
        })?;
        let partial = folder.join(format!(".{}.partial", program.name));
        // Nothing of the user's Go settings but GOPROXY and the like: flags and workspaces would change what is built.
        let args = [
            "CGO_ENABLED=0".to_owned(),
            "GOFLAGS=".to_owned(),
            "GOWORK=off".to_owned(),
            go.display().to_string(),
            format!("-C={}", module.display()),
            "build".to_owned(),
            "-mod=readonly".to_owned(),
            "-trimpath".to_owned(),
            "-buildvcs=false".to_owned(),
            format!("-tags={}", self.tags),
            format!("-ldflags={}", self.ld_flags),
            format!("-o={}", partial.display()),
            program.package.to_owned(),
        ];
        // Supervised like the servers: a build of minutes must not go on after its test process has been killed.
        let scratch = tempfile::tempdir().map_err(Error::io(std::env::temp_dir()))?;
        let mut build = Supervised::spawn("go", Path::new("env"), &args, scratch.path())?;
        let mut next_sign = started + HEARTBEAT;
        let status = loop {
            if let Some(status) = build.status()? {
                break status;
            }
            if Instant::now() > next_sign {
                self.say(&format!("still building {}, {} s so far", program.name, started.elapsed().as_secs()));
                next_sign += HEARTBEAT;
            }
            std::thread::sleep(Duration::from_millis(50));
        };
        if !status.success() {
            return Err(Error::Build { program: program.name, output: build.log_tail() });
        }
        let target = folder.join(program.name);
        std::fs::rename(&partial, &target).map_err(Error::io(&target))?;
        Ok(started.elapsed())
    }

    /// One folder per set of versions and flags: an update builds anew and the old programs stay for older checkouts.
    fn cache_folder(&self) -> Result<PathBuf, Error> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let root = variable("EXTERNAL_WEBHOOKS_CACHE")
            .or_else(|| variable("XDG_CACHE_HOME").map(|folder| folder.join("external-webhooks")))
            .or_else(|| variable("HOME").map(|folder| folder.join(".cache/external-webhooks")))
            .ok_or(Error::NoCache)?;
        // Absolute, since the programs are started in another folder.
        std::path::absolute(root.join(self.key())).map_err(Error::io(&root))
    }

    /// An update of versions or flags is another folder.
    fn key(&self) -> String {
        let inputs = Sha256::new()
            .chain_update(self.go_mod)
            .chain_update(self.go_sum)
            .chain_update(&self.ld_flags)
            .chain_update(self.tags)
            .finalize();
        let (os, machine) = (std::env::consts::OS, std::env::consts::ARCH);
        format!("{}-{os}-{machine}-{}", self.folder, hex::encode(&inputs[..4]))
    }

    /// Minutes without a word look like a hang, so progress goes to stderr, where `cargo test` shows it at once.
    fn say(&self, text: &str) {
        // Written around the test harness' capture, which would hold it back until the test has failed.
        let _ = writeln!(std::io::stderr(), "{}: {text}", self.what);
    }
}

fn find_go() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join("go")).find(|go| is_executable(go))
}

/// The version that a `go.mod` names after `module`.
pub(super) fn pinned(go_mod: &'static str, module: &str) -> Option<&'static str> {
    go_mod.lines().find_map(|line| line.trim().strip_prefix(module))?.split_whitespace().next()
}
