//! api.md, *ClusterProviderAccount*: nothing reaches beyond what is lent.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fixtures::*;
use crate::plan::endpoint::{EndpointStep, SecretView};
use crate::plan::grants::{Grants, Reach, Share, target_host};
use crate::plan::rotation::Publish;

const CLINICS: [(&str, &str); 2] = [("team", "clinics"), ("kubernetes.io/metadata.name", "n")];

fn share_of(labels: &[(&str, &str)], grants: Value) -> Share {
    let labels: BTreeMap<String, String> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    Grants::new("shared", &serde_json::from_value::<Vec<_>>(grants).unwrap()).share(&labels)
}

/// What a namespace of the team gets.
fn share(grants: Value) -> Share {
    share_of(&CLINICS, grants)
}

pub fn grant(change: Value) -> Value {
    changed(json!({"namespaceSelector": {}, "practices": ["a"], "targetHosts": ["hooks.example.com"]}), change)
}

pub fn reach(grants: Value) -> Reach {
    share(grants).reach([URL])
}

pub fn message(conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition]) -> &str {
    &conditions.iter().find(|condition| condition.type_ == "Ready").unwrap().message
}

#[test]
fn namespaces_are_selected_by_their_labels() {
    let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
    for (selector, selects) in [
        (json!({}), true),
        (json!({"matchLabels": {"team": "clinics"}}), true),
        (json!({"matchLabels": {"team": "other"}}), false),
        (json!({"matchLabels": {"team": "clinics", "tier": "gold"}}), false),
        (expression("team", "In", &["labs", "clinics"]), true),
        (expression("team", "In", &["labs"]), false),
        (expression("tier", "In", &["", "gold"]), false),
        (expression("team", "NotIn", &["labs"]), true),
        (expression("team", "NotIn", &["clinics"]), false),
        (expression("tier", "NotIn", &["gold"]), true),
        (expression("team", "Exists", &[]), true),
        (expression("tier", "Exists", &[]), false),
        (expression("tier", "DoesNotExist", &[]), true),
        (expression("team", "DoesNotExist", &[]), false),
        (
            json!({"matchLabels": {"team": "clinics"}, "matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}),
            false,
        ),
    ] {
        let share = share(json!([grant(json!({"namespaceSelector": selector}))]));
        assert_eq!(share.reach([URL]).practice("a"), selects, "{selector}");
    }
}

#[test]
fn a_host_is_granted_exactly_and_a_star_is_one_label() {
    for (granted, url, ok) in [
        ("hooks.example.com", "https://hooks.example.com/x", true),
        ("hooks.example.com", "https://hooks.example.com:8443/x?y=z", true),
        ("hooks.example.com", "HTTPS://HOOKS.Example.COM/x", true),
        ("hooks.example.com", "http://hooks.example.com", true),
        ("hooks.example.com", "https://hooks.example.com.evil.example/", false),
        ("hooks.example.com", "https://evil-hooks.example.com/", false),
        ("hooks.example.com", "https://a.hooks.example.com/", false),
        ("hooks.example.com", "https://hooks.example.com./", false),
        ("*.example.com", "https://hooks.example.com/", true),
        ("*.example.com", "https://example.com/", false),
        ("*.example.com", "https://a.b.example.com/", false),
        ("*.example.com", "https://.example.com/", false),
        ("10.0.0.1", "https://10.0.0.1/", true),
        ("10.0.0.1", "https://0x0a000001/", false),
        // Readers of URLs disagree about these.
        ("hooks.example.com", "https://hooks.example.com\\@evil.example/", false),
        ("hooks.example.com", "https://evil.example\\@hooks.example.com/", false),
        ("hooks.example.com", "https://hooks.example.com@evil.example/", false),
        ("hooks.example.com", "https://evil.example#@hooks.example.com/", false),
        ("hooks.example.com", "https://hooks.exa\tmple.com/", false),
        ("hooks.example.com", "https://hooks%2Eexample.com/", false),
        ("hooks.example.com", "https:hooks.example.com/", false),
        ("hooks.example.com", "https:///hooks.example.com/", false),
        ("hooks.example.com", "https:\\\\hooks.example.com/", false),
        ("hooks.example.com", "ftp://hooks.example.com/", false),
        ("hooks.example.com", "https://hooks。example。com/", false),
        ("hooks.example.com", "https://[::1]/", false),
        ("hooks.example.com", " https://hooks.example.com/", false),
        ("hooks.example.com", "", false),
    ] {
        let share = share(json!([grant(json!({"targetHosts": [granted]}))]));
        let mut endpoint = Endpoint::new();
        endpoint.spec(json!({"targetUrl": url}));
        assert_eq!(share.allows(&endpoint.object, &[]).is_ok(), ok, "{granted} for {url:?}");
    }
}

proptest! {
    #[test]
    fn a_host_that_is_read_is_the_one_that_every_reader_sees(url in "(https?)?:?/{0,3}[a-zA-Z0-9.@:\\\\%#?/ \t-]{0,30}") {
        if let Some(host) = target_host(&url) {
            let parsed = url::Url::parse(&url).unwrap();
            prop_assert_eq!(parsed.host_str(), Some(host.as_str()));
            let rest = url.split_once("://").unwrap().1.to_ascii_lowercase();
            prop_assert!(rest.starts_with(&host), "what comes first is the host: {}", url);
            let after = rest[host.len()..].chars().next();
            prop_assert!(matches!(after, None | Some('/' | '?' | '#' | ':')), "{}", url);
        }
    }
}

#[test]
fn grants_add_up_and_never_mix() {
    let two = json!([
        grant(json!({})),
        grant(json!({"practices": ["b"], "targetHosts": ["other.example.com"], "allowAdoption": true})),
        grant(json!({"practices": ["c"], "namespaceSelector": {"matchLabels": {"team": "labs"}}})),
    ]);
    let share = share(two);
    let (here, there) = (share.reach([URL]), share.reach(["https://other.example.com/"]));
    let practices = |reach: &Reach| ["a", "b", "c"].map(|name| reach.practice(name));
    assert_eq!((practices(&here), practices(&there)), ([true, false, false], [false, true, false]));
    assert_eq!((share.adoption(URL), share.adoption("https://other.example.com/")), (false, true));
    let both = share.reach([URL, "https://other.example.com/"]);
    assert_eq!(practices(&both), [false; 3], "while the provider delivers to the one, the other alone is not enough");
    assert!(["a", "b"].iter().all(|name| share.monitors(name)) && !share.monitors("c"));
}

#[test]
fn an_endpoint_outside_the_grants_says_what_is_missing_and_does_nothing() {
    let other = json!([grant(json!({"targetHosts": ["other.example.com"]}))]);
    let adopts = json!([grant(json!({}))]);
    for (grants, spec, words) in [
        (json!([]), json!({}), &["ClusterProviderAccount \"shared\"", "nothing", "namespaceSelector"][..]),
        (other, json!({}), &["\"hooks.example.com\"", "targetHosts"]),
        (adopts.clone(), json!({"adoption": "IfUnclaimed"}), &["spec.adoption: IfUnclaimed", "allowAdoption: true"]),
        (adopts, json!({"adoptRemoteId": "3"}), &["spec.adoptRemoteId", "allowAdoption: true"]),
    ] {
        let mut endpoint = Endpoint::new();
        endpoint.object.metadata.finalizers = None;
        endpoint.remote.listed = false;
        endpoint.share = share(grants);
        endpoint.spec(changed(json!({"verification": {"interval": "0s"}}), spec));
        let plan = endpoint.plan();
        assert_eq!((plan.step, plan.again), (EndpointStep::Rest, None));
        assert!(plan.test.is_none(), "the self-test calls nobody either");
        assert_eq!(said(&plan.status.conditions, "Stalled"), "True/NotGranted");
        let message = message(&plan.status.conditions);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
    let mut endpoint = Endpoint::new();
    endpoint.share = share(json!([grant(json!({}))]));
    assert_ne!(endpoint.step(), EndpointStep::Rest, "within them it acts");
}

#[test]
fn what_exists_stays_when_a_grant_is_withdrawn_and_may_still_be_deleted() {
    for damage in ["none", "secret", "remote", "url", "rotation"] {
        let mut endpoint = Endpoint::held();
        match damage {
            "secret" => endpoint.secret = SecretView::Missing,
            "remote" => endpoint.remote.held = None,
            "url" => endpoint.spec(json!({"targetUrl": "https://hooks.example.com/new"})),
            "rotation" => endpoint.spec(json!({"signingSecret": {"rotation": {"requestId": "now"}}})),
            _ => {}
        }
        endpoint.share = share(json!([]));
        let before = endpoint.object.status.clone().unwrap();
        assert_eq!(endpoint.says(), "False/NotGranted", "{damage}");
        let status = endpoint.plan().status;
        assert_eq!((status.remote_id, status.signing_secret), (before.remote_id, before.signing_secret), "{damage}");
        assert_eq!(said(&status.conditions, "SecretPublished"), "True/Published", "as it was last found");
    }
    let mut endpoint = Endpoint::held();
    endpoint.share = share(json!([]));
    endpoint.delete();
    assert_eq!(endpoint.step(), EndpointStep::Delete(id("7")));
}

#[test]
fn one_that_was_adopted_goes_on_without_the_right_and_adopts_nothing_again() {
    let mut endpoint = Endpoint::held();
    endpoint.spec(json!({"adoption": "IfUnclaimed"}));
    endpoint.share = share(json!([grant(json!({}))]));
    assert_eq!(endpoint.says(), "True/InSync");
    let mut again = Endpoint::intending();
    again.share = share(json!([grant(json!({}))]));
    again.remote.same_url = vec![stranger("3", Some(4))];
    assert_eq!(again.says(), "False/RemoteExists");
    let plan = again.plan();
    let message = message(&plan.status.conditions);
    assert!(!message.contains("endpoint 3") && message.contains("allowAdoption"), "{message}");
}

#[test]
fn adoption_tells_nothing_of_endpoints_that_are_not_for_the_taking() {
    let adopts = || share(json!([grant(json!({"allowAdoption": true}))]));
    let mut told = Vec::new();
    for case in ["not there", "taken", "elsewhere"] {
        let mut endpoint = Endpoint::new();
        endpoint.share = adopts();
        endpoint.spec(json!({"adoptRemoteId": "5"}));
        let mut named = stranger("5", None);
        named.taken = case == "taken";
        if case == "elsewhere" {
            named.endpoint.target_url = "https://secret.example.com/of/another".into();
        }
        endpoint.remote.named = (case != "not there").then_some(named);
        assert_eq!(endpoint.says(), "False/CannotAdopt");
        told.push(message(&endpoint.plan().status.conditions).to_owned());
    }
    assert!(told[0] == told[1] && told[1] == told[2] && !told[0].contains("secret.example.com"), "{told:?}");
    let mut endpoint = Endpoint::new();
    endpoint.share = adopts();
    endpoint.remote.same_url = vec![stranger("3", None)];
    endpoint.remote.same_url[0].held_elsewhere = true;
    endpoint.remote.same_url[0].taken = true;
    assert_eq!(endpoint.says(), "False/Conflict");
    assert!(!message(&endpoint.plan().status.conditions).contains('3'));
    endpoint.remote.same_url = vec![stranger("4", None)];
    endpoint.spec(json!({"adoption": "IfUnclaimed"}));
    assert_eq!(endpoint.step(), EndpointStep::PublishSecret(Publish::only(&id("4"))), "with the grant it is taken");
}

#[test]
fn a_new_host_takes_no_practice_along_that_is_not_lent_for_it() {
    let two = json!([
        grant(json!({})),
        grant(json!({"practices": ["b"], "accountWide": {}, "targetHosts": ["other.example.com"]})),
    ]);
    let mut endpoint = Endpoint::held();
    endpoint.share = share(two);
    endpoint.spec(json!({"targetUrl": "https://other.example.com/"}));
    for (scope, ok) in [
        (json!({"practices": ["b"]}), true),
        (json!({"accountWide": {}}), true),
        (json!({"practices": ["b", "a"]}), false),
        (json!({"allPractices": {}}), false),
    ] {
        endpoint.applied = vec![serde_json::from_value(scope.clone()).unwrap()];
        let plan = endpoint.plan();
        assert_eq!(matches!(plan.step, EndpointStep::Patch(..)), ok, "{scope}");
        assert_eq!(said(&plan.status.conditions, "Ready") == "False/NotGranted", !ok, "{scope}");
    }
}
