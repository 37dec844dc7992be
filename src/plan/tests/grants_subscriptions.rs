//! api.md, *ClusterProviderAccount*: subscriptions reach no practice that is not lent.

use serde_json::{Value, json};

use super::fixtures::*;
use super::grants::{grant, message, reach};
use super::realm::*;
use crate::plan::grants::Reach;
use crate::plan::subscription::SubscriptionStep;

#[test]
fn a_subscription_outside_the_grants_says_what_is_missing_and_does_nothing() {
    let change = |mut spec: Value, change: Value| {
        json_merge(&mut spec, &change);
        spec
    };
    let base = json!({"endpointRef": {"name": "intake"}, "events": [{"event": "patient_created"}]});
    let deletes = json!({"undeclared": "Delete"});
    for (grants, spec, words) in [
        (json!([]), json!({"practices": ["a"]}), &["nothing", "namespaceSelector"][..]),
        (json!([grant(json!({}))]), json!({"practices": ["a", "b"]}), &["practice \"b\"", "add", "to practices"]),
        (
            json!([grant(json!({"allPractices": {}, "practices": []}))]),
            json!({"accountWide": {}}),
            &["accountWide: {}"],
        ),
        (
            json!([grant(json!({"accountWide": {}, "practices": []}))]),
            json!({"allPractices": {}}),
            &["allPractices: {}"],
        ),
        (
            json!([grant(json!({}))]),
            change(deletes.clone(), json!({"practices": ["a"]})),
            &["allowUndeclaredDelete: true"],
        ),
        (
            json!([grant(json!({}))]),
            change(deletes.clone(), json!({"allPractices": {}})),
            &["allowUndeclaredDelete: true"],
        ),
        (
            json!([
                grant(json!({"allowUndeclaredDelete": true, "targetHosts": ["other.example.com"]})),
                grant(json!({"allowUndeclaredDelete": true, "practices": ["b"]})),
                grant(json!({})),
            ]),
            change(deletes, json!({"practices": ["a"]})),
            &["allowUndeclaredDelete: true"],
        ),
    ] {
        let mut subscription = Subscription::new(&["a"], &["patient_created"]);
        subscription.object.metadata.finalizers = None;
        subscription.object.spec = serde_json::from_value(change(base.clone(), spec.clone())).unwrap();
        subscription.reach = reach(grants);
        subscription.rows.practices = None;
        let plan = subscription.plan();
        assert_eq!((plan.step, plan.again), (SubscriptionStep::Rest, None), "{spec}");
        assert_eq!(said(&plan.status.conditions, "Stalled"), "True/NotGranted");
        let message = message(&plan.status.conditions);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    }
}

fn json_merge(target: &mut Value, change: &Value) {
    for (name, value) in change.as_object().unwrap() {
        target[name] = value.clone();
    }
}

/// Every practice that is lent, of a, b and c.
fn all_of(reach_of: Value) -> Subscription {
    let mut subscription = Subscription::new(&[], &["patient_created"]);
    subscription.spec(json!({"practices": null, "allPractices": {}}));
    subscription.reach = reach(reach_of);
    subscription
}

#[test]
fn all_practices_means_all_that_are_granted_and_is_remembered_by_name() {
    let mut subscription = all_of(json!([grant(json!({"practices": ["a", "b", "not-reached"]}))]));
    assert_eq!(subscription.obey(), ["create a/patient_created", "create b/patient_created"]);
    assert_eq!(subscription.applied().scope.practices, ["a", "b"]);
    assert!(subscription.applied().scope.all_practices.is_none());
    assert_eq!(subscription.says(), "True/InSync");
    subscription.reach = reach(json!([grant(json!({"practices": ["a", "b", "c"]}))]));
    assert_eq!(subscription.obey(), ["create c/patient_created"], "as soon as it is granted");
    let mut every = all_of(json!([grant(json!({"practices": [], "allPractices": {}}))]));
    assert_eq!(every.obey().len(), 3);
    assert!(every.applied().scope.all_practices.is_some());
}

