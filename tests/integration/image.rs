//! The image, as a container runtime would run it: its own file system and nothing of this machine's, read-only, as its user, with
//! its entry point and environment, against the real API server. `make image-test` builds it and runs this.
//!
//! Namespaces of the kernel stand in for a runtime: one for users, so that no rights are needed here and none are there, and one
//! for mounts. What a kubelet mounts, the account's token, is put in before; names are resolved by nobody, since addresses do.

use std::collections::BTreeMap;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use testbed::image::{About, BINARY, Platform, ROOTS, write};

use crate::support::{Running, SUNSHINE, World, endpoint, events, monitor, subscription};

/// Mounts what `$1` holds read-only, and runs the rest inside as user `$2`, who has no rights anywhere.
const RUNTIME: &str = r#"
root=$1 user=$2; shift 2
mount --bind "$root" "$root" && mount -o remount,bind,ro "$root" || exit 125
exec unshare --user --map-user="$user" --map-group="$user" --root="$root" --wd=/ -- "$@"
"#;

/// Where a kubelet mounts the token.
const ACCOUNT: &str = "var/run/secrets/kubernetes.io/serviceaccount";

/// The files of an archive.
fn files(archive: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        files.insert(entry.path().unwrap().to_string_lossy().into_owned(), bytes);
    }
    files
}

/// An image, unpacked as runtimes do.
struct Image {
    root: tempfile::TempDir,
    config: Value,
    paths: Vec<String>,
}

