//! The test bed's own promises: what the tests of the operator take for granted about the cluster they run on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures::StreamExt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::{DeleteParams, DynamicObject, ListParams, PostParams, WatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, GroupVersionKind, Resource};
use kube::{Api, Client, ResourceExt};
use testbed::control_plane::{ControlPlane, Options, shared};
use testbed::kube_proxy::{KubeFault, WatchFault};
use testbed::nexhealth::When;

const WIDGETS: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.testbed.example}
spec:
  group: testbed.example
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"#;

#[tokio::test]
async fn the_server_knows_its_version() {
    let version = shared().await.admin().apiserver_version().await.unwrap();
    // helm and kubectl compare it; an unstamped build says v0.0.0.
    assert!(version.git_version.starts_with("v1."), "{}", version.git_version);
}

#[tokio::test]
async fn a_deleted_namespace_goes_with_its_content() {
    let control_plane = shared().await;
    let namespace = control_plane.namespace("goes").await.unwrap();
    let secrets = Api::<Secret>::namespaced(control_plane.admin(), namespace.name());
    secrets.create(&PostParams::default(), &secret("inside", None)).await.unwrap();

    namespace.delete().await.unwrap();

    assert!(namespace.is_gone_within(Duration::from_secs(30)).await.unwrap());
    assert!(secrets.get_opt("inside").await.unwrap().is_none());
}

#[tokio::test]
async fn a_secret_goes_with_its_owner() {
    let control_plane = shared().await;
    let namespace = control_plane.namespace("owned").await.unwrap();
    let client = control_plane.admin();
    let owners = Api::<ConfigMap>::namespaced(client.clone(), namespace.name());
    let mut owner = ConfigMap::default();
    owner.metadata.name = Some("owner".to_owned());
    let owner = owners.create(&PostParams::default(), &owner).await.unwrap();
    let secrets = Api::<Secret>::namespaced(client, namespace.name());
    secrets.create(&PostParams::default(), &secret("owned", owner.controller_owner_ref(&()))).await.unwrap();

    owners.delete("owner", &DeleteParams::default()).await.unwrap();

    assert!(is_absent_within(&secrets, "owned", Duration::from_secs(30)).await);
}

#[tokio::test]
async fn a_new_kind_is_collected_without_waiting_for_rediscovery() {
    let control_plane = shared().await;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("widgets.yaml"), WIDGETS).unwrap();
    control_plane.install_crds(folder.path()).await.unwrap();
    let namespace = control_plane.namespace("widgets").await.unwrap();
    let yaml = format!(
        "apiVersion: testbed.example/v1\nkind: Widget\nmetadata: {{name: owner, namespace: {namespace}}}\nspec: {{a: 1}}\n"
    );
    let owner = control_plane.apply_yaml(&yaml).await.unwrap().remove(0);
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("testbed.example", "v1", "Widget"));
    let secrets = Api::<Secret>::namespaced(control_plane.admin(), namespace.name());
    secrets.create(&PostParams::default(), &secret("owned", owner.controller_owner_ref(&resource))).await.unwrap();

    let widgets = Api::<DynamicObject>::namespaced_with(control_plane.admin(), namespace.name(), &resource);
    widgets.delete("owner", &DeleteParams::default()).await.unwrap();

    // The collector looks for new kinds every 30 s; installing a definition must not cost a test that wait.
    assert!(is_absent_within(&secrets, "owned", Duration::from_secs(15)).await);
}