#[test]
fn a_withdrawn_practice_keeps_what_it_has_until_the_object_lets_it_go() {
    for every in [false, true] {
        let lent =
            if every { json!({"practices": [], "allPractices": {}}) } else { json!({"practices": ["a", "b", "c"]}) };
        let mut subscription = all_of(json!([grant(lent)]));
        assert_eq!(subscription.obey().len(), 3);
        subscription.reach = reach(json!([grant(json!({}))]));
        subscription.rows.rows.retain(|row| row.practice.as_deref() != Some("#a"));
        let plan = subscription.plan();
        assert_eq!(plan.step, SubscriptionStep::Rest, "nothing is deleted, and nothing is made");
        assert_eq!(said(&plan.status.conditions, "Stalled"), "True/NotGranted");
        assert!(message(&plan.status.conditions).contains("practice \"b\" any more"));
        assert_eq!(plan.status.applied.as_ref(), Some(subscription.applied()));
        let mut going = all_of(json!([]));
        going.object = subscription.object.clone();
        going.rows = std::mem::take(&mut subscription.rows);
        going.delete();
        let SubscriptionStep::Calls(calls) = going.step() else { panic!("{:?}", going.step()) };
        assert_eq!(calls.len(), 2, "deletion still works");
        subscription.rows = going.rows;
        subscription.spec(json!({"allPractices": {"except": ["b", "c"]}}));
        let done = subscription.obey();
        assert_eq!(
            done,
            ["create a/patient_created", "delete b/patient_created of 7", "delete c/patient_created of 7"]
        );
    }
}

#[test]
fn deletion_takes_back_what_was_lent_and_nothing_that_an_adopted_endpoint_had() {
    let mut subscription = all_of(json!([grant(json!({}))]));
    subscription.rows.rows.push(row("5", "7", "c", "patient_created"));
    assert_eq!(subscription.obey(), ["create a/patient_created"]);
    subscription.delete();
    let SubscriptionStep::Calls(calls) = subscription.step() else { panic!("{:?}", subscription.step()) };
    assert_eq!(calls.iter().map(|call| subscription.call(call)).collect::<Vec<_>>(), ["delete a/patient_created of 7"]);
}

#[test]
fn a_practice_that_left_the_key_loses_nothing_because_it_is_lent() {
    let mut subscription = all_of(json!([grant(json!({"practices": ["a", "b"]}))]));
    subscription.obey();
    subscription.rows.practices = Some(vec!["a".into(), "c".into()]);
    subscription.rows.former = vec!["b".into(), "other-tenants".into()];
    let plan = subscription.plan();
    assert_eq!((plan.step, said(&plan.status.conditions, "Ready")), (SubscriptionStep::Rest, "True/InSync".into()));
    assert!(plan.notes.iter().all(|note| note.text.contains("practice b")), "{:?}", plan.notes);
    assert_eq!(plan.status.applied.unwrap().scope.practices, ["a", "b"]);
}

#[test]
fn undeclared_rows_go_only_of_practices_that_are_lent() {
    let mut subscription = all_of(json!([grant(json!({"allowUndeclaredDelete": true}))]));
    subscription.spec(json!({"undeclared": "Delete"}));
    subscription.obey();
    for practice in ["a", "b", ""] {
        subscription.rows.rows.push(row(&format!("5{practice}"), "7", practice, "appointment_insertion"));
    }
    subscription.memory.seen = subscription.plan().seen.unwrap();
    subscription.now += 300;
    subscription.rows.listed_at = Some(at(subscription.now));
    assert_eq!(subscription.obey(), ["prune a/appointment_insertion of 7"]);
}

#[test]
fn no_hint_names_a_practice_of_another() {
    let hints = |grants: Value| {
        let mut subscription = Subscription::new(&["sunshine-dentl"], &["patient_created"]);
        subscription.rows.practices = Some(vec!["sunshine-dental".into(), "sunshine-dentist".into()]);
        subscription.reach = reach(grants);
        subscription.acknowledge();
        let failures = subscription.plan().status.failures;
        failures.into_iter().map(|failure| failure.message).collect::<String>()
    };
    let typo = |more: &str| json!([grant(json!({"practices": ["sunshine-dentl", more]}))]);
    assert!(hints(typo("sunshine-dental")).contains("did you mean sunshine-dental?"));
    assert!(!hints(typo("x")).contains("did you mean"));
}

#[test]
fn a_sibling_declares_only_what_is_lent_to_it() {
    let reach = reach(json!([grant(json!({"practices": ["a", "b"]}))]));
    let mut sibling = declaring("other", &[], &["patient_created"]);
    sibling.spec = changed(sibling.spec, json!({"practices": null, "allPractices": {"except": ["b"]}}));
    let narrowed = reach.narrowed(&std::sync::Arc::new(sibling.clone()));
    assert_eq!(narrowed.spec.practices.as_deref(), Some(&["a".to_owned()][..]));
    assert!(narrowed.spec.all_practices.is_none());
    let whole = Reach::default().narrowed(&std::sync::Arc::new(sibling.clone()));
    assert_eq!(whole.spec, sibling.spec);
}