impl Image {
    /// The image of this machine's architecture in an archive.
    fn read(archive: &Path) -> Self {
        let blobs = files(&std::fs::read(archive).unwrap());
        let blob = |descriptor: &Value| {
            let path = format!("blobs/{}", descriptor["digest"].as_str().unwrap().replace(':', "/"));
            blobs[&path].clone()
        };
        let parse = |bytes: Vec<u8>| -> Value { serde_json::from_slice(&bytes).unwrap() };
        let top = parse(blobs["index.json"].clone());
        let index = parse(blob(&top["manifests"][0]));
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let mut platforms = index["manifests"].as_array().unwrap().iter();
        let manifest = parse(blob(platforms.find(|one| one["platform"]["architecture"] == architecture).unwrap()));
        let mut plain = Vec::new();
        GzDecoder::new(blob(&manifest["layers"][0]).as_slice()).read_to_end(&mut plain).unwrap();
        let root = tempfile::tempdir().unwrap();
        // Whoever it is inside must be able to look into it.
        std::fs::set_permissions(root.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        tar::Archive::new(plain.as_slice()).unpack(root.path()).unwrap();
        Self { root, config: parse(blob(&manifest["config"])), paths: files(&plain).into_keys().collect() }
    }

    /// That of `make image`.
    fn built() -> Self {
        let path = std::env::var_os("IMAGE").expect("IMAGE names the archive: make image-test");
        Self::read(&PathBuf::from(path))
    }

    /// A command in the image: its entry point, its user, its environment, and these arguments.
    fn command(&self, args: &[&str]) -> Command {
        let config = &self.config["config"];
        let user = config["User"].as_str().unwrap().split(':').next().unwrap();
        let entry = config["Entrypoint"].as_array().unwrap().iter().map(|part| part.as_str().unwrap());
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "--", "sh", "-c", RUNTIME, "runtime"]);
        command.arg(self.root.path()).arg(user).args(entry).args(args);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        for variable in config["Env"].as_array().unwrap() {
            let (name, value) = variable.as_str().unwrap().split_once('=').unwrap();
            command.env(name, value);
        }
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
#[ignore = "needs an image: make image-test"]
fn it_holds_what_it_needs_and_nothing_else() {
    let image = Image::built();
    let expected = ["etc/", "etc/group", "etc/passwd", "etc/ssl/", "etc/ssl/certs/", ROOTS, BINARY];
    assert_eq!(image.paths, expected);
    assert_eq!(image.config["config"]["User"], "65532:65532");
    let roots = std::fs::read_to_string(image.root.path().join(ROOTS)).unwrap();
    assert!(roots.matches("BEGIN CERTIFICATE").count() > 100);
    let helped = image.run(&["--help"]);
    assert!(helped.status.success() && text(&helped.stdout).contains("Usage: external-webhooks"), "{helped:?}");
    let printed = image.run(&["crds"]);
    assert!(printed.status.success() && text(&printed.stdout).contains("kind: WebhookEndpoint"));
    let written = image.run(&["crds", "--dir", "/etc/crds"]);
    let said = text(&written.stderr);
    assert!(!written.status.success() && (said.contains("ead-only") || said.contains("ermission")), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs an image: make image-test"]
async fn it_works_in_a_pod() {
    let world = World::named("image").prepare().await;
    let own = world.cluster.namespace("image-operator").await.unwrap();
    world.cluster.install_operator_rbac(own.name()).await.unwrap();
    let (_, kubeconfig) = world.cluster.service_account_client(own.name(), "external-webhooks").await.unwrap();
    let image = Image::built();
    let account = image.root.path().join(ACCOUNT);
    std::fs::create_dir_all(&account).unwrap();
    let read: Value = serde_json::from_str(&std::fs::read_to_string(kubeconfig).unwrap()).unwrap();
    let authority = read["clusters"][0]["cluster"]["certificate-authority-data"].as_str().unwrap();
    let authority = base64::Engine::decode(&base64::prelude::BASE64_STANDARD, authority).unwrap();
    std::fs::write(account.join("ca.crt"), authority).unwrap();
    std::fs::write(account.join("token"), read["users"][0]["user"]["token"].as_str().unwrap()).unwrap();
    std::fs::write(account.join("namespace"), own.name()).unwrap();
    let (base, namespace) = (world.provider.base_url(), world.namespace.name());
    let args = ["run", "--http-addr=127.0.0.1:0", "--namespace", namespace, "--allowed-base-url", &base];
    let mut command = image.command(&args);
    let server = world.cluster.server_url();
    let (host, port) = server.strip_prefix("https://").unwrap().split_once(':').unwrap();
    command.env("KUBERNETES_SERVICE_HOST", host).env("KUBERNETES_SERVICE_PORT", port).env("POD_NAME", "operator-0");
    let mut running = Running::start(command);
    world.apply([world.secret(), world.account("default"), endpoint("intake")]).await;
    world.apply([subscription("one", "intake", &[SUNSHINE], &events(2))]).await;
    // Time zones are in the binary: the image has no file of them.
    let mut watched = monitor("sunshine", SUNSHINE);
    watched["spec"]["officeHours"] =
        json!({"timeZone": "America/Phoenix", "weekly": [{"days": ["Mon"], "open": "08:00", "close": "17:00"}]});
    world.apply([watched]).await;
    world.all_ready().await;
    assert_eq!(world.provider.rows().len(), 2);
    let id = running.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || (running.child.wait().unwrap(), running.log())).await.unwrap();
    assert_eq!(ended.0.code(), Some(0), "{}", ended.1);
    world.finish().await;
}

/// Needs no build: any file will do as a binary.
#[test]
fn the_same_binaries_make_the_same_image() {
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("binary");
    std::fs::write(&binary, "not a program").unwrap();
    let platforms = ["amd64", "arm64"].map(|name| Platform { architecture: name.to_owned(), binary: binary.clone() });
    let about = About { name: "hooks:1".into(), version: "1".into(), revision: None, epoch: 1_700_000_000 };
    let archives = ["a", "b"].map(|name| {
        let path = folder.path().join(name);
        write(&path, &platforms, &about).unwrap();
        std::fs::read(path).unwrap()
    });
    assert!(archives[0] == archives[1]);
    let image = Image::read(&folder.path().join("a"));
    assert_eq!(std::fs::read_to_string(image.root.path().join(BINARY)).unwrap(), "not a program");
    assert_eq!(image.config["created"], "2023-11-14T22:13:20Z");
    let names = files(&archives[0]);
    for (name, bytes) in names.iter().filter_map(|(name, bytes)| Some((name.strip_prefix("blobs/sha256/")?, bytes))) {
        use sha2::Digest;
        assert_eq!(hex::encode(sha2::Sha256::digest(bytes)), name, "blobs are named by their content");
    }
}
