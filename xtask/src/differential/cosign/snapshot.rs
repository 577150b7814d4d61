//! What is in a registry, without what is different each time.
use serde_json::Value;
use sigward_testkit::registry::Registry;
use std::collections::BTreeSet;

/// Members of descriptors and manifests that differ each time, or that describe what does.
const CHANGING: &[&str] = &["digest", "size", "org.opencontainers.image.created", "created"];

/// Every tag with its manifest, and for every tagged manifest what refers to it.
pub(super) fn of(registry: &Registry) -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    for repository in registry.repositories() {
        let mut digests = BTreeSet::new();
        for tag in registry.tags(&repository) {
            let Some(manifest) = registry.manifest(&repository, &tag) else { continue };
            digests.insert(sigward_testkit::digest::sha256(&manifest.bytes));
            let attached = tag.contains("sha256-");
            let shown = if attached { shape(&manifest.bytes) } else { "as pushed".to_owned() };
            lines.insert(format!("{repository}:{tag} {shown}"));
        }
        for digest in digests {
            let mut referrers: Vec<String> = registry
                .referrers(&repository, &digest)
                .iter()
                .map(|manifest| shape(&manifest.bytes))
                .collect();
            referrers.sort();
            for referrer in referrers {
                lines.insert(format!("{repository}@{digest} <- {referrer}"));
            }
        }
    }
    lines
}

/// What one line did to it: `+` and `-`.
pub(super) fn change(before: &BTreeSet<String>, after: &BTreeSet<String>) -> String {
    let gone = before.difference(after).map(|line| format!("- {line}"));
    let come = after.difference(before).map(|line| format!("+ {line}"));
    gone.chain(come).collect::<Vec<_>>().join("\n")
}

fn shape(bytes: &[u8]) -> String {
    match serde_json::from_slice::<Value>(bytes) {
        Ok(value) => normal(value).to_string(),
        Err(_) => "not JSON".to_owned(),
    }
}

fn normal(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, value)| {
                if CHANGING.contains(&name.as_str()) {
                    return None;
                }
                // A signature is there or it is empty.
                let value = if name == "dev.cosignproject.cosign/signature" {
                    Value::from(if value.as_str().is_some_and(str::is_empty) {
                        ""
                    } else {
                        "SIGNATURE"
                    })
                } else {
                    normal(value)
                };
                // What is empty and what is absent mean the same.
                let empty = value.as_object().is_some_and(serde_json::Map::is_empty);
                (!empty).then_some((name, value))
            });
            Value::Object(members.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normal).collect()),
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}
