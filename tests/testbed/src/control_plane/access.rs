//! Namespaces of a test's own, and clients that have no more rights than the operator.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace as Resource, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use super::{ControlPlane, Error, apply, client, config};

/// The chart's rules, the one source of the operator's rights.
const OPERATOR_RBAC: &str = include_str!("../../../../charts/external-webhooks/rbac/cluster.yaml");
/// The same, where the operator watches single namespaces.
const NAMESPACED_RBAC: &str = include_str!("../../../../charts/external-webhooks/rbac/namespaced.yaml");
/// The watched namespace that this file names; here it is replaced.
const WATCHED_NAMESPACE: &str = "watched-namespace";
/// The namespace that the chart's file names; here it is replaced.
const OPERATOR_NAMESPACE: &str = "external-webhooks-system";
/// Longer than any test, so that no token is renewed in the middle of one.
const TOKEN_SECONDS: i64 = 24 * 60 * 60;

/// A namespace of a test's own. It stays until `delete` or the end of the control plane.
#[derive(Debug, Clone)]
pub struct Namespace {
    name: String,
    admin: Config,
}

impl Namespace {
    /// Its unique name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Deletes it and returns at once; finalizers inside still have to leave.
    pub async fn delete(&self) -> Result<(), Error> {
        match self.api()?.delete(&self.name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            result => result.map(drop).map_err(Error::kube(format!("deleting namespace {}", self.name))),
        }
    }

    /// Whether it has gone within `timeout`. The namespace controller itself waits 5 s before it begins.
    pub async fn is_gone_within(&self, timeout: Duration) -> Result<bool, Error> {
        let namespaces = self.api()?;
        let deadline = Instant::now() + timeout;
        loop {
            let found = namespaces.get_opt(&self.name).await;
            if found.map_err(Error::kube(format!("reading namespace {}", self.name)))?.is_none() {
                return Ok(true);
            }
            if Instant::now() > deadline {
                return Ok(false);
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    fn api(&self) -> Result<Api<Resource>, Error> {
        Ok(Api::all(client(self.admin.clone())?))
    }
}

impl std::fmt::Display for Namespace {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.name)
    }
}

impl ControlPlane {
    /// Makes a namespace named after `prefix`, so that tests can share the control plane without seeing each other.
    pub async fn namespace(&self, prefix: &str) -> Result<Namespace, Error> {
        let mut object = Resource::default();
        object.metadata.generate_name = Some(format!("{prefix}-"));
        let created = Api::<Resource>::all(self.admin())
            .create(&PostParams::default(), &object)
            .await
            .map_err(Error::kube(format!("making a namespace {prefix}-")))?;
        let admin = config(&self.files, self.ports, &self.files.admin_token)?;
        Ok(Namespace { name: created.metadata.name.unwrap_or_default(), admin })
    }

    /// A client and a kubeconfig with the rights of a ServiceAccount and nothing else; the namespace and the account are made
    /// when they are missing.
    pub async fn service_account_client(&self, namespace: &str, name: &str) -> Result<(Client, PathBuf), Error> {
        let admin = self.admin();
        let what = format!("making ServiceAccount {namespace}/{name}");
        let mut object = Resource::default();
        object.metadata.name = Some(namespace.to_owned());
        unless_exists(Api::all(admin.clone()).create(&PostParams::default(), &object).await)
            .map_err(Error::kube(&what))?;
        let accounts = Api::<ServiceAccount>::namespaced(admin, namespace);
        let mut account = ServiceAccount::default();
        account.metadata.name = Some(name.to_owned());
        unless_exists(accounts.create(&PostParams::default(), &account).await).map_err(Error::kube(&what))?;

        let spec = TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..Default::default() };
        let request = TokenRequest { spec, ..Default::default() };
        let what = format!("requesting a token for {namespace}/{name}");
        let answer = accounts.create_token_request(name, &PostParams::default(), &request).await;
        let token = answer.map_err(Error::kube(what))?.status.map(|status| status.token).unwrap_or_default();
        let file = format!("{namespace}.{name}.kubeconfig");
        let kubeconfig = self.files.kubeconfig(&file, &self.ports.server(), &token, namespace)?;
        let mut config = config(&self.files, self.ports, &token)?;
        config.default_namespace = namespace.to_owned();
        Ok((client(config)?, kubeconfig))
    }

    /// Gives the ServiceAccount `external-webhooks` of `namespace` exactly the chart's rules.
    pub async fn install_operator_rbac(&self, namespace: &str) -> Result<(), Error> {
        let rules = OPERATOR_RBAC.replace(OPERATOR_NAMESPACE, namespace);
        self.install_rbac(namespace, "rbac/cluster.yaml", &rules).await
    }

    /// Gives the ServiceAccount `external-webhooks` of `namespace` exactly the chart's rules for watching `watched` alone.
    pub async fn install_namespaced_rbac(&self, namespace: &str, watched: &str) -> Result<(), Error> {
        let rules = NAMESPACED_RBAC.replace(OPERATOR_NAMESPACE, namespace).replace(WATCHED_NAMESPACE, watched);
        self.install_rbac(namespace, "rbac/namespaced.yaml", &rules).await
    }

    async fn install_rbac(&self, namespace: &str, file: &'static str, rules: &str) -> Result<(), Error> {
        let mut documents = vec![json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})];
        documents.extend(apply::parse(file, rules)?);
        for document in &mut documents {
            // Tests share the cluster: each operator under test has a binding of its own to the one ClusterRole.
            if document["kind"] == "ClusterRoleBinding" {
                document["metadata"]["name"] = Value::from(format!("external-webhooks-{namespace}"));
            }
        }
        self.apply_documents(documents, file).await.map(drop)
    }
}

fn unless_exists<T>(result: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match result {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        result => result.map(drop),
    }
}
