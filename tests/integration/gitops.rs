//! What Argo CD and Flux do, done with kubectl to the Kustomize sample of `deploy/`: sync, prune, self-heal, rollback and
//! renames leave no difference, delete nothing that is declared and open no gap.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{LAKESIDE, SUNSHINE, World, kubectl};

/// Declared by the production overlay.
const PAIRS: [(&str, &str); 5] = [
    (SUNSHINE, "appointment_insertion"),
    (SUNSHINE, "appointment_updated"),
    (SUNSHINE, "patient_created"),
    (LAKESIDE, "appointment_insertion"),
    (LAKESIDE, "appointment_updated"),
];

/// How a tool writes to the cluster.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Tool {
    /// As Argo CD does by itself: what was applied last is kept in an annotation.
    ClientSide,
    /// As Flux does, and Argo CD with `ServerSideApply=true`.
    ServerSide,
}

impl Tool {
    fn arguments<'a>(self, verb: &'a str, namespace: &'a str) -> Vec<&'a str> {
        let mut arguments = vec![verb, "--namespace", namespace, "-f", "-"];
        if self == Self::ServerSide {
            arguments.extend(["--server-side", "--force-conflicts", "--field-manager=kustomize-controller"]);
        }
        arguments
    }
}

/// A GitOps tool with its inventory.
struct Sync<'a> {
    world: &'a World,
    tool: Tool,
    inventory: BTreeSet<(String, String)>,
}

impl<'a> Sync<'a> {
    fn new(world: &'a World, tool: Tool) -> Self {
        Self { world, tool, inventory: BTreeSet::new() }
    }

    /// Applies everything and prunes what is declared no longer: Argo CD with `PruneLast` once everything is healthy, Flux at
    /// once.
    async fn sync(&mut self, commit: &[Value]) {
        self.apply(commit).await;
        if self.tool == Tool::ClientSide {
            self.world.all_ready().await;
        }
        let declared: BTreeSet<(String, String)> = commit.iter().map(identity).collect();
        for (kind, name) in self.inventory.difference(&declared) {
            self.world.delete(kind, name).await;
            self.world.gone(kind, name).await;
        }
        self.inventory = declared;
        self.world.all_ready().await;
    }

    async fn apply(&self, commit: &[Value]) {
        let arguments = self.tool.arguments("apply", self.world.namespace.name());
        let applied = kubectl(self.world.cluster, &[&arguments[..], &["-o", "json"]].concat(), &list(commit)).await;
        seen(self.world, &applied.unwrap()).await;
    }

    /// What the tool would show as out of sync.
    async fn difference(&self, commit: &[Value]) -> Result<String, String> {
        let arguments = self.tool.arguments("diff", self.world.namespace.name());
        kubectl(self.world.cluster, &arguments, &list(commit)).await
    }
}

/// Waits until the record has what kubectl has written.
async fn seen(world: &World, written: &str) {
    let written: Value = serde_json::from_str(written).unwrap();
    let one = [written.clone()];
    for object in written["items"].as_array().map_or(&one[..], Vec::as_slice) {
        let (kind, name) = identity(object);
        let version = object["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap();
        world.until("the record has what was written", |world| world.recorder.has_seen(&kind, &name, version)).await;
    }
}

fn list(commit: &[Value]) -> String {
    json!({"apiVersion": "v1", "kind": "List", "items": commit}).to_string()
}

fn identity(object: &Value) -> (String, String) {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&object["kind"]), text(&object["metadata"]["name"]))
}

fn named<'a>(commit: &'a mut [Value], kind: &str, name: &str) -> &'a mut Value {
    let found = commit.iter_mut().find(|object| identity(object) == (kind.to_owned(), name.to_owned()));
    found.unwrap_or_else(|| panic!("the overlay has no {kind} {name}"))
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The production overlay of `deploy/`, with this world's namespace and provider.
async fn production(world: &World) -> Vec<Value> {
    let folder = TempDir::new().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kustomize"), folder.path());
    let own = folder.path().join("overlays/own");
    std::fs::create_dir_all(&own).unwrap();
    let patch = json!([
        {"op": "add", "path": "/spec/baseUrl", "value": world.provider.base_url()},
        {"op": "add", "path": "/spec/rateLimit", "value": {"requestsPerMinute": 1_000_000, "burst": 10_000}},
    ]);
    let kustomization = json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": world.namespace.name(),
        "resources": ["../production"],
        "patches": [{"target": {"kind": "ProviderAccount"}, "patch": patch.to_string()}],
    });
    std::fs::write(own.join("kustomization.yaml"), kustomization.to_string()).unwrap();
    let made = kubectl(world.cluster, &["kustomize", own.to_str().unwrap()], "").await.unwrap();
    serde_saphyr::from_multiple(&made).unwrap()
}

async fn world(name: &'static str) -> World {
    let mut world = World::named(name).prepare().await;
    world.start_operator();
    world.apply([world.secret()]).await;
    world
}

