//! What readers are told to apply is accepted: every document of `examples/`, and every patch in the docs.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::{Court, ENDPOINT, endpoint};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            found.push(path);
        }
    }
}

#[tokio::test]
async fn every_example_is_accepted_and_listed() {
    let (court, mut found, mut ours) = (Court::new().await, Vec::new(), 0);
    files(&root().join("examples"), &mut found);
    let readme = std::fs::read_to_string(root().join("examples/README.md")).unwrap();
    for file in found {
        let (folder, name) = (file.parent().unwrap().file_name().unwrap(), file.file_name().unwrap());
        let (folder, name) = (folder.to_str().unwrap(), name.to_str().unwrap());
        assert!(readme.contains(&format!("`{folder}/`")) || readme.contains(&format!("`{folder}/{name}`")), "{name}");
        let documents: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for document in documents.iter().filter(|one| one["apiVersion"] == "external-webhooks.io/v1alpha1") {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (kind, name) = (text(&document["kind"]), text(&document["metadata"]["name"]));
            let answer = court.create(&kind, &name, &document["spec"], false).await;
            assert!(answer.is_ok(), "{}: {answer:?}", file.display());
            ours += 1;
        }
    }
    assert!(ours > 10, "examples were looked at");
}

/// The argument of each `kubectl patch webhookendpoint ... -p '...'` of a page.
fn patches(page: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(root().join("docs").join(page)).unwrap();
    let commands = text.split("kubectl patch webhookendpoint ").skip(1);
    commands.map(|rest| serde_json::from_str(rest.split('\'').nth(1).unwrap()).unwrap()).collect()
}

#[tokio::test]
async fn every_patch_of_the_docs_is_accepted() {
    let court = Court::new().await;
    court.create(ENDPOINT, "intake", &endpoint(), true).await.unwrap();
    let leak = json!({"overlap": "0s", "requestId": "leak-1"});
    let receivers = patches("receivers.md");
    assert_eq!(receivers[0]["spec"]["signingSecret"]["rotation"], leak, "a leak is answered in one patch");
    for patch in receivers.into_iter().chain(patches("operations.md")) {
        let spec = patch["spec"].clone();
        let after = court.edit(ENDPOINT, "intake", spec.clone()).await.unwrap_or_else(|refusal| panic!("{refusal}"));
        // Not dropped as an unknown field: all of it is in the object afterwards.
        let mut merged = after["spec"].clone();
        json_patch::merge(&mut merged, &spec);
        assert_eq!(merged, after["spec"]);
    }
}
