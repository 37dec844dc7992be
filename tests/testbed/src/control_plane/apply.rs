//! Manifests: the same YAML that a user applies, sent as a server-side apply.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionSpec,
};
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::discovery::{ApiCapabilities, ApiResource, Scope, oneshot};
use kube::{Client, ResourceExt};
use serde_json::Value;

use super::{ControlPlane, Error};

/// A field manager of its own, so that no test mistakes the test bed's fields for the operator's or a user's.
const FIELD_MANAGER: &str = "testbed";
const SERVED_WITHIN: Duration = Duration::from_secs(30);

impl ControlPlane {
    /// Applies every document of a YAML text as admin, in order. Objects without a namespace go to `default`.
    pub async fn apply_yaml(&self, yaml: &str) -> Result<Vec<DynamicObject>, Error> {
        self.apply_documents(parse("text", yaml)?, "text").await
    }

    /// Applies every `.yaml` file of a folder, by name, without its subfolders.
    pub async fn apply_dir(&self, dir: impl AsRef<Path>) -> Result<Vec<DynamicObject>, Error> {
        let mut applied = Vec::new();
        for (origin, documents) in read_dir(dir.as_ref())? {
            applied.extend(self.apply_documents(documents, &origin).await?);
        }
        Ok(applied)
    }

    /// Applies the custom resource definitions of a folder and returns when objects of them can be made, and the garbage
    /// collector knows them.
    pub async fn install_crds(&self, dir: impl AsRef<Path>) -> Result<(), Error> {
        let started = k8s_openapi::jiff::Timestamp::now();
        let mut is_new = false;
        for object in self.apply_dir(dir).await? {
            // One second of slack: creation times have whole seconds.
            is_new |= object.creation_timestamp().is_some_and(|time| time.0.as_second() >= started.as_second());
        }
        if is_new {
            self.restart_controller_manager().await?;
        }
        Ok(())
    }

    /// Applies one object; definitions are awaited, so that the objects after them in a file can be applied.
    pub(super) async fn apply_documents(
        &self,
        documents: Vec<Value>,
        origin: &str,
    ) -> Result<Vec<DynamicObject>, Error> {
        let client = self.admin();
        let mut kinds: HashMap<GroupVersionKind, (ApiResource, ApiCapabilities)> = HashMap::new();
        let mut applied = Vec::new();
        for document in documents {
            let (kind, name) = identify(&document, origin)?;
            let what = format!("applying {} {name} from {origin}", kind.kind);
            if !kinds.contains_key(&kind) {
                let found = oneshot::pinned_kind(&client, &kind).await.map_err(Error::kube(&what))?;
                kinds.insert(kind.clone(), found);
            }
            let (resource, capabilities) = &kinds[&kind];
            let namespace = document["metadata"]["namespace"].as_str().unwrap_or("default").to_owned();
            let api: Api<DynamicObject> = match capabilities.scope {
                Scope::Cluster => Api::all_with(client.clone(), resource),
                Scope::Namespaced => Api::namespaced_with(client.clone(), &namespace, resource),
            };
            let params = PatchParams::apply(FIELD_MANAGER).force();
            applied.push(api.patch(&name, &params, &Patch::Apply(&document)).await.map_err(Error::kube(what))?);
            if kind.kind == "CustomResourceDefinition" {
                await_served(&client, &name).await?;
            }
        }
        Ok(applied)
    }
}

/// Established says that the kind is served; discovery, by which clients find it, follows a moment later.
async fn await_served(client: &Client, name: &str) -> Result<(), Error> {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    let deadline = Instant::now() + SERVED_WITHIN;
    loop {
        let definition = definitions.get(name).await.map_err(Error::kube(format!("reading definition {name}")))?;
        let conditions = definition.status.and_then(|status| status.conditions).unwrap_or_default();
        let established = conditions.iter().any(|seen| seen.type_ == "Established" && seen.status == "True");
        if established && is_discovered(client, &definition.spec).await {
            return Ok(());
        }
        if Instant::now() > deadline {
            let reasons = conditions.iter().map(|seen| {
                format!("{}={} ({})", seen.type_, seen.status, seen.message.as_deref().unwrap_or_default())
            });
            let reason = reasons.collect::<Vec<_>>().join(", ");
            return Err(Error::Crd { name: name.to_owned(), reason });
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_discovered(client: &Client, definition: &CustomResourceDefinitionSpec) -> bool {
    for version in definition.versions.iter().filter(|version| version.served) {
        let kind = GroupVersionKind::gvk(&definition.group, &version.name, &definition.names.kind);
        if oneshot::pinned_kind(client, &kind).await.is_err() {
            return false;
        }
    }
    true
}

/// The documents of a YAML text, without the empty ones that a stray `---` makes.
pub(super) fn parse(origin: &str, yaml: &str) -> Result<Vec<Value>, Error> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)
        .map_err(|error| Error::Manifest { origin: origin.to_owned(), reason: error.to_string() })?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

fn read_dir(dir: &Path) -> Result<Vec<(String, Vec<Value>)>, Error> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(Error::io(dir))? {
        let path = entry.map_err(Error::io(dir))?.path();
        if path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).map_err(Error::io(&path))?;
        let origin = path.display().to_string();
        let documents = parse(&origin, &text)?;
        Ok((origin, documents))
    };
    paths.into_iter().map(read).collect()
}

fn identify(document: &Value, origin: &str) -> Result<(GroupVersionKind, String), Error> {
    let text = |value: &Value, field: &str| {
        let found = value.as_str().map(str::to_owned);
        found.ok_or_else(|| Error::Manifest { origin: origin.to_owned(), reason: format!("{field} is missing") })
    };
    let api_version = text(&document["apiVersion"], "apiVersion")?;
    let kind = text(&document["kind"], "kind")?;
    let name = text(&document["metadata"]["name"], "metadata.name")?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", &api_version));
    Ok((GroupVersionKind::gvk(group, version, &kind), name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_documents_are_skipped_and_names_are_needed() {
        let yaml = "---\n# only a comment\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\n{kind: Lost, apiVersion: v1}\n";
        let documents = parse("text", yaml).unwrap();
        assert_eq!(documents.len(), 2);
        assert_eq!(identify(&documents[0], "text").unwrap().1, "a");
        assert!(identify(&documents[1], "text").unwrap_err().to_string().contains("metadata.name is missing"));
    }
}
