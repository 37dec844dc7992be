//! The sample policy for target hosts, on a real API server: no way of writing a URL leads to a host that is not on its list.

use std::time::Instant;

use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::{Court, ENDPOINT};
use crate::support::PATIENCE;

/// A kind whose schema accepts every text as targetUrl, so that the policy is tried alone: our own schema refuses many of
/// these URLs before the policy is asked.
const LAX_GROUP: &str = "policy-test.example.com";
const LAX_KIND: &str = "LaxEndpoint";

const ALLOWED: &[&str] = &[
    "https://hooks.example.com",
    "https://hooks.example.com/",
    "https://hooks.example.com/nexhealth?tenant=7&sig=a%2Fb",
    "https://hooks.example.com?tenant=7",
    "https://hooks.example.com/a@b:c//d?e=f@g:9",
    "https://a.clinics.example.com/hook",
    "https://a-1.clinics.example.com/",
];

const REFUSED: &[&str] = &[
    // Another host, or one that only looks like ours.
    "https://evil.example.net/",
    "https://hooks.example.com.evil.example.net/",
    "https://evilhooks.example.com/",
    "https://hooks-example.com/",
    "https://evil.example.net/hooks.example.com",
    "https://evil.example.net?https://hooks.example.com/",
    "https://evil.example.net?@hooks.example.com",
    "https://evil.example.net/@hooks.example.com/",
    // One label below the parent, no more and no less.
    "https://clinics.example.com/",
    "https://a.b.clinics.example.com/",
    "https://aclinics.example.com/",
    "https://evil-clinics.example.com/",
    "https://evilclinics.example.com/",
    "https://.clinics.example.com/",
    "https://evil.example.net/.clinics.example.com",
    // Before the host: a user name.
    "https://user@hooks.example.com/",
    "https://user:password@hooks.example.com/",
    "https://hooks.example.com@evil.example.net/",
    "https://hooks.example.com:443@evil.example.net/",
    "https://hooks.example.com%40evil.example.net/",
    // After the host: a port, even the usual one.
    "https://hooks.example.com:443/",
    "https://hooks.example.com:6443/",
    "https://hooks.example.com:/",
    // What one parser takes for a slash and another does not.
    "https://evil.example.net\\@hooks.example.com/",
    "https://hooks.example.com\\@evil.example.net/",
    "https://hooks.example.com\\.evil.example.net/",
    "https://hooks.example.com/\\..\\x",
    "https:\\\\hooks.example.com/",
    "https:/hooks.example.com/",
    "https:///hooks.example.com/",
    "https:hooks.example.com/",
    "//hooks.example.com/",
    // Fragments, white space, control characters.
    "https://evil.example.net#@hooks.example.com/",
    "https://hooks.example.com#@evil.example.net/",
    "https://hooks.example.com/#x",
    " https://hooks.example.com/",
    "https://hooks.example.com/ x",
    "https://hooks.example.com /",
    "https://hooks.example.com/\n",
    "https://evil.example.net/\nhttps://hooks.example.com/",
    "https://hooks.example.com\t.evil.example.net/",
    "https://hooks.example.com\u{0}.evil.example.net/",
    // Escapes, other alphabets, capitals, final dots.
    "https://hooks.example.com%2eevil.example.net/",
    "https://hooks.example.com%00.evil.example.net/",
    "https://%68ooks.example.com/",
    "https://h\u{43e}\u{43e}ks.example.com/",
    "https://hooks\u{3002}example\u{3002}com/",
    "https://hooks.example.com\u{ff0f}evil/",
    "https://HOOKS.example.com/",
    "https://hooks.example.com./",
    "https://hooks.example.com,evil.example.net/",
    "https://hooks.example.com;evil.example.net/",
    // Addresses in all their spellings.
    "https://127.0.0.1/",
    "https://2130706433/",
    "https://0x7f000001/",
    "https://0177.0.0.1/",
    "https://169.254.169.254/latest/meta-data",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
    "https://[fe80::1%25eth0]/",
    "https://localhost/",
    // Other schemes.
    "http://hooks.example.com/",
    "HTTPS://hooks.example.com/",
    "ftp://hooks.example.com/",
    "file://hooks.example.com/etc/passwd",
    "javascript://hooks.example.com/%0aalert(1)",
    "hooks.example.com",
    "",
];

/// The policy of `deploy/` and its binding: under another name, for one namespace only, and for another group if one is given.
fn policy(name: &str, namespace: &str, group: Option<(&str, &str)>) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/policies/target-hosts.yaml");
    let mut documents: Vec<Value> = serde_saphyr::from_multiple(&std::fs::read_to_string(path).unwrap()).unwrap();
    let [policy, binding] = &mut documents[..] else { panic!("a policy and its binding") };
    for document in [&mut *policy, &mut *binding] {
        document["metadata"]["name"] = json!(name);
    }
    binding["spec"]["policyName"] = json!(name);
    binding["spec"]["matchResources"] =
        json!({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}});
    if let Some((group, plural)) = group {
        policy["spec"]["matchConstraints"]["resourceRules"][0]["apiGroups"] = json!([group]);
        policy["spec"]["matchConstraints"]["resourceRules"][0]["resources"] = json!([plural]);
    }
    documents.iter().map(Value::to_string).collect::<Vec<_>>().join("\n---\n")
}