#[tokio::test]
async fn a_service_account_may_do_what_its_rules_say_and_no_more() {
    let control_plane = shared().await;
    let namespace = control_plane.namespace("operator").await.unwrap();
    control_plane.install_operator_rbac(namespace.name()).await.unwrap();
    let (operator, kubeconfig) =
        control_plane.service_account_client(namespace.name(), "external-webhooks").await.unwrap();
    let (stranger, _) = control_plane.service_account_client(namespace.name(), "stranger").await.unwrap();

    let here = namespace.name();
    for (verb, group, resource, name, place, allowed) in [
        ("list", "", "secrets", "", "", true),
        ("create", "", "secrets", "", "elsewhere", true),
        ("delete", "", "secrets", "key", here, false),
        ("list", "", "pods", "", here, false),
        ("watch", "external-webhooks.io", "webhookendpoints", "", "", true),
        ("delete", "external-webhooks.io", "webhookendpoints", "one", here, false),
        ("patch", "external-webhooks.io", "webhookendpoints/status", "one", here, true),
        ("update", "external-webhooks.io", "webhooksubscriptions/finalizers", "one", here, false),
        ("update", "", "secrets", "key", here, false),
        ("patch", "events.k8s.io", "events", "one", "elsewhere", true),
        ("create", "", "events", "", here, false),
        ("get", "apiextensions.k8s.io", "customresourcedefinitions", "webhookendpoints.external-webhooks.io", "", true),
        // Nothing depends on whether this one goes.
        (
            "get",
            "apiextensions.k8s.io",
            "customresourcedefinitions",
            "provideraccounts.external-webhooks.io",
            "",
            false,
        ),
        ("get", "apiextensions.k8s.io", "customresourcedefinitions", "widgets.testbed.example", "", false),
        ("create", "coordination.k8s.io", "leases", "", here, true),
        ("update", "coordination.k8s.io", "leases", "external-webhooks", here, true),
        ("update", "coordination.k8s.io", "leases", "another", here, false),
        ("update", "coordination.k8s.io", "leases", "external-webhooks", "elsewhere", false),
    ] {
        assert_eq!(
            may(&operator, verb, group, resource, name, place).await,
            allowed,
            "{verb} {resource} {name} in {place:?}"
        );
        assert!(!may(&stranger, verb, group, resource, name, place).await, "stranger: {verb} {resource}");
    }
    assert!(Api::<Secret>::all(operator).list(&ListParams::default()).await.is_ok());
    let refused = Api::<Secret>::all(stranger).list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.is_forbidden()));

    let mut kubectl = control_plane.kubectl();
    kubectl.env("KUBECONFIG", kubeconfig).args(["auth", "whoami", "-o", "jsonpath={.status.userInfo.username}"]);
    let output = kubectl.output().unwrap();
    let expected = format!("system:serviceaccount:{here}:external-webhooks");
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_audit_counts_every_request_of_a_user() {
    let control_plane = shared().await;
    let namespace = control_plane.namespace("audit").await.unwrap();
    let (client, _) = control_plane.service_account_client(namespace.name(), "counted").await.unwrap();
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace.name());
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let audit = control_plane.audit();

    let before = audit.mark();
    for _ in 0..20 {
        secrets.get("absent").await.unwrap_err();
        reviews.create(&PostParams::default(), &review("get", "", "secrets", "", "")).await.unwrap();
    }
    let after = audit.mark();
    assert!(secrets.watch(&WatchParams::default(), "0").await.is_err());

    let user = format!("{}:counted", namespace.name());
    let requests = audit.requests(&user, before).unwrap();
    let of = |verb: &str, code: u16| requests.iter().filter(|seen| seen.verb == verb && seen.code == code).count();
    assert_eq!((of("get", 403), of("create", 201), of("watch", 403), requests.len()), (20, 20, 1, 41));
    assert_eq!((requests[0].resource.as_str(), requests[0].name.as_str()), ("secrets", "absent"));
    assert_eq!(audit.requests(&user, after).unwrap().len(), 1);
}

#[tokio::test]
async fn a_definition_and_its_object_may_come_in_one_text() {
    let control_plane = shared().await;
    let both = format!(
        "{}---\napiVersion: gadgets.example/v1\nkind: Gadget\nmetadata: {{name: one}}\nspec: {{n: 1}}\n",
        WIDGETS.replace("testbed.example", "gadgets.example").replace("Widget", "Gadget").replace("widget", "gadget")
    );
    for _ in 0..2 {
        let applied = control_plane.apply_yaml(&both).await.unwrap();
        assert_eq!(applied[1].namespace().as_deref(), Some("default"));
    }
    let error = control_plane.apply_yaml("kind: Secret").await.unwrap_err();
    assert!(error.to_string().contains("apiVersion is missing"), "{error}");
}

#[tokio::test]
async fn data_survives_a_restart_and_nothing_survives_a_shutdown() {
    let control_plane = ControlPlane::start(Options::default()).await.unwrap();
    let dir = control_plane.dir().to_owned();
    let namespace = control_plane.namespace("kept").await.unwrap();

    control_plane.restart_api_server().await.unwrap();
    assert!(Api::<Namespace>::all(control_plane.admin()).get(namespace.name()).await.is_ok());
    assert_eq!(processes(&dir, false).len(), 3);

    control_plane.shutdown().await;
    assert_eq!(processes(&dir, true), Vec::<String>::new());
    assert!(!dir.exists());
}

#[test]
fn nothing_outlives_a_killed_parent() {
    let (mut parent, dir) = up();
    assert_eq!(processes(&dir, false).len(), 3);
    parent.kill().unwrap();
    parent.wait().unwrap();

    let deadline = Instant::now() + Duration::from_secs(10);
    while (!processes(&dir, true).is_empty() || dir.exists()) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(processes(&dir, true), Vec::<String>::new());
    assert!(!dir.exists(), "{} is left", dir.display());
}

#[test]
fn errors_name_their_remedy() {
    let empty = tempfile::tempdir().unwrap();
    let run = |name: &str, value: &Path| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_control-plane"));
        let output = command
            .arg("build")
            .env("EXTERNAL_WEBHOOKS_CACHE", empty.path())
            .env_remove("KUBEBUILDER_ASSETS")
            .env(name, value)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let no_assets = run("KUBEBUILDER_ASSETS", empty.path());
    assert!(no_assets.contains("holds no executable `etcd`") && no_assets.contains("or unset it"), "{no_assets}");
    let no_go = run("PATH", empty.path());
    assert!(no_go.contains("install Go 1.") && no_go.contains("KUBEBUILDER_ASSETS"), "{no_go}");
}

