//! The reference page, made from the custom resource definitions: fields, types, defaults, bounds, and what is refused.
//!
//! It is made from `crds/` and not from the Rust types, because that is what the API server judges by.

use std::fmt::Write;

use serde_json::Value;

const HEAD: &str = "# Reference

<!-- Written by `make reference` from crds/*.yaml. Do not edit. -->

Every field of every kind, as the API server knows them; `kubectl explain webhookendpoint.spec` says the same. Durations are texts of whole
hours, minutes and seconds, such as `90s`, `30m`, `720h`. Times are RFC 3339 in UTC. Ids of the provider are texts. **Bold** fields are
required. What is in `status.conditions`: [Conditions](conditions.md).
";

/// The whole page, kinds in the order in which a reader meets them: what the others refer to comes first.
pub fn page(definitions: &[Value]) -> String {
    let mut kinds: Vec<&Value> = definitions.iter().collect();
    kinds.sort_by_key(|definition| {
        let kind = text(&definition["spec"]["names"]["kind"]);
        (
            ["ProviderAccount", "ClusterProviderAccount", "WebhookEndpoint", "WebhookSubscription"]
                .iter()
                .position(|known| *known == kind)
                .unwrap_or(usize::MAX),
            kind.to_owned(),
        )
    });
    let mut page = HEAD.to_owned();
    for definition in kinds {
        section(&mut page, definition);
    }
    page
}

fn section(page: &mut String, definition: &Value) {
    let (spec, names) = (&definition["spec"], &definition["spec"]["names"]);
    let _ = write!(page, "\n## {}\n", text(&names["kind"]));
    for version in spec["versions"].as_array().into_iter().flatten().filter(|version| version["served"] == true) {
        let short: Vec<_> = names["shortNames"].as_array().into_iter().flatten().map(|name| code(text(name))).collect();
        let scope = if spec["scope"] == "Cluster" { "not in a namespace" } else { "in a namespace" };
        let schema = &version["schema"]["openAPIV3Schema"];
        let api = format!("{}/{}", text(&spec["group"]), text(&version["name"]));
        let _ = write!(page, "\n`{api}`, {scope}, short {}.", short.join(", "));
        let _ = writeln!(page, " {}", prose(&schema["properties"]["spec"]["description"]));
        for part in ["spec", "status"] {
            let root = &schema["properties"][part];
            let _ = write!(page, "\n### `{part}` of {}\n\n", text(&names["kind"]));
            page.push_str("| field | type | default | bounds | |\n|---|---|---|---|---|\n");
            rows(page, "", root);
            let mut refused = Vec::new();
            rules(&mut refused, root);
            if !refused.is_empty() {
                page.push_str("\nRefused by the API server, with these words:\n\n");
                refused.iter().for_each(|message| {
                    let _ = writeln!(page, "- {}", escaped(message));
                });
            }
        }
    }
}

/// One row per field, with its path from the root; the fields of lists follow `[]`, those of maps `{}`.
fn rows(page: &mut String, path: &str, schema: &Value) {
    let required: Vec<&str> = schema["required"].as_array().into_iter().flatten().map(text).collect();
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let shown = if required.contains(&name.as_str()) { format!("**`{path}`**") } else { code(&path) };
        let default = match &field["default"] {
            // Defaults of a block are those of its fields, which have rows of their own.
            Value::Null | Value::Object(_) => String::new(),
            Value::String(text) if text.is_empty() => "empty".to_owned(),
            Value::String(text) => code(text),
            other => code(&other.to_string()),
        };
        let (kind, bounds, meaning) = (kind(field), bounds(field), prose(&field["description"]));
        let _ = writeln!(page, "| {shown} | {kind} | {default} | {bounds} | {meaning} |");
        // Kubernetes' own type, the same everywhere.
        if name != "conditions" {
            rows(page, &path, field);
            rows(page, &format!("{path}[]"), &field["items"]);
            rows(page, &format!("{path}{{}}"), &field["additionalProperties"]);
        }
    }
}

fn kind(field: &Value) -> String {
    if field["enum"].is_array() {
        let values = field["enum"].as_array().into_iter().flatten().map(|value| code(text(value)));
        return values.collect::<Vec<_>>().join(" or ");
    }
    match (text(&field["type"]), text(&field["format"])) {
        ("string", "date-time") => "time".to_owned(),
        ("string", _) => "text".to_owned(),
        ("boolean", _) => "`true` or `false`".to_owned(),
        ("array", _) => match text(&field["x-kubernetes-list-type"]) {
            "set" => "set".to_owned(),
            "map" => {
                let keys =
                    field["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().map(|key| code(text(key)));
                format!("list, each {} once", keys.collect::<Vec<_>>().join(", "))
            }
            _ => "list".to_owned(),
        },
        ("object", _) if field["additionalProperties"].is_object() => "map of texts".to_owned(),
        ("object", _) => "block".to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn bounds(field: &Value) -> String {
    let number = |name: &str| field[name].as_f64().map(|number| number.to_string());
    let mut bounds = Vec::new();
    match (number("minimum"), number("maximum")) {
        (Some(least), Some(most)) => bounds.push(format!("{least} to {most}")),
        (Some(least), None) => bounds.push(format!("at least {least}")),
        (None, Some(most)) => bounds.push(format!("at most {most}")),
        (None, None) => {}
    }
    for (name, what) in [("maxLength", "characters"), ("maxItems", "entries"), ("maxProperties", "entries")] {
        // A choice or a time cannot be longer than it is.
        if let Some(most) = number(name).filter(|_| !field["enum"].is_array()) {
            bounds.push(format!("at most {most} {what}"));
        }
    }
    if let Some(least) = number("minItems").filter(|least| least != "0") {
        bounds.push(format!("at least {least}"));
    }
    // Bounds of what a set or list holds, which has no row of its own.
    if field["items"].is_object() && !field["items"]["properties"].is_object() {
        let each = self::bounds(&field["items"]);
        if !each.is_empty() {
            bounds.push(format!("each {each}"));
        }
    }
    bounds.join(", ")
}

/// The messages of a schema and of everything below it, each once.
fn rules(found: &mut Vec<String>, schema: &Value) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        let message = prose(&rule["message"]);
        if !message.is_empty() && !found.contains(&message) {
            found.push(message);
        }
    }
    for field in schema["properties"].as_object().into_iter().flatten().map(|(_, field)| field) {
        rules(found, field);
    }
    for below in [&schema["items"], &schema["additionalProperties"]] {
        if below.is_object() {
            rules(found, below);
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

/// A description on one line, that breaks no table.
fn prose(value: &Value) -> String {
    escaped(&text(value).split_whitespace().collect::<Vec<_>>().join(" ")).replace('|', "\\|")
}

/// `<` begins a tag for whoever renders the page, unless it is code.
fn escaped(text: &str) -> String {
    let pieces = text.split('`').enumerate();
    pieces
        .map(|(index, piece)| if index % 2 == 0 { piece.replace('<', "&lt;") } else { piece.to_owned() })
        .collect::<Vec<_>>()
        .join("`")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_field_has_its_type_default_bounds_and_rules() {
        let definition = json!({"spec": {
            "group": "example.com", "scope": "Namespaced", "names": {"kind": "Thing", "shortNames": ["th"]},
            "versions": [{"name": "v1", "served": true, "schema": {"openAPIV3Schema": {"properties": {"spec": {
                "description": "A <thing>\nof `<two>` lines.", "required": ["url"],
                "x-kubernetes-validations": [{"rule": "x", "message": "spec.url is immutable"}],
                "properties": {
                    "url": {"type": "string", "maxLength": 9, "description": "a|b"},
                    "many": {"type": "array", "maxItems": 2, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n"],
                        "items": {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1, "default": 3}}}},
                }
            }}}}}]
        }});
        let page = page(&[definition]);
        for line in [
            "`example.com/v1`, in a namespace, short `th`. A &lt;thing> of `<two>` lines.",
            "| **`url`** | text |  | at most 9 characters | a\\|b |",
            "| `many` | list, each `n` once |  | at most 2 entries |  |",
            "| `many[].n` | integer | `3` | at least 1 |  |",
            "- spec.url is immutable",
        ] {
            assert!(page.lines().any(|found| found == line), "{line} is not in\n{page}");
        }
    }
}
