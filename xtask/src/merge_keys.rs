//! The merge keys of every built-in kind, taken from the OpenAPI document of Kubernetes into one small table.
//!
//! A strategic merge needs to know of each list whether it is merged, and by which members its items are told
//! apart. The document says so in its extensions; almost all of its two megabytes are about something else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Where the table is kept, from the workspace's root.
pub const TABLE: &str = "crates/policy/src/rules/mutate/merge_keys.txt";

/// One member of a type that matters.
struct Member {
    name: String,
    /// `None` for a member that is no merged list.
    keys: Option<Vec<String>>,
    is_map: bool,
    /// The type of the value, of each item, or of each value of a map.
    of: Option<String>,
}

/// Reads `swagger.json` of a release of Kubernetes and gives the table; the document itself says no version.
///
/// # Errors
/// When the file cannot be read, or is not such a document.
pub fn table(swagger: &Path, release: &str) -> Result<String> {
    let text = fs::read(swagger).with_context(|| format!("cannot read {}", swagger.display()))?;
    let document: Value = serde_json::from_slice(&text)
        .with_context(|| format!("{} is not JSON", swagger.display()))?;
    let Some(definitions) = document.get("definitions").and_then(Value::as_object) else {
        bail!("{} has no `definitions`", swagger.display());
    };
    let types: BTreeMap<&str, Vec<Member>> =
        definitions.iter().map(|(name, one)| (name.as_str(), members(one))).collect();
    let useful = useful(&types);
    let mut out = format!(
        "# Lists that a strategic merge patch merges, of every built-in kind of Kubernetes {release}.\n\
         # Made by `cargo xtask merge-keys` from api/openapi-spec/swagger.json; not edited by hand.\n\
         # `@ apiVersion Kind type`; then `type member…`: `name[keys]` is a merged list, `{{}}` a map, `=type` what is inside.\n"
    );
    for (name, definition) in definitions {
        let kinds = definition.get("x-kubernetes-group-version-kind").and_then(Value::as_array);
        for kind in kinds.into_iter().flatten().filter(|_| useful.contains(name.as_str())) {
            let part = |key: &str| kind.get(key).and_then(Value::as_str).unwrap_or_default();
            let slash = if part("group").is_empty() { "" } else { "/" };
            let (group, version, kind) = (part("group"), part("version"), part("kind"));
            writeln!(out, "@ {group}{slash}{version} {kind} {}", short(name))?;
        }
    }
    for (name, members) in types.iter().filter(|(name, _)| useful.contains(*name)) {
        out.push_str(&short(name));
        for member in members {
            let of = member.of.as_deref().filter(|of| useful.contains(of));
            if member.keys.is_none() && of.is_none() {
                continue;
            }
            write!(out, " {}", member.name)?;
            if let Some(keys) = &member.keys {
                write!(out, "[{}]", keys.join(","))?;
            }
            if member.is_map {
                out.push_str("{}");
            }
            if let Some(of) = of {
                write!(out, "={}", short(of))?;
            }
        }
        out.push('\n');
    }
    Ok(out)
}

/// Types in which, at any depth, a list is merged.
fn useful<'t>(types: &BTreeMap<&'t str, Vec<Member>>) -> BTreeSet<&'t str> {
    let mut useful: BTreeSet<&str> = BTreeSet::new();
    loop {
        let before = useful.len();
        for (name, members) in types {
            let matters = members.iter().any(|member| {
                member.keys.is_some() || member.of.as_deref().is_some_and(|of| useful.contains(of))
            });
            if matters {
                useful.insert(name);
            }
        }
        if useful.len() == before {
            return useful;
        }
    }
}

/// The members through which a merge passes; items of lists that are replaced are not entered.
fn members(definition: &Value) -> Vec<Member> {
    let properties = definition.get("properties").and_then(Value::as_object);
    let mut all = Vec::new();
    for (name, property) in properties.into_iter().flatten() {
        let text = |key: &str| property.get(key).and_then(Value::as_str);
        let is_list = text("type") == Some("array");
        let merged = is_list
            && text("x-kubernetes-patch-strategy")
                .is_some_and(|written| written.split(',').any(|strategy| strategy == "merge"));
        if is_list && !merged {
            continue;
        }
        let listed = property.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
        let keys = match listed {
            Some(keys) => keys.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            None => text("x-kubernetes-patch-merge-key").map(str::to_owned).into_iter().collect(),
        };
        let of = [property.get("items"), property.get("additionalProperties"), Some(property)]
            .into_iter()
            .flatten()
            .find_map(|schema| schema.get("$ref")?.as_str())
            .and_then(|reference| reference.strip_prefix("#/definitions/"));
        all.push(Member {
            name: name.clone(),
            keys: merged.then_some(keys),
            is_map: !is_list && property.get("additionalProperties").is_some(),
            of: of.map(str::to_owned),
        });
    }
    all
}

/// A type's name without what all of them begin with.
fn short(name: &str) -> String {
    let parts: Vec<&str> = name.rsplitn(4, '.').collect();
    parts.into_iter().take(3).rev().collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_holds_the_merged_lists_and_the_way_to_them() {
        let swagger = serde_json::json!({"definitions": {
            "io.k8s.api.core.v1.Pod": {
                "properties": {
                    "spec": {"$ref": "#/definitions/io.k8s.api.core.v1.PodSpec"},
                    "other": {"$ref": "#/definitions/io.k8s.api.core.v1.Other"},
                },
                "x-kubernetes-group-version-kind": [{"group": "", "kind": "Pod", "version": "v1"}],
            },
            "io.k8s.api.core.v1.Other": {"properties": {"list": {"type": "array", "items": {}}}},
            "io.k8s.api.core.v1.PodSpec": {"properties": {
                "containers": {
                    "type": "array", "items": {},
                    "x-kubernetes-patch-merge-key": "name", "x-kubernetes-patch-strategy": "merge",
                },
                "ports": {
                    "type": "array", "items": {}, "x-kubernetes-list-map-keys": ["a", "b"],
                    "x-kubernetes-patch-merge-key": "a", "x-kubernetes-patch-strategy": "merge,retainKeys",
                },
                "finalizers": {"type": "array", "items": {}, "x-kubernetes-patch-strategy": "merge"},
            }},
        }});
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("swagger.json");
        fs::write(&file, swagger.to_string()).unwrap();
        let table = table(&file, "v1.36.3").unwrap();
        let lines: Vec<&str> = table.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "@ v1 Pod core.v1.Pod",
                "core.v1.Pod spec=core.v1.PodSpec",
                "core.v1.PodSpec containers[name] finalizers[] ports[a,b]",
            ]
        );
    }
}