/// Version of every object, which any write moves.
fn versions(world: &World) -> BTreeMap<String, String> {
    let live = world.recorder.latest().into_values().filter(|object| !object.gone);
    let version = |value: &Value| value["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
    live.map(|object| (format!("{} {}", object.kind, object.name()), version(&object.value))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_sync_changes_nothing_and_shows_no_difference() {
    for tool in [Tool::ClientSide, Tool::ServerSide] {
        let world = world("gitops-sync").await;
        let commit = production(&world).await;
        let mut sync = Sync::new(&world, tool);
        sync.sync(&commit).await;
        assert!(world.has_exactly(&PAIRS), "{}", world.report());
        assert_eq!(sync.difference(&commit).await, Ok(String::new()), "{tool:?}");
        world.rounds(2).await;
        let (before, mark) = (versions(&world), world.provider.mark());
        sync.sync(&commit).await;
        world.rounds(2).await;
        assert_eq!(versions(&world), before, "{tool:?}: neither the tool nor the operator wrote anything");
        world.assert_writes(mark, []);
        assert_eq!(sync.difference(&commit).await, Ok(String::new()), "{tool:?}");
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waves_order_what_refers_to_what() {
    let world = world("gitops-waves").await;
    let wave = |object: &Value| {
        let wave = object["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"].as_str();
        wave.unwrap_or_else(|| panic!("no wave: {object}")).parse::<i32>().unwrap()
    };
    let mut waves = BTreeMap::new();
    for object in production(&world).await {
        waves.insert(object["kind"].as_str().unwrap().to_owned(), wave(&object));
        // What takes its remote side with it goes only after a person has said so.
        let guarded = object["metadata"]["annotations"]["argocd.argoproj.io/sync-options"].as_str();
        let wanted = ["ProviderAccount", "WebhookEndpoint"].contains(&object["kind"].as_str().unwrap());
        assert_eq!(guarded == Some("Prune=confirm,Delete=confirm"), wanted, "{object}");
    }
    let mut order: Vec<_> = waves.into_iter().collect();
    order.sort_by_key(|(_, wave)| *wave);
    let order: Vec<&str> = order.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(order, ["ProviderAccount", "WebhookEndpoint", "WebhookSubscription", "PracticeSyncMonitor"]);
    world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruned_rolled_back_and_renamed_without_a_gap() {
    for tool in [Tool::ClientSide, Tool::ServerSide] {
        let world = world("gitops-prune").await;
        let first = production(&world).await;
        let mut sync = Sync::new(&world, tool);
        sync.sync(&first).await;

        // Pruned: its rows go, nobody else's.
        let mark = world.provider.mark();
        let mut second = first.clone();
        second.retain(|object| object["metadata"]["name"] != "lakeside-dental");
        sync.sync(&second).await;
        world.until("the rows are gone", |world| world.has_exactly(&PAIRS[..3])).await;
        world.assert_writes(mark, [("DELETE row", 2)]);
        world.assert_unbroken(mark, &PAIRS[..3]);

        // A bad commit on top of it, with another URL and other events, then back to the first one.
        let mark = world.provider.mark();
        let mut third = second.clone();
        named(&mut third, "WebhookEndpoint", "intake")["spec"]["targetUrl"] = json!("https://hooks.example.com/v2");
        named(&mut third, "WebhookSubscription", "sunshine-dental")["spec"]["events"] =
            json!([{"event": "appointment_insertion"}, {"event": "patient_updated"}]);
        sync.sync(&third).await;
        sync.sync(&first).await;
        assert!(world.has_exactly(&PAIRS), "{}", world.report());
        assert_eq!(sync.difference(&first).await, Ok(String::new()), "{tool:?}");
        world.assert_unbroken(mark, &PAIRS[..1]);
        assert_eq!(world.provider.endpoints().len(), 1, "edited, not made anew");
        assert_eq!(world.provider.endpoints()[0].target_url, "https://hooks.example.com/nexhealth");

        // Renamed: the rows change hands.
        let mark = world.provider.mark();
        let mut renamed = first.clone();
        named(&mut renamed, "WebhookSubscription", "lakeside-dental")["metadata"]["name"] = json!("lakeside");
        sync.sync(&renamed).await;
        world.rounds(2).await;
        world.assert_writes(mark, []);
        world.assert_unbroken(mark, &PAIRS);
        assert!(world.event_reasons("lakeside-dental").await.contains(&"HandedOver".to_owned()));
        assert_eq!(sync.difference(&renamed).await, Ok(String::new()), "{tool:?}");
        world.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_person_changed_by_hand_is_healed() {
    for tool in [Tool::ClientSide, Tool::ServerSide] {
        let world = world("gitops-heal").await;
        let commit = production(&world).await;
        let mut sync = Sync::new(&world, tool);
        sync.sync(&commit).await;
        let mark = world.provider.mark();
        let patch = |target: &'static str, changes: &'static str| {
            let world = &world;
            async move {
                seen(world, &world.kubectl(&["patch", target, "--type=json", "-o", "json", "-p", changes]).await).await
            }
        };
        patch(
            "whe/intake",
            r#"[{"op":"replace","path":"/spec/targetUrl","value":"https://hooks.example.com/by-hand"}]"#,
        )
        .await;
        patch("whs/sunshine-dental", r#"[{"op":"add","path":"/spec/events/-","value":{"event":"patient_updated"}}]"#)
            .await;
        world.all_ready().await;
        assert!(sync.difference(&commit).await.is_err(), "{tool:?}: the URL is seen to differ");
        sync.sync(&commit).await;
        assert_eq!(world.provider.endpoints()[0].target_url, "https://hooks.example.com/nexhealth");
        world.assert_unbroken(mark, &PAIRS);
        assert_eq!(sync.difference(&commit).await, Ok(String::new()), "{tool:?}");
        // A server-side apply leaves what another manager owns, and an event of a list is owned alone: deploy/README.md.
        let added = [&PAIRS[..], &[(SUNSHINE, "patient_updated")]].concat();
        let left = if tool == Tool::ServerSide { &added[..] } else { &PAIRS[..] };
        assert!(world.has_exactly(left), "{tool:?}\n{}", world.report());

        // An object that somebody deletes takes its rows with it; it comes back with the next sync.
        world.kubectl(&["delete", "whs", "lakeside-dental"]).await;
        sync.sync(&commit).await;
        assert!(world.has_exactly(left), "{tool:?}\n{}", world.report());
        world.assert_unbroken(mark, &PAIRS[..3]);
        world.finish().await;
    }
}