fn secret(name: &str, owner: Option<OwnerReference>) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some(name.to_owned());
    secret.metadata.owner_references = owner.map(|owner| vec![owner]);
    secret
}

async fn is_absent_within(secrets: &Api<Secret>, name: &str, timeout: Duration) -> bool {
    let deadline = Instant::now() + timeout;
    while Instant::now() < deadline {
        if secrets.get_opt(name).await.unwrap().is_none() {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    false
}

fn review(verb: &str, group: &str, resource: &str, name: &str, namespace: &str) -> SelfSubjectAccessReview {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let attributes = ResourceAttributes {
        verb: Some(verb.to_owned()),
        group: Some(group.to_owned()),
        resource: Some(resource.to_owned()),
        subresource: Some(subresource.to_owned()),
        name: Some(name.to_owned()),
        namespace: Some(namespace.to_owned()),
        ..Default::default()
    };
    let spec = SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..Default::default() };
    SelfSubjectAccessReview { spec, ..Default::default() }
}

async fn may(client: &Client, verb: &str, group: &str, resource: &str, name: &str, namespace: &str) -> bool {
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    let answer = reviews.create(&PostParams::default(), &review(verb, group, resource, name, namespace)).await.unwrap();
    answer.status.unwrap().allowed
}

/// A control plane in a process of its own, and its folder.
fn up() -> (Child, PathBuf) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_control-plane"));
    let mut parent = command.arg("up").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(parent.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (parent, Path::new(line.trim()).parent().unwrap().to_owned())
}

/// The processes that work in `dir`: three servers, each with two shells over it that are counted only when `shells` asks.
fn processes(dir: &Path, shells: bool) -> Vec<String> {
    let name = dir.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        // A process may end while it is read.
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        if command.contains(&name) && (shells || !command.starts_with("sh ")) {
            found.push(command);
        }
    }
    found
}

/// The proxy's promises: the caller's own rights, what was sent is carried out, and each fault where it belongs.
#[tokio::test]
async fn a_proxy_passes_rights_through_and_breaks_what_it_is_told_to() {
    let control_plane = shared().await;
    let namespace = control_plane.namespace("proxied").await.unwrap();
    let (_, kubeconfig) = control_plane.service_account_client(namespace.name(), "nobody").await.unwrap();
    let proxy = control_plane.proxy().await.unwrap();
    let through = async |kubeconfig: &Path| {
        let file = kubeconfig.with_extension("proxied");
        let read = Kubeconfig::read_from(proxy.kubeconfig(kubeconfig, &file).unwrap()).unwrap();
        let mut config = kube::Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
        config.default_retry = false;
        Client::try_from(config).unwrap()
    };
    let nobody = Api::<Secret>::namespaced(through(&kubeconfig).await, namespace.name());
    let refused = nobody.list(&ListParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.code == 403), "nobody has no rights here either");

    let admin = through(&control_plane.admin_kubeconfig()).await;
    let secrets = Api::<Secret>::namespaced(admin, namespace.name());
    for (name, fault, there) in [
        ("lost", KubeFault::Reset(When::After), true),
        ("reset", KubeFault::Reset(When::Before), false),
        ("refused", KubeFault::Answer(When::Before, 409, None), false),
        ("denied-too-late", KubeFault::Answer(When::After, 500, None), true),
    ] {
        proxy.on_request(move |call| (call.verb == "POST").then(|| fault.clone()));
        assert!(secrets.create(&PostParams::default(), &secret(name, None)).await.is_err(), "{name}");
        assert_eq!(secrets.get_opt(name).await.unwrap().is_some(), there, "{name}");
    }

    proxy.on_request(|_| None);
    let mut events = secrets.watch(&WatchParams::default(), "0").await.unwrap().boxed();
    assert!(events.next().await.is_some_and(|event| event.is_ok()), "watches stream through");
    drop(events);
    proxy.on_request(|call| (call.verb == "WATCH").then_some(KubeFault::Watch(WatchFault::Cut(2))));
    // How many events get out before the cut is up to the sockets, which may put several into one piece; another follows.
    let cut = match secrets.watch(&WatchParams::default(), "0").await {
        Ok(events) => {
            let mut events = events.boxed();
            secrets.create(&PostParams::default(), &secret("another", None)).await.unwrap();
            let end = async { while let Some(Ok(_)) = events.next().await {} };
            tokio::time::timeout(Duration::from_secs(20), end).await.is_ok()
        }
        Err(_) => true,
    };
    assert!(cut, "the watch is cut");
}
