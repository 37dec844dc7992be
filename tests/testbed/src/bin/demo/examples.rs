//! The YAML of `examples/`, as it stands there but for what only the demo needs.

use std::path::Path;

use serde_json::{Value, json};

use crate::Failure;

/// Where the demo finds the repository: `make demo` starts it at its root.
pub const CRDS: &str = "crds";
/// Three practices, a dozen events each.
pub const PRACTICES: &str = "examples/three-practices";
/// What builds on them.
pub const MORE: &str = "examples/more";
/// The namespace of all of them.
pub const NAMESPACE: &str = "clinics";

/// The documents of a file or of a folder's files, by name. Accounts ask `base_url` instead of the provider, every 30 s.
pub fn read(path: &str, base_url: &str) -> Result<Vec<Value>, Failure> {
    let path = Path::new(path);
    let cannot = |error: std::io::Error| format!("cannot read {}: {error} (start it with `make demo`)", path.display());
    let mut files = vec![path.to_owned()];
    if path.is_dir() {
        let entries = std::fs::read_dir(path).map_err(cannot)?;
        files = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<_, _>>().map_err(cannot)?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
        files.sort();
    }
    let mut documents = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(cannot)?;
        let read: Vec<Value> =
            serde_saphyr::from_multiple(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        documents.extend(read);
    }
    for account in documents.iter_mut().filter(|document| document["kind"] == "ProviderAccount") {
        account["spec"]["baseUrl"] = json!(base_url);
        account["spec"]["observeInterval"] = json!("30s");
    }
    Ok(documents)
}

/// The API key in the examples' Secret, which the simulator is to accept.
pub fn api_key() -> Result<String, Failure> {
    let documents = read(PRACTICES, "")?;
    let secret = documents.iter().find(|document| document["kind"] == "Secret");
    let key = secret.and_then(|secret| secret["stringData"]["api-key"].as_str());
    key.map(str::to_owned).ok_or_else(|| format!("{PRACTICES} has no Secret with an api-key"))
}

/// Every declared pair: practice and event.
pub fn pairs(documents: &[Value]) -> Vec<(String, String)> {
    let subscriptions = documents.iter().filter(|document| document["kind"] == "WebhookSubscription");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut pairs = Vec::new();
    for subscription in subscriptions {
        let spec = &subscription["spec"];
        for practice in spec["practices"].as_array().into_iter().flatten() {
            for event in spec["events"].as_array().into_iter().flatten() {
                pairs.push((text(practice), text(&event["event"])));
            }
        }
    }
    pairs
}