fn lax_definition() -> Value {
    let spec = json!({"type": "object", "properties": {"targetUrl": {"type": "string"}}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("laxendpoints.{LAX_GROUP}")},
        "spec": {
            "group": LAX_GROUP, "scope": "Namespaced",
            "names": {"kind": LAX_KIND, "plural": "laxendpoints", "singular": "laxendpoint"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}},
            }],
        },
    })
}

fn lax(court: &Court) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(LAX_GROUP, "v1", LAX_KIND);
    Api::namespaced_with(court.client.clone(), court.namespace.name(), &ApiResource::from_gvk(&kind))
}

fn object(kind: &str, api_version: &str, url: &str) -> DynamicObject {
    let object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "x"}, "spec": {"targetUrl": url}});
    serde_json::from_value(object).unwrap()
}

/// Whether an object with this URL would be made; what refuses it is said.
async fn accepted(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<(), String> {
    let params = PostParams { dry_run: true, ..PostParams::default() };
    match api.create(&params, object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 422 => Err(status.message),
        Err(other) => panic!("the API server did not judge: {other}"),
    }
}

/// A policy is in force a moment after it was made.
async fn in_force(api: &Api<DynamicObject>, object: &DynamicObject) {
    let began = Instant::now();
    while accepted(api, object).await.is_ok() {
        assert!(began.elapsed() < PATIENCE, "the policy never came into force");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn no_spelling_of_a_url_leads_to_another_host() {
    let court = Court::new().await;
    let (cluster, _) = crate::support::cluster().await;
    cluster.apply_yaml(&lax_definition().to_string()).await.unwrap();
    let (name, namespace) = (format!("target-hosts-{}", court.namespace), court.namespace.name());
    let ours = policy(&name, namespace, None);
    let alone = policy(&format!("{name}-alone"), namespace, Some((LAX_GROUP, "laxendpoints")));
    cluster.apply_yaml(&format!("{ours}\n---\n{alone}")).await.unwrap();
    let version = format!("{LAX_GROUP}/v1");
    for (api, kind, version) in
        [(court.api(ENDPOINT), ENDPOINT, "external-webhooks.io/v1alpha1"), (lax(&court), LAX_KIND, version.as_str())]
    {
        in_force(&api, &object(kind, version, "https://evil.example.net/")).await;
        let mut wrong = Vec::new();
        for url in ALLOWED {
            if let Err(message) = accepted(&api, &object(kind, version, url)).await {
                wrong.push(format!("refused {url:?}: {message}"));
            }
        }
        for url in REFUSED {
            if accepted(&api, &object(kind, version, url)).await.is_ok() {
                wrong.push(format!("accepted {url:?}"));
            }
        }
        assert!(wrong.is_empty(), "{kind}:\n{}", wrong.join("\n"));
    }
    let message = accepted(&court.api(ENDPOINT), &object(ENDPOINT, "external-webhooks.io/v1alpha1", REFUSED[0])).await;
    let message = message.unwrap_err();
    assert!(message.contains("spec.targetUrl: the host evil.example.net is not on the list"), "{message}");
}

#[tokio::test]
async fn an_object_that_is_older_than_the_list_can_be_edited_and_deleted() {
    let court = Court::new().await;
    let (cluster, _) = crate::support::cluster().await;
    let (api, version) = (court.api(ENDPOINT), "external-webhooks.io/v1alpha1");
    let mut old = object(ENDPOINT, version, "https://old.example.net/");
    old.metadata.name = Some("old".to_owned());
    old.metadata.finalizers = Some(vec!["external-webhooks.io/test".to_owned()]);
    api.create(&PostParams::default(), &old).await.unwrap();
    let name = format!("target-hosts-{}", court.namespace);
    cluster.apply_yaml(&policy(&name, court.namespace.name(), None)).await.unwrap();
    in_force(&api, &object(ENDPOINT, version, "https://evil.example.net/")).await;
    let edit = |changes: Value| {
        let api = api.clone();
        async move { api.patch("old", &PatchParams::default(), &Patch::Merge(changes)).await }
    };
    edit(json!({"spec": {"suspend": true}})).await.unwrap();
    assert!(edit(json!({"spec": {"targetUrl": "https://other.example.net/"}})).await.is_err());
    api.delete("old", &kube::api::DeleteParams::default()).await.unwrap();
    edit(json!({"metadata": {"finalizers": null}})).await.unwrap();
    assert!(api.get_opt("old").await.unwrap().is_none(), "the finalizer can be removed, so the object goes");
}
