//! The files that the servers and their clients read: certificate, keys, tokens, kubeconfigs, audit policy.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::Error;

const ADMIN: &str = "testbed-admin";
const MANAGER: &str = "testbed-controller-manager";

/// The working folder of one control plane, filled.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) dir: PathBuf,
    pub(super) certificate_pem: String,
    pub(super) certificate_der: Vec<u8>,
    pub(super) admin_token: String,
    manager_token: String,
}

impl Files {
    /// Writes everything that does not depend on a port.
    pub(super) fn write(dir: &Path) -> Result<Self, Error> {
        let names = ["127.0.0.1", "localhost", "kubernetes.default.svc"].map(str::to_owned);
        let serving = rcgen::generate_simple_self_signed(names)?;
        let accounts = rcgen::KeyPair::generate()?;
        let files = Self {
            dir: dir.to_owned(),
            certificate_pem: serving.cert.pem(),
            certificate_der: serving.cert.der().to_vec(),
            admin_token: hex::encode(rand::random::<[u8; 16]>()),
            manager_token: hex::encode(rand::random::<[u8; 16]>()),
        };
        files.put("serving.crt", &files.certificate_pem)?;
        files.put("serving.key", &serving.signing_key.serialize_pem())?;
        files.put("accounts.key", &accounts.serialize_pem())?;
        files.put("accounts.pub", &accounts.public_key_pem())?;
        // system:masters passes RBAC without rules; the controllers must reach objects of every kind.
        let tokens = format!(
            "{},{ADMIN},{ADMIN},system:masters\n{},{MANAGER},{MANAGER},system:masters\n",
            files.admin_token, files.manager_token
        );
        files.put("tokens.csv", &tokens)?;
        files.put("audit-policy.yaml", &audit_policy().to_string())?;
        Ok(files)
    }

    /// Writes the two kubeconfigs once the port is known.
    pub(super) fn write_kubeconfigs(&self, server: &str) -> Result<(), Error> {
        self.kubeconfig("admin.kubeconfig", server, &self.admin_token, "default")?;
        self.kubeconfig("controller-manager.kubeconfig", server, &self.manager_token, "default")?;
        Ok(())
    }

    /// Writes a kubeconfig (JSON is YAML) for one token.
    pub(super) fn kubeconfig(&self, name: &str, server: &str, token: &str, namespace: &str) -> Result<PathBuf, Error> {
        let authority = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, &self.certificate_pem);
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "testbed", "cluster": {"server": server, "certificate-authority-data": authority}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "testbed", "context": {"cluster": "testbed", "user": "user", "namespace": namespace}}],
            "current-context": "testbed",
        });
        self.put(name, &config.to_string())
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn put(&self, name: &str, text: &str) -> Result<PathBuf, Error> {
        let path = self.dir.join(name);
        std::fs::write(&path, text).map_err(Error::io(&path))?;
        Ok(path)
    }
}

/// Every request of every client at level Metadata (no bodies, so no Secret is logged), except the control plane's own.
fn audit_policy() -> serde_json::Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "None", "users": ["system:apiserver", MANAGER]},
            {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*"]},
            {"level": "Metadata"},
        ],
    })
}
