//! Every patch that the docs tell people to apply is accepted, and none of it is dropped.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Court, ENDPOINT, endpoint};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
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
