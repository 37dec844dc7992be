//! Health checks of Argo CD, in the layout in which it ships them, run over objects that the operator has written.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use external_webhooks::api::condition::Is;
use external_webhooks::api::table::{Beside, rows};
use external_webhooks::api::{ConditionType, GROUP, all_crds};
use mlua::{Lua, LuaSerdeExt};
use serde::Deserialize;
use serde_json::Value;

use crate::{MADE, golden, root};

/// Where the layout begins.
const FOLDER: &str = "deploy/argocd/resource_customizations";

#[derive(Deserialize)]
struct HealthTest {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    health_status: Health,
    input_path: String,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Health {
    status: String,
    message: String,
}

fn kinds() -> Vec<String> {
    all_crds().into_iter().map(|crd| crd.spec.names.kind).collect()
}

/// Where the objects are on which the script of a kind is tried. Accounts of both kinds have one type of status, and the
/// run that writes the objects has those of one namespace.
pub fn tried_on(kind: &str) -> PathBuf {
    let kind = if kind == "ClusterProviderAccount" { "ProviderAccount" } else { kind };
    root().join(FOLDER).join(GROUP).join(kind)
}

/// Reasons with which `Ready` may be False although nobody works on it and nothing is wrong.
fn held() -> Vec<&'static str> {
    let rest = rows().filter(|row| row.kind == ConditionType::Ready && row.is == Is::False);
    let rest = rest.filter(|row| row.beside == [Beside::AtRest]).flat_map(|row| row.reasons);
    let mut names: Vec<&str> = rest.map(|reason| reason.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
}

fn script() -> String {
    let held = held().iter().map(|reason| format!("{reason} = true")).collect::<Vec<_>>().join(", ");
    format!(
        r#"-- {MADE}
-- The CRD follows kstatus: status.observedGeneration, and the conditions Ready, Reconciling and Stalled, of which the
-- latter two are present only while true, and never both.
local held = {{{held}}}

if obj.status == nil or obj.status.conditions == nil or #obj.status.conditions == 0 then
  return {{status = "Progressing", message = "Waiting for the operator's first pass"}}
end
if obj.metadata.generation ~= nil and obj.status.observedGeneration ~= obj.metadata.generation then
  return {{status = "Progressing", message = "Waiting for the operator to see the latest change"}}
end

local found = {{}}
for _, condition in ipairs(obj.status.conditions) do
  found[condition.type] = condition
end
local ready = found.Ready

if found.Stalled ~= nil and found.Stalled.status == "True" then
  return {{status = "Degraded", message = found.Stalled.message}}
end
if found.Reconciling ~= nil and found.Reconciling.status == "True" then
  return {{status = "Progressing", message = found.Reconciling.message}}
end
if ready ~= nil and ready.status == "True" then
  return {{status = "Healthy", message = ready.message}}
end
if ready ~= nil and ready.status == "False" and held[ready.reason] then
  return {{status = "Suspended", message = ready.message}}
end
return {{status = "Progressing", message = ready ~= nil and ready.message or "Waiting for the operator"}}
"#
    )
}

#[test]
fn the_scripts_are_as_made() {
    let script = script();
    let mut settings = format!(
        "# {MADE}\n# Until Argo CD ships these checks: merge into its ConfigMap. Without them it takes every object as healthy at once, and\n# sync waves do not wait.\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels: {{app.kubernetes.io/part-of: argocd}}\ndata:\n"
    );
    for kind in kinds() {
        golden(&format!("{FOLDER}/{GROUP}/{kind}/health.lua"), &script);
        writeln!(settings, "  resource.customizations.health.{GROUP}_{kind}: |").unwrap();
        for line in script.lines() {
            writeln!(settings, "{}", format!("    {line}").trim_end()).unwrap();
        }
    }
    golden("deploy/argocd/argocd-cm.yaml", &settings);
}

/// Argo CD gives a script the object and the base functions and tables of Lua 5.1, and nothing else.
fn health(script: &str, object: &Value) -> Health {
    let lua = Lua::new_with(mlua::StdLib::TABLE, mlua::LuaOptions::default()).unwrap();
    let options = mlua::serde::ser::Options::new().serialize_none_to_null(false).serialize_unit_to_null(false);
    lua.globals().set("obj", lua.to_value_with(object, options).unwrap()).unwrap();
    lua.from_value(lua.load(script).eval::<mlua::Value>().unwrap()).unwrap()
}

fn object(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("there is no {}", path.display()));
    serde_saphyr::from_str(&text).unwrap()
}

#[test]
fn the_scripts_judge_objects_of_real_runs_as_their_tests_say() {
    for kind in kinds() {
        let folder = tried_on(&kind);
        let script = std::fs::read_to_string(root().join(FOLDER).join(GROUP).join(&kind).join("health.lua")).unwrap();
        let tests: HealthTest =
            serde_saphyr::from_str(&std::fs::read_to_string(folder.join("health_test.yaml")).unwrap()).unwrap();
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        for case in &tests.tests {
            let object = object(&folder.join(&case.input_path));
            assert!(folder.ends_with(object["kind"].as_str().unwrap()), "{}", case.input_path);
            assert_eq!(health(&script, &object), case.health_status, "{kind} {}", case.input_path);
            *seen.entry(case.health_status.status.clone()).or_default() += 1;
        }
        for status in ["Healthy", "Progressing", "Degraded"] {
            assert!(seen.contains_key(status), "no test of {kind} is {status}");
        }
        let data = std::fs::read_dir(folder.join("testdata")).unwrap().count();
        assert_eq!(data, tests.tests.len(), "each object in testdata of {kind} is tested once");
    }
}

/// The kstatus table: what tools that know no script think of the same state.
#[test]
fn states_are_judged_by_the_rules_of_kstatus() {
    let state = |generation: i64, status: Value| serde_json::json!({"kind": "WebhookEndpoint", "metadata": {"name": "a", "generation": generation}, "status": status});
    let conditions = |list: &[(&str, &str, &str)]| -> Value {
        let one = |(kind, status, reason): &(&str, &str, &str)| serde_json::json!({"type": kind, "status": status, "reason": reason, "message": "m", "observedGeneration": 1});
        serde_json::json!({"observedGeneration": 1, "conditions": list.iter().map(one).collect::<Vec<_>>()})
    };
    let ready = conditions(&[("Ready", "True", "InSync")]);
    for (name, object, expected) in [
        ("no status", serde_json::json!({"metadata": {"generation": 1}}), "Progressing"),
        ("fresh", state(1, serde_json::json!({"observedGeneration": -1})), "Progressing"),
        ("of no conditions", state(1, conditions(&[])), "Progressing"),
        ("ready", state(1, ready.clone()), "Healthy"),
        ("ready, older generation", state(2, ready), "Progressing"),
        ("not ready", state(1, conditions(&[("Ready", "False", "Rejected")])), "Progressing"),
        ("stalled", state(1, conditions(&[("Ready", "False", "X"), ("Stalled", "True", "X")])), "Degraded"),
        ("working", state(1, conditions(&[("Ready", "Unknown", "X"), ("Reconciling", "True", "X")])), "Progressing"),
        ("held", state(1, conditions(&[("Ready", "False", "Suspended")])), "Suspended"),
        ("observed", state(1, conditions(&[("Ready", "False", "ObserveOnly")])), "Suspended"),
    ] {
        assert_eq!(health(&script(), &object).status, expected, "{name}");
    }
}
