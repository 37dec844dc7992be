//! Tenants of a ClusterProviderAccount, on the real API server, under the chart's rights: what a namespace gets, and that no
//! field and no trick reaches beyond it. Judged by what the provider has received, and by what statuses and Events say.

mod lent;
mod off;
mod owner;
mod tricks;
mod withdrawn;

use k8s_openapi::api::core::v1::Namespace as Resource;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use testbed::control_plane::Namespace;
use testbed::nexhealth::Mark;

use crate::support::{CLUSTER_ACCOUNT, Object, Recorder, World, secret};

/// A world whose own namespace is a tenant, and the account of the cluster that lends to it.
pub struct Town {
    /// The tenant's world; its operator watches all namespaces.
    pub world: World,
    /// Where the account's Secret is.
    pub platform: Namespace,
}

/// Another tenant.
pub struct Neighbour {
    pub namespace: Namespace,
    pub recorder: Recorder,
}

/// Takes away what the test before this one has left: its operator and its provider are gone, and this one's operator would
/// see its objects.
async fn sweep(client: &kube::Client) {
    for kind in ["WebhookSubscription", "WebhookEndpoint", "PracticeSyncMonitor", CLUSTER_ACCOUNT] {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("external-webhooks.io", "v1alpha1", kind));
        let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        for left in all.list(&ListParams::default()).await.unwrap() {
            let name = left.metadata.name.unwrap();
            let api: Api<DynamicObject> = match &left.metadata.namespace {
                Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
                None => all.clone(),
            };
            let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
            api.patch(&name, &PatchParams::default(), &free).await.unwrap();
            api.delete(&name, &DeleteParams::default()).await.map(drop).or_else(gone).unwrap();
        }
    }
}

fn gone(error: kube::Error) -> Result<(), kube::Error> {
    match error {
        kube::Error::Api(status) if status.is_not_found() => Ok(()),
        error => Err(error),
    }
}

impl Town {
    /// With an account that lends nothing yet.
    pub async fn new(name: &'static str) -> Self {
        let mut world = World::named(name).whole_cluster().prepare().await;
        sweep(&world.client).await;
        let platform = world.cluster.namespace("platform").await.unwrap();
        let town = Self {
            world: {
                world.start_operator();
                world
            },
            platform,
        };
        let key = secret("nexhealth", &town.world.api_key());
        town.apply_in(&town.platform, [key]).await;
        town.lends(json!([])).await;
        town.world.ready(CLUSTER_ACCOUNT, &town.account()).await;
        town
    }

    /// The account's name: that of the tenant's namespace, because tests share the cluster.
    pub fn account(&self) -> String {
        self.world.namespace.name().to_owned()
    }

    /// The account with these grants.
    pub async fn lends(&self, grants: Value) {
        let mut account = self.world.account(&self.account());
        account["kind"] = CLUSTER_ACCOUNT.into();
        account["spec"]["nexHealth"]["apiKeySecretRef"]["namespace"] = self.platform.name().into();
        account["spec"]["grants"] = grants;
        self.world.apply([account]).await;
    }

    /// A grant for the tenant's namespace.
    pub fn grant(&self, change: Value) -> Value {
        self.grant_to(self.world.namespace.name(), change)
    }

    /// A grant for one namespace.
    pub fn grant_to(&self, namespace: &str, change: Value) -> Value {
        let mut grant = json!({
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
            "targetHosts": ["hooks.example.com"],
        });
        for (name, value) in change.as_object().unwrap() {
            grant[name] = value.clone();
        }
        grant
    }

    /// An endpoint or monitor that uses the account.
    pub fn tenant(&self, mut object: Value) -> Value {
        object["spec"]["accountRef"] = json!({"kind": CLUSTER_ACCOUNT, "name": self.account()});
        object
    }

    /// Another namespace, whose objects are watched as well.
    pub async fn neighbour(&self, name: &str) -> Neighbour {
        let namespace = self.world.cluster.namespace(name).await.unwrap();
        Neighbour { recorder: Recorder::start(&self.world.client, namespace.name()), namespace }
    }

    /// Applies objects in another namespace than the tenant's.
    pub async fn apply_in(&self, namespace: &Namespace, objects: impl IntoIterator<Item = Value>) {
        let documents = objects.into_iter().map(|mut object| {
            object["metadata"]["namespace"] = namespace.name().into();
            if object["apiVersion"].is_null() {
                object["apiVersion"] = "external-webhooks.io/v1alpha1".into();
            }
            object.to_string()
        });
        self.world.cluster.apply_yaml(&documents.collect::<Vec<_>>().join("\n---\n")).await.unwrap();
    }

    /// Changes labels of the tenant's namespace.
    pub async fn label(&self, labels: Value) {
        let namespaces: Api<Resource> = Api::all(self.world.client.clone());
        let patch = Patch::Merge(json!({"metadata": {"labels": labels}}));
        namespaces.patch(self.world.namespace.name(), &PatchParams::default(), &patch).await.unwrap();
    }

    /// Waits until an object of a neighbour is ready.
    pub async fn ready_at(&self, neighbour: &Neighbour, kind: &str, name: &str) -> Object {
        let found = || neighbour.recorder.get(kind, name).filter(Object::is_ready);
        self.world.until(&format!("the neighbour's {kind} {name} is ready"), |_| found().is_some()).await;
        found().unwrap()
    }

    /// Waits until an object of the tenant is outside the grants, and answers what it says.
    pub async fn not_granted(&self, kind: &str, name: &str) -> String {
        let object = self.world.says(kind, name, "False/NotGranted").await;
        assert_eq!(object.said("Stalled"), "True/NotGranted");
        object.message("Ready").to_owned()
    }

    /// Everything that the tenant can read of its objects: every version of every status, and the Events.
    pub async fn seen_by_tenant(&self) -> String {
        let events: Api<Event> = Api::namespaced(self.world.client.clone(), self.world.namespace.name());
        let events = events.list(&ListParams::default()).await.unwrap();
        let versions = self.world.recorder.versions();
        let own = versions.iter().filter(|object| object.kind != CLUSTER_ACCOUNT);
        let statuses = own.map(|object| object.status().to_string());
        statuses.chain(events.items.iter().map(|event| serde_json::to_string(event).unwrap())).collect()
    }

    /// Asserts that nothing but these was done at the provider since a mark, for some rounds.
    pub async fn quiet(&self, since: Mark, but: &[(&str, usize)]) {
        self.world.rounds(3).await;
        self.world.assert_writes(since, but.iter().copied());
    }
}
