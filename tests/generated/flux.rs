//! Health expressions for a Flux Kustomization, deploy/flux/health-checks.yaml, evaluated over the same objects as the
//! scripts of Argo CD.

use std::fmt::Write;

use cel::{Context, Program, Value as Cel};
use external_webhooks::api::condition::Is;
use external_webhooks::api::table::{Beside, rows};
use external_webhooks::api::{ConditionType, GROUP, all_crds};
use serde_json::Value;

use crate::argo::tried_on;
use crate::{MADE, golden};

/// Flux asks them in this order; the first that is true decides.
fn expressions() -> [(&'static str, String); 3] {
    let is = |kind: &str| {
        format!(
            "status.conditions.exists(e, e.type == '{kind}' && e.status == 'True' && e.observedGeneration == metadata.generation)"
        )
    };
    let rest =
        rows().filter(|row| row.kind == ConditionType::Ready && row.is == Is::False && row.beside == [Beside::AtRest]);
    let mut held: Vec<String> = rest.flat_map(|row| row.reasons).map(|reason| format!("'{reason}'")).collect();
    held.sort_unstable();
    held.dedup();
    [
        (
            "inProgress",
            format!(
                "!has(status.conditions) || status.observedGeneration != metadata.generation || {}",
                is("Reconciling")
            ),
        ),
        ("failed", is("Stalled")),
        (
            "current",
            format!(
                "{} || status.conditions.exists(e, e.type == 'Ready' && e.reason in [{}])",
                is("Ready"),
                held.join(", ")
            ),
        ),
    ]
}

#[test]
fn the_expressions_are_as_made() {
    let mut text = format!(
        "# {MADE}\n# Part of the spec of a Flux Kustomization. `wait: true` alone is right too, but for what is suspended or only observed, which\n# it would wait for until its timeout.\nwait: true\nhealthCheckExprs:\n"
    );
    for crd in all_crds() {
        writeln!(text, "  - apiVersion: {GROUP}/v1alpha1\n    kind: {}", crd.spec.names.kind).unwrap();
        for (name, expression) in expressions() {
            writeln!(text, "    {name}: >-\n      {expression}").unwrap();
        }
    }
    golden("deploy/flux/health-checks.yaml", &text);
}

/// What Flux concludes; `None`: nothing is said yet.
fn verdict(object: &Value) -> Option<&'static str> {
    expressions().into_iter().find_map(|(name, expression)| {
        let mut context = Context::default();
        for field in ["metadata", "status"] {
            context.add_variable(field, object[field].clone()).unwrap();
        }
        let value = Program::compile(&expression).unwrap().execute(&context);
        match value.unwrap_or_else(|error| panic!("{name} of {object}: {error}")) {
            Cel::Bool(true) => Some(name),
            Cel::Bool(false) => None,
            other => panic!("{name} is no truth value: {other:?}"),
        }
    })
}

#[test]
fn the_expressions_agree_with_the_scripts_of_argo_cd() {
    let mut seen = 0;
    for crd in all_crds() {
        let folder = tried_on(&crd.spec.names.kind);
        let tests: Value =
            serde_saphyr::from_str(&std::fs::read_to_string(folder.join("health_test.yaml")).unwrap()).unwrap();
        for case in tests["tests"].as_array().unwrap() {
            let path = case["inputPath"].as_str().unwrap();
            let object: Value = serde_saphyr::from_str(&std::fs::read_to_string(folder.join(path)).unwrap()).unwrap();
            let expected = match case["healthStatus"]["status"].as_str().unwrap() {
                "Healthy" | "Suspended" => Some("current"),
                "Degraded" => Some("failed"),
                _ => Some("inProgress"),
            };
            assert_eq!(verdict(&object), expected, "{path}");
            seen += 1;
        }
    }
    assert!(seen >= 12, "{seen} objects are no test");
}
