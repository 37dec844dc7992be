//! What kube-state-metrics is told of our kinds, deploy/kube-state-metrics/custom-resource-state.yaml, for those who want
//! states of objects without the operator, for instance while it is absent.

use std::fmt::Write;

use external_webhooks::api::{GROUP, all_crds};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray,
};
use serde_json::Value;

use crate::{MADE, golden, root};

const FILE: &str = "deploy/kube-state-metrics/custom-resource-state.yaml";

#[test]
fn the_file_is_as_made() {
    let mut text = format!(
        "# {MADE}\n# --custom-resource-state-config-file of kube-state-metrics, which needs get, list and watch on our kinds and on\n# customresourcedefinitions. In docs/alerts.md.\nkind: CustomResourceStateMetrics\nspec:\n  resources:\n"
    );
    for crd in all_crds() {
        let version = &crd.spec.versions[0].name;
        let mut labels = "          name: [metadata, name]\n".to_owned();
        if crd.spec.scope == "Namespaced" {
            labels.push_str("          namespace: [metadata, namespace]\n");
        }
        writeln!(
            text,
            "    - groupVersionKind: {{group: {GROUP}, version: {version}, kind: {}}}
      metricNamePrefix: external_webhooks_object
      labelsFromPath:
{}      commonLabels: {{kind: {}}}
      metrics:
        - name: condition
          help: Conditions of the object, 1 for the status that a condition has
          each:
            type: StateSet
            stateSet:
              path: [status, conditions]
              labelsFromPath: {{type: [type], reason: [reason]}}
              labelName: status
              valueFrom: [status]
              list: [\"True\", \"False\", Unknown]
        - name: generation
          help: Generation of the spec
          each:
            type: Gauge
            gauge: {{path: [metadata, generation]}}
        - name: observed_generation
          help: Generation that the status is about
          each:
            type: Gauge
            gauge: {{path: [status, observedGeneration]}}
        - name: deletion_timestamp_seconds
          help: When deletion was asked for; none while it is not
          errorLogV: 10
          each:
            type: Gauge
            gauge: {{path: [metadata, deletionTimestamp]}}",
            crd.spec.names.kind,
            labels.replace("          ", "        "),
            crd.spec.names.kind
        )
        .unwrap();
    }
    golden(FILE, &text);
}

/// A path that is mistyped gives no metric and no error.
#[test]
fn every_path_of_the_file_is_in_the_schema() {
    let file: Value = serde_saphyr::from_str(&std::fs::read_to_string(root().join(FILE)).unwrap()).unwrap();
    let resources = file["spec"]["resources"].as_array().unwrap();
    let crds = all_crds();
    assert_eq!(resources.len(), crds.len());
    for (resource, crd) in resources.iter().zip(&crds) {
        assert_eq!(resource["groupVersionKind"]["kind"], crd.spec.names.kind.as_str());
        for metric in resource["metrics"].as_array().unwrap() {
            let each = metric["each"].as_object().unwrap();
            let gauge = each.get("gauge").or(each.get("stateSet")).unwrap();
            let path = words(&gauge["path"]);
            assert!(reaches(crd, &path), "{path:?}");
            let labels = gauge["labelsFromPath"].as_object().into_iter().flatten().map(|(_, path)| words(path));
            for below in labels.chain((!gauge["valueFrom"].is_null()).then(|| words(&gauge["valueFrom"]))) {
                let whole = [path.clone(), below].concat();
                assert!(reaches(crd, &whole), "{whole:?}");
            }
        }
    }
    assert!(!reaches(&crds[0], &["status".into(), "condition".into()]), "the test can fail");
}

fn words(path: &Value) -> Vec<String> {
    path.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
}

fn reaches(crd: &CustomResourceDefinition, path: &[String]) -> bool {
    if path[0] == "metadata" {
        return ["generation", "deletionTimestamp", "name", "namespace"].contains(&path[1].as_str());
    }
    let root = crd.spec.versions[0].schema.as_ref().and_then(|schema| schema.open_api_v3_schema.as_ref());
    let step = |schema: Option<JSONSchemaProps>, word: &String| {
        let schema = schema?;
        let schema = match schema.items {
            Some(JSONSchemaPropsOrArray::Schema(item)) => *item,
            _ => schema,
        };
        schema.properties?.get(word).cloned()
    };
    path.iter().fold(root.cloned(), step).is_some()
}
